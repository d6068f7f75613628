"""Holes are filled from their borders, and nothing else is touched."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.images.fill import fill_holes, neighbourhood


@st.composite
def holes(draw):
    """Images [B, C, H, W] and what is known of them [B, 1, H, W]."""
    batch, channels = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    values = torch.rand(batch, channels, height, width, generator=generator)
    known = torch.rand(batch, 1, height, width, generator=generator) > draw(st.floats(0, 0.95))
    known[:, :, 0, 0] = True
    return values, known


@given(holes())
def test_what_is_known_stays_and_the_rest_lies_between(pair):
    values, known = pair
    filled = fill_holes(values, known)
    everywhere = known.expand_as(values)
    assert torch.equal(filled[everywhere], values[everywhere])
    for image, filling, where in zip(values, filled, known, strict=True):
        seen = image[:, where[0]]
        low, high = seen.amin(1)[:, None, None], seen.amax(1)[:, None, None]
        assert (filling >= low - 1e-5).all()
        assert (filling <= high + 1e-5).all()


def test_what_lies_in_the_hole_does_not_matter():
    values = torch.rand(1, 3, 33, 47, generator=torch.Generator().manual_seed(1))
    known = torch.ones(1, 1, 33, 47, dtype=torch.bool)
    known[..., 10:20, 12:30] = False
    other = torch.where(known, values, 0.123)
    assert torch.equal(fill_holes(values, known), fill_holes(other, known))


def test_a_hole_in_one_colour_becomes_that_colour():
    values = torch.full((1, 3, 64, 64), 0.25)
    known = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    known[..., 16:48, 16:48] = False
    assert torch.allclose(fill_holes(values, known), values, atol=1e-6)


def test_an_image_that_is_one_hole_is_refused():
    known = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    known[1] = False
    with pytest.raises(ValueError, match="image 1 of 2"):
        fill_holes(torch.rand(2, 3, 4, 4), known)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (7, 1), (12, 9)])
def test_a_neighbourhood_is_the_mean_of_the_pixels_that_exist(size):
    values = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(4))
    before = values.clone()
    expected = F.avg_pool2d(values, 3, stride=1, padding=1, count_include_pad=False)
    assert torch.allclose(neighbourhood(values), expected, atol=1e-6)
    assert torch.equal(values, before)
