"""PyTorch's pickled checkpoints (`.ckpt`, `.pt`, `.pth`, `.bin`), read without running them.

`pickle_machine.py` takes the pickle apart; a tensor becomes a note of where its data lies
(`pickled_tensors.py`), and everything else (a training framework's callbacks, its configuration
objects) is dropped. That also lets files load whose classes are not installed.

File formats (PyTorch, `torch/serialization.py`): since version 1.6 a zip archive with
`NAME/data.pkl` and one uncompressed `NAME/data/KEY` per storage; before, pickles one after the
other (a magic number, a version, facts about the machine, the object, the storages' keys), then
each storage's number of elements and its bytes.
"""

import logging
import mmap
import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from .errors import (
    DamagedFile,
    HostileFile,
    OtherPickle,
    TorchScriptFile,
    UnreadableFile,
    damaged,
    excessive,
)
from .pickle_machine import MAX_BYTES, Foreign, Global, PickleMachine, shown
from .pickled_tensors import (
    CALLS,
    STORAGE_DTYPES,
    STORAGE_MODULES,
    Storage,
    StoredTensor,
    is_ours,
    is_size,
)

log = logging.getLogger(__name__)

Places = dict[str, tuple[int, int]]  # of storages: byte offset in the file, length in bytes


class Archive:
    """The tensors of a pickled checkpoint, and the places of their storages by key.

    Raises UnreadableFile. `foreign` is what the file asks for beside what tensors need.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._storages: dict[str, Storage] = {}
        machine = PickleMachine(path.name, CALLS, self._storage)
        try:
            with path.open("rb") as file:
                content, self.places = self._read(file, machine)
            self.tensors = _tensors(path, content)
            for name, tensor in self.tensors.items():
                _check_place(path, name, tensor, self.places)
            _check_total(path, self.tensors)
        except UnreadableFile as error:
            error.foreign = _foreign(machine)
            raise
        self.foreign = _foreign(machine)

    def _read(self, file: BinaryIO, machine: PickleMachine) -> tuple[Any, Places]:
        try:
            if file.read(4) == b"PK\x03\x04":
                return _read_zip(self._path, file, machine)
            size = min(self._path.stat().st_size, MAX_BYTES)
            with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as pickles:
                return _read_legacy(self._path, file, pickles, machine, self._storages)
        except UnreadableFile:
            raise
        except Exception as error:  # a garbled file raises nearly anything, out of zipfile too
            raise damaged(self._path, f"perhaps cut off ({shown(str(error))})") from error

    def _storage(self, reference: Any) -> Storage | Global | Foreign:
        """A persistent id: ("storage", type, key, device, elements), before 1.6 also a view."""
        match reference:
            case ("storage", Global() as kind, str(key), str() | None, int(), *view) if (
                kind.module in STORAGE_MODULES and len(view) < 2
            ):
                if kind.name not in STORAGE_DTYPES:
                    return Foreign(kind)
                storage = Storage(STORAGE_DTYPES[kind.name], key)
                self._storages[key] = storage
                match view:
                    case [] | [None]:
                        return storage
                    case [(str(), start, _)] if is_size(start):
                        return storage._replace(start=start)
            case ("module", Global() as kind, *_):  # with its source, which nobody needs
                return kind
        raise UnreadableFile(
            f"{self._path.name} refers to something other than a storage; expected a checkpoint "
            "written by torch.save"
        )


def _foreign(machine: PickleMachine) -> list[str]:
    return [str(name) for name in machine.names if not is_ours(name)]


_MAX_DIRECTORY = 10_000_000  # bytes, for 100,000 storages; a checkpoint has a few thousand


class _InParts:
    """A file that is read in parts, as zipfile reads all but the archive's directory, and parses it
    entry by entry.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_DIRECTORY:
            raise DamagedFile(
                f"{self._path.name} was refused: its archive's directory takes {size:,} bytes, "
                "which no checkpoint needs"
            )
        return self._file.read(size if size >= 0 else _MAX_DIRECTORY)


def _read_zip(path: Path, file: BinaryIO, machine: PickleMachine) -> tuple[Any, Places]:
    with zipfile.ZipFile(cast(BinaryIO, _InParts(path, file))) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        root = _root(path, archive.namelist())
        pickled, start = f"{root}/data.pkl", f"{root}/data/"
        storages = {n[len(start) :]: e for n, e in entries.items() if n.startswith(start)}
        for entry in (entries[pickled], *storages.values()):
            _check_entry(path, entry)
        with archive.open(pickled) as stream:
            parts = iter(lambda: stream.read(_MAX_DIRECTORY), b"")
            content = machine.load(BytesIO(b"".join(parts)))
        return content, {key: _place(file, entry) for key, entry in storages.items()}


def _check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    """A compressed entry could unpack to any length, whatever the archive says."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise UnreadableFile(
            f"{path.name} was packed again with compression ({shown(entry.filename)}); "
            "expected the archive as torch.save writes it"
        )
    size = max(entry.file_size, entry.compress_size)
    if entry.filename.endswith("/data.pkl") and size > MAX_BYTES:
        raise excessive(path.name, f"is {size:,} bytes long")


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
            f"{path.name} was refused: beside the weights it carries a program, "
            f"{shown(programs[0])}. Nothing was run. Delete this file and get a safetensors copy "
            "from a source you trust."
        )
    roots = [name[: -len("/data.pkl")] for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise UnreadableFile(
            f"{path.name} is a zip archive with {len(roots) or 'no'} data.pkl; expected one, as "
            "torch.save writes it. If weights were packed into a zip, unpack it."
        )
    return roots[0]


def _place(file: BinaryIO, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Offset and length of an entry's data; the local header repeats name and extra field."""
    file.seek(entry.header_offset + 26)
    name_length, extra_length = struct.unpack("<HH", file.read(4))
    return entry.header_offset + 30 + name_length + extra_length, entry.file_size


