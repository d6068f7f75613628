"""Files that appear complete or not at all, what the system says about files, and walking folders
in which people keep models.
"""

import errno
import functools
import itertools
import json
import logging
import os
import platform
import re
import secrets
import shutil
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LEVELS = 6  # below a place: a cache of Hugging Face's takes three


# --- writing -------------------------------------------------------------------------------------


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


# Programs, threads and computers that write the same file at once have a name each. The machine's
# part tells whose process numbers they are: containers and computers may share a folder.
def _machine() -> str:
    name = platform.node()
    with suppress(OSError):  # not on Linux, or forbidden
        name += os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(name.encode()):08x}"


_MACHINE = _machine()
_UNFINISHED = re.compile(rf"\..*\.{_MACHINE}-(\d+)-[0-9a-f]+\.part", re.DOTALL)


@contextmanager
def _unfinished(path: Path) -> Iterator[tuple[Path, int]]:
    """A name beside `path` to write to, and the mode of a new file. What is left there goes."""
    _remove_abandoned(path.parent.absolute())
    # Cut, as the file's own name may be as long as a name can be.
    start = os.fsencode(path.name)[:100].decode(errors="ignore")
    unfinished = path.with_name(f".{start}.{_MACHINE}-{os.getpid()}-{secrets.token_hex(4)}.part")
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
        return _plain(error)(here + said)
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
            if found and not _is_running(int(found[1])):
                _remove(folder / name)


def _remove(unfinished: Path) -> None:
    """As far as the disk lets; an error that led here must not be hidden by another one."""
    if unfinished.is_dir():
        shutil.rmtree(unfinished, ignore_errors=True)
    with suppress(OSError):
        unfinished.unlink()


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True  # elsewhere os.kill would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        pass
    return True


# --- what the system says ------------------------------------------------------------------------

LONGEST_NAME = 600  # characters of a path in a message

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
    if len(where) > LONGEST_NAME:
        where = f"{where[: LONGEST_NAME // 2]}...{where[-LONGEST_NAME // 4 :]}"
    return _plain(error)(f"{where}: {found}")


def _plain(error: OSError) -> type[OSError]:
    """Its kind among Python's own; those of others may take other arguments."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")


class ImpossibleName(ValueError):  # noqa: N818 - names what is wrong with it
    """A file name that this system cannot have; the message shows it."""


_WINDOWS_DEVICES = re.compile(r"(?i)(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\s*(\..*)?")
_WINDOWS_CHARACTERS = re.compile(r'[\x00-\x1f<>:"|?*]')


def check_name(name: str, windows: bool = os.name == "nt") -> None:
    """Raise ImpossibleName for a relative path that would fail, or become another one in silence.

    Windows makes devices of some names (CON), streams of others (`a:b`), and drops dots at the end.
    """
    if "\0" in name:
        raise ImpossibleName(f"the file name {name!r} has a zero character; take it out")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise ImpossibleName(
            f"the file name {name!r} has {name[error.start : error.end]!r}, which file names of "
            f"this system ({error.encoding}) cannot have; leave it out"
        ) from error
    for part in re.split(r"[/\\]", name) if windows else ():
        if found := _WINDOWS_CHARACTERS.search(part):
            raise ImpossibleName(
                f"the file name {part!r} has {found[0]!r}, which no file of Windows can have; "
                "leave it out"
            )
        if _WINDOWS_DEVICES.fullmatch(part):
            raise ImpossibleName(f"{part!r} is a device on Windows, no file; choose another name")
        if part != part.rstrip(" ."):
            raise ImpossibleName(
                f"the name {part!r} ends in a dot or a space, which Windows drops; leave it out"
            )


# --- walking -------------------------------------------------------------------------------------


def folders_below(
    place: Path, is_model: Callable[[Path], bool], hidden: bool = True
) -> Iterator[Path]:
    """A place and the folders below it, each once: by its own name if it lies here, else a link's.

    Folders inside of one that `is_model` are left out, and without `hidden` names with a dot first.
    """
    known: set[Path] = set()
    waiting = deque([place])  # folders, then links
    while waiting:
        folder = waiting.popleft()
        if (real := folder.resolve()) in known:
            continue
        known.add(real)
        inside = _subfolders(folder, hidden)
        if inside is None:
            continue
        yield folder
        if len(folder.relative_to(place).parts) < LEVELS and not is_model(folder):
            for subfolder in inside:
                (waiting.append if subfolder.is_symlink() else waiting.appendleft)(subfolder)


def _subfolders(folder: Path, hidden: bool) -> list[Path] | None:
    """None where the folder is missing or cannot be read."""
    try:
        found = sorted(folder.iterdir(), reverse=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("no models are looked for here: %s", in_words(error, folder))
        return None
    shown = [p for p in found if (hidden or not p.name.startswith(".")) and not is_unfinished(p)]
    return [path for path in shown if os.path.isdir(path)]


class DamagedSettings(ValueError):  # noqa: N818 - names what the file is
    """A settings file that is not a JSON object; the message names it."""


# Bytes; an index of shards has a few hundred thousand. As lists of lists it takes 20 times as much.
_MAX_SETTINGS = 20_000_000


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON object in a file, such as `config.json`. Raises DamagedSettings, OSError."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise DamagedSettings(f"{path} is not a file; expected JSON")
    with path.open("rb") as file:
        raw = file.read(_MAX_SETTINGS + 1)
    if len(raw) > _MAX_SETTINGS:
        raise DamagedSettings(
            f"{path} was refused: it is longer than {_MAX_SETTINGS:,} bytes, and no settings are"
        )
    try:
        content = json.loads(raw)
    except RecursionError as error:
        raise DamagedSettings(f"{path} is damaged: it is not JSON (nested too deeply)") from error
    except ValueError as error:
        raise DamagedSettings(f"{path} is damaged: it is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise DamagedSettings(f"{path} is damaged: it is not a JSON object")
    return content
