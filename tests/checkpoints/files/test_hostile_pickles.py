"""Files that want to run something: none does, and what they ask for is reported.

What is run makes the canary appear; `test_the_attacks_are_real` shows that it does so when the
same pickles are loaded without care.
"""

import builtins
import contextlib
import functools
import io
import operator
import os
import pickle
import re
import runpy
import subprocess
import sys
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.checkpoints.files import pickle_machine, pickles
from sd2_depth2img.checkpoints.files.errors import (
    DamagedFile,
    HostileFile,
    TorchScriptFile,
    UnreadableFile,
)
from sd2_depth2img.checkpoints.files.pickle_machine import PickleMachine
from sd2_depth2img.checkpoints.files.pickled_tensors import CALLS
from sd2_depth2img.checkpoints.files.weights import open_weights


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def objects(canary):
    """What the file is said to want -> an object that pickles as that."""
    touch = f"touch {canary}"
    python = f"open({str(canary)!r}, 'w').close()"
    return {
        "posix.system": Call(os.system, touch),
        "builtins.eval": Call(builtins.eval, python),
        "builtins.exec": Call(builtins.exec, python),
        "io.open": Call(io.open, str(canary), "w"),
        "subprocess.check_call": Call(subprocess.check_call, ["touch", str(canary)]),
        "subprocess.call": Call(functools.partial(subprocess.call, ["touch", str(canary)])),
        "operator.methodcaller": Call(operator.methodcaller("system", touch), 1),
        "builtins.__import__": Call(getattr, Call(__import__, "os"), "system"),
        "runpy.run_path": Call(runpy.run_path, f"{canary}.py"),
        "_pickle.loads": Call(pickle.loads, pickle.dumps(Call(os.system, touch))),
    }


# Written by hand, for what Python's own pickler does not write.
ASSEMBLED = {
    "REDUCE": ("posix.system", b"cposix\nsystem\n(S'touch CANARY'\ntR."),
    "INST": ("os.system", b"(S'touch CANARY'\nios\nsystem\n."),
    "OBJ": ("os.system", b"(cos\nsystem\nS'touch CANARY'\no."),
    "NEWOBJ": (
        "subprocess.Popen",
        b"\x80\x02csubprocess\nPopen\n((Vtouch\nVCANARY\nlt\x81.",
    ),
    "stack": ("os.system", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R."),
    "dots": ("torch.os.system", b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93Vtouch CANARY\n\x85R."),
    "state": (
        "os.system",
        b"\x80\x02cargparse\nNamespace\n)\x81}V__setstate__\ncos\nsystem\nsbVtouch CANARY\nb.",
    ),
    "getattr": (
        "torch.serialization.os",
        b"\x80\x02c__builtin__\ngetattr\n(ctorch.serialization\nos\nVsystem\ntR(Vtouch CANARY\ntR.",
    ),
    "python 2": ("commands.getoutput", b"ccommands\ngetoutput\n(S'touch CANARY'\ntR."),
    "subclasses": (
        "builtins.object.__subclasses__",
        b"c__builtin__\ngetattr\n(c__builtin__\nobject\nV__subclasses__\ntR(tR.",
    ),
    "download": ("torch.hub.load", b"ctorch.hub\nload\n(Va/b\nVc\ntR."),
    **{
        f"{module}.{name}": (
            f"{module}.{name}",
            b"\x80\x04\x8c%c%b\x8c%c%b\x93)R."
            % (len(module), module.encode(), len(name), name.encode()),
        )
        for module, name in (
            ("pathlib", "Path.unlink"),
            ("dataclasses", "_create_fn"),
            ("typing", "ForwardRef._evaluate"),
            ("torch", "save"),
            ("torch", "load"),
            ("torch.storage", "_load_from_bytes"),
            ("torch.utils.model_zoo", "load_url"),
            ("numpy", "savetxt"),
            ("numpy", "memmap"),
            ("sympy", "sympify"),
        )
    },
}


def as_zip(path, content):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content)


LEGACY = [
    pickle.dumps(part, 2)
    for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {"w": 1}, [])
]


def in_legacy(place):
    """In place of one of the five pickles that a file of PyTorch before 1.6 begins with."""

    def write(path, content):
        path.write_bytes(b"".join([*LEGACY[:place], content, *LEGACY[place + 1 :]]))

    return write


CONTAINERS = {
    "bare.bin": lambda path, content: path.write_bytes(content),
    "zip.ckpt": as_zip,
    "legacy-object.pt": in_legacy(3),
    "legacy-facts.pth": in_legacy(2),
    "legacy-keys.pth": in_legacy(4),
}


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    (tmp_path / "canary.py").write_text(f"open({str(path)!r}, 'w').close()")
    return path


