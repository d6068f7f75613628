"""What edits do to the depths of their area.

Each takes the weights, float64, and gives the new depths of the box, float64; where the weight is
0 they are not used.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...images.crop import Box
from ...images.opencv import cv2
from .averages import means
from .ground import Area, Ground, centres
from .references import whole
from .state import Does, Effect, Gradient, Kind, Mode, Stamp

log = logging.getLogger(__name__)

SOFT = 1 / 64  # depth over which a window of depths fades out
CONTRAST = 4  # of an edge that is sharpened
FLAT = 1e-4  # depth between nearest and farthest below which there is no edge
MOST_SHARPEN = 32  # pixels
LEAST_HOLE = 1 / 512  # weight from which on a pixel is deleted
MOST_SMOOTHING = 32  # pixels
LEAST_SPREAD = 1.0  # square pixels; narrower areas have no slope across


@dataclass(frozen=True, eq=False)
class Scene:
    """A map while it is edited."""

    ground: Ground
    depth: np.ndarray  # float32 [H, W]

    def part(self, box: Box) -> np.ndarray:
        """Of the depths, in float64."""
        return self.depth[box.slices].astype(np.float64)


def between(area: Area, scene: Scene, depths: tuple[float, float]) -> Area:
    """An area only where the map lies between two depths."""
    far, near = sorted(depths)
    depth = scene.part(area.box)
    inside = ((depth - far) / SOFT + 1).clip(0, 1) * ((near - depth) / SOFT + 1).clip(0, 1)
    return Area(area.box, area.weights * inside)


def towards(depth: np.ndarray, target: np.ndarray | float, share: np.ndarray) -> np.ndarray:
    """The target, where the share is 1 exactly."""
    return np.where(share == 1, target, depth + share * (target - depth))


def _nearer(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    return scene.part(area.box) + area.weights * edit.amount


def _farther(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    return scene.part(area.box) - area.weights * edit.amount


def _set(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    return towards(scene.part(area.box), edit.depth, area.weights * edit.amount)


def _scale(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    depth, weights = scene.part(area.box), area.weights
    mean = (weights * depth).sum() / weights.sum()
    return mean + (depth - mean) * (1 + weights * (edit.amount - 1))


def _smooth(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    """Three box filters are nearly a Gaussian."""
    ground = scene.ground
    radius = max(1, whole(edit.reach * ground.scale / 3))
    box = _around(area.box, 3 * radius, scene)
    smooth = scene.part(box)
    for _ in range(3):
        smooth = means(smooth, box, ground.frame, radius)
    smooth = smooth[area.box.relative_to(box).slices]
    return towards(scene.part(area.box), smooth, area.weights * edit.amount)


def _sharpen(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    """The nearer half of what is around a pixel nearer, the farther half farther."""
    radius = min(max(scene.ground.pixels(edit.reach), 1), MOST_SHARPEN)
    box = _around(area.box, radius, scene)
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    inside, around = area.box.relative_to(box).slices, scene.depth[box.slices]
    far, near = (
        find(around, square)[inside].astype(np.float64) for find in (cv2.erode, cv2.dilate)
    )
    depth, span = scene.part(area.box), near - far
    place = (depth - far) / np.where(span < FLAT, 1, span)
    sharp = far + span * ((place - 0.5) * CONTRAST + 0.5).clip(0, 1)
    sharp = np.where(span < FLAT, depth, sharp)
    return towards(depth, sharp, area.weights * edit.amount)


def _flatten(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    depth, weights = scene.part(area.box), area.weights
    return towards(depth, fitted_plane(depth, weights, area.box), weights * edit.amount)


def fitted_plane(depth: np.ndarray, weights: np.ndarray, box: Box) -> np.ndarray:
    """By least squares; the mean depth where the area is a line or a point."""
    total = weights.sum()
    ys, xs = centres(box)
    x, y = (line - (weights * line).sum() / total for line in (xs, ys))
    mean = (weights * depth).sum() / total
    rise = depth - mean
    xx, yy, xy = ((weights * product).sum() / total for product in (x * x, y * y, x * y))
    xd, yd = ((weights * product).sum() / total for product in (x * rise, y * rise))
    least = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
    if least < LEAST_SPREAD:
        return np.full_like(depth, mean)
    determinant = xx * yy - xy * xy
    slopes = (xd * yy - yd * xy) / determinant, (yd * xx - xd * xy) / determinant
    return mean + slopes[0] * x + slopes[1] * y


def _delete(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    """Fill from the border: as far pixels count less, a slope goes on across."""
    box = _around(area.box, 1, scene)
    place = area.box.relative_to(box).slices
    hole = np.zeros((box.height, box.width), bool)
    hole[place] = area.weights >= LEAST_HOLE
    depth = scene.part(box)
    filled, is_known = _from_borders(depth, hole)
    if not hole.any():
        return depth[place]
    if not is_known.any():
        log.warning("an area to be deleted covers all of the map: there is no border to fill from")
        return depth[place]
    filled[hole & ~is_known] = filled[is_known].mean()
    smooth = _smoothed(filled[place], hole[place], area.box, scene)
    return np.where(hole[place], towards(depth[place], smooth, area.weights), depth[place])


def _from_borders(depth: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel of the hole from the nearest ones outside of it in its row and its column.

    And which of them have any.
    """
    total, weight = np.zeros_like(depth), np.zeros_like(depth)
    for turn in range(4):
        values, holes = np.rot90(depth, turn), np.rot90(hole, turn)
        columns = np.arange(values.shape[1])
        nearest = np.maximum.accumulate(np.where(holes, -1, columns), axis=1)
        found = holes & (nearest >= 0)
        share = np.where(found, 1 / np.maximum(columns - nearest, 1), 0.0)
        taken = np.take_along_axis(values, np.maximum(nearest, 0), axis=1)
        total += np.rot90(share * taken, -turn)
        weight += np.rot90(share, -turn)
    known = weight > 0
    return np.where(known, total / np.where(known, weight, 1), depth), known


