"""ComfyUI's nodes for masks."""

from collections.abc import Callable
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from .node_class import MAX_SIZE, Image, Mask, Offset, Side, integer, node, number

CHANNELS = ["red", "green", "blue", "alpha"]

_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": torch.mul,
    "add": torch.add,
    "subtract": torch.sub,
    "and": lambda a, b: (a.round().bool() & b.round().bool()).float(),
    "or": lambda a, b: (a.round().bool() | b.round().bool()).float(),
    "xor": lambda a, b: (a.round().bool() ^ b.round().bool()).float(),
}


@node("MaskToImage", "Convert Mask to Image")
def mask_to_image(mask: Mask) -> Image:
    """A grey image, white = inside."""
    return with_channel(mask).movedim(1, -1).expand(-1, -1, -1, 3)


@node("ImageToMask", "Convert Image to Mask")
def image_to_mask(image: Image, channel: Annotated[str, (CHANNELS,)]) -> Mask:
    """One channel of an image. Raises ValueError when the image has no such channel."""
    index = CHANNELS.index(channel)
    if index >= image.shape[-1]:
        raise ValueError(
            f"the image has {image.shape[-1]} channels and no {channel}; choose another channel"
        )
    return image[..., index]


@node("InvertMask", "Invert Mask")
def invert_mask(mask: Mask) -> Mask:
    """Inside becomes outside."""
    return 1.0 - mask


@node("SolidMask", "Create Solid Mask")
def solid_mask(value: Annotated[float, number(1.0, 0.0, 1.0)], width: Side, height: Side) -> Mask:
    """The same value everywhere."""
    return torch.full((1, height, width), value)


@node("GrowMask", "Grow Mask")
def grow_mask(
    mask: Mask,
    expand: Annotated[int, integer(0, -MAX_SIZE, MAX_SIZE)],
    tapered_corners: Annotated[bool, ("BOOLEAN", {"default": True})],
) -> Mask:
    """The mask wider, or below 0 narrower, by some pixels, with pointed or square corners."""
    sign = -1.0 if expand < 0 else 1.0
    grown = sign * with_channel(mask)
    for _ in range(abs(expand)):
        if tapered_corners:
            rows = F.max_pool2d(grown, (3, 1), stride=1, padding=(1, 0))
            grown = rows.maximum(F.max_pool2d(grown, (1, 3), stride=1, padding=(0, 1)))
        else:
            grown = F.max_pool2d(grown, 3, stride=1, padding=1)
    return (sign * grown)[:, 0]


@node("FeatherMask", "Feather Mask")
def feather_mask(mask: Mask, left: Offset, top: Offset, right: Offset, bottom: Offset) -> Mask:
    """The mask fading out towards the image's borders."""
    mask = with_channel(mask)[:, 0]
    height, width = mask.shape[-2:]
    for ramp in (_ramp(width, left), _ramp(width, right).flip(0)):
        mask = mask * ramp
    for ramp in (_ramp(height, top), _ramp(height, bottom).flip(0)):
        mask = mask * ramp[:, None]
    return mask


def _ramp(length: int, rise: int) -> Tensor:
    """[length], rising to 1 over the first `rise` places."""
    rise = min(rise, length)
    return ((torch.arange(length) + 1.0) / max(rise, 1)).clamp(max=1.0)


@node("ThresholdMask", "Threshold Mask")
def threshold_mask(mask: Mask, value: Annotated[float, number(0.5, 0.0, 1.0)]) -> Mask:
    """1 above the value, else 0."""
    return (mask > value).float()


@node("MaskComposite", "Combine Masks")
def mask_composite(
    destination: Mask,
    source: Mask,
    x: Offset,
    y: Offset,
    operation: Annotated[str, (list(_OPERATIONS),)],
) -> Mask:
    """Two masks combined, the source's corner at (x, y)."""
    result = with_channel(destination)[:, 0].clone()
    place = result[:, y : y + source.shape[-2], x : x + source.shape[-1]]
    source = with_channel(source)[:, 0, : place.shape[-2], : place.shape[-1]]
    place[...] = _OPERATIONS[operation](place, source)
    return result.clamp(0.0, 1.0)


def with_channel(mask: Tensor) -> Tensor:
    """[H, W], [B, H, W] or [B, 1, H, W] -> [B, 1, H, W]."""
    return mask.reshape(-1, 1, *mask.shape[-2:])
