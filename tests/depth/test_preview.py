"""What is said about a depth map, when and only when, and the page that shows it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.depth.colormaps import ColourMap, palette
from sd2_depth2img.depth.preview import examine, examine_channel, same_size, sheet


def scene(height=90, width=120):
    """A floor that comes nearer towards the bottom, and a ball on it: nothing to complain of."""
    rows, columns = torch.meshgrid(
        torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij"
    )
    ball = (0.09 - (rows - 0.6) ** 2 - (columns - 0.5) ** 2).clamp(min=0).sqrt()
    depth = 0.2 + 0.5 * rows + ball + 0.001 * columns
    return (depth - depth.min()) / (depth.max() - depth.min())


def said(depth):
    return "\n".join(examine(depth))


def test_a_good_map_raises_no_hint():
    assert examine(scene()) == []


@given(st.integers(30, 80), st.integers(30, 80), st.floats(0.1, 0.9))
def test_slopes_to_the_side_and_to_the_bottom_raise_none(height, width, tilt):
    rows, columns = torch.meshgrid(
        torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij"
    )
    assert examine(tilt * rows + (1 - tilt) * columns) == []


@pytest.mark.parametrize(("low", "high", "ends"), [(0.3, 1, 1), (0, 0.5, 1), (0.3, 0.5, 2)])
def test_clipping_is_noticed_at_the_end_where_it_is(low, high, ends):
    found = examine(scene().clamp(low, high))
    assert len(found) == ends
    assert any("exactly the farthest depth" in note for note in found) == (low > 0)
    assert any("exactly the nearest depth" in note for note in found) == (high < 1)
    share = (scene() <= low).float().mean()
    assert low == 0 or f"{share:.0%} of the pixels have exactly the farthest" in "\n".join(found)


def test_a_few_pixels_at_the_end_are_no_clipping():
    depth = scene().flatten()
    depth[torch.linspace(0, depth.numel() - 1, depth.numel() // 25).long()] = 1  # 4 %
    assert examine(depth.view(90, 120)) == []


def test_flatness_of_three_kinds():
    assert examine(torch.full((9, 9), 0.3)) == [
        "flat: every pixel has the depth 0.3, so the model sees no depth."
    ]
    assert "almost flat: the depths differ by 0.04 only" in said(0.5 + 0.04 * scene())
    assert said(0.5 + 0.06 * scene()) == ""
    crowded = 0.4 + 0.05 * scene()
    crowded[0, 0], crowded[0, 1] = 0, 1
    assert "almost flat but for a few pixels: 98% of them lie within 5%" in said(crowded)


def test_an_inverted_map_is_doubted_and_no_other():
    assert "the bottom third is farther" in said(1 - scene())
    assert "If nearer parts are the darker ones here, invert the map" in said(1 - scene())
    assert said(scene().flip(1)) == ""
    slightly = torch.linspace(0.6, 0.5, 90).view(-1, 1) + torch.linspace(-0.4, 0.4, 120)
    assert said(slightly) == ""


def test_inversion_of_a_small_part_of_the_range_is_measured_in_that_part():
    assert "the bottom third is farther" in said(0.4 + 0.1 * (1 - scene()))


def test_missing_and_strange_values_are_counted():
    broken = scene()
    broken[3, :4] = torch.nan
    broken[4, 0] = torch.inf
    assert examine(broken) == [
        f"5 of {broken.numel()} pixels are NaN or infinite, and filled from the nearest others."
    ]
    assert "run from -0.5 to 1.5, a depth map from 0 to 1" in said(2 * scene() - 0.5)


@pytest.mark.parametrize("depth", [torch.zeros(1, 4, 4), torch.full((4, 4), torch.nan)])
def test_what_is_no_map_is_refused(depth):
    with pytest.raises(ValueError, match=r"expected \[height, width\] with one or more"):
        examine(depth)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (1, 100)])
def test_small_maps_are_examined_too(size):
    assert isinstance(examine(torch.rand(size)), list)


def test_a_channel_beyond_its_range_is_noticed_but_no_overshoot():
    channel = torch.linspace(-1, 1, 100).view(10, 10)
    assert examine_channel(channel) == []
    assert examine_channel(channel * 1.04) == []
    (note,) = examine_channel(channel * 2)
    share = (channel.abs() * 2 > 1.05).float().mean()
    assert note.startswith(f"{share:.0%} of what the model sees goes beyond -1 to 1")
    assert "-2.00 to 2.00" in note


# --- the page ------------------------------------------------------------------------------------


def page(depth, channel, colours=ColourMap.TURBO, size=96):
    return sheet(depth, channel, colours, size)


def test_the_page_holds_both_images_exactly():
    depth = torch.randint(0, 256, (48, 96), generator=torch.Generator().manual_seed(1)) / 255
    channel = torch.linspace(-1, 1, 72).view(6, 12)
    found = page(depth, channel)
    painted = palette(ColourMap.TURBO)[(depth * 255).round().long()]
    assert (found[12:60, 12:108] - painted).abs().max() <= 0.5 / 255 + 1e-6
    expected = ((channel + 1) / 2).repeat_interleave(8, 0).repeat_interleave(8, 1)
    starts = [
        x
        for x in range(60, found.shape[1] - 96)
        if (found[12:60, x : x + 96, 0] - expected).abs().max() < 3e-3
    ]
    assert len(starts) == 1


def test_the_histogram_is_where_the_depths_are():
    depth = torch.full((32, 32), 0.25)
    depth[:, 16:] = 0.75
    found = page(depth, torch.zeros(4, 4), size=256)
    legend = next(
        y
        for y in range(280, len(found))
        if torch.allclose(found[y, 13:-13], expected_legend(found.shape[1] - 24)[1:-1], atol=3e-3)
    )
    bars = (found[legend - 10, 12:-12] < 0.5).all(dim=-1).nonzero().flatten().numpy()
    width = found.shape[1] - 24
    assert np.isin((bars / width * 128).astype(int), [32, 96]).all()
    assert len(bars) > 6


def expected_legend(width):
    return palette(ColourMap.TURBO)[(torch.linspace(0, 1, width) * 255).round().long()]


def test_pages_of_any_size_become_one_batch_on_white_paper():
    small, wide = torch.zeros(2, 3, 3), torch.full((1, 5, 3), 0.5)
    pages = same_size([small, wide])
    assert torch.equal(pages[0, :2, :3], small)
    assert torch.equal(pages[1, :1], wide)
    assert (pages[0, :, 3:] == 1).all()
    assert (pages[1, 1:] == 1).all()


@pytest.mark.parametrize("colours", ColourMap)
@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (700, 9)])
def test_maps_of_any_shape_and_values_beyond_0_and_1_are_drawn(colours, shape):
    found = page(torch.rand(shape) * 3 - 1, torch.randn(2, 3), colours, size=64)
    assert found.min() >= 0
    assert found.max() <= 1
