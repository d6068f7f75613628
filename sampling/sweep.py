"""Series of denoising and depth strengths, written as text, and every pairing of the two.

text     one or more entries with commas, semicolons or line breaks between them
entry    a number: 0.4
         or evenly spaced numbers, both ends included: 0.4 to 1.0 in 4
"""

import re
import reprlib
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import NamedTuple

DENOISE_RANGE = (0, 1)  # what a sampler takes
DEPTH_RANGE = (0, 2)  # of a depth map; 1 is what the model was trained with
MOST_RUNS = 1000  # more is a typing error: hours of painting
GRAMMAR = 'expected numbers such as "0.4, 0.6, 0.8, 1.0" or "0.4 to 1.0 in 4"'

_SEPARATOR = re.compile(r"[,;\n]")
_SPACED = re.compile(r"(\S+)\s+to\s+(\S+)\s+in\s+(\S+)", re.IGNORECASE)


class Sweep(NamedTuple):
    """The runs of a sweep: a row for each depth strength, a column for each denoising strength."""

    denoise: list[float]  # of every run, 0..1
    depth_strength: list[float]  # of every run, 0..2
    column_labels: list[str]
    row_labels: list[str]


def sweep(strengths: str, depth_strengths: str) -> Sweep:
    """Pair every depth strength with every denoising strength."""
    columns = parse_series(strengths, *DENOISE_RANGE, "strengths")
    rows = parse_series(depth_strengths, *DEPTH_RANGE, "depth_strengths")
    if not any(columns):
        raise ValueError(
            f"strengths: nothing would be painted with {_shown(strengths.strip())}: a denoising "
            "strength of 0 leaves the image as it is; give one above 0 at least"
        )
    runs = len(rows) * len(columns)
    if runs > MOST_RUNS:
        raise ValueError(
            f"{len(rows)} depth strengths x {len(columns)} strengths are {runs} runs; expected "
            f"{MOST_RUNS} at most, shorten one of them"
        )
    pairs = list(product(rows, columns))
    named = {0.0: "img2img (no depth)", 1.0: "depth-to-image"}
    return Sweep(
        denoise=[strength for _, strength in pairs],
        depth_strength=[depth for depth, _ in pairs],
        column_labels=[f"strength {_written(strength)}" for strength in columns],
        row_labels=[named.get(depth, f"depth strength {_written(depth)}") for depth in rows],
    )


def parse_series(text: str, low: float, high: float, name: str) -> list[float]:
    """The numbers from `low` to `high` that a text in the grammar of this file names, in its order.

    Errors call the text by its `name`.
    """
    if not text.strip():
        raise ValueError(f"{name} is empty; {GRAMMAR}")
    pieces = _SEPARATOR.split(text.strip().rstrip(",;"))
    entries = [_entry(piece.strip(), low, high, name) for piece in pieces]
    return [float(number) or 0.0 for numbers in entries for number in numbers]  # no -0.0


def _shown(text: str) -> str:
    """A text as a message shows it: not all of a long one."""
    return _SHORT.repr(text)


_SHORT = reprlib.Repr()
_SHORT.maxstring = 80


def _written(strength: float) -> str:
    """As strengths are spoken of: 0.4, 0.75, 1.0."""
    text = f"{strength:g}"
    return text if "." in text or "e" in text else f"{text}.0"


def _entry(entry: str, low: float, high: float, name: str) -> list[Decimal]:
    spaced = _SPACED.fullmatch(entry)
    if spaced is None:
        return [_in_range(entry, low, high, name)]
    start, end = (_in_range(number, low, high, name) for number in spaced.group(1, 2))
    count = _number(spaced[3], name)
    if not 1 <= count <= MOST_RUNS or count % 1:
        raise ValueError(
            f"{name}: {_shown(entry)} asks for {spaced[3]} numbers; expected a whole number from "
            f"1 to {MOST_RUNS} after in"
        )
    if count == 1 and start != end:
        raise ValueError(
            f"{name}: {_shown(entry)} has two ends, but place for one number; expected 2 or more "
            "after in"
        )
    steps = max(int(count) - 1, 1)
    # As a weighted mean, both ends come out as they were written.
    return [(start * (steps - step) + end * step) / steps for step in range(int(count))]


def _in_range(text: str, low: float, high: float, name: str) -> Decimal:
    number = _number(text, name)
    if not low <= number <= high:
        raise ValueError(
            f"{name}: {text} is out of range; expected numbers from {low} to {high}, with a point "
            "before the decimals"
        )
    return number


def _number(text: str, name: str) -> Decimal:
    """As Decimal, so that the series from 0.4 to 1.0 holds 0.6 itself, not a neighbour of it."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        found = f"{_shown(text)} is no number" if text else "nothing stands before or after a comma"
        raise ValueError(f"{name}: {found}; {GRAMMAR}")
    return number
