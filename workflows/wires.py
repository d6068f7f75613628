"""What really feeds an input of a canvas: links followed through all that only the canvas knows.

Reroutes, primitives, muted and bypassed nodes, the borders of subgraphs, and pairs of Set and Get
nodes (KJNodes, Easy-Use), which carry a value by its name.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .subgraphs import BYPASSED, MUTED, SUBGRAPH_IN, Link, Scope, is_within
from .widgets import Json

REROUTES = {"Reroute", "Reroute (rgthree)"}
SETTERS = {"SetNode", "easy setNode"}
GETTERS = {"GetNode", "easy getNode"}
PRIMITIVE = "PrimitiveNode"

# Of all inputs together, those that were looked through on the way too; a drawn canvas needs a few
# for each.
_MAX_STEPS = 2_000_000
_MOST_IDS = 10  # in a message


class Found(NamedTuple):
    """What feeds an input, as the API format holds it: [node id, output], or a constant."""

    value: Any


class BrokenLinkError(LookupError):
    """A link of the canvas that leads nowhere, or to several places."""


class _Place(NamedTuple):
    """An input of a node."""

    scope: Scope
    node: Json
    slot: int


class Wires:
    """The links of a canvas and of the subgraphs on it.

    `stored` gives the values of a node's widgets, as far as its class is known.
    """

    def __init__(self, scopes: Iterable[Scope], stored: Callable[[Scope, Json], Json]) -> None:
        self._stored = stored
        self._inside = {scope.path: scope for scope in scopes}
        self._setters: dict[str, dict[str, list[Json]]] = {}  # by scope, by name
        self._steps = 0

    def source(self, scope: Scope, node: Json, slot: int) -> Found | None:
        """Follow an input's link to what really feeds it; None when nothing does.

        Raises BrokenLinkError.
        """
        place = _Place(scope, node, slot)
        seen: set[tuple[str, str, int]] = set()
        kind = None  # the type where the way began; a bypassed node passes on what fits
        shown: Found | None = None  # the value on the outside of the subgraphs come through
        while True:
            scope, node, slot = place
            self._count(seen, (scope.path, str(node["id"]), slot))
            link = _link(place)
            if link is None:
                return shown
            kind = kind or node["inputs"][slot].get("type")
            if link.origin_id == SUBGRAPH_IN and scope.outside is not None:
                name = _border(scope, link)
                shown = self._at_border(scope, name) or shown
                following: _Place | Found | None = self._slot(
                    scope.outside.scope, scope.outside.node, name
                )
                kind = None
            else:
                shown = None
                following = self._behind(scope, link, kind)
            if not isinstance(following, _Place):
                return following or shown
            place = following

    def _at_border(self, scope: Scope, name: str) -> Found | None:
        """The value of a subgraph's input: its own, or else that of the first widget behind it."""
        outside = scope.outside
        while outside is not None and name not in outside.shown.inputs:
            if name not in outside.first:
                return None
            node_id, name = outside.first[name]
            node = scope.nodes[node_id]
            inner = self._inside.get(f"{scope.id_of(node)}:")
            if inner is None:
                stored = self._stored(scope, node)
                return Found(wrapped(stored[name])) if name in stored else None
            scope, outside = inner, inner.outside
        return Found(wrapped(outside.shown.inputs[name])) if outside is not None else None

    def _count(self, seen: set[Any], place: Any) -> None:
        if place in seen:
            raise BrokenLinkError("its link goes round in a circle; cut it")
        self._step()
        seen.add(place)

    def _step(self, count: int = 1) -> None:
        self._steps += count
        if self._steps > _MAX_STEPS:
            raise BrokenLinkError(
                "the links of the file pass through too many reroutes or inputs; remove some"
            )

    def _slot(self, scope: Scope, node: Json, name: str) -> _Place | None:
        """A subgraph node's input by its name."""
        self._step(len(node.get("inputs") or []))
        names = [entry["name"] for entry in node.get("inputs") or []]
        return _Place(scope, node, names.index(name)) if name in names else None

    def _behind(self, scope: Scope, link: Link, kind: Any) -> _Place | Found | None:
        """What the output of a drawn node that a link comes from stands for."""
        while True:
            node, slot = scope.nodes.get(str(link.origin_id)), link.origin_slot
            if node is None:
                raise BrokenLinkError(
                    f"it is linked to node {scope.path}{link.origin_id}, which is not in the file; "
                    "connect the input anew"
                )
            inner = self._inside.get(f"{scope.id_of(node)}:")
            if inner is None:
                return self._drawn(scope, node, slot, kind)
            through = inner.exits.get(slot)
            if through is None:
                return None
            if through.origin_id == SUBGRAPH_IN:
                return self._slot(scope, node, _border(inner, through))
            scope, link = inner, through

    def _drawn(self, scope: Scope, node: Json, slot: int, kind: Any) -> _Place | Found | None:
        mode, type_ = node.get("mode", 0), node["type"]
        if type_ == PRIMITIVE:
            stored = node.get("widgets_values") or []
            return Found(wrapped(first(stored))) if stored else None
        if mode == MUTED:
            return None
        if mode == BYPASSED:
            self._step(len(node.get("inputs") or []))
            passed = _bypass_slot(node, slot, kind)
            return None if passed is None else _Place(scope, node, passed)
        if type_ in REROUTES | SETTERS:
            return _Place(scope, node, 0) if node.get("inputs") else None
        if type_ in GETTERS:
            return self._set_by_name(scope, node)
        return Found([scope.id_of(node), slot])

    def _set_by_name(self, scope: Scope, getter: Json) -> _Place | None:
        """The input of the Set node of a Get node's name, here or around the subgraph."""
        name = first(getter.get("widgets_values") or [])
        place = f"the Get node {scope.id_of(getter)}"
        at: Scope | None = scope
        while at is not None:
            setters = self._setters_of(at).get(name, []) if isinstance(name, str) else []
            if len(setters) > 1:
                ids = ", ".join(at.id_of(setter) for setter in setters[:_MOST_IDS])
                ids += ", ..." * (len(setters) > _MOST_IDS)
                raise BrokenLinkError(
                    f"it comes from {place}, and several Set nodes are called {name!r} (nodes "
                    f"{ids}); rename all but one"
                )
            if setters:
                return _Place(at, setters[0], 0) if setters[0].get("inputs") else None
            at = at.outside.scope if at.outside is not None else None
        raise BrokenLinkError(
            f"it comes from {place}, and no Set node is called {name!r}; choose another name there"
        )

    def _setters_of(self, scope: Scope) -> dict[str, list[Json]]:
        """Set nodes by name. A muted one counts, as in ComfyUI, but not beside others."""
        if scope.path not in self._setters:
            found: dict[str, list[Json]] = {}
            for node in scope.nodes.values():
                name = first(node.get("widgets_values") or [])
                if node["type"] in SETTERS and isinstance(name, str):
                    found.setdefault(name, []).append(node)
            self._setters[scope.path] = {
                name: [one for one in nodes if one.get("mode", 0) not in (MUTED, BYPASSED)] or nodes
                for name, nodes in found.items()
            }
        return self._setters[scope.path]


