"""Depth maps whose edges follow their photographs, at the photographs' size.

An estimated or enlarged map has blurred edges. Pixels in the middle of such a slope belong to
neither side; so both filters in here give slopes less weight than flat parts, and each pixel the
depth of those around it that look like it.
"""

import logging
from enum import Enum
from math import ceil

import numpy as np
from torch import Tensor

from ..images.numbers import check_numbers
from ..images.opencv import cv2
from .convention import LUMA
from .filters import Map, cell_of, guided_filter, joint_bilateral, per_map
from .fit import fit_map

log = logging.getLogger(__name__)


class Method(str, Enum):
    """How a map is made to follow its photograph."""

    BILATERAL = "joint bilateral"  # crisp edges between things of different brightness
    GUIDED = "guided"  # softer and quicker, keeps hair and leaves


# Chosen on the Middlebury motorcycle, its true disparity made 4 and 8 times smaller, blurred
# (sigma 4) or noisy: of the few values tried, those with the least mean error.
SLOPE = 0.03  # rise of depth within a window at which a pixel is worth half
EDGE = 0.05  # rise from which on the filter acts fully; below it, less and less
WINDOW = 3  # the window's radius is the filter's divided by this
SIGMA = 2  # the Gaussian's standard deviation, likewise; OpenCV's reaches 4 of them
BOX = 2  # the guided filter's two windows' radius, likewise
WIDEST = 1 / 20  # of an image's shorter side; beyond it all of these maps got worse


def refine(
    depth: Tensor,
    image: Tensor,
    method: Method = Method.BILATERAL,
    radius: float = 4.0,
    tolerance: float = 0.05,
) -> Tensor:
    """Move the edges of depth maps to those of their images, and enlarge them to their size.

    Where a map has no edge within reach it stays as it is. Within reach of one it takes on the
    photograph's texture as well, so that a radius wider than the map's edges does harm; beyond a
    twentieth of the image's shorter side a warning says so.

    Args:
        depth: `[N, h, w]` in 0..1, finite, of any size with the image's shape; N divides B.
        image: `[B, H, W, 3]` in 0..1.
        radius: how far edges may move, in pixels of the image, but at least one pixel of the
            given map; 0: they do not move.
        tolerance: difference of brightness, 0..1, that counts as an edge of the photograph; > 0.

    Returns: `[B, H, W]` in 0..1.
    """
    check_numbers(above=0, tolerance=tolerance)
    check_numbers(low=0, radius=radius)
    whole = fit_map(depth, image)
    if not radius:
        return whole
    _warn_if_wide(radius, image)
    reach = max(1.0, radius, image.shape[1] / depth.shape[1])

    luma = np.array([LUMA], np.float32)

    def snapped(part: Map, colours: np.ndarray) -> Map:
        brightness = cv2.transform(colours, luma)
        return _refined(part, brightness, method, reach, tolerance)

    refined = per_map(snapped, whole, image, halo=_halo(method, reach))
    return refined.clamp_(0, 1)  # rounding may pass the ends


def _warn_if_wide(radius: float, image: Tensor) -> None:
    widest = WIDEST * min(image.shape[1:3])
    if radius > widest:
        log.warning(
            "a radius of %g pixels is wide for an image whose shorter side has %d: depths run into "
            "each other and the photo's texture gets into the map; choose about the width of the "
            "map's blurred edges, %.0f at the most",
            radius,
            min(image.shape[1:3]),
            widest,
        )


def _refined(depth: Map, guide: Map, method: Method, reach: float, tolerance: float) -> Map:
    rise = _rise(depth, _radius(reach, WINDOW))
    trust = rise * np.float32(1 / SLOPE)
    trust *= trust
    trust += 1
    np.divide(1, trust, out=trust)
    if method is Method.GUIDED:
        snapped = guided_filter(guide, depth, _radius(reach, BOX), tolerance**2, trust)
    else:
        snapped = joint_bilateral(guide, depth, reach / SIGMA, tolerance, trust)
    snapped -= depth
    rise *= np.float32(1 / EDGE)
    _, share = cv2.threshold(rise, 1, 0, cv2.THRESH_TRUNC, dst=rise)
    snapped *= share
    snapped += depth
    return snapped


def _radius(reach: float, part: int) -> int:
    """Of a window that is a part of the reach, in whole pixels."""
    return max(1, round(reach / part))


def _halo(method: Method, reach: float) -> int:
    """How far away a pixel may be that the result depends on."""
    window = _radius(reach, WINDOW)
    if method is Method.GUIDED:
        return window + 2 * _radius(reach, BOX)
    # In whole cells, so that all bands are cut into the same ones; four of them for rounding.
    cell = cell_of(reach / SIGMA)
    return cell * (ceil((window + 4 * reach / SIGMA) / cell) + 4)


def _rise(depth: Map, radius: int) -> Map:
    """Nearest minus farthest depth of the square window around every pixel."""
    window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    nearest: np.ndarray = cv2.dilate(depth, window)
    nearest -= cv2.erode(depth, window)
    return nearest
