"""Depth of a batch of images: part by part, mirrored, steady over time, as one likes."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ..images.batch import gather
from .convention import normalize, resize
from .networks.estimators import Precision, see, stretched, to_pixels
from .networks.network import OWN, DepthNetwork
from .tiles import Mosaic, Tile, tiles_of
from .video import Each, on_one_scale, steady

log = logging.getLogger(__name__)


class Scope(str, Enum):
    """What is stretched to 0..1 by one near and one far; named as Encode Depth's normalize."""

    IMAGE = "per image"
    BATCH = "whole batch"


@dataclass(frozen=True)
class Settings:
    """How depth is estimated; what is not said changes nothing.

    Attributes:
        resolution: pixels at which the network looks, or its OWN.
        precision: of its arithmetic.
        flip: average with the mirrored image's map.
        tiles: parts along the shorter side that are looked at one by one for their detail; 1 =
            the whole only.
        scope: what shares a near and a far.
        smooth: standard deviation in frames of the average over time; 0 = none.
    """

    resolution: int = OWN
    precision: Precision = Precision.FLOAT32
    flip: bool = False
    tiles: int = 1
    scope: Scope = Scope.IMAGE
    smooth: float = 0.0


Job = tuple[int, Tile | None]  # one look: number of the image, and its part or all of it


def estimate_all(
    network: DepthNetwork,
    images: Tensor,
    settings: Settings,
    device: torch.device | str = "cpu",
    each: Each = iter,
) -> Tensor:
    """Depth float32 `[B, H, W]` in 0..1 of IMAGE `[B, H, W, 3]` in 0..1, one look at a time.

    Memory beside the result: one look; with `tiles` three maps of an image's size; with `scope`
    BATCH or `smooth` all maps at the network's size, which with tiles are the result itself; with
    `smooth` see `clip.steady`.

    Args:
        network: on `device`.
        each: wraps the list of looks, then the frames to smooth and the maps to bring to 0..1; for
            progress and cancelling.

    Raises:
        ValueError: images of another shape, type or range, or impossible settings.
        FloatingPointError: the network's numbers overflowed, as they may at float16.
    """
    for one in images.split(1):
        to_pixels(one)  # refuses what is no image before anything is looked at
    count, size = len(images), images.shape[1:3]
    maps = _disparities(network, images, settings, device, each)
    if settings.scope is Scope.IMAGE and settings.smooth == 0:
        return gather((stretched(one, *size).to(images.device) for one in maps), count)
    disparity = gather((one.to(images.device) for one in maps), count)
    steady(disparity, images.movedim(-1, 1), settings.smooth, each)
    if settings.scope is Scope.BATCH:
        return on_one_scale(disparity, *size, each)
    depth = disparity if disparity.shape[1:] == size else disparity.new_empty(count, *size)
    for index in each(range(count)):
        depth[index] = stretched(disparity[index : index + 1], *size)[0]
    return depth


def _disparities(
    network: DepthNetwork,
    images: Tensor,
    settings: Settings,
    device: torch.device | str,
    each: Each,
) -> Iterator[Tensor]:
    """The images' disparities `[1, h, w]`: at the network's size, or with tiles their own."""
    parts = [] if settings.tiles == 1 else tiles_of(*images.shape[1:3], settings.tiles)
    last = parts[-1] if parts else None
    jobs = [(index, part) for index in range(len(images)) for part in (None, *parts)]
    for index, part in each(jobs):
        if part is None:  # the first look at every image
            pixels = to_pixels(images[index : index + 1])  # BHWC -> BCHW
        seen = pixels if part is None else part.cut(pixels)
        options = settings.resolution, settings.precision, device, settings.flip
        disparity = see(network, seen, *options)
        if not parts:
            yield disparity
            continue
        disparity = _enlarged(disparity.to(pixels.device), *seen.shape[-2:])
        if part is None:
            mosaic = Mosaic(disparity[0])
        else:
            mosaic.add(part, disparity[0])
        if part is last:
            yield _finished(mosaic, len(parts))


def _finished(mosaic: Mosaic, number: int) -> Tensor:
    if mosaic.skipped:
        log.info(
            "%d of %d tiles show no depth that goes with the whole image's; its own stays there.",
            mosaic.skipped,
            number,
        )
    return mosaic.result().unsqueeze(0)  # HW -> 1HW


def _enlarged(disparity: Tensor, height: int, width: int) -> Tensor:
    """Disparity at another size, cubic; a flat map stays exactly flat."""
    low = disparity.amin(dim=(1, 2), keepdim=True)
    span = disparity.amax(dim=(1, 2), keepdim=True) - low
    return low + span * resize(normalize(disparity), height, width)