def wrapped(value: Any) -> Any:
    """A list as the API format wants it, where a bare list is a link."""
    return {"__value__": value} if isinstance(value, list) else value


def first(stored: list[Any] | Json) -> Any:
    """The first of a node's stored values, None when there is none."""
    return next(iter(stored.values() if isinstance(stored, dict) else stored), None)


def _link(place: _Place) -> Link | None:
    """The link into an input, None when it has none."""
    number = place.node["inputs"][place.slot].get("link")
    if number is None:
        return None
    link = place.scope.links.get(number)
    if link is None:
        raise BrokenLinkError(f"link {number} is not in the file; connect the input anew")
    return link


def _border(scope: Scope, link: Link) -> str:
    """The name of the subgraph's input that a link inside comes from."""
    names = scope.outside.inputs if scope.outside is not None else []
    if not is_within(link.origin_slot, names):
        raise BrokenLinkError(
            f"it is linked to input {link.origin_slot} of its subgraph, which has {len(names)}; "
            "connect the input anew"
        )
    return names[link.origin_slot]


def _bypass_slot(node: Json, slot: int, kind: Any) -> int | None:
    """The input that a bypassed node passes on instead of an output, or None."""
    types = [entry.get("type") for entry in node.get("inputs") or []]
    if kind in ("*", "", None):
        return (slot if is_within(slot, types) else 0) if types else None
    outputs = node.get("outputs") or []
    if not is_within(slot, outputs):
        raise BrokenLinkError(
            f"it is linked to output {slot} of the bypassed node {node['id']}, which has "
            f"{len(outputs)}; connect the input anew"
        )
    out = outputs[slot].get("type")
    fits = [_compatible(one, out) and _compatible(one, kind) for one in types]
    if is_within(slot, types) and fits[slot]:
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
