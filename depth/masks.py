"""Depth maps and masks: what lies under a mask, and masks made of depth."""

import logging
from enum import Enum

import torch
from torch import Tensor

from ..pictures.fill import fill_holes
from .convention import normalize

log = logging.getLogger(__name__)


class UnderMask(str, Enum):
    """Which depth a repainted part gets."""

    KEEP = "keep"  # its own
    SMOOTH_FILL = "smooth fill"  # that of the mask's border
    OTHER_MAP = "other map"


def put_under_mask(
    depth: Tensor, mask: Tensor, kind: UnderMask, other: Tensor | None = None
) -> Tensor:
    """Another depth under a mask; where the mask is 0 the map stays bit for bit.

    Args:
        depth: `[B, H, W]`, finite.
        mask: `[B, H, W]` in 0..1; grey mixes.
        kind: which depth.
        other: `[B, H, W]` or `[1, H, W]`, read with OTHER_MAP.

    Raises:
        ValueError: the other map is missing or has another size, or there is no border to fill
            from because the mask covers a whole map.
    """
    if kind is UnderMask.KEEP:
        return depth
    if kind is UnderMask.SMOOTH_FILL:
        if (mask > 0).flatten(1).all(dim=1).any():
            raise ValueError(
                "the mask covers the whole depth map, so there is no border to fill it from; "
                "choose keep or other map, or a smaller mask"
            )
        put = fill_holes(depth.unsqueeze(1), (mask == 0).unsqueeze(1)).squeeze(1)  # BHW -> B1HW
    else:
        put = _same_size(other, depth)
    return torch.where(mask > 0, torch.lerp(depth, put, mask), depth)


def _same_size(other: Tensor | None, depth: Tensor) -> Tensor:
    if other is None:
        raise ValueError("there is no other map: connect one to the input `other`, or choose keep")
    if other.shape[1:] != depth.shape[1:] or len(depth) % len(other):
        raise ValueError(
            f"there are {len(other)} other maps of {other.shape[2]} x {other.shape[1]} pixels and "
            f"{len(depth)} depth maps of {depth.shape[2]} x {depth.shape[1]}; expected the same "
            "width and height (Upscale Image makes them so), and one other map, or one for each"
        )
    return other.to(depth).repeat(len(depth) // len(other), 1, 1)


def strength_map(
    depth: Tensor, near: float, far: float, threshold: float = 0.5, softness: float = 0.0
) -> Tensor:
    """A value for what is near and one for what is far, with a ramp between them.

    Args:
        depth: `[B, H, W]`, finite; every map counts over its whole range, farthest 0, nearest 1.
        near, far: the two values.
        threshold: depth at the middle of the ramp, 0..1.
        softness: the ramp's length in depth.

    Returns: `[B, H, W]`. A flat map is far everywhere; a warning says so.
    """
    flat = int((depth.amin(dim=(1, 2)) == depth.amax(dim=(1, 2))).sum())
    if flat:
        log.warning(
            "%d of %d depth maps are flat: all of them is far and gets %.2f", flat, len(depth), far
        )
    above = normalize(depth) - threshold
    share = (above / softness + 0.5).clamp(0, 1) if softness > 0 else (above >= 0).to(depth)
    return far + (near - far) * share
