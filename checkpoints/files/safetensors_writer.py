"""Writing safetensors one tensor at a time, so that a file of any size takes the memory of one.

The library's own writer wants every tensor in memory. Format:
https://github.com/huggingface/safetensors#format
"""

import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from .weights import DTYPES, TensorInfo, WeightFile

# The order in which the library lays tensors out, from the end.
_ORDER = (
    *("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16"),
    *("I32", "U32", "F32", "C64", "F64", "I64", "U64"),
)
_NAMES = {DTYPES[name]: name for name in _ORDER}


def write_safetensors(
    path: Path,
    source: WeightFile,
    metadata: Mapping[str, str],
    written: Callable[[int], object] = lambda size: None,
) -> None:
    """Write the tensors of `source`, byte for byte as the library would, and flush them to disk.

    An existing file is replaced, so give a temporary name. `written` is called after each tensor
    with its size in bytes.

    Raises ValueError when a tensor has another dtype or shape than `source` promises, or a dtype
    that the format does not know.
    """
    order = sorted(source.tensors, key=lambda name: (-_place(name, source.tensors[name]), name))
    infos = {name: source.tensors[name] for name in order}
    with path.open("wb") as file:
        file.write(_header(infos, metadata))
        for name, info in infos.items():
            tensor = source.read(name)
            if (tensor.dtype, tuple(tensor.shape)) != info:
                raise ValueError(
                    f"{name} is {tensor.dtype} {list(tensor.shape)}, but its header "
                    f"promised {info.dtype} {list(info.shape)}; the file changed meanwhile"
                )
            file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
            written(info.size)
        file.flush()
        os.fsync(file.fileno())


def _place(name: str, info: TensorInfo) -> int:
    if info.dtype not in _NAMES:
        raise ValueError(f"{name} is {info.dtype}, which safetensors cannot hold")
    return _ORDER.index(_NAMES[info.dtype])


def _header(tensors: Mapping[str, TensorInfo], metadata: Mapping[str, str]) -> bytes:
    """The header's length, then the header, filled up with spaces to a multiple of 8 bytes."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, info in tensors.items():
        entries[name] = {
            "dtype": _NAMES[info.dtype],
            "shape": info.shape,
            "data_offsets": (offset, offset + info.size),
        }
        offset += info.size
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
