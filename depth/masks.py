"""Depth maps and masks: what lies under a mask, and masks made of depth."""

import logging
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from ..images.batch import check_shares
from ..images.counts import how_many
from ..images.fill import fill_holes
from ..images.masks import fade_inward
from ..images.numbers import check_numbers
from ..images.opencv import cv2
from .convention import extent, normalize

log = logging.getLogger(__name__)


class MissingMap(ValueError):  # noqa: N818 - names what is missing
    """There is no other map to take the depth under a mask from."""


class OtherSize(ValueError):  # noqa: N818 - names what the map has
    """Two depth maps of different sizes where they must be the same."""


class UnderMask(str, Enum):
    """Which depth a repainted part gets."""

    KEEP = "keep"  # its own
    SMOOTH_FILL = "smooth fill"  # that of the mask's border
    OTHER_MAP = "other map"


class Split(str, Enum):
    """Which part of a depth map a mask is made of."""

    INTERVAL = "interval"  # between two depths
    FOREGROUND = "foreground"  # nearer than the threshold that separates the two best
    BACKGROUND = "background"


# --- Under a mask ---------------------------------------------------------------------------------


def limit(before: Tensor, after: Tensor, mask: Tensor | None, feather: float = 0.0) -> Tensor:
    """An edited map `[B, H, W]` under a mask only; where that is 0 it stays as before, bit for bit.

    The mask `[B, H, W]` is in 0..1, grey mixes; None: the edit is not limited. Over `feather`
    pixels inside the mask's border the edit sets in (`fade_inward`).
    """
    if mask is None:
        return after
    share = fade_inward(mask, feather)
    return torch.where(share > 0, torch.lerp(before, after, share), before)


def put_under_mask(
    depth: Tensor, mask: Tensor, kind: UnderMask, other: Tensor | None = None
) -> Tensor:
    """Another depth under a mask, both `[B, H, W]`; where that is 0 the map stays bit for bit.

    The mask is in 0..1, grey mixes. `other` is `[N, H, W]`, N a divisor of B, read with OTHER_MAP.
    """
    if kind is UnderMask.KEEP:
        return depth
    smooth = kind is UnderMask.SMOOTH_FILL
    return limit(depth, smooth_fill(depth, mask) if smooth else _shared(other, depth), mask)


def smooth_fill(depth: Tensor, mask: Tensor) -> Tensor:
    """The depth of a mask's border, continued wherever the mask is not 0: `[B, H, W]`, both."""
    return fill_holes(depth.unsqueeze(1), (mask == 0).unsqueeze(1)).squeeze(1)  # BHW -> B1HW


def _shared(other: Tensor | None, depth: Tensor) -> Tensor:
    """Another map for each of the maps, of the same size as it must be."""
    if other is None:
        raise MissingMap("there is no other map; 'other map' needs one")
    if other.shape[1:] != depth.shape[1:]:
        raise OtherSize(
            f"the other map has {other.shape[2]} x {other.shape[1]} pixels and the depth map "
            f"{depth.shape[2]} x {depth.shape[1]}; expected the same width and height"
        )
    check_shares(len(other), "other maps", len(depth), "depth maps")
    return other.to(depth).repeat(len(depth) // len(other), 1, 1)


# --- Made of depth --------------------------------------------------------------------------------


def strength_map(
    depth: Tensor, near: float, far: float, threshold: float = 0.5, softness: float = 0.0
) -> Tensor:
    """A value for what is near and one for what is far, with a ramp between them: `[B, H, W]`.

    Every map counts over its whole range, farthest 0, nearest 1. A flat map is far everywhere; a
    warning says so. The ramp has its middle at the threshold and is `softness` long, in depth; all
    numbers are 0..1.
    """
    check_numbers(low=0, high=1, near=near, far=far, threshold=threshold, softness=softness)
    farthest, nearest = extent(depth)
    flat = int((farthest == nearest).sum())
    if flat:
        log.warning(
            "%s flat: everything there is far and gets %.2f",
            *(how_many(flat, len(depth), "depth map"), far),
        )
    return _step(normalize(depth), softness, threshold).mul_(near - far).add_(far)


def range_mask(depth: Tensor, near: float, far: float, softness: float = 0.0) -> Tensor:
    """1 where a map `[B, H, W]` lies between two of its depths, both included.

    Beyond them it fades out to 0, over `softness` in depth.
    """
    check_numbers(near=near, far=far)
    check_numbers(low=0, softness=softness)
    if near < far:
        raise ValueError(
            f"near is {near:.4g} and far {far:.4g}: nothing lies between them; larger is nearer, "
            "exchange the two"
        )
    inside = torch.minimum(depth - far, near - depth)
    return _step(inside.add_(softness / 2), softness)


def split_mask(
    depth: Tensor, part: Split, softness: float = 0.0, mask: Tensor | None = None
) -> Tensor:
    """The foreground of every map `[B, H, W]`, or its background: `[B, H, W]` in 0..1.

    See `split_threshold`. Over `softness` in depth, the one gives way to the other, so that both
    masks together are 1 everywhere.
    """
    check_numbers(low=0, softness=softness)
    foreground = _step(depth, softness, split_threshold(depth, mask))
    return foreground if part is Split.FOREGROUND else 1 - foreground


def split_threshold(depth: Tensor, mask: Tensor | None = None) -> Tensor:
    """The depth `[B, 1, 1]` that best separates the foreground of a map from its background.

    Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms": the least variance within
    the two parts. The histogram has 65,536 steps over the range of what counts, so that the
    threshold follows any scale and shift of the map. Of a mask only pixels that are not 0 count.
    Infinite for a flat map, of which nothing is foreground; a warning says so.
    """
    counted = [  # as images of any shape, which OpenCV wants
        one if mask is None else one[mask[index] > 0][None] for index, one in enumerate(depth)
    ]
    if any(values.numel() == 0 for values in counted):
        raise ValueError(
            "the mask is empty, so there are no depths to split; paint what is to be split, or "
            "use no mask"
        )
    return depth.new_tensor([_otsu(values.cpu().numpy()) for values in counted])[:, None, None]


def _otsu(values: np.ndarray) -> float:
    far, near, *_ = cv2.minMaxLoc(values)
    if near == far:
        log.warning("a depth map is flat (%.4g everywhere): all of it is background", far)
        return np.inf
    scaled = values - np.float32(far)
    scaled *= np.float32(65535 / (near - far))
    steps = scaled.astype(np.uint16)
    threshold, _ = cv2.threshold(steps, 0, 65535, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    # Any threshold in the gap between the parts is as good; the middle keeps clear of both.
    is_behind = steps <= int(threshold)
    _, behind, *_ = cv2.minMaxLoc(values, is_behind.view(np.uint8))
    before, *_ = cv2.minMaxLoc(values, (~is_behind).view(np.uint8))
    return (behind + before) / 2


def _step(depth: Tensor, softness: float, at: float | Tensor = 0.0) -> Tensor:
    """0 below, 1 above, and a ramp of this length with its middle there."""
    if softness > 0:
        return (depth - at).div_(softness).add_(0.5).clamp_(0, 1)
    return torch.ge(depth, at, out=torch.empty_like(depth))  # quicker than through bool
