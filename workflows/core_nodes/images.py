"""ComfyUI's nodes for images and masks, for the embedded engine.

IMAGE is float32 [B, H, W, 3] in 0..1; MASK [B, H, W] or [H, W], 1 = inside.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from . import v1
from .resample import CROPS, IMAGE_METHODS, resample
from .v1 import IMAGE, MASK, MAX_SIZE, boolean, integer, number

NODES: v1.Nodes = {}
node = partial(v1.node, NODES)

# --- images ------------------------------------------------------------------------------------


@node(
    "ImageScale",
    "Upscale Image",
    {
        "image": IMAGE,
        "upscale_method": (IMAGE_METHODS,),
        "width": integer(512, 0, MAX_SIZE),
        "height": integer(512, 0, MAX_SIZE),
        "crop": (CROPS,),
    },
    ["IMAGE"],
)
def image_scale(image: Tensor, upscale_method: str, width: int, height: int, crop: str) -> Tensor:
    """An image at another size in pixels; a side of 0 follows from the other one."""
    if width == 0 and height == 0:
        return image
    old_height, old_width = image.shape[1:3]
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    return _resized(image, width, height, upscale_method, crop)


@node(
    "ImageScaleBy",
    "Upscale Image By",
    {"image": IMAGE, "upscale_method": (IMAGE_METHODS,), "scale_by": number(1.0, 0.01, 8.0)},
    ["IMAGE"],
)
def image_scale_by(image: Tensor, upscale_method: str, scale_by: float) -> Tensor:
    """An image, larger by a factor."""
    height, width = (round(side * scale_by) for side in image.shape[1:3])
    return _resized(image, width, height, upscale_method)


@node(
    "ImageScaleToTotalPixels",
    "Scale Image to Total Pixels",
    {"image": IMAGE, "upscale_method": (IMAGE_METHODS,), "megapixels": number(1.0, 0.01, 16.0)},
    ["IMAGE"],
    optional={"resolution_steps": integer(1, 1, 256)},
)
def image_scale_to_total_pixels(
    image: Tensor, upscale_method: str, megapixels: float, resolution_steps: int = 1
) -> Tensor:
    """An image of so many times 1024 x 1024 pixels, its sides multiples of a number."""
    height, width = image.shape[1:3]
    factor = math.sqrt(megapixels * 1024 * 1024 / (width * height)) / resolution_steps
    width, height = (round(side * factor) * resolution_steps for side in (width, height))
    return _resized(image, width, height, upscale_method)


def _resized(image: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    return resample(image.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


@node("ImageInvert", "Invert Image Colors", {"image": IMAGE}, ["IMAGE"])
def image_invert(image: Tensor) -> Tensor:
    """The negative."""
    return 1.0 - image


@node("ImageBatch", "Batch Images", {"image1": IMAGE, "image2": IMAGE}, ["IMAGE"])
def image_batch(image1: Tensor, image2: Tensor) -> Tensor:
    """Both in one batch; the second is cut and resized to the first one's size."""
    channels = max(image1.shape[-1], image2.shape[-1])
    image1, image2 = (
        F.pad(image, (0, channels - image.shape[-1]), value=1.0) for image in (image1, image2)
    )
    if image1.shape[1:3] != image2.shape[1:3]:
        height, width = image1.shape[1:3]
        image2 = _resized(image2, width, height, "bilinear", "center")
    return torch.cat((image1, image2))


@node(
    "ImageFromBatch",
    "Get Image from Batch",
    {"image": IMAGE, "batch_index": integer(0, -MAX_SIZE, MAX_SIZE), "length": integer(1, 1, 4096)},
    ["IMAGE"],
)
def image_from_batch(image: Tensor, batch_index: int, length: int) -> Tensor:
    """Some of a batch."""
    return image[batch_slice(image.shape[0], batch_index, length)].clone()


@node(
    "RepeatImageBatch",
    "Repeat Image Batch",
    {"image": IMAGE, "amount": integer(1, 1, 4096)},
    ["IMAGE"],
)
def repeat_image_batch(image: Tensor, amount: int) -> Tensor:
    """The batch several times over."""
    return image.repeat(amount, 1, 1, 1)


@node(
    "ImageCrop",
    "Crop Image",
    {
        "image": IMAGE,
        "width": integer(512, 1, MAX_SIZE),
        "height": integer(512, 1, MAX_SIZE),
        "x": integer(0, 0, MAX_SIZE),
        "y": integer(0, 0, MAX_SIZE),
    },
    ["IMAGE"],
)
def image_crop(image: Tensor, width: int, height: int, x: int, y: int) -> Tensor:
    """A rectangle of the image, smaller where it reaches over the border."""
    x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return image[:, y : y + height, x : x + width]


@node(
    "ImagePadForOutpaint",
    "Pad Image for Outpainting",
    {
        "image": IMAGE,
        **{side: integer(0, 0, MAX_SIZE, 8) for side in ("left", "top", "right", "bottom")},
        "feathering": integer(40, 0, MAX_SIZE),
    },
    ["IMAGE", "MASK"],
)
def image_pad_for_outpaint(
    image: Tensor, left: int, top: int, right: int, bottom: int, feathering: int
) -> tuple[Tensor, Tensor]:
    """A grey border round the image, and the mask of it, fading into the image."""
    height, width = image.shape[1:3]
    padded = F.pad(image, (0, 0, left, right, top, bottom), value=0.5)
    distance = _distance(height, top, bottom)[:, None].minimum(_distance(width, left, right))
    fade = torch.zeros(height, width)
    if feathering > 0 and feathering * 2 < min(height, width):
        fade = (((feathering - distance) / feathering).clamp(min=0) ** 2).float()
    mask = F.pad(fade, (left, right, top, bottom), value=1.0)
    return padded, mask.unsqueeze(0)


