"""Walking the folders in which people keep models."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from .sentences import in_words
from .writing import is_unfinished

log = logging.getLogger(__name__)

_LEVELS = 6  # below a place: a cache of Hugging Face's takes three


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
        if len(folder.relative_to(place).parts) < _LEVELS and not is_model(folder):
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
