"""A canvas opened up: one scope for the canvas, one for the inside of every subgraph node on it.

A subgraph node shows widgets of what is inside it: those that its inputs lead to, and single ones
of inner nodes (`properties.proxyWidgets`). Their values stand in its `widgets_values`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .widgets import Json

MUTED, BYPASSED = 2, 4  # LiteGraph's node modes
SUBGRAPH_IN, SUBGRAPH_OUT = -10, -20  # ids of a subgraph's two borders
_OWN_INPUT = "-1"  # in proxyWidgets: an input of the subgraph, not an inner node


class Link(NamedTuple):
    """A link; the names are those of newer files."""

    id: Any
    origin_id: Any
    origin_slot: int
    target_id: Any
    target_slot: int

    @classmethod
    def read(cls, entry: Sequence[Any] | Json) -> "Link":
        """From [id, from, slot, to, slot, type], or from the same by name in newer files."""
        if isinstance(entry, dict):
            return cls(*(entry[key] for key in cls._fields))
        return cls(*entry[:5])


@dataclass
class Shown:
    """The values that a subgraph node shows on its outside; None is a value, too."""

    inputs: dict[str, Any] = field(default_factory=dict)  # by the name of the subgraph's input
    inner: dict[tuple[str, str], Any] = field(default_factory=dict)  # by inner node and widget


class Outside(NamedTuple):
    """Where a subgraph is used: the scope around it, its node there, its inputs, its values."""

    scope: "Scope"
    node: Json
    inputs: list[str]
    shown: Shown
    first: dict[str, tuple[str, str]]  # of an input the inner node and widget it is made from


@dataclass(eq=False)
class Scope:
    """The canvas, or the inside of one subgraph node on it."""

    nodes: dict[str, Json]
    links: dict[Any, Link]
    path: str = ""  # "12:" for the inside of node 12
    outside: Outside | None = None
    exits: dict[int, Link] = field(default_factory=dict)  # what leads to a subgraph's outputs

    @classmethod
    def read(cls, graph: Json, path: str = "") -> "Scope":
        """A canvas, or a subgraph's definition."""
        links = [Link.read(entry) for entry in graph.get("links") or [] if entry]
        nodes = {str(node["id"]): node for node in graph["nodes"]}
        exits = {link.target_slot: link for link in links if link.target_id == SUBGRAPH_OUT}
        return cls(nodes, {link.id: link for link in links}, path, exits=exits)

    def id_of(self, node: Json) -> str:
        """A node's id in the API format."""
        return f"{self.path}{node['id']}"


def subgraphs(canvas: Json) -> dict[str, Json]:
    """The definitions of a canvas's subgraphs, by the type of the nodes that stand for them."""
    definitions = (canvas.get("definitions") or {}).get("subgraphs") or []
    return {definition["id"]: definition for definition in definitions}


def scopes(canvas: Json) -> Iterator[Scope]:
    """The canvas, then the insides of its subgraph nodes that run; a path is the node's id."""
    definitions = subgraphs(canvas)
    waiting = [Scope.read(canvas)]
    while waiting:
        scope = waiting.pop()
        yield scope
        inner = [
            _inside(scope, node, definitions[node["type"]])
            for node in scope.nodes.values()
            if node["type"] in definitions and node.get("mode", 0) not in (MUTED, BYPASSED)
        ]
        waiting += reversed(inner)


def _inside(scope: Scope, node: Json, definition: Json) -> Scope:
    inner = Scope.read(definition, f"{scope.id_of(node)}:")
    inputs = definition.get("inputs") or []
    names = [entry["name"] for entry in inputs]
    shown = _shown(scope, node, names, inner)
    inner.outside = Outside(scope, node, names, shown, _first_widgets(inputs, inner))
    return inner


