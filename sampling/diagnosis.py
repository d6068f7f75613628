"""What a weight file is, told from tensor names and shapes; file names mean nothing."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .architecture import Shape
from .weights import TensorInfo


class Part(str, Enum):
    """The prefix under which each part of the checkpoint lies."""

    UNET = "model.diffusion_model."
    VAE = "first_stage_model."
    TEXT = "cond_stage_model.model."
    MIDAS = "depth_model.model."


class Kind(str, Enum):
    """What a file is, as people call it."""

    SD2_DEPTH = "Stable Diffusion 2 depth checkpoint"
    SD2_DEPTH_UNET = "UNet of a Stable Diffusion 2 depth model, without VAE and text encoder"
    SD2 = "Stable Diffusion 2 checkpoint"
    SD2_INPAINTING = "Stable Diffusion 2 inpainting checkpoint"
    SD2_UNCLIP = "Stable Diffusion 2 unCLIP checkpoint"
    SD2_UPSCALER = "Stable Diffusion 2 x4 upscaler"
    SD1 = "Stable Diffusion 1.5 checkpoint"
    SD1_INPAINTING = "Stable Diffusion 1.5 inpainting checkpoint"
    SDXL = "Stable Diffusion XL checkpoint"
    DIFFUSERS_UNET = "UNet in the diffusers layout"
    UNKNOWN_UNET = "diffusion UNet of an unknown kind"
    LORA = "LoRA"
    CONTROLNET = "ControlNet"
    VAE = "VAE"
    TEXT_ENCODER = "text encoder"
    MIDAS = "MiDaS depth network"
    UNKNOWN = "file of tensors that form no known model"


@dataclass(frozen=True)
class Identity:
    """What a file is and what is in it, told from its header.

    Attributes:
        kind: the kind of file.
        in_channels, context_dim: of the UNet, None without one.
        parts: tensors and parameters of each part that is present, by name.
        dtypes: number of tensors of each element type.
        unused: tensors that depth-to-image does not read, grouped: reason -> names.
    """

    kind: Kind
    in_channels: int | None = None
    context_dim: int | None = None
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)

    def sentence(self) -> str:
        """One sentence: "This is a ... (4 input channels, context 768)."."""
        facts = []
        if self.in_channels is not None:
            facts.append(f"{self.in_channels} input channels")
        if self.context_dim is not None:
            facts.append(f"context {self.context_dim}")
        article = "an" if self.kind.value[0] in "aeiouAEIOU" else "a"
        return f"This is {article} {self.kind.value}" + (
            f" ({', '.join(facts)})." if facts else "."
        )


def identify(tensors: Mapping[str, TensorInfo]) -> Identity:
    """Tell what a file is from its tensors' names and shapes."""
    kind, in_channels, context_dim = _kind(tensors)
    return Identity(
        kind=kind,
        in_channels=in_channels,
        context_dim=context_dim,
        parts={
            name: (len(part), sum(math.prod(info.shape) for info in part.values()))
            for name, prefix in _PARTS.items()
            if (part := part_of(tensors, prefix))
        },
        dtypes=dict(Counter(str(i.dtype).removeprefix("torch.") for i in tensors.values())),
        unused=_unused(tensors) if kind is Kind.SD2_DEPTH else {},
    )


_PARTS = {
    "UNet": Part.UNET.value,
    "VAE": Part.VAE.value,
    "text encoder": "cond_stage_model.",
    "MiDaS depth network": Part.MIDAS.value,
    "EMA copy of the UNet": "model_ema.",
}

# The schedule's buffers: both engines compute the schedule themselves.
_SCHEDULE = frozenset(
    (
        "betas",
        "alphas_cumprod",
        "alphas_cumprod_prev",
        "sqrt_alphas_cumprod",
        "sqrt_one_minus_alphas_cumprod",
        "log_one_minus_alphas_cumprod",
        "sqrt_recip_alphas_cumprod",
        "sqrt_recipm1_alphas_cumprod",
        "posterior_variance",
        "posterior_log_variance_clipped",
        "posterior_mean_coef1",
        "posterior_mean_coef2",
    )
)


