"""Tiles: they cover an image, are fitted to the whole, and leave no seams."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.depth.tiles import OVERLAP, Mosaic, tiles_of

SIDES = st.integers(128, 3000)


def ramp(height, width):
    """A slope with a hill on it, [H, W]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return 3 + x + 0.7 * y + 0.5 * torch.exp(-20 * ((x - 0.4) ** 2 + (y - 0.6) ** 2))


def cut(tile, scene):
    return tile.of(scene[None])[0]


def put_together(whole, tiles, look):
    mosaic = Mosaic(whole[None])
    for number, tile in enumerate(tiles):
        mosaic.add(tile, look(number, tile)[None])
    return mosaic


@given(SIDES, SIDES, st.integers(1, 8))
def test_every_pixel_is_covered_and_neighbours_overlap(height, width, number):
    tiles = tiles_of(height, width, number)
    rows = sorted({(tile.top, tile.top + tile.height) for tile in tiles})
    columns = sorted({(tile.left, tile.left + tile.width) for tile in tiles})
    assert len(tiles) == len(rows) * len(columns)
    assert min(len(rows), len(columns)) == number
    side = tiles[0].height
    for spans, length in ((rows, height), (columns, width)):
        assert (spans[0][0], spans[-1][1]) == (0, length)
        for (_, end), (start, _) in pairwise(spans):
            assert end - start >= OVERLAP * side - 2
    for tile in tiles:
        assert (tile.height, tile.width) == (side, side) or number == 1


@pytest.mark.parametrize("number", [0, -1, 40])
def test_impossible_numbers_are_refused(number):
    with pytest.raises(ValueError, match="tiles along"):
        tiles_of(20, 30, number)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_tiles_of_any_scale_and_shift_give_the_scene_without_seams(number):
    """Each part comes back stretched and moved at random, as from a network."""
    scene = ramp(200, 280)
    generator = torch.Generator().manual_seed(2)

    def look(_, tile):
        scale, shift = torch.rand(2, generator=generator) * 9 + 0.1
        return scale * cut(tile, scene) - shift

    mosaic = put_together(scene, tiles_of(200, 280, number), look)
    assert mosaic.skipped == 0
    assert (mosaic.result()[0] - scene).abs().max() < 1e-4


def test_no_step_where_tiles_meet_although_each_leans_another_way():
    """A part that is seen alone stands at a depth and a slant of its own."""
    scene = ramp(240, 240)
    generator = torch.Generator().manual_seed(5)
    tiles = tiles_of(240, 240, 4)

    def look(_, tile):
        part = cut(tile, scene)
        lean = torch.rand(2, generator=generator) - 0.5
        sides = [torch.linspace(-1, 1, side) for side in part.shape]
        return part + lean[0] * sides[0][:, None] + lean[1] * sides[1]

    result = put_together(scene, tiles, look).result()[0]
    assert (result - scene).abs().mean() < 0.01
    assert (result.diff(dim=1) - scene.diff(dim=1)).abs().max() < 0.006


def test_what_is_wide_is_the_wholes_and_what_is_fine_the_tiles():
    scene = ramp(240, 240)
    wide = 0.3 * torch.sin(torch.arange(240) / 60)
    fine = 0.05 * torch.sin(torch.arange(240.0))
    tiles = tiles_of(240, 240, 3)
    result = put_together(scene + wide, tiles, lambda _, t: cut(t, scene + fine)).result()[0]
    assert (result - (scene + wide + fine)).abs().mean() < 0.02


def test_detail_that_only_the_tiles_see_is_kept():
    scene = ramp(200, 200)
    fine = scene + 0.05 * torch.sin(torch.arange(200.0))
    result = put_together(scene, tiles_of(200, 200, 3), lambda _, t: cut(t, fine)).result()[0]
    assert (result - fine).abs().mean() < 0.1 * (scene - fine).abs().mean()


@pytest.mark.parametrize("bad", [torch.zeros_like, torch.neg], ids=["flat", "turned round"])
def test_a_tile_that_does_not_go_with_the_whole_is_left_out_without_a_seam(bad):
    scene = ramp(200, 200)
    tiles = tiles_of(200, 200, 3)
    mosaic = put_together(
        scene, tiles, lambda n, t: bad(cut(t, scene)) if n == 4 else 2 * cut(t, scene)
    )
    assert mosaic.skipped == 1
    assert (mosaic.result()[0] - scene).abs().max() < 1e-4


def test_where_the_whole_is_flat_tiles_invent_nothing():
    scene = ramp(200, 200)
    scene[:, 100:] = 5.0
    noise = torch.randn(200, 200, generator=torch.Generator().manual_seed(1))
    tiles = tiles_of(200, 200, 3)
    result = put_together(scene, tiles, lambda _, t: cut(t, scene + noise)).result()[0]
    assert (result[:, 160:] - 5).abs().max() < 1e-5


def test_mosaic_keeps_three_maps_whatever_the_number_of_tiles():
    whole = ramp(160, 160)
    mosaic = put_together(whole, tiles_of(160, 160, 8), lambda _, t: cut(t, whole))
    held = [value for value in vars(mosaic).values() if isinstance(value, torch.Tensor)]
    assert [tensor.shape for tensor in held] == [(1, *whole.shape)] * 3
