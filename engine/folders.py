"""Where the embedded engine finds and leaves files: ComfyUI's layout under a base folder.

    <base>/input                images that workflows name
    <base>/output               saved images; <base>/output/temp holds the previews
    <base>/models/checkpoints   checkpoints, also in subfolders
    <base>/models/diffusers     folders that diffusers wrote, with model_index.json
    <base>/models/depth         depth networks; so are models/geometry_estimation and
                                models/depthanything, which others use
    <base>/models/loras, vae …  the other files that workflows name: `MODEL_KINDS`

The base is the current directory unless `use()` says otherwise.
"""

import itertools
import json
import mimetypes
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

from ..checkpoints.files.folders import folder_names
from ..depth.networks.model_files import FOLDERS, find_model, model_names
from ..disk.names import ImpossibleName, check_name
from ..disk.sentences import in_words
from ..disk.writing import is_unfinished
from .frames import FILMS, check_one_picture

CHECKPOINT_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")


@dataclass(frozen=True)
class ModelKind:
    """Model files that workflows name beside checkpoints."""

    title: str  # in messages
    places: tuple[str, ...]  # below `models`; ComfyUI's names, older ones included


LORAS = ModelKind("LoRA", ("loras",))
VAES = ModelKind("VAE", ("vae",))
DIFFUSION_MODELS = ModelKind("diffusion model", ("diffusion_models", "unet"))
TEXT_ENCODERS = ModelKind("text encoder", ("text_encoders", "clip"))
EMBEDDINGS = ModelKind("textual inversion", ("embeddings",))
CONTROLNETS = ModelKind("ControlNet", ("controlnet",))
MODEL_KINDS = (LORAS, VAES, DIFFUSION_MODELS, TEXT_ENCODERS, EMBEDDINGS, CONTROLNETS)

_MOST_NAMES = 10  # in a message


@dataclass(frozen=True)
class Folders:
    """One set of folders; relative ones count from the current directory."""

    input: Path
    output: Path
    checkpoints: Path

    @classmethod
    def below(cls, base: Path) -> "Folders":
        """ComfyUI's layout under a base folder."""
        return cls(base / "input", base / "output", base / "models" / "checkpoints")

    @property
    def temp(self) -> Path:
        """Previews; below the results, so that they are where those are."""
        return self.output / "temp"

    @property
    def diffusers(self) -> Path:
        """Folders that diffusers wrote; beside the checkpoints."""
        return self.checkpoints.parent / "diffusers"

    @property
    def depth(self) -> tuple[Path, ...]:
        """Depth networks; beside the checkpoints."""
        return tuple(self.checkpoints.parent / name for name in FOLDERS)

    def places(self, kind: ModelKind) -> tuple[Path, ...]:
        """Where model files of a kind lie; beside the checkpoints."""
        return tuple(self.checkpoints.parent / name for name in kind.places)


def current() -> Folders:
    """The folders in use."""
    return _current


def use(folders: Folders) -> None:
    """From now on look here."""
    global _current
    _current = folders


_current = Folders.below(Path())


# --- what is there -------------------------------------------------------------------------------


def checkpoint_names() -> list[str]:
    """Weight files below the checkpoints folder, as `name` or `subfolder/name`, then diffusers
    folders, as `name/`.
    """
    files = sorted(_weight_files(current().checkpoints))
    return [*files, *folder_names([current().diffusers])]


def _weight_files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        is_weights = path.suffix.lower() in CHECKPOINT_SUFFIXES and path.is_file()
        if is_weights and not any(map(is_unfinished, path.parents)):
            yield path.relative_to(folder).as_posix()


def checkpoint_path(name: str) -> Path:
    """A checkpoint by its name in the checkpoints folder, or by the path of a file or folder.

    `NAME/` means the folder of that name in the diffusers folder, as does `NAME` where nothing
    else has that name.
    Raises FileNotFoundError that says where it was looked for and what to do.
    """
    folder, diffusers = current().checkpoints, current().diffusers
    for spelled in spellings(name):
        if spelled in folder_names([diffusers]):
            return diffusers / spelled
        # Path would drop the slash, and find a file.
        files = () if spelled.endswith("/") else (folder / spelled, Path(spelled))
        for path in files:
            if os.path.isfile(path):
                return path
        if spelled and os.path.isdir(spelled):
            return Path(spelled)
        if f"{spelled}/" in folder_names([diffusers]):
            return diffusers / spelled
    raise FileNotFoundError(
        f"there is no checkpoint {_quoted(name)}, neither in {folder.absolute()} nor as a path; "
        "put the file into that folder, or a folder of diffusers into "
        f"{diffusers.absolute()}, or give the path of another one"
    )