def _distance(length: int, before: int, after: int) -> Tensor:
    """[length], pixels to the nearer end at which a border is added; float64 as ComfyUI's."""
    place = torch.arange(length, dtype=torch.float64)
    far = torch.full_like(place, math.inf)
    return (place if before else far).minimum(length - place if after else far)


@node(
    "ImageCompositeMasked",
    "Image Composite Masked",
    {
        "destination": IMAGE,
        "source": IMAGE,
        "x": integer(0, 0, MAX_SIZE),
        "y": integer(0, 0, MAX_SIZE),
        "resize_source": boolean(),
    },
    ["IMAGE"],
    optional={"mask": MASK},
)
def image_composite_masked(
    destination: Tensor,
    source: Tensor,
    x: int,
    y: int,
    resize_source: bool,
    mask: Tensor | None = None,
) -> Tensor:
    """The source laid over the destination at (x, y), where the mask is 1."""
    channels = destination.shape[-1]
    source = F.pad(source, (0, max(0, channels - source.shape[-1])), value=1.0)[..., :channels]
    source = source.movedim(-1, 1)  # BHWC -> BCHW
    height, width = destination.shape[1:3]
    if resize_source:
        source = F.interpolate(source, size=(height, width), mode="bilinear")
    source = to_batch(source, destination.shape[0])
    if mask is None:
        mask = torch.ones_like(source[:, :1])
    mask = F.interpolate(with_channel(mask), size=source.shape[-2:], mode="bilinear")
    mask = to_batch(mask, source.shape[0]).movedim(1, -1)  # B1HW -> BHW1
    x, y = min(x, width), min(y, height)
    source, mask = (part[:, : height - y, : width - x] for part in (source.movedim(1, -1), mask))
    result = destination.clone()
    place = (slice(None), slice(y, y + source.shape[1]), slice(x, x + source.shape[2]))
    result[place] = mask * source + (1.0 - mask) * destination[place]
    return result


@node(
    "EmptyImage",
    "Empty Image",
    {
        "width": integer(512, 1, MAX_SIZE),
        "height": integer(512, 1, MAX_SIZE),
        "batch_size": integer(1, 1, 4096),
        "color": integer(0, 0, 0xFFFFFF),
    },
    ["IMAGE"],
)
def empty_image(width: int, height: int, batch_size: int = 1, color: int = 0) -> Tensor:
    """One colour, 0xRRGGBB."""
    rgb = torch.tensor([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF]) / 255.0
    return rgb.expand(batch_size, height, width, 3).contiguous()


@node(
    "GetImageSize",
    "Get Image Size",
    {"image": IMAGE},
    ["INT", "INT", "INT"],
    names=["width", "height", "batch_size"],
)
def get_image_size(image: Tensor) -> tuple[int, int, int]:
    """Width and height in pixels, and the number of images."""
    batch, height, width = image.shape[:3]
    return width, height, batch


# --- masks ---------------------------------------------------------------------------------------


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
    "CropMask",
    "Crop Mask",
    {
        "mask": MASK,
        "x": integer(0, 0, MAX_SIZE),
        "y": integer(0, 0, MAX_SIZE),
        "width": integer(512, 1, MAX_SIZE),
        "height": integer(512, 1, MAX_SIZE),
    },
    ["MASK"],
)
def crop_mask(mask: Tensor, x: int, y: int, width: int, height: int) -> Tensor:
    """A rectangle of the mask."""
    return with_channel(mask)[:, 0, y : y + height, x : x + width]


@node(
    "GrowMask",
    "Grow Mask",
    {"mask": MASK, "expand": integer(0, -MAX_SIZE, MAX_SIZE), "tapered_corners": boolean(True)},
    ["MASK"],
)
def grow_mask(mask: Tensor, expand: int, tapered_corners: bool = True) -> Tensor:
    """The mask wider (or, below 0, narrower) by so many pixels, with pointed or square corners."""
    sign = -1.0 if expand < 0 else 1.0
    grown = sign * with_channel(mask)
    for _ in range(abs(expand)):
        if tapered_corners:
            rows = F.max_pool2d(grown, (3, 1), stride=1, padding=(1, 0))
            grown = rows.maximum(F.max_pool2d(grown, (1, 3), stride=1, padding=(0, 1)))
        else:
            grown = F.max_pool2d(grown, 3, stride=1, padding=1)
    return (sign * grown)[:, 0]


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
    across = _ramp(width, left) * _ramp(width, right).flip(0)
    down = _ramp(height, top) * _ramp(height, bottom).flip(0)
    return mask * across * down[:, None]


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


def batch_slice(count: int, start: int, length: int) -> slice:
    """A piece of a batch; a negative start counts from the end, both are kept inside."""
    start = min(max(start + count if start < 0 else start, 0), count - 1)
    return slice(start, min(count, start + length))


def to_batch(tensor: Tensor, count: int) -> Tensor:
    """Repeated or cut to `count` along the first axis."""
    repeats = math.ceil(count / tensor.shape[0])
    return tensor.repeat(repeats, *[1] * (tensor.ndim - 1))[:count]
