"""Merging: which depth wins, where a patch goes, and whether it finds back its scale and shift."""

import logging

import pytest
import torch

from sd2_depth2img.depth.masks import limit
from sd2_depth2img.depth.merge import Match, Mode, Placement, border, match_border, merge

SCALE, SHIFT = 0.37, 0.41  # of a patch that was cut out


@pytest.fixture
def truth(motorcycle):
    """[1, 300, 400] of true depth."""
    return motorcycle[1][:, 100:400, 200:600].contiguous()


def merged(depth, patch, mode=Mode.OVER, **options):
    names = ("x", "y", "scale", "offset", "match")
    where = Placement(**{name: options.pop(name) for name in names if name in options})
    return merge(depth, patch, mode, where, **options)


def recovered(patch, matched):
    """Scale and shift that took a patch to what it was matched to."""
    spread = patch.amax() - patch.amin()
    scale = (matched.amax() - matched.amin()) / spread
    return scale, matched.amin() - scale * patch.amin()


# --- which depth wins -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.NEAREST, [0.5, 0.6, 0.9]),
        (Mode.FARTHEST, [0.0, 0.5, 0.2]),
        (Mode.OVER, [0.5, 0.5, 0.2]),
        (Mode.UNDER, [0.5, 0.6, 0.9]),
        (Mode.BLEND, [0.125, 0.575, 0.725]),
    ],
)
def test_modes(mode, expected):
    depth, patch = torch.tensor([[[0.0, 0.6, 0.9]]]), torch.tensor([[[0.5, 0.5, 0.2]]])
    result = merge(depth, patch, mode, share=0.25)
    assert result.flatten().tolist() == pytest.approx(expected)


def test_a_map_merged_with_itself_stays():
    depth = torch.rand(2, 9, 9)
    for mode in (Mode.NEAREST, Mode.FARTHEST, Mode.OVER, Mode.UNDER):
        assert torch.equal(merge(depth, depth, mode), depth)


# --- where ----------------------------------------------------------------------------------------


def test_a_patch_goes_to_its_place_and_nothing_else_changes():
    depth, patch = torch.zeros(2, 20, 30), torch.full((1, 4, 6), 0.5)
    result = merged(depth, patch, x=7, y=3)
    assert (result[:, 3:7, 7:13] == 0.5).all()
    assert (result > 0).sum() == 2 * 4 * 6


def test_a_patch_may_hang_over_every_edge():
    depth = torch.zeros(1, 10, 10)
    patch = torch.arange(1, 401, dtype=torch.float32).reshape(1, 20, 20) / 400
    result = merged(depth, patch, x=-5, y=-6)
    assert torch.equal(result, patch[:, 6:16, 5:15])


def test_scale_changes_the_patchs_size():
    depth, patch = torch.zeros(1, 20, 20), torch.full((1, 4, 6), 0.5)
    assert (merged(depth, patch, scale=2.5) > 0).sum() == 10 * 15
    assert (merged(depth, patch, scale=0.5) > 0).sum() == 2 * 3


def test_both_masks_count_and_grey_mixes():
    depth, patch = torch.zeros(1, 4, 4), torch.ones(1, 2, 2)
    patch_mask = torch.tensor([[[1.0, 0.5], [1.0, 0.0]]])
    mask = torch.ones(1, 4, 4)
    mask[0, 2, 1] = 0
    result = merged(depth, patch, x=1, y=1, patch_mask=patch_mask, mask=mask)
    assert result[0, 1:3, 1:3].tolist() == [[1.0, 0.5], [0.0, 0.0]]


def test_the_offset_moves_the_patch_and_clipping_is_said(caplog):
    depth, patch = torch.zeros(1, 4, 4), torch.full((1, 2, 2), 0.4)
    assert merged(depth, patch, offset=0.2).max() == pytest.approx(0.6)
    assert not caplog.records
    assert merged(depth, patch, offset=0.9).max() == 1
    assert "4 of 9 depth pixels" in caplog.text


def test_feathering_starts_at_the_masks_border():
    mask = torch.zeros(1, 20, 20)
    mask[:, 5:15, 5:15] = 1
    result = merged(torch.zeros(1, 20, 20), torch.ones(1, 20, 20), mask=mask, feather=3)
    row = result[0, 10, 5:10]
    assert (row.diff() >= 0).all()
    assert row[0] < 0.5
    assert row[-1] == 1
    assert (result[mask == 0] == 0).all()


