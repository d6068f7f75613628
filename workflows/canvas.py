"""The canvas format of workflow files (LiteGraph, version 0.4) -> the API format that runs.

The canvas holds what a person drew: nodes with positions and stored widget values, links by
number, notes, reroutes, muted and bypassed nodes, subgraphs. The API format holds what to run:
{node id: {"class_type", "inputs": {name: value or [node id, output]}, "_meta": {"title"}}}.
The rules are those of ComfyUI's own frontend (`graphToPrompt`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .core_nodes.node_class import Nodes
from .problems import Problem, described
from .texts import file_name, one_prompt
from .widgets import Json, store_value, stored_values, widget_inputs

log = logging.getLogger(__name__)

MUTED, BYPASSED = 2, 4  # LiteGraph's node modes
NOTES = {"Note", "MarkdownNote"}
_DRAWN_ONLY = NOTES | {"Reroute", "PrimitiveNode"}
_SUBGRAPH_IN, _SUBGRAPH_OUT = -10, -20  # ids of a subgraph's two borders
_SEARCH_NAME = "Node name for S&R"


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


def is_canvas(data: Any) -> bool:
    """Whether a JSON document is in the canvas format."""
    return isinstance(data, dict) and isinstance(data.get("nodes"), list) and "links" in data


def subgraphs(canvas: Json) -> dict[str, Json]:
    """The definitions of a canvas's subgraphs, by the type of the nodes that stand for them."""
    definitions = (canvas.get("definitions") or {}).get("subgraphs") or []
    return {definition["id"]: definition for definition in definitions}


def to_prompt(canvas: Json, nodes: Nodes) -> tuple[Json, list[Problem]]:
    """Convert a canvas to the API format.

    Seeds are taken as they stand in the file: ComfyUI changes them (`control_after_generate`)
    after a run, for the next one. Texts go through the frontend's replacements: comments and
    {one|of|these} in prompts, %date:yyyy-MM-dd% and %Node.input% in file names.

    Returns: the API format, and what is wrong with the canvas itself (broken links, group nodes).
    A node of an unknown class keeps its links, so that the checks can name it.
    """
    conversion = _Conversion(canvas, nodes)
    prompt = {
        scope.id_of(node): conversion.entry(scope, node)
        for scope in conversion.scopes
        for node in scope.nodes.values()
        if _runs(node) and node["type"] not in conversion.subgraphs
    }
    return prompt, conversion.problems


def _runs(node: Json) -> bool:
    return node["type"] not in _DRAWN_ONLY and node.get("mode", 0) not in (MUTED, BYPASSED)


# --- changing a canvas ---------------------------------------------------------------------------


def set_widget(canvas: Json, node_id: str, name: str, value: Any, nodes: Nodes) -> bool:
    """Write a widget's value into the canvas, in place, and cut the link that fed it.

    False when the canvas has no such place: a node inside a subgraph, a widget not stored.
    """
    node = _node(canvas, node_id)
    if node is None or node["type"] not in nodes:
        return False
    stored = node.get("widgets_values") or []
    if not store_value(nodes[node["type"]], stored, name, value):
        return False
    _cut(canvas, [slot for slot in node.get("inputs") or [] if slot["name"] == name])
    return True


def replace_node(canvas: Json, node_id: str, kind: str, title: str, values: list[Any]) -> bool:
    """Put another node in a node's place, in place: same outputs, no input linked.

    False when the canvas has no such node at its top level.
    """
    node = _node(canvas, node_id)
    if node is None:
        return False
    _cut(canvas, node.get("inputs") or [])
    properties = {_SEARCH_NAME: kind}
    node.update(type=kind, title=title, inputs=[], widgets_values=values, properties=properties)
    return True


def _node(canvas: Json, node_id: str) -> Json | None:
    return next((node for node in canvas["nodes"] if str(node["id"]) == node_id), None)


def _cut(canvas: Json, slots: list[Json]) -> None:
    """Take the links away that lead into these inputs."""
    cut = {slot["link"] for slot in slots if slot.get("link") is not None}
    for slot in slots:
        slot["link"] = None
    canvas["links"] = [entry for entry in canvas["links"] if Link.read(entry).id not in cut]
    for node in canvas["nodes"]:
        for output in node.get("outputs") or []:
            output["links"] = [one for one in output.get("links") or [] if one not in cut]


# --- conversion -----------------------------------------------------------------------------------


