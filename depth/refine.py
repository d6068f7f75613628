"""Depth maps whose edges follow their photographs, at the photographs' size.

An estimated or enlarged map has blurred edges. Pixels in the middle of such a slope belong to
neither side; so both filters in here trust the flat parts more than the slopes, and let each pixel
take the depth of those around it that look like it.
"""

from enum import Enum
from math import ceil

import cv2
import numpy as np
from torch import Tensor

from ..pictures.crop import resize_picture
from .convention import LUMA
from .crop import check_fits
from .filters import Map, guided_filter, in_bands, joint_bilateral, per_map


class Method(str, Enum):
    """How a map is made to follow its photograph."""

    BILATERAL = "joint bilateral"  # crisp edges between things of different brightness
    GUIDED = "guided"  # softer and quicker, keeps hair and leaves


# Chosen on the Middlebury motorcycle, its true disparity made 4 and 8 times smaller, blurred
# (sigma 4) or noisy: of the few values tried, those with the least mean error.
SLOPE = 0.03  # rise of depth within a window at which a pixel is worth half
EDGE = 0.05  # rise from which on the filter acts fully; below it, less and less
WINDOW = 3  # the window's radius is the filter's divided by this
SIGMA = 2  # the Gaussian's standard deviation, likewise
REACH = 3  # radii that the result may depend on: 1/3 of the window, 2 of OpenCV's Gaussian


def refine(
    depth: Tensor,
    picture: Tensor,
    method: Method = Method.BILATERAL,
    radius: float = 4.0,
    tolerance: float = 0.05,
) -> Tensor:
    """Move the edges of depth maps to those of their pictures, and enlarge them to their size.

    Where a map has no edge within reach it stays as it is, so that the photograph's texture does
    not get into it.

    Args:
        depth: `[N, h, w]` in 0..1, finite, of any size with the picture's shape; N = 1 or a divisor
            of B.
        picture: `[B, H, W, 3]` in 0..1.
        method: which filter.
        radius: how far edges may move, in pixels of the picture, but at least one pixel of the
            map as it comes; 0: they do not move.
        tolerance: difference of brightness, 0..1, that counts as an edge of the photograph; > 0.

    Returns: `[B, H, W]` in 0..1.

    Raises:
        ValueError: the map has another shape than the picture, their numbers do not fit, or the
            tolerance is not above 0.
    """
    if tolerance <= 0:
        raise ValueError(f"the tolerance is {tolerance:.4g}; expected more than 0")
    whole = fit_map(depth, picture)
    if not radius:
        return whole
    reach = max(1.0, radius, picture.shape[1] / depth.shape[1])
    brightness = picture @ picture.new_tensor(LUMA)

    def snapped(*pair: Map) -> Map:
        return _refined(*pair, method, reach, tolerance)

    halo = ceil(REACH * reach)
    refined = per_map(lambda *pair: in_bands(snapped, halo, *pair), whole, brightness)
    return refined.clamp_(0, 1)  # rounding may pass the ends


def fit_map(depth: Tensor, picture: Tensor) -> Tensor:
    """Maps `[N, h, w]` at the size and number of their pictures `[B, H, W, C]`: `[B, H, W]`.

    Bicubic and antialiased, within each map's own range.

    Raises:
        ValueError: another shape than the picture's, or an N that does not divide B.
    """
    check_fits(depth, picture)
    batch, rows, columns = picture.shape[:3]
    whole = resize_picture(depth.unsqueeze(-1), rows, columns).squeeze(-1)  # BHW -> BHW1 -> BHW
    return whole.repeat(batch // len(depth), 1, 1)


def _refined(depth: Map, guide: Map, method: Method, reach: float, tolerance: float) -> Map:
    rise = _rise(depth, max(1, round(reach / WINDOW)))
    trust = rise * np.float32(1 / SLOPE)
    trust *= trust
    trust += 1
    np.reciprocal(trust, out=trust)
    if method is Method.GUIDED:
        snapped = guided_filter(guide, depth, max(1, round(reach / 2)), tolerance**2, trust)
    else:
        snapped = joint_bilateral(guide, depth, reach / SIGMA, tolerance, trust)
    snapped -= depth
    rise *= np.float32(1 / EDGE)
    snapped *= np.minimum(rise, 1, out=rise)
    snapped += depth
    return snapped


def _rise(depth: Map, radius: int) -> Map:
    """Nearest minus farthest depth of the square window around every pixel."""
    window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    nearest = cv2.dilate(depth, window)
    nearest -= cv2.erode(depth, window)
    return nearest
