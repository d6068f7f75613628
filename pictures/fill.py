"""Holes filled smoothly from their borders."""

import torch.nn.functional as F
from torch import Tensor

# Averagings of every level of a filled hole, so that it joins its border without a step.
SMOOTHING = 4


def fill_holes(values: Tensor, known: Tensor) -> Tensor:
    """Fill `values` where they are not known; what is known stays bit for bit.

    Push-pull (Gortler et al., "The Lumigraph", 1996, section 3.4): averages of what is known, at
    ever coarser levels until there is no hole, then down again.

    Args:
        values: float `[B, C, H, W]`; finite, also in the holes.
        known: bool `[B, 1, H, W]`, with a known pixel in every picture of the batch.

    Returns: `[B, C, H, W]`.

    Raises:
        ValueError: a picture has no known pixel at all.
    """
    empty = (~known.flatten(1).any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"picture {empty[0]} of {len(known)} (counted from 0) is one hole: there is nothing "
            "to fill it from"
        )
    return _push_pull(values, known.to(values.dtype))


def _push_pull(values: Tensor, weights: Tensor) -> Tensor:
    known = weights > 0
    if known.all():
        return values
    share = F.avg_pool2d(weights, 2, ceil_mode=True)
    coarse = F.avg_pool2d(values * weights, 2, ceil_mode=True) / share.where(share > 0, 1.0)
    filled = _push_pull(coarse, (share > 0).to(weights.dtype))
    filled = F.interpolate(filled, values.shape[-2:], mode="bilinear", align_corners=False)
    for _ in range(SMOOTHING):
        filled = values.where(known, filled)
        filled = F.avg_pool2d(filled, 3, stride=1, padding=1, count_include_pad=False)
    return values.where(known, filled)
