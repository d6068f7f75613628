"""The node that tells the settings a model was trained for."""

from typing import Any, NamedTuple

from ..checkpoints.architecture import FULL_UNET
from ..host import host
from ..sampling.trained_sizes import TRAINED
from . import inputs
from .node import Node


class Suited(NamedTuple):
    """What a model paints best with."""

    size: int  # pixels of the short side
    steps: int
    cfg: float


_FULL = FULL_UNET.model_channels
FULL_SIZE = Suited(TRAINED[_FULL], 25, 7.0)
MINIATURE = Suited(TRAINED[64], 20, 3.0)


class SD2DepthSettings(Node):
    DISPLAY_NAME = "Model Settings"
    CATEGORY = "SD2 Depth/loaders"
    DESCRIPTION = (
        "Size, steps and cfg in one place. At 0 each is what suits the connected model: 512 "
        "pixels, 25 steps and cfg 7 for 512-depth-ema and its kin; 256, 20 and 3 for the "
        "miniature. Wire them to Prepare Image, Empty Latent Image and the samplers, and another "
        "checkpoint needs no other change."
    )
    SEARCH_ALIASES = ["size", "width and height", "steps", "cfg", "sampling settings", "defaults"]
    RETURN_TYPES = ("INT", "INT", "FLOAT")
    RETURN_NAMES = ("size", "steps", "cfg")
    OUTPUT_TOOLTIPS = (
        "Pixels: for Prepare Image and Crop for Inpainting; for both sides of Empty Latent Image.",
        "For the sampler.",
        "For the sampler.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": inputs.MODEL.tooltip("From Depth Checkpoint Loader or Load Checkpoint."),
                "size": inputs.integer(0, 0, 4096, step=64).tooltip(
                    "Short side of the image in pixels. 0: what the model was trained at. More "
                    "shows finer detail, but from twice as much on things appear twice."
                ),
                "steps": inputs.integer(0, 0, 10000).tooltip(
                    "Calls of the model. 0: as many as suit it. Time grows in proportion."
                ),
                "cfg": inputs.number(0.0, 0.0, 100.0, step=0.1, round=0.01).tooltip(
                    "How strictly the prompt is followed. 0: as suits the model. Very high values "
                    "oversaturate; 1 switches the negative prompt off and takes half the time."
                ),
            }
        }

    def execute(
        self, model: Any, size: int = 0, steps: int = 0, cfg: float = 0.0
    ) -> tuple[int, int, float]:
        suited = FULL_SIZE if host.unet_width(model) >= _FULL else MINIATURE
        return size or suited.size, steps or suited.steps, cfg or suited.cfg
