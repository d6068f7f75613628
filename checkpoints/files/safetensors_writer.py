"""Writing safetensors one tensor at a time, so that a file of any size takes the memory of one.

The library's own writer wants every tensor in memory. Format:
https://github.com/huggingface/safetensors#format
"""

import json
import math
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .weights import DTYPES, Shape

# The order in which the library lays tensors out, from the end.
_ORDER = (
    *("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16"),
    *("I32", "U32", "F32", "C64", "F64", "I64", "U64"),
)
_NAMES = {DTYPES[name]: name for name in _ORDER}


@dataclass(frozen=True)
class PlannedTensor:
    """A tensor that will be written: what the header says of it, and how to get it."""

    name: str
    dtype: torch.dtype
    shape: Shape
    read: Callable[[], Tensor]  # called once, when the tensor's turn comes

    @property
    def size(self) -> int:
        """Bytes that the tensor takes in a file."""
        return math.prod(self.shape) * self.dtype.itemsize


def write_safetensors(
    path: Path,
    tensors: Sequence[PlannedTensor],
    metadata: Mapping[str, str],
    written: Callable[[int], object] = lambda size: None,
) -> None:
    """Write a safetensors file, byte for byte what the library would write, and flush it to disk.

    An existing file is replaced, so give a temporary name. `written` is called after each tensor
    with its size in bytes.

    Raises ValueError when a tensor has another dtype or shape than was planned, or a dtype that
    the format does not know.
    """
    tensors = sorted(tensors, key=lambda tensor: (-_place(tensor), tensor.name))
    with path.open("wb") as file:
        file.write(_header(tensors, metadata))
        for planned in tensors:
            tensor = planned.read()
            if (tensor.dtype, tuple(tensor.shape)) != (planned.dtype, planned.shape):
                raise ValueError(
                    f"{planned.name} is {tensor.dtype} {list(tensor.shape)}, but its header "
                    f"promised {planned.dtype} {list(planned.shape)}; the file changed meanwhile"
                )
            file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
            written(planned.size)
        file.flush()
        os.fsync(file.fileno())


def _place(tensor: PlannedTensor) -> int:
    if tensor.dtype not in _NAMES:
        raise ValueError(f"{tensor.name} is {tensor.dtype}, which safetensors cannot hold")
    return _ORDER.index(_NAMES[tensor.dtype])


def _header(tensors: Sequence[PlannedTensor], metadata: Mapping[str, str]) -> bytes:
    """The header's length, then the header, filled up with spaces to a multiple of 8 bytes."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for tensor in tensors:
        entries[tensor.name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": tensor.shape,
            "data_offsets": (offset, offset + tensor.size),
        }
        offset += tensor.size
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
