"""What keeps a document that looks like a workflow from being read as one."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from .problems import Problem
from .subgraphs import Link, shown_widgets, subgraphs
from .widgets import Json

# After every subgraph was put in its place; drawn by hand are hundreds, of depth two or three.
MAX_NODES = 20_000
MAX_NESTED = 50

_AGAIN = "the file is damaged, save it again in ComfyUI"


def damage(canvas: Json) -> list[Problem]:
    """Everything about its form that is not as ComfyUI saves it; a subgraph that holds itself.

    A canvas without any can be opened: it stays within MAX_NODES.
    """
    found = list(_in_graphs(canvas))
    if found:
        return [Problem(f"{one}; {_AGAIN}") for one in found]
    return list(_too_much(canvas, subgraphs(canvas)))


def prompt_damage(prompt: Json) -> list[Problem]:
    """The same of a document in the API format."""
    found = [
        f"node {node[:_LONGEST]} {reason}"
        for node, entry in prompt.items()
        if (reason := _in_entry(entry))
    ]
    if len(prompt) > MAX_NODES:
        found.append(f"it has {len(prompt):,} nodes; {MAX_NODES:,} can be run at most")
    return [Problem(f"{one}; export it again in ComfyUI") for one in found]


_LONGEST = 40  # of what is quoted in a message


def _in_entry(entry: Any) -> str:
    if not is_shaped(entry, class_type=str, inputs=dict):
        return "has no class_type or no inputs"
    meta = entry.get("_meta") or {}
    if not isinstance(meta, dict) or not isinstance(meta.get("title") or "", str):
        return f"has {_quoted(meta)} as its _meta, where its title belongs"
    return ""


def _in_graphs(canvas: Json) -> Iterator[str]:
    definitions = canvas.get("definitions") or {}
    inner = definitions.get("subgraphs") or [] if isinstance(definitions, dict) else None
    if not isinstance(inner, list):
        yield "its definitions are no list of subgraphs"
        return
    kinds = {one["id"] for one in inner if is_shaped(one, id=str)}
    yield from _in_graph("the canvas", canvas, kinds)
    for number, graph in enumerate(inner):
        if is_shaped(graph, id=str, nodes=list):
            place = f"subgraph {graph['id'][:_LONGEST]}"
            if not _are_slots(graph.get("inputs")):
                yield f"the inputs of {place} are no list of names"
            yield from _in_graph(place, graph, kinds)
        else:
            yield f"subgraph number {number} is no definition with an id and nodes"


def _in_graph(place: str, graph: Json, kinds: set[str]) -> Iterator[str]:
    for number, node in enumerate(graph["nodes"]):
        if not is_shaped(node, id=(int, str), type=str):
            yield f"node number {number} of {place} has no id or no type"
        elif reason := _in_node(node, kinds):
            yield f"node {str(node['id'])[:_LONGEST]} of {place} {reason}"
    ids = Counter(str(node["id"]) for node in graph["nodes"] if is_shaped(node, id=(int, str)))
    for name, count in ids.items():
        if count > 1:
            yield f"{count} nodes of {place} have the id {name[:_LONGEST]}"
    links = graph.get("links") or []
    if not isinstance(links, list):
        yield f"the links of {place} are {_quoted(links)}"
        return
    for number, link in enumerate(links):
        if link and not _is_link(link):
            yield f"link number {number} of {place} is {_quoted(link)}"


def _in_node(node: Json, kinds: set[str]) -> str:
    stored = node.get("widgets_values") or []
    if not _are_slots(node.get("inputs")) or not isinstance(stored, (list, dict)):
        return "has inputs or values that are no lists"
    outputs = node.get("outputs") or []
    if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
        return "has outputs that are no list"
    for slot in outputs:
        links = slot.get("links") or []
        if not isinstance(links, list) or not all(map(_is_scalar, links)):
            return f"has an output with the links {_quoted(slot['links'])}"
    if not isinstance(node.get("title") or "", str):
        return f"has the title {_quoted(node['title'])}"
    if not isinstance(node.get("properties") or {}, dict):
        return f"has the properties {_quoted(node['properties'])}"
    if node["type"] in kinds:
        if isinstance(stored, dict) and stored:
            return "is a subgraph whose values have names and no order"
        try:
            shown_widgets(node)
        except (ValueError, RecursionError) as error:
            entries = _quoted(node["properties"]["proxyWidgets"])
            return f"is a subgraph with the proxyWidgets {entries} ({error})"
    return ""


def _are_slots(slots: Any) -> bool:
    """Whether these are a node's inputs: objects with a name and what they need more."""
    return isinstance(slots or [], list) and all(
        is_shaped(slot, name=str)
        and _is_scalar(slot.get("link"))
        and isinstance(slot.get("linkIds") or [], list)
        and all(map(_is_scalar, slot.get("linkIds") or []))
        and (not slot.get("widget") or is_shaped(slot["widget"], name=str))
        for slot in slots or []
    )


