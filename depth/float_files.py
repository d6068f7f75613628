"""Values of the files that hold numbers rather than pictures: NPY, NPZ, PFM and EXR.

Every reader takes the file's bytes and its name, for messages, and gives float32
`[N, H, W, channels]`: unsigned integers of 8 and 16 bits as 0..1, floats as they are.
"""

import ast
import io
import logging
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .exr import UnreadableEXR, read_exr
from .picture_files import to_unit

log = logging.getLogger(__name__)

NPZ_KEY = "depth"  # our own; files of others may call their only array what they like

# What numpy, zipfile and zlib raise for bytes that are no such file.
DAMAGED = (
    *(ValueError, TypeError, KeyError, EOFError, OSError, MemoryError, OverflowError),
    *(NotImplementedError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error),
)

NUMPY_REMEDY = "Write it again with numpy.save or numpy.savez, as float32 [height, width]."

# "Pf" (one channel) or "PF" (three), width, height, scale; the pixels begin after one white space.
# Debevec's description, https://www.pauldebevec.com/Research/HDR/PFM/
PFM_HEADER = re.compile(rb"(P[fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+.\deE]{1,32})\s")


def read_npy(data: bytes, path: Path) -> Tensor:
    """An array `[H, W]` or `[N, H, W]`; nothing in it is ever run (no pickles).

    float64 is rounded to float32, which the canvas carries.

    Raises ValueError: a damaged file, another shape or type.
    """
    try:
        # Read by its header first: a damaged one may claim more than any memory holds.
        array = np.lib.format.read_array(_with_honest_header(data), allow_pickle=False)
    except DAMAGED as error:
        raise _damaged(path, error) from error
    return _from_array(array, path)


def read_npz(data: bytes, path: Path) -> Tensor:
    """The array called `depth`, or the only one, as with `read_npy`.

    Raises ValueError: a damaged file, several arrays without that name, another shape or type.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            names = file.namelist()
            ours = f"{NPZ_KEY}.npy"
            wanted = names if len(names) == 1 else [name for name in names if name == ours]
            content = [file.read(name) for name in wanted]
    except DAMAGED as error:
        raise _damaged(path, error) from error
    if len(content) != 1:
        found = ", ".join(name.removesuffix(".npy") for name in names) or "none"
        raise ValueError(
            f"{path} holds these arrays: {found}; expected one, or one named {NPZ_KEY}."
        )
    return read_npy(content[0], path)


def read_pfm(data: bytes, path: Path) -> Tensor:
    """A portable float map, grey or RGB, of either byte order; its lines run from bottom to top.

    The size of its scale factor, which nobody agrees on, is not applied; a warning says so.

    Raises ValueError: a damaged file.
    """
    header = PFM_HEADER.match(data)
    scale = _number(header[4]) if header else 0.0
    if not scale or not np.isfinite(scale):
        raise ValueError(f"{path} is damaged (its PFM header is incomplete). Write it again.")
    width, height, channels = int(header[2]), int(header[3]), 3 if header[1] == b"PF" else 1
    expected, found = 4 * width * height * channels, len(data) - header.end()
    if found != expected or not expected:
        raise ValueError(
            f"{path} is damaged ({found} bytes of pixels, expected {expected} for {width} × "
            f"{height}). Write it again."
        )
    if abs(scale) != 1:
        log.warning("%s names a scale factor of %g, which is not applied.", path, abs(scale))
    order = "<f4" if scale < 0 else ">f4"
    lines = np.frombuffer(data, order, offset=header.end()).reshape(1, height, width, channels)
    return torch.from_numpy(lines[:, ::-1].astype(np.float32, order="C"))


def read_exr_depth(data: bytes, path: Path) -> Tensor:
    """The depth in an EXR: its only channel, or the one called Z, else Y, else the colours R, G, B.

    Of several views or layers (`ViewLayer.Depth.Z`) there may be one Z. Alpha is left alone.

    Raises ValueError: a damaged file, a kind that is not read, or other channels.
    """
    try:
        channels = read_exr(data)
    except UnreadableEXR as error:
        raise ValueError(
            f"{path} {error}. Save it as scan lines in one part, with ZIP compression."
        ) from error
    names = _exr_choice(channels)
    if not names:
        raise ValueError(
            f"{path} has the channels {', '.join(channels)}; expected one alone, one Z, Y, or R, "
            "G and B. Save the depth in a file of its own."
        )
    planes = [channels[name] for name in names]
    if any(plane.dtype.kind == "u" for plane in planes):
        raise ValueError(
            f"{path} has 32-bit integers, whose range is not stated; expected floats. Save it as "
            "half or float."
        )
    return torch.from_numpy(np.stack(planes, axis=-1).astype(np.float32)).unsqueeze(0)


def _exr_choice(channels: Mapping[str, np.ndarray]) -> list[str]:
    """Which channels are the depth; none when that is not clear."""
    names = list(channels)
    deep = [name for name in names if name.split(".")[-1] == "Z"]
    if len(names) == 1 or len(deep) == 1:
        return names if len(names) == 1 else deep
    if "Y" in names:
        return ["Y"]
    return ["R", "G", "B"] if {"R", "G", "B"} <= set(names) else []


def _with_honest_header(data: bytes) -> io.BytesIO:
    """The NPY file, once its header is known to claim no more than there is.

    Raises one of `DAMAGED`.
    """
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    entries = ast.literal_eval(file.read(length).decode("latin1").strip())
    dtype = np.lib.format.descr_to_dtype(entries["descr"])
    claimed = dtype.itemsize * int(np.prod([int(side) for side in entries["shape"]], dtype=object))
    rest = len(data) - file.tell()
    if claimed != rest and not dtype.hasobject:
        raise ValueError(f"{rest} bytes of values, expected {claimed}")
    file.seek(0)
    return file


def _from_array(array: np.ndarray, path: Path) -> Tensor:
    is_small_integer = array.dtype.kind == "u" and array.dtype.itemsize <= 2
    if array.dtype.kind != "f" and not is_small_integer:
        raise ValueError(
            f"{path} holds values of type {array.dtype}; expected floats, or uint8 or uint16. "
            f"{NUMPY_REMEDY}"
        )
    # Three or four in the last place may be colours or a very narrow map: not for us to guess.
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] <= 4):
        raise ValueError(
            f"{path} holds an array of shape {list(array.shape)}; expected [height, width] or "
            f"[maps, height, width]. {NUMPY_REMEDY}"
        )
    array = array.reshape(-1, *array.shape[-2:], 1)  # HW or NHW -> NHWC
    return torch.from_numpy(to_unit(np.ascontiguousarray(array)))


def _damaged(path: Path, error: BaseException) -> ValueError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return ValueError(f"{path} is damaged, or holds Python objects ({reason}). {NUMPY_REMEDY}")


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
