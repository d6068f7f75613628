"""ComfyUI's nodes that save or show something."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import PIL.Image
import torch
from safetensors.torch import save
from torch import Tensor

from ...disk.writing import write_whole
from ...engine import host
from ...images.files import png_info
from .load import LATENT_MARK
from .masks import mask_to_image
from .node_class import Image, Latent, Mask, PngInfo, Prompt, Shown, Text, node, string


@node("SaveImage", "Save Image", "images")
def save_image(
    images: Image,
    filename_prefix: Annotated[str, string("ComfyUI")],
    prompt: Prompt = None,
    extra_pnginfo: PngInfo = None,
) -> tuple[Image, Shown]:
    """Images to PNG files in the output folder, with the workflow inside."""
    text = host.png_text(prompt, extra_pnginfo)
    return images, _save_images(images, filename_prefix, text, "output")


@node("PreviewImage", "Preview Image", "images")
def preview_image(
    images: Image, prompt: Prompt = None, extra_pnginfo: PngInfo = None
) -> tuple[Image, Shown]:
    """Images to PNG files in the folder of previews."""
    text = host.png_text(prompt, extra_pnginfo)
    return images, _save_images(images, "ComfyUI_temp", text, "temp")


@node("MaskPreview", "Preview Mask", "mask")
def mask_preview(
    mask: Mask, prompt: Prompt = None, extra_pnginfo: PngInfo = None
) -> tuple[Mask, Shown]:
    """Masks to grey PNG files in the folder of previews."""
    return mask, preview_image(mask_to_image(mask), prompt, extra_pnginfo)[1]


def _save_images(
    images: Tensor, prefix: str, text: dict[str, str], place: Literal["output", "temp"]
) -> Shown:
    count, height, width = images.shape[:3]
    paths, subfolder = host.output_paths(prefix, count, width, height, place=place)
    files = [
        write_whole(path, partial(_write_png, to_pil(image), text))
        for path, image in zip(paths, images, strict=True)
    ]
    saved = [{"filename": file.name, "subfolder": subfolder, "type": place} for file in files]
    return {"images": saved}


def _write_png(image: PIL.Image.Image, text: dict[str, str], path: Path) -> None:
    image.save(path, format="PNG", pnginfo=png_info(text), compress_level=4)


def to_pil(image: Tensor) -> PIL.Image.Image:
    """One image [H, W, 3] of an IMAGE with 8 bits a channel: cut off, not rounded, as ComfyUI."""
    return PIL.Image.fromarray((255.0 * image).clamp(0, 255).to(torch.uint8).cpu().numpy())


@node("SaveLatent", "Save Latent", "samples")
def save_latent(
    samples: Latent,
    filename_prefix: Annotated[str, string("latents/ComfyUI")],
    prompt: Prompt = None,
    extra_pnginfo: PngInfo = None,
) -> tuple[Latent, Shown]:
    """A latent to a .latent file (safetensors) in the output folder, with the workflow inside."""
    (path,), subfolder = host.output_paths(filename_prefix, 1, 0, 0, ".latent")
    tensors = {"latent_tensor": samples["samples"].contiguous(), LATENT_MARK: torch.tensor([])}
    # As bytes: what safetensors raises when it writes a file itself is no OSError.
    content = save(tensors, metadata=host.png_text(prompt, extra_pnginfo))
    file = write_whole(path, lambda unfinished: unfinished.write_bytes(content))
    saved = {"filename": file.name, "subfolder": subfolder, "type": "output"}
    return samples, {"latents": [saved]}


@node("PreviewAny", "Preview as Text")
def preview_any(source: Annotated[Any, ("*",)]) -> tuple[Text, Shown]:
    """Any value as text."""
    if source is None or isinstance(source, (str, int, float)):
        text = str(source)
    else:
        text = json.dumps(source, indent=4, ensure_ascii=False, default=str)
    return text, {"text": (text,)}


@node("Preview3D", "Preview 3D & Animation")
def preview_3d(
    model_file: Text,
    camera_info: Annotated[Any, ("LOAD3D_CAMERA",)] = None,
    bg_image: Annotated[Tensor | None, ("IMAGE",)] = None,
    image: Text = "",  # what the page stores of its view, a widget that it adds
) -> Shown:
    """A 3D file of the output folder, for the canvas to show."""
    return {"result": [model_file, camera_info, None]}