def part_of(tensors: Mapping[str, TensorInfo], prefix: str) -> dict[str, TensorInfo]:
    """The tensors under a prefix, which is stripped."""
    return {n[len(prefix) :]: info for n, info in tensors.items() if n.startswith(prefix)}


def _kind(tensors: Mapping[str, TensorInfo]) -> tuple[Kind, int | None, int | None]:
    """The kind of file with its UNet's input channels and context width."""
    for kind, marks in _MARKS.items():
        if any(mark in name for name in tensors for mark in marks):
            return kind, None, None
    if f"{Part.UNET.value}input_blocks.0.0.weight" in tensors:
        return _checkpoint_kind(part_of(tensors, Part.UNET), complete=True)
    if "input_blocks.0.0.weight" in tensors:
        return _checkpoint_kind(tensors, complete=False)
    for kind, starts in _STARTS.items():
        if all(any(name.startswith(start) for name in tensors) for start in starts):
            return kind, _channels(tensors, "conv_in.weight"), None
    return Kind.UNKNOWN, None, None


# Told from a piece of any tensor's name.
_MARKS = {
    Kind.LORA: ("lora_up.", "lora_down.", "lora_A.", "lora_B.", ".lora.", "lora_unet_", "hada_w1"),
    Kind.CONTROLNET: ("control_model.", "controlnet_cond_embedding.", "zero_convs."),
}

# Told from names that must all be there.
_STARTS = {
    Kind.DIFFUSERS_UNET: ("conv_in.weight", "down_blocks.", "up_blocks.", "time_embedding."),
    Kind.VAE: ("encoder.", "decoder."),
    Kind.MIDAS: ("pretrained.", "scratch."),
    Kind.TEXT_ENCODER: ("text_model.",),
}


def _channels(tensors: Mapping[str, TensorInfo], name: str) -> int | None:
    info = tensors.get(name)
    return info.shape[1] if info is not None and len(info.shape) == 4 else None


def _checkpoint_kind(
    unet: Mapping[str, TensorInfo], complete: bool
) -> tuple[Kind, int | None, int | None]:
    in_channels = _channels(unet, "input_blocks.0.0.weight")
    context = _suffix_shape(unet, "attn2.to_k.weight")
    context_dim = context[1] if context else None
    projection = _suffix_shape(unet, "proj_in.weight")
    linear = projection is not None and len(projection) == 2
    kind = _KINDS.get((in_channels, context_dim), Kind.UNKNOWN_UNET)
    if any(name.startswith("label_emb.") for name in unet) and kind is Kind.SD2:
        kind = Kind.SD2_UNCLIP
    if in_channels == 5 and linear:
        kind = Kind.SD2_DEPTH if complete else Kind.SD2_DEPTH_UNET
    return kind, in_channels, context_dim


_KINDS = {
    (4, 768): Kind.SD1,
    (9, 768): Kind.SD1_INPAINTING,
    (4, 1024): Kind.SD2,
    (9, 1024): Kind.SD2_INPAINTING,
    (7, 1024): Kind.SD2_UPSCALER,
    (4, 2048): Kind.SDXL,
    (9, 2048): Kind.SDXL,
}


def _suffix_shape(tensors: Mapping[str, TensorInfo], suffix: str) -> Shape | None:
    return next((i.shape for name, i in tensors.items() if name.endswith(suffix)), None)


def _unused(tensors: Mapping[str, TensorInfo]) -> dict[str, list[str]]:
    """The tensors of a depth checkpoint that are left alone, by reason."""
    reasons: dict[str, list[str]] = {}
    for name in tensors:
        if name.startswith("model_ema."):
            reasons.setdefault("EMA copy of the UNet", []).append(name)
        elif name in _SCHEDULE:
            reasons.setdefault("noise schedule, computed anew", []).append(name)
        elif not name.startswith(tuple(part.value for part in Part)):
            reasons.setdefault("not known to belong to the model", []).append(name)
    return reasons
