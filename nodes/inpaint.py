"""Nodes for inpainting: the masked latent, the depth under a mask, a strength for every depth."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..depth.convention import from_image, repair, to_image
from ..depth.masks import UnderMask, put_under_mask, strength_map
from ..images.crop import check_image
from ..images.fill import fill_holes
from ..images.masks import fit_images, spread
from ..sampling.latents import LATENT_PIXELS, Latent, MaskedContent, masked_content
from . import inputs
from .node import DepthMapNode, Node, one_by_one


class SD2DepthInpaintEncode(Node):
    DISPLAY_NAME = "Encode for Inpainting"
    CATEGORY = "SD2 Depth/inpainting"
    DESCRIPTION = (
        "Encodes an image and gives the latent a noise mask. Grey in the mask means less change: "
        "0.4 is a denoising strength of 0.4 in that place. Estimate the depth on this image as "
        "it is, before anything is filled. Stitch brings every pixel outside of the mask back."
    )
    SEARCH_ALIASES = ["inpaint", "masked content", "vae encode for inpainting", "noise mask"]
    RETURN_TYPES = ("LATENT",)
    RETURN_NAMES = ("latent",)
    OUTPUT_TOOLTIPS = ("The image's latent with its noise mask, for Depth2Img Sampler.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": inputs.IMAGE.tooltip(
                    "The image; sides are multiples of 8 pixels, best from Prepare Image or Crop "
                    "for Inpainting."
                ),
                "mask": inputs.MASK.tooltip(
                    "Of the image's size. White is repainted, black stays, grey is repainted that "
                    "much."
                ),
                "vae": inputs.VAE.tooltip("From Depth Checkpoint Loader."),
            },
            "optional": {
                "content": inputs.choice(MaskedContent.ORIGINAL).tooltip(
                    "What the sampler finds under the mask below denoise 1.0 (at 1.0 it starts "
                    "from noise in any case). original: the image. fill: colours that run in from "
                    "the border, to remove something. noise, empty: nothing of the image."
                ),
                "grow": inputs.pixels(8).tooltip(
                    "Pixels by which the mask is widened, lighter parts over darker ones, so that "
                    "the new part joins its surroundings. Stitch still restores all outside of the "
                    "mask. 0 for a Strength Map."
                ),
                "feather": inputs.pixels(0).tooltip(
                    "Pixels over which the mask fades out beyond that: there the image is changed "
                    "less and less."
                ),
                "noise_seed": inputs.seed(advanced=True).tooltip(
                    "With content = noise: the number that the noise is drawn from."
                ),
            },
        }

    def execute(
        self,
        image: Tensor,
        mask: Tensor,
        vae: Any,
        content: str = MaskedContent.ORIGINAL.value,
        grow: int = 8,
        feather: int = 0,
        noise_seed: int = 0,
    ) -> tuple[Latent]:
        image = check_image(image)
        _check_size(image)
        widen = partial(spread, grow=grow, feather=feather)
        wide = one_by_one(self.DISPLAY_NAME, widen, mask=fit_images(mask, image))
        kind = MaskedContent(content)
        if kind is MaskedContent.FILL:
            image = one_by_one(self.DISPLAY_NAME, _filled, image=image, mask=wide)
        # At the latent's size, where even a mask of one pixel still counts; Stitch restores the
        # rest of that latent pixel.
        noise_mask = F.max_pool2d(wide.unsqueeze(1), LATENT_PIXELS)  # BHW -> B1hw
        samples = masked_content(vae.encode(image), noise_mask, kind, noise_seed)
        return ({"samples": samples, "noise_mask": noise_mask},)


def _check_size(image: Tensor) -> None:
    height, width = image.shape[1:3]
    if height % LATENT_PIXELS or width % LATENT_PIXELS:
        raise ValueError(
            f"the image has {width} x {height} pixels; the latent needs multiples of "
            f"{LATENT_PIXELS}, or mask and image would no longer match. Put Prepare Image or "
            "Crop for Inpainting before this node"
        )


def _filled(image: Tensor, mask: Tensor) -> Tensor:
    """The border's colours under the mask, `[B, H, W, C]`; where it is grey, a mixture."""
    filled = fill_holes(image.movedim(-1, 1), (mask == 0).unsqueeze(1)).movedim(1, -1)
    return torch.lerp(image, filled, mask.unsqueeze(-1))