def model_file_names(kind: ModelKind) -> list[str]:
    """Weight files of a kind, as `name` or `subfolder/name`, sorted, each name once."""
    return sorted({name for place in current().places(kind) for name in _weight_files(place)})


def model_file_path(kind: ModelKind, name: str) -> Path:
    """A model file by its name in the folders of its kind, or by its path.

    Raises FileNotFoundError that says where it was looked for and what is there.
    """
    places = current().places(kind)
    for spelled in spellings(name):
        for path in (*(place / spelled for place in places), Path(spelled)):
            if os.path.isfile(path):
                return path
    raise missing(kind, name, ", nor as a path")


def missing(kind: ModelKind, name: str, nor: str = "") -> FileNotFoundError:
    """The error that says where a file was looked for and what is there."""
    place = current().places(kind)[0].absolute()
    there = _what_is_there(model_file_names(kind))
    return FileNotFoundError(f"there is no {kind.title} {_quoted(name)} in {place}{nor}; {there}")


def _what_is_there(names: list[str]) -> str:
    if not names:
        return "put the file there, where there is none yet"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"there are {', '.join(names[:_MOST_NAMES])}{more}"


def depth_model_names() -> list[str]:
    """Depth models below the folders for them, as `name` or `subfolder/name`."""
    return model_names(current().depth)


def depth_model_path(name: str) -> Path:
    """A depth model by its name in the folders for them, or by the path of a file or folder.

    Raises FileNotFoundError that says where it was looked for and what to do.
    """
    folders = [folder.absolute() for folder in current().depth]
    for spelled in spellings(name):
        with suppress(FileNotFoundError):
            return find_model(spelled, folders)
        if spelled and os.path.exists(spelled):
            return Path(spelled)
    return find_model(_shortened(name), folders)


def input_names(suffixes: tuple[str, ...] = (), images: bool = True) -> list[str]:
    """Files in the input folder that end in one of the suffixes, and with `images` all images."""
    folder = current().input
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return sorted(
        name for name in names if name.lower().endswith(suffixes) or (images and is_image(name))
    )


def film_names() -> list[str]:
    """Films in the input folder, by their suffixes."""
    return input_names(FILMS, images=False)


def input_path(name: str) -> Path:
    """A file by its name in the input folder, or by its path; no film.

    `name [output]`, `name [temp]` and `name [input]` mean that folder, as in ComfyUI.
    Raises FileNotFoundError that says where it was looked for and what to do.
    """
    return _input(name, check_one_picture)


def film_path(name: str) -> Path:
    """The same for a film."""
    return _input(name, lambda path: None)


def _input(name: str, check: Callable[[Path], None]) -> Path:
    name, folder = _annotated(name)
    for spelled in spellings(name):
        for path in (folder / spelled, Path(spelled)):
            if spelled:
                check(path)
            if os.path.isfile(path):
                return path
    raise FileNotFoundError(
        f"there is no file {_quoted(name)}, neither in {folder.absolute()} nor as a path; put it "
        "into that folder or give the path of another one"
    )


def spellings(name: str) -> list[str]:
    """A file's name as it stands in a workflow, then with the slashes of the other systems."""
    return list(dict.fromkeys([name, name.replace("\\", "/")]))


def leads_out(name: str) -> bool:
    """Whether a name does not stay below a folder, on any system."""
    path = PureWindowsPath(name)  # which knows either slash
    return bool(path.drive or path.root or ".." in path.parts)


def _quoted(name: str) -> str:
    return repr(_shortened(name))


def _shortened(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:200]}…"


