"""Pixels of picture files, every bit of 8, 16 or a float: PNG, TIFF, JPEG and others.

OpenCV reads them, because Pillow cuts 16-bit colour down to 8 bits; Pillow looks at what OpenCV
does not tell: frames, EXIF, damage.
"""

import io
import logging
import struct
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

log = logging.getLogger(__name__)

REMEDY = "Open it in a picture editor and save it as an 8- or 16-bit PNG."

# What Pillow raises for a damaged picture, and for one of more pixels than it trusts.
DAMAGED = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error),
    *(MemoryError, OverflowError, Image.DecompressionBombError),
)

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


def read_picture(data: bytes, path: Path) -> Tensor:
    """A picture's bytes to IMAGE `[1, H, W, C]`, C = 1, 3 or 4; 8 and 16 bits become 0..1.

    Floats (TIFF) stay as they are. A picture that EXIF says is lying on its side is turned, like
    the photograph it belongs to, and a warning says so.

    Args:
        data: the file's content.
        path: its name, for messages.

    Raises:
        ValueError: not a picture, a damaged or animated one, or one of other integers.
    """
    orientation, has_transparent_grey = _look_at(data, path)
    pixels = _decoded(data)
    if pixels is None:
        raise ValueError(f"{path} cannot be decoded: it is damaged, or of a rare kind. {REMEDY}")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise ValueError(
            f"{path} has pixels of type {pixels.dtype}; expected 8 or 16 bits, or floats. {REMEDY}"
        )
    if has_transparent_grey and pixels.ndim == 2:
        raise ValueError(
            f"{path} marks one of its grey values as transparent, which cannot be read. {REMEDY}"
        )
    if orientation in UPRIGHT:
        log.warning("%s is turned upright, as its EXIF orientation (%d) says.", path, orientation)
        pixels = _upright(pixels, orientation)
    return _to_image(pixels)


def _decoded(data: bytes) -> np.ndarray | None:
    """`[H, W]`, BGR or BGRA; None when OpenCV cannot."""
    try:
        # IMREAD_UNCHANGED keeps 16 bits and alpha, and leaves the orientation to us.
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # for sizes that it does not trust
        return None


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
    except DAMAGED as error:
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
    """OpenCV's `[H, W]`, BGR or BGRA to IMAGE `[1, H, W, C]`; integers become 0..1."""
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    elif pixels.shape[2] >= 3:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    return torch.from_numpy(to_unit(pixels)).unsqueeze(0)


def to_unit(values: np.ndarray) -> np.ndarray:
    """float32: unsigned integers by their type's range to 0..1, floats as they are."""
    floats = values.astype(np.float32)
    return floats / np.iinfo(values.dtype).max if values.dtype.kind == "u" else floats
