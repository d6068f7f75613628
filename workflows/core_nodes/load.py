"""ComfyUI's nodes that read files.

Each takes a name in a folder or a path. They are written out as classes, because ComfyUI's checks
name the input: `VALIDATE_INPUTS` tells before anything runs that a file is missing, `IS_CHANGED`
that it was edited on disk.
"""

# ruff: noqa: D102, N802 - ComfyUI's methods under ComfyUI's names

import hashlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...checkpoints.checkpoint import Checkpoint
from ...checkpoints.files.weights import open_weights
from ...engine import folders, host
from ...images.counts import counted
from ...images.files import read_frames
from ...images.masks import UNPAINTED
from ...nodes.advice import ABSENT_PARTS
from ...nodes.node import Node
from ...nodes.remedies import answer
from ...sampling.latents import SCALE_FACTOR
from .node_class import CORE_NODES

LATENT = "latent_tensor"

# Files without this entry are older than it and hold latents in the UNet's units.
LATENT_MARK = "latent_format_version_0"

log = logging.getLogger(__name__)


class CheckpointLoaderSimple(Node):
    """Load Checkpoint: MODEL, CLIP and VAE of SD2, with or without the depth channel."""

    DISPLAY_NAME = "Load Checkpoint"
    RETURN_TYPES = ("MODEL", "CLIP", "VAE")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"ckpt_name": (host.checkpoint_names(),)}}

    def execute(self, ckpt_name: str) -> tuple[Any, Any, Any]:
        path = host.checkpoint_path(ckpt_name)
        return host.load_checkpoint(Checkpoint.open(path, depth_only=False, remedies=ABSENT_PARTS))

    @classmethod
    def VALIDATE_INPUTS(cls, ckpt_name: str) -> bool | str:
        return answer(host.checkpoint_path, ckpt_name)


class _FromImage:
    """What the nodes share that read an image of the input folder."""

    FUNCTION = "load"

    @classmethod
    def IS_CHANGED(cls, image: str, **_: Any) -> str:
        return _digest(host.input_path(image))

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        return answer(host.input_path, image)


class LoadImage(_FromImage):
    """Load Image: all frames of a file and, from their transparency, a mask."""

    DISPLAY_NAME = "Load Image"
    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": (host.input_names(), {"image_upload": True})}}

    def load(self, image: str) -> tuple[Tensor, Tensor]:
        return read_image(host.input_path(image))


class LoadImageMask(_FromImage):
    """Load Image (as Mask): one channel of all frames; alpha is turned round, as in Load Image."""

    DISPLAY_NAME = "Load Image (as Mask)"
    RETURN_TYPES = ("MASK",)

    CHANNELS = ["alpha", "red", "green", "blue"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {**LoadImage.INPUT_TYPES()["required"], "channel": (cls.CHANNELS,)}}

    def load(self, image: str, channel: str) -> tuple[Tensor]:
        pixels, mask = read_image(host.input_path(image))
        if channel == "alpha":
            return (mask,)
        return (pixels[..., self.CHANNELS.index(channel) - 1].clone(),)


class LoadLatent:
    """Load Latent: what Save Latent wrote, the samples alone, in the VAE's units."""

    DISPLAY_NAME = "Load Latent"
    RETURN_TYPES = ("LATENT",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"latent": (folders.input_names((".latent",), images=False),)}}

    def load(self, latent: str) -> tuple[dict[str, Tensor]]:
        return ({"samples": _latent(host.input_path(latent))},)

    @classmethod
    def IS_CHANGED(cls, latent: str) -> str:
        return _digest(host.input_path(latent))

    @classmethod
    def VALIDATE_INPUTS(cls, latent: str) -> bool | str:
        return answer(host.input_path, latent)


CORE_NODES.update(
    {kind.__name__: kind for kind in (CheckpointLoaderSimple, LoadImage, LoadImageMask, LoadLatent)}
)


class NoLatent(ValueError):  # noqa: N818 - names what the file is
    """The file holds no latent; the message names it."""


def _latent(path: Path) -> Tensor:
    """What Save Latent wrote, float32 [B, C, h, w]. Raises NoLatent, and as `open_weights`."""
    file = open_weights(path)
    names = file.tensors.keys()
    if LATENT not in names:
        raise NoLatent(
            f"{path} holds no latent: it has {_some(names)}, and no {LATENT!r}; expected a file "
            "of Save Latent"
        )
    samples = file.read(LATENT)
    if samples.ndim != 4 or not samples.numel() or not samples.is_floating_point():
        raise NoLatent(
            f"{path}: its {LATENT!r} has shape {list(samples.shape)} and type {samples.dtype}; "
            "expected floats [batch, channels, height, width]"
        )
    return samples.float() * (1.0 if LATENT_MARK in names else 1.0 / SCALE_FACTOR)


def _some(names: Collection[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in sorted(names)[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more}" if names else "no tensors"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_image(path: Path) -> tuple[Tensor, Tensor]:
    """All frames of an image file, as `read_frames` gives them.

    Returns: IMAGE [B, H, W, 3] and MASK 1 - alpha [B, H, W]; a file without transparency gives
    a mask of zeros [B, 64, 64]. Frames of another size than the first are left out with a
    warning. Raises UnreadableImage.
    """
    frames = list(read_frames(path))
    size = frames[0].colours.shape[:2]
    fitting = [frame for frame in frames if frame.colours.shape[:2] == size]
    if len(fitting) < len(frames):
        left_out = len(frames) - len(fitting)
        log.warning("%s: left out: %s of another size", path.name, counted(left_out, "frame"))
    image = torch.empty(len(fitting), *size, 3)
    has_alpha = any(frame.alpha is not None for frame in fitting)
    mask = torch.zeros(len(fitting), *(size if has_alpha else UNPAINTED))
    for index, (colours, alpha) in enumerate(fitting):
        white = np.float32(255 if colours.dtype == np.uint8 else 65535)
        np.divide(colours, white, out=image[index].numpy(), dtype=np.float32)
        if alpha is not None:
            mask[index] = 1.0 - torch.from_numpy(alpha / np.float32(255))
    return image, mask
