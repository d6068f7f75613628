"""Parallax Frames in the embedded engine."""

import pytest
import torch

from sd2_depth2img.depth.camera import Camera, Easing, Move, camera_path
from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.depth.lens_blur import lens_blur
from sd2_depth2img.depth.parallax import view
from sd2_depth2img.nodes.parallax import SD2DepthParallax


def ramp(height=64, width=96):
    rows, columns = torch.meshgrid(
        torch.linspace(0, 0.8, height), torch.linspace(0, 0.2, width), indexing="ij"
    )
    return (rows + columns).unsqueeze(0)


@pytest.mark.parametrize("move", Move)
def test_strength_0_repeats_the_image_bit_for_bit(photo, move):
    image = photo[:, :64, :96]
    (frames,) = SD2DepthParallax().execute(image, to_image(ramp()), move, frames=5, strength=0.0)
    assert frames.shape == (5, 64, 96, 3)
    assert all(torch.equal(frame, image[0]) for frame in frames)


def test_images_get_their_own_maps_one_after_the_other(photo):
    images = torch.cat([photo[:, :64, :96], photo[:, 64:128, :96]])
    maps = to_image(torch.cat([ramp(), ramp().flip(2)]))
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
        frames = SD2DepthParallax().execute(image, to_image(depth), "sway", 4, 8.0, grow)[0]
        left_behind[grow] = float(frames[1, 15:25, 37:, 0].sum())
    assert left_behind[4] < 0.2 * left_behind[0]


def test_a_map_of_another_size_is_fitted_to_its_image(photo):
    image = photo[:, :64, :96]
    (expected,) = SD2DepthParallax().execute(image, to_image(ramp()), frames=4)
    (found,) = SD2DepthParallax().execute(image, to_image(ramp(128, 192)), frames=4)
    assert found.shape == expected.shape
    assert (found - expected).abs().mean() < 0.01
    assert (found[1] - image[0]).abs().mean() > 0.05  # it did move


def test_input_that_does_not_fit_is_refused(photo):
    with pytest.raises(ValueError, match="2 depth maps cannot be shared out to 1 images"):
        SD2DepthParallax().execute(photo[:, :64, :96], to_image(ramp().repeat(2, 1, 1)))
    with pytest.raises(ValueError, match="96 x 64 pixels, the image 512 x 512"):
        SD2DepthParallax().execute(photo, to_image(ramp()))
    with pytest.raises(ValueError, match="Split Image with Alpha"):
        SD2DepthParallax().run(image=torch.rand(1, 64, 96, 4), depth=to_image(ramp()))
    with pytest.raises(ValueError, match="expected 0"):
        SD2DepthParallax().execute(photo[:, :64, :96], to_image(ramp() * 2))


def test_maps_and_frames_are_drawn_one_by_one_under_a_progress_bar(photo, progress_bars):
    maps = to_image(torch.cat([ramp(), 1 - ramp(), ramp()]))
    images = photo[:, :64, :96].repeat(3, 1, 1, 1)
    SD2DepthParallax().execute(images, maps, frames=2)
    assert [(bar.total, bar.done) for bar in progress_bars] == [(3, 3), (6, 6)]
    progress_bars.cancel_after = 2
    with pytest.raises(KeyboardInterrupt):
        SD2DepthParallax().execute(images, maps)
    assert progress_bars[-1].done == 2


# --- easing, plane, two eyes and focus -----------------------------------------------------------


def frames_of(image, **options):
    settings = {"frames": 4, "strength": 6.0, "grow": 0, **options}
    return SD2DepthParallax().execute(image, to_image(ramp()), **settings)[0]


def test_the_inputs_reach_the_camera(photo):
    image = photo[:, :64, :96]
    found = frames_of(image, move="orbit", easing="ease in", plane=0.4)
    path = camera_path(Move.ORBIT, 4, Easing.IN)
    for frame, camera in zip(found, path, strict=True):
        assert torch.equal(frame, view(image[0], ramp()[0], camera, 6.0, 0.4))


@pytest.mark.parametrize("show", ["side by side", "cross-eyed"])
def test_the_halves_are_the_views_of_two_cameras(photo, show):
    image = photo[:, :64, :96]
    found = frames_of(image, show=show, eyes=5.0, plane=0.3, move="sway")
    assert found.shape == (4, 64, 192, 3)
    for index, camera in enumerate(camera_path(Move.SWAY, 4)):
        left, right = found[index].split(96, dim=1)
        if show == "cross-eyed":
            left, right = right, left
        for seen, side in ((left, -2.5), (right, 2.5)):
            eye = Camera(6.0 * camera.right + side, 0.0, 0.0)
            assert torch.equal(seen, view(image[0], ramp()[0], eye, 1.0, 0.3))


def test_eyes_at_one_place_see_the_same(photo):
    image = photo[:, :64, :96]
    found = frames_of(image, show="side by side", eyes=0.0, strength=0.0)
    assert torch.equal(found, torch.cat([image, image], dim=2).repeat(4, 1, 1, 1))


def test_every_frame_is_blurred_by_its_own_depths(photo):
    image = photo[:, :64, :96]
    sharp = frames_of(image, move="push in")
    blurred = frames_of(image, move="push in", blur=6.0, focus=0.5)
    assert torch.equal(blurred[0], lens_blur(image[0], ramp()[0], 0.5, 6.0))
    # Of the last frame, of which the image itself has other depths.
    depths = view(to_image(ramp())[0], ramp()[0], Camera(0, 0, 1), 6.0)[..., 0]
    assert torch.allclose(blurred[3], lens_blur(sharp[3], depths, 0.5, 6.0), atol=1e-5)
    assert not torch.allclose(blurred[3], lens_blur(sharp[3], ramp()[0], 0.5, 6.0), atol=1e-2)


def test_red_cyan_is_of_the_images_size_and_range(photo):
    found = frames_of(photo[:, :64, :96], show="red-cyan", eyes=8.0, blur=3.0)
    assert found.shape == (4, 64, 96, 3)
    assert found.min() >= 0
    assert found.max() <= 1
