"""How much work edits are, known before any of it is done: no state takes hours.

A unit is about what NumPy needs for ten operations on a pixel, 10 nanoseconds.
"""

import math

import numpy as np

from .averages import MOST_REACH
from .ground import Ground
from .polygons import crossing_count
from .state import AnyEdit, Does, Edit, Effect, Flood, Gradient, Polygon, Stamp, State, Stroke
from .strokes import corners

MOST = 3e10  # about five minutes a map
EDGES = 8
BETWEEN = 2
CROSSING = 30
FLOOD = 2
STAMP = 5
LETTER = 100_000  # of a stamp's text, drawn twice: once to see what it lacks
PRESSED = 2  # a stroke whose pressure changes
DOES = {Does.SMOOTH: 6, Does.SHARPEN: 4, Does.DELETE: 10, Does.FLATTEN: 4}
ELSE = 2


class TooMuchWork(ValueError):  # noqa: N818 - names what it is
    """Edits that would take hours on a map of this size."""


def check_work(state: State, height: int, width: int) -> None:
    """Raise TooMuchWork for a state that would take too long on a map of this size."""
    base = np.broadcast_to(np.float32(0), (height, width))
    ground = Ground(base, None, state.size)
    shown = [edit for layer in state.layers if layer.visible for edit in layer.edits]
    total = sum(work_of(edit, ground) for edit in shown)
    if total > MOST:
        raise TooMuchWork(
            f"the edits would take about {total / MOST:.1f} times as long on a map of "
            f"{width} x {height} pixels as they may; expected fewer or smaller ones"
        )


def work_of(edit: AnyEdit, ground: Ground) -> float:
    """Of one edit; web/editing/work.js has the same numbers."""
    drawing, pixels = _drawing(edit, ground)
    if isinstance(edit, Edit):
        if edit.edges:
            drawing += EDGES * _grown(pixels, 4 * MOST_REACH, ground)
        if edit.between is not None:
            drawing += BETWEEN * pixels
    if not isinstance(edit, Effect):
        return drawing + ELSE * pixels
    reach = 3 * ground.pixels(edit.reach) if edit.does is Does.SMOOTH else 64
    return drawing + DOES.get(edit.does, ELSE) * _grown(pixels, reach, ground)


def _grown(pixels: float, by: int, ground: Ground) -> float:
    """Of an area, roughly: as if it was a square."""
    height, width = ground.base.shape
    side = math.sqrt(pixels) + 2 * by
    return min(side * side, float(height * width)) if pixels else 0.0


def _drawing(edit: AnyEdit, ground: Ground) -> tuple[float, float]:
    """The work to find the area of an edit, and its pixels."""
    height, width = ground.base.shape
    if isinstance(edit, Stroke):
        return _stroke(edit, ground)
    if isinstance(edit, Flood):
        return FLOOD * height * width, height * width
    if isinstance(edit, (Polygon, Gradient)) and edit.points is not None:
        outline = ground.places(edit.points)
        box = ground.box_around(outline.min(axis=0), outline.max(axis=0))
        if box is None:
            return 0.0, 0.0
        edges = np.stack([outline, np.roll(outline, -1, axis=0)])
        pixels = _grown(box.height * box.width, ground.pixels(edit.feather), ground)
        return CROSSING * crossing_count(edges, box) + STAMP * pixels, pixels
    if isinstance(edit, Stamp):
        sides = np.array(edit.size) * ground.scale + 4
        pixels = min(float(sides @ sides), float(height * width))
        letters = len(edit.text or "") if edit.is_text else 0
        return LETTER * letters + STAMP * pixels, pixels
    return 0.0, height * width


def _stroke(stroke: Stroke, ground: Ground) -> tuple[float, float]:
    limits = (0, 0), ground.base.shape[::-1]
    lows, highs = (one.clip(*limits) for one in corners(stroke, ground))
    is_even = bool((stroke.points[:, 2] == stroke.points[0, 2]).all())
    drawing = np.prod(highs - lows + 1, axis=1).sum() * (1 if is_even else PRESSED)
    return float(drawing), float(np.prod(highs.max(axis=0) - lows.min(axis=0)))
