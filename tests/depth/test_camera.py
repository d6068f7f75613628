"""Paths of a camera: their ends, their way back, their speed."""

import math
from itertools import pairwise

import pytest

from sd2_depth2img.depth.camera import Easing, Move, camera_path

REPEAT = [Move.SWAY, Move.CIRCLE, Move.ORBIT, Move.DOLLY]
ONCE = [Move.PUSH_IN, Move.ZOOM, Move.ARC]


def test_the_paths_are_what_their_names_say():
    assert [round(camera.right, 6) for camera in camera_path(Move.SWAY, 4)] == [0, 1, 0, -1]
    circle = camera_path(Move.CIRCLE, 12)
    assert all(math.hypot(*camera) == pytest.approx(1) for camera in circle)
    assert len({(round(c.right, 6), round(c.up, 6)) for c in circle}) == 12
    assert [camera.forward for camera in camera_path(Move.PUSH_IN, 5)] == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("move", REPEAT)
def test_moves_that_repeat_do_not_jump_at_their_end(move):
    path = camera_path(move, 30)
    steps = [math.dist(a, b) for a, b in zip(path, [*path[1:], path[0]], strict=True)]
    assert max(steps) < 2 * math.pi / 30 + 1e-6


@pytest.mark.parametrize("move", Move)
def test_one_frame_is_enough_and_none_is_refused(move):
    assert len(camera_path(move, 1)) == 1
    with pytest.raises(ValueError, match="a move of 0 frames"):
        camera_path(move, 0)


def test_every_move_repeats_or_has_both_its_ends():
    assert {*REPEAT, *ONCE} == set(Move)
    assert camera_path(Move.PUSH_IN, 7)[-1] == (0, 0, 1, 0)
    assert camera_path(Move.ZOOM, 7)[-1] == (0, 0, 0, 1)
    first, *_, last = camera_path(Move.ARC, 7)
    assert first == pytest.approx((-1, 0, 0.5, 0))
    assert last == pytest.approx((1, 0, 0.5, 0))


@pytest.mark.parametrize("move", [move for move in Move if move not in (Move.CIRCLE, Move.ARC)])
def test_moves_start_at_the_image(move):
    assert camera_path(move, 9)[0] == pytest.approx((0, 0, 0, 0))


def test_an_orbit_is_a_round_and_an_arc_half_of_it():
    """An ellipse around what lies half a move ahead."""
    for move, count in ((Move.ORBIT, 24), (Move.ARC, 13)):
        path = camera_path(move, count)
        assert all(c.right**2 + (2 * c.forward - 1) ** 2 == pytest.approx(1) for c in path)
    assert [round(c.right, 6) for c in camera_path(Move.ORBIT, 4)] == [0, 1, 0, -1]
    assert [round(c.forward, 6) for c in camera_path(Move.ORBIT, 4)] == [0, 0.5, 1, 0.5]


def test_a_dolly_goes_forward_and_back_the_same_way():
    forward = [camera.forward for camera in camera_path(Move.DOLLY, 10)]
    assert max(forward) == pytest.approx(1)
    assert forward[1:] == pytest.approx(forward[:0:-1])


@pytest.mark.parametrize("easing", Easing)
def test_an_eased_move_never_turns_back_and_keeps_its_ends(easing):
    way = [camera.forward for camera in camera_path(Move.PUSH_IN, 41, easing)]
    assert (way[0], way[-1]) == (0, pytest.approx(1))
    assert all(b > a for a, b in pairwise(way))


def test_easing_is_slow_where_its_name_says():
    def speeds(easing):
        way = [camera.forward for camera in camera_path(Move.PUSH_IN, 101, easing)]
        return [(b - a) * 100 for a, b in pairwise(way)]

    assert speeds(Easing.LINEAR) == pytest.approx([1] * 100)
    for easing, first, last in (
        (Easing.IN, 0, 2),
        (Easing.OUT, 2, 0),
        (Easing.IN_AND_OUT, 0, 0),
    ):
        found = speeds(easing)
        assert (found[0], found[-1]) == (
            pytest.approx(first, abs=0.05),
            pytest.approx(last, abs=0.05),
        )
    assert max(speeds(Easing.IN_AND_OUT)) == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize("easing", Easing)
@pytest.mark.parametrize("move", REPEAT)
def test_an_eased_move_comes_back_to_where_it_started(move, easing):
    path = camera_path(move, 400, easing)
    assert math.dist(path[0], path[-1]) < 2 * math.dist(path[-1], path[-2]) + 1e-3
