"""The embedded engine as a host: the functions of `host/interface.py`, outside ComfyUI.

Packages that only the engine needs are imported when they are used, so that the nodes can be
imported without them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import torch

from ..checkpoints.checkpoint import Absent, Checkpoint
from ..sampling.depth_channel import Conditioning
from ..sampling.latents import Latent, MaskRule
from . import folders, guidance
from .folders import (  # noqa: F401 - functions of the host
    checkpoint_names,
    checkpoint_path,
    depth_model_names,
    depth_model_path,
    input_names,
    input_path,
    png_text,
)
from .samplers import SAMPLERS, SCHEDULERS

if TYPE_CHECKING:
    from .networks import EngineCLIP, EngineModel, EngineVAE

T = TypeVar("T")

_DEPTH_CHANNELS = 5  # four of the latent and one of depth


def output_paths(
    prefix: str,
    count: int,
    width: int,
    height: int,
    suffix: str = ".png",
    place: Literal["output", "temp"] = "output",
) -> tuple[list[Path], str]:
    used = folders.current()
    folder = used.output if place == "output" else used.temp
    return folders.output_paths(folder, prefix, count, width, height, suffix)


def load_checkpoint(
    checkpoint: Checkpoint,
) -> "tuple[EngineModel, EngineCLIP | Absent, EngineVAE | Absent]":
    from .networks import load

    return load(checkpoint)


def add_difference(
    model: "EngineModel", fine_tune: "EngineModel", base: "EngineModel", strength: float
) -> "EngineModel":
    return model.with_difference(fine_tune, base, strength)


def on_device(network: torch.nn.Module) -> torch.device:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    return device


def sampler_names() -> list[str]:
    return list(SAMPLERS)


def scheduler_names() -> list[str]:
    return list(SCHEDULERS)


def sample(
    model: "EngineModel",
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    denoise: float,
    mask_rule: MaskRule = MaskRule.KSAMPLER,
    depth_guidance: float = 1.0,
) -> Latent:
    if model.in_channels != _DEPTH_CHANNELS:
        raise ValueError(
            f"this MODEL has {model.in_channels} input channels and takes no depth map; connect "
            "the MODEL of Load SD2 Depth Checkpoint (5 input channels)"
        )
    settings = (seed, steps, cfg, sampler_name, scheduler, positive, negative, latent, denoise)
    return guidance.sample(model, *settings, mask_rule, depth_guidance, progress)


def progress(items: Sequence[T], description: str) -> Iterator[T]:
    """A bar where there is a terminal; Ctrl-C ends the loop."""
    from tqdm import tqdm

    yield from tqdm(items, desc=description, leave=False, disable=None)