def _annotated(name: str) -> tuple[str, Path]:
    folders = current()
    marks = {"[input]": folders.input, "[output]": folders.output, "[temp]": folders.temp}
    for mark, folder in marks.items():
        if name.endswith(mark):
            return name.removesuffix(mark).rstrip(), folder
    return name, folders.input


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image."""
    # Not strict: WebP and others count, too, that are no official types.
    kind, _ = mimetypes.guess_type(name, strict=False)
    return kind is not None and kind.startswith("image/")


# --- where results go ----------------------------------------------------------------------------


def output_paths(
    prefix: str,
    count: int,
    width: int,
    height: int,
    suffix: str = ".png",
    place: Literal["output", "temp"] = "output",
) -> tuple[list[Iterator[Path]], str]:
    """Paths in ComfyUI's numbering, prefix_00001_.png, and the subfolder they lie in.

    For each of the files there are many, of which `disk.write_whole` takes the first that is free.
    The prefix may name a subfolder (`maps/depth`), which is created, and hold %width%, %height%
    (pixels), %year%, %month%, %day%, %hour%, %minute%, %second% and %batch_num% (0 for the first).
    Raises ValueError when the prefix leads out of the folder, ImpossibleName, OSError.
    """
    folder = current().output if place == "output" else current().temp
    return numbered(folder, prefix, count, width, height, suffix)


def numbered(
    folder: Path, prefix: str, count: int, width: int, height: int, suffix: str
) -> tuple[list[Iterator[Path]], str]:
    """The same in any folder."""
    prefix = os.path.normpath(_expand(_checked_prefix(prefix), width, height))
    subfolder, name = os.path.split("" if prefix == "." else prefix)  # "._00001_" would be hidden
    check_name(prefix + "_")  # what follows are digits and the suffix
    target = folder / subfolder  # which may be a link that its owner put there
    try:
        target.mkdir(parents=True, exist_ok=True)
        names = [name.replace("%batch_num%", str(index)) for index in range(count)]
        numbers = itertools.count(_last_number(target, set(names)) + 1)
    except OSError as error:
        raise in_words(error) from error
    # They share the numbers: the next file goes on where the one before has stopped.
    return [_names(target, one, numbers, suffix) for one in names], subfolder


def _names(folder: Path, name: str, numbers: Iterator[int], suffix: str) -> Iterator[Path]:
    return (folder / f"{name}_{number:05}_{suffix}" for number in numbers)


def _checked_prefix(prefix: str) -> str:
    """A prefix of file names with slashes of one kind, wherever its workflow was made.

    Raises ValueError for one that does not stay below the output folder.
    """
    if leads_out(prefix):
        raise ValueError(
            f"the file name prefix {_quoted(prefix)} leads outside the output folder; use one "
            "without a drive letter, without .. and without a slash at its start, such as "
            "maps/depth"
        )
    if "\0" in prefix:  # where some versions of normpath would end it in silence
        raise ImpossibleName(
            f"the file name prefix {_quoted(prefix)} has a zero character; take it out"
        )
    return prefix.replace("\\", "/")


def _expand(prefix: str, width: int, height: int) -> str:
    names = ("year", "month", "day", "hour", "minute", "second")
    marks = {"width": str(width), "height": str(height)}
    marks |= {mark: f"{value:02}" for mark, value in zip(names, time.localtime()[:6], strict=True)}
    for mark, value in marks.items():
        prefix = prefix.replace(f"%{mark}%", value)
    return prefix


def _last_number(folder: Path, names: set[str]) -> int:
    """The highest number of files called `name_NUMBER_...`, whatever their suffix; 0: none."""
    starts = tuple(os.path.normcase(f"{name}_") for name in names)
    files = [file for file in os.listdir(folder) if os.path.normcase(file).startswith(starts)]
    numbers = (
        file[len(start) :].split(".")[0].split("_")[0]
        for file in files
        for start in starts
        if os.path.normcase(file).startswith(start)
    )
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def png_text(prompt: Any, extra_pnginfo: Mapping[str, Any] | None) -> dict[str, str]:
    """The PNG text entries that carry the workflow, as ComfyUI writes them."""
    entries = {} if prompt is None else {"prompt": prompt}
    return {key: json.dumps(value) for key, value in {**entries, **(extra_pnginfo or {})}.items()}
