"""The fifth input channel: from a depth map to what the UNet gets beside the noisy latent.

A depth map travels inside the conditioning at its full size and is fitted to the latent only
while sampling, so that one conditioning serves passes of different sizes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from ..depth.convention import check_depth, check_finite, extent, resize, stretch
from ..images.batch import check_shares
from ..images.counts import how_many
from ..images.sizes import same_aspect

DEPTH_KEY = "sd2_depth"

log = logging.getLogger(__name__)

Conditioning = Sequence[Sequence[Any]]  # of [context [1, tokens, width], values by name]


class MissingDepthError(ValueError):
    """The conditioning carries no depth map."""


class Normalize(str, Enum):
    """Which depth becomes -1 (far) and which +1 (near)."""

    PER_IMAGE = "per image"  # each map's own minimum and maximum, as the model was trained
    WHOLE_BATCH = "whole batch"  # those of all maps together: no flicker in a video
    FIXED_RANGE = "fixed range"  # the given low and high
    NONE = "none"  # 0 and 1, the range of a depth map


@dataclass(frozen=True, eq=False)
class DepthCondition:
    """A depth map and how it becomes the UNet's fifth input channel.

    `strength` is a factor on the finished channel: 0 leaves a channel of zeros (no depth at all), 1
    is what the model was trained with. With a fixed range `low` and `high` become -1 and +1; depths
    beyond them go beyond, nothing is clipped.
    """

    depth: Tensor  # float32 [B, H, W], finite; larger is nearer
    normalize: Normalize = Normalize.PER_IMAGE
    strength: float = 1.0
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        check_depth(self.depth)
        check_finite(self.depth)
        if self.normalize is Normalize.FIXED_RANGE and not self.low < self.high:
            raise ValueError(
                f"the fixed range goes from {self.low} to {self.high}; "
                "low (far) must be less than high (near)"
            )
        far, near = extent(self.depth)
        flat = int((far == near).sum())
        if flat:
            log.warning(
                "%s flat (the same everywhere), which gives the model no depth",
                how_many(flat, len(self.depth), "depth map"),
            )

    def channel(self, batch: int, height: int, width: int) -> Tensor:
        """The fifth channel for a latent of this size: float32 [batch, 1, height, width].

        Resized bicubically, then normalised, then scaled by `strength`: that order is the
        training's (Stability-AI/stablediffusion, `ldm/models/diffusion/ddpm.py`,
        LatentDepth2ImageDiffusion). A flat map gives -1. A batch of maps repeats as a whole.
        """
        check_shares(len(self.depth), "depth maps", batch, "latents")
        self._warn_if_squeezed(height, width)
        depth = self.depth.float()
        low, high = self._range(depth)
        flat = low == high  # found before resizing, whose rounding would be stretched into noise
        if depth.shape[1:] != (height, width):
            depth = resize(depth, height, width)
            low, high = self._range(depth)
        unit = torch.where(flat, 0.0, stretch(depth, low, high))
        channel = ((2.0 * unit - 1.0) * self.strength).unsqueeze(1)  # BHW -> B1HW
        return channel.repeat(batch // len(depth), 1, 1, 1)

    def _warn_if_squeezed(self, height: int, width: int) -> None:
        rows, columns = self.depth.shape[1:]
        if not same_aspect((rows, columns), (height, width)):
            log.warning(
                "the depth map is %d x %d pixels, the latent %d x %d: it is squeezed to fit and "
                "does not match a cropped image; crop it like the image",
                columns,
                rows,
                width,
                height,
            )

    def _range(self, depth: Tensor) -> tuple[Tensor, Tensor]:
        if self.normalize is Normalize.PER_IMAGE:
            return extent(depth)
        if self.normalize is Normalize.WHOLE_BATCH:
            return depth.amin(), depth.amax()
        if self.normalize is Normalize.FIXED_RANGE:
            return torch.tensor(self.low), torch.tensor(self.high)
        return torch.tensor(0.0), torch.tensor(1.0)


def attach_depth(
    conditioning: Conditioning, condition: DepthCondition, start: float = 0.0, end: float = 1.0
) -> list[list[Any]]:
    """A copy of the conditioning that carries the depth map from `start` to `end`.

    Both are shares of the way from noise to image, 0..1; for the rest the copy has entries of its
    own, without depth.
    """
    if not 0.0 <= start < end <= 1.0:
        raise ValueError(
            f"the depth map holds from {start} to {end} of the way; expected two numbers from 0 to "
            "1, the first one smaller"
        )
    if (start, end) == (0.0, 1.0):
        return [[context, {**values, DEPTH_KEY: condition}] for context, values in conditioning]
    without = replace(condition, strength=0.0)
    spans = [(start, end, condition), (0.0, start, without), (end, 1.0, without)]
    return [
        [context, {**values, **times, DEPTH_KEY: depth}]
        for context, values in conditioning
        for from_, to, depth in spans
        if (times := _times(values, from_, to)) is not None
    ]


def _times(values: Mapping[str, Any], start: float, end: float) -> dict[str, float] | None:
    """When an entry holds, cut to a span; None when never."""
    start = max(start, values.get("start_percent", 0.0))
    end = min(end, values.get("end_percent", 1.0))
    return {"start_percent": start, "end_percent": end} if start < end else None


def find_depth(values: Mapping[str, Any], which: str) -> DepthCondition:
    """The depth map of a "positive" or "negative" entry; raises MissingDepthError without one."""
    condition = values.get(DEPTH_KEY)
    if condition is None:
        raise MissingDepthError(
            f"the {which} conditioning has no depth map, which this SD2 depth model needs"
        )
    return condition
