"""The tensors that a pickle builds, as notes of where their data lies in the file.

`CALLS` are the calls that `pickle_machine.py` carries out. Their arguments are checked here; what
they raise makes the file a damaged one.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from .pickle_machine import Foreign, Global


class Storage(NamedTuple):
    """A storage of the file: element type, key, and at which of its elements a view begins."""

    dtype: torch.dtype
    key: str
    start: int = 0


class StoredTensor(NamedTuple):
    """Where a tensor's elements lie; offset and stride count elements of its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def end(self) -> int:
        """How many elements its storage must have."""
        if 0 in self.shape:
            return 0
        steps = zip(self.shape, self.stride, strict=True)
        return self.offset + sum((size - 1) * stride for size, stride in steps) + 1

    @property
    def size(self) -> int:
        """Bytes of all elements; of a tensor that repeats some, more than its storage has."""
        return math.prod(self.shape) * self.storage.dtype.itemsize


def is_size(number: Any) -> bool:
    """Whether it can be a size or an offset."""
    return isinstance(number, int) and 0 <= number < 1 << 63


def is_ours(name: Global) -> bool:
    """Whether it is one of the names that tensors need."""
    known = name.name in STORAGE_DTYPES or name.name in _DTYPES
    return name in CALLS or (known and name.module in STORAGE_MODULES)


# --- calls ---------------------------------------------------------------------------------------


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, *_: Any
) -> StoredTensor | Foreign:
    if isinstance(storage, Foreign):  # a storage of a type that is not known
        return storage
    if not isinstance(storage, Storage) or not is_size(offset):
        raise ValueError("a tensor without a storage or an offset")
    if not (_is_shape(shape) and _is_shape(stride) and len(shape) == len(stride)):
        raise ValueError("a tensor's shape or stride is not a short row of whole numbers")
    return StoredTensor(storage, storage.start + offset, tuple(shape), tuple(stride))


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple | list) and len(shape) <= 64 and all(map(is_size, shape))


def _rebuild_typed_tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> StoredTensor | Foreign:
    if not isinstance(dtype, Global):
        raise ValueError("a tensor without an element type")
    if isinstance(storage, Storage):
        if dtype.module != "torch" or dtype.name not in _DTYPES:
            return Foreign(dtype)
        storage = storage._replace(dtype=_DTYPES[dtype.name])
    return _rebuild_tensor(storage, offset, shape, stride)


def _first(value: Any, *_: Any) -> Any:
    return value


def _rebuild_from_type(function: Any, _kind: Any, arguments: Any, *_: Any) -> Any:
    """A subclass of Tensor with attributes: the tensor."""
    if not isinstance(function, Global) or not isinstance(arguments, tuple):
        raise ValueError("a tensor that is rebuilt by no function")
    if function not in _REBUILD or len(arguments) > 10:
        return Foreign(function)
    return _REBUILD[function](*arguments)


def _dictionary(*arguments: Any) -> dict[str, Any]:
    """OrderedDict; Python 2 gives it its items at once, Python 3 one by one later."""
    pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
    return {key: value for key, value in pairs if isinstance(key, str)}


_REBUILD: dict[Global, Callable[..., Any]] = {
    Global("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    Global("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    Global("torch._utils", "_rebuild_tensor_v3"): _rebuild_typed_tensor,
    Global("torch._utils", "_rebuild_parameter"): _first,
    Global("torch._utils", "_rebuild_parameter_with_state"): _first,
}

CALLS: dict[Global, Callable[..., Any]] = {
    **_REBUILD,
    Global("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    Global("torch", "Size"): _first,
    Global("collections", "OrderedDict"): _dictionary,
    Global("collections", "defaultdict"): lambda *_: {},
    # A dictionary as well; its tensors follow as its state.
    Global("torch.nn.modules.container", "ParameterDict"): lambda *_: {},
}

# An untyped storage's own type is bytes; the tensor that refers to it names the real one.
_DTYPES = {name: value for name, value in vars(torch).items() if isinstance(value, torch.dtype)}
STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")
STORAGE_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "QInt8Storage": torch.int8,  # of quantised tensors, which are not read
    "QUInt8Storage": torch.uint8,
    "QInt32Storage": torch.int32,
    "UntypedStorage": torch.uint8,
}