@pytest.mark.parametrize("match", Match)
@pytest.mark.parametrize("feather", [0, 5])
def test_a_small_mask_gives_what_the_whole_patch_gives_there(truth, match, feather):
    """Only the mask's surroundings are worked on."""
    mask = torch.zeros_like(truth)
    mask[:, 100:180, 150:260] = 1
    mask[:, 120:140, 200:220] = 0.5
    other = truth * 0.5 + 0.2 + 0.1 * truth.flip(2)
    laid = match_border(other, truth, mask, torch.ones_like(mask), match) + 0.05
    expected = limit(truth, laid.clamp(0, 1), mask, feather)
    result = merged(truth, other, mask=mask, match=match, feather=feather, offset=0.05)
    assert torch.equal(result[mask == 0], truth[mask == 0])
    assert torch.allclose(result, expected, atol=1e-6)


def test_a_patch_that_the_mask_does_not_reach_changes_nothing():
    depth, mask = torch.rand(1, 20, 20), torch.zeros(1, 20, 20)
    mask[:, 15:, 15:] = 1
    assert torch.equal(merged(depth, torch.ones(1, 9, 9), mask=mask), depth)


def test_a_patch_that_is_enlarged_many_times_shows_the_part_of_it_that_lies_in_the_map():
    """Whole it would have 4 billion pixels."""
    patch = torch.linspace(0, 1, 1024).expand(1, 1024, 1024)
    result = merged(torch.zeros(1, 50, 60), patch, x=-40000, y=-30000, scale=64.0)
    places = (torch.arange(40000, 40060) + 0.5) / 64 - 0.5
    assert torch.allclose(result, (places / 1023).expand(1, 50, 60), atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_patches_are_shared_out_as_whole_batches(scale):
    depth, patches = torch.zeros(4, 9, 9), torch.tensor([0.2, 0.7])[:, None, None].expand(2, 3, 3)
    result = merged(depth, patches, x=2, y=2, scale=scale)
    assert result.amax(dim=(1, 2)).tolist() == pytest.approx([0.2, 0.7, 0.2, 0.7])


# --- matching -------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_cut_out_patch_finds_back_its_scale_and_shift(truth, noise):
    cut = truth[:, 60:220, 90:300]
    patch = (cut - SHIFT) / SCALE
    patch = patch + noise / SCALE * torch.randn(
        cut.shape, generator=torch.Generator().manual_seed(1)
    )
    whole, covered = truth.clone(), torch.zeros_like(truth)
    whole[:, 60:220, 90:300], covered[:, 60:220, 90:300] = patch, 1
    matched = match_border(whole, truth, covered, covered, Match.SCALE)[:, 60:220, 90:300]
    scale, shift = recovered(patch, matched)
    assert scale == pytest.approx(SCALE, rel=0.02)
    assert shift == pytest.approx(SHIFT, rel=0.02)


def smooth_scene(side=400):
    """[1, side, side] of depth without noise, and a mask of most of it."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    mask = torch.zeros(1, side, side)
    mask[:, side // 8 : -side // 8, side // 8 : -side // 8] = 1
    return (0.2 + 0.6 * y * x + 0.1 * torch.sin(9 * x))[None], mask


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noisy", ["patch", "both"])
def test_noise_does_not_shrink_the_scale(seed, noisy, caplog):
    """By plain least squares it is 1.8 instead of 2 here."""
    depth, mask = smooth_scene()
    noise = 0.02 * torch.randn(2, *depth.shape, generator=torch.Generator().manual_seed(seed))
    patch = (depth - 0.1) * 0.5 + 0.2 + noise[0]
    seen = depth + noise[1] if noisy == "both" else depth
    matched = match_border(patch, seen, mask, torch.ones_like(mask), Match.SCALE)
    scale, shift = recovered(patch, matched)
    assert scale == pytest.approx(2, rel=0.02)
    assert shift == pytest.approx(-0.3, rel=0.03)
    assert not caplog.records


@pytest.mark.parametrize(("noise", "warned"), [(0.0, False), (0.02, False), (0.15, True)])
def test_a_border_whose_noise_hides_its_relief_is_told(noise, warned, caplog):
    depth, mask = smooth_scene()
    noise = noise * torch.randn(depth.shape, generator=torch.Generator().manual_seed(4))
    merged(depth, depth * 0.5 + 0.2 + noise, mask=mask, match=Match.SCALE)
    assert ("is a guess" in caplog.text) == warned


@pytest.mark.parametrize("size", [(1, 12), (6, 5), (40, 40)])
def test_small_maps_are_matched_exactly(size):
    depth = torch.rand(1, *size, generator=torch.Generator().manual_seed(4))
    matched = merged(depth, depth * 0.4 + 0.3, match=Match.SCALE)
    assert torch.allclose(matched, depth, atol=1e-5)


def test_a_patch_with_a_new_thing_in_its_middle_is_matched_by_what_surrounds_its_mask(truth):
    other = (truth * 0.5 + 0.2).clone()
    mask = torch.zeros_like(truth)
    mask[:, 100:180, 150:260] = 1
    other[mask > 0] = 0.55  # in the truth's units: (0.55 − 0.2) / 0.5
    result = merged(truth, other, mask=mask, match=Match.SCALE)
    assert result[mask > 0] == pytest.approx(0.7, rel=0.02)
    assert torch.equal(result[mask == 0], truth[mask == 0])


def test_two_estimates_of_a_whole_map_are_matched_over_all_of_it(truth):
    result = merged(truth, truth * 0.4 + 0.3, match=Match.SCALE)
    assert torch.allclose(result, truth, atol=1e-4)


def test_shift_keeps_the_patchs_relief(truth):
    cut = truth[:, 60:220, 90:300]
    result = merged(truth, cut * 0.5, x=90, y=60, match=Match.SHIFT)[:, 60:220, 90:300]
    inner = result[:, 20:-20, 20:-20] - cut[:, 20:-20, 20:-20] * 0.5
    assert inner.std() < 1e-6


@pytest.mark.parametrize("patch", [torch.full((1, 300, 400), 0.3), None])
def test_a_patch_that_says_nothing_of_its_scale_is_shifted_with_a_warning(truth, patch, caplog):
    patch = 1 - truth if patch is None else patch
    mask = torch.zeros_like(truth)
    mask[:, 100:200, 100:200] = 1
    with caplog.at_level(logging.WARNING):
        result = merged(truth, patch, mask=mask, match=Match.SCALE)
    assert "only shifted" in caplog.text
    assert torch.equal(result, merged(truth, patch, mask=mask, match=Match.SHIFT))


def test_every_map_of_a_batch_is_matched_by_itself(truth):
    depth = torch.cat([truth, truth * 0.5])
    result = merged(depth, truth[:, 60:220, 90:300] * 0.3 + 0.1, x=90, y=60, match=Match.SCALE)
    assert torch.allclose(result, depth, atol=1e-4)


def test_an_empty_mask_changes_nothing(truth):
    empty = torch.zeros_like(truth)
    assert torch.equal(merged(truth, 1 - truth, mask=empty, match=Match.SCALE), truth)


def test_the_border_lies_outside_where_the_patch_reaches_else_inside():
    on = torch.zeros(40, 40, dtype=torch.bool)
    on[10:30, 10:30] = True
    assert not (border(on, torch.ones_like(on)) & on).any()
    inside = border(on, on)
    assert (inside & ~on).sum() == 0
    assert not inside[18:22, 18:22].any()
    whole = torch.ones_like(on)
    assert torch.equal(border(whole, whole), whole)


# --- refusals -------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="3 patches cannot be shared out to 2"):
        merge(torch.zeros(2, 4, 4), torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match=r"the patch of 4 x 4 .* outside .* x from -3 to 3"):
        merged(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), x=4)
    for share in (5.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"share is .*; expected 0 to 1"):
            merge(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), Mode.BLEND, share=share)
    with pytest.raises(ValueError, match="offset is nan"):
        Placement(offset=float("nan"))
    with pytest.raises(ValueError, match="scale is inf"):
        Placement(scale=float("inf"))
    with pytest.raises(ValueError, match="scale is 0"):
        Placement(scale=0.0)
