"""The canvas format of workflow files (LiteGraph, version 0.4) -> the API format that runs.

The canvas holds what a person drew: nodes with positions and stored widget values, links by
number, notes, reroutes, muted and bypassed nodes, subgraphs. The API format holds what to run:
{node id: {"class_type", "inputs": {name: value or [node id, output]}, "_meta": {"title"}}}.
The rules are those of ComfyUI's own frontend (`graphToPrompt`).
"""

import logging
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .problems import Problem

Json = dict[str, Any]
Nodes = Mapping[str, type]

log = logging.getLogger(__name__)

MUTED, BYPASSED = 2, 4  # LiteGraph's node modes
NOTES = {"Note", "MarkdownNote"}
_SUBGRAPH_IN, _SUBGRAPH_OUT = -10, -20  # ids of a subgraph's two borders
_CONTROLS = ("fixed", "increment", "increment-wrap", "decrement", "randomize")
_WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def is_canvas(data: Any) -> bool:
    """Whether a JSON document is in the canvas format."""
    return isinstance(data, dict) and isinstance(data.get("nodes"), list) and "links" in data


def malformed(canvas: Json) -> list[Problem]:
    """What keeps a document that looks like a canvas from being read as one."""
    graphs = [("the canvas", canvas)]
    definitions = canvas.get("definitions") or {}
    subgraphs = definitions.get("subgraphs") or [] if isinstance(definitions, dict) else None
    if not isinstance(subgraphs, list):
        return [_damage("its definitions are no list of subgraphs")]
    found = []
    for number, graph in enumerate(subgraphs):
        if _is_shaped(graph, id=str, nodes=list):
            graphs.append((f"subgraph {graph['id']}", graph))
        else:
            found.append(f"subgraph number {number} is no definition with an id and nodes")
    for place, graph in graphs:
        for number, node in enumerate(graph["nodes"]):
            if not _is_shaped(node, id=(int, str), type=str):
                found.append(f"node number {number} of {place} has no id or no type")
            elif not _has_slots(node):
                found.append(f"node {node['id']} of {place} has inputs or values that are no lists")
        links = graph.get("links") or []
        if not isinstance(links, list):
            found.append(f"the links of {place} are {links!r}")
            continue
        for number, link in enumerate(links):
            if link and not _is_link(link):
                found.append(f"link number {number} of {place} is {link!r}")
    if found:
        return [_damage(one) for one in found]
    return [
        Problem(f"subgraph {name} contains itself; take it out of itself")
        for name in _recursive(dict(graphs[1:]).values())
    ]


def _damage(found: str) -> Problem:
    return Problem(f"{found}; the file is damaged, save it again in ComfyUI")


def _has_slots(node: Json) -> bool:
    slots = node.get("inputs") or []
    stored = node.get("widgets_values") or []
    return (
        isinstance(slots, list)
        and all(_is_shaped(slot, name=str) for slot in slots)
        and isinstance(stored, (list, dict))
    )


def _is_shaped(entry: Any, **kinds: type | tuple[type, ...]) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(name), kind) for name, kind in kinds.items()
    )


def _is_link(entry: Any) -> bool:
    if isinstance(entry, dict):
        return all(key in entry for key in _LINK_KEYS)
    return isinstance(entry, list) and len(entry) >= len(_LINK_KEYS)


def _recursive(definitions: Iterable[Json]) -> Iterator[str]:
    """The subgraphs that hold themselves, directly or through others."""
    holds = {one["id"]: {node["type"] for node in one["nodes"]} for one in definitions}
    for name in holds:
        reached, front = set(), {name}
        while front:
            front = {inner for outer in front for inner in holds[outer] & holds.keys()} - reached
            reached |= front
        if name in reached:
            yield name


