"""What a node's class declares: its inputs, which of them are widgets, where files store those."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..images.counts import counted
from .core_nodes.node_class import NodeClass

Json = dict[str, Any]
Stored = list[Any] | Json  # a node's widgets_values; some nodes' pages name them

log = logging.getLogger(__name__)

SEEDS = ("seed", "noise_seed")  # the canvas gives these a control even if nothing asks for one
_CONTROLS = ("fixed", "increment", "increment-wrap", "decrement", "randomize")
_EMPTY = {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False, "COMBO": None}


class Widget(NamedTuple):
    """An input with a value of its own: its name, its type or choices, its options."""

    name: str
    type: Any
    options: Json

    @property
    def choices(self) -> Sequence[Any]:
        """What a dropdown offers."""
        listed = isinstance(self.type, (list, tuple))
        return self.type if listed else self.options.get("options", [])

    @property
    def default(self) -> Any:
        """What the canvas shows in a new node."""
        empty = _EMPTY[self.type] if isinstance(self.type, str) else None
        return self.options.get("default", next(iter(self.choices), empty))

    @property
    def has_control(self) -> bool:
        """Whether the canvas stores behind it how the value changes after a run."""
        asked_for = self.type == "INT" and self.name in SEEDS
        return bool(self.options.get("control_after_generate", asked_for))

    @property
    def buttons(self) -> int:
        """How many upload buttons the canvas stores, behind all values."""
        return sum(option.endswith("_upload") for option in self.options)

    def control_values(self, following: Sequence[Any]) -> int:
        """How many of the values behind its own belong to its control."""
        if not self.has_control or not following:
            return 0
        # Old files hold True or False, still older ones nothing.
        if not isinstance(following[0], bool) and following[0] not in _CONTROLS:
            return 0
        return 1 if self.type in ("INT", "FLOAT") else 2  # a choice also has a filter


def declared_inputs(kind: type[NodeClass]) -> dict[str, tuple[Any, Json]]:
    """Type and options of every required, then of every optional input."""
    inputs = kind.INPUT_TYPES()
    specs = {**inputs.get("required", {}), **inputs.get("optional", {})}
    return {name: (spec[0], spec[1] if len(spec) > 1 else {}) for name, spec in specs.items()}


def widget_inputs(kind: type[NodeClass]) -> Iterator[Widget]:
    """The inputs of a class that the canvas shows as widgets, in order."""
    for name, (declared, options) in declared_inputs(kind).items():
        is_widget = isinstance(declared, (list, tuple)) or declared in _EMPTY
        if is_widget and not options.get("forceInput"):
            yield Widget(name, declared, options)


def stored_values(kind: type[NodeClass], stored: Stored) -> Json:
    """The values of a node's widgets in its `widgets_values`; older files may hold fewer."""
    return {name: stored[place] for name, place in _places(kind, stored).items()}


def store_value(kind: type[NodeClass], stored: Stored, name: str, value: Any) -> bool:
    """Write a widget's value into `widgets_values`, in place; False where it is not stored."""
    places = _places(kind, stored)
    if name in places:
        stored[places[name]] = value
    return name in places


def _places(kind: type[NodeClass], stored: Stored) -> dict[str, Any]:
    """Under which index or name each widget's value lies.

    A seed is followed by its `control_after_generate`, a choice with such a control also by a
    filter; the button of a file upload comes last.
    """
    if isinstance(stored, dict):
        return {name: name for name, _, _ in widget_inputs(kind) if name in stored}
    places = {}
    position, buttons = 0, 0
    for widget in widget_inputs(kind):
        if position >= len(stored):
            break
        places[widget.name] = position
        position += 1 + widget.control_values(stored[position + 1 :])
        buttons += widget.buttons
    if len(stored) > position + buttons:
        log.warning(
            "%s: the workflow stores %s more than the node has widgets; the rest is ignored",
            *(kind.__name__, counted(len(stored) - position - buttons, "value")),
        )
    return places
