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
    if image.ndim != 3 or image.shape[-1] != 3 or image.numel() == 0:
        raise ValueError(f"the image has shape {list(image.shape)}; expected [height, width, 3]")
    low, high = (end.item() for end in image.aminmax())
    if not (low >= 0 and high <= 1):  # put this way round, NaN is refused as well
        raise ValueError(f"the image's values run from {low:g} to {high:g}; expected 0 to 1")
    pixels = (image.detach().cpu().double() * 255).round().to(torch.uint8).numpy()
    with written_whole(path) as unfinished:
        Image.fromarray(pixels).save(unfinished, format="PNG")


def png_info(text: Mapping[str, str] | None) -> PngInfo:
    """Entries of text as Pillow takes them."""
    entries = PngInfo()
    for key, value in (text or {}).items():
        entries.add_text(key, value)
    return entries
