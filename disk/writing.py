"""Files that appear complete or not at all, under names of their own."""

import functools
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .processes import MACHINE, is_running
from .sentences import in_words, plain


@contextmanager
def written_whole(path: Path, replace: bool = True) -> Iterator[Path]:
    """A name to write to that becomes `path` when all went well; otherwise nothing is left.

    It may become a folder as well, where `path` is none yet. A file's permissions follow the user's
    umask, whatever the writer gives it. Without `replace` FileExistsError is raised where `path` is
    taken, also by a link to nothing, or was taken by another program meanwhile. Every OSError names
    the file and what to do.
    """
    taken = f"{path} exists, and nothing is overwritten; give another name, or delete it first"
    if not replace and os.path.lexists(path):
        raise FileExistsError(taken)
    with _unfinished(path) as (unfinished, mode):
        yield unfinished
        _follow_umask(unfinished, mode)
        if replace:
            os.replace(unfinished, path)
        elif not _put(unfinished, path):
            raise FileExistsError(taken)


def write_whole(path: Path | Iterator[Path], write: Callable[[Path], object]) -> Path:
    """Have `write` make a file that appears complete or not at all; returns where it is.

    A path is replaced. Of several the first that nobody has becomes the file's, also when other
    programs choose among the same ones at the same time. Errors as with `written_whole`.
    """
    if isinstance(path, Path):
        with written_whole(path) as unfinished:
            write(unfinished)
        return path
    first = next(path)
    with _unfinished(first) as (unfinished, mode):
        write(unfinished)
        _follow_umask(unfinished, mode)
        return next(name for name in itertools.chain([first], path) if _put(unfinished, name))


_UNFINISHED = re.compile(rf"\..*\.{MACHINE}-(\d+)-[0-9a-f]+\.part", re.DOTALL)


@contextmanager
def _unfinished(path: Path) -> Iterator[tuple[Path, int]]:
    """A name beside `path` to write to, and the mode of a new file. What is left there goes."""
    _remove_abandoned(path.parent.absolute())
    # Cut, as the file's own name may be as long as a name can be.
    start = os.fsencode(path.name)[:100].decode(errors="ignore")
    unfinished = path.with_name(f".{start}.{MACHINE}-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        unfinished.unlink()  # the writer makes it, as a file or a folder
        yield unfinished, mode
    except OSError as error:
        raise _about(path, unfinished, error) from error
    finally:
        _remove(unfinished)


def _about(path: Path, unfinished: Path, error: OSError) -> OSError:
    """The error in words that name the file which people know."""
    if error.errno is None:  # a library's own words
        said = str(error).replace(str(unfinished), str(path))
        here = "" if str(path) in said else f"{path} cannot be written, the disk may be full: "
        return plain(error)(here + said)
    is_ours = error.filename is None or str(error.filename).startswith(str(unfinished))
    return in_words(error, path if is_ours else None)


def _follow_umask(unfinished: Path, mode: int) -> None:
    if unfinished.is_file() and unfinished.stat().st_mode != mode:
        unfinished.chmod(mode)


def _put(unfinished: Path, path: Path) -> bool:
    """Rename, but onto nothing that is there; whether it was free. No other comes between."""
    try:
        if os.name == "nt":  # where a rename never replaces
            os.rename(unfinished, path)
        elif unfinished.is_dir():
            path.mkdir()  # an empty folder is all that a rename replaces
            _replace_claim(unfinished, path)
        else:
            _link(unfinished, path)
    except FileExistsError:
        return False
    return True


def _link(unfinished: Path, path: Path) -> None:
    """FileExistsError where the name is taken. The first name goes with what is left over."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise
    except OSError:  # FAT, exFAT and some network folders have no links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        _replace_claim(unfinished, path)


def _replace_claim(unfinished: Path, path: Path) -> None:
    try:
        os.replace(unfinished, path)
    except BaseException:
        path.rmdir() if path.is_dir() else path.unlink()
        raise


def is_unfinished(path: Path) -> bool:
    """Whether it is being written, or was when its program was killed."""
    return path.name.startswith(".") and path.name.endswith(".part")


@functools.cache
def _remove_abandoned(folder: Path) -> None:
    """What killed programs have left there; once, as a folder may have very many files."""
    with suppress(OSError):  # whoever writes there will say what is wrong
        for name in os.listdir(folder):
            found = _UNFINISHED.fullmatch(name)
            if found and not is_running(int(found[1])):
                _remove(folder / name)


def _remove(unfinished: Path) -> None:
    """As far as the disk lets; an error that led here must not be hidden by another one."""
    if unfinished.is_dir():
        shutil.rmtree(unfinished, ignore_errors=True)
    with suppress(OSError):
        unfinished.unlink()
