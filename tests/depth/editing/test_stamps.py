"""Stamps against solid geometry."""

import math

import numpy as np
import pytest

from sd2_depth2img.depth.editing.ground import Ground
from sd2_depth2img.depth.editing.stamps import letters, stamp_area
from sd2_depth2img.depth.editing.state import Shape, Stamp
from sd2_depth2img.images.lettering import letters_mask

HEIGHT, WIDTH = 60, 80
YS, XS = np.mgrid[:HEIGHT, :WIDTH] + 0.5


def put(**fields):
    """Coverage and relief of all of the map, and their area."""
    stamp = Stamp(**{"at": (40.0, 30.0), "size": (40.0, 30.0), **fields})
    ground = Ground(np.zeros((HEIGHT, WIDTH), np.float32), None, (WIDTH, HEIGHT))
    coverage, relief = np.zeros((2, HEIGHT, WIDTH))
    found = stamp_area(stamp, ground)
    if found is not None:
        area, part = found
        coverage[area.box.slices], relief[area.box.slices] = area.weights, part
    return coverage, relief


def test_a_ball_is_a_ball():
    coverage, relief = put(shape=Shape.BALL, size=(40.0, 40.0), height=0.5)
    radius = np.hypot(XS - 40, YS - 30) / 20
    within = radius < 1
    assert relief[within] == pytest.approx(0.5 * np.sqrt(1 - radius[within] ** 2))
    assert (coverage[radius < 0.97] == 1).all()
    assert (coverage[radius > 1.03] == 0).all()
    assert coverage.sum() == pytest.approx(math.pi * 400, rel=0.002)


def test_a_cone_falls_evenly():
    _, relief = put(shape=Shape.CONE, size=(40.0, 20.0), height=1.0)
    radius = np.hypot((XS - 40) / 20, (YS - 30) / 10)
    within = radius < 1
    assert relief[within] == pytest.approx(1 - radius[within])


def test_a_box_covers_its_sides_exactly():
    coverage, relief = put(shape=Shape.BOX, at=(40.25, 30.0), size=(20.0, 10.0), height=0.2)
    assert coverage[30, 30:52] == pytest.approx([0.75, *[1.0] * 19, 0.25, 0.0])
    assert coverage.sum() == pytest.approx(200)
    assert (relief[coverage > 0] == 0.2).all()


def test_a_ramp_rises_downwards_and_turns_clockwise():
    coverage, relief = put(shape=Shape.RAMP, size=(20.0, 20.0), height=1.0)
    inside = coverage == 1
    assert relief[inside] == pytest.approx(((YS - 30) / 10 + 1)[inside] / 2)
    coverage, relief = put(shape=Shape.RAMP, size=(20.0, 20.0), height=1.0, angle=90.0)
    inside = coverage == 1
    assert relief[inside] == pytest.approx((1 - (XS - 40) / 10)[inside] / 2)


def test_a_turned_box_covers_as_much():
    assert put(shape=Shape.BOX, angle=30.0)[0].sum() == pytest.approx(1200, rel=0.005)


def test_a_tilt_leans_along_the_stamps_own_sides():
    _, relief = put(shape=Shape.BOX, height=0.0, tilt=(0.25, -0.5))
    assert relief[34, 50] == pytest.approx(0.25 * 10.5 / 20 - 0.5 * 4.5 / 15)


def test_letters_are_those_of_the_project():
    mask = letters_mask("Ag")
    size = (float(mask.width), float(mask.height))
    ground = Ground(np.zeros((200, 300), np.float32), None, (300.0, 200.0))
    at = (50 + mask.width / 2, 30 + mask.height / 2)  # so that pixel lies on pixel
    stamp = Stamp(shape=Shape.TEXT, text="Ag", at=at, size=size, height=0.3)
    area, relief = stamp_area(stamp, ground)
    whole = np.zeros((200, 300))
    whole[area.box.slices] = area.weights
    expected = np.zeros((200, 300))
    expected[30 : 30 + mask.height, 50 : 50 + mask.width] = np.asarray(mask) / 255
    assert whole == pytest.approx(expected, abs=1e-9)
    assert (relief == 0.3).all()


def test_a_long_text_is_kept_in_bytes():
    """Eight of them are kept: of floats they would be half a gigabyte."""
    mask = letters("W" * 200)
    assert mask.dtype == np.uint8
    assert not np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any()


def test_a_text_without_letters_covers_nothing():
    assert letters(" \n") is None
    assert not put(shape=Shape.TEXT, text=" ")[0].any()


def test_far_away_or_larger_than_the_map():
    assert not put(shape=Shape.BALL, at=(-100.0, -100.0))[0].any()
    coverage, relief = put(shape=Shape.BALL, size=(65536.0, 65536.0), height=1.0)
    assert (coverage == 1).all()
    assert relief == pytest.approx(1, abs=1e-5)
