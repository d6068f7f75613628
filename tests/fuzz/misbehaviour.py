"""Inputs that break one promise each, to see that the fuzzer notices."""

import os
import pickle
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sd2_depth2img.disk.settings import DamagedSettings, read_settings

from .guards import CANARY
from .runner import Attempt, Maker


def _import() -> None:
    __import__(CANARY)


def _child() -> None:
    if os.fork() == 0:
        os._exit(0)


def _fill_memory() -> None:
    held = []
    while True:
        held.append(b"x" * (1 << 28))
        time.sleep(0.05)


def _own_error(place: Path) -> None:
    """The package's own, which names the file."""
    read_settings(place / "input" / "map.json")


def _hidden(place: Path) -> None:
    (place / "output" / ".half.part").touch()


def _left_after_error(place: Path) -> None:
    (place / "output" / "half.png").touch()
    _own_error(place)


def _renamed_error(place: Path) -> None:
    """The package's own, and nobody knows which file it means."""
    try:
        _own_error(place)
    except DamagedSettings as error:
        error.args = ("it is damaged",)
        raise


# What it does in the folders of an input, and what the report says of it.
MISBEHAVIOUR: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "process": (lambda _: subprocess.run(["true"], check=False), "subprocess.Popen"),
    "system": (lambda _: os.system("true"), "os.system"),
    "fork": (lambda _: _child(), "os.fork"),
    "network": (lambda _: socket.create_connection(("127.0.0.1", 9), 1), "socket"),
    "pickle": (lambda _: pickle.loads(pickle.dumps(Path)), "unpickled"),
    "import": (lambda _: _import(), "imported what a file asked for"),
    "write elsewhere": (lambda _: Path("/var/tmp/fuzz").write_text("x"), "for writing"),
    "rename elsewhere": (lambda p: os.rename(p, "/var/tmp/fuzz"), "os.rename"),
    "temporary file": (lambda _: tempfile.mkstemp(), "left temp/"),
    "here": (lambda _: Path("x").touch(), "left cwd/x"),
    "hidden": (_hidden, "left output/.half.part"),
    "left after an error": (_left_after_error, "left output/half.png"),
    "traceback": (lambda _: {}["x"], "traceback: KeyError"),
    "exit": (lambda _: sys.exit("map"), "traceback: SystemExit"),
    "foreign": (lambda _: int("map.json"), "somebody else's error: ValueError"),
    "unnamed": (_renamed_error, "names none of map.json"),
    "memory": (lambda _: _fill_memory(), "more than 2 GB"),
    "silence": (lambda _: time.sleep(60), "no sign of an answer"),
    "death": (lambda _: os.kill(os.getpid(), signal.SIGKILL), "the worker died"),
}


def misbehaving(name: str) -> Maker:
    """Inputs that all do the same."""
    act, _ = MISBEHAVIOUR[name]
    return _maker(name, act)


def answering() -> Maker:
    """Inputs that the package refuses as it should."""
    return _maker("an answer", _own_error)


def _maker(what: str, act: Callable[[Path], object]) -> Maker:
    def make(rng: random.Random, place: Path) -> Attempt:
        (place / "input" / "map.json").write_text("{")
        return Attempt(lambda: act(place), ["map.json"], what)

    return make
