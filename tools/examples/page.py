"""A canvas described in Python, and the file that ComfyUI's page would save of it.

    page = Page("Example")
    page.group("Model", BLUE)
    model = page.add("SD2DepthCheckpointLoader", ckpt_name="sd2-depth-mini.safetensors")
    page.group("What to paint", YELLOW)
    page.add("CLIPTextEncode", "Prompt", clip=model["clip"], text="a red clay statue")
    page.canvas()  # the canvas format, schema version 0.4

Nodes are laid out by themselves (`layout.py`): groups in rows, in a group columns.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...workflows.core_nodes.node_class import Nodes
from ...workflows.graph import all_nodes
from ...workflows.widgets import Json, declared_inputs
from .layout import Column, Group, lay_out
from .node import Node, Output
from .other_nodes import OTHER_NODES

# Colours of groups, and pairs of title and body colour of nodes: ComfyUI's own.
BLUE, GREEN, YELLOW, VIOLET, RED, GREY = "#3f789e", "#8A8", "#b58b2a", "#88A", "#A88", "#888"
GREEN_NODE, RED_NODE, BROWN_NODE = ("#232", "#353"), ("#322", "#533"), ("#432", "#653")

# All of a page in a window of 1600 x 1000. Frontends up to 1.32 lose the places of nodes when they
# fit the view in Nodes 2.0; newer ones fit a template to the window whatever its file says.
VIEW = {"scale": 0.65, "offset": [90, 90]}


@dataclass(frozen=True)
class Thumbnail:
    """What a workflow's thumbnail shows."""

    outputs: list[Output]  # whose images fill the square, row by row
    columns: int
    insets: list[Output]  # whose images lie small in its lower left corner


class Page:
    """One workflow; `canvas()` gives its file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.thumbnail = Thumbnail([], 1, [])
        self._kinds: Nodes = {**all_nodes(), **OTHER_NODES}
        self._notes: Group | None = None
        self._rows: list[list[Group]] = []
        self._current: Group | None = None  # where the next node goes

    # --- drawing

    def group(self, title: str, colour: str, width: int = 300, row: int = 0) -> Group:
        """Begin a group at the right end of a row; with one column."""
        while len(self._rows) <= row:
            self._rows.append([])
        self._current = Group(title, colour)
        self._rows[row].append(self._current)
        self.column(width)
        return self._current

    def into(self, group: Group) -> None:
        """Go on in a group that was begun before."""
        self._current = group

    def column(self, width: int = 300) -> None:
        """Begin another column in the group."""
        self._group.columns.append(Column(width))

    @property
    def _group(self) -> Group:
        if self._current is None:
            raise TypeError("begin a group before the first column or node")
        return self._current

    def add(
        self,
        class_type: str,
        title: str = "",
        colours: tuple[str, str] | None = None,
        /,
        **inputs: Any,
    ) -> Node:
        """Add a node to the column.

        Args:
            title: what it is called, if not by its class's name.
            colours: of its title bar and body.
            inputs: an output, a node (its first output) or a widget's value; what is missing stays
                unwired, a widget at its default.

        Raises TypeError for an input that the class does not have.
        """
        kind = self._kinds[class_type]
        if unknown := inputs.keys() - declared_inputs(kind).keys():
            raise TypeError(f"{class_type} has no input {', '.join(sorted(unknown))}")
        given = {
            name: as_output(one) if isinstance(one, Node) else one for name, one in inputs.items()
        }
        column = self._group.columns[-1]
        node = Node(len(self.nodes) + 1, kind, title, given, colours, column.width)
        column.nodes.append(node)
        self.nodes.append(node)
        return node

    def notes(self, *texts: tuple[str, str], width: int = 320) -> None:
        """Notes in Markdown, (title, text) of each, in a group at the left of all others."""
        self._current = self._notes = Group("Notes", GREY, [Column(width)])
        for title, text in texts:
            self.add("MarkdownNote", title, BROWN_NODE, text=text.strip())

    def show(
        self, *outputs: Output | Node, columns: int = 2, insets: Sequence[Output | Node] = ()
    ) -> None:
        """Say what the thumbnail shows; a node stands for its first output."""
        tiles, small = ([as_output(one) for one in ones] for ones in (outputs, insets))
        self.thumbnail = Thumbnail(tiles, columns, small)

    # --- writing

    def canvas(self) -> Json:
        """The file, in the canvas format."""
        links = list(self.links())
        return {
            "id": self.identity(),
            "revision": 0,
            "last_node_id": len(self.nodes),
            "last_link_id": len(links),
            "nodes": self.node_entries(links),
            "links": links,
            "groups": self.group_entries(),
            "config": {},
            "extra": {"ds": VIEW},
            "version": 0.4,
        }

    def identity(self, of: str = "") -> str:
        """A UUID of the page, or of a part of it; the same every time."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sd2-depth2img/{self.name}{of}"))

    def node_entries(self, links: list[list[Any]]) -> list[Json]:
        """Every node, in its place."""
        self.group_entries()
        return [node.entry(order, links) for order, node in enumerate(self.nodes)]

    def group_entries(self) -> list[Json]:
        """Every group, in its place."""
        lay_out(self._notes, self._rows)
        notes = [self._notes] if self._notes else []
        groups = [*notes, *(group for row in self._rows for group in row)]
        return [
            {
                "id": number,
                "title": group.title,
                "bounding": list(group.bounding),
                "color": group.colour,
                "font_size": 24,
                "flags": {},
            }
            for number, group in enumerate(groups, start=1)
        ]

    def links(self) -> Iterator[list[Any]]:
        """[number, from, slot, to, slot, type] of every wire."""
        number = 0
        for node in self.nodes:
            for slot, entry in enumerate(node.slots()):
                source = node.inputs.get(entry["name"])
                if isinstance(source, Output):
                    number += 1
                    yield [number, source.node.id, source.slot, node.id, slot, source.type]


def as_output(one: Output | Node) -> Output:
    """A node stands for its first output."""
    return Output(one, 0) if isinstance(one, Node) else one
