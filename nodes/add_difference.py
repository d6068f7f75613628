"""The node that makes depth models of fine-tunes."""

from typing import Any

from .. import host


class SD2DepthTransplant:
    """Give Depth to SD2 Model: the depth model + (fine-tune - base)."""

    DISPLAY_NAME = "Give Depth to SD2 Model"
    CATEGORY = "SD2 Depth/loaders"
    DESCRIPTION = (
        "Makes a depth model of any fine-tune of Stable Diffusion 2: what the fine-tune learnt "
        "beyond its base is added to the depth model, and the depth channel stays. Load the "
        "fine-tune and its base with Load Checkpoint and connect the fine-tune's CLIP to the "
        "prompts. The weights are not copied; LoRAs and Save Checkpoint work behind it. Models of "
        "another family (SD 1.5, SDXL) and those that predict v (768-v) are refused."
    )
    SEARCH_ALIASES = [
        "transplant",
        "add difference",
        "merge",
        "fine-tune",
        "model add",
        "dreambooth",
    ]
    FUNCTION = "execute"
    RETURN_TYPES = ("MODEL",)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("A depth model in the fine-tune's style. Needs a depth map as any other.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "model": (
                    "MODEL",
                    {"tooltip": "The depth model (5 channels), from Load SD2 Depth Checkpoint."},
                ),
                "fine_tune": (
                    "MODEL",
                    {
                        "tooltip": "A fine-tune of SD2-base (512-base-ema or 2.1-base), from Load "
                        "Checkpoint. LoRAs on it count as part of it."
                    },
                ),
                "base": (
                    "MODEL",
                    {
                        "tooltip": "The model that the fine-tune was made of. With another base "
                        "the difference between the two bases is added too."
                    },
                ),
                "strength": (
                    "FLOAT",
                    {
                        "default": 1.0,
                        "min": 0.0,
                        "max": 2.0,
                        "step": 0.05,
                        "tooltip": "How much of the difference is added. 1 is all that the "
                        "fine-tune learnt, 0 leaves the depth model as it is, above 1 exaggerates.",
                    },
                ),
            }
        }

    def execute(self, model: Any, fine_tune: Any, base: Any, strength: float = 1.0) -> tuple[Any]:
        """Add the difference."""
        return (host.add_difference(model, fine_tune, base, strength),)
