"""Filters that smooth a depth map but keep to the edges of a guide, at a cost free of the radius.

In NumPy on OpenCV's box and Gaussian filters: its main package has neither filter.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..images.opencv import cv2

Map = np.ndarray  # float32 [H, W]

CELLS = 4  # to a standard deviation, at the least, in a wide blur
LARGEST = 64  # pixels to a cell's side; bands begin at multiples of it
TINY = 1e-12  # keeps a division finite
BAND = 256  # rows at once; fewer cost more in their overlaps than they save


def per_map(filtered: Callable[..., Map], *batches: Tensor, halo: int | None = None) -> Tensor:
    """A filter of NumPy maps, applied to tensors `[B, H, W, ...]` one map after the other.

    It takes one map of every batch and gives one of the first one's size. With a `halo`, the
    farthest distance in pixels that a value depends on, it is applied to bands of rows, quicker and
    in less memory.
    """
    result = torch.empty_like(batches[0], device="cpu")
    for one, *maps in zip(result.numpy(), *(t.cpu().numpy() for t in batches), strict=True):
        for top, end in _bands(len(one), halo):
            first = max(top - (halo or 0), 0)
            part = filtered(*(t[first : end + (halo or 0)] for t in maps))
            one[top:end] = part[top - first : end - first]
    return result.to(batches[0].device)


def _bands(height: int, halo: int | None) -> list[tuple[int, int]]:
    band = height if halo is None else max(BAND, 4 * halo)
    return [(top, min(top + band, height)) for top in range(0, height, band)]


def gaussian(t: Map, sigma: float) -> Map:
    """A Gaussian blur of any width at a cost that does not grow with it; mirrored at the frame.

    From a standard deviation of 8 pixels on it is made of averages over cells, an eighth to a
    quarter of it wide, and interpolated between them, to within 0.005 of the map's range.
    """
    height, width = t.shape
    cell = cell_of(sigma)
    if cell == 1:
        return cv2.GaussianBlur(t, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    rows, columns = (max(1, round(side / cell)) for side in (height, width))
    cells = cv2.resize(t, (columns, rows), interpolation=cv2.INTER_AREA)
    across, down = _rest(sigma, width / columns), _rest(sigma, height / rows)
    cells = cv2.GaussianBlur(cells, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)


def guided_filter(
    guide: Map, values: Map, radius: int, eps: float, weights: Map | None = None
) -> Map:
    """Values as a local linear function of the guide: they get an edge where the guide has one.

    He, Sun and Tang 2013, "Guided Image Filtering" (IEEE TPAMI 35), algorithm 1; with weights > 0,
    the least squares of every window are weighted ones. With the guide itself as values it is an
    edge-preserving smoothing.

    Args:
        radius: of the windows, in pixels, ≥ 1.
        eps: variance of the guide, in its units squared, below which a window is smooth; > 0.
    """

    def mean(t: Map, out: Map | None = None) -> Map:
        return cv2.blur(t, (2 * radius + 1, 2 * radius + 1), dst=out)

    def local(weighted: Map) -> Map:
        average = mean(weighted)
        if weights is not None:
            average *= share
        return average

    # In place wherever an array is needed no more: new ones cost as much as the sums.
    if weights is not None:
        share = mean(weights)
        share += TINY
        np.divide(1, share, out=share)
    same = guide is values
    weighted = guide if weights is None else guide * weights
    guide_mean = local(weighted)
    scratch = weighted * guide
    variance = local(scratch)
    if same:
        values_mean, covariance = guide_mean, variance
    else:
        covariance = local(np.multiply(weighted, values, out=scratch))
        values_mean = local(values if weights is None else np.multiply(values, weights, scratch))
        covariance -= np.multiply(guide_mean, values_mean, out=scratch)
    variance -= np.multiply(guide_mean, guide_mean, out=scratch)
    # The difference of two averages may round to less than the 0 that it is.
    _, divisor = cv2.threshold(variance, 0, 0, cv2.THRESH_TOZERO, dst=scratch)
    divisor += np.float32(eps)
    slope = np.divide(covariance, divisor, out=divisor)
    shift = np.subtract(values_mean, np.multiply(slope, guide_mean, out=covariance), out=covariance)
    result = mean(slope, out=guide_mean)
    result *= guide
    result += mean(shift, out=slope)
    return result


def joint_bilateral(guide: Map, values: Map, sigma: float, tolerance: float, weights: Map) -> Map:
    """Averages of what is near in the image and alike in the guide.

    The joint bilateral filter (Petschnigg et al. 2004, "Digital Photography with Flash and No-Flash
    Image Pairs", section 4.1), as Yang, Tan and Ahuja 2009, "Real-Time O(1) Bilateral Filtering",
    compute it: a Gaussian blur for every level of the guide, and every pixel between two levels.
    Wide blurs are made of averages over cells, as there, and interpolated between them: a result
    moves by 0.02 of the values' range at the most, or 0.08 within four cells of the frame, where
    the map is mirrored about its edge instead of its last pixel.

    Args:
        guide: in 0..1; read in 256 steps.
        sigma: of the Gaussian, in pixels, > 0.
        tolerance: standard deviation of the guide within which pixels are alike, > 0. It is the
            levels' distance too.
        weights: > 0, how much every value is worth.
    """
    steps = np.rint(guide.clip(0, 1) * 255).astype(np.uint8)
    height, width = steps.shape
    cell = cell_of(sigma)
    weighted = _in_cells(weights * values, cell)
    steps, weights = _in_cells(steps, cell), _in_cells(weights, cell)
    scratch = np.empty_like(weighted)
    shades = np.arange(256, dtype=np.float32) / 255
    count = int(np.ceil(1 / tolerance)) + 1
    result = np.zeros_like(scratch)
    for level in np.linspace(0, 1, count, dtype=np.float32):
        near = np.clip(1 - np.abs(shades - level) * (count - 1), 0, 1)
        here = cv2.LUT(steps, near)
        if not here.any():
            continue
        alike = cv2.LUT(steps, np.exp(-0.5 * ((shades - level) / tolerance) ** 2))
        average = _blurred(np.multiply(alike, weighted, out=scratch), sigma, cell)
        total = _blurred(np.multiply(alike, weights, out=scratch), sigma, cell)
        total += TINY
        average /= total
        if cell > 1:
            average = cv2.resize(average, scratch.shape[::-1], interpolation=cv2.INTER_LINEAR)
        cv2.accumulateProduct(average, here, result)
    return np.ascontiguousarray(result[:height, :width])


def cell_of(sigma: float) -> int:
    """Sides of the cells that a wide blur is made of, in pixels: a power of 2."""
    return min(2 ** max(0, int(np.log2(sigma / CELLS))), LARGEST)


def _in_cells(t: np.ndarray, cell: int) -> np.ndarray:
    """Continued to the right and below until its sides are whole cells."""
    height, width = t.shape
    more = 0, -height % cell, 0, -width % cell
    return cv2.copyMakeBorder(t, *more, cv2.BORDER_REFLECT) if any(more) else t


def _blurred(t: Map, sigma: float, cell: int) -> Map:
    """A Gaussian blur, of the averages of cells if these are more than a pixel."""
    if cell == 1:
        return cv2.GaussianBlur(t, (0, 0), sigma)
    cells = cv2.resize(t, None, fx=1 / cell, fy=1 / cell, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(cells, (0, 0), _rest(sigma, cell), borderType=cv2.BORDER_REFLECT)


def _rest(sigma: float, cell: float) -> float:
    """Standard deviation, in cells, of what is left to blur."""
    # Averaging and interpolating blur as well; variances add up.
    return np.sqrt(sigma**2 - (cell**2 - 1) / 12 - cell**2 / 6) / cell
