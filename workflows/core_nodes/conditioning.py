"""ComfyUI's nodes for prompts."""

import functools
from collections.abc import Sequence
from typing import Annotated, Any

from torch import Tensor

from ...engine import prompt
from ...engine.controlnet import Control, EngineControlNet
from ...engine.samplers import sigma_at_percent
from ...sampling.latents import LATENT_PIXELS
from .node_class import (
    MAX_SIZE,
    Clip,
    Conditioning,
    ControlNet,
    Image,
    Mask,
    integer,
    node,
    number,
    string,
)

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


@node("ControlNetApply", "Apply ControlNet (OLD)")
def controlnet_apply(
    conditioning: Conditioning,
    control_net: ControlNet,
    image: Image,
    strength: Strength,
) -> Conditioning:
    """The prompt, and with it the negative one, controlled by an image."""
    if strength == 0:
        return conditioning
    return [
        _with_control(
            entry,
            _control(control_net, image, strength, entry[1].get("control")),
            on_both_sides=True,
        )
        for entry in conditioning
    ]


@node("ControlNetApplyAdvanced", "Apply ControlNet", "positive", "negative")
def controlnet_apply_advanced(
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    image: Image,
    strength: Strength,
    start_percent: Annotated[float, number(0.0, 0.0, 1.0, 0.001)],
    end_percent: Annotated[float, number(1.0, 0.0, 1.0, 0.001)],
    vae: Annotated[Any, ("VAE",)] = None,
) -> tuple[Conditioning, Conditioning]:
    """Both prompts controlled by an image in a part of the steps; none of SD2 takes a VAE."""
    if strength == 0:
        return positive, negative
    span = (start_percent, end_percent)

    @functools.cache  # prompts with one control are computed in one call
    def control(previous: Control | None) -> Control:
        return _control(control_net, image, strength, previous, *span)

    both = (
        [
            [
                context,
                {**old, "control": control(old.get("control")), "control_apply_to_uncond": False},
            ]
            for context, old in conditioning
        ]
        for conditioning in (positive, negative)
    )
    return next(both), next(both)


def _with_control(entry: Sequence[Any], control: Control, on_both_sides: bool) -> list[Any]:
    context, old = entry
    return [context, {**old, "control": control, "control_apply_to_uncond": on_both_sides}]


def _control(
    net: EngineControlNet,
    image: Tensor,
    strength: float,
    previous: Control | None,
    start: float = 0.0,
    end: float = 1.0,
) -> Control:
    if image.shape[3] != net.hint_channels:
        raise ValueError(
            f"the image has {image.shape[3]} channels, and the ControlNet takes "
            f"{net.hint_channels}; connect an image without transparency"
        )
    sigmas = sigma_at_percent(start), sigma_at_percent(end)
    return Control(net, image.movedim(-1, 1), strength, *sigmas, previous)


def _with_values(conditioning: Conditioning, **values: Any) -> Conditioning:
    return [[context, {**old, **values}] for context, old in conditioning]
