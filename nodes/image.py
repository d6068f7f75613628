"""Nodes that bring images to the model's size, and results back into the images.

A SD2DEPTH_STITCH is a `images.crop.Stitch`: the image as it was, and which part of it was
worked on.
"""

import logging
from typing import Any

from torch import Tensor

from ..depth.convention import from_image, repair, to_image
from ..depth.fit import DepthRange, crop_depth
from ..images.crop import (
    Fit,
    Stitch,
    check_image,
    crop,
    cut,
    frame_box,
    mask_box,
)
from ..images.masks import fit_images, resize_mask

log = logging.getLogger(__name__)

OUTPUTS = ("IMAGE", "MASK", "IMAGE", "SD2DEPTH_STITCH")
OUTPUT_NAMES = ("image", "mask", "depth", "stitch")


def _size_input() -> tuple[str, dict[str, Any]]:
    return (
        "INT",
        {
            "default": 512,
            "min": 64,
            "max": 4096,
            "step": 64,
            "tooltip": "Short side of the result in pixels: 512 for 512-depth-ema, 256 for the "
            "miniature. The long side is a multiple of 64, at most twice as long.",
        },
    )


class SD2DepthPrepare:
    """Prepare Image: any photo -> the model's size, mask and depth map alike."""

    DISPLAY_NAME = "Prepare Image"
    CATEGORY = "SD2 Depth/image"
    DESCRIPTION = (
        "Brings a photo to the size that the model works best at: short side 512, both sides "
        "multiples of 64. Mask and depth map go the same way, and Stitch brings the result back "
        "to the photo's own frame."
    )
    SEARCH_ALIASES = ["resize", "512", "multiple of 64", "fit image", "crop to size"]
    FUNCTION = "execute"
    RETURN_TYPES = OUTPUTS
    RETURN_NAMES = OUTPUT_NAMES
    OUTPUT_TOOLTIPS = (
        "The image at the model's size.",
        "The mask in the same way; all white without one.",
        "The depth map in the same way; nothing without one. For a map of the result, estimate it "
        "on the image output.",
        "The way back, for Stitch.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "A photo or a batch of them, any size."}),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {"tooltip": "Of the photo's shape: what is to be repainted. Without it, all."},
                ),
                "depth": (
                    "IMAGE",
                    {"tooltip": "A depth map of the whole photo, of any size with its shape."},
                ),
                "size": _size_input(),
                "fit": (
                    [fit.value for fit in Fit],
                    {
                        "default": Fit.CROP.value,
                        "tooltip": "crop: cuts off what does not fit, at both ends alike. pad: "
                        "keeps all of the photo and continues its edges. stretch: keeps all of it, "
                        "a little out of shape.",
                    },
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
        """The same box for all three."""
        image = check_image(image)
        box, *work = frame_box(*image.shape[1:3], size, Fit(fit))
        whole = image.new_ones(image.shape[:3]) if mask is None else fit_images(mask, image)
        cropped, stitch = crop(image, whole, box, *work)
        if depth is not None:
            depth = to_image(crop_depth(repair(from_image(depth)), image, box, *work))
        if whole.any() and not stitch.mask.any():
            log.warning("Prepare Image: the whole mask lies in what is cut off; use fit = pad")
        return cropped, resize_mask(cut(whole, box), *work), depth, stitch


class SD2DepthCrop:
    """Crop for Inpainting: the masked part of image, mask and depth map at the model's size."""

    DISPLAY_NAME = "Crop for Inpainting"
    CATEGORY = "SD2 Depth/inpainting"
    DESCRIPTION = (
        "Cuts the masked part out of a large image with some of its surroundings and brings it "
        "to the model's size, so that inpainting is sharp and costs no more than one image. "
        "Mask and depth map are cut by the same box. Stitch puts the result back."
    )
    SEARCH_ALIASES = ["inpaint crop", "only masked", "masked region", "inpaint at full resolution"]
    FUNCTION = "execute"
    RETURN_TYPES = OUTPUTS
    RETURN_NAMES = OUTPUT_NAMES
    OUTPUT_TOOLTIPS = (
        "The part of the image, at the model's size.",
        "The mask in the same way, for Encode for Inpainting.",
        "The depth map in the same way, for Encode Depth.",
        "The way back, for Stitch.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The whole image, or a batch."}),
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Of the image's shape: what is to be repainted. The box goes "
                        "around everything that is not black, in any mask of a batch."
                    },
                ),
                "depth": (
                    "IMAGE",
                    {
                        "tooltip": "Depth map of the whole image, estimated before anything is "
                        "filled; of any size with the image's shape."
                    },
                ),
            },
            "optional": {
                "size": _size_input(),
                "padding": (
                    "INT",
                    {
                        "default": 48,
                        "min": 0,
                        "max": 4096,
                        "tooltip": "Pixels of the image around the mask that the model sees too. "
                        "More fits the new part in better, but leaves fewer pixels for it.",
                    },
                ),
                "depth_range": (
                    [DepthRange.CROP.value, DepthRange.WHOLE.value],
                    {
                        "default": DepthRange.CROP.value,
                        "tooltip": "crop: the part's nearest point is white and its farthest "
                        "black, as the model was trained. whole map: the part keeps its place in "
                        "the depth of the whole image; set normalize of Encode Depth to none "
                        "then, or it stretches the map again.",
                    },
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
        """One box for all three."""
        image = check_image(image)
        whole = fit_images(mask, image)
        box, *work = mask_box(whole, padding, size)
        cropped, stitch = crop(image, whole, box, *work)
        maps = repair(from_image(depth))
        part = to_image(crop_depth(maps, image, box, *work, DepthRange(depth_range)))
        return cropped, resize_mask(cut(whole, box), *work), part, stitch


class SD2DepthStitch:
    """Stitch: a repainted part -> back into the whole image."""

    DISPLAY_NAME = "Stitch"
    CATEGORY = "SD2 Depth/inpainting"
    DESCRIPTION = (
        "Puts a repainted part back where Crop for Inpainting or Prepare Image took it from. "
        "Every pixel outside of the mask is the source's, bit for bit."
    )
    SEARCH_ALIASES = ["paste back", "inpaint stitch", "uncrop", "composite"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("The whole image, of the source's size, with the part repainted.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "stitch": (
                    "SD2DEPTH_STITCH",
                    {"tooltip": "From Crop for Inpainting or Prepare Image."},
                ),
                "image": (
                    "IMAGE",
                    {
                        "tooltip": "The repainted part, or several of them: as large as it was "
                        "cut out, or enlarged by a second pass."
                    },
                ),
            },
            "optional": {
                "feather": (
                    "INT",
                    {
                        "default": 8,
                        "min": 0,
                        "max": 512,
                        "tooltip": "Pixels inside the mask's border over which the old image "
                        "gives way to the new one; 0 is a hard seam. Fewer where the mask is "
                        "narrow.",
                    },
                ),
            },
        }

    def execute(self, stitch: Stitch, image: Tensor, feather: int = 8) -> tuple[Tensor]:
        """Nothing but the seam is decided here."""
        return (stitch.paste(image, feather),)
