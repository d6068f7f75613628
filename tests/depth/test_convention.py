"""The rules of depth maps: canvas conversion, normalisation, repair, resizing."""

import logging

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sd2_depth2img.depth.convention import (
    OutOfRange,
    from_image,
    normalize,
    repair,
    resize,
    to_image,
    unit_range,
)

SIZES = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)
FINITE = st.floats(-1000, 1000, width=32)
MAPS = hnp.arrays(np.float32, SIZES, elements=FINITE).map(torch.from_numpy)
HOLES = st.sampled_from([float("nan"), float("inf"), float("-inf")])


@pytest.fixture(scope="module")
def disparity():
    """The Middlebury motorcycle's true disparity, [1, 500, 741]; unknown where it is infinite."""
    return torch.from_numpy(skimage.data.stereo_motorcycle()[2]).unsqueeze(0)


def all_16_bit_values():
    return (torch.arange(65536, dtype=torch.float32) / 65535).reshape(1, 256, 256)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_image_keeps_every_bit(channels, caplog):
    depth = all_16_bit_values()
    image = depth.unsqueeze(-1).repeat(1, 1, 1, channels)
    if channels == 4:
        image[..., 3] = 1
    assert torch.equal(from_image(image), depth)
    assert not caplog.records


@given(MAPS)
def test_to_image_and_back_is_the_identity(depth):
    image = to_image(depth)
    assert image.shape == (*depth.shape, 3)
    assert torch.equal(from_image(image), depth)


def test_to_image_may_be_written_to():
    image = to_image(torch.zeros(1, 2, 2))
    image[..., 0] = 1
    assert image[..., 1:].max() == 0


@pytest.mark.parametrize(
    ("colour", "luma"), [((1, 0, 0), 0.2126), ((0, 1, 0), 0.7152), ((0, 0, 1), 0.0722)]
)
def test_colour_becomes_luma_with_a_warning(colour, luma, caplog):
    image = torch.tensor(colour, dtype=torch.float32).expand(1, 2, 3, 3)
    assert from_image(image) == pytest.approx(torch.full((1, 2, 3), luma).numpy())
    assert "the depth map is coloured" in caplog.text


def test_one_coloured_map_leaves_the_grey_ones_of_the_batch_alone(caplog):
    grey = all_16_bit_values()
    image = to_image(grey.repeat(2, 1, 1))
    image[1, 0, 0, 2] += 0.5
    depth = from_image(image)
    assert torch.equal(depth[0], grey[0])
    assert depth[1, 0, 0] == pytest.approx(0.5 * 0.0722)
    assert "1 of 2 depth maps is coloured" in caplog.text


def test_non_finite_pixels_do_not_make_a_map_coloured(caplog):
    depth = torch.tensor([[[0.25, torch.nan, torch.inf, -torch.inf]]])
    assert torch.equal(from_image(to_image(depth)).nan_to_num(-1), depth.nan_to_num(-1))
    assert not caplog.records


def test_transparency_shows_black_with_a_warning(caplog):
    image = torch.full((1, 1, 3, 4), 0.5)
    image[0, 0, :, 3] = torch.tensor([1, 0.5, 0])
    assert from_image(image).tolist() == [[[0.5, 0.25, 0]]]
    assert "2 of 3 depth pixels are transparent" in caplog.text


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32(dtype):
    image = torch.tensor([0, 0.25, 1]).reshape(1, 1, 3, 1).expand(-1, -1, -1, 3)
    depth = from_image(image.to(dtype))
    assert depth.dtype == torch.float32
    assert depth.tolist() == [[[0, 0.25, 1]]]


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (1, 4, 4, 2), (1, 4, 4, 5), (1, 0, 4, 3)])
def test_image_of_another_shape_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match=r"\[batch, height, width, channels\]") as error:
        from_image(torch.zeros(shape))
    assert str(shape) in str(error.value)


def test_integers_are_refused():
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        from_image(torch.zeros(1, 4, 4, 3, dtype=torch.uint8))


@pytest.mark.parametrize(
    "function", [to_image, normalize, repair, lambda depth: resize(depth, 8, 8)]
)
@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4, 3), (0, 4, 4)])
def test_depth_of_another_shape_is_refused_with_its_shape(function, shape):
    with pytest.raises(ValueError, match="expected") as error:
        function(torch.zeros(shape))
    assert str(shape) in str(error.value)


@given(MAPS)
def test_normalize_spans_0_to_1_and_keeps_the_order(depth):
    result = normalize(depth)
    for before, after in zip(depth, result, strict=True):
        if before.min() == before.max():
            assert after.abs().max() == 0
        else:
            assert (after.min(), after.max()) == (0, 1)
            ranks = before.flatten().argsort(stable=True)
            assert (after.flatten()[ranks].diff() >= 0).all()


@given(MAPS, st.integers(-20, 20))
def test_normalize_does_not_see_scale_and_does_nothing_twice(depth, exponent):
    once, scaled = normalize(depth), depth * 2.0**exponent
    assert torch.equal(normalize(once), once)
    assume(torch.equal(scaled / 2.0**exponent, depth))  # the smallest numbers lose bits
    assert torch.allclose(normalize(scaled), once, rtol=0, atol=1e-6)


def test_normalize_does_not_see_an_offset(disparity):
    depth = repair(disparity)
    assert torch.allclose(normalize(depth * 3 - 7), normalize(depth), atol=1e-5)