class _Found(NamedTuple):
    """What feeds an input, as the API format holds it: [node id, output], or a constant."""

    value: Any


class _BrokenLinkError(LookupError):
    """A link of the canvas that leads nowhere."""


@dataclass(eq=False)
class _Scope:
    """The canvas, or the inside of one subgraph node on it."""

    nodes: dict[str, Json]
    links: dict[Any, Link]
    path: str = ""  # "12:" for the inside of node 12
    outside: "_Outside | None" = None

    @classmethod
    def read(cls, graph: Json, path: str = "", outside: "_Outside | None" = None) -> "_Scope":
        links = (Link.read(entry) for entry in graph.get("links") or [] if entry)
        nodes = {str(node["id"]): node for node in graph["nodes"]}
        return cls(nodes, {link.id: link for link in links}, path, outside)

    def id_of(self, node: Json) -> str:
        return f"{self.path}{node['id']}"


class _Outside(NamedTuple):
    """Where a subgraph is used: the scope around it, its node there, the names of its inputs."""

    scope: _Scope
    node: Json
    inputs: list[str]


class _Conversion:
    """A canvas on its way to the API format: its scopes, what its links really come from."""

    def __init__(self, canvas: Json, nodes: Nodes) -> None:
        self.classes = nodes
        self.subgraphs = subgraphs(canvas)
        self.inside: dict[str, _Scope] = {}  # id of a subgraph node -> its inside
        self.scopes: list[_Scope] = []
        self.problems: list[Problem] = []
        self._open(_Scope.read(canvas))

    def _open(self, scope: _Scope) -> None:
        self.scopes.append(scope)
        for node in scope.nodes.values():
            definition = self.subgraphs.get(node["type"])
            if definition is not None and _runs(node):
                names = [entry["name"] for entry in definition.get("inputs") or []]
                outside = _Outside(scope, node, names)
                inner = _Scope.read(definition, f"{scope.id_of(node)}:", outside)
                self.inside[scope.id_of(node)] = inner
                self._open(inner)

    # --- nodes

    def entry(self, scope: _Scope, node: Json) -> Json:
        """A node in the API format; what is wrong with it goes to `problems`."""
        title = self._title(node)
        place = described(scope.id_of(node), title, node["type"])

        def report(message: str, name: str = "") -> None:
            self.problems.append(Problem(message, scope.id_of(node), place, name))

        if node["type"].startswith(("workflow>", "workflow/")):
            report("a group node; convert it to a subgraph or to its nodes in ComfyUI")
        inputs = self._widget_values(node)
        for slot, entry in enumerate(node.get("inputs") or []):
            try:
                found = self._input(scope, node, slot)
            except _BrokenLinkError as broken:
                report(str(broken), entry["name"])
            except RecursionError:
                report("its link goes round in a circle; cut it", entry["name"])
            else:
                if found is not None:
                    inputs[entry["name"]] = found.value
        return {"inputs": inputs, "class_type": node["type"], "_meta": {"title": title}}

    def _title(self, node: Json) -> str:
        """What the canvas shows as the node's name."""
        kind = self.classes.get(node["type"])
        return node.get("title") or getattr(kind, "DISPLAY_NAME", None) or node["type"]

    def _widget_values(self, node: Json) -> Json:
        kind = self.classes.get(node["type"])
        if kind is None:
            return {}
        stored = stored_values(kind, node.get("widgets_values") or [])
        values = {}
        for widget in widget_inputs(kind):
            value = stored.get(widget.name, widget.default)
            if isinstance(value, str) and widget.options.get("dynamicPrompts"):
                value = one_prompt(value)
            if isinstance(value, str) and widget.name == "filename_prefix":
                value = file_name(value, self._named_value)
            values[widget.name] = _wrapped(value)
        return values

    def _named_value(self, name: str, widget: str) -> Any:
        """The value of a widget of another node, known by its search name or its title."""
        nodes = [node for scope in self.scopes for node in scope.nodes.values()]
        by_property = [n for n in nodes if (n.get("properties") or {}).get(_SEARCH_NAME) == name]
        for node in by_property or [n for n in nodes if n.get("title") == name]:
            stored = node.get("widgets_values") or []
            if node["type"] in self.classes:
                values = stored_values(self.classes[node["type"]], stored)
            else:
                values = {"value": stored[0]} if stored else {}  # of a primitive
            if widget in values:
                return values[widget]
        log.warning("the file name names %%%s.%s%%, which is not on the canvas", name, widget)
        return None

    # --- links

    def _input(self, scope: _Scope, node: Json, slot: int, kind: Any = None) -> _Found | None:
        """Follow an input's link to what really feeds it; None when nothing does.

        `kind` is the type of the input where the way began; a bypassed node passes on what fits.
        """
        entry = node["inputs"][slot]
        if entry.get("link") is None:
            return None
        link = scope.links.get(entry["link"])
        if link is None:
            raise _BrokenLinkError(
                f"link {entry['link']} is not in the file; connect the input anew"
            )
        if link.origin_id == _SUBGRAPH_IN and scope.outside is not None:
            return self._border(scope, scope.outside, link.origin_slot)
        origin = scope.nodes.get(str(link.origin_id))
        if origin is None:
            raise _BrokenLinkError(
                f"it is linked to node {scope.path}{link.origin_id}, which is not in the file; "
                "connect the input anew"
            )
        return self._output(scope, origin, link.origin_slot, kind or entry.get("type"))

    def _border(self, scope: _Scope, outside: _Outside, slot: int) -> _Found | None:
        """From inside a subgraph through its border: the outer link, or the widget shown there."""
        name = outside.inputs[slot]
        for outer_slot, entry in enumerate(outside.node.get("inputs") or []):
            if entry["name"] == name and entry.get("link") is not None:
                return self._input(outside.scope, outside.node, outer_slot)
        shown = [one for at, one in enumerate(outside.inputs) if _feeds_widget(scope, at)]
        stored = outside.node.get("widgets_values") or []
        if name in shown and shown.index(name) < len(stored):
            return _Found(_wrapped(stored[shown.index(name)]))
        return None

    def _output(self, scope: _Scope, node: Json, slot: int, kind: Any) -> _Found | None:
        """What an output of a drawn node stands for."""
        if node["type"] == "PrimitiveNode":
            stored = node.get("widgets_values") or []
            return _Found(_wrapped(stored[0])) if stored else None
        if node.get("mode", 0) == MUTED:
            return None
        if node.get("mode", 0) == BYPASSED:
            passed = _bypass_slot(node, slot, kind)
            return None if passed is None else self._input(scope, node, passed)
        if node["type"] == "Reroute":
            return self._input(scope, node, 0, kind)
        inner = self.inside.get(scope.id_of(node))
        if inner is None:
            return _Found([scope.id_of(node), slot])
        for link in inner.links.values():
            if (link.target_id, link.target_slot) == (_SUBGRAPH_OUT, slot):
                if link.origin_id == _SUBGRAPH_IN:
                    return self._input(scope, node, link.origin_slot, kind)
                origin = inner.nodes[str(link.origin_id)]
                return self._output(inner, origin, link.origin_slot, kind)
        return None


