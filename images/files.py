"""PNG files of images."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..disk import write_whole


def write_image(path: Path | Iterator[Path], image: Tensor) -> Path:
    """Write `[H, W, 3]`, 0..1, to an RGB PNG of 8 bits, with `disk.write_whole`; its path."""
    if image.ndim != 3 or image.shape[-1] != 3 or image.numel() == 0:
        raise ValueError(f"the image has shape {list(image.shape)}; expected [height, width, 3]")
    low, high = (end.item() for end in image.aminmax())
    if not (low >= 0 and high <= 1):  # put this way round, NaN is refused as well
        raise ValueError(f"the image's values run from {low:g} to {high:g}; expected 0 to 1")
    pixels = (image.detach().cpu().double() * 255).round().to(torch.uint8).numpy()
    return write_whole(path, partial(Image.fromarray(pixels).save, format="PNG"))


def png_info(text: Mapping[str, str] | None) -> PngInfo:
    """Entries of text as Pillow takes them."""
    entries = PngInfo()
    for key, value in (text or {}).items():
        entries.add_text(key, value)
    return entries