def shown_widgets(node: Json) -> list[list[str]]:
    """The entries of `proxyWidgets`: [inner node or -1, widget, …]. ValueError for anything else.

    Newer files hold them as text.
    """
    entries = (node.get("properties") or {}).get("proxyWidgets") or []
    if isinstance(entries, str):
        entries = json.loads(entries)
    if not isinstance(entries, list) or not all(
        isinstance(entry, list) and len(entry) >= 2 and all(isinstance(part, str) for part in entry)
        for entry in entries
    ):
        raise ValueError("expected a list of [node id, widget]")
    return entries


def is_within(slot: Any, slots: Sequence[Any]) -> bool:
    """Whether a slot's number, which a damaged file may have of any kind, is one of these."""
    return isinstance(slot, int) and 0 <= slot < len(slots)


def _shown(scope: Scope, node: Json, names: Sequence[str], inner: Scope) -> Shown:
    """What the frontend (1.49.6) makes of a subgraph node's values.

    It first hands them to the inputs with widgets in the subgraph's order, which is all that
    newest files have, and then once more in the order of `proxyWidgets`, where null is no value.
    """
    stored = node.get("widgets_values") or []
    widgets = _widgets_behind(inner)
    with_widget = [name for at, name in enumerate(names) if at in widgets.values()]
    shown = Shown(dict(zip(with_widget, stored, strict=False)))
    proxied = zip(shown_widgets(node), stored, strict=False)
    entries = [(*entry[:2], value) for entry, value in proxied if value is not None]
    # An input named as such decides over the same one named by its inner widget.
    for owner, name, value in sorted(entries, key=lambda entry: entry[0] == _OWN_INPUT):
        if owner == _OWN_INPUT:
            shown.inputs[name] = value
        else:
            _show(shown, names, widgets, (owner, name), value)
    for widget, value in _from_further_out(scope, node).items():
        if widget in names:
            shown.inputs[widget] = value
        else:
            for owner, name, *_ in shown_widgets(node):
                if name == widget and owner != _OWN_INPUT:
                    _show(shown, names, widgets, (owner, name), value)
    return shown


def _show(
    shown: Shown,
    names: Sequence[str],
    widgets: Mapping[tuple[str, str], int],
    widget: tuple[str, str],
    value: Any,
) -> None:
    """Give a value to an inner widget, or to the subgraph's input that leads to it."""
    if widget in widgets and is_within(widgets[widget], names):
        shown.inputs[names[widgets[widget]]] = value
    else:
        shown.inner[widget] = value


def _from_further_out(scope: Scope, node: Json) -> dict[str, Any]:
    """The values that the subgraph around this one shows of this one's widgets."""
    if scope.outside is None:
        return {}
    around = scope.outside.shown.inner.items()
    return {name: value for (owner, name), value in around if owner == str(node["id"])}


def _widgets_behind(inner: Scope) -> dict[tuple[str, str], int]:
    """The inner widgets, by node and name, that a subgraph's inputs lead to, and by which one."""
    ends = ((_widget_at(inner, link), link.origin_slot) for link in inner.links.values())
    return {widget: slot for widget, slot in ends if widget is not None}


def _first_widgets(inputs: Sequence[Json], inner: Scope) -> dict[str, tuple[str, str]]:
    """Of each input the first inner widget that it leads to."""
    found: dict[str, tuple[str, str]] = {}
    for entry in inputs:
        for number in entry.get("linkIds") or []:
            widget = _widget_at(inner, inner.links[number]) if number in inner.links else None
            if widget is not None:
                found.setdefault(entry["name"], widget)
    return found


def _widget_at(inner: Scope, link: Link) -> tuple[str, str] | None:
    """The inner node and its widget at the end of a link from a subgraph's input."""
    slots = (inner.nodes.get(str(link.target_id)) or {}).get("inputs") or []
    if link.origin_id != SUBGRAPH_IN or not is_within(link.target_slot, slots):
        return None
    widget = slots[link.target_slot].get("widget")
    return (str(link.target_id), widget["name"]) if widget else None