def to_prompt(canvas: Json, nodes: Nodes) -> tuple[Json, list[Problem]]:
    """Convert a canvas to the API format.

    Seeds are taken as they stand in the file: ComfyUI changes them (`control_after_generate`)
    after a run, for the next one. Texts go through the frontend's replacements: comments and
    {one|of|these} in prompts, %date:yyyy-MM-dd% and %Node.input% in file names.

    Args:
        nodes: class name -> V1 class; tells which inputs are widgets, in what order.

    Returns: the API format, and what is wrong with the canvas itself (broken links, group nodes).
    A node of an unknown class keeps its links, so that the checks can name it.
    """
    scopes = _Scopes(canvas)
    prompt, problems = {}, []
    for scope in scopes.all:
        for node in scope.nodes.values():
            if _runs(node, scopes):
                entry = _Entry(scope, node, scopes, nodes)
                prompt[scope.id_of(node)] = entry.convert()
                problems += entry.problems
    return prompt, problems


def set_widget(canvas: Json, node_id: str, name: str, value: Any, nodes: Nodes) -> bool:
    """Write a widget's value into the canvas, in place, and cut the link that fed it.

    False when the canvas has no such place: a node inside a subgraph, a widget not stored.
    """
    node = next((node for node in canvas["nodes"] if str(node["id"]) == node_id), None)
    if node is None or node["type"] not in nodes:
        return False
    stored = node.get("widgets_values") or []
    place = widget_places(nodes[node["type"]], stored).get(name)
    if place is None:
        return False
    stored[place] = value
    for slot in node.get("inputs") or []:
        if slot["name"] == name:
            _cut(canvas, slot)
    return True


def replace_node(canvas: Json, node_id: str, kind: str, title: str, values: list) -> bool:
    """Put another node in a node's place, in place: same outputs, no input linked.

    False when the canvas has no such node at its top level.
    """
    node = next((node for node in canvas["nodes"] if str(node["id"]) == node_id), None)
    if node is None:
        return False
    for slot in node.get("inputs") or []:
        _cut(canvas, slot)
    properties = {"Node name for S&R": kind}
    node.update(type=kind, title=title, inputs=[], widgets_values=values, properties=properties)
    return True


def _cut(canvas: Json, slot: Json) -> None:
    link = slot.get("link")
    if link is None:
        return
    slot["link"] = None
    canvas["links"] = [entry for entry in canvas["links"] if _Link.read(entry).id != link]
    for node in canvas["nodes"]:
        for output in node.get("outputs") or []:
            output["links"] = [one for one in output.get("links") or [] if one != link]


# --- widgets -------------------------------------------------------------------------------------


def widget_inputs(kind: type) -> Iterator[tuple[str, Any, Json]]:
    """The inputs of a class that the canvas shows as widgets: name, type, options; in order."""
    inputs = kind.INPUT_TYPES()
    for group in ("required", "optional"):
        for name, spec in inputs.get(group, {}).items():
            options = spec[1] if len(spec) > 1 else {}
            is_widget = isinstance(spec[0], (list, tuple)) or spec[0] in _WIDGETS
            if is_widget and not options.get("forceInput"):
                yield name, spec[0], options


def widget_places(kind: type, stored: Sequence | Mapping) -> dict[str, int | str]:
    """Where in a node's `widgets_values` each widget's value lies: an index, or a key.

    A seed is followed by its `control_after_generate`, a choice with such a control also by a
    filter; the button of a file upload comes last. A file from an older version of a node may
    hold fewer values than the node has widgets.
    """
    if isinstance(stored, Mapping):
        return {name: name for name, _, _ in widget_inputs(kind) if name in stored}
    places: dict[str, int | str] = {}
    position, buttons = 0, 0
    for name, widget, options in widget_inputs(kind):
        if position >= len(stored):
            break
        places[name] = position
        position += 1 + _control_values(name, widget, options, stored[position + 1 :])
        buttons += any(option.endswith("_upload") for option in options)
    if len(stored) > position + buttons:
        log.warning(
            "%s: the workflow stores %d values more than the node has widgets; they are ignored",
            *(kind.__name__, len(stored) - position - buttons),
        )
    return places


def _control_values(name: str, widget: Any, options: Json, following: Sequence) -> int:
    """How many values after a widget's own belong to its control."""
    controlled = options.get("control_after_generate", widget == "INT" and name in _SEEDS)
    if not controlled or not following:
        return 0
    # Old files hold True or False, still older ones nothing.
    if not isinstance(following[0], bool) and following[0] not in _CONTROLS:
        return 0
    return 1 if widget in ("INT", "FLOAT") else 2


