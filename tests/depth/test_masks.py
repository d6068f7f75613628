"""Depth under masks and strengths from depth, as properties."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.depth.masks import UnderMask, put_under_mask, strength_map


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
