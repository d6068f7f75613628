"""The node that makes sampling faster."""

from typing import Any

from ..host import host
from ..sampling.shortcuts import Shortcuts
from . import inputs
from .node import Node


class SD2DepthFaster(Node):
    DISPLAY_NAME = "Faster Sampling"
    CATEGORY = "SD2 Depth/sampling"
    DESCRIPTION = (
        "Makes the model sample in about half the time, for a slightly different image: guidance "
        "in a part of the steps only, and deep layers that serve several steps (DeepCache). Put it "
        "right before the sampler, any sampler. With guidance 0 to 1 and every step it changes "
        "nothing."
    )
    SEARCH_ALIASES = ["deepcache", "speed up", "guidance interval", "cfg interval", "accelerate"]
    RETURN_TYPES = ("MODEL",)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("The same model, faster; for Depth2Img Sampler or KSampler.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": inputs.MODEL.tooltip("From Depth Checkpoint Loader or a LoRA loader."),
                "guidance_start": inputs.fraction(0.0).tooltip(
                    "Part of the way from noise to image, 0..1, before which cfg and depth "
                    "guidance are off, which halves those steps. More than 0.1 changes the "
                    "composition."
                ),
                "guidance_end": inputs.fraction(0.7).tooltip(
                    "Part of the way after which cfg and depth guidance are off, which halves "
                    "those steps. 0.7 is hardly seen; lower is faster, with paler colours."
                ),
                "deep_every": inputs.integer(2, 1, 10).tooltip(
                    "Steps that one pass through the UNet's deep layers serves; the others cost a "
                    "tenth. 1: off. 2 is hardly seen, 3 loses detail, 5 changes the image."
                ),
            }
        }

    def execute(
        self, model: Any, guidance_start: float, guidance_end: float, deep_every: int
    ) -> tuple[Any]:
        return (host.with_shortcuts(model, Shortcuts(guidance_start, guidance_end, deep_every)),)