MAGIC = 0x1950A86A20F9469CFC6C


def _read_legacy(
    path: Path,
    file: BinaryIO,
    pickles: mmap.mmap,
    machine: PickleMachine,
    storages: Mapping[str, Storage],
) -> tuple[Any, Places]:
    if machine.load(pickles) != MAGIC:
        raise OtherPickle(
            f"{path.name} is a pickle, but not one that PyTorch wrote; expected safetensors or a "
            "checkpoint written by torch.save"
        )
    machine.load(pickles)  # the format's version; there has been one only
    facts = machine.load(pickles)
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise UnreadableFile(
            f"{path.name} was written on a big-endian machine; convert it to safetensors there"
        )
    content = machine.load(pickles)
    keys = machine.load(pickles)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise damaged(path, "expected a list of its storages")
    file.seek(pickles.tell())
    size = path.stat().st_size
    places: Places = {}
    for key in keys:
        if key not in storages:
            raise damaged(path, f"no tensor tells what storage {shown(key)} is")
        head = file.read(8)
        length = int.from_bytes(head, "little") * storages[key].dtype.itemsize
        if len(head) < 8 or file.tell() + length > size:
            raise DamagedFile(f"{path.name} is cut off after {size:,} bytes: {_NOT_THERE}")
        places[key] = (file.tell(), length)
        file.seek(length, 1)
    return content, places


_NOT_THERE = "the data of its tensors is not in it. Copy or download it again."


def _check_place(path: Path, name: str, tensor: StoredTensor, places: Places) -> None:
    offset, length = places.get(tensor.storage.key, (0, 0))
    shape = list(tensor.shape)
    if tensor.end() * tensor.storage.dtype.itemsize > length:
        raise damaged(path, f"{name} of shape {shape} does not fit into its {length:,} bytes")
    if tensor.size > length:
        raise DamagedFile(
            f"{path.name} was refused: {name} of shape {shape} has {tensor.size:,} bytes, and the "
            f"file holds {length:,} of them, which it repeats; no weights do so"
        )
    size = path.stat().st_size
    if offset + length > size:
        raise DamagedFile(
            f"{path.name} is cut off after {size:,} bytes, {name} ends at {offset + length:,}: "
            f"{_NOT_THERE}"
        )


def _check_total(path: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Tensors may share a storage, but a small file must not become a large one."""
    total, size = sum(tensor.size for tensor in tensors.values()), path.stat().st_size
    if total > _MAX_SHARING * size:
        raise DamagedFile(
            f"{path.name} was refused: its {len(tensors):,} tensors have {total:,} bytes together, "
            f"and the file {size:,}; no model shares its weights that often"
        )


_MAX_SHARING = 4  # tensors to a storage, on average; a model whose EMA copy is itself has two


# Where the weights are: Lightning's, MiDaS's with its optimizer beside them, a textual inversion's,
# an upscaler's.
_WRAPPERS = ("state_dict", "model", "string_to_param", "params_ema", "params")


def _tensors(path: Path, content: Any) -> dict[str, StoredTensor]:
    state = content
    if isinstance(content, dict):
        inside = [content.get(wrapper) for wrapper in _WRAPPERS]
        state = next((found for found in inside if _has_tensors(found)), content)
    if not _has_tensors(state):
        raise UnreadableFile(
            f"{path.name} holds {_described(content)}; expected a dictionary of named tensors, "
            "as torch.save(model.state_dict(), ...) writes it"
        )
    lost = [name for name, value in state.items() if isinstance(value, Foreign)]
    if lost:
        log.warning(
            "%s: not read, of types not known here: %d beside the tensors (%s)",
            path.name,
            len(lost),
            ", ".join(f"{shown(name, 80)}: {state[name].kind}" for name in lost[:3]),
        )
    tensors = {name: value for name, value in state.items() if isinstance(value, StoredTensor)}
    for name in tensors:
        check_name(path, name)
    return tensors


def _has_tensors(state: Any) -> bool:
    return isinstance(state, dict) and any(isinstance(v, StoredTensor) for v in state.values())


def _described(content: Any) -> str:
    if not isinstance(content, dict):
        return f"a {_kind(content)}"
    entries = [f"{shown(n, 40)} ({_kind(v)})" for n, v in islice(content.items(), 5)]
    return f"no named tensors but {', '.join(entries) or 'nothing'}" + ", ..." * (len(content) > 5)


def _kind(value: Any) -> str:
    if isinstance(value, Foreign):
        return str(value.kind)
    return "tensor" if isinstance(value, StoredTensor) else type(value).__name__


def check_name(path: Path, name: str) -> None:
    """Refuse a tensor's name that is none: names go into messages, and from there to terminals."""
    if len(name) > _MAX_NAME or not name.isprintable():
        raise UnreadableFile(
            f"{path.name} names a tensor {shown(name)!r}, which is no name: expected printable "
            f"text of at most {_MAX_NAME} characters"
        )


_MAX_NAME = 500
