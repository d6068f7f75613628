"""Pickles as torch saves them, in a zip archive or the older way, and what can be wrong in them."""

import functools
import io
import math
import pickle
import pickletools
import random
import zipfile
from collections.abc import Callable

import torch

from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.tools.make_checkpoint import MINIATURE

from .guards import CANARY
from .mutations import Entry, damaged, edge, odd_zip, packed, zipped

Operation = tuple[str, bytes]  # name of the instruction, its bytes with the argument

# What nobody may import or call for a file's sake.
GLOBALS = (
    *(f"{CANARY} run", "os system", "posix system", "builtins eval", "builtins exec"),
    *("builtins getattr", "subprocess Popen", "torch load", "torch._utils _rebuild_tensor"),
    *("torch FloatStorage", "torch nothing", "numpy.core.multiarray _reconstruct", "nt system"),
    *("collections OrderedDict", "torch._utils _rebuild_parameter", "builtins bytearray"),
    *("sd2_depth2img.disk written_whole", "operator attrgetter", "torch.storage _load_from_bytes"),
)


def archive(rng: random.Random) -> tuple[str, bytes]:
    """A zip archive as torch has written them since 1.6."""
    entries = list(_entries(unet=rng.random() < 0.2))
    if rng.random() < 0.3:
        return "odd zip", odd_zip(rng, entries)
    place = next(i for i, entry in enumerate(entries) if entry.name.endswith(b"data.pkl"))
    what, changed = odd_pickle(rng, entries[place].data)
    entries[place] = Entry(entries[place].name, changed)
    return what, zipped(entries)


def legacy(rng: random.Random) -> tuple[str, bytes]:
    """Pickles one behind the other, as before 1.6; and pickles that torch has not written."""
    if rng.random() < 0.5:
        return "odd pickle", odd_pickle(rng, rng.choice(_loose()))[1]
    data = _saved(old=True)
    return ("legacy, damaged", damaged(rng, data)) if rng.random() < 0.5 else _odd_legacy(rng, data)