def is_shaped(entry: Any, **kinds: type | tuple[type, ...]) -> bool:
    """Whether a part of a document is an object whose entries of these names are of these types."""
    return isinstance(entry, dict) and all(
        isinstance(entry.get(name), kind) for name, kind in kinds.items()
    )


def _is_link(entry: Any) -> bool:
    if isinstance(entry, dict):
        if any(key not in entry for key in Link._fields):
            return False
    elif not isinstance(entry, list) or len(entry) < len(Link._fields):
        return False
    return all(map(_is_scalar, Link.read(entry)))


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, (list, dict))


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 2 * _LONGEST else f"{text[: 2 * _LONGEST]}…"


def _too_much(canvas: Json, definitions: Mapping[str, Json]) -> Iterator[Problem]:
    """Whether opening the subgraphs would give too many nodes, or never end."""
    order = _innermost_first(definitions)
    if len(order) < len(definitions):
        endless = _one_in_itself(definitions, definitions.keys() - set(order))
        yield Problem(f"subgraph {endless} contains itself; take it out of itself")
        return
    sizes: dict[str, tuple[int, int]] = {}  # nodes and depth of an opened subgraph

    def size(graph: Json) -> tuple[int, int]:
        inner = [sizes[node["type"]] for node in graph["nodes"] if node["type"] in sizes]
        nodes = len(graph["nodes"]) + sum(count for count, _ in inner)
        # No more than the limit, or numbers of thousands of digits would arise.
        return min(nodes, 10**9), 1 + max((depth for _, depth in inner), default=0)

    for name in order:
        sizes[name] = size(definitions[name])
    nodes, depth = size(canvas)
    if nodes > MAX_NODES:
        more = "" if nodes < 10**9 else "or more "
        yield Problem(
            f"with its subgraphs opened the workflow has {nodes:,} {more}nodes; {MAX_NODES:,} can "
            "be run at most"
        )
    if depth > MAX_NESTED:
        yield Problem(
            f"its subgraphs lie {depth - 1} deep in each other; {MAX_NESTED} can be run at most"
        )


def _innermost_first(definitions: Mapping[str, Json]) -> list[str]:
    """The subgraphs, each after those that it holds; without those that hold themselves."""
    holds = {name: _held(definitions, name) for name in definitions}
    holders: dict[str, list[str]] = {name: [] for name in definitions}
    for name, inner in holds.items():
        for one in inner:
            holders[one].append(name)
    missing = {name: len(inner) for name, inner in holds.items()}
    order = [name for name, count in missing.items() if not count]
    for name in order:  # which grows meanwhile
        for holder in holders[name]:
            missing[holder] -= 1
            if not missing[holder]:
                order.append(holder)
    return order


def _held(definitions: Mapping[str, Json], name: str) -> set[str]:
    return {node["type"] for node in definitions[name]["nodes"]} & definitions.keys()


def _one_in_itself(definitions: Mapping[str, Json], endless: set[str]) -> str:
    """One of those that hold themselves, among such and those that hold them."""
    passed: set[str] = set()
    name = min(endless)
    while name not in passed:
        passed.add(name)
        name = min(_held(definitions, name) & endless)
    return name
