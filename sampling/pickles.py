"""PyTorch's pickled checkpoints (`.ckpt`, `.pt`, `.pth`, `.bin`), read without running them.

`inert.py` takes the pickle apart; here a tensor becomes a note of where its data lies in the file,
and everything else (a training framework's callbacks, its configuration objects) is dropped. That
also lets files load whose classes are not installed.

File formats (PyTorch, `torch/serialization.py`): since version 1.6 a zip archive with
`NAME/data.pkl` and one uncompressed `NAME/data/KEY` per storage; before, pickles one after the
other (a magic number, a version, facts about the machine, the object, the storages' keys), then
each storage's number of elements and its bytes.
"""

import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch

from .inert import (
    MAX_BYTES,
    DamagedFile,
    Foreign,
    Global,
    HostileFile,
    InertMachine,
    UnreadableFile,
)


class TorchScriptFile(UnreadableFile):
    """A TorchScript archive: a program with its weights."""


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
        """The elements its storage must have."""
        if 0 in self.shape:
            return 0
        steps = zip(self.shape, self.stride, strict=True)
        return self.offset + sum((size - 1) * stride for size, stride in steps) + 1


class Archive:
    """The tensors of a pickled checkpoint and the places of their data.

    Raises DamagedFile, HostileFile, TorchScriptFile, or UnreadableFile without weights in it.

    Attributes:
        tensors: by name; a training framework's `state_dict` or `model` is unwrapped.
        places: byte offset in the file and length in bytes, by storage key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._storages: dict[str, Storage] = {}
        machine = InertMachine(path.name, _CALLS, self._storage)
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                content, self.places = _read_zip(path, file, machine)
            else:
                file.seek(0)
                content, self.places = _read_legacy(path, file, machine, self._storages)
        self.tensors = _tensors(path, content)
        for name, tensor in self.tensors.items():
            _check_place(path, name, tensor, self.places)

    def _storage(self, reference: Any) -> Storage | Global:
        """A persistent id: ("storage", type, key, device, elements), before 1.6 also a view."""
        match reference:
            case ("storage", Global(module, kind), key, *rest) if (
                module in _STORAGE_MODULES and kind in _STORAGE_DTYPES
            ):
                storage = Storage(_STORAGE_DTYPES[kind], str(key))
                self._storages[storage.key] = storage
                match rest:
                    case (_, _, (_, int(start), _)):
                        return storage._replace(start=start)
                return storage
            case ("module", Global() as kind, *_):  # with its source, which nobody needs
                return kind
        raise UnreadableFile(
            f"{self._path.name} refers to something other than a storage of a known element type; "
            "expected a checkpoint written by torch.save"
        )


def _read_zip(
    path: Path, file: BinaryIO, machine: InertMachine
) -> tuple[Any, dict[str, tuple[int, int]]]:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            root = _root(path, [entry.filename for entry in entries])
            pickled = archive.getinfo(f"{root}/data.pkl")
            if pickled.file_size > MAX_BYTES:
                raise DamagedFile(
                    f"{path.name} was refused: its pickle is {pickled.file_size:,} bytes long, "
                    "which no checkpoint needs"
                )
            content = machine.load(BytesIO(archive.read(pickled)))
            start = f"{root}/data/"
            return content, {
                entry.filename[len(start) :]: _place(path, file, entry)
                for entry in entries
                if entry.filename.startswith(start)
            }
    except UnreadableFile:
        raise
    # A garbled archive can raise nearly anything out of zipfile, Unicode's errors among it.
    except Exception as error:
        raise DamagedFile(
            f"{path.name} is damaged or cut off: {error}. Copy or download it again."
        ) from error


def _root(path: Path, names: list[str]) -> str:
    """The archive's folder. Raises for programs: torch.save writes none."""
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise TorchScriptFile(
            f"{path.name} is a TorchScript archive: a program with its weights. It is not run. "
            "Get the model's plain weights, best as safetensors."
        )
    programs = [name for name in names if name.endswith((".py", ".pyc", ".so", ".dll", ".sh"))]
    if programs:
        raise HostileFile(
            f"{path.name} was refused: beside the weights it carries a program, {programs[0]}. "
            "Nothing was run. Delete this file and get a safetensors copy from a source you trust."
        )
    roots = [name[: -len("/data.pkl")] for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise UnreadableFile(
            f"{path.name} is a zip archive with {len(roots) or 'no'} data.pkl; expected one, as "
            "torch.save writes it. If weights were packed into a zip, unpack it."
        )
    return roots[0]


def _place(path: Path, file: BinaryIO, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Offset and length of an entry's data; the local header repeats name and extra field."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise UnreadableFile(
            f"{path.name} was packed again with compression ({entry.filename}); "
            "expected the archive as torch.save writes it"
        )
    file.seek(entry.header_offset + 26)
    name_length, extra_length = struct.unpack("<HH", file.read(4))
    return entry.header_offset + 30 + name_length + extra_length, entry.file_size


_MAGIC = 0x1950A86A20F9469CFC6C


def _read_legacy(
    path: Path, file: BinaryIO, machine: InertMachine, storages: Mapping[str, Storage]
) -> tuple[Any, dict[str, tuple[int, int]]]:
    if machine.load(file) != _MAGIC:
        raise UnreadableFile(
            f"{path.name} is a pickle, but not one that PyTorch wrote; expected safetensors or a "
            "checkpoint written by torch.save"
        )
    machine.load(file)  # the format's version; there has been one only
    facts = machine.load(file)
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise UnreadableFile(
            f"{path.name} was written on a big-endian machine; convert it to safetensors there"
        )
    content = machine.load(file)
    places = {}
    for key in machine.load(file):
        if key not in storages:
            raise DamagedFile(f"{path.name} is damaged: no tensor tells what storage {key!s} is")
        try:
            (count,) = struct.unpack("<Q", file.read(8))
        except struct.error as error:
            raise DamagedFile(f"{path.name} is cut off: {_REMEDY}") from error
        places[key] = (file.tell(), count * storages[key].dtype.itemsize)
        file.seek(places[key][1], 1)
    return content, places


_REMEDY = "the data of its tensors is not in it. Copy or download it again."


def _check_place(
    path: Path, name: str, tensor: StoredTensor, places: Mapping[str, tuple[int, int]]
) -> None:
    offset, length = places.get(tensor.storage.key, (0, 0))
    if tensor.end() * tensor.storage.dtype.itemsize > length:
        raise DamagedFile(
            f"{path.name} is damaged: {name} of shape {list(tensor.shape)} does not fit into the "
            f"{length:,} bytes of its storage"
        )
    size = path.stat().st_size
    if offset + length > size:
        raise DamagedFile(
            f"{path.name} is cut off after {size:,} bytes, {name} ends at {offset + length:,}: "
            f"{_REMEDY}"
        )


# Where training frameworks put the weights: Lightning, and MiDaS with its optimizer beside them.
_WRAPPERS = ("state_dict", "model")


def _tensors(path: Path, content: Any) -> dict[str, StoredTensor]:
    state = content
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            state = content[wrapper]
            break
    if not isinstance(state, Mapping):
        found = state.kind if isinstance(state, Foreign) else type(state).__name__
        raise UnreadableFile(f"{path.name} holds a {found}, expected a dictionary of named tensors")
    tensors = {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, StoredTensor)
    }
    if not tensors:
        raise UnreadableFile(f"{path.name} is a PyTorch file without a single named tensor in it")
    return tensors


