"""Nodes that cut images to the model's size and put results back."""

import logging
from typing import Any

from torch import Tensor

from ..depth.convention import from_image, repair, to_image
from ..depth.fit import DepthRange, crop_depth
from ..images.crop import Box, Fit, Stitch, check_image, crop, cut, frame_box, mask_box
from ..images.masks import fit_images, resize_mask
from . import inputs
from .node import Node

log = logging.getLogger(__name__)


class SD2DepthPrepare(Node):
    DISPLAY_NAME = "Prepare Image"
    CATEGORY = "SD2 Depth/image"
    DESCRIPTION = (
        "Brings a photo to the size that the model works best at: short side 512, both sides "
        "multiples of 64. Mask and depth map go the same way, and Stitch brings the result back "
        "to the photo's own frame."
    )
    SEARCH_ALIASES = ["resize", "512", "multiple of 64", "fit image", "crop to size"]
    RETURN_TYPES = ("IMAGE", "MASK", "IMAGE", "SD2DEPTH_STITCH")
    RETURN_NAMES = ("image", "mask", "depth", "stitch")
    OUTPUT_TOOLTIPS = (
        "The image at the model's size.",
        "The mask in the same way; all white without one.",
        "The depth map in the same way; nothing without one. For a map of the result, estimate it "
        "on the image output.",
        "The way back, for Stitch.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"image": inputs.IMAGE.tooltip("A photo or a batch of them, any size.")},
            "optional": {
                "mask": inputs.MASK.tooltip(
                    "Of the photo's shape: what is to be repainted. Without it, all."
                ),
                "depth": inputs.IMAGE.tooltip(
                    "A depth map of the whole photo, of any size with its shape."
                ),
                "size": inputs.size(),
                "fit": inputs.choice(Fit.CROP).tooltip(
                    "crop: cuts off what does not fit, at both ends alike. pad: keeps all of the "
                    "photo and continues its edges. stretch: keeps all of it, a little out of "
                    "shape."
                ),
            },
        }

    def execute(
        self,
        image: Tensor,
        mask: Tensor | None = None,
        depth: Tensor | None = None,
        size: int = 512,
        fit: str = Fit.CROP.value,
    ) -> tuple[Tensor, Tensor, Tensor | None, Stitch]:
        image = check_image(image)
        _, rows, columns, _ = image.shape
        return framed(image, mask, depth, *frame_box(rows, columns, size, Fit(fit)))


def framed(
    image: Tensor, mask: Tensor | None, depth: Tensor | None, box: Box, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor | None, Stitch]:
    """Image, mask and depth map cut by a box, at a working size, and the way back."""
    whole = image.new_ones(image.shape[:3]) if mask is None else fit_images(mask, image)
    cropped, stitch = crop(image, whole, box, height, width)
    if depth is not None:
        depth = to_image(crop_depth(repair(from_image(depth)), image, box, height, width))
    if whole.any() and not stitch.mask.any():
        log.warning("the whole mask lies in what is cut off; choose pad for fit")
    return cropped, resize_mask(cut(whole, box), height, width), depth, stitch


class SD2DepthCrop(Node):
    DISPLAY_NAME = "Crop for Inpainting"
    CATEGORY = "SD2 Depth/inpainting"
    DESCRIPTION = (
        "Cuts the masked part out of a large image with some of its surroundings and brings it "
        "to the model's size, so that inpainting is sharp and costs no more than one image. "
        "Mask and depth map are cut by the same box. Stitch puts the result back."
    )
    SEARCH_ALIASES = ["inpaint crop", "only masked", "masked region", "inpaint at full resolution"]
    RETURN_TYPES = SD2DepthPrepare.RETURN_TYPES
    RETURN_NAMES = SD2DepthPrepare.RETURN_NAMES
    OUTPUT_TOOLTIPS = (
        "The part of the image, at the model's size.",
        "The mask in the same way, for Encode for Inpainting.",
        "The depth map in the same way, for Depth Encode.",
        "The way back, for Stitch.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": inputs.IMAGE.tooltip("The whole image, or a batch."),
                "mask": inputs.MASK.tooltip(
                    "Of the image's shape: what is to be repainted. The box goes around everything "
                    "that is not black, in any mask of a batch."
                ),
                "depth": inputs.IMAGE.tooltip(
                    "Depth map of the whole image, estimated before anything is filled; of any "
                    "size with the image's shape."
                ),
            },
            "optional": {
                "size": inputs.size(),
                "padding": inputs.pixels(48, most=4096).tooltip(
                    "Pixels of the image around the mask that the model sees too. More fits the "
                    "new part in better, but leaves fewer pixels for it."
                ),
                "depth_range": inputs.one_of(
                    [DepthRange.CROP.value, DepthRange.WHOLE.value], default=DepthRange.CROP.value
                ).tooltip(
                    "crop: the part's nearest point is white and its farthest black, as the model "
                    "was trained. whole map: the part keeps its place in the depth of the whole "
                    "image; set normalize of Depth Encode to none then, or it stretches the map "
                    "again."
                ),
            },
        }

    def execute(
        self,
        image: Tensor,
        mask: Tensor,
        depth: Tensor,
        size: int = 512,
        padding: int = 48,
        depth_range: str = DepthRange.CROP.value,
    ) -> tuple[Tensor, Tensor, Tensor, Stitch]:
        image = check_image(image)
        whole = fit_images(mask, image)
        box, height, width = mask_box(whole, padding, size)
        cropped, stitch = crop(image, whole, box, height, width)
        maps, kind = repair(from_image(depth)), DepthRange(depth_range)
        part = to_image(crop_depth(maps, image, box, height, width, kind))
        return cropped, resize_mask(cut(whole, box), height, width), part, stitch


class SD2DepthStitch(Node):
    DISPLAY_NAME = "Stitch"
    CATEGORY = "SD2 Depth/inpainting"
    DESCRIPTION = (
        "Puts a repainted part back where Crop for Inpainting or Prepare Image took it from. "
        "Every pixel outside of the mask is the source's, bit for bit."
    )
    SEARCH_ALIASES = ["paste back", "inpaint stitch", "uncrop", "composite"]
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("The whole image, of the source's size, with the part repainted.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "stitch": inputs.STITCH.tooltip("From Crop for Inpainting or Prepare Image."),
                "image": inputs.IMAGE.tooltip(
                    "The repainted part, or several of them: as large as it was cut out, or "
                    "enlarged by a second pass."
                ),
            },
            "optional": {
                "feather": inputs.pixels(8).tooltip(
                    "Pixels inside the mask's border over which the old image gives way to the new "
                    "one; 0 is a hard seam. Fewer where the mask is narrow."
                )
            },
        }

    def execute(self, stitch: Stitch, image: Tensor, feather: int = 8) -> tuple[Tensor]:
        return (stitch.paste(image, feather),)
