"""Reading weight files: names, types and shapes from the header; data only when asked for.

Safetensors files are read by their own library. PyTorch pickles (`.ckpt`, `.pt`, `.pth`, `.bin`)
are read by `pickles.py`, which never runs what is pickled.
"""

import json
import math
import os
import reprlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import DamagedFile, GGUFFile, OtherPickle, UnreadableFile, damaged
from .pickle_machine import shown
from .pickles import MAGIC, Archive, check_name

Shape = tuple[int, ...]

# Bytes; the largest headers have less than one million. The format itself allows 100 million,
# which take gigabytes of memory where they are lists of lists.
_MAX_HEADER = 20_000_000
_MAX_DIMENSIONS = 64  # PyTorch's own limit


class TensorInfo(NamedTuple):
    """What a header tells about one tensor."""

    dtype: torch.dtype
    shape: Shape

    @property
    def size(self) -> int:
        """Bytes in a file."""
        return math.prod(self.shape) * self.dtype.itemsize


class WeightFile(ABC):
    """A file of named tensors. Opening it reads the header only.

    Attributes:
        foreign: the names that a pickle asks for beside those that tensors need; it is given none.
    """

    path: Path
    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]  # the file's own text entries; pickles have none
    foreign: Sequence[str] = ()

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(info.size for info in self.tensors.values())

    @abstractmethod
    def read(self, name: str) -> Tensor:
        """One tensor on the CPU in its stored dtype; KeyError for an unknown name."""


class CutOffFile(DamagedFile):
    """The header is whole (`file` tells what it says), and what it promises is not there."""

    def __init__(self, message: str, file: WeightFile) -> None:
        super().__init__(message)
        self.file = file


class SafetensorsFile(WeightFile):
    """A safetensors file, checked by its own library; tensors are memory-mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header, self._start = _header(path)
        self.metadata = _metadata(path, header.pop("__metadata__", {}))
        self.tensors = {name: _info(path, name, entry) for name, entry in header.items()}
        self._offsets = {name: tuple(entry["data_offsets"]) for name, entry in header.items()}
        try:
            with safe_open(path, framework="pt"):
                pass  # opening checks that the header and the file's size agree
        except SafetensorError as error:
            whole = self._start + max((end for _, end in self._offsets.values()), default=0)
            size = path.stat().st_size
            if size >= whole:
                raise damaged(path, shown(str(error))) from error
            raise CutOffFile(
                f"{path.name} is damaged: {shown(str(error))}. By its header it should have "
                f"{whole:,} bytes; it has {size:,}. Copy or download it again.",
                self,
            ) from error

    def read(self, name: str) -> Tensor:
        """One tensor on the CPU, in a mapping of its own.

        The library's covers the file for as long as it is open, so that what was read would stay
        in memory beside what it was converted to.
        """
        info = self.tensors[name]
        begin, end = self._offsets[name]
        return _map(self.path, info.dtype, self._start + begin, end - begin).reshape(info.shape)


class PickleFile(WeightFile):
    """A PyTorch pickle; nothing in it is run, and tensors are memory-mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata = {}
        self._archive = Archive(path)
        self.foreign = self._archive.foreign
        self.tensors = {
            name: TensorInfo(stored.storage.dtype, stored.shape)
            for name, stored in self._archive.tensors.items()
        }

    def read(self, name: str) -> Tensor:
        """One tensor on the CPU."""
        stored = self._archive.tensors[name]
        if 0 in stored.shape:
            return torch.empty(stored.shape, dtype=stored.storage.dtype)
        place, _ = self._archive.places[stored.storage.key]
        size = stored.storage.dtype.itemsize
        length = (stored.end() - stored.offset) * size
        flat = _map(self.path, stored.storage.dtype, place + stored.offset * size, length)
        return flat.as_strided(stored.shape, stored.stride)


def _map(path: Path, dtype: torch.dtype, offset: int, length: int) -> Tensor:
    """`length` bytes of a file as a flat tensor; writing to it does not reach the file."""
    if length == 0:
        return torch.empty(0, dtype=dtype)
    if (size := _size_now(path)) < offset + length:
        raise damaged(path, f"it had more when it was opened than the {size:,} bytes it has now")
    data = np.memmap(path, dtype=np.uint8, mode="c", offset=offset, shape=(length,))
    return torch.frombuffer(data, dtype=dtype)


