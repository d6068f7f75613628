"""ComfyUI's nodes for masks. MASK is float32 [B, H, W] or [H, W], 1 = inside."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from . import node_class
from .node_class import IMAGE, MASK, MAX_SIZE, Nodes, integer, number

NODES: Nodes = {}
node = partial(node_class.node, NODES)


@node("MaskToImage", "Convert Mask to Image", {"mask": MASK}, ["IMAGE"])
def mask_to_image(mask: Tensor) -> Tensor:
    """A grey image, white = inside."""
    return with_channel(mask).movedim(1, -1).expand(-1, -1, -1, 3)


@node(
    "ImageToMask",
    "Convert Image to Mask",
    {"image": IMAGE, "channel": (["red", "green", "blue", "alpha"],)},
    ["MASK"],
)
def image_to_mask(image: Tensor, channel: str) -> Tensor:
    """One channel of an image. Raises ValueError when the image has no such channel."""
    index = ["red", "green", "blue", "alpha"].index(channel)
    if index >= image.shape[-1]:
        raise ValueError(
            f"the image has {image.shape[-1]} channels and no {channel}; choose another channel"
        )
    return image[..., index]


@node("InvertMask", "Invert Mask", {"mask": MASK}, ["MASK"])
def invert_mask(mask: Tensor) -> Tensor:
    """Inside becomes outside."""
    return 1.0 - mask


@node(
    "SolidMask",
    "Create Solid Mask",
    {
        "value": number(1.0, 0.0, 1.0),
        "width": integer(512, 1, MAX_SIZE),
        "height": integer(512, 1, MAX_SIZE),
    },
    ["MASK"],
)
def solid_mask(value: float, width: int, height: int) -> Tensor:
    """The same value everywhere."""
    return torch.full((1, height, width), value)


@node(
    "FeatherMask",
    "Feather Mask",
    {
        "mask": MASK,
        **{side: integer(0, 0, MAX_SIZE) for side in ("left", "top", "right", "bottom")},
    },
    ["MASK"],
)
def feather_mask(mask: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
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


@node(
    "ThresholdMask",
    "Threshold Mask",
    {"mask": MASK, "value": number(0.5, 0.0, 1.0)},
    ["MASK"],
)
def threshold_mask(mask: Tensor, value: float) -> Tensor:
    """1 above the value, else 0."""
    return (mask > value).float()


_MASK_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": torch.mul,
    "add": torch.add,
    "subtract": torch.sub,
    "and": lambda a, b: (a.round().bool() & b.round().bool()).float(),
    "or": lambda a, b: (a.round().bool() | b.round().bool()).float(),
    "xor": lambda a, b: (a.round().bool() ^ b.round().bool()).float(),
}


@node(
    "MaskComposite",
    "Combine Masks",
    {
        "destination": MASK,
        "source": MASK,
        "x": integer(0, 0, MAX_SIZE),
        "y": integer(0, 0, MAX_SIZE),
        "operation": (list(_MASK_OPERATIONS),),
    },
    ["MASK"],
)
def mask_composite(destination: Tensor, source: Tensor, x: int, y: int, operation: str) -> Tensor:
    """Two masks combined, the source's corner at (x, y)."""
    result = with_channel(destination)[:, 0].clone()
    place = result[:, y : y + source.shape[-2], x : x + source.shape[-1]]
    source = with_channel(source)[:, 0, : place.shape[-2], : place.shape[-1]]
    place[...] = _MASK_OPERATIONS[operation](place, source)
    return result.clamp(0.0, 1.0)


def with_channel(mask: Tensor) -> Tensor:
    """[H, W], [B, H, W] or [B, 1, H, W] -> [B, 1, H, W]."""
    return mask.reshape(-1, 1, *mask.shape[-2:])
