"""Coverage of polygons: exact where it is known, and by counting fine samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.editing import polygons
from sd2_depth2img.depth.editing.ground import Ground
from sd2_depth2img.depth.editing.polygons import polygon_area

HEIGHT, WIDTH = 14, 18
GROUND = Ground(np.zeros((HEIGHT, WIDTH), np.float32), None, (WIDTH, HEIGHT))


def covered(points, ground=GROUND):
    weights = np.zeros((HEIGHT, WIDTH))
    if (area := polygon_area(np.array(points, float), ground)) is not None:
        weights[area.box.slices] = area.weights
    return weights


def test_a_rectangle_covers_what_it_covers():
    weights = covered([(2.25, 3), (9.5, 3), (9.5, 7.5), (2.25, 7.5)])
    across = np.zeros(WIDTH)
    across[2:10] = [0.75, 1, 1, 1, 1, 1, 1, 0.5]
    down = np.zeros(HEIGHT)
    down[3:8] = [1, 1, 1, 1, 0.5]
    assert np.array_equal(weights, down[:, None] * across)


def test_what_crosses_itself_is_out_where_it_is_in_twice():
    twice = covered(
        [(2, 2), (12, 2), (12, 12), (2, 12), (2, 2), (5, 5), (9, 5), (9, 9), (5, 9), (5, 5)]
    )
    assert twice[6, 6] == 0
    assert twice[3, 3] == 1


@given(st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 20)), min_size=3, max_size=8))
@settings(deadline=None, max_examples=60)
def test_it_is_the_share_of_samples_inside(points):
    weights = covered(points)
    assert weights.min() >= 0
    assert weights.max() <= 1
    fine = 64
    ys = (np.arange(HEIGHT * 4) + 0.5) / 4
    xs = (np.arange(WIDTH * fine) + 0.5) / fine
    inside = np.zeros((len(ys), len(xs)), bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        rows = (min(y0, y1) <= ys) & (ys < max(y0, y1))
        at = x0 + (ys[rows] - y0) * (x1 - x0) / (y1 - y0) if rows.any() else ys[:0]
        inside[rows] ^= xs[None] > at[:, None]
    shares = inside.reshape(HEIGHT, 4, WIDTH, fine).mean(axis=(1, 3))
    assert np.abs(weights - shares).max() <= len(points) / fine + 1e-6


def test_its_pixels_are_the_same_when_few_crossings_are_held_at_once(monkeypatch):
    rng = np.random.default_rng(3)
    points = rng.uniform(-3, 20, (40, 2))
    whole = covered(points)
    monkeypatch.setattr(polygons, "CROSSINGS", 64)
    assert np.array_equal(covered(points), whole)


def test_what_lies_outside_or_on_a_line_covers_nothing():
    assert polygon_area(np.array([[-9.0, 0], [-5, 9], [-3, 2]]), GROUND) is None
    assert not covered([(3, 3), (9, 9), (3, 3)]).any()


def test_it_is_scaled_with_the_map():
    small = Ground(GROUND.base, None, (WIDTH / 2, HEIGHT / 4))
    points = np.array([(1.0, 1), (8, 1.5), (5, 3)])
    assert covered(points, small) == pytest.approx(covered(points * (2, 4)))
