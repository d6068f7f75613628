"""Averages over squares, and weights that keep to the edges of a photo by means of them.

A part of a map is filtered with its box: it ends where the map ends, and what lies beyond the box
counts as 0. So whoever filters a part takes as much more of the map as the filter reaches.
"""

import numpy as np

from ...images.crop import Box
from ...images.opencv import cv2
from .ground import Area, Ground
from .references import SHADES, whole

# Sums are taken of whole steps, which float64 adds without rounding in whatever order: a part of a
# map then has the bits that the whole has, and what is 0 everywhere around stays 0.
BITS = 48  # of a sum, five fewer than there are, for values of more than 1
FINEST = 32  # bits of a value
LONGEST = 14  # bits of a square's side that count

EPS = 1e-3  # variance of the brightness below which the photo is smooth
MOST_REACH = 24  # pixels
REACH = 8.0  # pixels about which edges are followed, where neither radius nor feather says


def means(values: np.ndarray, box: Box, frame: Box, radius: int) -> np.ndarray:
    """Over squares of (2·radius + 1)² pixels, of those that are on the map."""
    side = min(LONGEST, (2 * radius + 1).bit_length())
    steps = 2.0 ** min(FINEST, BITS - 2 * side)
    sums = np.floor(values * steps + 0.5)
    for _ in range(2):  # along the rows, then, transposed, along the columns
        sums = cv2.transpose(_sums(sums, radius))
    down = steps * _counts(box.top, box.height, frame.height, radius)
    return sums / (down[:, None] * _counts(box.left, box.width, frame.width, radius))


def _sums(values: np.ndarray, radius: int) -> np.ndarray:
    reach = min(radius, values.shape[1])
    window = (2 * reach + 1, 1)
    border = cv2.BORDER_CONSTANT
    return cv2.boxFilter(values, -1, window, normalize=False, borderType=border)


def _counts(start: int, length: int, side: int, radius: int) -> np.ndarray:
    """How many pixels of a line of the map are within the radius of each."""
    place = np.arange(start, start + length)
    return np.minimum(place, radius) + np.minimum(side - 1 - place, radius) + 1.0


def feathered(area: Area | None, ground: Ground, radius: int) -> Area | None:
    """An area with a soft rim."""
    if area is None or radius == 0:
        return area
    wide = grown(area, ground, radius)
    return Area(wide.box, means(wide.weights, wide.box, ground.frame, radius))


def following_edges(area: Area, ground: Ground, length: float) -> Area:
    """An area whose rim moves to the photo's edges, as far as the length in pixels of the drawing.

    He, Sun and Tang 2013, "Guided Image Filtering" (IEEE TPAMI 35), algorithm 1.
    """
    if ground.guide is None:
        return area
    frame = ground.frame
    radius = min(max(whole(length * ground.scale / 3), 1), MOST_REACH)
    near = area.box.grown(2 * radius).inside(*ground.base.shape)
    wide = grown(area, ground, 4 * radius)
    weights, guide = wide.weights, ground.guide[wide.box.slices] / SHADES

    def mean(values: np.ndarray) -> np.ndarray:
        return means(values, wide.box, frame, radius)

    shade, weight = mean(guide), mean(weights)
    variance = np.maximum(mean(guide * guide) - shade * shade, 0)
    slope = (mean(guide * weights) - shade * weight) / (variance + EPS)
    shift = weight - slope * shade
    followed = (mean(slope) * guide + mean(shift)).clip(0, 1)
    return Area(near, followed[near.relative_to(wide.box).slices])


def grown(area: Area, ground: Ground, pixels: int) -> Area:
    """The same area in a larger box."""
    height, width = ground.base.shape
    box = area.box.grown(min(pixels, max(height, width))).inside(height, width)
    weights = np.zeros((box.height, box.width))
    weights[area.box.relative_to(box).slices] = area.weights
    return Area(box, weights)
