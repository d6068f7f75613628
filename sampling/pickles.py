"""PyTorch's pickled checkpoints (`.ckpt`, `.pt`, `.bin`), read without ever running them.

Unpickling calls whatever functions the file names, so a hostile file can do anything. Here every
name a pickle asks for resolves to one of a few harmless stand-ins: tensors become a note of where
their data lies in the file, and everything else (a training framework's callbacks, its
configuration objects) becomes an inert placeholder that is never imported. That also lets files
load whose classes are not installed.

File format: a zip archive with `NAME/data.pkl` and one uncompressed `NAME/data/KEY` per storage
(PyTorch, `torch/serialization.py`).
"""

import pickle
import struct
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch


class UnreadableFile(ValueError):  # noqa: N818 - names what the file is
    """The file holds no readable weights; the message says what was found and what to do."""


class Storage(NamedTuple):
    """A storage of the archive: element type and file entry."""

    dtype: torch.dtype
    key: str


class StoredTensor(NamedTuple):
    """Where a tensor's elements lie; offset and stride count elements of its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Archive:
    """The tensors of a pickled checkpoint and the places of their data.

    Attributes:
        tensors: by name; a training framework's `state_dict` or `model` is unwrapped.
        places: byte offset in the file and length in bytes, by storage key.
    """

    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive, path.open("rb") as file:
                root = _root(path, archive)
                with archive.open(f"{root}/data.pkl") as stream:
                    content = _InertUnpickler(stream, path.name).load()
                self.places = {
                    entry.filename[len(root) + 6 :]: _place(path, file, entry)
                    for entry in archive.infolist()
                    if entry.filename.startswith(f"{root}/data/")
                }
        except zipfile.BadZipFile as error:
            raise UnreadableFile(
                f"{path.name} is damaged or cut off: {error}. Copy or download it again."
            ) from error
        self.tensors = _tensors(path, content)


def _root(path: Path, archive: zipfile.ZipFile) -> str:
    roots = [name[: -len("/data.pkl")] for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise UnreadableFile(
            f"{path.name} is a zip archive without PyTorch's data.pkl; expected a checkpoint "
            "written by torch.save"
        )
    return roots[0]


def _place(path: Path, file: Any, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Offset and length of an entry's data; the local header repeats name and extra field."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise UnreadableFile(
            f"{path.name} was packed again with compression ({entry.filename}); "
            "expected the archive as torch.save writes it"
        )
    file.seek(entry.header_offset + 26)
    name_length, extra_length = struct.unpack("<HH", file.read(4))
    return entry.header_offset + 30 + name_length + extra_length, entry.file_size


# Where training frameworks put the weights: Lightning, and MiDaS with its optimizer beside them.
_WRAPPERS = ("state_dict", "model")


def _tensors(path: Path, content: Any) -> dict[str, StoredTensor]:
    state = content
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            state = content[wrapper]
            break
    if not isinstance(state, Mapping):
        raise UnreadableFile(
            f"{path.name} holds a {type(state).__name__}, expected a dictionary of named tensors"
        )
    tensors = {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, StoredTensor)
    }
    if not tensors:
        raise UnreadableFile(f"{path.name} is a PyTorch file without a single named tensor in it")
    return tensors


class _Foreign:
    """Stands in for any object whose class is not imported; swallows whatever is done to it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> "_Foreign":
        return _Foreign()

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass

    def add(self, item: Any) -> None:
        pass


class _InertUnpickler(pickle.Unpickler):
    """Resolves every global to a stand-in; nothing is imported and nothing foreign is called."""

    def __init__(self, stream: Any, name: str) -> None:
        super().__init__(stream, encoding="latin1")
        self._name = name

    def load(self) -> Any:
        try:
            return super().load()
        except UnreadableFile:
            raise
        # A damaged or hostile stream can raise nearly anything out of the pickle machine.
        except Exception as error:
            raise UnreadableFile(
                f"{self._name} cannot be read: its pickle is damaged ({error!r})"
            ) from error

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if module.split(".")[0] in _CODE_RUNNING_MODULES or (
            module in {"builtins", "__builtin__"} and name in _CODE_RUNNING_BUILTINS
        ):
            raise UnreadableFile(
                f"{self._name} was refused: on loading it would call {module}.{name}, which can "
                "run any program. Nothing was run. Weights need no such call: delete this file "
                "and get a safetensors copy from a source you trust."
            )
        return type(name, (_Foreign,), {"__module__": module})

    def persistent_load(self, reference: Any) -> Storage:
        kind, storage_type, key, *_ = reference
        if kind != "storage" or storage_type not in _STORAGE_DTYPES.values():
            raise UnreadableFile(
                f"{self._name} refers to {reference!r}, expected a storage of a known element type"
            )
        return Storage(storage_type, str(key))


def _rebuild_tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> StoredTensor:
    return StoredTensor(storage, offset, tuple(shape), tuple(stride))


def _rebuild_typed_tensor(
    storage: Storage,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    hooks: Any,
    dtype: torch.dtype,
    *_: Any,
) -> StoredTensor:
    return StoredTensor(Storage(dtype, storage.key), offset, tuple(shape), tuple(stride))


def _rebuild_parameter(tensor: StoredTensor, *_: Any) -> StoredTensor:
    return tensor


def _encode(text: str, *_: Any) -> bytes:
    """Bytes in pickles of protocol 2 and below are spelled as latin-1 text to be encoded."""
    return text.encode("latin1")


# An untyped storage's own type is bytes; the tensor that refers to it names the real one.
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

_STAND_INS: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _rebuild_typed_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): tuple,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    ("_codecs", "encode"): _encode,
    **{("torch", name): dtype for name, dtype in _STORAGE_DTYPES.items()},
    ("torch.storage", "UntypedStorage"): torch.uint8,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (bool, bytearray, bytes, complex, dict, float, frozenset, int, list, set, str)
    },
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
}

# Placeholders make all of these harmless already. Naming them turns a file that tries into a
# clear refusal instead of a checkpoint with odd contents.
_CODE_RUNNING_MODULES = frozenset(
    "os posix nt io _io subprocess sys shutil socket runpy importlib imp pty ctypes code codeop "
    "commands webbrowser pickle _pickle marshal multiprocessing asyncio signal threading _thread "
    "http urllib requests ftplib smtplib telnetlib tempfile pip timeit pdb bdb trace cProfile "
    "profile platform shelve zipimport ensurepip venv".split()
)
_CODE_RUNNING_BUILTINS = frozenset(
    "eval exec execfile compile open file __import__ input breakpoint".split()
)
