"""What keeps a document that looks like a canvas from being read as one."""

from collections.abc import Iterator, Mapping
from typing import Any

from .canvas import Json, Link, subgraphs
from .problems import Problem


def damage(canvas: Json) -> list[Problem]:
    """Everything about its form that is not as ComfyUI saves it; a subgraph that holds itself."""
    found = list(_in_graphs(canvas))
    if found:
        return [Problem(f"{one}; the file is damaged, save it again in ComfyUI") for one in found]
    return [
        Problem(f"subgraph {name} contains itself; take it out of itself")
        for name in _recursive(subgraphs(canvas))
    ]


def _in_graphs(canvas: Json) -> Iterator[str]:
    definitions = canvas.get("definitions") or {}
    inner = definitions.get("subgraphs") or [] if isinstance(definitions, dict) else None
    if not isinstance(inner, list):
        yield "its definitions are no list of subgraphs"
        return
    yield from _in_graph("the canvas", canvas)
    for number, graph in enumerate(inner):
        if is_shaped(graph, id=str, nodes=list):
            yield from _in_graph(f"subgraph {graph['id']}", graph)
        else:
            yield f"subgraph number {number} is no definition with an id and nodes"


def _in_graph(place: str, graph: Json) -> Iterator[str]:
    for number, node in enumerate(graph["nodes"]):
        if not is_shaped(node, id=(int, str), type=str):
            yield f"node number {number} of {place} has no id or no type"
        elif not _has_slots(node):
            yield f"node {node['id']} of {place} has inputs or values that are no lists"
    links = graph.get("links") or []
    if not isinstance(links, list):
        yield f"the links of {place} are {links!r}"
        return
    for number, link in enumerate(links):
        if link and not _is_link(link):
            yield f"link number {number} of {place} is {link!r}"


def _has_slots(node: Json) -> bool:
    slots = node.get("inputs") or []
    stored = node.get("widgets_values") or []
    return (
        isinstance(slots, list)
        and all(is_shaped(slot, name=str) for slot in slots)
        and isinstance(stored, (list, dict))
    )


def is_shaped(entry: Any, **kinds: type | tuple[type, ...]) -> bool:
    """Whether a part of a document is an object whose entries of these names are of these types."""
    return isinstance(entry, dict) and all(
        isinstance(entry.get(name), kind) for name, kind in kinds.items()
    )


def _is_link(entry: Any) -> bool:
    if isinstance(entry, dict):
        return all(key in entry for key in Link._fields)
    return isinstance(entry, list) and len(entry) >= len(Link._fields)


def _recursive(definitions: Mapping[str, Json]) -> Iterator[str]:
    """The subgraphs that hold themselves, directly or through others."""
    holds = {name: {node["type"] for node in one["nodes"]} for name, one in definitions.items()}
    for name in holds:
        reached: set[str] = set()
        front = {name}
        while front:
            front = {inner for outer in front for inner in holds[outer] & holds.keys()} - reached
            reached |= front
        if name in reached:
            yield name