def _size_now(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise DamagedFile(
            f"{path} is gone: it was there when it was opened. Put it back, or open another copy."
        ) from error


def open_weights(path: Path | str) -> WeightFile:
    """Open a weight file by its content, whatever its name ends in.

    Raises FileNotFoundError, or UnreadableFile when it is neither safetensors nor a PyTorch
    pickle; its subclasses say what else it is.
    """
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise DamagedFile(
            f"{path.name} is a link to {os.readlink(path)}, which is not there: the download is "
            "not complete, or only the links were copied. Copy or download it again."
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; check the name and the folder")
    with path.open("rb") as file:
        start = file.read(64)
    if start[:4] == b"GGUF":
        raise GGUFFile(f"{path.name} is GGUF, a quantised format for other loaders.")
    if start[8:9] == b"{" and start[:4] != _ZIP:
        return SafetensorsFile(path)
    try:
        return PickleFile(path)
    except UnreadableFile as error:
        # Below protocol 2 pickles have no mark to know them by, so anything else is tried as one.
        if start.startswith((_ZIP, *_PICKLES)) or isinstance(error, OtherPickle):
            raise
        raise UnreadableFile(
            f"{path.name} is not a weight file: it begins with {start[:8]!r}, which is neither "
            f"safetensors nor a PyTorch file{_hint(start)}."
        ) from error


_ZIP = b"PK\x03\x04"
_PICKLES = (b"\x80", b"L%d" % MAGIC)  # from protocol 2, and PyTorch's below


def _hint(start: bytes) -> str:
    """What a file that is no weight file may be."""
    if not start:
        return " (it is empty: the download failed)"
    if not start.strip(b"\0"):
        return " (it begins with zeros: the download reserved its room and failed)"
    if found := next((said for begins, said in _OTHERS.items() if start.startswith(begins)), ""):
        return f" (it is {found})"
    is_utf_16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = start.decode("utf-16" if is_utf_16 else "utf-8-sig", "ignore").lstrip()
    if text.startswith("<"):
        return " (it is a web page: the download gave a login or error page, not the file)"
    if text.startswith(("{", "[")):
        return " (it is JSON: perhaps a configuration, or an error message in place of the file)"
    return " (it is text)" if text.isascii() and min(text, default="") > "\x08" else ""


_ARCHIVE = "an archive: unpack it, and take the weight file out of it"
_TORRENT = "a torrent: a program for these fetches the file with it"
_OTHERS = {
    **dict.fromkeys((b"7z\xbc\xaf", b"Rar!", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"), _ARCHIVE),
    b"\x28\xb5\x2f\xfd": _ARCHIVE,  # Zstandard
    b"PK\x05\x06": "an archive with nothing inside",
    **dict.fromkeys((b"d8:announce", b"d13:announce-list"), _TORRENT),
    b"version https://": "a Git LFS pointer: fetch the real file with `git lfs pull`",
    b"[InternetShortcut]": "a link for a browser: open it to download the file",
    b"\0\5\x16\7": "what macOS keeps beside a file: take the one without ._ in its name",
}


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The safetensors header and where it ends: an 8-byte little-endian length, then JSON."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        size = path.stat().st_size
        if length > size - 8:
            raise damaged(path, f"its header should take {length:,} bytes, the file has {size:,}")
        if length > _MAX_HEADER:
            raise DamagedFile(
                f"{path.name} was refused: its header takes {length:,} bytes; no model needs more "
                f"than {_MAX_HEADER:,}"
            )
        raw = file.read(length)
    try:
        header = json.loads(raw, object_pairs_hook=_named_once)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise damaged(path, "its header is not a JSON object")
    return header, 8 + length


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name occurs twice")
    return entries


# https://github.com/huggingface/safetensors#format
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def _metadata(path: Path, entries: object) -> dict[str, str]:
    if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
        found = reprlib.repr(entries)
        raise damaged(path, f"its metadata is {found}, expected texts by name")
    return entries


def _info(path: Path, name: str, entry: object) -> TensorInfo:
    check_name(path, name)
    match entry:
        case {
            "dtype": str(dtype),
            "shape": list(shape),
            "data_offsets": [int(begin), int(end)],
        } if 0 <= begin <= end and _is_shape(shape):
            if dtype not in DTYPES:
                raise UnreadableFile(
                    f"{path.name}: the element type of {name} is {shown(dtype, 20)!r}, which is "
                    f"not known here; known ones are {', '.join(DTYPES)}"
                )
            info = TensorInfo(DTYPES[dtype], tuple(shape))
            if info.size == end - begin:
                return info
    raise damaged(path, f"the header's entry for {name} is {reprlib.repr(entry)}")


def _is_shape(shape: list[Any]) -> bool:
    """Whether these are sizes; their product, too, is soon computed."""
    return len(shape) <= _MAX_DIMENSIONS and all(
        isinstance(n, int) and 0 <= n < 1 << 63 for n in shape
    )
