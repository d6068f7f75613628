"""Depth maps in picture files of 8 or 16 bits: read with OpenCV, written with Pillow.

Each does what the other cannot: Pillow cuts 16-bit colour down to 8 bits, OpenCV writes no text
into a PNG.
"""

import io
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from .convention import from_image

log = logging.getLogger(__name__)

REMEDY = "Open it in a picture editor and save it as an 8- or 16-bit PNG."

PIXEL_TYPES = {8: np.uint8, 16: np.uint16}  # by bits a channel

# What undoes an EXIF orientation: whether to swap the axes, then which of them to flip (0 is up and
# down, 1 is left and right). CIPA DC-008 (EXIF 2.32), tag 274.
UPRIGHT = {
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}


def read_depth(path: str | os.PathLike[str]) -> Tensor:
    """Read a depth map from a picture: float32 `[1, H, W]`, 0..1, all of its 8 or 16 bits kept.

    Grey, RGB and palette, with or without alpha; colour and transparency become depth by the rules
    of `convention.from_image`. A picture that EXIF says is lying on its side is turned, like the
    photograph it belongs to, and a warning says so.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a picture, a damaged or animated one, or one of floats or 32-bit integers.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no depth map {path}: the file is missing.")
    data = path.read_bytes()
    orientation, has_transparent_grey = _look_at(data, path)
    # IMREAD_UNCHANGED keeps 16 bits and alpha, and leaves the orientation to us.
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(f"{path} cannot be decoded: it is damaged, or of a rare kind. {REMEDY}")
    if pixels.dtype not in PIXEL_TYPES.values():
        raise ValueError(
            f"{path} has pixels of type {pixels.dtype}; expected 8 or 16 bits. {REMEDY}"
        )
    if has_transparent_grey and pixels.ndim == 2:
        raise ValueError(
            f"{path} marks one of its grey values as transparent, which cannot be read. {REMEDY}"
        )
    if orientation in UPRIGHT:
        log.warning("%s is turned upright, as its EXIF orientation (%d) says.", path, orientation)
        pixels = _upright(pixels, orientation)
    return from_image(_to_image(pixels))


def write_png(
    path: str | os.PathLike[str],
    depth: Tensor,
    bits: int = 16,
    text: Mapping[str, str] | None = None,
) -> None:
    """Write depth `[H, W]`, 0..1, to a grey PNG of 8 or 16 bits, with `text` entries inside.

    The file appears complete or not at all. Read back, it differs by half a step (1/131070 at 16
    bits) at most; a map that came from such a file is the same bit for bit.

    Raises:
        ValueError: another rank, values outside 0..1, or another number of bits.
        OSError: the folder is missing or cannot be written.
    """
    path = Path(path)
    if bits not in PIXEL_TYPES:
        raise ValueError(f"A depth map cannot be saved with {bits} bits; choose 8 or 16.")
    _check_writable(depth)
    highest = np.iinfo(PIXEL_TYPES[bits]).max
    # In float64, so that multiplying does not move a value across the middle between two steps.
    pixels = np.rint(depth.detach().cpu().double().numpy() * highest).astype(PIXEL_TYPES[bits])
    entries = PngInfo()
    for key, value in (text or {}).items():
        entries.add_text(key, value)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        Image.fromarray(pixels).save(unfinished, format="PNG", pnginfo=entries)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _look_at(data: bytes, path: Path) -> tuple[int, bool]:
    """EXIF orientation (1 = upright), and whether a grey value stands for transparency.

    Decodes the picture as well: OpenCV before 5 fills up a truncated JPEG with grey.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            frames = getattr(picture, "n_frames", 1)
            picture.load()
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
            transparent_grey = "transparency" in picture.info
            kind = picture.format
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture, or of an unknown kind. {REMEDY}") from None
    except (OSError, SyntaxError) as error:  # Pillow's own, for a damaged picture
        raise ValueError(f"{path} is damaged ({error}). {REMEDY}") from error
    if frames > 1 and kind != "MPO":  # the further pictures in a camera's MPO are previews
        raise ValueError(
            f"{path} has {frames} frames; a depth map is one picture. Save the frame you need as a "
            "PNG of its own."
        )
    return orientation, transparent_grey


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    swapped, flipped = UPRIGHT[orientation]
    return np.flip(pixels.swapaxes(0, 1) if swapped else pixels, flipped)


def _to_image(pixels: np.ndarray) -> Tensor:
    """OpenCV's `[H, W]`, BGR or BGRA to IMAGE `[1, H, W, C]`, 0..1."""
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    elif pixels.shape[2] >= 3:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    highest = np.iinfo(pixels.dtype).max
    return torch.from_numpy(pixels.astype(np.float32) / highest).unsqueeze(0)


def _check_writable(depth: Tensor) -> None:
    if depth.ndim != 2 or depth.numel() == 0:
        raise ValueError(f"The depth map has shape {tuple(depth.shape)}; expected [height, width].")
    low, high = (value.item() for value in depth.aminmax())
    # Put this way round, NaN is refused as well.
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"The depth map's values run from {low:g} to {high:g}; a picture file holds 0 to 1. "
            "Normalise it first."
        )
