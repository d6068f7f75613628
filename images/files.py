"""Image files: the one door through which every one is read, and PNG out.

A stranger's file gets no say in what is done with it. Only the formats of `KINDS` are opened, none
of which starts another program; how much a file would unpack to is looked up before it is unpacked;
and whatever Pillow raises for damage becomes an `UnreadableImage` that names the file.
"""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH
from torch import Tensor

from ..disk.writing import write_whole
from . import png_data
from .kinds import ALL_NAMES, KINDS, not_read

# In all frames together: 0.6 GB as IMAGE, and not more than 2 GB with all that reading takes.
MOST_PIXELS = 8192 * 6144
MOST_A_BYTE = 8  # pixels that a byte of a file may unpack to where there are more: photographs
MOST_FRAMES = 4096

# A progressive JPEG goes over all its pixels once for each scan; encoders write about ten.
MOST_SCANS, MOST_SCANNED = 1000, 100 * MOST_PIXELS

MOST_READS = 2_000_000  # by Pillow's parsers; a GIF of 100 MB takes half of them


class UnreadableImage(ValueError):  # noqa: N818 - names what the file is
    """The file is not an image, is damaged, or of a kind that is not read; the message names it."""


class NoImage(UnreadableImage):
    """The file is not of a kind that is read."""


class TooLarge(UnreadableImage):
    """The file would unpack to more than is read."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """An image file, its size checked and nothing unpacked yet.

    Raises OSError where it cannot be opened, and UnreadableImage, also for what goes wrong with it
    inside of the `with` block.
    """
    with _MeteredFile(path) as file, _pillow_settings():
        try:
            with Image.open(file, formats=[kind for kind in KINDS if _has(kind)]) as image:
                _check_size(image, path)
                yield image
        except UnreadableImage:
            raise
        except UnidentifiedImageError:
            raise NoImage(f"{path} is not an image that can be read: {_what_it_is(path)}") from None
        except Image.DecompressionBombError as error:  # which Pillow raises from 179 million on
            raise _too_large(path, "more pixels than Pillow opens") from error
        except _TooMuchParsing as error:
            raise TooLarge(f"{path} has too many parts ({error}); save it again as PNG") from error
        except MemoryError as error:
            raise TooLarge(f"{path} takes more memory than there is; save it smaller") from error
        except Exception as error:  # hostile bytes can make Pillow raise anything
            reason = str(error) or type(error).__name__
            raise UnreadableImage(
                f"{path} cannot be read: it is damaged ({reason}); get another copy of it, or open "
                "it in an image editor and save it again as PNG"
            ) from error


class Frame(NamedTuple):
    """The pixels of an image as its file stores them."""

    colours: np.ndarray  # uint8 [H, W, 3], or grey [H, W, 1] of 16 bits
    alpha: np.ndarray | None  # uint8 [H, W], 255 = opaque; None without transparency


def read_frames(path: Path) -> Iterator[Frame]:
    """All frames of an image file, turned upright by its EXIF entry. Raises UnreadableImage.

    16 bits of a grey image are kept; Pillow reads 16-bit colour as 8 bits.
    """
    with opened(path) as file:
        for index in range(frame_count(file)):
            file.seek(index)
            load(file, path)
            if file.mode == "F" or (file.mode, file.format) == ("I", "TIFF"):
                raise UnreadableImage(
                    f"{path} has numbers of 32 bits, of which only a depth map can be made; save "
                    "it with 8 or 16 bits a channel, as PNG for example"
                )
            # Pillow copies an image that is upright as well.
            is_lying = file.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
            upright = ImageOps.exif_transpose(file) if is_lying else file
            yield Frame(_colours(upright), _alpha(upright))


def _colours(frame: Image.Image) -> np.ndarray:
    if frame.mode.startswith("I"):  # 16-bit grey, which Pillow widens to 32 bits in some formats
        return np.asarray(frame)[..., np.newaxis]
    return np.asarray(frame.convert("RGB"))


def _alpha(frame: Image.Image) -> np.ndarray | None:
    if not frame.has_transparency_data:
        return None
    if frame.mode.startswith("I"):
        seen = np.asarray(frame) != frame.info["transparency"]
        return seen.astype(np.uint8) * np.uint8(255)
    return np.asarray(frame.convert("RGBA").getchannel("A"))


def load(image: Image.Image, path: Path) -> None:
    """Unpack the frame of an opened file that it stands at; a truncated one is an error."""
    check_pixels(image.width * image.height, 1, path)  # a frame can enlarge the image
    image.load()
    if image.format == "PNG" and not image.tell():
        png_data.check_complete(path)


def frame_count(image: Image.Image) -> int:
    """How many frames of an opened file are images of one sequence."""
    if image.format == "MPO":  # whose further images are previews, or other views of the scene
        return 1
    return _page_count(image) if image.format == "TIFF" else getattr(image, "n_frames", 1)


def _page_count(tiff: Image.Image) -> int:
    """Pages, which Pillow has to look at one by one; it stops where there are too many."""
    pages = 1
    with suppress(EOFError):
        while pages <= MOST_FRAMES:
            tiff.seek(pages)
            pages += 1
    tiff.seek(0)
    return pages


def read_text(path: Path) -> dict[str, str]:
    """The entries of text in a PNG; none in other images. Raises UnreadableImage."""
    with opened(path) as image:
        image.load()  # entries may follow the pixels
        return {key: str(text) for key, text in getattr(image, "text", {}).items()}


# --- before anything is unpacked -----------------------------------------------------------------


def _check_size(image: Image.Image, path: Path) -> None:
    check_pixels(image.width * image.height, frame_count(image), path)
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        check_pixels(_number(tags.get(TILEWIDTH)) * _number(tags.get(TILELENGTH)), 1, path)
    if image.format in ("JPEG", "MPO"):
        scans = _count(b"\xff\xda", path)
        if scans > MOST_SCANS or scans * image.width * image.height > MOST_SCANNED:
            raise TooLarge(
                f"{path} claims {scans} scans, where JPEGs have about ten; open it in an image "
                "editor and save it again"
            )


def check_pixels(pixels: int, frames: int, path: Path) -> None:
    """Raise TooLarge for a file that claims more than is read."""
    if pixels * frames <= _most_pixels(path) and frames <= MOST_FRAMES:
        return
    what = f"{pixels:,} pixels" if frames == 1 else f"{frames} frames of {pixels:,} pixels"
    raise _too_large(path, what)


def _too_large(path: Path, what: str) -> TooLarge:
    return TooLarge(
        f"{path} is too large: it claims {what}, and of a file of its size at most "
        f"{_most_pixels(path):,} in {MOST_FRAMES} frames are read (8192 x 6144 of any, or 192 "
        "frames of 512 x 512); save it smaller, or with fewer frames"
    )


def _most_pixels(path: Path) -> int:
    return max(MOST_PIXELS, MOST_A_BYTE * path.stat().st_size)


def _number(value: object) -> int:
    """A tag's value where it is a number, which no one promises."""
    return value if isinstance(value, int) else 0


