"""Distance to relative inverse depth (disparity), and back.

3D programs and metric depth networks give distance, the diffusion model takes disparity: 1 /
distance, from 0 at the far end to 1 at the near one. Disparity of any range is only stretched.
"""

import logging
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ..images.counts import how_many
from ..images.numbers import WORTH_SAYING, check_numbers

log = logging.getLogger(__name__)


class GreyMask(ValueError):  # noqa: N818 - names what the mask is
    """A mask with grey values, where only black and white have a meaning."""


class Direction(str, Enum):
    """Which way."""

    TO_DISPARITY = "distance to disparity"
    TO_DISTANCE = "disparity to distance"


class Unit(str, Enum):
    """How distances are written."""

    METRIC = "metric"  # in any unit of length
    LINEAR = "linear 0..1"  # 0 at the near end, 1 at the far end: a Z buffer made linear
    DISPARITY = "disparity, any range"  # no distances, but what networks give: larger is nearer


@dataclass(frozen=True)
class Range:
    """The distances that become 1 and 0.

    An end of 0 takes what the maps themselves have: the nearest pixel and the farthest that is no
    sky, over the whole batch, so that the frames of a video agree.
    """

    near: float = 0.0  # in the scene's unit of length; with DISPARITY the larger disparity
    far: float = 0.0
    sky: float = 0.0  # distance from which on a pixel is sky; 0: only what is infinitely far is
    unit: Unit = Unit.METRIC  # of the maps; linear below 0 is before near, above 1 beyond far

    def __post_init__(self) -> None:
        check_numbers(low=0, near=self.near, far=self.far)
        if not self.sky >= 0:  # also true of NaN
            raise ValueError(f"sky is {self.sky:.4g}; expected a distance, 0 or more")
        if self.near and self.far:
            _check_order(self.near, self.far, self.unit)
            if self.near == self.far:
                raise ValueError(f"near and far are both {self.near:.4g}: nothing lies between")
        if self.unit is Unit.DISPARITY and self.sky:
            raise ValueError(
                f"sky is {self.sky:.4g}, a distance, and the map holds disparity, in which sky is "
                "0 or next to it; set sky to 0"
            )
        if self.unit is Unit.LINEAR:
            self.check_given("a linear map does not say at which distances it begins and ends")

    def check_given(self, why: str) -> None:
        """Raise ValueError when near or far is left to the maps."""
        if not (self.near and self.far):
            raise ValueError(
                f"near is {self.near:.4g} and far {self.far:.4g}; {why}: give both, in the "
                "scene's unit of length"
            )


def to_disparity(maps: Tensor, ends: Range, sky: Tensor | None = None) -> Tensor:
    """Distances `[B, H, W]` to disparity: (1/z − 1/far) / (1/near − 1/far), in 0..1.

    Sky (infinite, or beyond `ends.sky`) is 0. What is nearer than near is 1 and what is farther
    than far is 0; a warning says how many pixels. NaN and metric distances of 0 or less, which
    sensors write where they measured nothing, become NaN; see `convention.repair`.
    Disparity of any range is stretched: (d − far) / (near − far).
    Where bool `sky` `[B, H, W]` is on, a pixel is sky whatever its value.
    """
    if sky is not None:
        return to_disparity(maps.masked_fill(sky, torch.nan), ends).masked_fill(sky, 0.0)
    if ends.unit is Unit.DISPARITY:
        return _stretched(maps, ends)
    linear = ends.unit is Unit.LINEAR
    z = ends.near + maps * (ends.far - ends.near) if linear else maps
    # Of linear distances those before near may pass the camera, as resizing leaves them at edges.
    least, limit = (-torch.inf if linear else 0.0), (ends.sky or torch.inf)
    lowest, highest = (float(end) for end in z.aminmax())
    whole = lowest > least and highest < limit  # false of NaN
    if not whole:
        seen = (z > least) & (z < limit)
        lowest, highest = _extent(z, seen, ends)
        _warn_missing(z, least)
    near, far = ends.near or lowest, ends.far or highest
    _check_order(near, far, ends.unit)
    # The formula over one fraction, which loses no digits at the far end. A map at one distance
    # is flat.
    before_far = (1 - maps).mul_(far - near) if linear else far - z
    disparity = before_far.mul_(near / ((far - near) or 1.0)).div_(z).clamp_(0, 1)
    if lowest < near or highest > far:
        nearer = (z < near) & (z > least)
        _warn_outside(nearer, (z > far) & (z < limit), near, far)
        disparity.masked_fill_(nearer, 1.0)
    if whole:
        return disparity
    return disparity.where(seen, torch.nan).masked_fill(z >= limit, 0.0)


