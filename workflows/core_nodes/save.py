"""ComfyUI's nodes that save or show something."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from ...disk import written_whole
from ...engine import folders, host
from ...images.files import png_info
from .load import LATENT_MARK
from .masks import mask_to_image
from .node_class import IMAGE, LATENT, MASK, WORKFLOW, Nodes, node, string

NODES: Nodes = {}
saving_node = partial(node, NODES, hidden=WORKFLOW, output=True)


@saving_node(
    "SaveImage",
    "Save Image",
    {"images": IMAGE, "filename_prefix": string("ComfyUI")},
    ["IMAGE"],
    names=["images"],
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


@saving_node("PreviewImage", "Preview Image", {"images": IMAGE}, ["IMAGE"], names=["images"])
def preview_image(images: Tensor, prompt: Any = None, extra_pnginfo: Any = None) -> dict[str, Any]:
    """Images to PNG files in the folder of previews."""
    text = host.png_text(prompt, extra_pnginfo)
    saved = _save_images(images, folders.current().temp, "ComfyUI_temp", text, "temp")
    return {"ui": {"images": saved}, "result": (images,)}


@saving_node("MaskPreview", "Preview Mask", {"mask": MASK}, ["MASK"], names=["mask"])
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
            file.save(unfinished, format="PNG", pnginfo=png_info(text), compress_level=4)
    return [{"filename": path.name, "subfolder": subfolder, "type": kind} for path in paths]


def to_pil(image: Tensor) -> Image.Image:
    """One image [H, W, 3] of an IMAGE with 8 bits a channel: cut off, not rounded, as ComfyUI."""
    return Image.fromarray((255.0 * image).clamp(0, 255).to(torch.uint8).cpu().numpy())


@saving_node(
    "SaveLatent",
    "Save Latent",
    {"samples": LATENT, "filename_prefix": string("latents/ComfyUI")},
    ["LATENT"],
    names=["samples"],
)
def save_latent(
    samples: dict[str, Any],
    filename_prefix: str = "latents/ComfyUI",
    prompt: Any = None,
    extra_pnginfo: Any = None,
) -> dict[str, Any]:
    """A latent to a .latent file (safetensors) in the output folder, with the workflow inside."""
    (path,), subfolder = host.output_paths(filename_prefix, 1, 0, 0, ".latent")
    tensors = {"latent_tensor": samples["samples"].contiguous(), LATENT_MARK: torch.tensor([])}
    with written_whole(path) as unfinished:
        save_file(tensors, unfinished, metadata=host.png_text(prompt, extra_pnginfo))
    saved = {"filename": path.name, "subfolder": subfolder, "type": "output"}
    return {"ui": {"latents": [saved]}, "result": (samples,)}


@node(NODES, "PreviewAny", "Preview as Text", {"source": ("*",)}, ["STRING"], output=True)
def preview_any(source: Any = None) -> dict[str, Any]:
    """Any value as text."""
    if source is None or isinstance(source, (str, int, float)):
        text = str(source)
    else:
        text = json.dumps(source, indent=4, ensure_ascii=False, default=str)
    return {"ui": {"text": (text,)}, "result": (text,)}
