"""Depth maps, adjusted: near and far end, curve, offset, smoothness."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from ..images.numbers import check_numbers
from .convention import clipped
from .filters import TINY, gaussian, guided_filter, per_map


class ClipBy(str, Enum):
    """What the near and far end of a map are given in."""

    VALUE = "value"  # depth, 0..1
    PERCENTILE = "percentile"  # share of the map's pixels that are farther, 0..1


class Smoothing(str, Enum):
    """How a map is smoothed."""

    GAUSSIAN = "gaussian"  # edges too
    EDGES = "edge-preserving"  # steps that are high enough stay


@dataclass(frozen=True)
class Adjustment:
    """What to change, in the order in which it is done; the defaults change nothing."""

    invert: bool = False
    near: float = 1.0  # becomes 1; what lies beyond is clipped
    far: float = 0.0  # becomes 0
    clip_by: ClipBy = ClipBy.VALUE  # units of near and far
    gamma: float = 1.0  # exponent 1 / gamma, > 0; above 1 middle depths come nearer
    contrast: float = 1.0  # factor of all distances from the plane, ≥ 0
    plane: float = 0.5
    offset: float = 0.0  # added to every depth
    smooth: float = 0.0  # pixels, ≥ 0: the Gaussian's standard deviation, or the filter's radius
    smoothing: Smoothing = Smoothing.GAUSSIAN
    edge: float = 0.05  # with edge-preserving, the step of depth that counts as an edge, > 0

    def __post_init__(self) -> None:
        check_numbers(near=self.near, far=self.far, plane=self.plane, offset=self.offset)
        check_numbers(above=0, gamma=self.gamma, edge=self.edge)
        check_numbers(low=0, contrast=self.contrast, smooth=self.smooth)
        if self.near <= self.far:
            raise ValueError(
                f"near is {self.near:.4g} and far {self.far:.4g}; near must be above far, larger "
                "is nearer; to exchange the two, invert"
            )
        if self.clip_by is ClipBy.PERCENTILE and not (self.far >= 0 and self.near <= 1):
            raise ValueError(
                f"near is {self.near:.4g} and far {self.far:.4g}; as percentiles they are shares "
                "of the pixels, 0 to 1"
            )


def adjust(depth: Tensor, how: Adjustment) -> Tensor:
    """Adjust every map of `[B, H, W]`, in 0..1, finite; the result lies in 0..1 too.

    What contrast and offset push out of the range is clipped; a warning says how many pixels.
    """
    if how.invert:
        depth = 1 - depth
    depth = _stretched(depth, how)
    if how.gamma != 1:
        depth = depth ** (1 / how.gamma)
    if how.contrast != 1 or how.offset:
        moved = (depth - how.plane).mul_(how.contrast).add_(how.plane + how.offset)
        depth = clipped(moved, "contrast and offset")
    return _smoothed(depth, how)


def _stretched(depth: Tensor, how: Adjustment) -> Tensor:
    if how.clip_by is ClipBy.VALUE and (how.near, how.far) == (1, 0):
        return depth
    far, near = torch.tensor(how.far), torch.tensor(how.near)
    if how.clip_by is ClipBy.PERCENTILE:
        far, near = percentiles(depth, how.far, how.near)
    # Where both ends are one depth, what is nearer becomes near; of a flat map nothing is.
    return (depth - far).div_((near - far).clamp(min=TINY)).clamp_(0, 1)


def percentiles(depth: Tensor, *shares: float) -> Tensor:
    """The depths that these shares of each map `[B, H, W]` lie below: `[len(shares), B, 1, 1]`."""
    # torch.quantile sorts, and refuses maps of more than 16 million pixels.
    values = [np.quantile(one.cpu().numpy(), shares) for one in depth]
    return depth.new_tensor(np.stack(values, axis=1))[..., None, None]


def _smoothed(depth: Tensor, how: Adjustment) -> Tensor:
    if not how.smooth:
        return depth
    if how.smoothing is Smoothing.GAUSSIAN:
        smooth = per_map(lambda one: gaussian(one, how.smooth), depth)
    else:
        radius = max(1, round(how.smooth))
        smooth = per_map(
            lambda one: guided_filter(one, one, radius, how.edge**2), depth, halo=2 * radius
        )
    return smooth.clamp_(0, 1)  # rounding may pass the ends
