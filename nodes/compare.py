"""Nodes that make and show many images at once, to compare them."""

from typing import Any, TypeVar

from torch import Tensor

from ..images.grid import comparison_grid
from ..sampling.sweep import Sweep, sweep

T = TypeVar("T")

STRENGTHS = "0.4, 0.6, 0.8, 1.0"
DEPTH_STRENGTHS = "1.0"
# What the bundled checkpoint was trained to know: objects, colours, materials, light.
PROMPTS = """a red clay statue on a blue background, light from the left
a white marble statue on a black background, light from the right"""


class SD2DepthStrengthSweep:
    """Strength Sweep: two texts -> lists of strengths, for an image of every pair."""

    DISPLAY_NAME = "Strength Sweep"
    CATEGORY = "SD2 Depth/compare"
    DESCRIPTION = (
        "Runs the nodes behind it once for every pair of a denoising strength and a depth "
        "strength. Wire denoise to the sampler and depth_strength to the strength of Encode "
        "Depth, the images and the labels to Comparison Grid. With depth strengths 0, 1 it "
        "shows image-to-image above depth-to-image."
    )
    SEARCH_ALIASES = ["xy plot", "strength comparison", "denoise sweep", "img2img vs depth2img"]
    FUNCTION = "execute"
    RETURN_TYPES = ("FLOAT", "FLOAT", "STRING", "STRING")
    RETURN_NAMES = Sweep._fields
    OUTPUT_IS_LIST = (True, True, True, True)
    OUTPUT_TOOLTIPS = (
        "Denoising strength of every run, row by row: for the sampler's denoise.",
        "Depth strength of every run, row by row: for the strength of Encode Depth.",
        "One label for each denoising strength: for Comparison Grid.",
        "One label for each depth strength: for Comparison Grid.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {},
            "optional": {
                "strengths": (
                    "STRING",
                    {
                        "default": STRENGTHS,
                        "tooltip": "Denoising strengths, 0 to 1, the columns: a list such as "
                        "0.4, 0.6, 0.8, 1.0 or evenly spaced ones such as 0.4 to 1.0 in 4. Each "
                        "is one more image a row.",
                    },
                ),
                "depth_strengths": (
                    "STRING",
                    {
                        "default": DEPTH_STRENGTHS,
                        "tooltip": "Factors on the depth channel, 0 to 2, the rows, written like "
                        "the strengths: 0 is no depth at all (plain image-to-image), 1 what the "
                        "model was trained with. Each is one more row of images.",
                    },
                ),
            },
        }

    def execute(self, strengths: str = STRENGTHS, depth_strengths: str = DEPTH_STRENGTHS) -> Sweep:
        """Read both texts and pair them."""
        return sweep(strengths, depth_strengths)

    @classmethod
    def VALIDATE_INPUTS(
        cls, strengths: str = STRENGTHS, depth_strengths: str = DEPTH_STRENGTHS
    ) -> bool | str:
        """Tell before anything runs that a text is no series of strengths."""
        try:
            sweep(strengths, depth_strengths)
        except ValueError as error:
            return str(error)
        return True


class SD2DepthGrid:
    """Comparison Grid: many images and their labels -> one image."""

    DISPLAY_NAME = "Comparison Grid"
    CATEGORY = "SD2 Depth/compare"
    DESCRIPTION = (
        "Lays images out in rows and columns on white paper, with labels above and at the left. "
        "Lists and batches are taken apart and laid out row by row. Every image keeps its size "
        "and its pixels."
    )
    SEARCH_ALIASES = ["xy plot", "image grid", "contact sheet", "compare images"]
    FUNCTION = "execute"
    INPUT_IS_LIST = True
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("All images and labels on one image.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "images": (
                    "IMAGE",
                    {"tooltip": "Images of one size, as a list or in batches, row by row."},
                ),
            },
            "optional": {
                "columns": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": 1000,
                        "tooltip": "Images in a row. 0: as many as there are column labels or, "
                        "without these, all in one row. The rows must come out full.",
                    },
                ),
                "column_labels": (
                    "STRING",
                    {
                        "default": "",
                        "forceInput": True,
                        "tooltip": "Texts above the columns: a list from Strength Sweep or Prompt "
                        "List, or a text node with one label a line. As many as columns, or none.",
                    },
                ),
                "row_labels": (
                    "STRING",
                    {
                        "default": "",
                        "forceInput": True,
                        "tooltip": "Texts at the left of the rows: a list from Strength Sweep or "
                        "Prompt List, or a text node with one label a line. As many as rows, or "
                        "none.",
                    },
                ),
                "font_size": (
                    "INT",
                    {
                        "default": 16,
                        "min": 6,
                        "max": 256,
                        "tooltip": "Size of the labels in pixels. Larger ones are wrapped into "
                        "more lines; the images keep their size, the paper grows.",
                    },
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


class SD2DepthPromptList:
    """Prompt List: lines of text -> a list of prompts, an image for each."""

    DISPLAY_NAME = "Prompt List"
    CATEGORY = "SD2 Depth/compare"
    DESCRIPTION = (
        "Runs the nodes behind it once for every line: wire it to the text of CLIP Text Encode, "
        "and to the labels of Comparison Grid. Next to another list it does not pair every prompt "
        "with every entry: the first goes with the first, the second with the second."
    )
    SEARCH_ALIASES = ["prompts from lines", "prompt batch", "multiple prompts", "text list"]
    FUNCTION = "execute"
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("prompt",)
    OUTPUT_IS_LIST = (True,)
    OUTPUT_TOOLTIPS = ("The prompts, one after the other, for the text of CLIP Text Encode.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "prompts": (
                    "STRING",
                    {
                        "default": PROMPTS,
                        "multiline": True,
                        "tooltip": "One prompt a line, an image for each; empty lines are left "
                        "out.",
                    },
                ),
            },
        }

    def execute(self, prompts: str) -> tuple[list[str]]:
        """Take the lines apart."""
        lines = [line.strip() for line in prompts.splitlines() if line.strip()]
        if not lines:
            raise ValueError("the text holds no prompt, found empty lines only; write one a line")
        return (lines,)

    @classmethod
    def VALIDATE_INPUTS(cls, prompts: str = PROMPTS) -> bool | str:
        """Tell before anything runs that there is no prompt."""
        return bool(prompts.strip()) or "the text holds no prompt; write one a line"


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