# --- The calls that are carried out --------------------------------------------------------------


def _rebuild_tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> StoredTensor:
    shape, stride = tuple(shape), tuple(stride)
    numbers = (offset, *shape, *stride)
    if len(shape) != len(stride) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise ValueError("a tensor's offset, shape or stride is not a row of whole numbers")
    return StoredTensor(storage, storage.start + offset, shape, stride)


def _rebuild_typed_tensor(
    storage: Storage,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    hooks: Any,
    dtype: Global,
    *_: Any,
) -> StoredTensor:
    element = getattr(torch, dtype.name) if dtype.module == "torch" else None
    if not isinstance(element, torch.dtype):
        raise ValueError("a tensor's element type is not known")
    return _rebuild_tensor(storage._replace(dtype=element), offset, shape, stride)


def _first(value: Any, *_: Any) -> Any:
    return value


def _rebuild_from_type(function: Global, kind: Global, arguments: tuple, *_: Any) -> Any:
    """A subclass of Tensor with attributes: the tensor."""
    return _REBUILD[function](*arguments)


def _dictionary(*arguments: Any) -> dict[Any, Any]:
    """OrderedDict; Python 2 gives it its items at once, Python 3 one by one later."""
    pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
    return {key: value for key, value in pairs if isinstance(key, str)}


def _encode(text: str, *_: Any) -> bytes:
    """Bytes in pickles of protocol 2 and below are spelled as latin-1 text to be encoded."""
    return text.encode("latin1")


_REBUILD = {
    Global("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    Global("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    Global("torch._utils", "_rebuild_tensor_v3"): _rebuild_typed_tensor,
    Global("torch._utils", "_rebuild_parameter"): _first,
    Global("torch._utils", "_rebuild_parameter_with_state"): _first,
}

_CALLS = {
    **_REBUILD,
    Global("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    Global("torch", "Size"): _first,
    Global("collections", "OrderedDict"): _dictionary,
    Global("collections", "defaultdict"): lambda *_: {},
    Global("_codecs", "encode"): _encode,
}

# An untyped storage's own type is bytes; the tensor that refers to it names the real one.
_STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")
_STORAGE_DTYPES = {
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
    "UntypedStorage": torch.uint8,
}
