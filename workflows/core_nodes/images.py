"""ComfyUI's nodes for images."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from ...images.resample import CROPS, IMAGE_METHODS, resample
from ...sampling.latents import to_batch
from .masks import with_channel
from .node_class import MAX_SIZE, BatchSize, Image, Offset, Side, integer, node, number

Method = Annotated[str, (IMAGE_METHODS,)]
AnySide = Annotated[int, integer(512, 0, MAX_SIZE)]
Whole = Annotated[int, ("INT",)]


@node("ImageScale", "Upscale Image")
def image_scale(
    image: Image,
    upscale_method: Method,
    width: AnySide,
    height: AnySide,
    crop: Annotated[str, (CROPS,)],
) -> Image:
    """An image at another size in pixels; a side of 0 follows from the other one."""
    if width == 0 and height == 0:
        return image
    old_height, old_width = image.shape[1:3]
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    return _resized(image, width, height, upscale_method, crop)


@node("ImageScaleBy", "Upscale Image By")
def image_scale_by(
    image: Image, upscale_method: Method, scale_by: Annotated[float, number(1.0, 0.01, 8.0)]
) -> Image:
    """An image, larger by a factor."""
    height, width = (round(side * scale_by) for side in image.shape[1:3])
    return _resized(image, width, height, upscale_method, "disabled")


def _resized(image: Tensor, width: int, height: int, method: str, crop: str) -> Tensor:
    return resample(image.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


@node("ImageInvert", "Invert Image Colors")
def image_invert(image: Image) -> Image:
    """The negative."""
    return 1.0 - image


@node("ImageBatch", "Batch Images")
def image_batch(image1: Image, image2: Image) -> Image:
    """Both in one batch; the second is cut and resized to the first one's size."""
    channels = max(image1.shape[-1], image2.shape[-1])
    image1, image2 = (
        F.pad(image, (0, channels - image.shape[-1]), value=1.0) for image in (image1, image2)
    )
    if image1.shape[1:3] != image2.shape[1:3]:
        height, width = image1.shape[1:3]
        image2 = _resized(image2, width, height, "bilinear", "center")
    return torch.cat((image1, image2))


@node("ImageFromBatch", "ImageFromBatch")
def image_from_batch(
    image: Image,
    batch_index: Annotated[int, integer(0, 0, 4095)],
    length: Annotated[int, integer(1, 1, 4096)],
) -> Image:
    """Some images of a batch, as many as there are from an index on; beyond the last, the last."""
    start = min(image.shape[0] - 1, batch_index)
    return image[start : start + length].clone()


@node("ImageCompositeMasked", "Image Composite Masked")
def image_composite_masked(
    destination: Image,
    source: Image,
    x: Offset,
    y: Offset,
    resize_source: Annotated[bool, ("BOOLEAN", {"default": False})],
    mask: Annotated[Tensor | None, ("MASK",)] = None,
) -> Image:
    """The source laid over the destination at (x, y), where the mask is 1."""
    channels = destination.shape[-1]
    source = F.pad(source, (0, max(0, channels - source.shape[-1])), value=1.0)[..., :channels]
    source = source.movedim(-1, 1)  # BHWC -> BCHW
    height, width = destination.shape[1:3]
    if resize_source:
        source = F.interpolate(source, size=(height, width), mode="bilinear")
    source = to_batch(source, destination.shape[0])
    if mask is None:
        mask = torch.ones_like(source[:, 0])
    mask = F.interpolate(with_channel(mask), size=source.shape[-2:], mode="bilinear")
    mask = to_batch(mask, source.shape[0]).movedim(1, -1)  # B1HW -> BHW1
    x, y = min(x, width), min(y, height)
    source, mask = (part[:, : height - y, : width - x] for part in (source.movedim(1, -1), mask))
    result = destination.clone()
    place = result[:, y : y + source.shape[1], x : x + source.shape[2]]
    place[...] = mask * source + (1.0 - mask) * place
    return result


@node("EmptyImage", "Empty Image")
def empty_image(
    width: Side,
    height: Side,
    batch_size: BatchSize,
    color: Annotated[int, integer(0, 0, 0xFFFFFF)],
) -> Image:
    """One colour, 0xRRGGBB."""
    rgb = torch.tensor([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF]) / 255.0
    return rgb.expand(batch_size, height, width, 3).contiguous()


@node("GetImageSize", "Get Image Size", "width", "height", "batch_size")
def get_image_size(image: Image) -> tuple[Whole, Whole, Whole]:
    """Width and height in pixels, and the number of images."""
    batch, height, width = image.shape[:3]
    return width, height, batch
