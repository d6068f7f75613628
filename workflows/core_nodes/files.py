"""ComfyUI's nodes that read and write files, for the embedded engine.

Those that read are written out as classes, because ComfyUI's checks for them (`IS_CHANGED`,
`VALIDATE_INPUTS`) name the input.
"""

# ruff: noqa: N802 - INPUT_TYPES, IS_CHANGED and VALIDATE_INPUTS are ComfyUI's names

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...checkpoints.checkpoint import Checkpoint
from ...disk import written_whole
from ...engine import folders, host
from ...sampling.latents import SCALE_FACTOR
from . import v1
from .images import mask_to_image
from .v1 import IMAGE, LATENT, MASK, WORKFLOW, string

Latent = dict[str, Any]

log = logging.getLogger(__name__)

NODES: v1.Nodes = {}
node = partial(v1.node, NODES)

# --- reading -------------------------------------------------------------------------------------


class CheckpointLoaderSimple:
    """Load Checkpoint: MODEL, CLIP and VAE of SD2, with or without the depth channel."""

    DISPLAY_NAME = "Load Checkpoint"
    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """A name in the checkpoints folder or a path."""
        return {"required": {"ckpt_name": (host.checkpoint_names(),)}}

    def load(self, ckpt_name: str) -> tuple[Any, Any, Any]:
        """Open the file, check it, load its parts."""
        path = host.checkpoint_path(ckpt_name)
        return host.load_checkpoint(Checkpoint.open(path, depth_only=False))

    @classmethod
    def VALIDATE_INPUTS(cls, ckpt_name: str) -> bool | str:
        """Tell before anything runs that the file is missing."""
        return _found(host.checkpoint_path, ckpt_name)


class LoadImage:
    """Load Image: an image and, from its transparency, a mask."""

    DISPLAY_NAME = "Load Image"
    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """A name in the input folder or a path."""
        return {"required": {"image": (host.input_names(), {"image_upload": True})}}

    def load(self, image: str) -> tuple[Tensor, Tensor]:
        """All frames of the file; transparent = 1 in the mask."""
        return read_image(host.input_path(image))

    @classmethod
    def IS_CHANGED(cls, image: str, **_: Any) -> str:
        """A file edited on disk is read again."""
        return _digest(host.input_path(image))

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        """Tell before anything runs that the file is missing."""
        return _found(host.input_path, image)


