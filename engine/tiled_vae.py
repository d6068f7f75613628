"""Large images through the VAE in tiles, as ComfyUI's tiled nodes send them.

Three passes with tiles of different proportions are averaged, so that no seam lies in one place in
all of them; within a pass tiles overlap, and fade into each other.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from .networks import EngineVAE
from .progress import progress

Function = Callable[[Tensor], Tensor]


@torch.no_grad()
def decode_tiled(vae: EngineVAE, latent: Tensor, tile: int, overlap: int) -> Tensor:
    """As `EngineVAE.decode`; sides in pixels. ValueError for an overlap of half a tile or more."""
    vae.check_latent(latent)
    tile, overlap = tile // vae.factor, overlap // vae.factor
    images = _three_passes(latent.float(), vae.decode_one, tile, overlap, vae.factor, "Decoding")
    return ((images + 1) / 2).clamp(0, 1).movedim(1, -1)  # BCHW -> BHWC


@torch.no_grad()
def encode_tiled(vae: EngineVAE, pixels: Tensor, tile: int, overlap: int) -> Tensor:
    """As `EngineVAE.encode`; sides in pixels. ValueError for an overlap of half a tile or more."""
    return _three_passes(
        vae.prepared(pixels), vae.encode_one, tile, overlap, 1 / vae.factor, "Encoding"
    )


def _three_passes(
    batch: Tensor, function: Function, tile: int, overlap: int, scale: float, description: str
) -> Tensor:
    """Args: batch [B, C, h, w]; tile and overlap in its pixels; scale of what `function` gives."""
    if overlap >= tile // 2 and max(batch.shape[2:]) > tile // 2:
        raise ValueError(
            f"tiles of {tile} that overlap by {overlap} do not get on, as some of them are half as "
            "wide; give an overlap below half of the tile"
        )
    shapes = [(tile, tile), (tile // 2, tile * 2), (tile * 2, tile // 2)]  # height, width
    todo = list(itertools.product(range(len(batch)), shapes))
    results = [
        _in_tiles(batch[index : index + 1], function, shape, overlap, scale)
        for index, shape in progress(todo, description)
    ]
    return torch.cat([(a + b + c) / 3.0 for a, b, c in zip(*[iter(results)] * 3, strict=True)])


def _in_tiles(
    item: Tensor, function: Function, tile: tuple[int, int], overlap: int, scale: float
) -> Tensor:
    """One entry [1, C, h, w] of a batch, in one pass."""
    size = item.shape[2:]
    if all(side <= most for side, most in zip(size, tile, strict=True)):
        return function(item)
    starts = [
        range(0, side - overlap, most - overlap) if side > most else [0]
        for side, most in zip(size, tile, strict=True)
    ]
    total = weights = torch.empty(0)
    for top, left in itertools.product(*starts):
        part = function(item[..., top : top + tile[0], left : left + tile[1]])
        if not total.numel():
            total = part.new_zeros(1, part.shape[1], *(round(scale * side) for side in size))
            weights = torch.zeros_like(total)
        weight = _faded(part, round(scale * overlap))
        y, x = round(scale * top), round(scale * left)
        place = (..., slice(y, y + part.shape[2]), slice(x, x + part.shape[3]))
        total[place] += part * weight
        weights[place] += weight
    return total / weights


def _faded(part: Tensor, edge: int) -> Tensor:
    """Weights of a tile's pixels: 1, falling off over the overlap on all four sides."""
    weight = torch.ones_like(part)
    ramp = torch.arange(1, edge + 1, device=part.device) / max(edge, 1)
    if edge < part.shape[2]:
        weight[:, :, :edge] *= ramp[:, None]
        weight[:, :, part.shape[2] - edge :] *= ramp.flip(0)[:, None]
    if edge < part.shape[3]:
        weight[..., :edge] *= ramp
        weight[..., part.shape[3] - edge :] *= ramp.flip(0)
    return weight
