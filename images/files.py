"""PNG files of images."""

from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..disk import written_whole


def write_image(path: Path, image: Tensor) -> None:
    """Write `[H, W, 3]`, 0..1, to an RGB PNG of 8 bits."""
    pixels = (image.detach().cpu().double() * 255).round().to(torch.uint8).numpy()
    with written_whole(path) as unfinished:
        Image.fromarray(pixels).save(unfinished, format="PNG")


def png_info(text: Mapping[str, str] | None) -> PngInfo:
    """Entries of text as Pillow takes them."""
    entries = PngInfo()
    for key, value in (text or {}).items():
        entries.add_text(key, value)
    return entries
