"""A frame: one eye or two, sharp or focused."""

import pytest
import torch

from sd2_depth2img.depth.camera import Camera
from sd2_depth2img.depth.frames import Shot, frame
from sd2_depth2img.depth.stereo import Show, anaglyph
from sd2_depth2img.tests.depth.scenes import box_scene

RIGHT = Camera(1, 0, 0)


def test_a_shot_without_anything_is_the_image_bit_for_bit():
    image, depth = box_scene()
    assert torch.equal(frame(image, depth, RIGHT, Shot(0.0)), image)


def test_near_things_lie_farther_right_in_the_left_eye():
    """By as many pixels as asked for white, and not at all at the plane."""
    image, depth = box_scene()
    for plane, expected in ((0.0, 24), (0.2, 24), (1.0, 24)):
        shot = Shot(0.0, plane, Show.SIDE_BY_SIDE, eyes=8.0)
        left, right = frame(image, depth, RIGHT, shot).split(64, dim=1)
        starts = [int((one[24, :, 0] > 0.5).nonzero()[0]) for one in (left, right)]
        shift = 4 * (1 - plane)
        assert starts[0] == pytest.approx(expected + shift, abs=1)
        assert starts[1] == pytest.approx(expected - shift, abs=1)


def test_both_eyes_are_focused():
    image, depth = box_scene()
    shot = Shot(4.0, 0.2, Show.SIDE_BY_SIDE, eyes=6.0, blur=5.0, focus=0.2)
    left, right = frame(image, depth, RIGHT, shot).split(64, dim=1)
    for eye in (left, right):
        edge = eye[24, :, 0]
        assert ((edge > 0.1) & (edge < 0.9)).sum() > 6
    both = frame(image, depth, RIGHT, shot._replace(show=Show.RED_CYAN))
    assert torch.equal(both, anaglyph(left, right))
