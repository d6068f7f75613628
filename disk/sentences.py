"""What the system says about a file, in a sentence: which file, what is wrong, what to do."""

import errno
import os
from pathlib import Path
from typing import TypeVar

Error = TypeVar("Error", bound=Exception)

_LONGEST_NAME = 600  # characters of a path in a message

_ELSEWHERE = "make room there, or write to another disk"
_RIGHTS = "permission is denied; give your user the rights to it, or choose another place"
_AGAIN = "the disk or the network failed; try again, or copy the files to another disk"
_SENTENCES = {
    errno.ENOSPC: f"the disk is full; {_ELSEWHERE}",
    errno.EDQUOT: f"the quota of your user is used up; {_ELSEWHERE}",
    errno.EFBIG: f"the file becomes larger than is allowed there; {_ELSEWHERE}",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "the disk is read-only; choose a place on another one",
    errno.ENAMETOOLONG: "the file name is too long; choose a shorter one",
    errno.ENOENT: "there is no such file or folder; see whether it was moved, renamed or deleted",
    errno.EISDIR: "it is a folder; a file is expected, so choose another name",
    errno.ENOTDIR: "a part of its path is a file; a folder is expected, so choose another path",
    errno.EEXIST: "it exists already; choose another name",
    errno.ELOOP: "its links lead in a circle; delete them",
    errno.EMFILE: "too many files are open; close some, or raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this computer; close some programs",
    errno.EBUSY: "another program uses it; close that, and try again",
    errno.ETXTBSY: "another program uses it; close that, and try again",
    errno.EINVAL: "the disk does not take it; choose a name of plain letters and digits",
    errno.EIO: _AGAIN,
    errno.ESTALE: _AGAIN,
    errno.ENODEV: _AGAIN,
    errno.ENXIO: _AGAIN,
}


def in_words(error: OSError, path: Path | None = None) -> OSError:
    """The same error with a sentence instead of a number: which file, what is wrong, what to do.

    `path` is the file where the error names none. What is a sentence already stays as it is.
    """
    if error.errno is None or not error.strerror:
        return error
    found = _SENTENCES.get(error.errno, f"{error.strerror}; see whether the disk is there")
    name = path if path is not None else error.filename
    where = "what is written" if name is None else os.fsdecode(name)
    if len(where) > _LONGEST_NAME:
        where = f"{where[: _LONGEST_NAME // 2]}...{where[-_LONGEST_NAME // 4 :]}"
    return plain(error)(f"{where}: {found}")


def plain(error: Error) -> type[Error]:
    """Its kind among Python's own; those of others may take other arguments."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