def _smoothed(filled: np.ndarray, hole: np.ndarray, inner: Box, scene: Scene) -> np.ndarray:
    radius = whole(math.sqrt(hole.sum()) / 16)
    radius = min(max(radius, 1), MOST_SMOOTHING)
    box = _around(inner, radius, scene)
    place = inner.relative_to(box).slices
    around = scene.part(box)
    around[place] = filled
    for _ in range(2):
        smooth = means(around, box, scene.ground.frame, radius)[place]
        around[place] = np.where(hole, smooth, around[place])
    return around[place]


def _erase(edit: Effect, area: Area, scene: Scene) -> np.ndarray:
    base = scene.ground.base[area.box.slices].astype(np.float64)
    return towards(scene.part(area.box), base, area.weights * edit.amount)


EFFECTS: dict[Does, Callable[[Effect, Area, Scene], np.ndarray]] = {
    Does.NEARER: _nearer,
    Does.FARTHER: _farther,
    Does.SET: _set,
    Does.SCALE: _scale,
    Does.SMOOTH: _smooth,
    Does.SHARPEN: _sharpen,
    Does.FLATTEN: _flatten,
    Does.DELETE: _delete,
    Does.ERASE: _erase,
}


def gradient_depths(edit: Gradient, area: Area, scene: Scene) -> np.ndarray:
    """A ramp from one depth to another; where both ends are one point all is at its end."""
    ground = scene.ground
    start, end = ground.places(edit.start), ground.places(edit.end)
    way = end - start
    ys, xs = centres(area.box)
    x, y, length = xs - start[0], ys - start[1], float(way @ way)
    if length == 0:
        share = np.ones_like(area.weights)
    elif edit.kind is Kind.LINEAR:
        share = ((x * way[0] + y * way[1]) / length).clip(0, 1)
    else:
        share = np.sqrt((x * x + y * y) / length).clip(0, 1)
    target = edit.depths[0] + (edit.depths[1] - edit.depths[0]) * share
    return towards(scene.part(area.box), target, area.weights * edit.amount)


def stamped(edit: Stamp, area: Area, relief: np.ndarray, scene: Scene) -> np.ndarray:
    """The map with a thing in it, of which `relief` is the depth that it adds to its own."""
    depth, coverage = scene.part(area.box), area.weights
    if edit.mode is Mode.RAISE:
        return depth + coverage * relief
    target = edit.depth + relief
    put = towards(depth, target, coverage)
    return put if edit.mode is Mode.OVER else np.where(target > depth, put, depth)


def _around(box: Box, pixels: int, scene: Scene) -> Box:
    """A larger part of the map."""
    height, width = scene.depth.shape
    return box.grown(min(pixels, max(height, width))).inside(height, width)