_SEEDS = ("seed", "noise_seed")


def _default(widget: Any, options: Json) -> Any:
    """What the canvas shows in a new node."""
    choices = widget if isinstance(widget, (list, tuple)) else options.get("options", [])
    fallback = {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}
    first = choices[0] if choices else None
    return options.get("default", fallback.get(widget) if isinstance(widget, str) else first)


# --- nodes ---------------------------------------------------------------------------------------


class _Link(NamedTuple):
    id: Any
    origin: Any
    origin_slot: int
    target: Any
    target_slot: int

    @classmethod
    def read(cls, entry: Sequence | Json) -> "_Link":
        """From [id, from, slot, to, slot, type], or from the same by name in newer files."""
        if isinstance(entry, Mapping):
            return cls(*(entry[key] for key in _LINK_KEYS))
        return cls(*entry[:5])


_LINK_KEYS = ("id", "origin_id", "origin_slot", "target_id", "target_slot")


@dataclass(eq=False)
class _Scope:
    """The canvas, or the inside of one subgraph node on it."""

    nodes: dict[str, Json]
    links: dict[Any, _Link]
    path: str = ""  # "12:" for the inside of node 12
    outer: "_Scope | None" = None
    host: Json | None = None  # the subgraph node this is the inside of
    definition: Json = field(default_factory=dict)

    @classmethod
    def read(cls, graph: Json, **place: Any) -> "_Scope":
        links = (_Link.read(entry) for entry in graph.get("links") or [] if entry)
        return cls(
            {str(node["id"]): node for node in graph["nodes"]},
            {link.id: link for link in links},
            **place,
        )

    def id_of(self, node: Json) -> str:
        return f"{self.path}{node['id']}"


class _Scopes:
    """All scopes of a canvas, and the subgraphs that open them."""

    def __init__(self, canvas: Json) -> None:
        definitions = (canvas.get("definitions") or {}).get("subgraphs") or []
        self.subgraphs = {definition["id"]: definition for definition in definitions}
        self.inside: dict[str, _Scope] = {}  # id of a subgraph node -> its inside
        self.all: list[_Scope] = []
        self._open(_Scope.read(canvas))

    def _open(self, scope: _Scope) -> None:
        self.all.append(scope)
        for node in scope.nodes.values():
            definition = self.subgraphs.get(node["type"])
            if definition is not None and node.get("mode", 0) not in (MUTED, BYPASSED):
                inner = _Scope.read(
                    definition,
                    path=f"{scope.id_of(node)}:",
                    outer=scope,
                    host=node,
                    definition=definition,
                )
                self.inside[scope.id_of(node)] = inner
                self._open(inner)


def _runs(node: Json, scopes: _Scopes) -> bool:
    drawn_only = NOTES | {"Reroute", "PrimitiveNode"} | scopes.subgraphs.keys()
    return node["type"] not in drawn_only and node.get("mode", 0) not in (MUTED, BYPASSED)


class _Source(NamedTuple):
    """The output of a node that runs."""

    node: str
    slot: int


class _Constant(NamedTuple):
    """A value that comes along a link: from a primitive node or a subgraph's widget."""

    value: Any


class _BrokenLinkError(LookupError):
    """A link of the canvas that leads nowhere."""