def check_refused(path, canary):
    """A program that is no dictionary of weights: the refusal is clear, and nothing was run."""
    with pytest.raises(UnreadableFile, match=re.escape(path.name)) as refusal:
        open_weights(path)
    assert str(refusal.value).isprintable()
    assert not canary.exists()


def names_of(content):
    """What a pickle asks for."""
    machine = PickleMachine("a", CALLS, lambda reference: reference)
    with contextlib.suppress(DamagedFile):
        machine.load(io.BytesIO(content))
    return {str(name) for name in machine.names}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wanted", objects("x"))
def test_calls_in_every_container_and_protocol(tmp_path, canary, wanted, protocol, container):
    content = pickle.dumps(objects(canary)[wanted], protocol, fix_imports=False)
    CONTAINERS[container](tmp_path / container, content)
    check_refused(tmp_path / container, canary)
    assert wanted in names_of(content)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ASSEMBLED)
def test_instructions_no_pickler_writes(tmp_path, canary, name, container):
    wanted, content = ASSEMBLED[name]
    content = content.replace(b"CANARY", str(canary).encode())
    CONTAINERS[container](tmp_path / container, content)
    check_refused(tmp_path / container, canary)
    assert wanted.replace("builtins", "__builtin__") in names_of(content)


def test_a_refused_program_is_named(tmp_path):
    as_zip(tmp_path / "model.pt", pickle.dumps(Call(os.system, "true"), 2))
    with pytest.raises(UnreadableFile, match=r"model\.pt holds a posix\.system; expected a dict"):
        open_weights(tmp_path / "model.pt")


PLACES = {
    "beside weights": lambda call: {"state_dict": {"w": torch.ones(2)}, "callbacks": call},
    "among weights": lambda call: {"w": torch.ones(2), "evil": call},
    "as a key": lambda call: {"w": torch.ones(2), (call, 1): 1},
    "in lists": lambda call: {"w": torch.ones(2), "evil": [[(call,)]]},
}


@pytest.mark.parametrize("wanted", objects("x"))
@pytest.mark.parametrize("place", PLACES)
def test_the_weights_beside_a_program_load_and_what_it_asks_for_is_reported(
    tmp_path, canary, place, wanted
):
    content = PLACES[place](objects(canary)[wanted])
    # Below protocol 3 Python gives names as Python 2 had them.
    torch.save(content, tmp_path / "model.ckpt", pickle_protocol=4)
    file = open_weights(tmp_path / "model.ckpt")
    assert list(file.tensors) == ["w"]
    assert file.read("w").tolist() == [1, 1]
    assert wanted in file.foreign
    assert not canary.exists()


