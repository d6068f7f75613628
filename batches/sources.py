"""Where items come from, by what a person names."""

from pathlib import Path

from ..engine.frames import FILMS
from . import lists
from .folder import read_folder
from .items import Items
from .problems import UnusableInput


def read_items(path: Path, depths: Path | None = None, masks: Path | None = None) -> Items:
    """The items of a folder or a list; `depths` and `masks` are folders of them elsewhere.

    Raises UnusableInput.
    """
    if path.is_dir():
        return read_folder(path, depths, masks)
    elsewhere = depths or masks
    if elsewhere is not None:
        raise UnusableInput(
            f"{elsewhere} is a folder, whose files belong to the pictures of a folder; in a list, "
            "name them in a column"
        )
    if not path.is_file():
        raise UnusableInput(f"there is no folder or list {path}; give the path of one")
    if path.suffix.lower() in lists.SUFFIXES:
        return lists.read_list(path)
    if path.suffix.lower() in FILMS:
        raise UnusableInput(f"{path} is a film; make pictures of it, and give their folder")
    raise UnusableInput(
        f"{path} is neither a folder nor a list; expected a folder of pictures, or a file that "
        f"ends in {' or '.join(lists.SUFFIXES)}"
    )
