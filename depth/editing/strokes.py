"""Where a brush has been: 1 in the middle of its path, falling to 0 at its radius."""

from collections.abc import Iterator

import numpy as np

from .ground import Area, Ground, centres
from .state import Stroke


def stroke_area(stroke: Stroke, ground: Ground) -> Area | None:
    """The largest weight that any segment of the path gives a pixel."""
    points = ground.places(stroke.points[:, :2])
    radius, pressures = stroke.radius * ground.scale, stroke.points[:, 2]
    lows, highs = corners(stroke, ground)
    box = ground.box_around(lows.min(axis=0), highs.max(axis=0))
    if box is None:
        return None
    windows = _windows(lows, highs, (box.left, box.top), (box.width, box.height))
    ys, xs = centres(box)
    is_even = bool((pressures == pressures[0]).all())
    drawn = np.full((box.height, box.width), np.inf if is_even else 0.0)
    starts = points[: max(len(points) - 1, 1)]
    for start, end, first, last, (rows, columns) in zip(
        *(starts, points[-len(starts) :]),
        *(pressures[: len(starts)], pressures[-len(starts) :], windows),
        strict=True,
    ):
        square, share = _distances(ys[rows] - start[1], xs[columns] - start[0], end - start)
        part = drawn[rows, columns]
        if is_even:  # the nearest segment has the largest weight
            np.minimum(part, square, out=part)
        else:
            reach = radius * (first + share * (last - first))
            np.maximum(part, _falloff(square, reach, stroke.hardness), out=part)
    if is_even:
        drawn = _falloff(drawn, np.array(radius * pressures[0]), stroke.hardness)
    return Area(box, drawn)


def corners(stroke: Stroke, ground: Ground) -> tuple[np.ndarray, np.ndarray]:
    """Of the rectangles around its segments, or around its only point: `[N, 2]`, x and y."""
    points = ground.places(stroke.points[:, :2])
    reaches = stroke.radius * ground.scale * stroke.points[:, 2:]
    count = max(len(points) - 1, 1)
    low, high = points - reaches, points + reaches
    return np.minimum(low[:count], low[-count:]), np.maximum(high[:count], high[-count:])


def _windows(
    lows: np.ndarray, highs: np.ndarray, corner: tuple[int, int], size: tuple[int, int]
) -> Iterator[tuple[slice, slice]]:
    """The whole pixels of rectangles, as far as they lie in a box."""
    first = np.floor(lows - corner).clip(0, size).astype(int).tolist()
    last = np.ceil(highs - corner).clip(0, size).astype(int).tolist()
    for (left, top), (right, bottom) in zip(first, last, strict=True):
        yield slice(top, bottom), slice(left, right)


def _distances(ys: np.ndarray, xs: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance from a segment that begins at 0, and how far along it the nearest point is.

    In 0..1; ys is `[H, 1]`, xs `[W]`.
    """
    length = float(way @ way)
    if length == 0:
        return ys * ys + xs * xs, np.zeros(1)
    share = ys * (way[1] / length) + xs * (way[0] / length)
    np.clip(share, 0, 1, out=share)
    across = share * -way[0]
    across += xs
    across *= across
    down = share * -way[1]
    down += ys
    down *= down
    across += down
    return across, share


def _falloff(square: np.ndarray, reach: np.ndarray, hardness: float) -> np.ndarray:
    """1 within, 0 at the reach, smooth over the soft part, which is one pixel wide at least."""
    reach = np.maximum(reach, 1e-12)
    soft = np.maximum(1 - hardness, 1 / reach)
    share = ((1 - np.sqrt(square) / reach) / soft).clip(0, 1)
    return np.where(square < reach * reach, share * share * (3 - 2 * share), 0.0)
