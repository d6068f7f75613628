"""The embedded engine as a host: the functions of `host/interface.py`, outside ComfyUI."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from ..sampling.shortcuts import Shortcuts
from . import devices, execution
from .folders import (  # noqa: F401 - functions of the host, as are the other imports
    checkpoint_names,
    checkpoint_path,
    depth_model_names,
    depth_model_path,
    input_names,
    input_path,
    output_paths,
    png_text,
)
from .guidance import require_depth
from .joint_sampling import sample  # noqa: F401
from .networks import EngineModel, add_difference  # noqa: F401
from .networks import load as load_checkpoint  # noqa: F401
from .progress import progress  # noqa: F401
from .samplers import SAMPLERS, SCHEDULERS


def unet_width(model: EngineModel) -> int:
    require_depth(model)
    return model.model_channels


def with_shortcuts(model: EngineModel, shortcuts: Shortcuts) -> EngineModel:
    require_depth(model)
    return model.with_shortcuts(shortcuts)


def preview_folder() -> Path | None:
    return None


@contextmanager
def running_on(device: devices.Device | None, precision: str | None = None) -> Iterator[None]:
    with devices.on(device), execution.in_precision(precision):
        yield


def core_nodes() -> Mapping[str, type]:
    return {}


def on_device(network: torch.nn.Module) -> torch.device:
    device = devices.current()
    network.to(device)
    return device


def sampler_names() -> list[str]:
    return list(SAMPLERS)


def scheduler_names() -> list[str]:
    return list(SCHEDULERS)
