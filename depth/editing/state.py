"""Edits of a depth map as they are kept: layers of strokes and shapes, in versioned JSON.

The format is that of docs/depth_editor.md. Points and lengths are in pixels of the map that was
drawn on, x to the right and y down, and pixel (0, 0) has its centre at (0.5, 0.5).
"""

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import numpy as np

from ...images.counts import counted
from .fields import (
    Key,
    Reader,
    Wrong,
    choice,
    fields,
    many,
    number,
    pair,
    read,
    short_text,
    table,
    truth,
    whole,
    wrong,
)

log = logging.getLogger(__name__)

VERSION = 1
LAYERS, EDITS, POINTS = 64, 10_000, 200_000
CHARACTERS = 8 * 2**20
NAMES, NAME = 8, 40  # fields in a warning, and characters of one
FAR = 65_536.0  # pixels beyond which nothing lies


class UnusableEdits(ValueError):  # noqa: N818 - names what they are
    """Edits that are not JSON of the format, or more than there may be."""


class NewerEdits(UnusableEdits):
    """Edits in a version of the format that is not known yet."""


class Does(str, Enum):
    """What happens where a stroke, polygon or flood is."""

    NEARER = "nearer"
    FARTHER = "farther"
    SET = "set"
    SCALE = "scale"
    SMOOTH = "smooth"
    SHARPEN = "sharpen"
    FLATTEN = "flatten"
    DELETE = "delete"
    ERASE = "erase"


class Kind(str, Enum):
    """How a gradient runs."""

    LINEAR = "linear"
    RADIAL = "radial"


class Shape(str, Enum):
    """What a stamp is."""

    BALL = "ball"
    BOX = "box"
    CONE = "cone"
    RAMP = "ramp"
    TEXT = "text"


class Mode(str, Enum):
    """How a stamp meets the map."""

    NEAREST = "nearest"  # the two hide each other as things do
    OVER = "over"
    RAISE = "raise"  # the map under it is lifted


# --- The edits -----------------------------------------------------------------------------------

_UNIT = number(0, 1)
_COORDINATE = number(-FAR, FAR)
_POINT = pair(_COORDINATE)
_PLACES = [(-FAR, FAR)] * 2
_FEATHER = number(0, 1024)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Where it is limited and how much of it is done."""

    amount: Annotated[float, number(0, 4)] = 1.0  # above 1 with `scale` only
    edges: Annotated[bool, truth] = False  # keeps to the photo's edges
    between: Annotated[tuple[float, float] | None, pair(_UNIT)] = None  # depths; far, near


@dataclass(frozen=True, kw_only=True)
class Effect(Edit):
    """An area in which something is done."""

    does: Annotated[Does, choice(Does)]
    depth: Annotated[float, _UNIT] = 0.5  # with `set`
    reach: Annotated[float, number(0.5, 1024)] = 8.0  # pixels, with `smooth` and `sharpen`


@dataclass(frozen=True, kw_only=True)
class Stroke(Effect):
    """A path of the brush."""

    points: Annotated[np.ndarray, table(1, [*_PLACES, (0, 1)], filled=1)]  # [N, 3]: x, y, pressure
    radius: Annotated[float, number(0.5, 4096)]
    hardness: Annotated[float, _UNIT] = 0.5


@dataclass(frozen=True, kw_only=True)
class Polygon(Effect):
    """An outline, a lasso too; even-odd."""

    points: Annotated[np.ndarray, table(3, _PLACES)]  # [N, 2]
    feather: Annotated[float, _FEATHER] = 0.0


@dataclass(frozen=True, kw_only=True)
class Flood(Effect):
    """What is connected with a point, in depth and brightness."""

    at: Annotated[tuple[float, float], _POINT]
    tolerance: Annotated[float, _UNIT] = 0.05  # depth
    edge: Annotated[float, _UNIT] = 0.1  # brightness
    feather: Annotated[float, _FEATHER] = 0.0


@dataclass(frozen=True, kw_only=True)
class Gradient(Edit):
    """A ramp of depth between two points."""

    kind: Annotated[Kind, choice(Kind)]
    start: Annotated[tuple[float, float], _POINT, Key("from")]
    end: Annotated[tuple[float, float], _POINT, Key("to")]
    depths: Annotated[tuple[float, float], pair(_UNIT)]
    points: Annotated[np.ndarray | None, table(3, _PLACES)] = None  # of the polygon that bounds it
    feather: Annotated[float, _FEATHER] = 0.0


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """A thing that is put in."""

    shape: Annotated[Shape, choice(Shape)]
    at: Annotated[tuple[float, float], _POINT]
    size: Annotated[tuple[float, float], pair(number(0.5, FAR))]  # width, height
    angle: Annotated[float, number(-360, 360)] = 0.0  # degrees, clockwise
    depth: Annotated[float, _UNIT] = 0.5
    height: Annotated[float, number(-1, 1)] = 0.25  # depth from its rim to its middle
    tilt: Annotated[tuple[float, float], pair(number(-1, 1))] = (0.0, 0.0)
    mode: Annotated[Mode, choice(Mode)] = Mode.NEAREST
    text: Annotated[str | None, short_text] = None

    @property
    def is_text(self) -> bool:
        """Whether it is letters."""
        return self.shape is Shape.TEXT


AreaEdit = Stroke | Polygon | Flood | Gradient
AnyEdit = AreaEdit | Stamp
TOOLS: dict[str, type[AnyEdit]] = {
    "stroke": Stroke,
    "polygon": Polygon,
    "flood": Flood,
    "gradient": Gradient,
    "stamp": Stamp,
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Edits that are shown, mixed and limited to frames together."""

    name: Annotated[str, short_text] = "Layer"
    visible: Annotated[bool, truth] = True
    opacity: Annotated[float, _UNIT] = 1.0
    frames: Annotated[tuple[int, int] | None, pair(whole)] = None  # first, last; counted from 0
    edits: Annotated[Sequence[AnyEdit], many(lambda value, reader: _edit(value, reader))] = ()

    def counts_for(self, frame: int) -> bool:
        """Whether it changes this entry of a batch."""
        first, last = self.frames or (frame, frame)
        return self.visible and self.opacity > 0 and first <= frame <= last


