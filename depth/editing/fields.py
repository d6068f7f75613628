"""Values that came as JSON, checked one by one: numbers are clamped, wrong types are refused.

A dataclass is the table of an object's fields. Each is annotated with its check, which takes a
value and the `Reader` that counts what it clamps; those with a default may be missing.
"""

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeVar, get_type_hints

import numpy as np

Kind = TypeVar("Kind")
LETTERS = 200  # of a name or a text


class Wrong(Exception):  # noqa: N818 - names what the value is
    """A value that is not what its field expects, and the way to it."""

    def __init__(self, sentence: str, place: str = "") -> None:
        super().__init__(sentence)
        self.sentence, self.place = sentence, place

    def at(self, outer: str) -> "Wrong":
        """The same within a field `.name` or an entry `[0]`."""
        return Wrong(self.sentence, outer + self.place)


@dataclass
class Reader:
    """What is counted while a state is read."""

    known: frozenset[str]  # names of fields; others are noted
    clamped: int = 0
    unknown: set[str] = field(default_factory=set)


Check = Callable[[Any, Reader], Any]


class Key(NamedTuple):
    """The name of a field in the JSON, where Python has that word itself."""

    name: str


class Field(NamedTuple):
    """A field of an object in the JSON."""

    name: str
    key: str
    check: Check
    is_needed: bool


def fields(kind: type) -> tuple[Field, ...]:
    """Those that a dataclass describes."""
    if kind not in _FIELDS:
        _FIELDS[kind] = _described(kind)
    return _FIELDS[kind]


_FIELDS: dict[type, tuple[Field, ...]] = {}


def _described(kind: type) -> tuple[Field, ...]:
    hints = get_type_hints(kind, include_extras=True)

    def described(one: dataclasses.Field) -> Field:
        check, *key = hints[one.name].__metadata__
        is_needed = one.default is dataclasses.MISSING
        return Field(one.name, key[0].name if key else one.name, check, is_needed)

    return tuple(map(described, dataclasses.fields(kind)))


def read(kind: type[Kind], value: Any, reader: Reader) -> Kind:
    """An object as the dataclass that describes it."""
    if not isinstance(value, dict):
        raise wrong(value, "an object")
    values = {}
    for name, key, check, is_needed in fields(kind):
        if key in value:
            values[name] = _within(f".{key}", check, value[key], reader)
        elif is_needed:
            raise Wrong("is missing", f".{key}")
    reader.unknown.update(value.keys() - reader.known)
    return kind(**values)


def wrong(value: Any, expected: str) -> Wrong:
    """The error that tells both."""
    if isinstance(value, dict):
        found = "an object"
    elif isinstance(value, list):
        found = f"a list of {len(value)}"
    else:
        text = json.dumps(value[:60] if isinstance(value, str) else value)
        found = text if len(text) <= 80 else f"{text[:80]}…"
    return Wrong(f"is {found}; expected {expected}")


def _within(place: str, check: Check, value: Any, reader: Reader) -> Any:
    try:
        return check(value, reader)
    except Wrong as error:
        raise error.at(place) from None


# --- Checks ---------------------------------------------------------------------------------------


def number(low: float, high: float) -> Check:
    """A float, clamped."""

    def check(value: Any, reader: Reader) -> float:
        if not _is_number(value):
            raise wrong(value, "a number")
        clamped = min(max(float(value), low), high)
        reader.clamped += clamped != value
        return clamped

    return check


def whole(value: Any, reader: Reader) -> int:
    """A whole number, 0 or more."""
    if not _is_number(value) or value != math.floor(value):
        raise wrong(value, "a whole number")
    reader.clamped += value < 0
    return max(int(value), 0)


def truth(value: Any, reader: Reader) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(value, "true or false")
    return value


def short_text(value: Any, reader: Reader) -> str:
    """A text; a longer one is cut."""
    if not isinstance(value, str):
        raise wrong(value, "a text")
    reader.clamped += len(value) > LETTERS
    return value[:LETTERS]


def choice(options: type[Enum]) -> Check:
    """One of an Enum's values."""
    names = {option.value: option for option in options}

    def check(value: Any, reader: Reader) -> Enum:
        if not isinstance(value, str) or value not in names:
            raise wrong(value, f"one of {', '.join(names)}")
        return names[value]

    return check


def pair(check_one: Check) -> Check:
    """A list of two, as a tuple."""

    def check(value: Any, reader: Reader) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise wrong(value, "a list of 2")
        first, second = entries(value, check_one, reader)
        return first, second

    return check


def entries(values: list[Any], check_one: Check, reader: Reader) -> list[Any]:
    """Each checked, with its number in the way to what is wrong."""
    return [_within(f"[{i}]", check_one, value, reader) for i, value in enumerate(values)]


def many(check_one: Check) -> Check:
    """A list of any length."""

    def check(value: Any, reader: Reader) -> list[Any]:
        if not isinstance(value, list):
            raise wrong(value, "a list")
        return entries(value, check_one, reader)

    return check


def table(least: int, bounds: list[tuple[float, float]], filled: int = 0) -> Check:
    """Rows of numbers as float64 `[N, columns]`; the last `filled` may be left out and are 1."""
    columns = len(bounds)
    lengths = range(columns - filled, columns + 1)
    low, high = np.array(bounds, np.float64).T

    def row(value: Any) -> list[float]:
        if not isinstance(value, list) or len(value) not in lengths:
            raise wrong(value, f"a list of {' or '.join(map(str, lengths))}")
        for i, one in enumerate(value):
            if not _is_number(one):
                raise wrong(one, "a number").at(f"[{i}]")
        return [*map(float, value), *[1.0] * (columns - len(value))]

    def check(value: Any, reader: Reader) -> np.ndarray:
        if not isinstance(value, list) or len(value) < least:
            raise wrong(value, f"a list of {least} or more")
        rows = np.array(entries(value, lambda one, _: row(one), reader))
        clamped = rows.clip(low, high)
        reader.clamped += int((clamped != rows).sum())
        return clamped

    return check


def _is_number(value: Any) -> bool:
    """Finite also as a float: JSON's numbers have no bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
