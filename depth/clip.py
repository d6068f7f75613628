"""Depth of the frames of a video: steady over time, and on one scale."""

import math

import torch
from torch import Tensor

from .convention import resize

SAME_COLOUR = 0.1  # of the range 0..1; where a pixel changes by more, something else has come


def steady(disparity: Tensor, frames: Tensor, sigma: float) -> Tensor:
    """Average every frame's map with its neighbours' in time, where the picture stays the same.

    A bilateral filter over time (Tomasi and Manduchi, "Bilateral Filtering for Gray and Color
    Images", 1998): Gaussian weights in the distance of frames and in the distance of colours, so
    that flicker goes and things that move leave no trail.

    Args:
        disparity: `[B, h, w]`, a frame after the other.
        frames: the pictures, `[B, 3, h, w]` in 0..1.
        sigma: of the time, in frames; 0 changes nothing.

    Raises:
        ValueError: a negative sigma, or numbers of frames that do not agree.
    """
    if sigma < 0:
        raise ValueError(f"The temporal smoothing is {sigma} frames; it must be 0 or more.")
    if frames.shape[0] != len(disparity) or frames.shape[-2:] != disparity.shape[-2:]:
        raise ValueError(
            f"{tuple(disparity.shape)} depth maps and {tuple(frames.shape)} frames do not agree."
        )
    if sigma == 0:
        return disparity
    return torch.stack([_steady_one(disparity, frames, at, sigma) for at in range(len(frames))])


def _steady_one(disparity: Tensor, frames: Tensor, at: int, sigma: float) -> Tensor:
    reach = math.ceil(3 * sigma)
    total, weights = torch.zeros_like(disparity[at]), torch.zeros_like(disparity[at])
    for other in range(max(at - reach, 0), min(at + reach + 1, len(frames))):
        change = (frames[other] - frames[at]).square().mean(dim=0)  # CHW -> HW
        exponent = change / SAME_COLOUR**2 + ((other - at) / sigma) ** 2
        weight = torch.exp(-0.5 * exponent)
        total += weight * disparity[other]
        weights += weight
    return total / weights


def on_one_scale(disparity: Tensor, height: int, width: int) -> Tensor:
    """Bring `[B, h, w]` to `[B, height, width]`, cubic, and all of it to 0..1 by one range.

    A clip without any depth in it becomes 0 everywhere.
    """
    low, high = disparity.aminmax()
    if low == high:
        return disparity.new_zeros(len(disparity), height, width)
    stretched = (disparity - low) / (high - low)
    resized = torch.cat([resize(one, height, width) for one in stretched.split(1)])
    low, high = resized.aminmax()
    return (resized - low) / (high - low)
