"""Depth in colours: painted for the eye, and read back from images that others have painted."""

from enum import Enum
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..images.counts import how_many
from ..images.opencv import cv2

# How far, in RGB 0..1, a pixel may lie from the nearest colour of a map: half of what a JPEG of
# good quality moves colours by on slopes. Neighbouring colours are 0.01 to 0.05 apart.
TOLERANCE = 0.04

PIXELS_AT_ONCE = 1 << 14  # the distances to 256 colours take 16 MB


class ColourMap(str, Enum):
    """How depths are painted; 0 (far) is the map's first colour, 1 (near) its last."""

    GREY = "grey"  # black to white: the depth map itself
    TURBO = "turbo"  # dark blue, green, red; Mikhailov 2019
    INFERNO = "inferno"  # black, purple, orange, pale yellow; Smith and van der Walt 2015
    VIRIDIS = "viridis"  # dark violet, green, yellow; Smith and van der Walt 2015


@cache
def palette(colours: ColourMap) -> Tensor:
    """The map's 256 colours, float32 `[256, 3]`, RGB, 0..1. Not to be written into."""
    steps = np.arange(256, dtype=np.uint8)[:, np.newaxis]
    if colours is ColourMap.GREY:
        return torch.from_numpy(steps.astype(np.float32) / 255).repeat(1, 3)
    bgr = cv2.applyColorMap(steps, getattr(cv2, f"COLORMAP_{colours.name}"))[:, 0]
    return torch.from_numpy(bgr[:, ::-1].astype(np.float32) / 255)


def paint(depth: Tensor, colours: ColourMap) -> Tensor:
    """Depth of any shape, 0..1, to colours `[..., 3]`; what lies beyond gets the end colour.

    Grey keeps every depth; the other maps have 256 steps.
    """
    if colours is ColourMap.GREY:
        return depth.float().clamp(0, 1).unsqueeze(-1).repeat_interleave(3, -1)
    steps = (depth.float().clamp(0, 1) * 255).round().long()
    return palette(colours).to(depth.device)[steps]


def read_back(image: Tensor, colours: ColourMap, tolerance: float = TOLERANCE) -> Tensor:
    """Depths from an image that was painted with a map: the place of the nearest colour in it.

    Exact to half a step of 1/255. Viridis has two colours twice in a row in 8 bits: there, the
    middle between both is given, and the error may be a whole step. From `[B, H, W, 3]`, 0..1,
    to float32 `[B, H, W]`, 0..1; `tolerance` is how far (Euclidean, RGB 0..1) a pixel may lie from
    the nearest colour, or with `GREY` the three channels from each other.
    """
    if image.ndim != 4 or image.shape[-1] != 3 or image.numel() == 0:
        raise ValueError(
            f"the colour-mapped image has shape {tuple(image.shape)}; expected RGB without "
            "transparency, [batch, height, width, 3]"
        )
    parts = [_nearest(part, colours) for part in image.reshape(-1, 3).split(PIXELS_AT_ONCE)]
    depth, distance = (torch.cat(both) for both in zip(*parts, strict=True))
    _check_near(distance, colours, tolerance)
    return depth.reshape(image.shape[:3])


def _nearest(pixels: Tensor, colours: ColourMap) -> tuple[Tensor, Tensor]:
    """Of `[N, 3]` the depths and the distances to the nearest colours, both `[N]`."""
    known = palette(colours).to(pixels.device)
    # Not through a matrix product, whose rounding keeps equal colours from being 0 apart.
    distances = torch.cdist(pixels.float(), known, compute_mode="donot_use_mm_for_euclid_dist")
    distance, first = distances.min(dim=1)
    return _places(colours).to(pixels.device)[first], distance


@cache
def _places(colours: ColourMap) -> Tensor:
    """Depth of every colour, `[256]`; equal colours share the middle of their depths."""
    known = palette(colours)
    same = (known[:, None] == known[None]).all(dim=-1).float()
    return (same @ torch.arange(256.0)) / same.sum(dim=1) / 255


def _check_near(distance: Tensor, colours: ColourMap, tolerance: float) -> None:
    # Put this way round, NaN is refused as well.
    off = int((~(distance <= tolerance)).sum())
    if off:
        raise ValueError(
            f"{how_many(off, distance.numel(), 'pixel')} of no colour of the map {colours.value}: "
            f"the worst is {distance.max():.3f} away from it (RGB 0..1), allowed are "
            f"{tolerance:g}; choose the map that the image was painted with, cut off legends and "
            "margins, or allow more for a JPEG"
        )
