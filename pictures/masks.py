"""Masks: where a picture is worked on, and how much. 1 = there, 0 = not, grey = partly."""

import cv2
import numpy as np
import torch
from torch import Tensor


def fit_pictures(mask: Tensor, picture: Tensor) -> Tensor:
    """A mask as `[B, H, W]` for pictures `[B, H, W, C]`; one mask serves the whole batch.

    Args:
        mask: `[H, W]`, `[M, H, W]` or `[M, 1, H, W]` in 0..1, M = 1 or a divisor of B.
        picture: what it belongs to.

    Raises:
        ValueError: another shape, size or batch than the pictures', or values outside 0..1.
    """
    if mask.ndim not in (2, 3, 4) or (mask.ndim == 4 and mask.shape[1] != 1) or not mask.numel():
        raise ValueError(f"the mask has shape {list(mask.shape)}; expected [batch, height, width]")
    mask = mask.to(picture.device, torch.float32).reshape(-1, *mask.shape[-2:])
    batch, height, width = picture.shape[:3]
    if mask.shape[1:] != (height, width):
        unpainted = " Load Image gives an empty mask of 64 x 64 where nothing was painted."
        raise ValueError(
            f"the mask has {mask.shape[2]} x {mask.shape[1]} pixels, the picture {width} x "
            f"{height}. Make them the same size: paint the mask on this picture, or scale both "
            "alike with Prepare Image." + (unpainted if not mask.any() else "")
        )
    if batch % len(mask):
        raise ValueError(
            f"{len(mask)} masks cannot be shared out to {batch} pictures; give one mask, or one "
            "for each picture"
        )
    if not (mask.min() >= 0 and mask.max() <= 1):  # also false of NaN
        raise ValueError(
            f"the mask goes from {mask.min():.3g} to {mask.max():.3g}; expected 0 (leave alone) "
            "to 1 (repaint)"
        )
    return mask.repeat(batch // len(mask), 1, 1)


def spread(mask: Tensor, grow: float = 0.0, feather: float = 0.0) -> Tensor:
    """Let a mask `[B, H, W]` reach beyond its border: fully for `grow` pixels, then fading out.

    A grey dilation: every pixel takes the largest value that reaches it, where a value reaches
    `grow` pixels undiminished and falls to 0 over `feather` more. So a soft rim, as resizing
    leaves one, does not stop what is inside of it. Distances are Euclidean, to within 2 %; values
    between white and black spread in sixteenths of the largest.

    Returns: `[B, H, W]`, nowhere less than the mask.
    """
    if not grow and not feather:
        return mask
    return torch.stack([_spread(one.cpu().numpy(), grow, feather) for one in mask]).to(mask)


LEVELS = 16


def _spread(mask: np.ndarray, grow: float, feather: float) -> Tensor:
    result = mask.copy()
    for level in np.linspace(0, mask.max(), LEVELS + 1, dtype=np.float32)[1:]:
        distance = cv2.distanceTransform((mask < level).astype(np.uint8), cv2.DIST_L2, 5)
        ramp = np.clip(1 - (distance - grow) / (feather + 1), 0, 1)
        ramp[distance <= grow] = 1
        np.maximum(result, level * ramp, out=result)
    return torch.from_numpy(result)


def fade_inward(mask: Tensor, feather: float) -> Tensor:
    """A mask `[B, H, W]` that rises from its border over `feather` pixels: 0 stays 0.

    The border of the picture is no border of the mask. In a patch that is too small for the ramp
    it is shorter, so that every patch reaches its full value somewhere.
    """
    if not feather:
        return mask
    ramps = [_ramp((one.cpu().numpy() > 0).astype(np.uint8), feather) for one in mask]
    return mask * torch.from_numpy(np.stack(ramps)).to(mask)


def _ramp(inside: np.ndarray, feather: float) -> np.ndarray:
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    count, patch = cv2.connectedComponents(inside, connectivity=8)
    depth = np.zeros(count, np.float32)
    np.maximum.at(depth, patch, distance)
    return np.minimum(distance / np.clip(depth, 1, feather + 1)[patch], 1)
