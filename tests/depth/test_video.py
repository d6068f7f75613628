"""Video frames: flicker goes, what moves leaves no trail, one range for all."""

import pytest
import torch

from sd2_depth2img.depth import video
from sd2_depth2img.depth.video import on_one_scale


def smoothed(maps, *arguments):
    """Of a copy: `smooth_over_time` writes into the maps."""
    calm = maps.clone()
    assert video.smooth_over_time(calm, *arguments) is None
    return calm


@pytest.fixture
def still():
    """A still image, twelve frames of it, and flickering maps of it."""
    generator = torch.Generator().manual_seed(4)
    frames = torch.rand(1, 3, 20, 30, generator=generator).repeat(12, 1, 1, 1)
    scene = torch.rand(20, 30, generator=generator)
    flicker = 0.3 * torch.randn(12, 1, 1, generator=generator)
    return frames, scene, scene + flicker


def test_flicker_of_a_still_image_goes(still):
    frames, _, maps = still
    calm = smoothed(maps, frames, 2.0)
    assert calm.shape == maps.shape
    assert calm.diff(dim=0).abs().mean() < 0.3 * maps.diff(dim=0).abs().mean()


def test_the_average_is_gaussian(still):
    frames, _, maps = still
    near = torch.exp(-0.5 * ((torch.arange(12) - 5) / 1.5) ** 2)
    near[(torch.arange(12) - 5).abs() > 5] = 0
    expected = (near[:, None, None] * maps).sum(dim=0) / near.sum()
    assert torch.allclose(smoothed(maps, frames, 1.5)[5], expected, atol=1e-6)


def test_what_moves_leaves_no_trail():
    """A white square runs over black; its map is 1 where it is."""
    frames, maps = torch.zeros(10, 3, 8, 40), torch.zeros(10, 8, 40)
    for index in range(10):
        frames[index, :, :, 4 * index : 4 * index + 4] = 1
        maps[index, :, 4 * index : 4 * index + 4] = 1
    assert torch.allclose(smoothed(maps, frames, 3.0), maps, atol=1e-6)


def test_a_cut_is_not_blurred(still):
    frames, _, maps = still
    frames[6:] += 1  # another scene
    calm = smoothed(maps, frames, 2.0)
    alone = smoothed(maps[:6], frames[:6], 2.0)
    assert torch.allclose(calm[:6], alone, atol=1e-3)


def test_frames_may_be_larger_than_their_maps(still):
    frames, _, maps = still
    larger = frames.repeat_interleave(3, 2).repeat_interleave(2, 3)
    assert torch.allclose(smoothed(maps, larger, 1.0), smoothed(maps, frames, 1.0), atol=1e-6)


def test_frames_are_handed_out_one_by_one_and_only_the_past_is_changed(still):
    frames, _, maps = still
    calm, done = maps.clone(), []

    def each(indices):
        for index in indices:
            assert torch.equal(calm[index:], maps[index:])
            done.append(index)
            yield index

    video.smooth_over_time(calm, frames, 1.0, each)
    assert done == list(range(12))
    assert torch.equal(calm, smoothed(maps, frames, 1.0))


def test_no_smoothing_is_none(still):
    frames, _, maps = still
    assert torch.equal(smoothed(maps, frames, 0), maps)


def test_impossible_videos_are_refused(still):
    frames, _, maps = still
    with pytest.raises(ValueError, match="smooth is -1"):
        smoothed(maps, frames, -1)
    with pytest.raises(ValueError, match="do not agree"):
        smoothed(maps, frames[:5], 1)


def test_one_range_for_all_frames():
    maps = torch.stack((torch.linspace(2, 4, 12).reshape(3, 4), torch.full((3, 4), 6.0)))
    in_place = maps.clone()
    depth = on_one_scale(in_place, 3, 4)
    assert torch.allclose(depth, (maps - 2) / 4, atol=1e-6)
    assert depth.data_ptr() == in_place.data_ptr()
    larger = on_one_scale(maps, 30, 40)
    assert larger.shape == (2, 30, 40)
    assert (larger.min(), larger.max()) == (0, 1)
    assert larger[0].max() < 0.6


def test_a_video_without_depth_is_black():
    assert on_one_scale(torch.full((2, 3, 4), 1 / 3), 30, 40).abs().max() == 0