def test_normalize_takes_every_map_by_itself():
    depth = torch.stack([torch.full((2, 2), 5.0), torch.tensor([[2.0, 4.0], [3.0, 2.0]])])
    assert normalize(depth).tolist() == [[[0, 0], [0, 0]], [[0, 1], [0.5, 0]]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_normalize_refuses_non_finite_values(value):
    depth = torch.rand(1, 4, 4)
    depth[0, 1, 1:3] = value
    with pytest.raises(ValueError, match="the depth map: 2 of 16 values are NaN"):
        normalize(depth)


@settings(max_examples=50, deadline=None)
@given(MAPS, st.data())
def test_repair_leaves_finite_pixels_alone_and_stays_within_their_range(depth, data):
    holes = data.draw(hnp.arrays(bool, tuple(depth.shape))) if depth[0].numel() > 1 else [[[False]]]
    holes = torch.as_tensor(holes).expand_as(depth).clone()
    holes[:, 0, 0] = False  # something must be left of every map
    broken = depth.where(~holes, data.draw(HOLES))
    result = repair(broken)
    assert torch.equal(result[~holes], depth[~holes])
    for before, hole, after in zip(depth, holes, result, strict=True):
        assert before[~hole].min() <= after.min()
        assert after.max() <= before[~hole].max()
    assert torch.equal(result, repair(broken))


def test_repair_says_how_many_and_returns_a_whole_map_as_it_is(caplog):
    depth = torch.rand(1, 8, 8)
    assert repair(depth) is depth
    depth[0, 3, 2:5] = torch.nan
    with caplog.at_level(logging.WARNING):
        repair(depth)
    assert "3 of 64 depth pixels" in caplog.text


def test_repair_fills_a_hole_from_around_it():
    ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)
    broken = ramp.clone()
    broken[:, 28:34, 20:26] = torch.nan
    assert (repair(broken) - ramp).abs().max() < 0.02


def test_repair_continues_a_border_without_a_step_over_half_a_large_map():
    broken = torch.full((1, 512, 384), torch.inf)
    broken[:, :256] = torch.linspace(0.2, 0.8, 384)
    filled = repair(broken)[0]
    assert (filled[256] - filled[255]).abs().max() < 0.02
    assert (filled.diff(dim=1) > -1e-6).all()  # still brighter towards the right


def test_repair_of_one_map_does_not_look_at_another():
    depth = torch.stack([torch.full((4, 4), 1.0), torch.full((4, 4), 9.0)])
    depth[0, 1, 1] = torch.nan
    assert repair(depth)[0].unique().tolist() == [1]


def test_repair_of_a_real_disparity_map(disparity):
    unknown = ~disparity.isfinite()
    assert unknown.any()
    result = repair(disparity)
    assert torch.equal(result[~unknown], disparity[~unknown])
    assert result.isfinite().all()


def test_repair_refuses_a_map_without_a_finite_pixel():
    depth = torch.zeros(2, 3, 3)
    depth[1] = torch.nan
    with pytest.raises(ValueError, match=r"depth map 1 of 2 .* no finite pixel"):
        repair(depth)


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (700, 900), (500, 741)])
def test_resize_is_opencvs_cubic(disparity, size):
    depth = normalize(repair(disparity))
    reference = cv2.resize(depth[0].numpy(), size[::-1], interpolation=cv2.INTER_CUBIC)
    result = resize(depth, *size)
    assert result.shape == (1, *size)
    assert np.abs(result[0].numpy() - reference).max() < 1e-4  # of float32 coordinates


def test_resize_to_the_same_size_changes_nothing(disparity):
    depth = normalize(repair(disparity))
    assert torch.equal(resize(depth, *depth.shape[1:]), depth)


def test_resize_to_nothing_is_refused():
    with pytest.raises(ValueError, match="8 × 0 pixels"):
        resize(torch.zeros(1, 4, 4), 0, 8)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_bicubic_enlarging_leaves_beyond_the_range_is_clipped_and_said(scale, caplog):
    """At a corner of full height it is most: 0.22."""
    corner = torch.zeros(1, 16, 16)
    corner[:, 8:, 8:] = 1
    large = resize(corner, 16 * scale, 16 * scale)
    assert large.max() > 1.1
    limited = unit_range(large)
    assert (limited.min(), limited.max()) == (0, 1)
    assert "clipped" in caplog.text
    with pytest.raises(OutOfRange, match=r"expected 0 \(far\) to 1 \(near\)"):
        unit_range(large * 2)


def test_repairing_inside_fills_only_there_and_only_from_there():
    depth = torch.full((3, 8, 8), 0.25)
    depth[:, :, 4:] = 7.0
    depth[0, 3, 3] = depth[0, 3, 5] = depth[1] = torch.nan
    inside = torch.zeros(3, 8, 8, dtype=torch.bool)
    inside[0, :, :4] = True
    repaired = repair(depth, inside)
    assert repaired[0, 3, 3] == 0.25
    depth[0, 3, 3] = 0.25
    assert torch.equal(repaired.nan_to_num(nan=-1), depth.nan_to_num(nan=-1))
    with pytest.raises(ValueError, match=r"depth map 1 of 3 .*: all 64 are NaN"):
        repair(depth, torch.ones_like(inside))


def test_what_few_pixels_lose_is_not_worth_saying(caplog):
    depth = torch.full((1, 60, 60), 0.5)
    depth[0, 0, :3] = 1.1
    assert unit_range(depth).max() == 1
    assert caplog.text == ""
    depth[0, 0, :4] = 1.1
    assert unit_range(depth).max() == 1
    assert "4 of 3600 depth pixels are outside of 0..1" in caplog.text
