"""Looking through folders in which people keep models, links and all."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

_log = logging.getLogger(__name__)

LEVELS = 6  # below a place: a cache of Hugging Face's takes three


def folders_below(
    place: Path, is_model: Callable[[Path], bool], hidden: bool = True
) -> Iterator[Path]:
    """A place and the folders below it, each once, whatever links lead to it.

    By its own name if that lies here too, otherwise by a link's. Nothing inside of a folder that
    `is_model` is looked at, and without `hidden` nothing whose name begins with a dot.
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
        _log.warning("no models are looked for in %s: %s", folder, error)
        return None
    return [p for p in found if (hidden or not p.name.startswith(".")) and os.path.isdir(p)]
