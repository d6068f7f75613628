"""Depth under masks, limits of edits, and masks and strengths made of depth."""

import pytest
import skimage.filters
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.depth.masks import (
    Split,
    UnderMask,
    limit,
    put_under_mask,
    range_mask,
    split_mask,
    split_threshold,
    strength_map,
)


@st.composite
def maps_and_masks(draw):
    """Depth [B, H, W] in 0..1 and a mask with a pixel that is 0 in every map."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(2, 24), st.integers(2, 24)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    mask = torch.rand(shape, generator=generator)
    mask = torch.where(mask < draw(st.floats(0, 1)), 0.0, mask)
    mask[:, 0, 0] = 0
    return torch.rand(shape, generator=generator), mask


@given(maps_and_masks(), st.sampled_from(UnderMask))
def test_where_the_mask_is_0_the_map_stays_bit_for_bit_and_all_stays_in_range(pair, kind):
    depth, mask = pair
    other = torch.rand(1, *depth.shape[1:], generator=torch.Generator().manual_seed(1))
    result = put_under_mask(depth, mask, kind, other)
    assert torch.equal(result[mask == 0], depth[mask == 0])
    assert result.min() >= -1e-5
    assert result.max() <= 1 + 1e-5


@given(maps_and_masks())
def test_filling_does_not_depend_on_what_lay_under_the_mask(pair):
    depth, mask = pair
    mask = (mask > 0).float()
    other = torch.where(mask > 0, 0.5, depth)
    filled, same = (put_under_mask(d, mask, UnderMask.SMOOTH_FILL) for d in (depth, other))
    assert torch.equal(filled, same)


@given(
    maps_and_masks(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from((0.0, 0.2))
)
def test_strengths_lie_between_the_two_and_follow_the_depth(pair, near, far, threshold, softness):
    depth, _ = pair
    strengths = strength_map(depth, near, far, threshold, softness)
    assert strengths.shape == depth.shape
    assert strengths.min() >= min(near, far) - 1e-6
    assert strengths.max() <= max(near, far) + 1e-6
    for one, values in zip(depth, strengths, strict=True):
        ordered = values.flatten()[one.flatten().argsort()]
        assert ((ordered.diff() * (near - far)) >= -1e-6).all()


def test_scale_and_shift_of_the_map_do_not_matter():
    depth = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(5))
    expected = strength_map(depth, 0.4, 1.0, 0.5, 0.1)
    torch.testing.assert_close(strength_map(depth * 0.3 + 0.2, 0.4, 1.0, 0.5, 0.1), expected)


def test_a_flat_map_is_far_everywhere():
    assert (strength_map(torch.full((1, 4, 4), 0.7), 0.4, 1.0) == 1.0).all()


@pytest.mark.parametrize("other", [None, torch.zeros(1, 5, 4), torch.zeros(3, 4, 4)])
def test_another_map_that_does_not_fit_is_refused(other):
    with pytest.raises(ValueError, match="other map"):
        put_under_mask(torch.zeros(2, 4, 4), torch.ones(2, 4, 4), UnderMask.OTHER_MAP, other)


# --- limits ---------------------------------------------------------------------------------------


@given(maps_and_masks(), st.integers(0, 9))
def test_a_limited_edit_is_whole_inside_and_nothing_outside(pair, feather):
    depth, mask = pair
    result = limit(depth, 1 - depth, mask, feather)
    assert torch.equal(result[mask == 0], depth[mask == 0])
    assert torch.equal(limit(depth, 1 - depth, (mask > 0).float())[mask > 0], 1 - depth[mask > 0])
    assert limit(depth, mask, None) is mask


# --- ranges ---------------------------------------------------------------------------------------


@given(maps_and_masks(), st.floats(0, 1), st.floats(0, 1))
def test_a_range_without_softness_is_what_lies_in_it(pair, one, other):
    depth, (far, near) = pair[0], sorted((one, other))
    expected = (depth >= far) & (depth <= near)
    assert torch.equal(range_mask(depth, near, far), expected.float())


def test_a_soft_range_is_whole_within_and_fades_out_beyond():
    depth = torch.tensor([[[0.0, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 1.0]]])
    result = range_mask(depth, 0.6, 0.4, 0.2).flatten().tolist()
    assert result == pytest.approx([0, 0, 0.5, 1, 1, 0.5, 0, 0], abs=1e-6)
    assert range_mask(torch.ones(1, 1, 1), 1.0, 0.5, 0.3) == 1


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(ValueError, match=r"near is 0\.2 and far 0\.6"):
        range_mask(torch.zeros(1, 2, 2), 0.2, 0.6)


def two_heaps(share=0.3, seed=1):
    """A map of a ground around 0.3 and things around 0.8, and which is which."""
    generator = torch.Generator().manual_seed(seed)
    front = torch.rand(1, 60, 80, generator=generator) < share
    noise = 0.05 * torch.randn(1, 60, 80, generator=generator)
    return (torch.where(front, 0.8, 0.3) + noise).clamp(0, 1), front


def test_the_split_is_otsus():
    depth, front = two_heaps()
    expected = skimage.filters.threshold_otsu(depth.numpy(), nbins=65536)
    beyond = depth > expected + 1 / 65536  # it names the middle of the last step of the background
    assert torch.equal(split_mask(depth, Split.FOREGROUND), beyond.float())
    assert torch.equal(split_mask(depth, Split.FOREGROUND), front.float())
    gap = (depth[~front].max() + depth[front].min()) / 2
    assert split_threshold(depth).item() == pytest.approx(gap.item(), abs=1e-6)
    both = split_mask(depth, Split.FOREGROUND, 0.2) + split_mask(depth, Split.BACKGROUND, 0.2)
    assert torch.allclose(both, torch.ones_like(both))


@given(st.floats(0.05, 20), st.floats(-3, 3))
def test_the_split_does_not_see_scale_and_shift(scale, shift):
    depth, front = two_heaps()
    assert torch.equal(split_mask(depth * scale + shift, Split.FOREGROUND), front.float())


def test_the_split_looks_only_under_the_mask_and_at_every_map_by_itself():
    depth, front = two_heaps()
    depth = torch.cat([depth, depth * 0.2])
    spoilt = torch.cat([depth, torch.ones(2, 30, 80)], dim=1)
    mask = torch.ones_like(spoilt)
    mask[:, 60:] = 0
    result = split_mask(spoilt, Split.FOREGROUND, mask=mask)[:, :60]
    assert torch.equal(result, front.float().repeat(2, 1, 1))


def test_a_flat_map_is_all_background_and_an_empty_mask_is_refused(caplog):
    flat = torch.full((1, 4, 4), 0.7)
    assert (split_mask(flat, Split.FOREGROUND, 0.1) == 0).all()
    assert (split_mask(flat, Split.BACKGROUND) == 1).all()
    assert "flat (0.7" in caplog.text
    with pytest.raises(ValueError, match="the mask is empty"):
        split_mask(flat, Split.FOREGROUND, mask=torch.zeros_like(flat))


@pytest.mark.parametrize("number", [-0.1, float("nan"), float("inf")])
def test_numbers_that_make_no_sense_are_refused(number):
    depth = torch.rand(1, 4, 4)
    for refused in (
        lambda: range_mask(depth, 1.0, 0.5, softness=number),
        lambda: split_mask(depth, Split.FOREGROUND, softness=number),
        lambda: strength_map(depth, 0.4, 1.0, softness=number),
    ):
        with pytest.raises(ValueError, match="softness is "):
            refused()
    with pytest.raises(ValueError, match=r"near is .*; expected 0 to 1"):
        strength_map(depth, number, 1.0)
    with pytest.raises(ValueError, match="far is nan"):
        range_mask(depth, 1.0, float("nan"))
