"""Prepare Image, Crop for Inpainting and Stitch, on a real photograph."""

import pytest
import torch

from sd2_depth2img.nodes.conditioning import SD2DepthEncode
from sd2_depth2img.nodes.crop import SD2DepthCrop, SD2DepthPrepare, SD2DepthStitch
from sd2_depth2img.nodes.estimate import SD2DepthEstimate


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_prepare_brings_image_mask_and_depth_the_same_way(image, mask, fit):
    """An image, a mask and a depth map that say the same must still say the same after it."""
    marks = mask.unsqueeze(-1).repeat(1, 1, 1, 3)
    part, part_mask, part_depth, stitch = SD2DepthPrepare().execute(marks, mask, marks, 128, fit)
    assert part.shape[1] == 128
    assert part.shape[2] % 64 == 0
    assert (part[..., 0] - part_mask).abs().mean() < 0.02  # the mask's rim is white, not grey
    assert (part_mask[part[..., 0] > 0.5] > 0).all()
    assert (part_depth[..., 0] - part[..., 1]).abs().mean() < 0.01
    assert torch.equal(SD2DepthStitch().execute(stitch, part)[0], marks)


def test_prepare_without_mask_and_depth_repaints_the_whole_frame(image):
    part, mask, depth, stitch = SD2DepthPrepare().execute(image, size=64)
    assert part.shape == (1, 64, 64, 3)  # 224 : 160 is nearer to 64 : 64 than to 128 : 64
    assert (mask == 1).all()
    assert depth is None
    back = SD2DepthStitch().execute(stitch, torch.zeros_like(part), feather=0)[0]
    assert (back[:, :, 32:192] == 0).all()
    assert torch.equal(back[:, :, :32], image[:, :, :32])


def test_a_missing_depth_map_is_explained_by_the_node_that_wants_it(image, prompts):
    depth = SD2DepthPrepare().execute(image, size=64)[2]
    with pytest.raises(ValueError, match="no depth map"):
        SD2DepthEncode().execute(*prompts, depth)


def test_the_crops_depth_range_is_its_own_or_the_whole_maps(image, mask, depth):
    own = SD2DepthCrop().execute(image, mask, depth, 64, padding=0)[2]
    assert (own.min(), own.max()) == (0, 1)
    whole = SD2DepthCrop().execute(image, mask, depth, 64, 0, "whole map")[2]
    there = depth[mask > 0]
    assert whole.min() == pytest.approx(there.min().item(), abs=0.01)
    assert whole.max() == pytest.approx(there.max().item(), abs=0.01)


def test_a_depth_map_of_another_size_but_the_images_shape_is_taken(image, mask, depth):
    half = depth[:, ::2, ::2]
    full = SD2DepthCrop().execute(image, mask, depth, size=64)[2]
    assert torch.allclose(SD2DepthCrop().execute(image, mask, half, size=64)[2], full, atol=0.03)
    rounded = torch.nn.functional.interpolate(depth.movedim(-1, 1), (80, 111)).movedim(1, -1)
    SD2DepthCrop().execute(image, mask, rounded, size=64)
    with pytest.raises(ValueError, match="different shapes"):
        SD2DepthCrop().execute(image, mask, depth[:, :100], size=64)
    with pytest.raises(ValueError, match="3 depth maps cannot be shared out to 1"):
        SD2DepthCrop().execute(image, mask, depth.repeat(3, 1, 1, 1), size=64)


def test_depth_is_estimated_at_the_prepared_size(miniature, image):
    part, _, _, _ = SD2DepthPrepare().execute(image, size=64)
    (depth,) = SD2DepthEstimate().execute(part, miniature[3], resolution=64)
    assert depth.shape == part.shape


def test_a_mask_that_prepare_cuts_off_is_told_about(image, caplog):
    mask = torch.zeros(1, 160, 224)
    mask[:, :, :8] = 1
    SD2DepthPrepare().execute(image, mask, size=64)
    assert "choose pad for fit" in caplog.text
