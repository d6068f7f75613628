"""Nodes that make many images at once and compare them, with each other or with their depth map."""

from math import isnan
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..depth.convention import from_image, repair
from ..depth.estimate import Precision, Settings
from ..depth.fidelity import Score, Target, best_of, heat_map
from ..depth.networks.estimators import DepthModel
from ..depth.networks.network import OWN
from ..images.grid import comparison_grid
from ..sampling.sweep import Sweep, sweep
from . import inputs
from .estimate import estimate_batch
from .node import Node
from .remedies import answer

T = TypeVar("T")

STRENGTHS = "0.4, 0.6, 0.8, 1.0"
DEPTH_STRENGTHS = "1.0"
# What the bundled checkpoint was trained to know: objects, colours, materials, light.
PROMPTS = """a red clay statue on a blue background, light from the left
a white marble statue on a black background, light from the right"""


class SD2DepthStrengthSweep(Node):
    DISPLAY_NAME = "Strength Sweep"
    CATEGORY = "SD2 Depth/compare"
    DESCRIPTION = (
        "Runs the nodes behind it once for every pair of a denoising strength and a depth "
        "strength. Wire denoise to the sampler and depth strength to the strength of Depth "
        "Encode, the images and the labels to Comparison Grid. With depth strengths 0, 1 it "
        "shows image-to-image above depth-to-image."
    )
    SEARCH_ALIASES = ["xy plot", "strength comparison", "denoise sweep", "img2img vs depth2img"]
    RETURN_TYPES = ("FLOAT", "FLOAT", "STRING", "STRING")
    RETURN_NAMES = Sweep._fields
    OUTPUT_IS_LIST = (True, True, True, True)
    OUTPUT_TOOLTIPS = (
        "Denoising strength of every run, row by row: for the sampler's denoise.",
        "Depth strength of every run, row by row: for the strength of Depth Encode.",
        "One label for each denoising strength: for Comparison Grid.",
        "One label for each depth strength: for Comparison Grid.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {},
            "optional": {
                "strengths": inputs.text(STRENGTHS).tooltip(
                    "Denoising strengths, 0 to 1, the columns: a list such as 0.4, 0.6, 0.8, 1.0 "
                    "or evenly spaced ones such as 0.4 to 1.0 in 4. Each is one more image a row."
                ),
                "depth_strengths": inputs.text(DEPTH_STRENGTHS).tooltip(
                    "Factors on the depth channel, 0 to 2, the rows, written like the strengths: 0 "
                    "is no depth at all (plain image-to-image), 1 what the model was trained with. "
                    "Each is one more row of images."
                ),
            },
        }

    def execute(self, strengths: str = STRENGTHS, depth_strengths: str = DEPTH_STRENGTHS) -> Sweep:
        return sweep(strengths, depth_strengths)

    @classmethod
    def VALIDATE_INPUTS(
        cls, strengths: str = STRENGTHS, depth_strengths: str = DEPTH_STRENGTHS
    ) -> bool | str:
        return answer(sweep, strengths, depth_strengths)


class SD2DepthPromptList(Node):
    DISPLAY_NAME = "Prompt List"
    CATEGORY = "SD2 Depth/compare"
    DESCRIPTION = (
        "Runs the nodes behind it once for every line: wire it to the text of CLIP Text Encode, "
        "and to the labels of Comparison Grid. Next to another list it does not pair every prompt "
        "with every entry: the first goes with the first, the second with the second."
    )
    SEARCH_ALIASES = ["prompts from lines", "prompt batch", "multiple prompts", "text list"]
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("prompt",)
    OUTPUT_IS_LIST = (True,)
    OUTPUT_TOOLTIPS = ("The prompts, one after the other, for the text of CLIP Text Encode.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "prompts": inputs.text(PROMPTS, multiline=True).tooltip(
                    "One prompt a line, an image for each; empty lines are left out."
                )
            }
        }

    def execute(self, prompts: str) -> tuple[list[str]]:
        return (_prompts(prompts),)

    @classmethod
    def VALIDATE_INPUTS(cls, prompts: str = PROMPTS) -> bool | str:
        return answer(_prompts, prompts)


