"""Pixels of image files, every bit of 8, 16 or a float: PNG, TIFF, JPEG and others.

OpenCV reads them, because Pillow cuts 16-bit colour down to 8 bits; Pillow finds what OpenCV does
not report: frames, EXIF, damage.
"""

import logging
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import ExifTags

from ...images.files import NoImage, check_pixels, frame_count, load, opened
from ...images.opencv import cv2
from . import tiff_files
from .values import Values

log = logging.getLogger(__name__)

REMEDY = "open it in an image editor and save it as an 8- or 16-bit PNG"

# What Pillow raises for a damaged image.
DAMAGED = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error),
    *(MemoryError, OverflowError),
)

ONE_IMAGE = "a depth map is one image, save the one you need as a file of its own"


# What undoes an EXIF orientation: whether to swap the axes, then which of them to flip (0 is
# vertical, 1 horizontal). CIPA DC-008 (EXIF 2.32), tag 274.
UPRIGHT: dict[int, tuple[bool, tuple[int, ...]]] = {
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}


def read_image(path: Path) -> Values:
    """An image file to IMAGE `[1, H, W, C]`, C = 1, 3 or 4; 8 and 16 bits become 0..1.

    Floats (TIFF) stay as they are. An image that EXIF says is lying on its side is turned, like
    the photograph it belongs to, and a warning says so. Integers of which 0 is white (TIFF) are
    inverted; floats of which 0 is white are not, for nothing says which of them is black.
    """
    data = path.read_bytes()
    is_tiff = data.startswith(tiff_files.BEGINNINGS)
    pixels = _tiff_pixels(data, path) if is_tiff else _pixels(data, path)
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    elif pixels.shape[2] >= 3:  # BGR or BGRA
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    return Values.of(pixels[np.newaxis])


def _pixels(data: bytes, path: Path) -> np.ndarray:
    orientation, has_transparent_grey = _look_at(path)
    pixels = _decoded(data, path)
    if has_transparent_grey and pixels.ndim == 2:
        raise ValueError(
            f"{path} marks one of its grey values as transparent, which cannot be read; {REMEDY}"
        )
    if orientation in UPRIGHT:
        log.warning("%s is turned upright, as its EXIF orientation (%d) says", path, orientation)
        swapped, flipped = UPRIGHT[orientation]
        pixels = np.flip(pixels.swapaxes(0, 1) if swapped else pixels, flipped)
    return pixels


def _tiff_pixels(data: bytes, path: Path) -> np.ndarray:
    """OpenCV turns a TIFF upright by itself, and inverts one of up to 8 bits where 0 is white."""
    try:
        tags = tiff_files.read_tags(data)
    except DAMAGED as error:
        raise ValueError(f"{path} is damaged ({error}); {REMEDY}") from error
    check_pixels(tags.width * tags.height, 1, path)
    _check_tiff(tags, path)
    # Pillow knows no floats of 64 bits and none in colour; what it knows, it checks for damage.
    with suppress(NoImage):
        _look_at(path)
    pixels = _decoded(data, path)
    if not tags.white_is_zero or pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return np.iinfo(np.uint16).max - pixels
    log.warning("%s says that white is 0; its floats are taken as they are, 0 = far", path)
    return pixels


def _check_tiff(tags: tiff_files.Tags, path: Path) -> None:
    if tags.more_pages:
        raise ValueError(f"{path} has several pages; {ONE_IMAGE}")
    if tags.floats and tags.bits not in (32, 64):
        raise ValueError(
            f"{path} has floats of {tags.bits} bits; expected 32 or 64: save it as a TIFF with "
            "floats of 32 bits"
        )
    if tags.samples not in (1, 3, 4):
        raise ValueError(
            f"{path} has {tags.samples} channels; expected 1, 3 or 4: save the depth alone"
        )


def _decoded(data: bytes, path: Path) -> np.ndarray:
    """`[H, W]`, BGR or BGRA, of 8 or 16 bits or floats."""
    try:
        # IMREAD_UNCHANGED keeps 16 bits and alpha, and leaves the orientation to us.
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # for sizes that it does not trust
        pixels = None
    if pixels is None:
        raise ValueError(f"{path} cannot be decoded: it is damaged, or of a rare kind; {REMEDY}")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise ValueError(
            f"{path} has pixels of type {pixels.dtype}; expected 8 or 16 bits, or floats: {REMEDY}"
        )
    return pixels


def _look_at(path: Path) -> tuple[int, bool]:
    """EXIF orientation (1 = upright), and whether a grey value stands for transparency.

    Unpacks the image as well: OpenCV before 5 fills up a truncated JPEG with grey.
    Raises UnreadableImage, and ValueError for several frames.
    """
    with opened(path) as image:
        frames = frame_count(image)
        load(image, path)
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        transparent_grey = "transparency" in image.info
    if frames > 1:
        raise ValueError(f"{path} has {frames} frames; {ONE_IMAGE}")
    return orientation, transparent_grey
