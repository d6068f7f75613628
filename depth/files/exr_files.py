"""OpenEXR files, read and written by the format's own library: of every compression, as scan lines
or tiles, in one part or several.

The library is imported when an EXR is at hand, so that where no wheel of it exists, or an older
install lacks it, everything else works.
"""

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .image_files import check_count

# What the library and its bindings raise for a file that they cannot read.
UNREADABLE = (RuntimeError, ValueError, TypeError, KeyError, IndexError, MemoryError)


def read_exr(path: Path) -> Tensor:
    """The depth in an EXR: its only channel, or the one called Z, else Y, else the colours R, G, B.

    Of several parts, views or layers (`ViewLayer.Depth.Z`) there may be one Z. Alpha is not read.
    Values, float32 `[1, H, W, channels]`, are as they are.
    """
    index, names = _choice(_parts(path, header_only=True), path)
    parts = _parts(path, separate_channels=True)
    if len(parts) <= index or not parts[index].channels.keys() >= set(names):
        raise ValueError(f"{path} is damaged (its pixels cannot be decoded); write it again")
    planes = [parts[index].channels[name].pixels for name in names]
    if any(plane.dtype.kind == "u" for plane in planes):
        raise ValueError(
            f"{path} has 32-bit integers, whose range is not stated; expected floats, save it as "
            "half or float"
        )
    return torch.from_numpy(np.stack(planes, axis=-1).astype(np.float32)).unsqueeze(0)


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
    try:
        import OpenEXR
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "EXR files take the package OpenEXR, which is not installed: pip install OpenEXR, or "
            "use TIFF, NPY or PFM",
            name=error.name,
        ) from error
    return OpenEXR


def _parts(path: Path, **how: bool) -> list[Any]:
    library = _library()
    try:
        return library.File(str(path), **how).parts  # as a context it would empty them
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is damaged ({reason}); write it again") from error


def _choice(parts: list[Any], path: Path) -> tuple[int, list[str]]:
    """Which part has the depth, and in which channels, by the headers alone."""
    try:
        places = {  # by the name that a message gives to a channel
            f"{part.name()}.{channel.name}" if len(parts) > 1 else channel.name: (index, channel)
            for index, part in enumerate(parts)
            for channel in part.header.get("channels", [])
        }
    except UnicodeDecodeError as error:  # the names are decoded here, not by the library
        raise ValueError(f"{path} is damaged ({error}); write it again") from error
    chosen = [places[name] for name in depth_channels(places)]
    if not chosen:
        raise ValueError(
            f"{path} has the channels {', '.join(places) or 'none'}; expected one alone, one Z, Y, "
            "or R, G and B: save the depth in a file of its own"
        )
    index = chosen[0][0]
    library = _library()
    if parts[index].type() in (library.deepscanline, library.deeptile):
        raise ValueError(f"{path} has deep pixels, which are not read; flatten it first")
    if any((channel.xSampling, channel.ySampling) != (1, 1) for _, channel in chosen):
        raise ValueError(f"{path} has subsampled channels, which are not read; save it without")
    _check_windows(parts, index, path)
    return index, [channel.name for _, channel in chosen]


def depth_channels(channels: Iterable[str]) -> list[str]:
    """Which channels of these names are the depth; none when that is not clear."""
    names = list(channels)
    deep = [name for name in names if name.split(".")[-1] == "Z"]
    if len(names) == 1 or len(deep) == 1:
        return names if len(names) == 1 else deep
    if "Y" in names:
        return ["Y"]
    return ["R", "G", "B"] if {"R", "G", "B"} <= set(names) else []


def _check_windows(parts: list[Any], index: int, path: Path) -> None:
    """All parts have to fit, as the library reads all; only the depth's has to fill its frame."""
    sizes = [np.subtract(*part.header["dataWindow"][::-1]).astype(object) + 1 for part in parts]
    channels = [len(part.header["channels"]) for part in parts]
    check_count(sum(w * h * n for (w, h), n in zip(sizes, channels, strict=True)), path)
    header = parts[index].header
    if not np.array_equal(header["dataWindow"], header["displayWindow"]):
        raise ValueError(
            f"{path} has pixels for a part of its frame only, or beyond it (data window "
            f"{_corners(header['dataWindow'])}, frame {_corners(header['displayWindow'])}); save "
            "it with both the same"
        )


def _corners(window: tuple[np.ndarray, np.ndarray]) -> str:
    (left, top), (right, bottom) = window
    return f"{left}, {top} to {right}, {bottom}"