class SD2DepthUnderMask(DepthMapNode):
    DISPLAY_NAME = "Edit Depth Under Mask"
    CATEGORY = "SD2 Depth/inpainting"
    DESCRIPTION = (
        "Decides what shape the repainted part will have. keep: that of the image, to change "
        "only its looks. smooth fill: the surroundings go on, to remove an object. other map: "
        "the shape of another depth map, to insert an object."
    )
    SEARCH_ALIASES = ["inpaint depth", "remove object", "insert object", "depth fill"]
    OUTPUT_TOOLTIPS = ("The depth map, unchanged outside of the mask, for Depth Encode.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "depth": inputs.IMAGE.tooltip(
                    "Depth map of the image as it is: white = near, black = far."
                ),
                "mask": inputs.MASK.tooltip("Of the map's size: where the image is repainted."),
            },
            "optional": {
                "under_mask": inputs.choice(UnderMask.KEEP).tooltip(
                    "keep: the image's own depth. smooth fill: the depth of the mask's border runs "
                    "in, the object is gone. other map: the depth of the input `other`."
                ),
                "other": inputs.IMAGE.tooltip(
                    "With other map: the depth to put under the mask, same size."
                ),
                "grow": inputs.pixels(8).tooltip(
                    "Pixels by which the mask is widened, so that the removed object's rim is gone "
                    "too. Not used with keep."
                ),
            },
        }

    def execute(
        self,
        depth: Tensor,
        mask: Tensor,
        under_mask: str = UnderMask.KEEP.value,
        other: Tensor | None = None,
        grow: int = 8,
    ) -> tuple[Tensor]:
        kind = UnderMask(under_mask)

        def edit(depth: Tensor, mask: Tensor, other: Tensor | None) -> Tensor:
            wide = mask if kind is UnderMask.KEEP else spread(mask, grow)
            return to_image(put_under_mask(depth, wide, kind, other))

        maps, mask = repair(from_image(depth)), fit_images(mask, depth)
        if other is not None:
            other = repair(from_image(other)) if kind is UnderMask.OTHER_MAP else None
        return (one_by_one(self.DISPLAY_NAME, edit, depth=maps, mask=mask, other=other),)


class SD2DepthStrengthMap(Node):
    DISPLAY_NAME = "Strength Map"
    CATEGORY = "SD2 Depth/inpainting"
    DESCRIPTION = (
        "Gives near and far parts of an image a denoising strength of their own, as a mask for "
        "Encode for Inpainting: e.g. 0.4 for the subject, 1.0 for the background. With 1 and 0 it "
        "is a mask of the subject, with 0 and 1 one of the background, e.g. for prompts of their "
        "own."
    )
    SEARCH_ALIASES = ["differential diffusion", "depth mask", "subject mask", "background mask"]
    RETURN_TYPES = ("MASK",)
    RETURN_NAMES = ("mask",)
    OUTPUT_TOOLTIPS = ("A mask of the depth map's size whose values are strengths, 0..1.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        def strength(default: float, what: str) -> inputs.Input:
            tooltip = f"Denoising strength of what is {what}; times the sampler's denoise."
            return inputs.fraction(default).tooltip(tooltip)

        return {
            "required": {"depth": inputs.IMAGE.tooltip("Depth map: white = near, black = far.")},
            "optional": {
                "near_strength": strength(0.4, "nearer than the threshold (the subject)"),
                "far_strength": strength(1.0, "farther than the threshold (the background)"),
                "threshold": inputs.fraction(0.5).tooltip(
                    "Depth between near and far: 0 is the farthest point of the map, 1 its nearest."
                ),
                "softness": inputs.fraction(0.1).tooltip(
                    "Range of depths around the threshold over which one strength gives way to the "
                    "other; 0 is a hard edge."
                ),
            },
        }

    def execute(
        self,
        depth: Tensor,
        near_strength: float = 0.4,
        far_strength: float = 1.0,
        threshold: float = 0.5,
        softness: float = 0.1,
    ) -> tuple[Tensor]:
        def make(depth: Tensor) -> Tensor:
            return strength_map(depth, near_strength, far_strength, threshold, softness)

        return (one_by_one(self.DISPLAY_NAME, make, depth=repair(from_image(depth))),)
