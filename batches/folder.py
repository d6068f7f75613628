"""The items of a folder: its pictures, each with the depth map, mask, prompt and seed of its own.

What belongs to `photo.jpg` is found by its name, `photo.depth.png`, `photo.mask.png`, `photo.txt`
(the prompt), `photo.negative.txt` and `photo.seed.txt`, or by a folder: `depth/photo.png`,
`masks/photo.png`, `prompts/photo.txt`, ... beside `images/photo.jpg` or `photo.jpg`. Trees of
folders are searched, and mirrored by the results.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..depth.depth_files import SUFFIXES
from ..disk.sentences import in_words
from ..engine.folders import is_image
from ..engine.frames import FILMS
from ..images.counts import counted
from ..workflows.changes import Changes
from .items import Item, ItemList, check_names
from .problems import UnusableInput

# What a file beside a picture is for, by the folder that it may lie in.
FOLDERS = {
    **dict.fromkeys(("images", "image"), "image"),
    **dict.fromkeys(("depth", "depths"), "depth"),
    **dict.fromkeys(("masks", "mask"), "mask"),
    **dict.fromkeys(("prompts", "prompt"), "prompt"),
    **dict.fromkeys(("negatives", "negative"), "negative"),
    **dict.fromkeys(("seeds", "seed"), "seed"),
}
_TEXTS = ("prompt", "negative", "seed")
_WORDS = {
    "depth": "depth map",
    "mask": "mask",
    "prompt": "prompt",
    "negative": "negative prompt",
    "seed": "seed",
}
_LONGEST_TEXT = 1_000_000  # bytes


def read_folder(folder: Path, depths: Path | None = None, masks: Path | None = None) -> ItemList:
    """The items of a folder; `depths` and `masks` are folders elsewhere that have one for each.

    Raises UnusableInput when there are none, or two would have one name.
    """
    found = _Found()
    for path in _files(folder):
        found.add(path, PurePosixPath(path.relative_to(folder).as_posix()))
    found.take_companions()
    if not found.pictures:
        raise UnusableInput(
            f"{folder} has no pictures, nor do the folders in it; expected PNG, JPEG, WebP, TIFF "
            "or other images"
        )
    check_names(
        [(name, str(path)) for name, path in found.pictures],
        "rename one of them, or give a list (a .csv with the columns image and name)",
    )
    elsewhere = {
        role: (place, _by_name(place))
        for role, place in (("depth", depths), ("mask", masks))
        if place is not None
    }
    items = ItemList(_item(name, path, found, elsewhere) for name, path in found.pictures)
    items.notes = found.notes(items)
    return items


def _files(folder: Path) -> Iterator[Path]:
    """All below a folder in a fixed order, without hidden ones."""
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(place, name)


def _refuse(error: OSError) -> None:
    raise UnusableInput(str(in_words(error))) from error


@dataclass
class _Found:
    """The files of a folder by what they are for; by the name of the picture they belong to."""

    pictures: list[tuple[str, Path]] = field(default_factory=list)
    companions: dict[str, dict[str, Path]] = field(
        default_factory=lambda: {role: {} for role in ("depth", "mask", *_TEXTS)}
    )
    others: list[tuple[str, Path]] = field(default_factory=list)

    def add(self, path: Path, place: PurePosixPath) -> None:
        first = place.parts[0].lower() if len(place.parts) > 1 else ""
        role = FOLDERS.get(first, "image")
        name = str(PurePosixPath(*place.parts[first in FOLDERS :]).with_suffix(""))
        if role == "image" and is_image(path.name):
            self.pictures.append((name, path))
        elif role != "image" and _fits(path, role):
            self.companions[role][name] = path
        else:
            self.others.append((name, path))

    def take_companions(self) -> None:
        """Give the files `photo.mask.png` and `photo.txt` to the picture `photo.jpg`."""
        names = {name for name, _ in self.pictures}
        self.pictures = [one for one in self.pictures if not self._belongs(*one, names)]
        names = {name for name, _ in self.pictures}
        self.others = [one for one in self.others if not self._belongs(*one, names)]

    def _belongs(self, name: str, path: Path, names: set[str]) -> bool:
        """Whether a file is for a picture of these names; it is kept for that one."""
        owner, dot, role = name.rpartition(".")
        if not dot and path.suffix.lower() == ".txt":
            owner, role = name, "prompt"
        belongs = owner in names and role.lower() in self.companions and _fits(path, role.lower())
        if belongs:
            self.companions[role.lower()].setdefault(owner, path)
        return belongs

    def notes(self, items: ItemList) -> list[str]:
        """How many have what, and what was left over."""
        has = Counter(role for item in items for role in item.files)
        for item in items:
            has.update(role for role in _TEXTS if role in item.changes.given())
            has.update(["seed"] if item.draws_seed else ())
        lines = [
            f"{has[role]} of {counted(len(items), 'picture')} with a {_WORDS[role]} of their own"
            for role in ("depth", "mask", *_TEXTS)
            if has[role]
        ]
        names = {name for name, _ in self.pictures}
        for role, files in self.companions.items():
            if lost := sorted(files.keys() - names):
                lines.append(
                    f"{counted(len(lost), _WORDS[role])} for no picture, {files[lost[0]]} for "
                    "example"
                )
        if self.others:
            lines.append(
                f"{counted(len(self.others), 'file')} left out, {self.others[0][1]} for example: "
                "no picture, and of no picture's name"
            )
        if films := [path for _, path in self.others if path.suffix.lower() in FILMS]:
            lines.append(f"{counted(len(films), 'film')} among them: give a film by itself")
        return lines


def _item(
    name: str,
    path: Path,
    found: _Found,
    elsewhere: Mapping[str, tuple[Path, Mapping[str, Path]]],
) -> Item:
    values: dict[str, Any] = {"image": str(path.absolute())}
    problem = ""
    for role in ("depth", "mask"):
        own = found.companions[role].get(name)
        if own is None and role in elsewhere:
            place, files = elsewhere[role]
            own = files.get(name)
            if own is None:
                problem = f"{place} has no {role} file called {name}"
        if own is not None:
            values[role] = str(own.absolute())
    texts: dict[str, Any] = {}
    try:
        texts = {
            role: _text(found.companions[role][name])
            for role in _TEXTS
            if name in found.companions[role]
        }
    except (OSError, ValueError) as error:
        problem = str(in_words(error)) if isinstance(error, OSError) else str(error)
    seed = texts.pop("seed", "")
    return Item.of(name, Changes(**values, **texts), seed, problem)


def _by_name(folder: Path) -> dict[str, Path]:
    files = [path for path in _files(folder) if _fits(path, "depth")]
    names = [(path.relative_to(folder).with_suffix("").as_posix(), path) for path in files]
    check_names([(name, str(path)) for name, path in names], "rename or move one of them")
    return dict(names)


def _text(path: Path) -> str:
    """A text file without the line's end that editors put behind it."""
    if path.stat().st_size > _LONGEST_TEXT:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, which is no prompt")
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8 ({error}); save it again") from error


def _fits(path: Path, role: str) -> bool:
    if role in _TEXTS:
        return path.suffix.lower() == ".txt"
    return role in ("depth", "mask") and (is_image(path.name) or path.suffix.lower() in SUFFIXES)
