"""The output folder of a batch: its results, its manifest, and a corner for what is unfinished.

    OUTPUT/cup.png              the result of cup.jpg
    OUTPUT/cup_depth.png        where a workflow saves several: with the prefix of each
    OUTPUT/manifest.jsonl       what was done
    OUTPUT/.batch/              a lock, and the result that is just being put in its place

A result is written under a temporary name and renamed, then its line is added to the manifest. What
was killed in between is done again, and takes the place of what it left.
"""

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ..disk.locks import Locked, locked
from ..disk.sentences import in_words
from ..disk.writing import written_whole
from .manifest import NAME, Manifest, Record, Result
from .problems import UnusableInput

_CORNER = ".batch"
_NUMBERED = re.compile(r"(.*?)_?\d+_?")  # small_00001_


class Saved(NamedTuple):
    """A file that a workflow saved, as its node named it."""

    name: str
    content: bytes


class OutputFolder:
    """Where a batch leaves its results; one program at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = Manifest(folder / NAME)
        self.scratch = folder / _CORNER / "scratch"
        self._journal = folder / _CORNER / "writing.json"
        self._ours = self._interrupted()

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator["OutputFolder"]:
        """Make the folder if need be, and hold it. Raises UnusableInput, OSError."""
        corner = folder / _CORNER
        try:
            corner.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"the output folder cannot be made: {in_words(error, folder)}") from error
        try:
            with locked(corner / "lock"):
                output = cls(folder)
                shutil.rmtree(output.scratch, ignore_errors=True)
                try:
                    yield output
                finally:
                    output.manifest.close()
                    shutil.rmtree(output.scratch, ignore_errors=True)
        except Locked as error:
            raise UnusableInput(
                f"another batch is writing to {folder}; wait for it, or name another output folder"
            ) from error

    def has(self, record: Record) -> bool:
        """Whether the results of a record are all there."""
        return all(_size(self.folder / one.file) == one.bytes for one in record.results)

    def taken(self, item: str, record: Record | None) -> str:
        """Why an item cannot have the name that most results have; "" if it can."""
        name = f"{item}.png"
        if record is None and name not in self._ours and os.path.lexists(self.folder / name):
            return self._taken(item, name)
        return ""

    def _taken(self, item: str, name: str) -> str:
        return (
            f"{self.folder / name} exists and is no result of {item}; move it away, or name "
            "another output folder"
        )

    def check_room(self, files: Sequence[Saved]) -> None:
        """Raise OSError where the disk has no room for files: nor has it for those to come."""
        size = sum(len(file.content) for file in files)
        if shutil.disk_usage(self.folder).free < size:
            raise OSError(f"{self.folder}: the disk is full; make room, and run this again")

    def put(self, item: str, files: Sequence[Saved], former: Record | None) -> list[Result]:
        """Put an item's results in their places; what it had before and has no more is removed.

        Raises FileExistsError where a file is there that is not this item's, OSError.
        """
        names = result_names(item, files)
        old = {one.file: one for one in former.results} if former is not None else {}
        for name in names:
            if os.path.lexists(self.folder / name) and name not in (*old, *self._ours):
                raise FileExistsError(self._taken(item, name))
        self._journal.write_text(json.dumps(names), encoding="utf-8")
        results = [self._write(name, file.content) for name, file in zip(names, files, strict=True)]
        for name in old.keys() - set(names):
            self._remove(old[name])
        return results

    def _write(self, name: str, content: bytes) -> Result:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as unfinished, unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return Result(name, hashlib.sha256(content).hexdigest(), len(content))

    def _remove(self, result: Result) -> None:
        """Unless somebody has changed it since."""
        path = self.folder / result.file
        with suppress(FileNotFoundError):
            if hashlib.sha256(path.read_bytes()).hexdigest() == result.sha256:
                path.unlink()

    def _interrupted(self) -> frozenset[str]:
        """The results that were being put in their places when the last batch ended."""
        try:
            return frozenset(json.loads(self._journal.read_text(encoding="utf-8")))
        except (OSError, ValueError):  # none, or killed while it was written: no result was there
            return frozenset()


def result_names(item: str, files: Sequence[Saved]) -> list[str]:
    """Where files go below the output folder: as the item is called; with several, and as each."""
    if len(files) == 1:
        return [f"{item}{Path(files[0].name).suffix}"]
    names, used = [], Counter[str]()
    for file in files:
        stem, suffix = Path(file.name).stem, Path(file.name).suffix
        numbered = _NUMBERED.fullmatch(stem)
        name = f"{item}_{(numbered[1] if numbered else stem) or 'result'}"
        used[name + suffix] += 1
        count = used[name + suffix]
        names.append(f"{name}{f'_{count}' if count > 1 else ''}{suffix}")
    return names


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