def _stretched(disparity: Tensor, ends: Range) -> Tensor:
    """Disparity of any range, larger = nearer, to 0..1."""
    finite = disparity.isfinite()
    if not finite.all():
        disparity = disparity.where(finite, torch.nan)
    lowest, highest = _extent(disparity, finite, ends)
    near, far = ends.near or highest, ends.far or lowest
    _check_order(near, far, ends.unit)
    if highest > near or lowest < far:
        _warn_outside(disparity > near, disparity < far, near, far)
    return (disparity - far).div_((near - far) or 1.0).clamp_(0, 1)


def _extent(z: Tensor, seen: Tensor, ends: Range) -> tuple[float, float]:
    """The smallest and largest value where bool `seen` is on."""
    if not seen.any():
        raise ValueError(
            f"none of {z.numel()} pixels has a value: all are sky, NaN or, as distances, 0; check "
            f"`sky` ({ends.sky:.4g}) and the map's unit"
        )
    low, high = z[seen].aminmax()
    return float(low), float(high)


def to_distance(disparity: Tensor, ends: Range) -> Tensor:
    """Disparity `[B, H, W]` in 0..1 to distances: 1 / (d·(1/near − 1/far) + 1/far).

    The inverse of `to_disparity` between near and far, which must be given; sky comes back as far.
    """
    if ends.unit is Unit.DISPARITY:
        raise ValueError(
            f"'{Unit.DISPARITY.value}' is no unit of distances; choose metric or linear 0..1, or, "
            f"to stretch disparity to 0..1, the direction '{Direction.TO_DISPARITY.value}'"
        )
    ends.check_given("disparity does not say how far away anything is")
    divisor = disparity * (ends.far - ends.near) + ends.near
    if ends.unit is Unit.LINEAR:
        return (1 - disparity) * ends.near / divisor  # (z − near) / (far − near)
    return ends.near * ends.far / divisor


def check_black_and_white(mask: Tensor) -> Tensor:
    """The mask; raises GreyMask unless it is 0 or 1 everywhere."""
    grey = int(((mask > 0) & (mask < 1)).sum())
    if grey:
        raise GreyMask(
            f"{how_many(grey, mask.numel(), 'mask pixel')} grey, and distances cannot be mixed "
            "with disparity; expected black and white, in the map's own size"
        )
    return mask


def _check_order(near: float, far: float, unit: Unit) -> None:
    """An end that is the map's own may lie on the wrong side of a given one."""
    is_disparity = unit is Unit.DISPARITY
    if near < far if is_disparity else near > far:
        raise ValueError(
            f"near is {near:.4g} and far {far:.4g} (0 stands for the map's own ends); near is the "
            f"{'larger disparity' if is_disparity else 'smaller distance'}"
        )


def _warn_missing(z: Tensor, least: float) -> None:
    missing = int((z <= least).sum())
    if missing:
        log.warning(
            "%s at %.4g or less, which is no distance and counts as NaN",
            *(how_many(missing, z.numel(), "pixel"), least),
        )


def _warn_outside(nearer: Tensor, farther: Tensor, near: float, far: float) -> None:
    if nearer.sum() + farther.sum() < WORTH_SAYING * nearer.numel():
        return
    log.warning(
        "what is nearer than %.4g becomes white (%d of %d pixels), what is farther than %.4g black "
        "(%d)",
        *(near, int(nearer.sum()), nearer.numel(), far, int(farther.sum())),
    )
