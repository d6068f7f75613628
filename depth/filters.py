"""Filters that smooth a depth map but keep to the edges of a guide, at a cost free of the radius.

Everything in here is NumPy, float32 `[H, W]`, on OpenCV's box and Gaussian filters: the main
OpenCV package has neither a guided nor a joint bilateral filter.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

Map = np.ndarray  # float32 [H, W]

TINY = 1e-12  # keeps a division finite
BAND = 512  # rows at once; fewer cost more in their overlaps than they save


def per_map(filtered: Callable[..., Map], *maps: Tensor) -> Tensor:
    """A filter of NumPy maps, applied to tensors `[B, H, W]` one map after the other."""
    rows = zip(*(t.cpu().numpy() for t in maps), strict=True)
    result = torch.empty_like(maps[0])
    for one, row in zip(result, rows, strict=True):
        one.copy_(torch.from_numpy(filtered(*row)))
    return result


def in_bands(filtered: Callable[..., Map], halo: int, *maps: Map) -> Map:
    """A filter of maps `[H, W]`, applied to bands of their rows: quicker, in less memory.

    Args:
        filtered: a function of as many maps, whose value depends on nothing farther away than
            `halo`.
        halo: in pixels.
    """
    height, band = len(maps[0]), max(BAND, 4 * halo)
    result = np.empty_like(maps[0])
    for top in range(0, height, band):
        first, end = max(top - halo, 0), min(top + band, height)
        part = filtered(*(t[first : end + halo] for t in maps))
        result[top:end] = part[top - first : end - first]
    return result


def guided_filter(
    guide: Map, values: Map, radius: int, eps: float, weights: Map | None = None
) -> Map:
    """Values as a local linear function of the guide: they get an edge where the guide has one.

    He, Sun and Tang 2013, "Guided Image Filtering" (IEEE TPAMI 35), algorithm 1. With weights,
    the least squares of every window are weighted ones.

    Args:
        guide, values: `[H, W]`, finite; with the guide itself as values it is an edge-preserving
            smoothing.
        radius: of the windows, in pixels, ≥ 1.
        eps: variance of the guide, in its units squared, below which a
            window counts as smooth; > 0.
        weights: `[H, W]`, > 0: how much every value is worth. None: all the same.
    """

    def mean(t: Map) -> Map:
        return cv2.blur(t, (2 * radius + 1, 2 * radius + 1))

    def local(t: Map) -> Map:
        if weights is None:
            return mean(t)
        weighted = mean(t * weights)
        weighted *= share
        return weighted

    # In place wherever an array is needed no more: new ones cost as much as the sums.
    if weights is not None:
        share = 1 / (mean(weights) + TINY)
    same = guide is values
    guide_mean = local(guide)
    values_mean = guide_mean if same else local(values)
    scratch = guide * guide
    variance = local(scratch)
    variance -= np.multiply(guide_mean, guide_mean, out=scratch)
    covariance = variance
    if not same:
        covariance = local(np.multiply(guide, values, out=scratch))
        covariance -= np.multiply(guide_mean, values_mean, out=scratch)
    # The difference of two averages may round to less than the 0 that it is.
    divisor = np.maximum(variance, 0, out=scratch)
    divisor += np.float32(eps)
    slope = np.divide(covariance, divisor, out=divisor)
    shift = np.subtract(values_mean, np.multiply(slope, guide_mean, out=covariance), out=covariance)
    result = mean(slope)
    result *= guide
    result += mean(shift)
    return result


def joint_bilateral(guide: Map, values: Map, sigma: float, tolerance: float, weights: Map) -> Map:
    """Averages of what is near in the picture and alike in the guide.

    The joint bilateral filter (Petschnigg et al. 2004, "Digital Photography with Flash and No-Flash
    Image Pairs", section 4.1), as Yang, Tan and Ahuja 2009, "Real-Time O(1) Bilateral Filtering",
    compute it: a Gaussian blur for every level of the guide, and every pixel between two levels.

    Args:
        guide: `[H, W]` in 0..1; read in 256 steps.
        values: `[H, W]`, finite.
        sigma: of the Gaussian, in pixels, > 0.
        tolerance: standard deviation of the guide within which pixels are alike, > 0. It is the
            levels' distance too.
        weights: `[H, W]`, > 0: how much every value is worth.
    """
    steps = np.rint(guide.clip(0, 1) * 255).astype(np.uint8)
    shades = np.arange(256, dtype=np.float32) / 255
    count = int(np.ceil(1 / tolerance)) + 1
    weighted, scratch = weights * values, np.empty_like(values)
    result = np.zeros_like(values)
    for level in np.linspace(0, 1, count, dtype=np.float32):
        near = np.clip(1 - np.abs(shades - level) * (count - 1), 0, 1)
        here = cv2.LUT(steps, near)
        if not here.any():
            continue
        alike = cv2.LUT(steps, np.exp(-0.5 * ((shades - level) / tolerance) ** 2))
        average = cv2.GaussianBlur(np.multiply(alike, weighted, out=scratch), (0, 0), sigma)
        total = cv2.GaussianBlur(np.multiply(alike, weights, out=scratch), (0, 0), sigma)
        total += TINY
        average /= total
        average *= here
        result += average
    return result