def _feeds_widget(scope: _Scope, border_slot: int) -> bool:
    """Whether a subgraph's input leads to a widget inside, which the outside then shows."""
    return any(
        scope.nodes[str(link.target_id)]["inputs"][link.target_slot].get("widget")
        for link in scope.links.values()
        if (link.origin_id, link.origin_slot) == (_SUBGRAPH_IN, border_slot)
        and str(link.target_id) in scope.nodes
    )


def _bypass_slot(node: Json, slot: int, kind: Any) -> int | None:
    """The input that a bypassed node passes on instead of an output, or None."""
    types = [entry.get("type") for entry in node.get("inputs") or []]
    if kind in ("*", "", None):
        return (slot if slot < len(types) else 0) if types else None
    out = node["outputs"][slot].get("type")
    fits = [_compatible(one, out) and _compatible(one, kind) for one in types]
    if slot < len(types) and fits[slot]:
        return slot
    if kind in types:
        return types.index(kind)
    return fits.index(True) if True in fits else None


def _compatible(one: Any, other: Any) -> bool:
    """Whether the canvas would connect two types: equal, one of a list, or anything."""
    if one in ("*", "", 0, None) or other in ("*", "", 0, None):
        return True
    names = [set(str(kind).lower().split(",")) for kind in (one, other)]
    return bool(names[0] & names[1])


def _wrapped(value: Any) -> Any:
    """A list as the API format wants it, where a bare list is a link."""
    return {"__value__": value} if isinstance(value, list) else value
