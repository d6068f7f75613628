"""Filters that smooth a depth map but keep to the edges of a guide, at a cost free of the radius.

Everything in here is NumPy, float32 `[H, W]`, on OpenCV's box and Gaussian filters: the main
OpenCV package has neither a guided nor a joint bilateral filter.
"""

import cv2
import numpy as np

Map = np.ndarray  # float32 [H, W]

TINY = 1e-12  # keeps a division by a sum of weights finite


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
        return mean(t) if weights is None else mean(t * weights) / total

    if weights is not None:
        total = mean(weights) + TINY
    same = guide is values
    guide_mean = local(guide)
    values_mean = guide_mean if same else local(values)
    variance = local(guide * guide) - guide_mean * guide_mean
    covariance = variance if same else local(guide * values) - guide_mean * values_mean
    # The difference of two averages may round to less than the 0 that it is.
    slope = covariance / (np.maximum(variance, 0) + eps)
    shift = values_mean - slope * guide_mean
    return mean(slope) * guide + mean(shift)


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
    weighted = weights * values
    result = np.zeros_like(values)
    for level in np.linspace(0, 1, count, dtype=np.float32):
        near = np.clip(1 - np.abs(shades - level) * (count - 1), 0, 1)
        here = cv2.LUT(steps, near)
        if not here.any():
            continue
        alike = cv2.LUT(steps, np.exp(-0.5 * ((shades - level) / tolerance) ** 2))
        average = cv2.GaussianBlur(alike * weighted, (0, 0), sigma)
        average /= cv2.GaussianBlur(alike * weights, (0, 0), sigma) + TINY
        average *= here
        result += average
    return result