INSIDE = [
    # a persistent id that is computed
    b"\x80\x02(Vstorage\ncos\nsystem\n(Vtouch CANARY\ntRV0\nVcpu\nK\x01tQ.",
    # a tensor's shape, its hooks
    b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00cos\nsystem\n(Vtouch CANARY\ntRttR.",
    b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89(cos\nsystem\nVtouch CANARY\nottR.",
    # a subclass of Tensor that is rebuilt by a function of the file's choice
    b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN(Vtouch CANARY\nt)tR.",
]


@pytest.mark.parametrize("content", INSIDE)
def test_calls_inside_of_tensors(tmp_path, canary, content):
    as_zip(tmp_path / "model.pt", content.replace(b"CANARY", str(canary).encode()))
    check_refused(tmp_path / "model.pt", canary)


@pytest.mark.parametrize("wanted", ["posix.system", "builtins.eval", "subprocess.call"])
def test_the_attacks_are_real(canary, wanted):
    pickle.loads(pickle.dumps(objects(canary)[wanted], 2))
    assert canary.exists()


@pytest.mark.parametrize("name", ["REDUCE", "INST", "OBJ", "state", "dots", "getattr"])
def test_the_assembled_attacks_are_real(canary, name):
    content = ASSEMBLED[name][1].replace(b"CANARY", str(canary).encode())
    if name == "dots":
        content = content.replace(b"\x8c\x05torch", b"\x8c\x13torch.serialization")
    pickle.loads(content)
    assert canary.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\n\x1b[2Jsystem\n.",
        b"\x80\x04\x8c\x02os\x8c\x08x\nsystem\x93.",
        b"\x80\x04\x8c\x03a b\x8c\x01c\x93.",
        b"\x80\x04\x8c\x00\x8c\x00\x93.",
        b"\x80\x04K\x01K\x02\x93.",
        b"\x80\x04\x8c\x01a" + b"\x58\x2d\x01\x00\x00" + b"b" * 301 + b"\x93.",
    ],
)
def test_what_is_no_name_is_not_repeated(tmp_path, content):
    as_zip(tmp_path / "model.pt", content)
    with pytest.raises(DamagedFile, match=r"asks for something whose name is not one") as refusal:
        open_weights(tmp_path / "model.pt")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


# --- programs beside the weights -----------------------------------------------------------------


def test_an_archive_with_a_program_beside_the_weights_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"w": torch.ones(2)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/setup.py", "import os")
    with pytest.raises(HostileFile, match=r"model\.pt was refused.*carries a program, model/setup"):
        open_weights(path)


def test_the_name_of_such_a_program_cannot_write_to_a_terminal(tmp_path):
    as_zip(tmp_path / "model.pt", pickle.dumps({}))
    with zipfile.ZipFile(tmp_path / "model.pt", "a") as archive:
        archive.writestr("a\n\x1b[2J" + "b" * 1000 + "/setup.py", "import os")
    with pytest.raises(HostileFile) as refusal:
        open_weights(tmp_path / "model.pt")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 500


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_archives_are_named(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "model.pt")
    with pytest.raises(TorchScriptFile, match=r"model\.pt is a TorchScript archive"):
        open_weights(tmp_path / "model.pt")


# --- bombs ---------------------------------------------------------------------------------------

NESTED = b"(" + b")" + b"q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(200))
LAUGHS = b")" + b"2\x86" * 60  # a tuple of two tuples of two ...


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def number(value):
    return b"\x8a" + bytes([16]) + value.to_bytes(16, "little")


def storage(key, *more):
    """A persistent id."""
    rest = b"".join(more) or text("cpu")
    return b"\x80\x02(" + text("storage") + b"ctorch\nFloatStorage\n" + key + rest + b"K\x01tQ."


LONG_TEXT = b"\x80\x02" + text("a" * 20_000_000) + b"q\x000"
BOMBS = {
    "laughs": b"\x80\x02" + NESTED + b".",
    "laughs as a key": b"\x80\x02}" + NESTED[1:] + b"Ns.",
    "laughs as an id": b"\x80\x02" + NESTED[1:] + b"Q.",
    "laughs as a call": b"\x80\x02c__builtin__\nset\n" + NESTED[1:] + b"R.",
    "deep": b"\x80\x02)" + b"\x85" * 200_000 + b"Q.",
    "memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "count of bytes": b"\x80\x05\x8e" + (1 << 60).to_bytes(8, "little") + b"x.",
    "count of a bytearray": b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"x.",
    "zeros of bytes": b"\x80\x02c__builtin__\nbytearray\n\x8a\x06\0\0\0\0\0\x7f\x85R.",
    "digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "itself": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\nq\x00(h\x00N]q\x01"
    b"(h\x00Nh\x01eh\x01tR.",
    "extension": b"\x80\x02\x82\x01.",
    "name of many pieces": b"\x80\x02" + text("torchx" + ".a" * 60_000) + text("x") + b"\x93.",
    "name of laughs": b"\x80\x02" + LAUGHS + text("x") + b"\x93.",
    "name by getattr": b"\x80\x02c__builtin__\ngetattr\n" + LAUGHS + LAUGHS + b"\x86R.",
    "names": b"\x80\x02("
    + b"".join(text(f"m{i}") + b"q" + bytes([i]) for i in range(100))
    + b"".join(b"h%ch%c\x93" % (i, j) for i in range(100) for j in range(100))
    + b"t.",
    "key of a storage": storage(LAUGHS),
    "place of a storage": storage(text("0"), LAUGHS),
    "function of a type": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(" + LAUGHS + b"N)tR.",
    "type of a tensor": b"\x80\x02ctorch._utils\n_rebuild_tensor_v3\n("
    + storage(text("0"))[2:-1]
    + b"K\x00))\x89N"
    + LAUGHS
    + b"tR.",
    "shape of a tensor": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n("
    + storage(text("0"))[2:-1]
    + b"K\x00"
    + LAUGHS
    + LAUGHS
    + b"tR.",
    "texts that are encoded": LONG_TEXT + b"c_codecs\nencode\nh\x00\x85R" * 400 + b".",
    "text as arguments": LONG_TEXT + b"ccollections\nOrderedDict\nh\x00R" * 400 + b".",
    "text as items": LONG_TEXT + b"ccollections\nOrderedDict\nh\x00\x85R" * 400 + b".",
    "items": b"\x80\x02](" + b"))\x86" * 30_000 + b"eq\x000ccollections\nOrderedDict\nq\x010"
    b"h\x00\x85q\x020" + b"h\x01h\x02R0" * 100_000 + b"N.",
    "parameters": b"\x80\x02}}"
    + text("_parameters")
    + b"}("
    + b"".join(text(f"{i}") + b"N" for i in range(30_000))
    + b"usq\x00b"
    + b"h\x00b" * 100_000
    + b".",
    "keys that collide": b"\x80\x02}("
    + b"".join(number(i * ((1 << 61) - 1)) + b"N" for i in range(1, 100_000))
    + b"u.",
    "places that collide": b"\x80\x02"
    + b"".join(b"Np%d\n0" % (i * ((1 << 61) - 1)) for i in range(1, 100_000))
    + b"N.",
    "large number": b"\x80\x02\x8b"
    + (50_000_000).to_bytes(4, "little")
    + b"\x7f" * 50_000_000
    + b".",
}


GUARDED = """
import resource, sys
from sd2_depth2img.checkpoints.files.errors import UnreadableFile
from sd2_depth2img.checkpoints.files.weights import open_weights
used = 4096 * int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (used + 600_000_000,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
for path in sys.argv[2:]:
    resource_used = resource.getrusage(resource.RUSAGE_SELF)
    try:
        open_weights(path)
    except UnreadableFile as error:
        seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - resource_used.ru_utime
        print(f"{seconds:.3f} {error}", flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits are those of Linux")
@pytest.mark.parametrize("container", ["bare.bin", "zip.ckpt"])
def test_bombs_do_not_go_off(tmp_path, container):
    """In a process of its own, which may take 600 MB; one that takes longer is ended."""
    paths = {name: tmp_path / f"{name}.{container}" for name in BOMBS}
    for name, path in paths.items():
        CONTAINERS[container](path, BOMBS[name])
    command = [sys.executable, "-c", GUARDED, "60", *map(str, paths.values())]
    answers = subprocess.run(command, capture_output=True, text=True, check=False)
    told = answers.stdout.splitlines()
    # Not strict: one that was ended says nothing more; the last line here names it.
    for (name, path), line in zip(paths.items(), told, strict=False):
        seconds, refusal = line.split(" ", 1)
        assert refusal.startswith(path.name), name
        assert "MemoryError" not in refusal, name
        assert len(refusal) < 500, name
        assert float(seconds) < 5, name
    assert len(told) == len(BOMBS), f"{list(BOMBS)[len(told)]}: {answers.stderr[-500:]}"


def test_the_number_of_instructions_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle_machine, "MAX_OPERATIONS", 1000)
    as_zip(tmp_path / "model.ckpt", b"\x80\x02" + b"N0" * 1000 + b".")
    with pytest.raises(DamagedFile, match="more than 1,000 instructions"):
        open_weights(tmp_path / "model.ckpt")


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_pickle_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, packing):
    """Whatever length it gives itself in the archive's directory."""
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + bytes(3_000_000))
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match="packed again with compression"):
        open_weights(path)