def _odd_legacy(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """The fourth pickle is the one that holds the tensors' names."""
    starts, file = [0], io.BytesIO(data)
    for _ in range(4):
        for _ in pickletools.genops(file):
            pass
        starts.append(file.tell())
    which = rng.randrange(4)
    what, changed = odd_pickle(rng, data[starts[which] : starts[which + 1]])
    return f"legacy, {what}", data[: starts[which]] + changed + data[starts[which + 1] :]


@functools.cache
def _saved(old: bool = False, unet: bool = False) -> bytes:
    tensors = (
        _unet()
        if unet
        else {
            "model.diffusion_model.a": torch.arange(6.0).reshape(2, 3),
            "b": torch.ones(4, dtype=torch.float16),
            "c": torch.nn.Parameter(torch.zeros(2)),
        }
    )
    file = io.BytesIO()
    torch.save(
        {"state_dict": tensors, "global_step": 7, "note": "x"},
        file,
        _use_new_zipfile_serialization=not old,
    )
    return file.getvalue()


def _unet() -> dict[str, torch.Tensor]:
    """The miniature's UNet; all its tensors are views of one storage, to be small."""
    shapes = {n: s for n, s in MINIATURE.tensors().items() if n.startswith(Part.UNET.value)}
    most = max(math.prod(shape) for shape in shapes.values())
    storage = torch.randn(most, generator=torch.Generator().manual_seed(0)).half()
    return {name: storage[: math.prod(shape)].view(shape) for name, shape in shapes.items()}


@functools.cache
def _entries(unet: bool) -> tuple[Entry, ...]:
    with zipfile.ZipFile(io.BytesIO(_saved(unet=unet))) as file:
        return tuple(Entry(name.encode(), file.read(name)) for name in file.namelist())


@functools.cache
def _loose() -> tuple[bytes, ...]:
    values = ({"a": [1, 2.5, None]}, [b"x", "é", (1,)], {"state_dict": {}}, {1, 2}, 10**50)
    return tuple(pickle.dumps(value, protocol) for value in values for protocol in (0, 2, 4, 5))


# --- instructions --------------------------------------------------------------------------------


def odd_pickle(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """A pickle with some of its instructions changed, and what was done."""
    if rng.random() < 0.2:
        return "bytes of the pickle", damaged(rng, data)
    operations = _taken_apart(data)
    changes = rng.choices(_CHANGES, k=rng.choice((1, 1, 2)))
    for change in changes:
        change(rng, operations)
    named = " and ".join(change.__name__.strip("_") for change in changes)
    return named, b"".join(code for _, code in operations)


def _taken_apart(data: bytes) -> list[Operation]:
    found = [(operation.name, at) for operation, _, at in pickletools.genops(data)]
    ends = [at for _, at in found[1:]] + [len(data)]
    return [(name, data[at:end]) for (name, at), end in zip(found, ends, strict=True)]


def _integer(number: int) -> Operation:
    size = number.bit_length() // 8 + 1
    return "LONG1", b"\x8a" + bytes([size]) + number.to_bytes(size, "little", signed=True)


def _at(rng: random.Random, operations: list[Operation], *names: str) -> int:
    """A place with one of these instructions; any if there is none."""
    found = [i for i, (name, _) in enumerate(operations) if name in names]
    return rng.choice(found) if found else rng.randrange(len(operations))


def _number(rng: random.Random, operations: list[Operation]) -> None:
    at = _at(rng, operations, "BININT", "BININT1", "BININT2", "LONG1", "INT")
    operations[at] = _integer(edge(rng))


def _stranger(rng: random.Random, operations: list[Operation]) -> None:
    """Another function where one is asked for."""
    at = _at(rng, operations, "GLOBAL", "STACK_GLOBAL")
    operations[at] = ("GLOBAL", b"c" + rng.choice(GLOBALS).replace(" ", "\n").encode() + b"\n")


def _program(rng: random.Random, operations: list[Operation]) -> None:
    """What a hostile pickle does: call something on the way."""
    name = rng.choice(GLOBALS).replace(" ", "\n").encode()
    call = b"c" + name + b"\n(" + b"X\4\0\0\0true" + b"tR" + rng.choice((b"0", b"", b"b", b"."))
    operations.insert(rng.randrange(1, len(operations)), ("call", call))


def _instance(rng: random.Random, operations: list[Operation]) -> None:
    code = rng.choice(
        (
            f"(i{CANARY}\nrun\n".encode(),
            f"(c{CANARY}\nrun\nX\x01\0\0\0ao".encode(),
            f"c{CANARY}\nrun\n)\x81".encode(),
            f"\x8c\x0b{CANARY}\x8c\x03run\x93)R".encode("latin1"),
            b"\x82\x01",  # EXT1
            b"Pnowhere\n",  # PERSID
            b"N)}\x92",  # NEWOBJ_EX
            b"\x97",  # NEXT_BUFFER
        )
    )
    operations.insert(rng.randrange(1, len(operations)), ("instance", code))


def _twice(rng: random.Random, operations: list[Operation]) -> None:
    at = rng.randrange(len(operations))
    operations[at:at] = operations[at : at + rng.choice((1, 1, 5, 40))] * rng.choice((1, 3, 200))


def _without(rng: random.Random, operations: list[Operation]) -> None:
    at = rng.randrange(len(operations))
    del operations[at : at + rng.choice((1, 1, 3))]
    operations.append(("STOP", b"."))


def _elsewhere(rng: random.Random, operations: list[Operation]) -> None:
    first, second = (rng.randrange(len(operations)) for _ in "12")
    operations[first], operations[second] = operations[second], operations[first]


def _repeated(rng: random.Random, operations: list[Operation]) -> None:
    """Tensors of a size that their storage does not have, with strides of zero."""
    places = [i for i, (_, code) in enumerate(operations) if code in (b"K\x02", b"K\x04")]
    for at in rng.sample(places, min(len(places), 3)):
        operations[at] = _integer(rng.choice((0, 1, 2_000_000_000)))
    sizes = [i for i, (name, _) in enumerate(operations) if name == "TUPLE1"]
    for at in rng.sample(sizes, min(len(sizes), 2)):
        operations[at - 1] = _integer(rng.choice((0, 2_000_000_000)))


def _recalled(rng: random.Random, operations: list[Operation]) -> None:
    """Another thing from the memory: circles, a tensor where a number should be."""
    at = rng.randrange(1, len(operations))
    operations[at] = ("BINGET", b"h" + bytes([rng.choice((0, 1, 2, 3, 5, 9, 20, 255))]))


def _grown(rng: random.Random, operations: list[Operation]) -> None:
    """Small in the file, large in memory."""
    code = rng.choice(
        (
            b"(" * 100_000,
            b"]" + b"]a" * 20_000,
            b"(lq\x80" + b"h\x80h\x80\x86q\x80" * 500,
            b"N\x85" + b"\x85" * 50_000,
            b"X" + packed(edge(rng), 4) + b"abc",
            b"\x8d" + packed(edge(rng), 8) + b"abc",  # BINUNICODE8
            b"\x8b" + packed(edge(rng), 4) + b"\1",  # LONG4
            b"r" + packed(edge(rng), 4),  # LONG_BINPUT
            b"\x95" + packed(edge(rng), 8),  # FRAME
            b"I" + b"9" * 20_000 + b"\n",
            b"\x8bh" + b"\x27\0\0" + b"\x7f" * 10_088,
            b"F1e999\nFnan\n",
            b"ccollections\nOrderedDict\n(" + b"(lK\1aK\2a" * 1_000 + b"tR",
            b"\x96" + packed(1 << 33, 8),  # BYTEARRAY8
        )
    )
    operations.insert(rng.randrange(1, len(operations)), ("grown", code))


_CHANGES: tuple[Callable[[random.Random, list[Operation]], None], ...] = (
    *(_number, _number, _number, _stranger, _stranger, _program, _program, _instance),
    *(_repeated, _twice, _without, _elsewhere, _recalled, _recalled, _grown, _grown),
)
