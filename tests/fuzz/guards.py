"""What an input must not do, and how a worker notices.

`Guards.watch()` runs one call and returns every promise it broke, in words; an empty list is a
pass. The hook it installs cannot be taken out again, so it belongs into a process of its own.
"""

import contextlib
import dis
import io
import logging
import math
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import sd2_depth2img
from sd2_depth2img.engine import folders

PACKAGE = Path(sd2_depth2img.__file__).parent
CANARY = "fuzz_canary"  # the module that hostile pickles of the fuzzer ask for

SECONDS = 10.0
MEMORY = 2_000_000_000  # bytes beyond what the worker had before
ADDRESSES = 8 * MEMORY  # beyond these it is stopped by the system, before the machine suffers
LONGEST = 20_000  # characters of a message; more is no answer but a dump

_STARTS = {
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
    *("os.forkpty", "os.startfile", "pty.spawn"),
}
_NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
_CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime"),
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Outcome(NamedTuple):
    """What one call did."""

    broken: list[str]  # promises, in words
    error: str  # what it raised, "" for nothing
    seconds: float  # of processor time
    memory: int  # bytes, the most beyond what there was before


class Guards:
    """Watches calls in this process, which may write below `place` only."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._seen: list[str] | None = None  # None while nobody is watched
        sys.addaudithook(self._audit)
        sys.dont_write_bytecode = True
        tempfile.tempdir = str(place / "temp")
        used = _status("VmSize")
        resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESSES, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        warnings.simplefilter("ignore")
        logging.getLogger().handlers = [_Formatting()]

    def prepare(self) -> Path:
        """Empty folders for the next input: input, output, temp, models, and cwd to stand in."""
        os.chdir("/")
        _empty(self.place)
        for name in ("input", "output", "temp", "cwd", "models/checkpoints"):
            (self.place / name).mkdir(parents=True)
        os.chdir(self.place / "cwd")
        folders.use(folders.Folders.below(self.place))
        return self.place

    def watch(self, call: Callable[[], object], names: Sequence[str]) -> Outcome:
        """Run a call whose errors have to name one of `names`."""
        before = set(_files(self.place))
        _forget_peak()
        self._seen = []
        memory, start = _status("VmRSS"), time.process_time()
        error: BaseException | None = None
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                call()
        except (Exception, SystemExit) as raised:
            error = raised
        seconds, taken = time.process_time() - start, max(0, _status("VmHWM") - memory)
        broken, self._seen = self._seen, None
        if error is not None:
            broken += fault(error, names)
        if seconds > SECONDS:
            broken.append(f"took {seconds:.0f} s")
        if taken > MEMORY:
            broken.append(f"took {taken / 1e9:.1f} GB")
        left = sorted(set(_files(self.place)) - before)
        allowed = "" if error is not None else "output/"
        broken += [f"left {p} behind" for p in left if not (allowed and p.startswith(allowed))]
        broken += [f"left {p} behind" for p in left if Path(p).name.startswith(".")]
        return Outcome(broken, "" if error is None else _told(error), seconds, taken)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._seen is None:
            return
        if event in _STARTS or event in _NETWORK:
            self._stop(f"{event} {arguments[:2]!r}")
        elif event == "pickle.find_class":
            self._stop(f"unpickled {'.'.join(map(str, arguments))}")
        elif event == "import" and str(arguments[0]).startswith(CANARY):
            self._stop("imported what a file asked for")
        elif event == "open":
            path, mode, flags = (*arguments, None, 0)[:3]
            writes = any(c in "wax+" for c in mode or "") or (flags or 0) & _WRITES
            if writes and not self._is_inside(path):
                self._stop(f"opened {path} for writing")
        elif event in _CHANGES and not self._is_inside(arguments[-3 if len(arguments) > 2 else 0]):
            self._stop(f"{event} {arguments[0]}")

    def _is_inside(self, path: Any) -> bool:
        if isinstance(path, int):
            return True  # a descriptor, whose file was opened before
        with contextlib.suppress(TypeError, ValueError):
            return Path(os.path.abspath(os.fsdecode(path))).is_relative_to(self.place) or (
                os.fsdecode(path) == os.devnull
            )
        return True  # no path at all: open() will say so

    def _stop(self, what: str) -> None:
        seen = self._seen if self._seen is not None else []
        seen.append(f"did what it must not: {what[:200]}")
        raise PermissionError(what)


# --- errors --------------------------------------------------------------------------------------


def fault(error: BaseException, names: Sequence[str]) -> list[str]:
    """What is wrong with an error as an answer to a person."""
    is_own = type(error).__module__.startswith("sd2_depth2img.")
    if not (is_own or isinstance(error, (ValueError, OSError))):
        return [f"traceback: {_told(error)} at {_place(error)}"]
    from_system = isinstance(error, OSError) and error.filename is not None
    if not (from_system or _raised_by_package(error.__traceback__)):
        return [f"somebody else's error: {_told(error)} at {_place(error)}"]
    text = str(error)
    found = []
    if not any(name in text for name in names):
        found.append(f"names none of {', '.join(names)}: {_told(error)} at {_place(error)}")
    if len(text) > LONGEST:
        found.append(f"a message of {len(text)} characters: {_told(error)} at {_place(error)}")
    return found


def _raised_by_package(trace: TracebackType | None) -> bool:
    """Whether a `raise` of the package made the error, rather than something that it called."""
    *_, innermost = _frames(trace)
    if not _is_own(innermost):
        return False
    code, place = innermost.tb_frame.f_code, innermost.tb_lasti
    return dis.opname[code.co_code[place]] in ("RAISE_VARARGS", "RERAISE")


def _place(error: BaseException) -> str:
    """The last line of the package on the way to an error."""
    own = [trace for trace in _frames(error.__traceback__) if _is_own(trace)]
    if not own:
        return "?"
    file = Path(own[-1].tb_frame.f_code.co_filename)
    return f"{file.relative_to(PACKAGE)}:{own[-1].tb_lineno}"


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_own(trace: TracebackType) -> bool:
    file = Path(trace.tb_frame.f_code.co_filename)
    return file.is_relative_to(PACKAGE) and "tests" not in file.relative_to(PACKAGE).parts


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


# --- the process ---------------------------------------------------------------------------------


class _Formatting(logging.Handler):
    """Puts every message together and shows it to nobody."""

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage()


def _status(name: str) -> int:
    """A number of bytes in /proc/self/status."""
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # VmHWM starts anew; see proc(5)


def _files(place: Path) -> Iterator[str]:
    """Everything below a folder but folders."""
    for folder, _, names in os.walk(place):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), place)


def _empty(place: Path) -> None:
    for folder, inside, names in os.walk(place, topdown=False):
        for name in names:
            os.unlink(os.path.join(folder, name))
        for name in inside:
            path = os.path.join(folder, name)
            (os.unlink if os.path.islink(path) else os.rmdir)(path)


def is_finite(value: Any) -> bool:
    """Whether a number is; what is no number counts as finite."""
    return not isinstance(value, float) or math.isfinite(value)
