"""What is to be done: items, each of which is one run of the workflow with changes of its own.

Where they come from does not matter: a folder (`folder.py`), a list (`lists.py`), or any other
`Items`, such as one that takes the frames of a film.
"""

import hashlib
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from ..disk.file_state import FileState
from ..disk.names import ImpossibleName, check_name
from ..workflows.changes import FILES, Changes
from .problems import UnusableInput
from .words import RANDOM


@dataclass(frozen=True)
class Item:
    """One run of the workflow."""

    name: str  # of its results: a path below the output folder, without an ending
    changes: Changes = field(default_factory=Changes)
    files: Mapping[str, Path] = field(default_factory=dict)  # what it reads, by its role
    draws_seed: bool = False
    problem: str = ""  # why it cannot run

    @classmethod
    def of(cls, name: str, changes: Changes, seed: str = "", problem: str = "") -> "Item":
        """With the files that its changes name; its seed as a person writes it."""
        values = changes.given()
        files = {role: Path(values[role]) for role in FILES if role in values}
        drawn = seed.strip().lower() == RANDOM
        if seed.strip() and not drawn:
            number, problem = _seed(seed, problem)
            changes = changes.overridden_by(Changes(seed=number))
        return cls(name, changes, files, drawn, problem)


class Items(Protocol):
    """The items of a batch, as often as one asks, always in the same order."""

    notes: Sequence[str]  # what a person should know of them before they run

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Item]: ...


class ItemList(list[Item]):
    """Items that are all known."""

    notes: Sequence[str] = ()


def _seed(text: str, problem: str) -> tuple[int | None, str]:
    try:
        return int(text), problem
    except ValueError:
        found = text if len(text) <= 60 else f"{text[:60]}…"
        return None, f"the seed {found!r} is neither a whole number nor {RANDOM}"


# --- names ---------------------------------------------------------------------------------------


def check_names(places: Sequence[tuple[str, str]], remedy: str) -> None:
    """Raise UnusableInput where two items would be written under one name, or a name cannot be.

    `places` are pairs of a result's name and where it comes from, as a person knows it.
    """
    known: dict[str, str] = {}
    for name, place in places:
        try:
            check_name(name)
        except ImpossibleName as error:
            raise UnusableInput(f"{place}: {error}") from error
        key = _as_the_disk_sees_it(name)
        if key in known:
            raise UnusableInput(
                f"{known[key]} and {place} would both be written as {name}, and nothing was run; "
                f"{remedy}"
            )
        known[key] = place


def _as_the_disk_sees_it(name: str) -> str:
    folds = sys.platform in ("win32", "darwin")
    return unicodedata.normalize("NFC", name).casefold() if folds else name


# --- what identifies an item ---------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A file that an item was made of, as the manifest knows it."""

    path: str
    sha256: str
    bytes: int
    modified: int  # nanoseconds

    @classmethod
    def of(cls, path: Path, known: "Source | None" = None) -> "Source":
        """As it is now; not read where it is `known` to be as it was. Raises OSError."""
        state = FileState.of(path)
        if known is not None and (known.bytes, known.modified) == (state.size, state.modified):
            return cls(str(path), known.sha256, state.size, state.modified)
        return cls(str(path), _digest(state), state.size, state.modified)


@lru_cache(maxsize=64)  # a mask that all items share is read once
def _digest(state: FileState) -> str:
    with state.path.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def settings(layers: Sequence[Changes], sources: Mapping[str, Source]) -> dict[str, Any]:
    """What an item changes in the workflow, its files by their content and not by their place."""
    digests = {source.path: f"sha256:{source.sha256}" for source in sources.values()}
    merged = Changes()
    for layer in layers:
        merged = merged.overridden_by(layer)
    values = dict(merged.given())
    for role in FILES:
        if role in values:
            values[role] = digests.get(values[role], values[role])
    if "assignments" in values:
        values["assignments"] = [_named(one, digests) for one in values["assignments"]]
    return values


def _named(assignment: str, digests: Mapping[str, str]) -> str:
    place, _, value = assignment.partition("=")
    return f"{place}={digests.get(value, value)}"
