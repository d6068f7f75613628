"""The brush's weights against the formula, segment by segment and pixel by pixel."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.editing.ground import Ground
from sd2_depth2img.depth.editing.state import Does, Stroke
from sd2_depth2img.depth.editing.strokes import stroke_area

SIZE = (30, 22)


def ground(size=SIZE):
    return Ground(np.zeros(SIZE[::-1], np.float32), None, size)


def drawn(points, radius=6.0, hardness=0.5, size=SIZE):
    """The weights of all of the map."""
    rows = np.array([[*one, 1.0][:3] for one in points], float)
    stroke = Stroke(does=Does.SET, points=rows, radius=radius, hardness=hardness)
    weights = np.zeros(SIZE[::-1])
    if (area := stroke_area(stroke, ground(size))) is not None:
        weights[area.box.slices] = area.weights
    return weights


def weight_at(x, y, points, radius, hardness):
    """By the formula, of one pixel."""
    best = 0.0
    segments = list(pairwise(points)) or [(points[0], points[0])]
    for (x0, y0, p0), (x1, y1, p1) in segments:
        square = (x1 - x0) ** 2 + (y1 - y0) ** 2
        along = (x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)
        t = min(max(along / square, 0), 1) if square else 0
        reach = radius * (p0 + t * (p1 - p0))
        u = math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0)) / reach if reach else 2
        if u < 1:
            soft = max(1 - hardness, 1 / reach)
            s = min((1 - u) / soft, 1)
            best = max(best, s * s * (3 - 2 * s))
    return best


PLACE = st.tuples(st.floats(-10, 40), st.floats(-10, 30))


@given(
    places=st.lists(PLACE, min_size=1, max_size=5),
    pressures=st.lists(st.floats(0, 1), min_size=5, max_size=5),
    is_even=st.booleans(),
    radius=st.floats(0.5, 20),
    hardness=st.floats(0, 1),
)
@settings(deadline=None, max_examples=60)
def test_every_weight_is_that_of_the_formula(places, pressures, is_even, radius, hardness):
    if is_even:
        pressures = pressures[:1] * 5
    points = [(*place, pressures[i]) for i, place in enumerate(places)]
    weights = drawn(points, radius, hardness)
    for (j, i), weight in np.ndenumerate(weights):
        expected = weight_at(i + 0.5, j + 0.5, points, radius, hardness)
        assert weight == pytest.approx(expected, abs=1e-9)


def test_it_is_1_within_and_0_from_the_radius_on():
    weights = drawn([(15, 11)], radius=8, hardness=0.5)
    ys, xs = np.mgrid[:22, :30] + 0.5
    far = np.hypot(xs - 15, ys - 11)
    assert (weights[far <= 4] == 1).all()
    assert (weights[far >= 8] == 0).all()
    assert ((weights > 0) & (weights < 1))[(far > 4.1) & (far < 7.9)].all()


def test_without_pressure_nothing_is_drawn():
    assert not drawn([(15, 11, 0)]).any()


def test_a_hard_brush_still_has_a_rim_of_a_pixel():
    row = drawn([(15, 11.5)], radius=8, hardness=1)[11]
    assert set(row[9:21]) == {1.0}
    assert 0 < row[7] < 1 or 0 < row[22] < 1


def test_outside_of_the_map_it_is_nothing():
    stroke = Stroke(does=Does.SET, points=np.array([[-90.0, 5, 1]]), radius=5.0)
    assert stroke_area(stroke, ground()) is None


def test_on_a_map_of_another_size_places_and_radius_are_scaled():
    half = drawn([(7.5, 5.5), (10, 8)], radius=3, size=(15, 11))
    assert np.allclose(half, drawn([(15, 11), (20, 16)], radius=6))
    wide = drawn([(3.75, 11)], radius=3, size=(7.5, 22))  # 4 times as wide: lengths times 2
    assert np.allclose(wide, drawn([(15, 11)], radius=6))