def _prompts(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError("the text holds no prompt, found empty lines only; write one a line")
    return lines


class SD2DepthGrid(Node):
    DISPLAY_NAME = "Comparison Grid"
    CATEGORY = "SD2 Depth/compare"
    DESCRIPTION = (
        "Lays images out in rows and columns on white paper, with labels above and at the left. "
        "Lists and batches are taken apart and laid out row by row. Every image keeps its size "
        "and its pixels."
    )
    SEARCH_ALIASES = ["xy plot", "image grid", "contact sheet", "compare images"]
    INPUT_IS_LIST = True
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("All images and labels on one image.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        labels = inputs.text("", forceInput=True)
        return {
            "required": {
                "images": inputs.IMAGE.tooltip(
                    "Images of one size, as a list or in batches, row by row."
                )
            },
            "optional": {
                "columns": inputs.integer(0, 0, 1000).tooltip(
                    "Images in a row. 0: as many as there are column labels or, without these, all "
                    "in one row. The rows must come out full."
                ),
                "column_labels": labels.tooltip(
                    "Texts above the columns: a list from Strength Sweep or Prompt List, or a text "
                    "node with one label a line. As many as columns, or none."
                ),
                "row_labels": labels.tooltip(
                    "Texts at the left of the rows: a list from Strength Sweep or Prompt List, or "
                    "a text node with one label a line. As many as rows, or none."
                ),
                "font_size": inputs.integer(16, 6, 256).tooltip(
                    "Size of the labels in pixels. Larger ones are wrapped into more lines; the "
                    "images keep their size, the paper grows."
                ),
            },
        }

    def execute(
        self,
        images: list[Tensor],
        columns: list[int] | int = 0,
        column_labels: list[str] | str = "",
        row_labels: list[str] | str = "",
        font_size: list[int] | int = 16,
    ) -> tuple[Tensor]:
        """Take the lists apart. Whatever is given comes as a list, what is left out does not."""
        grid = comparison_grid(
            [image for batch in images for image in batch],  # BHWC -> HWC
            _only(columns, "columns"),
            _labels(column_labels),
            _labels(row_labels),
            _only(font_size, "font_size"),
        )
        return (grid,)


def _only(values: list[T] | T, name: str) -> T:
    """The value of an input that takes one for the whole grid."""
    if not isinstance(values, list):
        return values
    if len(values) != 1:
        raise ValueError(f"{name} takes one number for the whole grid; found {len(values)}")
    return values[0]


def _labels(given: list[str] | str) -> list[str]:
    """A list's own entries; a single text has one label a line, an empty one none."""
    if isinstance(given, list) and len(given) != 1:
        return given
    text = _only(given, "labels")
    return text.strip("\n").splitlines() if text.strip() else []


class SD2DepthFidelity(Node):
    DISPLAY_NAME = "Score Depth Fidelity"
    CATEGORY = "SD2 Depth/compare"
    DESCRIPTION = (
        "Measures how well images keep the depth map they were made from: estimates their depth "
        "again, fits it to the map (by a scale and a shift, which no estimate knows) and compares. "
        "Picks the best of a batch and shows where each is wrong."
    )
    SEARCH_ALIASES = ["depth accuracy", "compare depth", "best of batch", "depth error", "heat map"]
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
        return {
            "required": {
                "image": inputs.IMAGE.tooltip(
                    "The results: one image or a batch to pick the best from."
                ),
                "depth": inputs.IMAGE.tooltip(
                    "The depth map they were made from, white = near. One for all, or a number "
                    "that divides the images. One of another size is resized as the model sees it; "
                    "it must show the same section. A flat one is refused: every image would fit "
                    "it."
                ),
                "depth_model": inputs.DEPTH_MODEL.tooltip(
                    "Estimates the results' depth. Its own mistakes count as theirs, so compare "
                    "scores only if they come from the same one. Best the one that the depth map "
                    "was estimated with, with the same settings: others find other depths in the "
                    "same image."
                ),
            },
            "optional": {
                "resolution": inputs.resolution(),
                "mask": inputs.MASK.tooltip(
                    "Score only where the mask is on (0.5 or more), for example inside the "
                    "inpainted region. Without it every pixel counts. One for all, or a number "
                    "that divides the images."
                ),
                **inputs.estimation(),
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
