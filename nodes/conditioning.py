"""Nodes that work on conditioning."""

from typing import Any

from torch import Tensor

from ..depth.convention import from_image, repair
from ..sampling.depth_channel import Conditioning, DepthCondition, Normalize, attach_depth
from . import inputs
from .node import Node


class SD2DepthEncode(Node):
    DISPLAY_NAME = "Depth Encode"
    CATEGORY = "SD2 Depth/conditioning"
    DESCRIPTION = (
        "Puts a depth map into the positive and the negative conditioning. The map keeps its full "
        "size and is fitted to the latent while sampling, so a second, larger pass can use the "
        "same conditioning."
    )
    SEARCH_ALIASES = ["depth conditioning", "depth2img", "depth to image", "apply depth"]
    RETURN_TYPES = ("CONDITIONING", "CONDITIONING")
    RETURN_NAMES = ("positive", "negative")
    OUTPUT_TOOLTIPS = (
        "The positive prompt with the depth map.",
        "The negative prompt with the depth map.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "positive": inputs.CONDITIONING.tooltip("What the image should show."),
                "negative": inputs.CONDITIONING.tooltip(
                    "What it should not show. SD2 gains much from a negative prompt."
                ),
                "depth": inputs.IMAGE.tooltip(
                    "Depth map, white = near: from Depth Estimation, Depth Map Loader or any other "
                    "node. One map for all latents, or as many as latents."
                ),
            },
            "optional": {
                "normalize": inputs.choice(Normalize.PER_IMAGE).tooltip(
                    "Which depths count as nearest and farthest. per image: each map's own, as the "
                    "model was trained. whole batch: those of all maps together, steady over video "
                    "frames. fixed range: low and high below. none: white and black."
                ),
                "strength": inputs.number(1.0, 0.0, 2.0).tooltip(
                    "Factor on the depth channel. 1 is what the model was trained with; towards 0 "
                    "the depth counts less and less; 0 is no depth at all."
                ),
                **inputs.fixed_range(),
                "start_percent": inputs.fraction(0.0, advanced=True).tooltip(
                    "Part of the way from noise to image, 0..1, before which the model does not "
                    "see the depth map. Later than about 0.2 the composition no longer follows it."
                ),
                "end_percent": inputs.fraction(1.0, advanced=True).tooltip(
                    "Part of the way after which it no longer sees the depth map: 0.5 fixes the "
                    "composition and leaves details free."
                ),
            },
        }

    def execute(
        self,
        positive: Conditioning,
        negative: Conditioning,
        depth: Tensor,
        normalize: str = Normalize.PER_IMAGE.value,
        strength: float = 1.0,
        low: float = 0.0,
        high: float = 1.0,
        start_percent: float = 0.0,
        end_percent: float = 1.0,
    ) -> tuple[Conditioning, Conditioning]:
        depth = repair(from_image(depth))  # BHWC -> BHW
        condition = DepthCondition(depth, Normalize(normalize), strength, low, high)
        times = (start_percent, end_percent)
        return attach_depth(positive, condition, *times), attach_depth(negative, condition, *times)