@dataclass(eq=False)
class _Entry:
    """One node of the canvas on its way to the API format."""

    scope: _Scope
    node: Json
    scopes: _Scopes
    nodes: Nodes
    problems: list[Problem] = field(default_factory=list)

    def convert(self) -> Json:
        """The node's entry; what is wrong with it goes to `problems`."""
        kind = self.nodes.get(self.node["type"])
        if self.node["type"].startswith(("workflow>", "workflow/")):
            self._problem("a group node; convert it to a subgraph or to its nodes in ComfyUI")
        inputs = {} if kind is None else self._widget_values(kind)
        for slot, entry in enumerate(self.node.get("inputs") or []):
            try:
                found = _resolve_input(self.scopes, self.scope, self.node, slot)
            except _BrokenLinkError as broken:
                self._problem(str(broken), entry["name"])
                continue
            except RecursionError:
                self._problem("its link goes round in a circle; cut it", entry["name"])
                continue
            if isinstance(found, _Source):
                inputs[entry["name"]] = [found.node, found.slot]
            elif isinstance(found, _Constant):
                inputs[entry["name"]] = _wrapped(found.value)
        return {"inputs": inputs, "class_type": self.node["type"], "_meta": {"title": self.title}}

    @property
    def title(self) -> str:
        """What the canvas shows as the node's name."""
        kind = self.nodes.get(self.node["type"])
        return self.node.get("title") or getattr(kind, "DISPLAY_NAME", None) or self.node["type"]

    def _problem(self, message: str, name: str = "") -> None:
        place = (self.scope.id_of(self.node), self.title, self.node["type"], name)
        self.problems.append(Problem(message, *place))

    def _widget_values(self, kind: type) -> Json:
        stored = self.node.get("widgets_values") or []
        places = widget_places(kind, stored)
        values = {}
        for name, widget, options in widget_inputs(kind):
            value = stored[places[name]] if name in places else _default(widget, options)
            if isinstance(value, str) and options.get("dynamicPrompts"):
                value = one_prompt(value)
            if isinstance(value, str) and name == "filename_prefix":
                value = self._file_name(value)
            values[name] = _wrapped(value)
        return values

    def _file_name(self, text: str) -> str:
        """%date:...% and %Node.input% replaced; the node by its `Node name for S&R` or title."""

        def replacement(match: re.Match) -> str:
            mark = match.group(1)
            if mark.startswith("date:"):
                return _date(mark.removeprefix("date:"))
            name, dot, widget = mark.partition(".")
            value = self._named_value(name, widget) if dot else None
            return match.group(0) if value is None else re.sub(_NOT_IN_FILES, "_", str(value))

        return re.sub("%([^%]+)%", replacement, text)

    def _named_value(self, name: str, widget: str) -> Any:
        nodes = [node for scope in self.scopes.all for node in scope.nodes.values()]
        by_property = [n for n in nodes if (n.get("properties") or {}).get(_SEARCH_NAME) == name]
        for node in by_property or [n for n in nodes if n.get("title") == name]:
            stored = node.get("widgets_values") or []
            places: Mapping[str, int | str] = {"value": 0} if stored else {}  # of a primitive
            if node["type"] in self.nodes:
                places = widget_places(self.nodes[node["type"]], stored)
            if widget in places:
                return stored[places[widget]]
        log.warning("the file name names %%%s.%s%%, which is not on the canvas", name, widget)
        return None


_SEARCH_NAME = "Node name for S&R"
_NOT_IN_FILES = r'[/?<>\\:*|"\x00-\x1f\x7f]'


def _wrapped(value: Any) -> Any:
    """A list as the API format wants it, where a bare list is a link."""
    return {"__value__": value} if isinstance(value, list) else value


# --- links ---------------------------------------------------------------------------------------

_Found = _Source | _Constant | None


def _resolve_input(
    scopes: _Scopes, scope: _Scope, node: Json, slot: int, kind: Any = None
) -> _Found:
    """Follow an input's link to what really feeds it; None when nothing does.

    Args:
        kind: type of the input where the way began; a bypassed node passes on what fits it.
    """
    entry = node["inputs"][slot]
    if entry.get("link") is None:
        return None
    link = scope.links.get(entry["link"])
    if link is None:
        raise _BrokenLinkError(f"link {entry['link']} is not in the file; connect the input anew")
    if link.origin == _SUBGRAPH_IN:
        return _resolve_border(scopes, scope, link.origin_slot)
    origin = scope.nodes.get(str(link.origin))
    if origin is None:
        raise _BrokenLinkError(
            f"it is linked to node {scope.path}{link.origin}, which is not in the file; connect "
            "the input anew"
        )
    return _resolve_output(scopes, scope, origin, link.origin_slot, kind or entry.get("type"))


