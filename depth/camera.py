"""How a camera moves before a scene, and how its speed changes on the way."""

import math
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple


class Move(str, Enum):
    """How the camera moves."""

    SWAY = "sway"  # to the right, to the left and back
    CIRCLE = "circle"  # right, up, left, down
    PUSH_IN = "push in"  # forward
    ORBIT = "orbit"  # right, forward, left, back: around something in front of it
    DOLLY = "dolly"  # forward and back
    ZOOM = "zoom"  # not at all, but its lens zooms in
    ARC = "arc"  # from left to right, nearer at both ends: half way round something


class Easing(str, Enum):
    """How the speed changes on the way."""

    LINEAR = "linear"  # not at all
    IN = "ease in"  # starts slowly
    OUT = "ease out"  # ends slowly
    IN_AND_OUT = "ease in and out"  # both


class Camera(NamedTuple):
    """Where the camera is, in units of the whole move: to the right, up, forward; and its zoom."""

    right: float
    up: float
    forward: float
    zoom: float = 0.0


def camera_path(move: Move, frames: int, easing: Easing = Easing.LINEAR) -> list[Camera]:
    """One camera a frame, the last of them before the first one's place where a move repeats.

    Push in, zoom and arc do not; they are shown with both their ends.
    """
    if frames < 1:
        raise ValueError(f"a move of {frames} frames cannot be shown; expected 1 or more")
    steps = max(frames - 1, 1) if move in _ONCE else frames
    path, ease = _PATHS[move], _EASINGS[easing]
    return [path(ease(index, steps), steps) for index in range(frames)]


# Where the camera is when it has gone a part of the whole way.


def _sway(gone: float, whole: float) -> Camera:
    return Camera(math.sin(2 * math.pi * gone / whole), 0.0, 0.0)


def _circle(gone: float, whole: float) -> Camera:
    angle = 2 * math.pi * gone / whole
    return Camera(math.cos(angle), math.sin(angle), 0.0)


def _push_in(gone: float, whole: float) -> Camera:
    return Camera(0.0, 0.0, gone / whole)


def _orbit(gone: float, whole: float) -> Camera:
    angle = 2 * math.pi * gone / whole
    return Camera(math.sin(angle), 0.0, (1 - math.cos(angle)) / 2)


def _dolly(gone: float, whole: float) -> Camera:
    return Camera(0.0, 0.0, (1 - math.cos(2 * math.pi * gone / whole)) / 2)


def _zoom(gone: float, whole: float) -> Camera:
    return Camera(0.0, 0.0, 0.0, gone / whole)


def _arc(gone: float, whole: float) -> Camera:
    angle = math.pi * gone / whole
    return Camera(-math.cos(angle), 0.0, (1 - math.sin(angle)) / 2)


_ONCE = {Move.PUSH_IN, Move.ZOOM, Move.ARC}
_PATHS: dict[Move, Callable[[float, float], Camera]] = {
    Move.SWAY: _sway,
    Move.CIRCLE: _circle,
    Move.PUSH_IN: _push_in,
    Move.ORBIT: _orbit,
    Move.DOLLY: _dolly,
    Move.ZOOM: _zoom,
    Move.ARC: _arc,
}
# From the part of the time that has passed to the part of the way, each of the same whole.
_EASINGS: dict[Easing, Callable[[float, float], float]] = {
    Easing.LINEAR: lambda passed, whole: passed,
    Easing.IN: lambda passed, whole: passed * passed / whole,
    Easing.OUT: lambda passed, whole: passed * (2 * whole - passed) / whole,
    Easing.IN_AND_OUT: lambda passed, whole: passed * passed * (3 - 2 * passed / whole) / whole,
}
