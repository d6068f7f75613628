"""A depth map as a small image of 8 bits, quickly made, to be looked at."""

import io

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base
from torch import Tensor

MOST = 384  # pixels of the longer side
QUALITY = 90


def thumbnail(depth: Tensor) -> bytes:
    """A map `[H, W]` as a grey JPEG: 0 is black, 1 is white.

    Values that go beyond 0..1, distances for example, are stretched to it. Pixels without a value
    are black. Pixels are left out, not averaged: that would take longer than many an edit. Of what
    size the map is stands in the file, and browsers show it at that size.
    """
    step = -(-max(depth.shape) // MOST)
    small = depth[::step, ::step].detach().float().contiguous().cpu().numpy()
    if not (small.min() >= 0 and small.max() <= 1):  # NaN as well
        small = _stretched(small)
    file = io.BytesIO()
    pixels = (small * 255 + 0.5).astype(np.uint8)
    exif = _stands_for(*pixels.shape, *depth.shape)
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, exif=exif)
    return file.getvalue()


def _stands_for(rows: int, columns: int, height: int, width: int) -> Image.Exif:
    """That so many pixels are to be shown as an image of this height and width.

    By the HTML standard's "density-corrected natural width and height": at 72 dots an inch the
    pixels would be as large as they are stored, at fewer they are larger.
    """
    exif = Image.Exif()
    exif[Base.XResolution] = 72 * columns / width
    exif[Base.YResolution] = 72 * rows / height
    exif[Base.ResolutionUnit] = 2  # inches
    size = exif.get_ifd(IFD.Exif)
    size[Base.ExifImageWidth], size[Base.ExifImageHeight] = width, height
    return exif


def _stretched(depth: np.ndarray) -> np.ndarray:
    known = depth[np.isfinite(depth)]
    if not known.size:
        return np.zeros_like(depth)
    low, high = known.min(), known.max()
    filled = np.nan_to_num(depth, nan=low, posinf=high, neginf=low)
    return filled if low >= 0 and high <= 1 else (filled - low) / max(high - low, 1e-12)
