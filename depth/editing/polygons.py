"""How much of each pixel a polygon covers, by the even-odd rule.

On four lines through every row of pixels, exactly along each of them.
"""

import numpy as np

from ...images.crop import Box
from .ground import Area, Ground

LINES = 4  # through a row of pixels
GRAIN = 2.0**20  # crossings are at multiples of 1/GRAIN pixel, so that sums are exact
CROSSINGS = 1 << 20  # at once


def polygon_area(points: np.ndarray, ground: Ground) -> Area | None:
    """The inside of a polygon, whose points `[N, 2]` are in pixels of the drawing."""
    corners = ground.places(points)
    box = ground.box_around(corners.min(axis=0), corners.max(axis=0))
    if box is None:
        return None
    edges = np.stack([corners, np.roll(corners, -1, axis=0)])
    weights = np.empty((box.height, box.width))
    for top, bottom in _bands(edges, box):
        part = box._replace(top=box.top + top, height=bottom - top)
        weights[top:bottom] = _covered(edges, part)
    return Area(box, weights)


def crossing_count(edges: np.ndarray, box: Box) -> int:
    """How often the lines of a box cross edges `[2, N, 2]`, from one end to the other."""
    first, last = _lines(edges, box)
    return int((last - first).sum())


def _bands(edges: np.ndarray, box: Box) -> list[tuple[int, int]]:
    """Rows to be taken at once."""
    rows = max(1, int(box.height * CROSSINGS / max(crossing_count(edges, box), 1)))
    return [(top, min(top + rows, box.height)) for top in range(0, box.height, rows)]


def _lines(edges: np.ndarray, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """The first line that each edge crosses, and the one behind the last, counted from the top."""
    ends = np.sort(edges[..., 1] - box.top, axis=0) * LINES - 0.5
    first, last = np.ceil(ends).clip(0, box.height * LINES).astype(np.int64)
    return first, last


def _covered(edges: np.ndarray, box: Box) -> np.ndarray:
    first, last = _lines(edges, box)
    counts = last - first
    edge = np.repeat(np.arange(len(counts)), counts)
    line = np.arange(len(edge)) - np.repeat(counts.cumsum() - counts, counts) + first[edge]
    (x0, y0), (x1, y1) = edges[0, edge].T, edges[1, edge].T
    y = box.top + (line + 0.5) / LINES
    x = x0 + (y - y0) * (x1 - x0) / (y1 - y0) - box.left
    x = np.floor(x.clip(0, box.width) * GRAIN + 0.5) / GRAIN
    order = np.lexsort((x, line))
    line, x = line[order], x[order]
    # Every line is crossed an even number of times: in, out, in, out.
    sign = np.where(np.arange(len(x)) % 2, -1.0, 1.0)
    column = np.floor(x).astype(np.int64)
    beyond = x - column  # of the pixel, what lies left of the crossing
    stride = box.width + 2
    place = line // LINES * stride + column
    size = box.height * stride
    steps = np.bincount(place, sign * (1 - beyond), size)
    steps += np.bincount(place + 1, sign * beyond, size)
    return steps.reshape(box.height, stride).cumsum(axis=1)[:, : box.width] / LINES
