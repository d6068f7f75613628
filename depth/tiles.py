"""Depth of a large image from overlapping tiles, each fitted to a map of the whole.

A network works at a few hundred pixels. Passing tiles through it as well gives finer detail, but
every tile's map has a scale and a shift of its own; both are found by least squares against the
whole's map, as Miangoleh et al. do ("Boosting Monocular Depth Estimation Models to
High-Resolution via Content-Adaptive Multi-Resolution Merging", 2021, arXiv:2105.14021). Half a wall
does not tell where the wall stands, whatever its scale: so only detail is taken from the tiles, and
low frequencies stay the whole's.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images.crop import Box
from .filters import gaussian, per_map

OVERLAP = 0.25  # of a tile's side: what it shares with the next one, at the least
LEAST = 16  # pixels to a side of a tile
COARSE = 24  # fields to a side by which a tile is compared with the whole
LEVEL = 1 / 16  # of a tile's side: the blur that separates low frequencies from detail
CERTAIN = 1e-6  # of the whole's variance: a tile with less has no depth to be fitted by


def tiles_of(height: int, width: int, number: int) -> list[Box]:
    """Overlapping squares that cover an image, `number` of them along its shorter side.

    The longer side gets as many as it takes for them to overlap as much.
    """
    shorter = min(height, width)
    if number < 1:
        raise ValueError(f"{number} tiles along the shorter side; expected 1 or more")
    side = math.ceil(shorter / (number - (number - 1) * OVERLAP))
    if side < LEAST:
        raise ValueError(
            f"{number} tiles along {shorter} pixels are {side} pixels each; expected {LEAST} or "
            "more, use fewer tiles"
        )
    rows, columns = _spans(height, side), _spans(width, side)
    return [Box(top, left, high, wide) for top, high in rows for left, wide in columns]


def _spans(length: int, side: int) -> list[tuple[int, int]]:
    """Start and length of even spans of `side` that cover `length` and overlap by OVERLAP."""
    if length <= side:
        return [(0, length)]
    step = side * (1 - OVERLAP)
    last = math.ceil((length - side) / step - 1e-9)
    starts = [round(index * (length - side) / last) for index in range(last + 1)]
    return [(start, side) for start in starts]


class Mosaic:
    """Adds the detail of tiles to the whole image's disparity `[1, H, W]`.

    Memory does not grow with the number of tiles.
    """

    def __init__(self, whole: Tensor) -> None:
        self.skipped = 0  # tiles that agree with the whole's map in nothing; there it stays
        self._whole = whole
        self._certain = CERTAIN * whole.var().item()
        self._sum = torch.zeros_like(whole)
        self._weight = torch.zeros_like(whole)

    def add(self, tile: Box, disparity: Tensor) -> None:
        """One tile's disparity `[1, h, w]`, of the tile's size and any scale and shift."""
        target = tile.of(self._whole)
        fit = _scale_and_shift(disparity, target, self._certain)
        self.skipped += fit is None
        weight = _fading(tile, *self._whole.shape[1:]).to(target)
        tile.of(self._weight).add_(weight)
        if fit is None:
            return
        change = fit[0] * disparity + fit[1] - target
        wide = LEVEL * max(change.shape[1:])
        change -= per_map(lambda one: gaussian(one, wide), change)
        tile.of(self._sum).addcmul_(weight, change)

    def result(self) -> Tensor:
        """The disparity `[1, H, W]`, once all the tiles are there."""
        return self._whole + self._sum / self._weight


def _scale_and_shift(found: Tensor, target: Tensor, certain: float) -> tuple[float, float] | None:
    """The a > 0 and b that bring a·found + b nearest to the target; None if none do.

    None too where the target is flat, which tells no scale. Both are made coarse first: detail
    that the target cannot have would make a too small.
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
    """`[1, h, w]` averaged to COARSE × COARSE fields, in float64."""
    _, height, width = values.shape
    return F.adaptive_avg_pool2d(values.double(), (min(height, COARSE), min(width, COARSE)))


def _fading(tile: Box, height: int, width: int) -> Tensor:
    """A tile's weights `[h, w]`: 1 inside, falling to nearly 0 where other tiles take over."""
    rows = _ramp(tile.height, tile.top > 0, tile.top + tile.height < height)
    columns = _ramp(tile.width, tile.left > 0, tile.left + tile.width < width)
    return rows[:, None] * columns


def _ramp(side: int, fades_in: bool, fades_out: bool) -> Tensor:
    fade = max(round(side * OVERLAP), 1)
    distance = torch.arange(side) + 0.5
    weight = torch.ones(side)
    if fades_in:
        weight = weight.minimum(distance / fade)
    if fades_out:
        weight = weight.minimum(distance.flip(0) / fade)
    # A smooth step has no kink where a fade ends, which would show as a line.
    return weight * weight * (3 - 2 * weight)
