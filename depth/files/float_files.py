"""Values of the files that hold numbers rather than images: NPY, NPZ and PFM.

What a file claims is checked before anything is unpacked or reserved for it.
"""

import ast
import logging
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from .values import UnclearLayer, Values, check_size, listed

log = logging.getLogger(__name__)

NPZ_KEY = "depth"  # our own; files of others may call their only array what they like

# What numpy, zipfile and zlib raise for bytes that are no such file.
DAMAGED = (
    *(ValueError, TypeError, LookupError, EOFError, OSError, MemoryError, OverflowError),
    *(NotImplementedError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error),
)

NUMPY_REMEDY = "write it again with numpy.save or numpy.savez, as float32 [height, width]"

LONGEST_HEADER = 10_000  # bytes; numpy's own limit, as Python's parser takes far more than it reads

# The types of numbers as numpy writes them; in other names its parser finds whole records.
NUMBERS = re.compile(r"[<>=|]?[?biufc]\d{0,2}")

# numpy writes these two; of others a few bytes may unpack to gigabytes at once.
UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# "Pf" (one channel) or "PF" (three), width, height, scale; the pixels begin after one white space.
# Debevec's description, https://www.pauldebevec.com/Research/HDR/PFM/
PFM_HEADER = re.compile(
    rb"(P[fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s"
)


def read_npy(path: Path) -> Values:
    """An array `[H, W]` or `[N, H, W]`, no pickle; ValueError for another or a damaged file."""
    with path.open("rb") as file:
        return _array(file, path.stat().st_size, path)


def read_npz(path: Path, name: str = "") -> Values:
    """The array of that name, else the one called `depth`, else the only one; as with `read_npy`.

    Raises UnclearLayer when that is none, or not clear.
    """
    with _damage_named(path):
        archive = zipfile.ZipFile(path)
    with archive:
        entry = _entry(archive.infolist(), name, path)
        if entry.compress_type not in UNPACKED:
            raise ValueError(
                f"{path} is compressed by a method that numpy does not use (number "
                f"{entry.compress_type} of ZIP); {NUMPY_REMEDY}"
            )
        with _damage_named(path):
            file = archive.open(entry)
        with file:
            return _array(file, entry.file_size, path)


def _entry(entries: list[zipfile.ZipInfo], name: str, path: Path) -> zipfile.ZipInfo:
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    wanted = name or (NPZ_KEY if len(names) != 1 else names[0])
    found = [entry for entry, its in zip(entries, names, strict=True) if its == wanted]
    if len(found) != 1:
        expected = f"one called {name!r}" if name else f"one, or one named {NPZ_KEY}"
        raise UnclearLayer(f"{path} holds these arrays: {listed(names)}; expected {expected}")
    return found[0]


def read_pfm(path: Path) -> Values:
    """A portable float map, grey or RGB, of either byte order; its lines run from bottom to top.

    The size of its scale factor, which nobody agrees on, is not applied; a warning says so.
    """
    with path.open("rb") as file:
        header = PFM_HEADER.match(file.read(LONGEST_HEADER))
    scale = float(header[4]) if header else 0.0
    if not header or not scale or not np.isfinite(scale):
        raise ValueError(f"{path} is damaged (its PFM header is incomplete); write it again")
    width, height, channels = int(header[2]), int(header[3]), 3 if header[1] == b"PF" else 1
    expected = 4 * width * height * channels
    found = path.stat().st_size - header.end()
    if found != expected or not expected:
        raise ValueError(
            f"{path} is damaged ({found} bytes of pixels, expected {expected} for {width} × "
            f"{height}); write it again"
        )
    if abs(scale) != 1:
        log.warning("%s names a scale factor of %g, which is not applied", path, abs(scale))
    order = "<f4" if scale < 0 else ">f4"
    lines = np.fromfile(path, order, offset=header.end()).reshape(1, height, width, channels)
    return Values.of(lines[:, ::-1])


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


def _array(file: IO[bytes], size: int, path: Path) -> Values:
    """The array of an NPY of that many bytes, header and all."""
    with _damage_named(path):
        descr, is_fortran, shape = _header(file)
    dtype = _number_type(descr, path)
    _check_shape(shape, path)
    claimed, rest = dtype.itemsize * math.prod(shape), size - file.tell()
    if claimed == rest:
        check_size(math.prod(shape), path)
    with _damage_named(path):
        data = file.read(claimed) if claimed == rest else b""
        if len(data) != claimed:
            raise ValueError(f"{rest} bytes of values, expected {claimed}")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
    return Values.of(array.reshape(-1, *shape[-2:], 1))  # HW or NHW -> NHWC


def _header(file: IO[bytes]) -> tuple[object, bool, tuple[int, ...]]:
    """What an NPY says of its type, order and shape (NEP 1); raises one of `DAMAGED`."""
    version = np.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if length > LONGEST_HEADER:
        raise ValueError(
            f"its header has {length:,} bytes, and at most {LONGEST_HEADER:,} are read"
        )
    entries = ast.literal_eval(file.read(length).decode("latin1").strip())
    shape = entries["shape"]
    if not isinstance(shape, tuple) or not all(type(side) is int for side in shape):
        raise ValueError("its shape is no tuple of whole numbers")
    if any(side < 0 or side.bit_length() > 63 for side in shape):
        raise ValueError("its shape has sides that no array has")
    return entries["descr"], bool(entries["fortran_order"]), shape


def _number_type(descr: object, path: Path) -> np.dtype:
    if not isinstance(descr, str) or not NUMBERS.fullmatch(descr):
        raise ValueError(
            f"{path} holds Python objects, records or texts (type {str(descr)[:60]!r}), which are "
            f"not read; {NUMPY_REMEDY}"
        )
    with _damage_named(path):
        dtype = np.dtype(descr)
    if dtype.kind != "f" and not (dtype.kind == "u" and dtype.itemsize <= 2):
        raise ValueError(
            f"{path} holds values of type {dtype}; expected floats, or uint8 or uint16: "
            f"{NUMPY_REMEDY}"
        )
    return dtype


def _check_shape(shape: tuple[int, ...], path: Path) -> None:
    # Three or four in the last place may be colours or a very narrow map: nobody can tell.
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] <= 4):
        raise ValueError(
            f"{path} holds an array of shape {list(shape[:8])}; expected [height, width] or "
            f"[maps, height, width]: {NUMPY_REMEDY}"
        )


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """What goes wrong while reading becomes a ValueError that names the file."""
    try:
        yield
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}); {NUMPY_REMEDY}") from error
