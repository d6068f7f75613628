"""Depth of a batch of images with any network: in tiles, mirrored, smoothed over time."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ..images.batch import gather
from ..images.counts import how_many
from ..images.crop import Box, check_image
from .convention import extent, normalize, resize
from .networks.network import OWN, DepthNetwork
from .tiles import Mosaic, tiles_of
from .video import Each, on_one_scale, smooth_over_time

log = logging.getLogger(__name__)

# An earlier cubic resize may have left 0..1 a little, as MiDaS's own does. Further out lies another
# scale, such as 0..255.
TOLERANCE = 0.5


class Precision(Enum):
    """The type of the network's arithmetic; weights, input and result are float32 in any case."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Scope(str, Enum):
    """What is stretched to 0..1 by one near and one far; named as in `sampling.depth_channel`."""

    IMAGE = "per image"
    BATCH = "whole batch"


@dataclass(frozen=True)
class Settings:
    """How depth is estimated; the defaults change nothing."""

    resolution: int = OWN  # of the network's input, in pixels to a side
    precision: Precision = Precision.FLOAT32
    flip: bool = False  # average with the mirrored image's map
    tiles: int = 1  # along the shorter side, each a pass of its own for detail; 1 = none
    scope: Scope = Scope.IMAGE
    smooth: float = 0.0  # standard deviation of the average over time, in frames; 0 = none


def estimate(
    network: DepthNetwork,
    images: Tensor,
    settings: Settings = Settings(),
    device: torch.device | str = "cpu",
    each: Each = iter,
) -> Tensor:
    """Depth float32 `[B, H, W]` in 0..1 of IMAGE `[B, H, W, 3]` in 0..1, where the images are.

    The network's disparity is resized to the image bicubically. A map without any depth is 0
    everywhere; a warning says so.

    Memory beside the result: one pass; with `tiles` three maps of an image's size; with `scope`
    BATCH or `smooth` all maps at the network's size, which with tiles are the result itself; with
    `smooth` see `smooth_over_time`.

    The network is on `device`. For progress and cancelling, `each` wraps the list of passes, then
    the frames to smooth and the maps to bring to 0..1. Raises FloatingPointError when the network's
    numbers overflow, as they may at float16.
    """
    for one in images.split(1) if images.ndim == 4 else (images,):
        _to_pixels(one)  # refuses what is no image before the first pass
    count, (height, width) = len(images), images.shape[1:3]
    maps = _disparities(network, images, settings, device, each)
    if settings.scope is Scope.IMAGE and settings.smooth == 0:
        return gather((_stretched(one, height, width).to(images.device) for one in maps), count)
    disparity = gather((one.to(images.device) for one in maps), count)
    smooth_over_time(disparity, images.movedim(-1, 1), settings.smooth, each)
    if settings.scope is Scope.BATCH:
        return on_one_scale(disparity, height, width, each)
    at_size = disparity.shape[1:] == (height, width)
    depth = disparity if at_size else disparity.new_empty(count, height, width)
    for index in each(range(count)):
        depth[index] = _stretched(disparity[index : index + 1], height, width)[0]
    return depth


def _disparities(
    network: DepthNetwork,
    images: Tensor,
    settings: Settings,
    device: torch.device | str,
    each: Each,
) -> Iterator[Tensor]:
    """The images' disparities `[1, h, w]`: at the network's size, or with tiles their own."""
    height, width = images.shape[1:3]
    tiles = [] if settings.tiles == 1 else tiles_of(height, width, settings.tiles)
    passes: list[tuple[int, Box | None]] = [  # each image as a whole, then its tiles
        (index, tile) for index in range(len(images)) for tile in (None, *tiles)
    ]
    for index, tile in each(passes):
        image = images[index : index + 1]
        part = image if tile is None else tile.of(image)
        disparity = _disparity(network, _to_pixels(part), settings, device)
        if not tiles:
            yield disparity
            continue
        disparity = _enlarged(disparity.to(image.device), *part.shape[1:3])
        if tile is None:
            mosaic = Mosaic(disparity)
            continue
        mosaic.add(tile, disparity)
        if tile is tiles[-1]:
            if mosaic.skipped:
                log.info(
                    "%s without depth that agrees with the whole image's, which stays there",
                    how_many(mosaic.skipped, len(tiles), "tile"),
                )
            yield mosaic.result()


@torch.no_grad()
def _disparity(
    network: DepthNetwork, pixels: Tensor, settings: Settings, device: torch.device | str
) -> Tensor:
    """Disparity `[B, h, w]` of RGB `[B, 3, H, W]` as the network gives it, on `device`, float32."""
    inputs = network.prepare(pixels.to(device), settings.resolution)
    with _arithmetic(settings.precision, inputs.device):
        disparity = network(inputs).float()
        if settings.flip:
            mirrored = network(inputs.flip(-1)).float().flip(-1)
            disparity = (disparity + mirrored) / 2
    _check_result(disparity, settings.precision)
    return network.trim(disparity, *pixels.shape[-2:])


def _to_pixels(image: Tensor) -> Tensor:
    """IMAGE `[B, H, W, 3]` to float32 `[B, 3, H, W]`; ValueError for values far from 0..1."""
    pixels = check_image(image).movedim(-1, 1)  # BHWC -> BCHW
    low, high = (value.item() for value in pixels.aminmax())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ValueError(f"the image's values run from {low:g} to {high:g}; expected 0 to 1")
    return pixels


def _arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    # Not every device knows autocast, so plain float32 goes without.
    if precision is Precision.FLOAT32:
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision.value))


def _check_result(disparity: Tensor, precision: Precision) -> None:
    bad = int((~disparity.isfinite()).sum())
    if bad:
        raise FloatingPointError(
            f"the depth network's result: {how_many(bad, disparity.numel(), 'value')} NaN or "
            f"infinite at precision {precision.value}; choose float32, and if it is, the weights "
            "are damaged"
        )
    far, near = extent(disparity)
    flat = int((far == near).sum())
    if flat:
        log.warning(
            "%s black: the network found no depth at all there",
            how_many(flat, len(disparity), "depth map"),
        )


def _stretched(disparity: Tensor, height: int, width: int) -> Tensor:
    """Disparity `[B, h, w]` of any scale to depth `[B, height, width]`, every map 0..1."""
    # Normalised first, although resizing leaves its range again: a flat map would come out of the
    # resize with rounding errors, and these would then be stretched to look like depth.
    return normalize(resize(normalize(disparity), height, width))


def _enlarged(disparity: Tensor, height: int, width: int) -> Tensor:
    """Disparity at another size, bicubic; a flat map stays exactly flat."""
    far, near = extent(disparity)
    return far + (near - far) * resize(normalize(disparity), height, width)
