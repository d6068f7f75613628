"""Depth maps and masks: what lies under a mask, and masks made of depth."""

import logging
from enum import Enum

import cv2
import numpy as np
import torch
from torch import Tensor

from ..images.batch import check_shares
from ..images.fill import fill_holes
from ..images.masks import fade_inward
from ..images.numbers import check_numbers
from .convention import normalize

log = logging.getLogger(__name__)


class UnderMask(str, Enum):
    """Which depth a repainted part gets."""

    KEEP = "keep"  # its own
    SMOOTH_FILL = "smooth fill"  # that of the mask's border
    OTHER_MAP = "other map"


class Split(str, Enum):
    """Which part of a depth map a mask is made of."""

    INTERVAL = "interval"  # between two depths
    FOREGROUND = "foreground"  # nearer than the threshold that tells the two best apart
    BACKGROUND = "background"


# --- Under a mask ---------------------------------------------------------------------------------


def limit(before: Tensor, after: Tensor, mask: Tensor | None, feather: float = 0.0) -> Tensor:
    """An edited map under a mask only; where the mask is 0 it stays as before, bit for bit.

    Args:
        before, after: `[B, H, W]`, finite.
        mask: `[B, H, W]` in 0..1; grey mixes. None: the edit is not limited.
        feather: pixels inside the mask's border over which the edit sets in (`fade_inward`).
    """
    if mask is None:
        return after
    share = fade_inward(mask, feather)
    return torch.where(share > 0, torch.lerp(before, after, share), before)


def put_under_mask(
    depth: Tensor, mask: Tensor, kind: UnderMask, other: Tensor | None = None
) -> Tensor:
    """Another depth under a mask; where the mask is 0 the map stays bit for bit.

    Args:
        depth: `[B, H, W]`, finite.
        mask: `[B, H, W]` in 0..1; grey mixes.
        kind: which depth.
        other: `[N, H, W]`, N = 1 or a divisor of B; read with OTHER_MAP.

    Raises:
        ValueError: the other map is missing, has another size or cannot be shared out, or there is
            no border to fill from because the mask covers a whole map.
    """
    if kind is UnderMask.KEEP:
        return depth
    smooth = kind is UnderMask.SMOOTH_FILL
    return limit(depth, smooth_fill(depth, mask) if smooth else _shared(other, depth), mask)


def smooth_fill(depth: Tensor, mask: Tensor) -> Tensor:
    """The depth of a mask's border, continued wherever the mask is not 0: `[B, H, W]`, both.

    Raises:
        ValueError: the mask covers a whole map.
    """
    if (mask > 0).flatten(1).all(dim=1).any():
        raise ValueError(
            "the mask covers the whole depth map, so there is no border to fill it from; choose "
            "another kind of depth than the smooth fill, or a smaller mask"
        )
    return fill_holes(depth.unsqueeze(1), (mask == 0).unsqueeze(1)).squeeze(1)  # BHW -> B1HW


