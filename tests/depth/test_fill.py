"""Shapes that fill depth maps, against their geometry."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.depth.fill import Geometry, Shape, dome, fill, ramp, relief

EMPTY = torch.zeros(2, 31, 41)


def test_a_plane_is_flat():
    assert (fill(EMPTY, Shape.PLANE, Geometry(near=0.7)) == 0.7).all()


def test_a_ramp_goes_through_its_points_and_stays_beyond_them():
    where = Geometry(near=0.9, far=0.1, first=(0.25, 0.5), second=(0.75, 0.5))
    result = fill(EMPTY, Shape.RAMP, where)
    assert (result == result[:1, :1]).all()  # the same in every row and map
    row = result[0, 0]
    assert row[[10, 20, 30]].tolist() == pytest.approx([0.1, 0.5, 0.9])
    assert row[[0, 40]].tolist() == pytest.approx([0.1, 0.9])
    assert torch.allclose(row[10:31].diff(), torch.full((20,), 0.04), atol=1e-6)


@given(*[st.floats(-1, 2)] * 4)
def test_a_ramp_is_far_at_its_first_point_and_near_at_its_second(x1, y1, x2, y2):
    points = (round(x1 * 40) / 40, round(y1 * 30) / 30), (round(x2 * 40) / 40, round(y2 * 30) / 30)
    if points[0] == points[1]:
        return
    result = ramp(31, 41, Geometry(0.8, 0.3, *points))
    assert result.min() >= 0.3 - 1e-6
    assert result.max() <= 0.8 + 1e-6
    for (x, y), depth in zip(points, (0.3, 0.8), strict=True):
        if 0 <= x <= 1 and 0 <= y <= 1:
            assert result[round(y * 30), round(x * 40)] == pytest.approx(depth, abs=1e-5)


def test_a_dome_is_a_half_sphere_and_leaves_the_rest_alone():
    depth = torch.rand(2, 31, 41)
    where = Geometry(near=0.9, far=0.4, first=(0.5, 0.5), second=(0.75, 0.5))  # radius 10
    result = fill(depth, Shape.DOME, where)
    y, x = np.mgrid[:31, :41]
    apart = (x - 20) ** 2 + (y - 15) ** 2
    inside = torch.from_numpy(apart <= 100)
    sphere = 0.4 + 0.5 * np.sqrt(np.maximum(100 - apart, 0)) / 10
    assert np.allclose(result[0][inside], sphere[inside.numpy()], atol=1e-5)
    assert torch.equal(result[:, ~inside], depth[:, ~inside])


def test_the_relief_of_a_disc_is_a_half_sphere():
    y, x = np.mgrid[:101, :101]
    apart = (x - 50) ** 2 + (y - 50) ** 2
    mask = torch.from_numpy((apart <= 40**2).astype(np.float32))[None]
    sphere = torch.from_numpy(np.sqrt(np.maximum(41**2 - apart, 0)) / 41).float()
    difference = (relief(mask)[0] - sphere).abs()
    assert difference[mask[0] > 0].mean() < 0.02
    assert difference[torch.from_numpy(apart <= 36**2)].max() < 0.05  # the rim's pixels are steps


def test_every_patch_of_a_relief_has_its_own_top():
    mask = torch.zeros(1, 60, 90)
    mask[:, 5:45, 5:45] = 1
    mask[:, 10:20, 60:70] = 0.5
    height = relief(mask)
    assert height[:, :, :50].max() == 1
    assert height[:, :, 50:].max() == 1
    assert (height[mask == 0] == 0).all()
    result = fill(torch.full((1, 60, 90), 0.3), Shape.RELIEF, Geometry(0.9, 0.5), mask)
    assert (result[mask == 0] == 0.3).all()
    assert result[mask > 0].min() > 0.5
    assert result.max() == pytest.approx(0.9)


def test_a_smooth_fill_continues_a_ramp():
    slope = torch.linspace(0, 1, 64).expand(1, 64, 64)
    mask = torch.zeros(1, 64, 64)
    mask[:, 28:36, 20:30] = 1
    spoilt = torch.where(mask > 0, 1.0, slope)
    result = fill(spoilt, Shape.SMOOTH, mask=mask)
    assert (result - slope).abs().max() < 0.03
    assert torch.equal(result[mask == 0], slope[mask == 0])


@pytest.mark.parametrize("shape", [Shape.RELIEF, Shape.SMOOTH])
def test_without_a_mask_there_is_no_outline(shape):
    with pytest.raises(ValueError, match=f"{shape.value} needs a mask"):
        fill(EMPTY, shape)


def test_a_mask_over_everything_leaves_nothing_to_fill_from():
    with pytest.raises(ValueError, match="no border"):
        fill(EMPTY, Shape.SMOOTH, mask=torch.ones_like(EMPTY))


@pytest.mark.parametrize("function", [ramp, dome])
def test_two_points_in_one_place_are_refused(function):
    with pytest.raises(ValueError, match="the same pixel"):
        function(9, 9, Geometry(first=(0.5, 0.5), second=(0.5, 0.5)))
    with pytest.raises(ValueError, match=r"map of 1 x 1 pixels .* choose flat plane"):
        function(1, 1, Geometry())


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"near": 5.0}, "near is 5; expected 0 to 1"),
        ({"far": -0.5}, "far is -0.5; expected 0 to 1"),
        ({"near": float("nan")}, "near is nan"),
        ({"first": (float("inf"), 0.0)}, "x1 is inf; expected a finite number"),
        ({"second": (0.0, float("nan"))}, "y2 is nan"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(where, message):
    with pytest.raises(ValueError, match=message):
        Geometry(**where)
