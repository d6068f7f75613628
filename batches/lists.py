"""The items of a list: a row each of a .csv or .tsv, its columns what changes in the workflow.

    image,     depth,      mask, prompt,          seed, name,   SD2DepthSampler.denoise
    cup.jpg,   cup-z.exr,      , a clay cup,      7,    clay,   0.8
    cup.jpg,   cup-z.exr,      , a glass cup,     random, glass,

An empty cell changes nothing. Files count from the list's folder.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from ..disk.sentences import in_words
from ..engine.folders import leads_out
from ..workflows.changes import FILES, Changes
from ..workflows.documents import decoded
from ..workflows.problems import WorkflowError
from .items import Item, ItemList, check_names
from .problems import UnusableInput

SUFFIXES = (".csv", ".tsv")
_TEXTS = ("prompt", "negative", "checkpoint")
COLUMNS = (*FILES, *_TEXTS, "seed", "steps", "name")
_MOST_BYTES = 2**30


def read_list(path: Path) -> ItemList:
    """The items of a list. Raises UnusableInput."""
    rows = list(_rows(_content(path), path))
    if not rows:
        raise UnusableInput(f"{path} has no rows below its line of columns")
    numbered = list(enumerate(rows, start=1))
    names = [_name(row, number, path) for number, row in numbered]
    check_names(
        [(name, f"row {number}") for name, (number, _) in zip(names, numbered, strict=True)],
        "give them different ones in a column called name",
    )
    return ItemList(_item(name, row, path) for name, row in zip(names, rows, strict=True))


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnusableInput(f"{path} is larger than {_MOST_BYTES:,} bytes; divide it")
        return decoded(path.read_bytes(), path)
    except OSError as error:
        raise UnusableInput(str(in_words(error, path))) from error
    except WorkflowError as error:
        raise UnusableInput(f"{path} is no text; save it as CSV in UTF-8") from error


def _rows(content: str, path: Path) -> Iterator[dict[str, str]]:
    first = content.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        _check_columns(columns, path)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(columns):
                raise UnusableInput(
                    f"{path}, line {reader.line_num}: {len(cells)} cells for {len(columns)} "
                    'columns; a text that holds the separator stands in quotes: "red, blue"'
                )
            # Not strict: a row may end early; cells beyond the columns were refused.
            yield dict(zip(columns, (cell.strip() for cell in cells), strict=False))
    except csv.Error as error:
        raise UnusableInput(f"{path}, line {reader.line_num}: {error}; save it again") from error


def _check_columns(columns: Iterable[str], path: Path) -> None:
    known: set[str] = set()
    for name in columns:
        if name.lower() not in COLUMNS and "." not in name.strip("."):
            raise UnusableInput(
                f"{path} has a column {name!r}; expected {', '.join(COLUMNS)}, or NODE.INPUT"
            )
        if name in known:
            raise UnusableInput(f"{path} has two columns {name!r}; leave one out")
        known.add(name)
    if not known:
        raise UnusableInput(f"{path} is empty; expected a line with columns, such as image,prompt")


def _name(row: Mapping[str, str], number: int, path: Path) -> str:
    """What a row says, or its picture's place below the list's folder."""
    cells = _cells(row)
    if name := cells.get("name"):
        if leads_out(name) or name.startswith("/"):
            raise UnusableInput(
                f"row {number}: the name {name!r} leads outside the output folder; use one without "
                "a drive letter, without .. and without a slash at its start"
            )
        return PurePath(name.replace("\\", "/")).as_posix()
    file = next((cells[role] for role in FILES if cells.get(role)), "")
    if not file:
        return f"{path.stem}-{number:05}"
    place = PurePath(file.replace("\\", "/"))
    return (PurePath(place.name) if leads_out(file) else place).with_suffix("").as_posix()


def _cells(row: Mapping[str, str]) -> dict[str, str]:
    """The cells of the known columns that are not empty."""
    return {name.lower(): cell for name, cell in row.items() if name.lower() in COLUMNS and cell}


def _item(name: str, row: Mapping[str, str], path: Path) -> Item:
    cells = _cells(row)
    problem = ""
    values: dict[str, Any] = {role: cells[role] for role in _TEXTS if role in cells}
    for role in FILES:
        if role in cells:
            values[role] = _file(cells[role], path)
            if not Path(values[role]).is_file():
                problem = f"there is no {role} file {values[role]}"
    steps = cells.get("steps")
    if steps is not None and not steps.isdecimal():
        problem = f"the steps {steps!r} are no whole number"
    assignments, files = [], {}
    for column, cell in row.items():
        if column.lower() not in COLUMNS and cell:
            file = _file(cell, path)
            if Path(file).is_file():
                files[column] = Path(file)
            assignments.append(f"{column}={file if column in files else cell}")
    changes = Changes(
        **values,
        steps=int(steps) if steps and not problem else None,
        assignments=tuple(assignments),
    )
    item = Item.of(name, changes, cells.get("seed", ""), problem)
    return replace(item, files={**item.files, **files})


def _file(cell: str, path: Path) -> str:
    for spelled in (cell, cell.replace("\\", "/")):
        found = path.parent / spelled
        if found.is_file():
            break
    return str(found.absolute())
