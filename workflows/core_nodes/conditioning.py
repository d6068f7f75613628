"""ComfyUI's nodes for prompts."""

from typing import Annotated, Any

from ...engine import prompt
from ...sampling.latents import LATENT_PIXELS
from .node_class import MAX_SIZE, Clip, Conditioning, Mask, integer, node, number, string

AreaSide = Annotated[int, integer(64, 64, MAX_SIZE, 8)]
AreaOffset = Annotated[int, integer(0, 0, MAX_SIZE, 8)]
Strength = Annotated[float, number(1.0, 0.0, 10.0)]


@node("CLIPTextEncode", "CLIP Text Encode (Prompt)", text=prompt.check)
def clip_text_encode(
    text: Annotated[str, string(multiline=True, dynamicPrompts=True)], clip: Clip
) -> Conditioning:
    """A prompt as conditioning."""
    return [[clip.encode(clip.tokenize(text)), {}]]


@node("ConditioningCombine", "Conditioning (Combine)")
def conditioning_combine(
    conditioning_1: Conditioning, conditioning_2: Conditioning
) -> Conditioning:
    """Both prompts; what they predict is averaged."""
    return [*conditioning_1, *conditioning_2]


@node("ConditioningSetArea", "Conditioning (Set Area)")
def conditioning_set_area(
    conditioning: Conditioning,
    width: AreaSide,
    height: AreaSide,
    x: AreaOffset,
    y: AreaOffset,
    strength: Strength,
) -> Conditioning:
    """The prompt holds in a rectangle; pixels."""
    area = tuple(pixels // LATENT_PIXELS for pixels in (height, width, y, x))
    return _with_values(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node("ConditioningSetMask", "Conditioning (Set Mask)")
def conditioning_set_mask(
    conditioning: Conditioning,
    mask: Mask,
    strength: Strength,
    set_cond_area: Annotated[str, (["default", "mask bounds"],)],
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
