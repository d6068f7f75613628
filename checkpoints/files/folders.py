"""Which folders are models: those that diffusers wrote, and those of Hugging Face's cache.

A cache has a folder `models--AUTHOR--NAME` with `snapshots/COMMIT`, whose files are links to
`blobs`, and `refs/main` with the name of the current snapshot.
"""

import functools
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...disk.folders import folders_below
from .errors import DamagedFile, UnreadableFile
from .shards import INDEX, weight_files

log = logging.getLogger(__name__)

_SNAPSHOTS = "snapshots"
_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def model_folder(folder: Path) -> Path:
    """The model's own folder: of a cache its current snapshot, of a folder around one model that.

    A folder with weight files of its own is its own. Raises UnreadableFile for one around several
    models, DamagedFile for a cache without a snapshot.
    """
    if is_pipeline(folder):
        return folder
    if is_cache(folder):
        return _snapshot(folder)
    inside = [] if weight_files_in(folder) else _models_in(folder)
    if len(inside) > 1:
        names = ", ".join(model.name for model in inside[:5]) + ", ..." * (len(inside) > 5)
        name = folder.name or folder  # that of the topmost one is empty
        raise UnreadableFile(f"{name} holds {len(inside)} models ({names}); name one")
    return model_folder(inside[0]) if inside else folder


def only_file(folder: Path) -> Path | None:
    """The weight file of a model's folder that has one, and is no pipeline's or a part of it."""
    place = model_folder(folder)
    has_folders = any(os.path.isdir(path) for path in place.iterdir() if path.name[0] != ".")
    is_part = place == folder and (has_folders or bool(weight_files(place)))
    files = [] if is_part or is_pipeline(place) else weight_files_in(place)
    return files[0] if len(files) == 1 else None


def weight_files_in(folder: Path) -> list[Path]:
    """The weight files directly in a folder, by their suffixes; links to nothing as well."""
    # Without those with a dot first: macOS keeps facts about a file in ._NAME beside it.
    named = (p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and p.name[0] != ".")
    return sorted(path for path in named if path.is_file() or path.is_symlink())


def is_pipeline(folder: Path) -> bool:
    """Whether diffusers would take it for a pipeline's."""
    return os.path.isfile(folder / INDEX)


def is_cache(folder: Path) -> bool:
    """Whether Hugging Face's cache keeps a repository in it."""
    return os.path.isdir(folder / _SNAPSHOTS)


def _models_in(folder: Path) -> list[Path]:
    """The folders of models directly in a folder, or in the one that is there to hold them.

    That is the only folder in it, as an archive unpacked into its own name leaves it, or the `hub`
    of Hugging Face's home (`HF_HOME`).
    """
    while True:
        visible = [p for p in sorted(folder.iterdir()) if p.name[0] != "." and os.path.isdir(p)]
        found = [path for path in visible if is_pipeline(path) or is_cache(path)]
        around = visible if len(visible) == 1 else [p for p in visible if p.name == "hub"]
        if found or not around:
            return found
        [folder] = around


def _snapshot(cache: Path) -> Path:
    """The snapshot that `refs/main` names; the newest where that is not there."""
    places = (path for path in (cache / _SNAPSHOTS).iterdir() if os.path.isdir(path))
    snapshots = [path for path in places if any(path.iterdir())]
    if not snapshots:
        raise DamagedFile(
            f"{cache.name} is a folder of Hugging Face's cache, and there is nothing in its "
            f"{_SNAPSHOTS}: the download is not complete. Download it again."
        )
    main = _main(cache)
    if current := next((path for path in snapshots if path.name == main), None):
        return current
    newest = max(snapshots, key=lambda path: (path.stat().st_mtime, path.name))
    if len(snapshots) > 1:
        _warn_of_several(cache.absolute(), len(snapshots), newest.name)
    return newest


@functools.cache
def _warn_of_several(cache: Path, count: int, newest: str) -> None:
    # Once: a folder is looked into several times on the way to a model.
    log.warning(
        "%s has %d snapshots, and refs/main names none of them; taking the newest, %s",
        *(cache.name, count, newest),
    )


def _main(cache: Path) -> str:
    try:
        with (cache / "refs" / "main").open("rb") as file:
            return file.read(200).decode("utf-8-sig", "replace").strip()
    except OSError:  # a snapshot that was fetched by its own name has none
        return ""


# --- which there are -----------------------------------------------------------------------------


def folder_names(places: Sequence[Path]) -> list[str]:
    """The models below some places, as `NAME/`, sorted, each name once.

    The slash tells them from files, also in a workflow that is read years later. The snapshots of a
    cache are one model, which has the name of the cache's folder.
    """
    found = ((place, folder) for place in places for folder in _pipelines(place))
    return sorted({_name(place, _repository(place, folder)) for place, folder in found})


def find_folder(name: str, places: Sequence[Path]) -> Path:
    """The first folder of that name, which may be a snapshot's own.

    FileNotFoundError says where it was looked for.
    """
    for place in places:
        for folder in _pipelines(place):
            if name in (_name(place, folder), _name(place, _repository(place, folder))):
                return place / name
    raise FileNotFoundError(
        f"there is no diffusers folder {name!r} in {', '.join(map(str, places))}; put the folder "
        f"with its {INDEX} there, or choose another name"
    )


def _pipelines(place: Path) -> Iterator[Path]:
    # Hidden are the unfinished ones that a killed conversion leaves.
    for folder in folders_below(place, is_pipeline, hidden=False):
        if folder != place and is_pipeline(folder):
            yield folder


def _repository(place: Path, folder: Path) -> Path:
    """Of a snapshot the cache's folder, unless that is the place itself."""
    around = folder.parent.parent
    return around if folder.parent.name == _SNAPSHOTS and around != place else folder


def _name(place: Path, folder: Path) -> str:
    return f"{folder.relative_to(place).as_posix()}/"
