"""Two eyes: where they are, and how their views come into one image."""

import pytest
import torch

from sd2_depth2img.depth.camera import Camera
from sd2_depth2img.depth.stereo import Show, anaglyph, both_eyes, together

GREY = torch.linspace(0, 1, 256).view(16, 16, 1).repeat(1, 1, 3)
RED, GREEN, BLUE = range(3)


def test_the_eyes_are_as_far_apart_as_asked_and_otherwise_alike():
    left, right = both_eyes(Camera(0.5, 0.25, 1.0, 0.75), strength=8.0, distance=6.0)
    assert left == (1.0, 2.0, 8.0, 6.0)
    assert right == (7.0, 2.0, 8.0, 6.0)


def test_side_by_side_has_the_left_eye_on_the_left_and_cross_eyed_on_the_right():
    left, right = torch.rand(4, 5, 3), torch.rand(4, 5, 3)
    assert torch.equal(together(left, right, Show.SIDE_BY_SIDE), torch.cat([left, right], 1))
    assert torch.equal(together(left, right, Show.CROSS_EYED), torch.cat([right, left], 1))
    assert torch.equal(together(left, right, Show.RED_CYAN), anaglyph(left, right))


def test_a_grey_image_that_both_eyes_see_alike_stays_grey():
    assert torch.allclose(anaglyph(GREY, GREY), GREY, atol=2e-3)


def test_the_left_eye_is_seen_through_red_and_the_right_one_through_cyan():
    black = torch.zeros_like(GREY)
    left, right = anaglyph(GREY, black), anaglyph(black, GREY)
    assert torch.allclose(left[..., RED], GREY[..., RED], atol=0.025)
    assert left[..., 1:].max() == 0
    assert right[..., RED].max() == 0
    for channel in (GREEN, BLUE):
        assert torch.allclose(right[..., channel], GREY[..., channel], atol=0.07)


@pytest.mark.parametrize(
    ("side", "colour", "expected"),
    [  # the columns of the published matrices, in linear light
        (0, (1.0, 0.0, 0.0), (0.437, 0.0, 0.0)),
        (0, (0.0, 1.0, 0.0), (0.449, 0.0, 0.0)),
        (1, (0.0, 1.0, 0.0), (0.0, 0.761, 0.0)),
        (1, (0.0, 0.0, 1.0), (0.0, 0.009, 1.0)),
    ],
)
def test_colours_are_those_of_the_least_squares_projection(side, colour, expected):
    views = [torch.zeros(1, 1, 3), torch.zeros(1, 1, 3)]
    views[side][:] = torch.tensor(colour)
    found = anaglyph(*views)[0, 0].double()
    light = torch.where(found <= 0.04045, found / 12.92, ((found + 0.055) / 1.055) ** 2.4)
    assert light.tolist() == pytest.approx(expected, abs=1e-5)
