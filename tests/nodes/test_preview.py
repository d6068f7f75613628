"""Preview Depth and Parallax Frames in the embedded engine."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sd2_depth2img.engine import folders
from sd2_depth2img.nodes.load import SD2DepthCheckpointLoader
from sd2_depth2img.nodes.parallax import SD2DepthParallax
from sd2_depth2img.nodes.preview import SD2DepthPreview
from sd2_depth2img.sampling.depth_channel import DepthCondition


@pytest.fixture(autouse=True)
def base(tmp_path):
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    yield tmp_path
    folders.use(before)


def canvas(depth):
    return depth[..., None].repeat(1, 1, 1, 3)


def ramp(height=64, width=96):
    rows, columns = torch.meshgrid(
        torch.linspace(0, 0.8, height), torch.linspace(0, 0.2, width), indexing="ij"
    )
    return (rows + columns).unsqueeze(0)


def test_every_map_gets_a_page_a_line_and_an_image_on_the_node(base):
    maps = torch.cat([ramp(), 1 - ramp(), torch.full_like(ramp(), 0.4)])
    shown = SD2DepthPreview().execute(canvas(maps))
    pages, report = shown["result"]
    lines = report.splitlines()
    assert lines[0] == "map 0: nothing conspicuous"
    assert "map 1: the bottom third is farther" in lines[1]
    assert lines[2].startswith("map 2: flat")
    assert shown["ui"]["text"] == [report]
    for page, entry in zip(pages, shown["ui"]["images"], strict=True):
        assert entry["type"] == "temp"
        file = Image.open(base / "output" / "temp" / entry["filename"])
        assert np.array_equal(np.asarray(file), (page.numpy() * 255).round())


@pytest.mark.parametrize(("height", "width"), [(64, 96), (60, 93)])
def test_it_shows_what_encode_depth_gives_the_unet(height, width, mini_checkpoint):
    """At the latent's size; the VAE cuts off what is no whole latent pixel."""
    depth = torch.rand(1, height, width, generator=torch.Generator().manual_seed(2))
    vae = SD2DepthCheckpointLoader().execute(str(mini_checkpoint))[2]
    latent = vae.encode(canvas(depth)).shape[-2:]
    seen = (DepthCondition(depth).channel(1, *latent) + 1) / 2
    page = SD2DepthPreview().execute(canvas(depth), size=width)["result"][0][0]
    expected = F.interpolate(seen, (height, width), mode="nearest")[0, 0]
    places = [
        x
        for x in range(width + 12, page.shape[1] - width)
        if (page[12 : 12 + height, x : x + width, 0] - expected).abs().max() < 3e-3
    ]
    assert len(places) == 1


def test_a_range_that_is_too_narrow_is_pointed_out():
    report = SD2DepthPreview().execute(canvas(ramp()), normalize="fixed range", low=0.4, high=0.6)[
        "result"
    ][1]
    assert "of what the model sees goes beyond -1 to 1" in report


def test_missing_pixels_are_reported_and_drawn():
    depth = ramp()
    depth[0, 5, 5:8] = torch.nan
    shown = SD2DepthPreview().execute(canvas(depth))["result"]
    assert "3 pixels have no value" in shown[1]
    assert shown[0].isfinite().all()


@pytest.mark.parametrize("move", ["sway", "circle", "push in"])
def test_strength_0_repeats_the_image_bit_for_bit(photo, move):
    image = photo[:, :64, :96]
    (frames,) = SD2DepthParallax().execute(image, canvas(ramp()), move, frames=5, strength=0.0)
    assert frames.shape == (5, 64, 96, 3)
    assert all(torch.equal(frame, image[0]) for frame in frames)


def test_images_get_their_own_maps_one_after_the_other(photo):
    images = torch.cat([photo[:, :64, :96], photo[:, 64:128, :96]])
    maps = canvas(torch.cat([ramp(), ramp().flip(2)]))
    (both,) = SD2DepthParallax().execute(images, maps, frames=3)
    for index in range(2):
        one = slice(index, index + 1)
        (alone,) = SD2DepthParallax().execute(images[one], maps[one], frames=3)
        assert torch.equal(both[3 * index : 3 * index + 3], alone)
    assert not torch.equal(both[1], both[0])


def test_an_outline_moves_with_its_thing_when_near_is_widened():
    image = torch.zeros(1, 40, 60, 3)
    image[:, 10:30, 20:40] = 1
    depth = torch.zeros(1, 40, 60)
    depth[:, 13:27, 23:37] = 1  # three pixels inside of the outline
    left_behind = {}
    for grow in (0, 4):
        frames = SD2DepthParallax().execute(image, canvas(depth), "sway", 4, 8.0, grow)[0]
        left_behind[grow] = float(frames[1, 15:25, 37:, 0].sum())
    assert left_behind[4] < 0.2 * left_behind[0]


def test_a_map_of_another_size_is_fitted_to_its_image(photo):
    image = photo[:, :64, :96]
    (expected,) = SD2DepthParallax().execute(image, canvas(ramp()), frames=4)
    (found,) = SD2DepthParallax().execute(image, canvas(ramp(128, 192)), frames=4)
    assert found.shape == expected.shape
    assert (found - expected).abs().mean() < 0.01
    assert (found[1] - image[0]).abs().mean() > 0.05  # it did move


def test_input_that_does_not_fit_is_refused(photo):
    with pytest.raises(ValueError, match="2 depth maps cannot be shared out to 1 images"):
        SD2DepthParallax().execute(photo[:, :64, :96], canvas(ramp().repeat(2, 1, 1)))
    with pytest.raises(ValueError, match="96 x 64 pixels, the image 512 x 512"):
        SD2DepthParallax().execute(photo, canvas(ramp()))
    with pytest.raises(ValueError, match="Split Image with Alpha"):
        SD2DepthParallax().run(image=torch.rand(1, 64, 96, 4), depth=canvas(ramp()))
    with pytest.raises(ValueError, match="expected 0"):
        SD2DepthParallax().execute(photo[:, :64, :96], canvas(ramp() * 2))


def test_maps_and_frames_are_drawn_one_by_one_under_a_progress_bar(photo, progress_bars):
    maps = canvas(torch.cat([ramp(), 1 - ramp(), ramp()]))
    SD2DepthPreview().execute(maps)
    assert [(bar.total, bar.done) for bar in progress_bars] == [(3, 3)]
    progress_bars.clear()
    images = photo[:, :64, :96].repeat(3, 1, 1, 1)
    SD2DepthParallax().execute(images, maps, frames=2)
    assert [(bar.total, bar.done) for bar in progress_bars] == [(3, 3), (6, 6)]
    progress_bars.cancel_after = 2
    for draw in (SD2DepthPreview().execute, partial(SD2DepthParallax().execute, images)):
        with pytest.raises(KeyboardInterrupt):
            draw(maps)
        assert progress_bars[-1].done == 2
