"""ComfyUI's nodes for prompts. CONDITIONING is a list of [tensor [1, T, C], dict]."""

from functools import partial
from typing import Any

from torch import Tensor

from ...sampling.depth_channel import Conditioning
from ...sampling.latents import LATENT_PIXELS
from . import node_class
from .node_class import CLIP, CONDITIONING, MASK, MAX_SIZE, Nodes, integer, number, string

NODES: Nodes = {}
node = partial(node_class.node, NODES)

_STRENGTH = number(1.0, 0.0, 10.0)


@node(
    "CLIPTextEncode",
    "CLIP Text Encode (Prompt)",
    {"text": string(multiline=True, dynamicPrompts=True), "clip": CLIP},
    ["CONDITIONING"],
)
def clip_text_encode(text: str, clip: Any) -> Conditioning:
    """A prompt as conditioning."""
    return [[clip.encode(clip.tokenize(text)), {}]]


@node(
    "ConditioningCombine",
    "Conditioning (Combine)",
    {"conditioning_1": CONDITIONING, "conditioning_2": CONDITIONING},
    ["CONDITIONING"],
)
def conditioning_combine(
    conditioning_1: Conditioning, conditioning_2: Conditioning
) -> Conditioning:
    """Both prompts; what they predict is averaged."""
    return [*conditioning_1, *conditioning_2]


@node(
    "ConditioningSetArea",
    "Conditioning (Set Area)",
    {
        "conditioning": CONDITIONING,
        "width": integer(64, 64, MAX_SIZE, 8),
        "height": integer(64, 64, MAX_SIZE, 8),
        "x": integer(0, 0, MAX_SIZE, 8),
        "y": integer(0, 0, MAX_SIZE, 8),
        "strength": _STRENGTH,
    },
    ["CONDITIONING"],
)
def conditioning_set_area(
    conditioning: Conditioning, width: int, height: int, x: int, y: int, strength: float
) -> Conditioning:
    """The prompt holds in a rectangle; pixels."""
    area = tuple(pixels // LATENT_PIXELS for pixels in (height, width, y, x))
    return _with_values(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(
    "ConditioningSetMask",
    "Conditioning (Set Mask)",
    {
        "conditioning": CONDITIONING,
        "mask": MASK,
        "strength": _STRENGTH,
        "set_cond_area": (["default", "mask bounds"],),
    },
    ["CONDITIONING"],
)
def conditioning_set_mask(
    conditioning: Conditioning, mask: Tensor, strength: float, set_cond_area: str
) -> Conditioning:
    """The prompt holds under a mask."""
    return _with_values(
        conditioning,
        mask=mask if mask.ndim > 2 else mask.unsqueeze(0),
        set_area_to_bounds=set_cond_area != "default",
        mask_strength=strength,
    )


def _with_values(conditioning: Conditioning, **values: Any) -> Conditioning:
    return [[context, {**old, **values}] for context, old in conditioning]
