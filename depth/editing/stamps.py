"""Things that are put into a map: balls, boxes, cones, ramps and raised letters."""

import math
from functools import lru_cache

import numpy as np

from ...images.lettering import NoLetters, letters_mask
from .ground import Area, Ground, centres
from .state import Shape, Stamp

WHITE = 255.0  # of a mask of letters


def stamp_area(stamp: Stamp, ground: Ground) -> tuple[Area, np.ndarray] | None:
    """Where a stamp is and how much it covers, and its relief: the depth that it adds there."""
    mask = letters(stamp.text) if stamp.is_text else None
    if stamp.is_text and mask is None:
        return None
    halves = np.array(stamp.size) * ground.scale / 2
    soft = 1 + 1 / (2 * halves.min())  # where half a pixel beyond the rim begins to be free
    if mask is not None:
        soft = max(soft, 1 + 1 / (min(mask.shape) - 2))
    middle, turn = ground.places(stamp.at), math.radians(stamp.angle)
    cos, sin = math.cos(turn), math.sin(turn)
    reach = np.abs([[cos, sin], [sin, cos]]) @ (halves * soft) + 1
    box = ground.box_around(middle - reach, middle + reach)
    if box is None:
        return None
    ys, xs = centres(box)
    x, y = xs - middle[0], ys - middle[1]
    u, v = (x * cos + y * sin) / halves[0], (y * cos - x * sin) / halves[1]
    coverage, profile = _solid(stamp.shape, u, v, halves, mask)
    relief = stamp.height * profile + stamp.tilt[0] * u + stamp.tilt[1] * v
    return Area(box, coverage), relief


def _solid(
    shape: Shape, u: np.ndarray, v: np.ndarray, halves: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and profile in coordinates that are −1 and 1 at the rim."""
    if mask is not None:
        return _stretched(mask, u, v), np.ones_like(u)
    if shape in (Shape.BALL, Shape.CONE):
        radius = np.sqrt(u * u + v * v)
        coverage = ((1 - radius) * halves.min() + 0.5).clip(0, 1)
        if shape is Shape.CONE:
            return coverage, np.maximum(0, 1 - radius)
        return coverage, np.sqrt(np.maximum(0, 1 - radius * radius))
    across = ((1 - np.abs(u)) * halves[0] + 0.5).clip(0, 1)
    down = ((1 - np.abs(v)) * halves[1] + 0.5).clip(0, 1)
    return across * down, np.ones_like(u) if shape is Shape.BOX else (v + 1) / 2


def _stretched(mask: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A mask within its rim over −1..1 in both, between its pixels' centres; 0 outside of it."""
    height, width = (side - 2 for side in mask.shape)
    x = ((u + 1) / 2 * width + 0.5).clip(0, width + 1)
    y = ((v + 1) / 2 * height + 0.5).clip(0, height + 1)
    left = np.minimum(x.astype(np.int64), width)
    top = np.minimum(y.astype(np.int64), height)
    x -= left
    y -= top
    upper = mask[top, left] / WHITE * (1 - x) + mask[top, left + 1] / WHITE * x
    lower = mask[top + 1, left] / WHITE * (1 - x) + mask[top + 1, left + 1] / WHITE * x
    return upper * (1 - y) + lower * y


@lru_cache(8)
def letters(text: str | None) -> np.ndarray | None:
    """Their mask, uint8 `[h + 2, w + 2]` with a black rim; None where nothing can be seen.

    In bytes, as that of a long text has millions of pixels, of which a small stamp takes few.
    """
    try:
        return np.pad(np.asarray(letters_mask(text or "")), 1)
    except NoLetters:
        return None
