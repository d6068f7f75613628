"""What the Parallax Viewer draws, against known truth and Parallax Frames."""

import numpy as np
import pytest
import torch

from sd2_depth2img.depth.camera import Camera
from sd2_depth2img.depth.parallax import view, widen
from sd2_depth2img.depth.stereo import Show, both_eyes, together
from sd2_depth2img.tests.web.viewer_page import drawn

NEVER = 8  # as `cut`: nothing is torn


def step_scene(near=0.75, size=96):
    """A red square at a depth before what is blue and far."""
    photo = np.zeros((size, size, 3), np.uint8)
    depth = np.zeros((size, size), np.float32)
    photo[..., 2] = 200
    photo[32:64, 32:64] = (200, 0, 0)
    depth[32:64, 32:64] = near
    return photo, depth


@pytest.mark.pages("bundled-classic", "newest-nodes2")
@pytest.mark.parametrize(
    ("camera", "plane", "columns", "rows"),
    [
        ({}, 0.0, (32, 64), (32, 64)),
        ({"right": 1}, 0.0, (20, 52), (32, 64)),
        ({"right": -0.5}, 0.0, (38, 70), (32, 64)),
        ({"up": 1}, 0.0, (32, 64), (44, 76)),
        ({"right": 1}, 0.75, (32, 64), (32, 64)),
        ({"right": 1}, 0.25, (24, 56), (32, 64)),
    ],
)
def test_a_near_square_moves_by_its_depth_times_the_strength(canvas, camera, plane, columns, rows):
    photo, depth = step_scene()
    seen = drawn(canvas, photo, depth, camera, strength=16, plane=plane)
    red = (seen[..., 0] > 100) & (seen[..., 2] < 100)
    across, down = (np.flatnonzero(red.any(axis=axis)) for axis in (0, 1))
    # An edge is drawn out over half a pixel to either side.
    assert np.abs(np.subtract((across[0], across[-1] + 1), columns)).max() <= 1
    assert np.abs(np.subtract((down[0], down[-1] + 1), rows)).max() <= 1


def test_without_a_move_the_photo_is_shown_as_it_is(canvas):
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)
    seen = drawn(canvas, photo, rng.random((40, 56), np.float32), {})
    assert (seen[..., :3] == photo).all()
    assert (seen[..., 3] == 255).all()


def rolling_scene(seed, height=72, width=104):
    """Hills, and a photo as smooth as they are; nothing is hidden by a small move."""
    rng = np.random.default_rng(seed)
    waves = torch.from_numpy(rng.random((1, 4, 5, 7), np.float32))
    smooth = torch.nn.functional.interpolate(waves, (height, width), mode="bicubic")[0].clamp(0, 1)
    photo = (smooth[:3].movedim(0, -1) * 255).round().to(torch.uint8).numpy()
    return photo, smooth[3].numpy()


@pytest.mark.parametrize("show", [show.value for show in Show])
@pytest.mark.parametrize(
    ("camera", "plane"),
    [
        ({"right": 1.0}, 0.0),
        ({"right": -0.6, "up": 0.8}, 0.5),
        ({"forward": 1.0}, 0.0),
        ({"forward": -0.7, "right": 0.4}, 1.0),
        ({"zoom": 1.0}, 0.0),
    ],
)
def test_what_is_drawn_are_the_frames_of_parallax_frames(canvas, camera, plane, show):
    """To within two of 255 steps, which is what bilinear sampling differs by on a GPU."""
    photo, depth = rolling_scene(seed=3)
    seen = drawn(
        *(canvas, photo, depth, camera),
        **{"strength": 6, "plane": plane, "show": show, "eyes": 4, "grow": 2, "cut": NEVER},
    )
    image, wide = torch.from_numpy(photo / 255).float(), widen(torch.from_numpy(depth), 2)
    place = Camera(**{"right": 0.0, "up": 0.0, "forward": 0.0, **camera})
    if show == Show.IMAGE.value:
        expected = view(image, wide, place, 6.0, plane)
    else:
        eyes = both_eyes(place, 6.0, 4.0)
        expected = together(*(view(image, wide, eye, 1.0, plane) for eye in eyes), Show(show))
    assert seen.shape[:2] == expected.shape[:2]
    # Where a hill hides what is behind it, the two may fill differently.
    differ = np.abs(seen[..., :3] - expected.numpy() * 255).max(axis=-1)
    assert np.quantile(differ, 0.98) <= 2


@pytest.mark.parametrize("highest", [1.0, 1023 / 65535])
def test_a_ramp_has_no_terraces(canvas, highest):
    """Every pixel moves further than the one before it, all by the same step.

    The photo's colour says to 1/16 pixel where it comes from. In 8 bits four pixels would move
    alike, and the fifth by four steps at once; the flat ramp uses the last bits of 16.
    """
    width, moved = 1024, 200
    places = np.arange(width)
    photo = np.zeros((4, width, 3), np.uint8)
    photo[..., 0] = 16 * places % 256
    photo[..., 1] = (16 * places + 128) % 256
    depth = np.tile(np.linspace(0, highest, width, dtype=np.float32), (4, 1))
    strength = moved / highest
    seen = drawn(canvas, photo, depth, {"right": 1}, strength=strength, cut=NEVER)[1].astype(int)
    # Where one saw tooth falls, the other rises.
    tooth = places / (1 - moved / (width - 1)) % 16
    rises = (tooth > 2) & (tooth < 12)
    steps = np.diff(seen[:, :2], axis=0)
    inside = np.where(rises[:-1], steps[:, 0], steps[:, 1])[16 : width - moved - 32]
    assert inside.min() > 16  # the photo's own slope: each moves further than the last
    assert np.ptp(inside) <= 2


def test_holes_are_shown_as_wide_as_the_move_or_filled_from_the_far_side(canvas):
    photo, depth = step_scene()
    shown = drawn(canvas, photo, depth, {"right": 1}, strength=16, holes="shown")
    assert abs((shown[48, :, 3] == 0).sum() - 12) <= 1
    assert (shown[48, 66:, 3] == 255).all()
    filled = drawn(canvas, photo, depth, {"right": 1}, strength=16)
    assert (filled[..., 3] == 255).all()
    # Right of the square where it is now.
    assert (np.abs(filled[34:62, 54:, :3].astype(int) - (0, 0, 200)) <= 3).all()


def test_a_surface_that_is_never_cut_is_drawn_out(canvas):
    photo, depth = step_scene()
    seen = drawn(canvas, photo, depth, {"right": 1}, strength=16, cut=NEVER)[48]
    between = (seen[:, 0] > 20) & (seen[:, 2] > 20)
    assert between.sum() >= 8


def test_right_of_the_line_is_the_other_image_over_the_same_depth(canvas):
    photo, depth = step_scene()
    after = 255 - photo
    seen = drawn(canvas, photo, depth, {"right": 1}, after, strength=16, split=0.5)
    alone = drawn(canvas, photo, depth, {"right": 1}, strength=16)
    other = drawn(canvas, after, depth, {"right": 1}, strength=16)
    assert (seen[:, :48] == alone[:, :48]).all()
    assert (seen[:, 48:] == other[:, 48:]).all()
