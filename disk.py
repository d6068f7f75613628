"""Files that appear complete or not at all, and walking folders in which people keep models."""

import json
import logging
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LEVELS = 6  # below a place: a cache of Hugging Face's takes three


@contextmanager
def written_whole(path: Path, replace: bool = True) -> Iterator[Path]:
    """A name to write to that becomes `path` when all went well; otherwise nothing is left.

    It may become a folder as well, where `path` is none yet. A file's permissions follow the user's
    umask, whatever the writer gives it. Without `replace` FileExistsError is raised where `path` is
    taken, also by a link to nothing, or was taken by another program meanwhile.
    """
    if not replace:
        _refuse_taken(path)
    # The number keeps two programs that write the same file apart.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        unfinished.unlink()  # the writer makes it, as a file or a folder
        yield unfinished
        if unfinished.is_file():
            unfinished.chmod(mode)
        if replace:
            os.replace(unfinished, path)
        else:
            _put(unfinished, path)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        unfinished.unlink(missing_ok=True)


def _put(unfinished: Path, path: Path) -> None:
    """Rename, but onto nothing that is there."""
    if unfinished.is_file():
        try:
            os.link(unfinished, path)  # atomic, so that no other program comes between
            return  # the first name goes with what is left over
        except OSError:
            pass  # the name is taken, or the disk has no links
    _refuse_taken(path)
    os.rename(unfinished, path)


def _refuse_taken(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(
            f"{path} exists, and nothing is overwritten; give another name, or delete it first"
        )


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
        log.warning("no models are looked for in %s: %s", folder, error)
        return None
    return [p for p in found if (hidden or not p.name.startswith(".")) and os.path.isdir(p)]


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