class LoadImageMask(LoadImage):
    """Load Image (as Mask): one channel of an image; alpha is turned round, as in Load Image."""

    DISPLAY_NAME = "Load Image (as Mask)"
    RETURN_TYPES = ("MASK",)

    CHANNELS = ["alpha", "red", "green", "blue"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """A file, and which of its channels."""
        return {"required": {**super().INPUT_TYPES()["required"], "channel": (cls.CHANNELS,)}}

    def load(self, image: str, channel: str) -> tuple[Tensor]:
        """The channel of all frames, 0..1."""
        pixels, mask = read_image(host.input_path(image))
        if channel == "alpha":
            return (mask,)
        return (pixels[..., self.CHANNELS.index(channel) - 1].clone(),)


class LoadLatent:
    """Load Latent: what Save Latent wrote."""

    DISPLAY_NAME = "Load Latent"
    RETURN_TYPES = ("LATENT",)
    FUNCTION = "load"

    # Files without this entry are older than it and hold latents in the UNet's units.
    MARK = "latent_format_version_0"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """A name in the input folder or a path."""
        return {"required": {"latent": (folders.input_names((".latent",), images=False),)}}

    def load(self, latent: str) -> tuple[Latent]:
        """LATENT with the samples alone, in the VAE's units."""
        tensors = load_file(host.input_path(latent), device="cpu")
        scale = 1.0 if self.MARK in tensors else 1.0 / SCALE_FACTOR
        return ({"samples": tensors["latent_tensor"].float() * scale},)

    @classmethod
    def IS_CHANGED(cls, latent: str) -> str:
        """A file written anew is read again."""
        return _digest(host.input_path(latent))

    @classmethod
    def VALIDATE_INPUTS(cls, latent: str) -> bool | str:
        """Tell before anything runs that the file is missing."""
        return _found(host.input_path, latent)


NODES |= {
    node.__name__: node for node in (CheckpointLoaderSimple, LoadImage, LoadImageMask, LoadLatent)
}


class UnreadableImage(ValueError):  # noqa: N818 - names what the file is
    """The file is not an image, or a damaged one."""


def read_image(path: Path) -> tuple[Tensor, Tensor]:
    """All frames of an image file, turned upright by its EXIF entry.

    Returns: IMAGE [B, H, W, 3] and MASK 1 - alpha [B, H, W]; a file without transparency gives
    a mask of zeros [B, 64, 64]. Frames of another size than the first are left out with a
    warning. 16 bits of a grey image are kept; Pillow reads 16-bit colour as 8 bits.
    Raises UnreadableImage.
    """
    images, masks = [], []
    try:
        with Image.open(path) as file:
            for frame in ImageSequence.Iterator(file):
                upright = ImageOps.exif_transpose(frame)
                images.append(_colours(upright))
                masks.append(_transparency(upright))
                if file.format == "MPO":
                    break  # its other frames are other views of the scene, not a sequence
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise UnreadableImage(
            f"{path} cannot be read as an image ({error}); save it again as PNG or JPEG"
        ) from error
    fitting = [i for i, image in enumerate(images) if image.shape == images[0].shape]
    if len(fitting) < len(images):
        left_out = len(images) - len(fitting)
        log.warning("%s: %d frames of another size are left out", path.name, left_out)
    image = torch.stack([images[i] for i in fitting])
    return image, torch.stack([masks[i] for i in fitting])


def _colours(frame: Image.Image) -> Tensor:
    """[H, W, 3] in 0..1."""
    if frame.mode.startswith("I"):  # 16-bit grey, which Pillow widens to 32 bits in some formats
        grey = torch.from_numpy(np.asarray(frame).astype(np.float32) / 65535.0)
        return grey.unsqueeze(-1).expand(-1, -1, 3).contiguous()
    return torch.from_numpy(np.asarray(frame.convert("RGB")).astype(np.float32) / 255.0)


def _transparency(frame: Image.Image) -> Tensor:
    """[H, W], 1 = transparent."""
    if not frame.has_transparency_data:
        return torch.zeros(64, 64)
    alpha = frame.convert("RGBA").getchannel("A")
    return 1.0 - torch.from_numpy(np.asarray(alpha).astype(np.float32) / 255.0)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _found(find: Callable[[str], Path], name: str) -> bool | str:
    try:
        find(name)
    except FileNotFoundError as error:
        return str(error)
    return True


# --- writing -------------------------------------------------------------------------------------


@node(
    "SaveImage",
    "Save Image",
    {"images": IMAGE, "filename_prefix": string("ComfyUI")},
    ["IMAGE"],
    names=["images"],
    hidden=WORKFLOW,
    output=True,
)
def save_image(
    images: Tensor,
    filename_prefix: str = "ComfyUI",
    prompt: Any = None,
    extra_pnginfo: Any = None,
) -> dict[str, Any]:
    """Images to PNG files in the output folder, with the workflow inside."""
    text = host.png_text(prompt, extra_pnginfo)
    saved = _save_images(images, folders.current().output, filename_prefix, text, "output")
    return {"ui": {"images": saved}, "result": (images,)}


@node(
    "PreviewImage",
    "Preview Image",
    {"images": IMAGE},
    ["IMAGE"],
    names=["images"],
    hidden=WORKFLOW,
    output=True,
)
def preview_image(images: Tensor, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
    """Images to PNG files in the folder of previews."""
    text = host.png_text(prompt, extra_pnginfo)
    saved = _save_images(images, folders.current().temp, "ComfyUI_temp", text, "temp")
    return {"ui": {"images": saved}, "result": (images,)}


@node(
    "MaskPreview",
    "Preview Mask",
    {"mask": MASK},
    ["MASK"],
    names=["mask"],
    hidden=WORKFLOW,
    output=True,
)
def mask_preview(mask: Tensor, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
    """Masks to grey PNG files in the folder of previews."""
    shown = preview_image(mask_to_image(mask), prompt, extra_pnginfo)
    return {"ui": shown["ui"], "result": (mask,)}


def _save_images(
    images: Tensor, folder: Path, prefix: str, text: Mapping[str, str], kind: str
) -> list[dict[str, str]]:
    count, height, width = images.shape[:3]
    paths, subfolder = folders.output_paths(folder, prefix, count, width, height, ".png")
    for path, image in zip(paths, images, strict=True):
        with written_whole(path) as unfinished:
            file = to_pil(image)
            file.save(unfinished, format="PNG", pnginfo=_png_info(text), compress_level=4)
    return [{"filename": path.name, "subfolder": subfolder, "type": kind} for path in paths]


def to_pil(image: Tensor) -> Image.Image:
    """One image [H, W, 3] of an IMAGE with 8 bits a channel: cut off, not rounded, as ComfyUI."""
    return Image.fromarray((255.0 * image).clamp(0, 255).to(torch.uint8).cpu().numpy())


def _png_info(text: Mapping[str, str]) -> PngInfo:
    info = PngInfo()
    for key, value in text.items():
        info.add_text(key, value)
    return info


@node(
    "SaveLatent",
    "Save Latent",
    {"samples": LATENT, "filename_prefix": string("latents/ComfyUI")},
    ["LATENT"],
    names=["samples"],
    hidden=WORKFLOW,
    output=True,
)
def save_latent(
    samples: Latent,
    filename_prefix: str = "latents/ComfyUI",
    prompt: Any = None,
    extra_pnginfo: Any = None,
) -> dict[str, Any]:
    """A latent to a .latent file (safetensors) in the output folder, with the workflow inside."""
    paths, subfolder = host.output_paths(filename_prefix, 1, 0, 0, ".latent")
    tensors = {"latent_tensor": samples["samples"].contiguous(), LoadLatent.MARK: torch.tensor([])}
    with written_whole(paths[0]) as unfinished:
        save_file(tensors, unfinished, metadata=host.png_text(prompt, extra_pnginfo))
    saved = {"filename": paths[0].name, "subfolder": subfolder, "type": "output"}
    return {"ui": {"latents": [saved]}, "result": (samples,)}


@node("PreviewAny", "Preview as Text", {"source": ("*",)}, ["STRING"], output=True)
def preview_any(source: Any = None) -> dict[str, Any]:
    """Any value as text."""
    if source is None or isinstance(source, (str, int, float)):
        text = str(source)
    else:
        text = json.dumps(source, indent=4, ensure_ascii=False, default=str)
    return {"ui": {"text": (text,)}, "result": (text,)}