def _shared(other: Tensor | None, depth: Tensor) -> Tensor:
    """Another map for each of the maps, of the same size as it must be."""
    if other is None:
        raise ValueError("there is no other map: connect one to the input `other`, or choose keep")
    if other.shape[1:] != depth.shape[1:]:
        raise ValueError(
            f"the other map has {other.shape[2]} x {other.shape[1]} pixels and the depth map "
            f"{depth.shape[2]} x {depth.shape[1]}; expected the same width and height (Upscale "
            "Image makes them so)"
        )
    check_shares(len(other), "other maps", len(depth), "depth maps")
    return other.to(depth).repeat(len(depth) // len(other), 1, 1)


# --- Made of depth --------------------------------------------------------------------------------


def strength_map(
    depth: Tensor, near: float, far: float, threshold: float = 0.5, softness: float = 0.0
) -> Tensor:
    """A value for what is near and one for what is far, with a ramp between them.

    Args:
        depth: `[B, H, W]`, finite; every map counts over its whole range, farthest 0, nearest 1.
        near, far: the two values, 0..1.
        threshold: depth at the middle of the ramp, 0..1.
        softness: the ramp's length in depth, 0..1.

    Returns: `[B, H, W]`. A flat map is far everywhere; a warning says so.

    Raises:
        ValueError: a value, the threshold or the ramp's length lies beyond 0..1.
    """
    check_numbers(low=0, high=1, near=near, far=far, threshold=threshold, softness=softness)
    flat = int((depth.amin(dim=(1, 2)) == depth.amax(dim=(1, 2))).sum())
    if flat:
        log.warning(
            "%d of %d depth maps are flat: all of them is far and gets %.2f", flat, len(depth), far
        )
    return _step(normalize(depth), softness, threshold).mul_(near - far).add_(far)


def range_mask(depth: Tensor, near: float, far: float, softness: float = 0.0) -> Tensor:
    """1 where a map lies between two depths, both included; beyond them it fades out to 0.

    Args:
        depth: `[B, H, W]`, finite.
        near, far: the ends in the map's own values.
        softness: length of the fading in depth, outside of the interval.

    Returns: `[B, H, W]` in 0..1.

    Raises:
        ValueError: near is below far, a number is not finite, or the softness below 0.
    """
    check_numbers(near=near, far=far)
    check_numbers(low=0, softness=softness)
    if near < far:
        raise ValueError(
            f"near is {near:.4g} and far {far:.4g}: nothing lies "
            "between them. Larger is nearer; exchange the two"
        )
    inside = torch.minimum(depth - far, near - depth)
    return _step(inside.add_(softness / 2), softness)


def split_mask(
    depth: Tensor, part: Split, softness: float = 0.0, mask: Tensor | None = None
) -> Tensor:
    """The foreground of every map `[B, H, W]`, or its background: `[B, H, W]` in 0..1.

    See `split_threshold`. Over `softness` in depth, the one gives way to the other, so that both
    masks together are 1 everywhere.

    Raises:
        ValueError: a mask is empty, or the softness is below 0 or not finite.
    """
    check_numbers(low=0, softness=softness)
    foreground = _step(depth, softness, split_threshold(depth, mask))
    return foreground if part is Split.FOREGROUND else 1 - foreground


def split_threshold(depth: Tensor, mask: Tensor | None = None) -> Tensor:
    """The depth that best tells the foreground of a map from its background.

    Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms": the least variance within
    the two parts. The histogram has 65,536 steps over the range of what counts, so that the
    threshold follows any scale and shift of the map.

    Args:
        depth: `[B, H, W]`, finite.
        mask: `[B, H, W]`; only pixels that are not 0 count. None: all do.

    Returns: `[B, 1, 1]`; what lies above it is foreground. Infinite for a flat map, of which
    nothing is foreground; a warning says so.

    Raises:
        ValueError: a mask is empty.
    """
    counted = [  # as images of any shape, which OpenCV wants
        one if mask is None else one[mask[index] > 0][None] for index, one in enumerate(depth)
    ]
    if any(values.numel() == 0 for values in counted):
        raise ValueError(
            "the mask is empty, so there are no depths to split; paint what is to be split, or "
            "leave the mask away"
        )
    return depth.new_tensor([_otsu(values.cpu().numpy()) for values in counted])[:, None, None]


def _otsu(values: np.ndarray) -> float:
    far, near, *_ = cv2.minMaxLoc(values)
    if near == far:
        log.warning("A depth map is flat (%.4g everywhere): all of it is background.", far)
        return np.inf
    scaled = values - np.float32(far)
    scaled *= np.float32(65535 / (near - far))
    steps = scaled.astype(np.uint16)
    threshold, _ = cv2.threshold(steps, 0, 65535, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    # Any threshold in the gap between the parts is as good; the middle keeps clear of both.
    is_behind = cv2.compare(steps, threshold, cv2.CMP_LE)
    _, behind, *_ = cv2.minMaxLoc(values, is_behind)
    before, *_ = cv2.minMaxLoc(values, cv2.bitwise_not(is_behind, dst=is_behind))
    return (behind + before) / 2


def _step(depth: Tensor, softness: float, at: float | Tensor = 0.0) -> Tensor:
    """0 below, 1 above, and a ramp of this length with its middle there."""
    if softness > 0:
        return (depth - at).div_(softness).add_(0.5).clamp_(0, 1)
    return torch.ge(depth, at, out=torch.empty_like(depth))  # quicker than by way of bool
