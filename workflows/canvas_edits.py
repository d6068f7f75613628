"""Changes to a canvas, in place: so that an image carries the values it was made with."""

from typing import Any

from .core_nodes.node_class import Nodes
from .subgraphs import Link
from .widgets import Json, store_value

SEARCH_NAME = "Node name for S&R"  # the property by which file names know a node


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
    properties = {SEARCH_NAME: kind}
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
