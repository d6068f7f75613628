"""Masks: where an image is worked on, and how much. 1 = there, 0 = not, grey = partly."""

import logging
import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .batch import check_shares
from .numbers import WORTH_SAYING, check_numbers, percent
from .opencv import cv2
from .sizes import same_aspect

log = logging.getLogger(__name__)

# Below a hundredth a denoising strength changes nothing: what an editor or JPEG leaves of black.
BLACK = 0.01

UNPAINTED = (64, 64)  # pixels of the empty mask that stands for none, whatever the image's size


class OtherShape(ValueError):  # noqa: N818 - names what the mask has
    """A mask of another shape than the images it belongs to."""


def fit_images(mask: Tensor, image: Tensor) -> Tensor:
    """A mask as `[B, H, W]` for images `[B, H, W, C]`, on their device; see `fit_size`."""
    return fit_size(mask.to(image.device), *image.shape[:3])


def fit_size(mask: Tensor, batch: int, height: int, width: int) -> Tensor:
    """A mask `[h, w]`, `[M, h, w]` or `[M, 1, h, w]` as float32 `[batch, height, width]`.

    M must divide the batch. A mask of another size but the same shape is resized (`resize_mask`);
    values below 0.01 become 0; and an empty mask of 64 x 64 is empty at every size. A warning says
    each.
    """
    if mask.ndim not in (2, 3, 4) or (mask.ndim == 4 and mask.shape[1] != 1) or not mask.numel():
        raise ValueError(f"the mask has shape {list(mask.shape)}; expected [batch, height, width]")
    mask = mask.float().reshape(-1, *mask.shape[-2:])
    check_shares(len(mask), "masks", batch, "images")
    if mask.shape[1:] == (height, width):
        fitted = _with_black(mask)
    elif mask.shape[1:] == UNPAINTED and not mask.any():
        log.warning("the mask is empty: nothing is painted in it, and nothing will be changed")
        fitted = mask.new_zeros(len(mask), height, width)
    elif not same_aspect(mask.shape[1:], (height, width)):
        raise OtherShape(
            f"the mask has {mask.shape[2]} x {mask.shape[1]} pixels, what it belongs to {width} x "
            f"{height}: they have different shapes"
        )
    else:
        log.warning(
            "the mask has %d x %d pixels, what it belongs to %d x %d: it is resized",
            *(mask.shape[2], mask.shape[1], width, height),
        )
        fitted = resize_mask(_with_black(mask), height, width)
    return fitted.repeat(batch // len(mask), 1, 1)


def _with_black(mask: Tensor) -> Tensor:
    """A mask in 0..1, with what is nearly black made black."""
    if not (mask.min() >= 0 and mask.max() <= 1):  # also false of NaN
        raise ValueError(
            f"the mask goes from {mask.min():.3g} to {mask.max():.3g}; expected 0 (leave alone) "
            "to 1 (repaint)"
        )
    nearly = (mask > 0) & (mask < BLACK)
    if not nearly.any():
        return mask
    share = float(nearly.float().mean())
    if share >= WORTH_SAYING:
        log.warning(
            "%s of the mask are nearly black (below %s) and count as black", percent(share), BLACK
        )
    return torch.where(nearly, 0.0, mask)


def resize_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """A mask `[B, H, W]` to another size: bilinear where it grows.

    Where it shrinks, the largest value counts: a thin line of white stays white.
    """
    rows, columns = min(height, mask.shape[1]), min(width, mask.shape[2])
    if (rows, columns) != mask.shape[1:]:
        mask = F.adaptive_max_pool2d(mask.unsqueeze(1), (rows, columns))[:, 0]
    if (rows, columns) != (height, width):
        mask = F.interpolate(mask.unsqueeze(1), (height, width), mode="bilinear")[:, 0]
    return mask.clamp(max=1.0)  # rounding may pass the end


def spread(mask: Tensor, grow: float = 0.0, feather: float = 0.0) -> Tensor:
    """Let a mask `[B, H, W]` reach beyond its border: fully for `grow` pixels, then fading out.

    A grey dilation: every pixel takes the largest value that reaches it, where a value reaches
    `grow` pixels undiminished and falls to 0 over `feather` more. So a soft rim, as resizing
    leaves one, does not stop what is inside of it. Distances are Euclidean, to within 2 %; values
    between white and black spread in sixteenths of the largest.
    """
    check_numbers(low=0, grow=grow, feather=feather)
    if not grow and not feather:
        return mask
    return torch.stack([_spread(one.cpu().numpy(), grow, feather) for one in mask]).to(mask)


LEVELS = 16


def _spread(mask: np.ndarray, grow: float, feather: float) -> Tensor:
    result = mask.copy()
    part = _around((mask > 0).view(np.uint8), math.ceil(grow + feather) + 1)
    for level, below in _levels(mask[part]):
        ramp: np.ndarray = cv2.distanceTransform(below, cv2.DIST_L2, 5)
        ramp -= grow
        ramp *= -1 / (feather + 1)
        ramp += 1
        np.clip(ramp, 0, 1, out=ramp)
        ramp *= level
        np.maximum(result[part], ramp, out=result[part])
    return torch.from_numpy(result)


def _levels(mask: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Values by which a mask spreads, and where it is below them; one for a black and white one."""
    if not mask.size:
        return
    last: np.integer | int = 0
    for level in np.linspace(mask.max(), 0, LEVELS, endpoint=False, dtype=np.float32):
        below = (mask < level).view(np.uint8)
        count = np.count_nonzero(below)
        # Where a higher level reaches as well, this one adds nothing.
        if count != last:
            yield float(level), below
        last = count


def fade_inward(mask: Tensor, feather: float) -> Tensor:
    """A mask `[B, H, W]` that rises from its border over `feather` pixels: 0 stays 0.

    The border of the image is no border of the mask. In a patch that is too small for the ramp
    it is shorter, so that every patch reaches its full value somewhere.
    """
    check_numbers(low=0, feather=feather)
    if not feather:
        return mask
    return mask * way_inward(mask, feather + 1, cv2.DIST_MASK_5).clamp_(max=1)


def way_inward(mask: Tensor, longest: float, kind: int) -> Tensor:
    """How far in every pixel of a mask `[B, H, W]` lies, in units of the way in: 0 outside.

    The way goes from the border of a patch (pixels that are not 0 and touch) to where it is
    widest, or `longest` pixels far if that is less; at its end the value is 1. The frame of the
    image is no border. OpenCV measures with `kind`: DIST_MASK_PRECISE, or DIST_MASK_5, quicker and
    to within 2 %.
    """
    ways = [_way_inward((one.cpu().numpy() > 0).view(np.uint8), longest, kind) for one in mask]
    return torch.from_numpy(np.stack(ways)).to(mask)


def _way_inward(inside: np.ndarray, longest: float, kind: int) -> np.ndarray:
    way = np.zeros(inside.shape, np.float32)
    # Borders are reached from within: no pixel outside is nearer than those that touch the box.
    part = _around(inside, 1)
    if not inside[part].size:
        return way
    distance: np.ndarray = cv2.distanceTransform(inside[part], cv2.DIST_L2, kind)
    count, patch = cv2.connectedComponents(inside[part], connectivity=8)
    if count == 2:  # the outside, and one patch
        np.divide(distance, min(max(distance.max(), 1), longest), out=way[part])
        return way
    widest, index = np.zeros(count, np.float32), np.asarray(patch, np.intp)
    np.maximum.at(widest, index.ravel(), distance.ravel())  # of one axis it is 4 times quicker
    np.divide(distance, np.clip(widest, 1, longest)[patch], out=way[part])
    return way


def _around(inside: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The box of what is not 0 in uint8 `[H, W]`, with a margin in pixels; empty without any."""
    left, top, width, height = cv2.boundingRect(inside)
    margin = margin if width else 0
    rows = slice(max(top - margin, 0), top + height + margin)
    return rows, slice(max(left - margin, 0), left + width + margin)
