"""What is connected with a point: of about its depth, and without an edge of the photo between."""

import numpy as np

from ...images.crop import Box
from ...images.opencv import cv2
from .ground import Area, Ground
from .references import DEPTHS, SHADES, whole
from .state import Flood


def flood_area(flood: Flood, ground: Ground) -> Area | None:
    """1 on the connected part of the map that came in; None for a point outside of it."""
    x, y = np.floor(ground.places(flood.at)).astype(int).tolist()
    height, width = ground.base.shape
    if not (0 <= x < width and 0 <= y < height):
        return None
    seed = int(ground.steps[y, x])
    differs = cv2.absdiff(ground.steps, np.full_like(ground.steps, seed))
    barrier = differs > whole(flood.tolerance * DEPTHS)
    mask = np.pad(barrier.view(np.uint8), 1, constant_values=1)
    guide = np.zeros_like(mask[1:-1, 1:-1]) if ground.guide is None else ground.guide
    edge = whole(flood.edge * SHADES)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | (FLOODED << 8)
    *_, (left, top, columns, rows) = cv2.floodFill(guide, mask, (x, y), 0, edge, edge, flags)
    box = Box(top, left, rows, columns)
    return Area(box, (mask[1:-1, 1:-1][box.slices] == FLOODED).astype(np.float64))


FLOODED = 2  # in the mask, beside 0 (not yet) and 1 (barrier)