def test_the_length_of_a_pickle_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_BYTES", 1000)
    monkeypatch.setattr(pickle_machine, "MAX_BYTES", 1000)
    for write in (CONTAINERS["bare.bin"], as_zip):
        write(tmp_path / "model.ckpt", b"\x80\x02" + b"N0" * 1000 + b"N.")
        with pytest.raises(DamagedFile, match=r"its pickle is .*, which no checkpoint needs"):
            open_weights(tmp_path / "model.ckpt")


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200), start=st.sampled_from([b"", b"\x80\x02", b"\x80\x04"]))
def test_any_bytes_are_weights_or_refused(tmp_path_factory, content, start):
    path = tmp_path_factory.mktemp("any") / "model.ckpt"
    for write in (CONTAINERS["bare.bin"], as_zip, in_legacy(3)):
        write(path, start + content)
        with pytest.raises(UnreadableFile, match=r"model\.ckpt"):
            open_weights(path)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 2000), byte=st.integers(0, 255), new=st.booleans())
def test_one_wrong_byte_never_crashes(tmp_path_factory, at, byte, new):
    path = tmp_path_factory.mktemp("flipped") / "model.ckpt"
    torch.save({"w": torch.ones(2, 3), "v": [1, "a"]}, path, _use_new_zipfile_serialization=new)
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(content)
    try:
        file = open_weights(path)
    except UnreadableFile:
        return
    for name, info in file.tensors.items():
        assert tuple(file.read(name).shape) == info.shape
