"""Processes, by what they leave on a disk: whether the one that left something still runs."""

import os
import platform
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


# Programs, threads and computers that write the same file at once have a name each. The machine's
# part tells whose process numbers they are: containers and computers may share a folder.
def _machine() -> str:
    name = platform.node()
    with suppress(OSError):  # not on Linux, or forbidden
        name += os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(name.encode()):08x}"


MACHINE = _machine()


def is_running(process: int) -> bool:
    """Whether a process of this machine still is there."""
    if os.name != "posix":
        return True  # elsewhere os.kill would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        pass
    return True


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A folder of this process, gone in the end; those that killed ones left go at once."""
    ours = re.compile(rf"{re.escape(name)}-{MACHINE}-(\d+)-.*")
    for path in Path(tempfile.gettempdir()).iterdir():
        found = ours.fullmatch(path.name)
        if found and not is_running(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{name}-{MACHINE}-{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)
