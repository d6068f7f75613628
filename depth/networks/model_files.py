"""Which depth models lie in a set of folders: weight files, and folders as transformers saves them.

Found by suffix and by `config.json`; what a file really is shows when it is opened.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...disk.folders import folders_below

# Below `models`: the first is this pack's, the others are ComfyUI's own and another pack's.
FOLDERS = ("depth", "geometry_estimation", "depthanything")
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")
CONFIG = "config.json"


def model_names(folders: Sequence[Path]) -> list[str]:
    """The models below some folders, as `name` or `subfolder/name`, sorted, each name once."""
    return sorted({name for folder in folders for name in _names(folder)})


def find_model(name: str, folders: Sequence[Path]) -> Path:
    """The first model of that name; FileNotFoundError says where it was looked for."""
    for folder in folders:
        if name in _names(folder):
            return folder / name
    raise FileNotFoundError(
        f"there is no depth model {name!r} in {', '.join(map(str, folders))}; put the file "
        f"({', '.join(SUFFIXES)}), or the folder with its {CONFIG}, into the first of these, or "
        "choose another name"
    )


def _names(folder: Path) -> Iterator[str]:
    def is_model(place: Path) -> bool:  # what is inside belongs to this one model
        return place != folder and os.path.isfile(place / CONFIG)

    for place in folders_below(folder, is_model):
        if is_model(place):
            yield place.relative_to(folder).as_posix()
        else:
            names = (
                path.name for path in place.iterdir() if path.is_file() and path.name[0] != "."
            )
            found = (place / name for name in names if name.lower().endswith(SUFFIXES))
            yield from (path.relative_to(folder).as_posix() for path in found)
