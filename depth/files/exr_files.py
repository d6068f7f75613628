"""OpenEXR files, read and written by the format's own library: of every compression, as scan lines
or tiles, in one part or several.

The library is imported when an EXR is at hand, so that where no wheel of it exists, or an older
install lacks it, everything else works.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...disk.packages import needed
from .exr_layers import Layer, depth_layer
from .values import UnclearLayer, Values, check_size, listed

log = logging.getLogger(__name__)

MOST_DECODED = 1 << 28  # values of all channels, which the library decodes at once: 1 GB of floats

# What the library and its bindings raise for a file that they cannot read.
UNREADABLE = (RuntimeError, ValueError, TypeError, KeyError, IndexError, MemoryError)


def read_exr(path: Path, wanted: str = "", painted: bool = False) -> Values:
    """The depth in an EXR: the layer that calls itself depth, or the wanted one, in its frame.

    Pixels of the frame that the file has none for become NaN, those beyond it are left out; a
    warning says so. Colours are refused unless `painted`, or their layer is wanted by its name.
    Raises UnclearLayer; see `exr_layers.depth_layer`.
    """
    headers = _parts(path, header_only=True)
    layer = _layer(headers, wanted, path)
    parts = _parts(path, separate_channels=True)
    if len(parts) <= layer.part or not parts[layer.part].channels.keys() >= set(layer.channels):
        raise ValueError(f"{path} is damaged (its pixels cannot be decoded); write it again")
    planes = [parts[layer.part].channels[name].pixels for name in layer.channels]
    if any(plane.dtype.kind == "u" for plane in planes):
        raise ValueError(
            f"{path} has 32-bit integers, whose range is not stated; expected floats, save it as "
            "half or float"
        )
    if not painted:
        planes = _grey(planes)
    if len(planes) > 1 and not painted and not wanted:
        raise UnclearLayer(
            f"{path} has colours in its layer {listed([layer.name])}, which are no depth; expected "
            "a layer that calls itself depth, or three equal channels"
        )
    return Values.of(_framed(np.stack(planes, axis=-1), headers[layer.part].header, path)[None])


def write_exr(path: Path, values: np.ndarray) -> None:
    """One float32 channel `[H, W]`, ZIPped. It is called Y, luminance: programs show it as grey."""
    library = _library()
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    try:
        with library.File(header, {"Y": values}) as file:
            file.write(str(path))
    except RuntimeError as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def _library() -> ModuleType:
    with needed("OpenEXR", "EXR files", instead="use TIFF, NPY or PFM"):
        import OpenEXR

        if not hasattr(OpenEXR, "File"):
            raise ImportError("it is too old, or what another package has left of it")
    return OpenEXR


def _parts(path: Path, **how: bool) -> list[Any]:
    library = _library()
    try:
        return library.File(str(path), **how).parts  # as a context it would empty them
    except UNREADABLE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ValueError:
    reason = " ".join(str(error).split())[:200]
    return ValueError(f"{path} is damaged ({reason}); write it again")


def _layer(parts: list[Any], wanted: str, path: Path) -> Layer:
    """Which layer is the depth, by the headers alone; everything else about them is checked."""
    try:
        names = [
            (part.name() if len(parts) > 1 else "", [c.name for c in part.header["channels"]])
            for part in parts
        ]
    except UNREADABLE as error:  # the names are decoded here, not by the library
        raise _damaged(path, error) from error
    layer = depth_layer(names, wanted, path)
    part = parts[layer.part]
    library = _library()
    if part.type() in (library.deepscanline, library.deeptile):
        raise ValueError(f"{path} has deep pixels, which are not read; flatten it first")
    chosen = [channel for channel in part.header["channels"] if channel.name in layer.channels]
    if any((channel.xSampling, channel.ySampling) != (1, 1) for channel in chosen):
        raise ValueError(f"{path} has subsampled channels, which are not read; save it without")
    _check_windows(parts, layer, path)
    return layer


def _check_windows(parts: list[Any], layer: Layer, path: Path) -> None:
    """All parts have to fit, as the library reads all, and the frame that the depth is put into."""
    decoded = 0
    for part in parts:
        for window in (_window(part.header, "dataWindow"), _window(part.header, "displayWindow")):
            if min(window.width, window.height) < 1:
                raise ValueError(f"{path} is damaged (its window is {window}); write it again")
        window = _window(part.header, "dataWindow")
        decoded += window.width * window.height * len(part.header["channels"])
    frame = _window(parts[layer.part].header, "displayWindow")
    check_size(decoded, path, MOST_DECODED)
    check_size(frame.width * frame.height * len(layer.channels), path)


@dataclass(frozen=True)
class Window:
    """Pixels of the plane that all windows of a file lie in; the ends are inside."""

    left: int
    top: int
    right: int
    bottom: int

    def __str__(self) -> str:
        return f"{self.left}, {self.top} to {self.right}, {self.bottom}"

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left + 1

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top + 1


def _window(header: Mapping[str, Any], name: str) -> Window:
    (left, top), (right, bottom) = header[name]
    return Window(int(left), int(top), int(right), int(bottom))


def _grey(planes: list[np.ndarray]) -> list[np.ndarray]:
    """One of equal planes, or the only one that is not 0 everywhere, otherwise all."""
    filled = [plane for plane in planes if plane.any()] or planes
    first, *others = filled
    same = all(np.array_equal(first, other, equal_nan=True) for other in others)
    return [first] if same else planes


def _framed(values: np.ndarray, header: Mapping[str, Any], path: Path) -> np.ndarray:
    """Values `[h, w, C]` of the data window in the frame, the display window: `[H, W, C]`."""
    data, frame = _window(header, "dataWindow"), _window(header, "displayWindow")
    if data == frame:
        return values
    left, right = max(data.left, frame.left), min(data.right, frame.right) + 1
    top, bottom = max(data.top, frame.top), min(data.bottom, frame.bottom) + 1
    if left >= right or top >= bottom:
        raise ValueError(
            f"{path} has no pixel inside its frame (data window {data}, frame {frame}); save it "
            "with both the same"
        )
    inside = values[top - data.top : bottom - data.top, left - data.left : right - data.left]
    framed = np.full((frame.height, frame.width, values.shape[2]), np.nan, np.float32)
    framed[top - frame.top : bottom - frame.top, left - frame.left : right - frame.left] = inside
    log.warning(
        "%s has pixels for another part of the plane than its frame (data window %s, frame %s): "
        "left out beyond the frame: %d of them; pixels of the frame without a value: %d",
        *(path, data, frame, data.width * data.height - inside.shape[0] * inside.shape[1]),
        frame.width * frame.height - inside.shape[0] * inside.shape[1],
    )
    return framed
