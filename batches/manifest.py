"""What was done: a file of JSON lines, one for each item that was finished, the last one counts."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..disk.sentences import in_words
from .items import Source
from .problems import UnusableInput

NAME = "manifest.jsonl"
DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Result:
    """A file that an item gave."""

    file: str  # below the output folder
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Record:
    """A line of the manifest."""

    item: str
    status: str  # DONE or FAILED
    identity: str = ""  # the same for the same sources, settings, workflow and seed
    workflow: str = ""  # its SHA-256
    sources: Mapping[str, Source] = field(default_factory=dict)  # by their role
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: Any = None  # a number, or by node where they differ
    drawn_seed: int | None = None  # where it was to be a random one
    results: Sequence[Result] = ()  # of a failure those of an earlier run, which are still there
    seconds: float = 0.0
    processor_seconds: float | None = None
    warnings: Sequence[str] = ()
    error: str = ""
    worker: str = ""
    finished: str = ""  # in UTC

    @classmethod
    def parsed(cls, line: bytes) -> "Record":
        """Raises ValueError, TypeError, KeyError or AttributeError for what is no record."""
        values = json.loads(line)
        sources = {role: Source(**one) for role, one in values.pop("sources").items()}
        results = tuple(Result(**one) for one in values.pop("results"))
        known = {name: one for name, one in values.items() if name in cls.__dataclass_fields__}
        known["warnings"] = tuple(known["warnings"])
        return cls(**known, sources=sources, results=results)


class Manifest:
    """A manifest that is read and written; of what was read only the places are kept in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, int] = {}
        try:
            self._file = path.open("a+b", buffering=0)
            self._read()
        except OSError as error:
            raise in_words(error, path) from error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def find(self, item: str) -> Record | None:
        """The last record of an item."""
        place = self._places.get(item)
        if place is None:
            return None
        with self.path.open("rb") as file:
            file.seek(place)
            return Record.parsed(file.readline())

    def append(self, record: Record) -> None:
        """Add a line, which is on the disk when this returns. Raises OSError."""
        line = _line(asdict(record))
        place = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(line)  # in one piece: lines never mix
            if written != len(line):
                raise OSError(f"{self.path} cannot be written, the disk may be full")
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(place)
            raise in_words(error, self.path) from error
        self._places[record.item] = place

    def _read(self) -> None:
        self._file.seek(0)
        place = 0
        for number, line in enumerate(_lines(self._file), start=1):
            if not line.endswith(b"\n"):  # the program was killed while it wrote
                self._file.truncate(place)
                return
            try:
                self._places[Record.parsed(line).item] = place
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise UnusableInput(
                    f"line {number} of {self.path} is damaged; take the line out, and its item is "
                    "done again"
                ) from error
            place += len(line)


def _line(values: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # names of files that are no text
        text = json.dumps(values).encode()
    return text + b"\n"


def _lines(file: Any) -> Iterator[bytes]:
    rest = b""
    while piece := file.read(2**20):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def read(path: Path) -> dict[str, Record]:
    """The last record of each item, for programs; a torn last line is left out."""
    with path.open("rb") as file:
        lines = [line for line in file if line.endswith(b"\n")]
    records = map(Record.parsed, lines)
    return {record.item: record for record in records}
