"""Files that one program at a time holds; the system lets go of them when it ends, however."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .sentences import in_words


class Locked(OSError):  # noqa: N818 - names what the file is
    """Another program holds it."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file, which is made if need be. Raises Locked at once where another has it."""
    try:
        file = path.open("ab")
    except OSError as error:
        raise in_words(error, path) from error
    with file:
        try:
            _lock(file)
        except OSError as error:
            raise Locked(f"{path} is held by another program") from error
        yield


def _lock(file: IO[bytes]) -> None:
    if os.name == "nt":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
