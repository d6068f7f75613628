"""What is said of a weight file or a folder: its kind, its family, its parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ..files.weights import TensorInfo

FOLDER = "diffusers folder"  # a layout


class Part(str, Enum):
    """The prefix under which each part of the checkpoint lies."""

    UNET = "model.diffusion_model."
    VAE = "first_stage_model."
    TEXT = "cond_stage_model.model."
    MIDAS = "depth_model.model."


EMA = "model_ema."  # before the averaged copy of the UNet


def part_of(tensors: Mapping[str, TensorInfo], prefix: str) -> dict[str, TensorInfo]:
    """The tensors under a prefix, which is stripped."""
    return {n[len(prefix) :]: info for n, info in tensors.items() if n.startswith(prefix)}


class Kind(str, Enum):
    """What a file is, as people call it."""

    SD2_DEPTH = "Stable Diffusion 2 depth checkpoint"
    SD2_DEPTH_UNET = "UNet of a Stable Diffusion 2 depth model, without VAE and text encoder"
    SD2 = "Stable Diffusion 2 checkpoint"
    SD2_INPAINTING = "Stable Diffusion 2 inpainting checkpoint"
    SD2_UNCLIP = "Stable Diffusion 2 unCLIP checkpoint"
    SD2_UPSCALER = "Stable Diffusion 2 x4 upscaler"
    SD1 = "Stable Diffusion 1.5 checkpoint"
    SDXL = "Stable Diffusion XL checkpoint"
    UNKNOWN_UNET = "diffusion UNet of an unknown kind"
    OTHER_DIFFUSION = "diffusion model of another family"
    LORA = "LoRA"
    CONTROLNET = "ControlNet or T2I adapter"
    EMBEDDING = "textual inversion embedding"
    VAE = "VAE"
    TEXT_ENCODER = "text encoder"
    IMAGE_ENCODER = "image encoder"
    MIDAS = "MiDaS depth network"
    DEPTH_NETWORK = "depth network"
    UNKNOWN = "file of tensors that form no known model"
    # What has no tensors that can be read.
    GGUF = "GGUF file"
    TORCHSCRIPT = "TorchScript archive"
    HOSTILE = "archive with a program in it"
    DAMAGED = "damaged or cut-off file"
    NOT_A_MODEL = "file without a model in it"


class Family(str, Enum):
    """Which of the diffusion models something belongs to."""

    SD1 = "Stable Diffusion 1.5"
    SD2 = "Stable Diffusion 2"
    SDXL = "Stable Diffusion XL"
    OTHER = "another family"


@dataclass(frozen=True)
class Diagnosis:
    """What a file is and what is in it, as its header shows.

    Attributes:
        family: None where the shapes do not tell.
        variant: which one of its kind, in words.
        layout: whose names its tensors have: "original", "diffusers", "transformers", ...
        in_channels, context_dim: of the UNet, None without one.
        alone: whether it is the UNet and nothing else.
        parts: tensors and parameters of each part that is present, by name.
        dtypes: number of tensors of each element type.
        unused: tensors that depth-to-image does not read, grouped: reason -> names.
        foreign: names of functions and classes that a pickle asks for; it is given none.
        place: where below the folder that was named the model lies; "" for that folder itself.
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
    foreign: Sequence[str] = ()
    place: str = ""
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
        whose = f" for {self.family.value}" if self.kind in _FITS_ONE_FAMILY and self.family else ""
        listed = f" ({', '.join(facts)})" if facts else ""
        return f"This is {article} {self.kind.value}{whose}{listed}."


_FITS_ONE_FAMILY = (Kind.LORA, Kind.CONTROLNET, Kind.EMBEDDING, Kind.TEXT_ENCODER)