def _count(marker: bytes, path: Path) -> int:
    with path.open("rb") as file:
        return sum(piece.count(marker) for piece in iter(lambda: file.read(1 << 20), b""))


def _has(kind: str) -> bool:
    """Whether this Pillow can read a kind; AVIF came late."""
    Image.init()
    return kind in Image.OPEN


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(64)
    return not_read(beginning) or (
        f"it is none of {ALL_NAMES}, or its beginning is damaged; open it in an image editor and "
        "save it as PNG"
    )


class _TooMuchParsing(Exception):  # noqa: N818 - names what happened
    pass


class _MeteredFile(io.BufferedReader):
    """A file whose reader gives up where a parser reads more often than any honest file asks for.

    Each of a million empty blocks costs Python's time, and entries that overlap cost memory.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._reads, self._bytes = 0, 0
        self._most = 16 * path.stat().st_size + (1 << 20)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._reads += 1
        self._bytes += len(data)
        if self._reads > MOST_READS or self._bytes > self._most:
            raise _TooMuchParsing(f"{self._reads} reads, {self._bytes:,} bytes")
        return data


@contextmanager
def _pillow_settings() -> Iterator[None]:
    """Pillow's warnings are about what raises here, or about what does not matter.

    Other programs let it fill up truncated images, for the whole process.
    """
    fills_up = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = fills_up


# --- writing -------------------------------------------------------------------------------------


def write_image(path: Path | Iterator[Path], image: Tensor) -> Path:
    """Write `[H, W, 3]`, 0..1, to an RGB PNG of 8 bits, with `disk.write_whole`; its path."""
    return write_whole(path, partial(to_8_bits(image).save, format="PNG"))


def to_8_bits(image: Tensor) -> Image.Image:
    """`[H, W, 3]`, 0..1, as RGB of 8 bits."""
    if image.ndim != 3 or image.shape[-1] != 3 or image.numel() == 0:
        raise ValueError(f"the image has shape {list(image.shape)}; expected [height, width, 3]")
    low, high = (end.item() for end in image.aminmax())
    if not (low >= 0 and high <= 1):  # put this way round, NaN is refused as well
        raise ValueError(f"the image's values run from {low:g} to {high:g}; expected 0 to 1")
    pixels = (image.detach().cpu().double() * 255).round().to(torch.uint8).numpy()
    return Image.fromarray(pixels)


def png_info(text: Mapping[str, str] | None) -> PngInfo:
    """Entries of text as Pillow takes them."""
    entries = PngInfo()
    for key, value in (text or {}).items():
        entries.add_text(key, value)
    return entries
