"""What a weight file or a folder is, told from tensor names and shapes; its name means nothing."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..files.weights import TensorInfo
from .kinds import DEPTH_FOLDER, VELOCITY, Family, Kind, Part, advice
from .recognition import recognise

__all__ = ["Diagnosis", "Family", "Kind", "Part", "identify", "part_of"]


FOLDER = "diffusers folder"


@dataclass(frozen=True)
class Diagnosis:
    """What a file is and what is in it, told from its header.

    Attributes:
        kind: the kind of file.
        family: of a diffusion model or an add-on; None where the shapes do not tell.
        variant: which one of its kind, in words.
        layout: whose names its tensors have: "original", "diffusers", "transformers", "kohya", ...
        in_channels, context_dim: of the UNet, None without one.
        alone: whether it is the UNet and nothing else.
        parts: tensors and parameters of each part that is present, by name.
        dtypes: number of tensors of each element type.
        unused: tensors that depth-to-image does not read, grouped: reason -> names.
        foreign: names of functions and classes that a pickle asks for; it is given none.
        problem: why it cannot be read, in a sentence; "" for a file that can.
    """

    kind: Kind
    family: Family | None = None
    variant: str = ""
    layout: str = ""
    in_channels: int | None = None
    context_dim: int | None = None
    alone: bool = False
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    problem: str = ""

    def sentence(self) -> str:
        """One sentence: "This is a ... (4 input channels, context 768)."."""
        alone = self.alone and self.kind not in (Kind.SD2_DEPTH_UNET, Kind.UNKNOWN_UNET)
        facts = [fact for fact in ("the UNet alone" * alone, self.variant) if fact]
        if self.in_channels is not None:
            facts.append(f"{self.in_channels} input channels")
        if self.context_dim is not None:
            facts.append(f"context {self.context_dim}")
        article = "an" if self.kind.value[0] in "aeioAEIO" else "a"  # a UNet
        whose = f" for {self.family.value}" if self.kind in _ADD_ONS and self.family else ""
        return f"This is {article} {self.kind.value}{whose}" + (
            f" ({', '.join(facts)})." if facts else "."
        )

    @property
    def advice(self) -> str:
        """What to do with it, in a sentence or two."""
        if self.kind is Kind.SD2 and self.variant.startswith("768-v"):
            return VELOCITY
        if self.kind is Kind.SD2_DEPTH and self.layout == FOLDER:
            return DEPTH_FOLDER
        return advice(self.kind, self.family)


_ADD_ONS = (Kind.LORA, Kind.CONTROLNET, Kind.T2I_ADAPTER, Kind.EMBEDDING)


def identify(
    tensors: Mapping[str, TensorInfo], metadata: Mapping[str, str] | None = None
) -> Diagnosis:
    """Tell what a file is from its tensors' names and shapes.

    Metadata serves only to tell Stable Diffusion 2 base from 768-v, whose shapes are the same.
    """
    found = recognise(tensors, metadata)
    parts = {
        name: count(part)
        for name, prefixes in _PARTS.items()
        if (part := {n: i for n, i in tensors.items() if n.startswith(prefixes)})
    }
    if not parts and found.kind is not Kind.UNKNOWN:
        parts = {_WHOLE.get(found.kind, found.kind.value): count(tensors)}
    return Diagnosis(
        **found._asdict(),
        parts=parts,
        dtypes=dict(Counter(str(i.dtype).removeprefix("torch.") for i in tensors.values())),
        unused=_unused(tensors) if found.kind is Kind.SD2_DEPTH else {},
    )


_PARTS = {
    "UNet": (Part.UNET.value,),
    "VAE": (Part.VAE.value,),
    "text encoder": ("cond_stage_model.", "conditioner.embedders.0.transformer.", "text_encoders."),
    "second text encoder": ("conditioner.embedders.1.", "conditioner.embedders.0.model."),
    "image encoder": ("embedder.model.visual.",),
    "MiDaS depth network": (Part.MIDAS.value,),
    "ControlNet": ("control_model.",),
    "EMA copy of the UNet": ("model_ema.",),
}
# What a file without a checkpoint's prefixes is as a whole.
_UNETS = (
    *(kind for kind in Kind if kind.name.startswith(("SD1", "SD2", "SDXL"))),
    Kind.UNKNOWN_UNET,
)
_WHOLE = {**dict.fromkeys(_UNETS, "UNet"), Kind.OTHER_DIFFUSION: "diffusion model"}


def count(tensors: Mapping[str, TensorInfo]) -> tuple[int, int]:
    """How many tensors there are, and parameters in them."""
    return len(tensors), sum(math.prod(info.shape) for info in tensors.values())


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
