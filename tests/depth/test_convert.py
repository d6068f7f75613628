"""Distances to disparity and back, against the formula and against themselves."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.depth.convert import Range, Unit, to_disparity, to_distance

METRES = Range(near=1.0, far=5.0)


def row(*values):
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1)


def listed(t):
    return [pytest.approx(value, abs=1e-6) for value in t.flatten().tolist()]


def test_known_distances():
    assert listed(to_disparity(row(1.0, 5 / 3, 2.5, 5.0), METRES)) == [1.0, 0.5, 0.25, 0.0]
    assert listed(to_distance(row(1.0, 0.5, 0.25, 0.0), METRES)) == [1.0, 5 / 3, 2.5, 5.0]


def test_known_linear_distances():
    ends = Range(1.0, 5.0, unit=Unit.LINEAR)
    assert listed(to_disparity(row(0.0, 1 / 6, 1.0), ends)) == [1.0, 0.5, 0.0]
    assert listed(to_distance(row(1.0, 0.5, 0.0), ends)) == [0.0, 1 / 6, 1.0]


def test_a_plane_in_space_becomes_a_linear_ramp():
    # A floor seen from a camera: the distance of row y below the horizon is 1 / y.
    floor = 1 / torch.linspace(0.1, 1, 50).reshape(1, -1, 1).repeat(1, 1, 8)
    steps = to_disparity(floor, Range()).diff(dim=1)
    assert torch.allclose(steps, torch.full_like(steps, 1 / 49), atol=1e-5)


@st.composite
def ends_and_distances(draw):
    near = draw(st.floats(0.01, 10))
    far = near * draw(st.floats(1.5, 1000))
    shares = torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    return near, far, near + shares * (far - near)


@given(ends_and_distances(), st.sampled_from([Unit.METRIC, Unit.LINEAR]))
def test_both_ways_are_each_others_inverse(case, unit):
    near, far, z = case
    ends = Range(near, far, unit=unit)
    z = (z - near) / (far - near) if unit is Unit.LINEAR else z
    disparity = to_disparity(z, ends)
    assert disparity.min() >= 0
    assert disparity.max() <= 1
    assert torch.allclose(to_distance(disparity, ends), z, rtol=1e-5, atol=1e-6)
    assert torch.allclose(to_disparity(to_distance(disparity, ends), ends), disparity, atol=1e-5)


@given(ends_and_distances())
def test_nearer_is_larger(case):
    near, far, z = case
    order = z.flatten().argsort()
    assert (to_disparity(z, Range(near, far)).flatten()[order].diff() <= 0).all()


def test_ends_are_those_of_the_whole_batch_without_its_sky():
    z = torch.stack([row(2.0, 4.0, torch.inf)[0], row(1.0, 5.0, 1e10)[0]])
    disparity = to_disparity(z, Range(sky=1e9))
    expected = to_disparity(z, Range(1.0, 5.0, sky=1e9))
    assert torch.equal(disparity, expected)
    assert disparity[:, 0, 2].tolist() == [0, 0]
    assert (disparity[1, 0, 0], disparity[1, 0, 1]) == (1, 0)


def test_what_was_not_seen_is_a_hole():
    disparity = to_disparity(row(0.0, -1.0, torch.nan, -torch.inf, 2.0, 3.0), Range())
    assert disparity.isnan().flatten().tolist() == [True] * 4 + [False] * 2


def test_beyond_near_and_far_it_is_clipped_and_said(caplog):
    assert listed(to_disparity(row(0.5, 2.5, 7.0, 9.0), METRES)) == [1.0, 0.25, 0.0, 0.0]
    assert (
        "nearer than 1 becomes white (1 of 4 pixels), what is farther than 5 black (2)"
        in caplog.text
    )


def test_linear_values_beyond_their_ends_are_near_and_far_however_far_they_go(caplog):
    """Below 0 the distance itself may be below 0, as resizing leaves it at a near edge."""
    ends = Range(0.1, 1000.0, unit=Unit.LINEAR)
    values = row(-0.3, -0.01, -1e-4, 0.0, 1.0, 1.2)
    assert listed(to_disparity(values, ends)) == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert (
        "nearer than 0.1 becomes white (3 of 6 pixels), what is farther than 1000 black (1)"
        in caplog.text
    )
    holes = to_disparity(row(torch.nan, -torch.inf, torch.inf, -0.1), ends).flatten()
    assert holes.isnan().tolist() == [True, True, False, False]
    assert holes[2:].tolist() == [0, 1]


def test_metric_distances_of_nothing_are_called_so(caplog):
    to_disparity(row(0.0, -1.0, 2.0, 3.0), Range())
    assert "2 of 4 pixels are at 0 or less, which is no distance" in caplog.text


@given(st.floats(-50, 50), st.floats(0.01, 100))
def test_disparity_of_any_range_is_stretched_over_the_whole_batch(low, span):
    d = low + span * torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(1))
    stretched = to_disparity(d, Range(unit=Unit.DISPARITY))
    expected = np.interp(d.double(), [d.min(), d.max()], [0, 1])
    assert np.allclose(stretched, expected, atol=1e-4)


def test_disparity_between_stated_ends(caplog):
    ends = Range(near=10.0, far=2.0, unit=Unit.DISPARITY)
    assert listed(to_disparity(row(12.0, 10.0, 4.0, 2.0, 0.0), ends)) == [1, 1, 0.25, 0, 0]
    assert (
        "nearer than 10 becomes white (1 of 5 pixels), what is farther than 2 black (1)"
        in caplog.text
    )
    holes = to_disparity(row(torch.inf, torch.nan, 5.0), Range(unit=Unit.DISPARITY)).flatten()
    assert holes.isnan().tolist() == [True, True, False]
    assert holes[2] == 0  # of a flat map all is far, as `convention.normalize` has it


def test_disparity_whose_ends_do_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"near is 1 and far 2 .* the larger disparity"):
        to_disparity(row(2.0, 3.0), Range(near=1.0, unit=Unit.DISPARITY))
    with pytest.raises(ValueError, match="none of 1 pixels has a value"):
        to_disparity(row(torch.nan), Range(unit=Unit.DISPARITY))
    with pytest.raises(ValueError, match="no unit of distances"):
        to_distance(row(0.5), Range(2.0, 1.0, unit=Unit.DISPARITY))


def test_a_map_at_one_distance_is_flat():
    assert (to_disparity(row(3.0, 3.0), Range()) == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"near": 5.0, "far": 1.0}, "near is the smaller distance"),
        ({"near": -1.0}, "near is -1; expected a finite number, 0 or more"),
        ({"far": math.inf}, "far is inf; expected a finite number"),
        ({"near": 1.0, "far": math.nan}, "far is nan"),
        ({"sky": math.nan}, "sky is nan"),
        ({"sky": -1.0}, "sky is -1"),
        ({"near": 2.0, "far": 2.0}, "nothing lies between"),
        ({"near": 1.0, "far": 5.0, "unit": Unit.DISPARITY}, "near is the larger disparity"),
        ({"sky": 9.0, "unit": Unit.DISPARITY}, "set sky to 0"),
        ({"unit": Unit.LINEAR, "near": 1.0}, "give both"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Range(**options)


def test_near_beyond_the_farthest_pixel_is_refused():
    with pytest.raises(ValueError, match="near is 10 and far 3"):
        to_disparity(row(2.0, 3.0), Range(near=10.0))


def test_a_map_of_nothing_but_sky_is_refused():
    with pytest.raises(ValueError, match="none of 2 pixels has a value"):
        to_disparity(row(torch.inf, torch.nan), Range())


def test_back_needs_both_ends():
    with pytest.raises(ValueError, match="near is 1 and far 0"):
        to_distance(row(0.5), Range(near=1.0))
