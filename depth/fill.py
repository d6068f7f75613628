"""Depths made of geometry: planes, ramps, domes, and reliefs of a mask's outline.

The disparity of a plane in space is a linear function of the pixel: a ramp is a floor or a wall.
"""

import math
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ..images.masks import way_inward
from ..images.numbers import check_numbers
from ..images.opencv import cv2
from .masks import smooth_fill


class Shape(str, Enum):
    """What a map is filled with."""

    PLANE = "flat plane"
    RAMP = "ramp"
    DOME = "dome"
    RELIEF = "relief of the mask"
    SMOOTH = "smooth fill"


@dataclass(frozen=True)
class Geometry:
    """Where a shape stands.

    Depths are 0..1. Points are x, y in shares of the map's width and height: 0 is the first pixel,
    1 the last; they may lie outside of the map.
    """

    near: float = 0.8  # of the plane, a ramp's second point, the top of a dome or relief
    far: float = 0.2  # of a ramp's first point, the rim of a dome or relief
    first: tuple[float, float] = (0.5, 0.5)  # a ramp's far end, or a dome's centre
    second: tuple[float, float] = (0.5, 1.0)  # a ramp's near end, or a point of a dome's rim

    def __post_init__(self) -> None:
        check_numbers(low=0, high=1, near=self.near, far=self.far)
        (x1, y1), (x2, y2) = self.first, self.second
        check_numbers(x1=x1, y1=y1, x2=x2, y2=y2)


def fill(
    depth: Tensor, shape: Shape, where: Geometry = Geometry(), mask: Tensor | None = None
) -> Tensor:
    """Fill depth maps `[B, H, W]` with a shape; what it does not cover stays, bit for bit.

    A dome covers its circle, a relief the mask, the others all. The mask `[B, H, W]`, whose outline
    is where it is not 0, is read by the relief and the smooth fill only; limit the others with
    `masks.limit`.
    """
    rows, columns = depth.shape[1:]
    if shape is Shape.PLANE:
        return torch.full_like(depth, where.near)
    if shape is Shape.RAMP:
        return ramp(rows, columns, where).to(depth).expand_as(depth)
    if shape is Shape.DOME:
        height, inside = dome(rows, columns, where)
        sphere = height.mul_(where.near - where.far).add_(where.far)
        return torch.where(inside.to(depth.device), sphere.to(depth), depth)
    if mask is None:
        raise ValueError(f"{shape.value} needs a mask; a flat plane, ramp or dome does not")
    if shape is Shape.SMOOTH:
        return smooth_fill(depth, mask)
    cushion = relief(mask).mul_(where.near - where.far).add_(where.far)
    return torch.where(mask > 0, cushion, depth)


def ramp(height: int, width: int, where: Geometry) -> Tensor:
    """Depth `[height, width]` that rises in a line from the first point to the second only."""
    x, y, (across, down) = _from_first(height, width, where)
    square = across**2 + down**2
    share = x * (across / square) + y * (down / square)
    return share.clamp_(0, 1).mul_(where.near - where.far).add_(where.far)


def dome(height: int, width: int, where: Geometry) -> tuple[Tensor, Tensor]:
    """Height 0..1 of a half sphere as seen from afar, and where it is: `[height, width]` each.

    Its centre is the first point; the circle in which it stands goes through the second.
    """
    x, y, (across, down) = _from_first(height, width, where)
    square = across**2 + down**2
    squared = (1 - x**2 / square) - y**2 / square
    # A point of the rim may round to just outside of it.
    inside = squared >= -1e-6
    return squared.clamp_(min=0).sqrt_(), inside


def relief(mask: Tensor) -> Tensor:
    """Height 0..1 of the outline of a mask `[B, H, W]`, blown up like a cushion.

    Every patch has a round profile, a quarter circle from its border to where it is widest; of a
    disc it makes a half sphere. The frame of the map is no border.
    """
    share = way_inward(mask, math.inf, cv2.DIST_MASK_PRECISE)
    return (2 - share).mul_(share).sqrt_()  # 1 − (1 − share)²


def _from_first(
    height: int, width: int, where: Geometry
) -> tuple[Tensor, Tensor, tuple[float, float]]:
    """Pixels from the first point: x as a row, y as a column, and x, y of the second point."""
    (x1, y1), (x2, y2) = (
        (x * (width - 1), y * (height - 1)) for x, y in (where.first, where.second)
    )
    if not (x2 - x1) ** 2 + (y2 - y1) ** 2:
        single = height == width == 1
        remedy = "it has no other, choose flat plane" if single else "move one of them"
        raise ValueError(
            f"on a map of {width} x {height} pixels the points x1, y1 and x2, y2 are the same "
            f"pixel; a ramp runs from one to the other, and a dome reaches from one to the other: "
            f"{remedy}"
        )
    x, y = torch.arange(width, dtype=torch.float32), torch.arange(height)[:, None].float()
    return x - x1, y - y1, (x2 - x1, y2 - y1)
