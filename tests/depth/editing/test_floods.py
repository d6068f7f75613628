"""The connected area around a point, against a search pixel by pixel."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.editing.floods import flood_area
from sd2_depth2img.depth.editing.ground import Ground
from sd2_depth2img.depth.editing.state import Does, Flood


def flooded(ground, at, tolerance, edge):
    area = flood_area(Flood(does=Does.SET, at=at, tolerance=tolerance, edge=edge), ground)
    weights = np.zeros(ground.base.shape)
    if area is not None:
        weights[area.box.slices] = area.weights
    return weights


def searched(ground, start, tolerance, edge):
    steps = ground.steps.astype(int)
    guide = None if ground.guide is None else ground.guide.astype(int)
    allowed = np.abs(steps - steps[start]) <= np.floor(tolerance * 65535 + 0.5)
    found, open_ones = {start}, [start]
    while open_ones:
        y, x = open_ones.pop()
        for there in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if there in found or not all(
                0 <= a < b for a, b in zip(there, steps.shape, strict=True)
            ):
                continue
            step = 0 if guide is None else abs(guide[there] - guide[y, x])
            if allowed[there] and step <= np.floor(edge * 255 + 0.5):
                found.add(there)
                open_ones.append(there)
    weights = np.zeros(steps.shape)
    weights[tuple(np.array(list(found)).T)] = 1
    return weights


@given(
    seed=st.integers(0, 10**6),
    tolerance=st.floats(0, 1),
    edge=st.floats(0, 0.5),
    has_guide=st.booleans(),
)
@settings(deadline=None, max_examples=80)
def test_it_is_what_a_search_finds(seed, tolerance, edge, has_guide):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 24, 2)
    base = rng.choice(rng.random(4), (height, width)).astype(np.float32)
    guide = rng.integers(0, 60, (height, width)).astype(np.uint8) if has_guide else None
    ground = Ground(base, guide, (float(width), float(height)))
    y, x = int(rng.integers(height)), int(rng.integers(width))
    found = flooded(ground, (x + 0.3, y + 0.9), tolerance, edge)
    assert np.array_equal(found, searched(ground, (y, x), tolerance, edge))


def test_it_stops_at_a_step_of_the_map_and_at_an_edge_of_the_photo():
    base = np.full((4, 9), 0.5, np.float32)
    base[:, 6:] = 0.7
    guide = np.zeros((4, 9), np.uint8)
    guide[:, :2] = 200
    ground = Ground(base, guide, (9.0, 4.0))
    assert flooded(ground, (4, 2), 0.1, 0.1)[0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert flooded(ground, (4, 2), 0.3, 1)[0].tolist() == [1] * 9


def test_a_point_outside_of_the_map_selects_nothing():
    ground = Ground(np.zeros((4, 9), np.float32), None, (9.0, 4.0))
    assert not flooded(ground, (-0.1, 2), 1, 1).any()
    assert not flooded(ground, (9, 2), 1, 1).any()