def _resolve_border(scopes: _Scopes, scope: _Scope, border_slot: int) -> _Found:
    """From inside a subgraph through its border: the outer link, or the widget shown outside."""
    host, names = scope.host, [entry["name"] for entry in scope.definition["inputs"]]
    name = names[border_slot]
    for host_slot, entry in enumerate(host.get("inputs") or []):
        if entry["name"] == name and entry.get("link") is not None:
            return _resolve_input(scopes, scope.outer, host, host_slot)
    shown = [names[slot] for slot in range(len(names)) if _feeds_widget(scope, slot)]
    stored = host.get("widgets_values") or []
    if name in shown and shown.index(name) < len(stored):
        return _Constant(stored[shown.index(name)])
    return None


def _feeds_widget(scope: _Scope, border_slot: int) -> bool:
    """Whether a subgraph's input leads to a widget inside, which the outside then shows."""
    ends = [
        scope.nodes[str(link.target)]["inputs"][link.target_slot]
        for link in scope.links.values()
        if (link.origin, link.origin_slot) == (_SUBGRAPH_IN, border_slot)
        and str(link.target) in scope.nodes
    ]
    return any(entry.get("widget") for entry in ends)


def _resolve_output(scopes: _Scopes, scope: _Scope, node: Json, slot: int, kind: Any) -> _Found:
    """What an output of a drawn node stands for."""
    if node["type"] == "PrimitiveNode":
        stored = node.get("widgets_values") or []
        return _Constant(stored[0]) if stored else None
    if node.get("mode", 0) == MUTED:
        return None
    if node.get("mode", 0) == BYPASSED:
        passed = _bypass_slot(node, slot, kind)
        return None if passed is None else _resolve_input(scopes, scope, node, passed)
    if node["type"] == "Reroute":
        return _resolve_input(scopes, scope, node, 0, kind)
    inner = scopes.inside.get(scope.id_of(node))
    if inner is None:
        return _Source(scope.id_of(node), slot)
    for link in inner.links.values():
        if (link.target, link.target_slot) == (_SUBGRAPH_OUT, slot):
            if link.origin == _SUBGRAPH_IN:
                return _resolve_input(scopes, scope, node, link.origin_slot, kind)
            origin = inner.nodes[str(link.origin)]
            return _resolve_output(scopes, inner, origin, link.origin_slot, kind)
    return None


def _bypass_slot(node: Json, slot: int, kind: Any) -> int | None:
    """The input that a bypassed node passes on in place of an output, or None."""
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


# --- texts ---------------------------------------------------------------------------------------


def one_prompt(text: str) -> str:
    r"""One prompt out of a dynamic one: comments gone, one choice of every {this|or|that} made.

    // and /* */ are comments; \{ \| \} stand for the characters themselves.
    """
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    return re.sub(r"\\([{}|])", r"\1", _choose(text))


def _choose(text: str) -> str:
    result, rest = "", text
    while match := re.search(r"\\.|\{", rest, flags=re.DOTALL):
        result += rest[: match.start()]
        rest = rest[match.end() :]
        if match.group() != "{":
            result += match.group()
            continue
        options, rest = _options(rest)
        result += _choose(random.choice(options))
    return result + rest


def _options(text: str) -> tuple[list[str], str]:
    """The choices up to the closing bracket, and what follows it."""
    options, depth = [""], 0
    for match in re.finditer(r"\\.|.", text, flags=re.DOTALL):
        character = match.group()
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return options, text[match.end() :]
        if character == "|" and depth == 0:
            options.append("")
        else:
            options[-1] += character
    return options, ""


def _date(pattern: str) -> str:
    """Now, in the frontend's pattern: yyyy yy MM M dd d hh h mm m ss s."""
    now = time.localtime()
    values = {
        "d": now.tm_mday,
        "M": now.tm_mon,
        "h": now.tm_hour,
        "m": now.tm_min,
        "s": now.tm_sec,
    }

    def part(match: re.Match) -> str:
        mark = match.group()
        if mark[0] == "y":
            return {"yyyy": f"{now.tm_year}", "yy": f"{now.tm_year % 100:02}"}.get(mark, mark)
        return f"{values[mark[0]]:0{len(mark)}}"

    return re.sub("dd?|MM?|hh?|mm?|ss?|yyy?y?", part, pattern)