@dataclass(frozen=True, kw_only=True)
class State:
    """All edits of a map, the lowest layer first."""

    size: Annotated[tuple[float, float], pair(number(1, FAR))]  # width, height of the map drawn on
    layers: Annotated[list[Layer], many(lambda value, reader: read(Layer, value, reader))]


def _edit(value: Any, reader: Reader) -> AnyEdit:
    if not isinstance(value, dict):
        raise wrong(value, "an object")
    tool = value.get("tool")
    if not isinstance(tool, str) or tool not in TOOLS:
        raise wrong(tool, f"one of {', '.join(TOOLS)}").at(".tool")
    edit = read(TOOLS[tool], value, reader)
    if isinstance(edit, Stamp) and edit.is_text and edit.text is None:
        raise Wrong("is missing", ".text")
    if isinstance(edit, Edit) and edit.amount > 1 and getattr(edit, "does", None) is not Does.SCALE:
        reader.clamped += 1
        edit = dataclasses.replace(edit, amount=1.0)
    return edit


_OBJECTS: tuple[Any, ...] = (*TOOLS.values(), Layer, State)
_KNOWN = frozenset({"tool", "version"} | {one.key for kind in _OBJECTS for one in fields(kind)})


# --- Reading -------------------------------------------------------------------------------------


def read_state(written: str) -> State | None:
    """The state that a text holds; None for an empty one. Raises UnusableEdits.

    A warning counts the numbers that were out of range, and names the fields that nobody knows.
    """
    if not written.strip():
        return None
    if len(written) > CHARACTERS:
        raise UnusableEdits(
            f"the edits have {len(written)} characters; expected {CHARACTERS} at most"
        )
    reader = Reader(_KNOWN)
    try:
        value = _parsed(written)
        _check_version(value)
        _check_counts(value)
        state = read(State, value, reader)
    except Wrong as error:
        place = error.place.removeprefix(".") or "the state of the edits"
        raise UnusableEdits(f"{place} {error.sentence}") from None
    _warn(reader)
    return state


def _warn(reader: Reader) -> None:
    if reader.clamped:
        clamped = counted(reader.clamped, "number")
        log.warning("%s of the edits out of range, and clamped", clamped)
    if reader.unknown:
        names = [repr(name)[1:-1][:NAME] for name in sorted(reader.unknown)[:NAMES]]
        if more := len(reader.unknown) - len(names):
            names.append(f"and {more} more")
        log.warning(
            "the edits have fields that are not known and are ignored: %s", ", ".join(names)
        )


def _parsed(written: str) -> Any:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON number")

    try:
        return json.loads(written, parse_constant=refuse)
    except RecursionError:
        raise UnusableEdits("the edits are nested too deeply to be read") from None
    except ValueError as error:
        raise UnusableEdits(f"the edits are not JSON: {error}") from None


def _check_version(value: Any) -> None:
    version = value.get("version") if isinstance(value, dict) else None
    if not isinstance(value, dict):
        raise wrong(value, "an object")
    if isinstance(version, bool) or not isinstance(version, int | float) or not version >= 1:
        raise wrong(version, "a whole number, 1 or more").at(".version")
    if version > VERSION:
        raise NewerEdits(
            f"the edits are of version {_short(version)}; versions up to {VERSION} can be read"
        )


def _short(version: float) -> str:
    """A number of JSON, which may have thousands of digits."""
    text = str(version).removesuffix(".0")
    return text if len(text) <= NAME else f"{text[:NAME]}…"


def _check_counts(value: dict[str, Any]) -> None:
    """Before anything is read that would take long."""
    layers = value.get("layers")
    layers = layers if isinstance(layers, list) else []
    edits = [
        edit
        for layer in layers[: LAYERS + 1]
        if isinstance(layer, dict) and isinstance(layer.get("edits"), list)
        for edit in layer["edits"]
    ]
    points = sum(
        len(edit["points"])
        for edit in edits
        if isinstance(edit, dict) and isinstance(edit.get("points"), list)
    )
    counts = (("layers", len(layers), LAYERS), ("edits", len(edits), EDITS))
    for what, count, most in (*counts, ("points", points, POINTS)):
        if count > most:
            raise UnusableEdits(f"there are {count} {what}; expected {most} at most")
