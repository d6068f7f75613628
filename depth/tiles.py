"""Depth of a large image from overlapping parts, each fitted to one look at the whole.

A network sees an image at a few hundred pixels. Looking at parts as well shows finer detail, but
every part comes back with a scale and a shift of its own; both are found by least squares against
the whole's map, as Miangoleh et al. do ("Boosting Monocular Depth Estimation Models to
High-Resolution via Content-Adaptive Multi-Resolution Merging", 2021, arXiv:2105.14021). A part that
shows half a wall knows nothing of where the wall stands, whatever its scale: so only detail is
taken from the parts, and what is wide stays the whole's.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .filters import gaussian, per_map

OVERLAP = 0.25  # of a tile's side: what it shares with the next one, at the least
LEAST = 16  # pixels to a side of a tile
COARSE = 24  # fields to a side by which a part is compared with the whole
LEVEL = 1 / 16  # of its side: where the map is smooth over more than that, a tile has no say
CERTAIN = 1e-6  # of the whole's variance: a part with less has no depth to be fitted by


class Tile(NamedTuple):
    """A part of an image, in pixels; the ends are not in it."""

    top: int
    bottom: int
    left: int
    right: int

    def cut(self, pixels: Tensor) -> Tensor:
        """The part of `[…, H, W]`."""
        return pixels[..., self.top : self.bottom, self.left : self.right]


def tiles_of(height: int, width: int, number: int) -> list[Tile]:
    """Overlapping squares that cover an image, `number` of them along its shorter side.

    The longer side gets as many as it takes for them to overlap as much.

    Raises:
        ValueError: a number below 1, or so many that a tile would have less than 16 pixels.
    """
    shorter = min(height, width)
    if number < 1:
        raise ValueError(f"{number} tiles along the shorter side; it must be 1 or more.")
    side = math.ceil(shorter / (number - (number - 1) * OVERLAP))
    if side < LEAST:
        raise ValueError(
            f"{number} tiles along {shorter} pixels are {side} pixels each, and would show "
            f"nothing; use fewer, so that they are {LEAST} or more."
        )
    rows, columns = _spans(height, side), _spans(width, side)
    return [Tile(*row, *column) for row in rows for column in columns]


def _spans(length: int, side: int) -> list[tuple[int, int]]:
    """Evenly spread spans of `side` that cover `length` and overlap by OVERLAP or more."""
    if length <= side:
        return [(0, length)]
    step = side * (1 - OVERLAP)
    last = math.ceil((length - side) / step - 1e-9)
    starts = [round(index * (length - side) / last) for index in range(last + 1)]
    return [(start, start + side) for start in starts]


class Mosaic:
    """Adds the detail of tiles to one look at the whole; memory does not grow with their number.

    Attributes:
        skipped: tiles left out, because nothing in them goes with the whole's map; there the
            whole's stays.
    """

    def __init__(self, whole: Tensor) -> None:
        """`whole` is the disparity `[H, W]` of one look at the whole image."""
        self.skipped = 0
        self._whole = whole
        self._certain = CERTAIN * whole.var().item()
        self._sum = torch.zeros_like(whole)
        self._weight = torch.zeros_like(whole)

    def add(self, tile: Tile, disparity: Tensor) -> None:
        """One tile's disparity `[h, w]`, of the tile's size and any scale and shift."""
        target = tile.cut(self._whole)
        fit = _scale_and_shift(disparity, target, self._certain)
        self.skipped += fit is None
        weight = _fading(tile, *self._whole.shape).to(target)
        tile.cut(self._weight).add_(weight)
        if fit is None:
            return
        change = fit[0] * disparity + fit[1] - target
        wide = LEVEL * max(change.shape)
        change -= per_map(lambda one: gaussian(one, wide), change.unsqueeze(0))[0]
        tile.cut(self._sum).addcmul_(weight, change)

    def result(self) -> Tensor:
        """The disparity `[H, W]`, once all the tiles are there."""
        return self._whole + self._sum / self._weight


def _scale_and_shift(found: Tensor, target: Tensor, certain: float) -> tuple[float, float] | None:
    """The a > 0 and b that bring a·found + b nearest to the target; None if none do.

    None too where the target is flat: whatever a tile shows there, its size is unknown. Both are
    made coarse first: detail that the target cannot have would make a too small.
    """
    found, target = _coarse(found), _coarse(target)
    centred = found - found.mean()
    variance = centred.square().mean().item()
    covariance = (centred * (target - target.mean())).mean().item()
    if variance == 0 or covariance <= 0 or target.var(unbiased=False).item() <= certain:
        return None
    scale = covariance / variance
    return scale, target.mean().item() - scale * found.mean().item()


def _coarse(values: Tensor) -> Tensor:
    """`[h, w]` averaged to COARSE × COARSE fields, in float64."""
    size = [min(side, COARSE) for side in values.shape]
    return F.adaptive_avg_pool2d(values.double()[None], size)[0]


def _fading(tile: Tile, height: int, width: int) -> Tensor:
    """A tile's weights `[h, w]`: 1 inside, falling to nearly 0 where other tiles take over."""
    rows = _ramp(tile.bottom - tile.top, tile.top > 0, tile.bottom < height)
    columns = _ramp(tile.right - tile.left, tile.left > 0, tile.right < width)
    return rows[:, None] * columns


def _ramp(side: int, fades_in: bool, fades_out: bool) -> Tensor:
    fade = max(round(side * OVERLAP), 1)
    distance = torch.arange(side) + 0.5
    weight = torch.ones(side)
    if fades_in:
        weight = weight.minimum(distance / fade)
    if fades_out:
        weight = weight.minimum(distance.flip(0) / fade)
    # A smooth step has no kink where a fade ends, which would be seen as a line.
    return weight * weight * (3 - 2 * weight)
