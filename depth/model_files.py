"""Which depth models lie in a set of folders: weight files, and folders as transformers saves them.

Told by suffix and by `config.json`; what a file really is shows when it is opened.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

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
    # Unlike Path.rglob this goes into linked folders, in which people keep their models.
    for place, subfolders, files in os.walk(folder, followlinks=True):
        here = Path(place).relative_to(folder)
        if CONFIG in files and here.parts:
            subfolders.clear()  # what is inside belongs to this one model
            yield here.as_posix()
        else:
            yield from ((here / f).as_posix() for f in files if f.lower().endswith(SUFFIXES))
