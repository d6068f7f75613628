"""Distance to relative inverse depth (disparity), and back.

3D programs and metric depth networks say how far a thing is, the diffusion model wants to know how
near: 1 / distance, from 0 at the far end to 1 at the near one. Half of it is used up at twice the
near distance, so a map of plain distances looks wrong to the model.
"""

import logging
import math
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

log = logging.getLogger(__name__)


class Direction(str, Enum):
    """Which way."""

    TO_DISPARITY = "distance to disparity"
    TO_DISTANCE = "disparity to distance"


class Unit(str, Enum):
    """How distances are written."""

    METRIC = "metric"  # in any unit of length
    LINEAR = "linear 0..1"  # 0 at the near end, 1 at the far end: a Z buffer made linear


@dataclass(frozen=True)
class Range:
    """The distances that become 1 and 0.

    Attributes:
        near, far: in the scene's unit of length. 0 takes what the maps themselves have: the
            nearest pixel and the farthest that is no sky, over the whole batch, so that the frames
            of a film agree.
        sky: distance from which on a pixel is sky; 0: only what is infinitely far is.
        unit: of the distances.

    Raises:
        ValueError: a distance is negative, an end infinite, near is not below far, or the ends of
            linear distances are left to the maps, which do not hold them.
    """

    near: float = 0.0
    far: float = 0.0
    sky: float = 0.0
    unit: Unit = Unit.METRIC

    def __post_init__(self) -> None:
        if not (min(self.near, self.far, self.sky) >= 0 and max(self.near, self.far) < math.inf):
            raise ValueError(
                f"near is {self.near:.4g}, far {self.far:.4g} and sky {self.sky:.4g}; distances "
                "are 0 (found in the map) or more, and near and far are finite"
            )
        if self.near and self.far and self.near >= self.far:
            raise ValueError(
                f"near is {self.near:.4g} and far {self.far:.4g}; near is the smaller distance"
            )
        if self.unit is Unit.LINEAR:
            self.check_given("A linear map does not say at which distances it begins and ends")

    def check_given(self, why: str) -> None:
        """Raise ValueError when near or far is left to the maps."""
        if not (self.near and self.far):
            raise ValueError(
                f"near is {self.near:.4g} and far {self.far:.4g}. {why}; give both, in the "
                "scene's unit of length"
            )


def to_disparity(distance: Tensor, ends: Range) -> Tensor:
    """Distances `[B, H, W]` to disparity: (1/z − 1/far) / (1/near − 1/far), in 0..1.

    Sky (infinite, or beyond `ends.sky`) is 0. What is nearer than near is 1 and what is farther
    than far is 0; a warning says how many pixels. NaN and, as sensors write where they saw nothing,
    metric distances of 0 or less become NaN; see `convention.repair`.

    Raises:
        ValueError: no pixel has a distance, or near is beyond far.
    """
    linear = ends.unit is Unit.LINEAR
    z = ends.near + distance * (ends.far - ends.near) if linear else distance
    limit = ends.sky or torch.inf
    lowest, highest = (float(end) for end in z.aminmax())
    whole = lowest > 0 and highest < limit  # false of NaN
    if not whole:
        seen = (z > 0) & (z < limit)
        lowest, highest = _extent(z, seen, ends)
    near, far = ends.near or lowest, ends.far or highest
    _check_order(near, far)
    if lowest < near or highest > far:
        _warn_outside(z, limit, near, far)
    # The formula over one fraction, which loses no digits at the far end. A map at one distance
    # is flat.
    before_far = (1 - distance).mul_(far - near) if linear else far - z
    disparity = before_far.mul_(near / ((far - near) or 1.0)).div_(z).clamp_(0, 1)
    if whole:
        return disparity
    return disparity.where(seen, torch.nan).masked_fill(z >= limit, 0.0)


def _extent(z: Tensor, seen: Tensor, ends: Range) -> tuple[float, float]:
    """The nearest and farthest distance that was seen."""
    if not seen.any():
        raise ValueError(
            f"none of {z.numel()} pixels has a distance: all are sky, 0 or NaN. Check `sky` "
            f"({ends.sky:.4g}) and the map's unit"
        )
    low, high = z[seen].aminmax()
    return float(low), float(high)


def to_distance(disparity: Tensor, ends: Range) -> Tensor:
    """Disparity `[B, H, W]` in 0..1 to distances: 1 / (d·(1/near − 1/far) + 1/far).

    The inverse of `to_disparity` between near and far. Sky, which disparity does not tell from the
    far end, comes back as far.

    Raises:
        ValueError: near and far are not both given.
    """
    ends.check_given("Disparity does not say how far away anything is")
    divisor = disparity * (ends.far - ends.near) + ends.near
    if ends.unit is Unit.LINEAR:
        return (1 - disparity) * ends.near / divisor  # (z − near) / (far − near)
    return ends.near * ends.far / divisor


def check_black_and_white(mask: Tensor) -> Tensor:
    """The mask, where it is 0 or 1 only: between a distance and its disparity there is nothing.

    Raises:
        ValueError: it has grey values.
    """
    grey = int(((mask > 0) & (mask < 1)).sum())
    if grey:
        raise ValueError(
            f"{grey} of {mask.numel()} pixels of the mask are grey, and distances cannot be mixed "
            "with disparity. Make the mask black and white (Threshold Mask) and of the map's own "
            "size; or convert everywhere, and put the results together with Merge Depth"
        )
    return mask


def _check_order(near: float, far: float) -> None:
    """Ends that are the map's own may lie on the wrong side of a given one."""
    if near > far:
        raise ValueError(
            f"near is {near:.4g} and far {far:.4g} (0 stands for the map's own ends); near is the "
            "smaller distance"
        )


def _warn_outside(z: Tensor, limit: float, near: float, far: float) -> None:
    nearer = int(((z > 0) & (z < near)).sum())
    farther = int(((z > far) & (z < limit)).sum())
    log.warning(
        "Convert Depth: of %d pixels %d are nearer than %.4g and %d farther than %.4g; they "
        "become white and black.",
        *(z.numel(), nearer, near, farther, far),
    )
