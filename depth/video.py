"""Depth of the frames of a video: smoothed over time, and on one scale.

Both work in the tensor that they are given, so that the maps of a long video are in memory once.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images.batch import gather
from ..images.numbers import check_numbers
from .convention import resize

Each = Callable[[Sequence], Iterable]  # hands out a list's entries, for progress and cancelling

SAME_COLOUR = 0.1  # of the range 0..1: by how much a pixel of the same thing changes


def smooth_over_time(disparity: Tensor, frames: Tensor, sigma: float, each: Each = iter) -> None:
    """Average every frame's map with its neighbours in time, where the image stays the same.

    A bilateral filter over time (Tomasi and Manduchi, "Bilateral Filtering for Gray and Color
    Images", 1998): Gaussian weights in the distance of frames and in the distance of colours, so
    that flicker goes and things that move leave no trail. Memory: the maps, and the images at
    their size, of three sigma before and after.

    The disparity `[B, h, w]`, in the frames' order, is changed in place; the frames `[B, 3, H, W]`
    in 0..1 may have any size; sigma ≥ 0 is in frames; `each` wraps their indices.
    """
    check_numbers(low=0, smooth=sigma)
    if len(frames) != len(disparity):
        raise ValueError(
            f"{len(disparity)} depth maps and {len(frames)} frames do not agree; expected a map "
            "for each frame"
        )
    if sigma == 0:
        return
    count, reach = len(disparity), math.ceil(3 * sigma)

    def moment(index: int) -> tuple[Tensor, Tensor]:
        image = frames[index : index + 1].float()
        image = F.interpolate(image, disparity.shape[1:], mode="area")[0]
        return disparity[index].clone(), image

    window = {index: moment(index) for index in range(min(reach, count))}
    for at in each(range(count)):
        if at + reach < count:
            window[at + reach] = moment(at + reach)
        window.pop(at - reach - 1, None)
        disparity[at] = _average(window, at, sigma)


def _average(window: dict[int, tuple[Tensor, Tensor]], at: int, sigma: float) -> Tensor:
    """The smoothed map of one frame, of the maps `[h, w]` and images `[3, h, w]` around it."""
    total = weights = torch.zeros(())
    for index, (disparity, image) in window.items():
        change = (image - window[at][1]).square().mean(dim=0)  # CHW -> HW
        weight = torch.exp(-0.5 * (change / SAME_COLOUR**2 + ((index - at) / sigma) ** 2))
        total, weights = total + weight * disparity, weights + weight
    return total / weights


def on_one_scale(disparity: Tensor, height: int, width: int, each: Each = iter) -> Tensor:
    """Bring `[B, h, w]` to `[B, height, width]`, bicubic, and all of it to 0..1 by one range.

    A video without any depth becomes 0 everywhere. `disparity` is changed in place, and is the
    result if it has the wanted size; `each` wraps the maps' indices, if they are resized.
    """
    low, high = disparity.aminmax()
    if low == high:
        return disparity.new_zeros(len(disparity), height, width)
    depth = disparity.sub_(low).div_(high - low)
    if depth.shape[1:] != (height, width):
        small, indices = depth, each(range(len(depth)))
        parts = (resize(small[index : index + 1], height, width) for index in indices)
        depth = gather(parts, len(small))
    low, high = depth.aminmax()
    return depth.sub_(low).div_(high - low)
