"""Holes filled smoothly from their borders."""

import torch.nn.functional as F
from torch import Tensor

from .counts import which
from .crop import bounds

# Averagings of every level of a filled hole, so that it joins its border without a step.
SMOOTHING = 4


class OneHole(ValueError):  # noqa: N818 - names what the image is
    """An image that is a hole and nothing else."""


def fill_holes(values: Tensor, known: Tensor) -> Tensor:
    """Fill `values` where they are not known; what is known stays bit for bit.

    Push-pull (Gortler et al., "The Lumigraph", 1996, section 3.4): averages of what is known, at
    ever coarser levels until there is no hole, then down again.

    Args:
        values: float `[B, C, H, W]`; finite, also in the holes.
        known: bool `[B, 1, H, W]`, with a known pixel in every image; OneHole without one.
    """
    empty = (~known.flatten(1).any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise OneHole(
            f"the hole covers all of {which(empty[0], len(known), 'image')}, so there is no border "
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
    filled = values.where(known, filled)
    holes = bounds(~known[:, 0])
    if holes is None:
        return filled
    # Only the holes change, but a pixel more around them is needed.
    box = holes.grown(1).inside(values.shape[-2], values.shape[-1])
    rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
    part, kept, solid = (t[..., rows, columns] for t in (filled, values, known))
    for _ in range(SMOOTHING):
        part.copy_(kept.where(solid, neighbourhood(part)))
    return filled


def neighbourhood(t: Tensor) -> Tensor:
    """Means of 3 x 3 pixels of `[B, C, H, W]`; at the frame, of those that exist.

    As `avg_pool2d` without its padding, but many times quicker on a CPU.
    """
    return _with_neighbours(_with_neighbours(t, -1), -2)


def _with_neighbours(t: Tensor, dim: int) -> Tensor:
    size = t.shape[dim]
    if size == 1:
        return t
    total = t.clone()
    total.narrow(dim, 1, size - 1).add_(t.narrow(dim, 0, size - 1))
    total.narrow(dim, 0, size - 1).add_(t.narrow(dim, 1, size - 1))
    count = t.new_full((size,), 3)
    count[0] = count[-1] = 2
    return total.div_(count if dim == -1 else count.unsqueeze(-1))
