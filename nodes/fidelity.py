"""Nodes that compare results with what was asked for."""

from math import isnan
from typing import Any

import torch
from torch import Tensor

from ..depth.convention import from_image, repair
from ..depth.estimate import Precision, Settings
from ..depth.fidelity import Score, Target, best_of, heat_map
from ..depth.networks.estimators import DepthModel
from ..depth.networks.network import OWN
from .depth_files import estimate_batch, estimation_inputs


class SD2DepthFidelity:
    """Depth Fidelity: results + the depth map they were made from -> the best, and scores."""

    DISPLAY_NAME = "Depth Fidelity"
    CATEGORY = "SD2 Depth/compare"
    DESCRIPTION = (
        "Measures how well images keep the depth map they were made from: estimates their depth "
        "again, fits it to the map (by a scale and a shift, which no estimate knows) and compares. "
        "Picks the best of a batch and shows where each is wrong."
    )
    SEARCH_ALIASES = ["depth accuracy", "compare depth", "best of batch", "depth error", "heat map"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE", "IMAGE", "STRING", "INT")
    RETURN_NAMES = ("best", "heat_map", "report", "best_index")
    OUTPUT_TOOLTIPS = (
        "The image with the smallest error, unchanged.",
        "Error of every pixel, a map for every image. Black: the depth asked for; through purple "
        "and orange to pale yellow: wrong by half of the depth map's range or more; grey: outside "
        "the mask. The scale is the same for all images.",
        "A line for every image. error: mean absolute error of the fitted depth, in parts of the "
        "depth map's range; 0 is perfect, the number beside it is what an image without any depth "
        "would get. order: percentage of pixel pairs clearly apart in depth of which the right one "
        "is nearer; 50 is chance.",
        "Number of the best image in the batch, counted from 0, as Get Image from Batch counts.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        looks = estimation_inputs()
        return {
            "required": {
                "image": (
                    "IMAGE",
                    {"tooltip": "The results: one image or a batch to pick the best from."},
                ),
                "depth": (
                    "IMAGE",
                    {
                        "tooltip": "The depth map they were made from, white = near. One for all, "
                        "or a number that divides the images. One of another size is resized "
                        "as the model sees it; it must show the same section. A flat one is "
                        "refused: every image would fit it."
                    },
                ),
                "depth_model": (
                    "DEPTH_MODEL",
                    {
                        "tooltip": "Estimates the results' depth. Its own mistakes count as "
                        "theirs, so compare scores only if they come from the same one. Best the "
                        "one that the depth map was estimated with, with the same settings: "
                        "others find other depths in the same image."
                    },
                ),
            },
            "optional": {
                "resolution": looks.pop("resolution"),
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Score only where the mask is on (0.5 or more), for example "
                        "inside the inpainted region. Without it every pixel counts. One for all, "
                        "or a number that divides the images."
                    },
                ),
                **looks,
            },
        }

    def execute(
        self,
        image: Tensor,
        depth: Tensor,
        depth_model: DepthModel,
        resolution: int = OWN,
        mask: Tensor | None = None,
        precision: str = Precision.FLOAT32.value,
        tiles: int = 1,
        flip: bool = False,
    ) -> tuple[Tensor, Tensor, str, int]:
        """Check the target before the slow part, then estimate and score."""
        target = Target.fitted(repair(from_image(depth)), image.shape, mask)  # BHWC -> BHW
        settings = Settings(resolution, Precision(precision), flip, tiles)
        scores = target.scores(estimate_batch(image, depth_model, settings, self.DISPLAY_NAME))
        best = best_of(scores)
        heat = heat_map(torch.stack([score.error_map for score in scores]), target.on)
        return image[best : best + 1], heat, _report(scores, best), best


def _report(scores: list[Score], best: int) -> str:
    lines = [f"image {index}: {_in_words(score)}" for index, score in enumerate(scores)]
    lines[best] += ", best"
    return "\n".join(lines)


def _in_words(score: Score) -> str:
    # No two pixels clearly apart were drawn: almost all of the depth map is at one depth.
    order = "unknown" if isnan(score.ordinal_accuracy) else f"{score.ordinal_accuracy:.1%}"
    return f"error {score.error:.4f} (without depth {score.flat_error:.4f}), order {order}"
