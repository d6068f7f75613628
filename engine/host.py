"""The host functions outside ComfyUI: `host/__init__.py` is their contract.

Packages that only the embedded engine needs are imported when they are used, so that the nodes
can be imported without them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from ..checkpoints.checkpoint import Absent, Checkpoint
from ..sampling.depth_channel import Conditioning
from ..sampling.latents import MaskRule
from . import folders
from .samplers import SAMPLERS, SCHEDULERS

if TYPE_CHECKING:
    from .networks import EngineCLIP, EngineModel, EngineVAE

T = TypeVar("T")

_DEPTH_CHANNELS = 5  # four of the latent and one of depth


# --- files ---------------------------------------------------------------------------------------


def checkpoint_names() -> list[str]:
    """Names of the files in the checkpoints folder, then of diffusers folders, as `NAME/`."""
    return folders.checkpoint_names()


def checkpoint_path(name: str) -> Path:
    """A checkpoint by name or path; FileNotFoundError says where it was looked for."""
    return folders.checkpoint_path(name)


def depth_model_names() -> list[str]:
    """Names of the depth models in the folders for them."""
    return folders.depth_model_names()


def depth_model_path(name: str) -> Path:
    """A depth model by name or path; FileNotFoundError says where it was looked for."""
    return folders.depth_model_path(name)


def input_names(suffixes: tuple[str, ...] = ()) -> list[str]:
    """Names of the images in the input folder, and of the files with one of the suffixes."""
    return folders.input_names(suffixes)


def input_path(name: str) -> Path:
    """An image by name or path; FileNotFoundError says where it was looked for."""
    return folders.input_path(name)


def output_paths(
    prefix: str, count: int, width: int, height: int, suffix: str = ".png"
) -> tuple[list[Path], str]:
    """`count` free paths in the output folder and their subfolder; see folders.output_paths."""
    return folders.output_paths(folders.current().output, prefix, count, width, height, suffix)


def preview_paths(
    prefix: str, count: int, width: int, height: int, suffix: str = ".png"
) -> tuple[list[Path], str]:
    """`count` free paths in the folder of previews, and their subfolder."""
    return folders.output_paths(folders.current().temp, prefix, count, width, height, suffix)


def png_text(prompt: Any, extra_pnginfo: Mapping[str, Any] | None) -> dict[str, str]:
    """The PNG text entries that carry the workflow, as ComfyUI writes them."""
    entries = {} if prompt is None else {"prompt": prompt}
    return {key: json.dumps(value) for key, value in {**entries, **(extra_pnginfo or {})}.items()}


# --- models --------------------------------------------------------------------------------------


def load_checkpoint(
    checkpoint: Checkpoint,
) -> "tuple[EngineModel, EngineCLIP | Absent, EngineVAE | Absent]":
    """The engine's MODEL, CLIP and VAE of a checkpoint."""
    from .networks import load

    return load(checkpoint)


def add_difference(
    model: "EngineModel", fine_tune: "EngineModel", base: "EngineModel", strength: float
) -> "EngineModel":
    """The depth MODEL plus strength · (fine-tune − base), worked out when it is first used.

    Raises CannotAddDifference when the three do not belong together.
    """
    return model.with_difference(fine_tune, base, strength)


def on_device(network: torch.nn.Module) -> torch.device:
    """Move a depth network to where it runs fastest and say where that is."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    return device


# --- sampling ------------------------------------------------------------------------------------


def sampler_names() -> list[str]:
    """The engine's samplers, under ComfyUI's names."""
    return list(SAMPLERS)


def scheduler_names() -> list[str]:
    """The engine's schedulers, under ComfyUI's names."""
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
    latent: dict[str, Any],
    denoise: float,
    mask_rule: MaskRule = MaskRule.KSAMPLER,
    depth_guidance: float = 1.0,
) -> dict[str, Any]:
    """KSampler with a progress bar. LATENT in, LATENT out.

    Raises ValueError when the MODEL takes no depth map.
    """
    if model.in_channels != _DEPTH_CHANNELS:
        raise ValueError(
            f"this MODEL has {model.in_channels} input channels and takes no depth map; connect "
            "the MODEL of Load SD2 Depth Checkpoint (5 input channels)"
        )
    from .guidance import sample as sample_latent

    return sample_latent(
        model,
        seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        positive,
        negative,
        latent,
        denoise,
        mask_rule=mask_rule,
        depth_guidance=depth_guidance,
        progress=progress,
    )


def progress(items: Sequence[T], description: str) -> Iterator[T]:
    """The same items under a progress bar, where there is a terminal; Ctrl-C ends the loop."""
    from tqdm import tqdm

    yield from tqdm(items, desc=description, leave=False, disable=None)
