"""Values of the files that hold numbers rather than images: NPY, NPZ and PFM.

Every reader gives float32 `[N, H, W, channels]`: unsigned integers of 8 and 16 bits as 0..1, floats
as they are.
"""

import ast
import io
import logging
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .image_files import check_count, to_unit

log = logging.getLogger(__name__)

NPZ_KEY = "depth"  # our own; files of others may call their only array what they like

# What numpy, zipfile and zlib raise for bytes that are no such file.
DAMAGED = (
    *(ValueError, TypeError, KeyError, EOFError, OSError, MemoryError, OverflowError),
    *(NotImplementedError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error),
)

NUMPY_REMEDY = "write it again with numpy.save or numpy.savez, as float32 [height, width]"

# "Pf" (one channel) or "PF" (three), width, height, scale; the pixels begin after one white space.
# Debevec's description, https://www.pauldebevec.com/Research/HDR/PFM/
PFM_HEADER = re.compile(
    rb"(P[fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s"
)


def read_npy(path: Path) -> Tensor:
    """An array `[H, W]` or `[N, H, W]`, no pickle; ValueError for another or a damaged file."""
    return _from_npy(path.read_bytes(), path)


def _from_npy(data: bytes, path: Path) -> Tensor:
    with _damage_named(path):
        # The header first: a damaged one may claim more than any memory holds.
        array = np.lib.format.read_array(_with_honest_header(data), allow_pickle=False)
    return _from_array(array, path)


def read_npz(path: Path) -> Tensor:
    """The array called `depth`, or the only one, as with `read_npy`."""
    with _damage_named(path), zipfile.ZipFile(path) as file:
        entries = file.infolist()
    entry = _only_array(entries, path)
    # No more than the entry claims is ever unpacked.
    check_count(entry.file_size // 4, path)
    with _damage_named(path), zipfile.ZipFile(path) as file:
        content = file.read(entry)
    return _from_npy(content, path)


def _only_array(entries: list[zipfile.ZipInfo], path: Path) -> zipfile.ZipInfo:
    wanted = [entry for entry in entries if len(entries) == 1 or entry.filename == f"{NPZ_KEY}.npy"]
    if len(wanted) != 1:
        found = ", ".join(entry.filename.removesuffix(".npy") for entry in entries) or "none"
        raise ValueError(
            f"{path} holds these arrays: {found}; expected one, or one named {NPZ_KEY}"
        )
    return wanted[0]


def read_pfm(path: Path) -> Tensor:
    """A portable float map, grey or RGB, of either byte order; its lines run from bottom to top.

    The size of its scale factor, which nobody agrees on, is not applied; a warning says so.
    """
    data = path.read_bytes()
    header = PFM_HEADER.match(data)
    scale = float(header[4]) if header else 0.0
    if not header or not scale or not np.isfinite(scale):
        raise ValueError(f"{path} is damaged (its PFM header is incomplete); write it again")
    width, height, channels = int(header[2]), int(header[3]), 3 if header[1] == b"PF" else 1
    expected, found = 4 * width * height * channels, len(data) - header.end()
    if found != expected or not expected:
        raise ValueError(
            f"{path} is damaged ({found} bytes of pixels, expected {expected} for {width} × "
            f"{height}); write it again"
        )
    if abs(scale) != 1:
        log.warning("%s names a scale factor of %g, which is not applied", path, abs(scale))
    order = "<f4" if scale < 0 else ">f4"
    lines = np.frombuffer(data, order, offset=header.end()).reshape(1, height, width, channels)
    return torch.from_numpy(lines[:, ::-1].astype(np.float32, order="C"))


def write_npy(path: Path, values: np.ndarray) -> None:
    """float32 `[H, W]`."""
    with path.open("wb") as file:  # to a mere name numpy would add a suffix
        np.save(file, values)


def write_npz(path: Path, values: np.ndarray) -> None:
    """float32 `[H, W]` under the name `NPZ_KEY`."""
    with path.open("wb") as file:
        np.savez_compressed(file, depth=values)


def write_pfm(path: Path, values: np.ndarray) -> None:
    """float32 `[H, W]`, little-endian, which the sign of the scale says; lines from the bottom."""
    height, width = values.shape
    header = f"Pf\n{width} {height}\n-1.0\n".encode()
    path.write_bytes(header + values[::-1].astype("<f4").tobytes())


def _with_honest_header(data: bytes) -> io.BytesIO:
    """The NPY file if its header claims no more than there is; raises one of `DAMAGED`."""
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
            f"{path} holds values of type {array.dtype}; expected floats, or uint8 or uint16: "
            f"{NUMPY_REMEDY}"
        )
    # Three or four in the last place may be colours or a very narrow map: nobody can tell.
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] <= 4):
        raise ValueError(
            f"{path} holds an array of shape {list(array.shape)}; expected [height, width] or "
            f"[maps, height, width]: {NUMPY_REMEDY}"
        )
    array = array.reshape(-1, *array.shape[-2:], 1)  # HW or NHW -> NHWC
    return torch.from_numpy(to_unit(np.ascontiguousarray(array)))


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """What goes wrong while reading becomes a ValueError that names the file."""
    try:
        yield
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"{path} is damaged, or holds Python objects ({reason}); {NUMPY_REMEDY}"
        ) from error
