"""Nodes that load models.

A DEPTH_MODEL is a `depth.estimators.DepthModel`: a depth network that is read from its file when
it is first used.
"""

from typing import Any

from .. import host
from ..depth.estimators import DepthModel
from ..sampling.checkpoint import Checkpoint, Part


class SD2DepthCheckpointLoader:
    """Load SD2 Depth Checkpoint: one file -> MODEL, CLIP, VAE and the depth network inside it."""

    DISPLAY_NAME = "Load SD2 Depth Checkpoint"
    CATEGORY = "SD2 Depth/loaders"
    DESCRIPTION = (
        "Loads a Stable Diffusion 2 depth checkpoint (512-depth-ema) from models/checkpoints. "
        "MODEL, CLIP and VAE are ComfyUI's own and fit every other node; MODEL needs a depth map "
        "in its conditioning (Encode Depth)."
    )
    SEARCH_ALIASES = ["512-depth-ema", "depth2img", "depth to image", "stable diffusion 2 depth"]
    FUNCTION = "execute"
    RETURN_TYPES = ("MODEL", "CLIP", "VAE", "DEPTH_MODEL")
    RETURN_NAMES = ("model", "clip", "vae", "depth_model")
    OUTPUT_TOOLTIPS = (
        "The 5-channel UNet. Works with KSampler, LoRA loaders and everything else for SD2.",
        "The OpenCLIP ViT-H text encoder, for CLIP Text Encode.",
        "The autoencoder between pictures and latents (8x smaller).",
        "The MiDaS depth network inside the file, for Estimate Depth. Read when first used; "
        "a checkpoint without it still loads.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "ckpt_name": (
                    host.checkpoint_names(),
                    {
                        "tooltip": "A file in models/checkpoints. Any other kind of checkpoint is "
                        "refused with a message that says what it is."
                    },
                ),
            }
        }

    def execute(self, ckpt_name: str) -> tuple[Any, Any, Any, DepthModel]:
        """Open the file, check it, load its parts."""
        checkpoint = Checkpoint.open(host.checkpoint_path(ckpt_name))
        depth_model = DepthModel(ckpt_name, lambda: checkpoint.read(Part.MIDAS))
        return (*host.load_checkpoint(checkpoint), depth_model)

    @classmethod
    def VALIDATE_INPUTS(cls, ckpt_name: str) -> bool | str:
        """Tell before anything runs that a file is missing, and where it was looked for."""
        try:
            host.checkpoint_path(ckpt_name)
        except FileNotFoundError as error:
            return str(error)
        return True
