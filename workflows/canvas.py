"""The canvas format of workflow files (LiteGraph, version 0.4) -> the API format that runs.

The canvas holds what a person drew: nodes with positions and stored widget values, links by
number, notes, reroutes, muted and bypassed nodes, subgraphs. The API format holds what to run:
{node id: {"class_type", "inputs": {name: value or [node id, output]}, "_meta": {"title"}}}.
The rules are those of ComfyUI's own frontend (`graphToPrompt`).
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from .canvas_edits import SEARCH_NAME
from .core_nodes.node_class import Nodes
from .problems import Problem, described
from .subgraphs import BYPASSED, MUTED, Scope, scopes, subgraphs
from .texts import filled_in
from .widgets import Json, stored_values, widget_inputs
from .wires import GETTERS, PRIMITIVE, REROUTES, SETTERS, BrokenLinkError, Wires, first, wrapped

log = logging.getLogger(__name__)

NOTES = {"Note", "MarkdownNote"}
# What other packs put beside the nodes that run, as ComfyUI's page sees it.
_DECORATIONS = {
    f"{name} (rgthree)"
    for name in (
        *("Label", "Bookmark", "Fast Muter", "Fast Bypasser", "Fast Groups Muter"),
        *("Fast Groups Bypasser", "Fast Actions Button", "Mute / Bypass Repeater"),
        *("Mute / Bypass Relay", "Node Collector"),
    )
}
_UNMUTER = "Random Unmuter (rgthree)"  # the page switches nodes on and off by it at every run
_DRAWN_ONLY = NOTES | _DECORATIONS | {_UNMUTER} | REROUTES | SETTERS | GETTERS | {PRIMITIVE}
_EVERYWHERE = {
    *("Anything Everywhere", "Anything Everywhere?", "Anything Everywhere3"),
    *("Prompts Everywhere", "Seed Everywhere"),
}


def is_canvas(data: Any) -> bool:
    """Whether a JSON document is in the canvas format."""
    return isinstance(data, dict) and isinstance(data.get("nodes"), list) and "links" in data


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


# --- conversion -----------------------------------------------------------------------------------


class _Conversion:
    """A canvas on its way to the API format: its scopes, what its links really come from."""

    def __init__(self, canvas: Json, nodes: Nodes) -> None:
        self.classes = nodes
        self.subgraphs = subgraphs(canvas)
        self.scopes = list(scopes(canvas))
        self.wires = Wires(self.scopes, self._stored)
        self.problems: list[Problem] = []
        if any(node["type"] == _UNMUTER for scope in self.scopes for node in scope.nodes.values()):
            log.warning(
                "%s works in the browser only; nodes run as they stand in the file", _UNMUTER
            )

    def entry(self, scope: Scope, node: Json) -> Json:
        """A node in the API format; what is wrong with it goes to `problems`."""
        title = self._title(node)
        place = described(scope.id_of(node), title, node["type"])
        slots = node.get("inputs") or []

        def report(message: str, name: str = "") -> None:
            self.problems.append(Problem(message, scope.id_of(node), place, name))

        if node["type"].startswith(("workflow>", "workflow/")):
            report("a group node; convert it to a subgraph or to its nodes in ComfyUI")
        if node["type"] in _EVERYWHERE:
            report(
                "it connects inputs without links, which the embedded engine cannot follow; draw "
                "the links, or export the workflow from ComfyUI in the API format, which has them"
            )
        shown = _shown_outside(scope, node)
        inputs = self._stored(scope, node)
        for slot, entry in enumerate(slots):
            if entry["name"] in shown:
                continue  # the frontend, too, lets the value outside win over a link inside
            try:
                found = self.wires.source(scope, node, slot)
            except BrokenLinkError as broken:
                report(str(broken), entry["name"])
            else:
                if found is not None:
                    inputs[entry["name"]] = found.value
        self._fill_in(node, inputs)
        return {"inputs": inputs, "class_type": node["type"], "_meta": {"title": title}}

    def _title(self, node: Json) -> str:
        """What the canvas shows as the node's name."""
        kind = self.classes.get(node["type"])
        return node.get("title") or getattr(kind, "DISPLAY_NAME", None) or node["type"]

    def _stored(self, scope: Scope, node: Json) -> Json:
        """The values of its widgets, or those that stand on the outside of the subgraph around."""
        kind = self.classes.get(node["type"])
        if kind is None:
            return {}
        stored = stored_values(kind, node.get("widgets_values") or [])
        stored |= _shown_outside(scope, node)
        return {w.name: wrapped(stored.get(w.name, w.default)) for w in widget_inputs(kind)}

    def _fill_in(self, node: Json, inputs: Json) -> None:
        """Fill in texts, in place, also those that come from a primitive or stand outside."""
        kind = self.classes.get(node["type"])
        for widget in widget_inputs(kind) if kind else ():
            inputs[widget.name] = filled_in(widget, inputs[widget.name], self._named_value)

    def _named_value(self, name: str, widget: str) -> Any:
        """The value of a widget of another node, known by its search name or its title."""
        for node in self._by_search_name.get(name) or self._by_title.get(name, []):
            stored = node.get("widgets_values") or []
            if node["type"] in self.classes:
                values = stored_values(self.classes[node["type"]], stored)
            else:
                values = {"value": first(stored)} if stored else {}  # of a primitive
            if widget in values:
                return values[widget]
        log.warning("the file name names %%%s.%s%%, which is not on the canvas", name, widget)
        return None

    @functools.cached_property
    def _by_search_name(self) -> dict[str, list[Json]]:
        return self._grouped(lambda node: (node.get("properties") or {}).get(SEARCH_NAME))

    @functools.cached_property
    def _by_title(self) -> dict[str, list[Json]]:
        return self._grouped(lambda node: node.get("title"))

    def _grouped(self, name_of: Callable[[Json], Any]) -> dict[str, list[Json]]:
        groups: dict[str, list[Json]] = {}
        for scope in self.scopes:
            for node in scope.nodes.values():
                if isinstance(name := name_of(node), str):
                    groups.setdefault(name, []).append(node)
        return groups


def _shown_outside(scope: Scope, node: Json) -> Json:
    """The values of a node's widgets that stand on the outside of the subgraph around it."""
    if scope.outside is None:
        return {}
    shown = scope.outside.shown.inner.items()
    return {name: value for (owner, name), value in shown if owner == str(node["id"])}
