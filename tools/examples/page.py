"""A canvas described in Python, and the file that ComfyUI's page would save of it.

    page = Page("Example")
    page.group("Model", BLUE)
    model = page.add("SD2DepthCheckpointLoader", ckpt_name="sd2-depth-mini.safetensors")
    page.group("What to paint", YELLOW)
    page.add("CLIPTextEncode", "Prompt", clip=model["clip"], text="a red clay statue")
    page.canvas()  # the canvas format, schema version 0.4

Nodes are laid out by themselves: groups from left to right, or one below the other; in a group
columns from left to right, in a column nodes from top to bottom. Which inputs are sockets, which
are widgets, in what order and with which defaults is read from the node classes.
"""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...workflows.core_nodes.node_class import NodeClass, Nodes
from ...workflows.graph import all_nodes
from ...workflows.widgets import Json, declared_inputs, widget_inputs

# Colours of groups, and pairs of title and body colour of nodes: ComfyUI's own.
BLUE, GREEN, YELLOW, VIOLET, RED, GREY = "#3f789e", "#8A8", "#b58b2a", "#88A", "#A88", "#888"
GREEN_NODE, RED_NODE, BROWN_NODE = ("#232", "#353"), ("#322", "#533"), ("#432", "#653")

OWN_PACK = {"cnr_id": "sd2-depth2img", "ver": "0.1.0"}
CORE = {"cnr_id": "comfy-core", "ver": "0.3.64"}
NOTES = "Notes"  # title of the group that stands at the left of all others

_OPTIONAL = 7  # LiteGraph's shape of an optional socket

# Pixels.
MARGIN = 20
TITLE = 30  # a node's title bar lies above its position
GROUP_TITLE = 50
SLOT, WIDGET, TEXT = 22, 28, 120
LETTER, LINE = 7, 18  # of a note
BUTTON = 30  # that shows a node's advanced inputs
IMAGE = {  # what a node shows below its widgets
    "LoadImage": 240,
    "PreviewImage": 290,
    "MaskPreview": 290,
    "SaveImage": 400,
    "SD2DepthSampler": 200,
    "PreviewAny": 110,
}


class MarkdownNote:
    """A note as a node class; only the page has it."""

    RETURN_TYPES = ()
    FUNCTION = ""

    @classmethod
    def INPUT_TYPES(cls) -> Json:
        """Its text."""
        return {"required": {"text": ("STRING", {"multiline": True})}}


class Output(NamedTuple):
    """One output of a node."""

    node: "Node"
    slot: int

    @property
    def type(self) -> str:
        """Of what comes out."""
        return self.node.outputs[self.slot][1]


@dataclass(eq=False)
class Node:
    """A node on the page; its inputs are outputs of other nodes, or values."""

    id: int
    kind: type[NodeClass]
    title: str
    inputs: Json
    colours: tuple[str, str] | None
    width: int
    pos: tuple[int, int] = (0, 0)

    def __getitem__(self, name: str) -> Output:
        """The output of this name."""
        return Output(self, [one for one, _ in self.outputs].index(name))

    @property
    def class_type(self) -> str:
        """The name of its class."""
        return self.kind.__name__

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """Name and type of each; none of what only newer versions of ComfyUI pass through."""
        if getattr(self.kind, "OUTPUT_NODE", False):
            return []
        names = getattr(self.kind, "RETURN_NAMES", self.kind.RETURN_TYPES)
        return list(zip(names, self.kind.RETURN_TYPES, strict=True))

    def slots(self) -> list[Json]:
        """Its inputs in the order in which the page saves them: sockets, then wired widgets."""
        widgets = {widget.name: widget for widget in widget_inputs(self.kind)}
        required = self.kind.INPUT_TYPES()["required"]
        sockets = [
            {"name": name, "type": kind, **({} if name in required else {"shape": _OPTIONAL})}
            for name, (kind, _) in declared_inputs(self.kind).items()
            if name not in widgets
        ]
        wired = [
            {
                "name": name,
                "type": widget.type if isinstance(widget.type, str) else "COMBO",
                "widget": {"name": name},
            }
            for name, widget in widgets.items()
            if isinstance(self.inputs.get(name), Output)
        ]
        return sockets + wired

    def values(self) -> list[Any]:
        """`widgets_values`: every widget's, a seed's control behind it, a file's button last."""
        stored: list[Any] = []
        buttons = 0
        for widget in widget_inputs(self.kind):
            given = self.inputs.get(widget.name)
            stored.append(widget.default if given is None or isinstance(given, Output) else given)
            stored += ["fixed"] * widget.has_control
            buttons += widget.buttons
        return stored + ["image"] * buttons

    @property
    def height(self) -> int:
        """In tens of pixels, without its title bar."""
        if self.kind is MarkdownNote:
            lines = self.inputs["text"].splitlines()
            rows = sum(1 + len(line) * LETTER // (self.width - 2 * MARGIN) for line in lines)
            return -(-(2 * MARGIN + LINE * rows) // 10) * 10
        options = [widget.options for widget in widget_inputs(self.kind)]
        texts = sum(bool(one.get("multiline")) for one in options)
        advanced = any(one.get("advanced") for one in options)
        height = 10 + SLOT * max(len(self.slots()), len(self.outputs)) + TEXT * texts
        height += WIDGET * (len(self.values()) - texts) + BUTTON * advanced
        return -(-(height + IMAGE.get(self.class_type, 0)) // 10) * 10


@dataclass
class Group:
    """A titled box with columns of nodes."""

    title: str
    colour: str
    columns: list["Column"] = field(default_factory=list)
    bounding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def width(self) -> int:
        """Of the box around all columns."""
        return MARGIN + sum(column.width + MARGIN for column in self.columns)

    @property
    def height(self) -> int:
        """Of the box around the longest column."""
        return GROUP_TITLE + max(column.height for column in self.columns)


@dataclass
class Column:
    """Nodes of one width, one below the other."""

    width: int
    nodes: list[Node] = field(default_factory=list)

    @property
    def height(self) -> int:
        """With the title bars and a margin below each node."""
        return sum(TITLE + node.height + MARGIN for node in self.nodes)


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
        self._kinds: Nodes = {**all_nodes(), "MarkdownNote": MarkdownNote}
        self._stacks: list[list[Group]] = []

    # --- drawing

    def group(self, title: str, colour: str, width: int = 320, below: bool = False) -> None:
        """Begin a group to the right of all others, or below the last one; with one column."""
        if not below:
            self._stacks.append([])
        self._stacks[-1].append(Group(title, colour))
        self.column(width)

    def column(self, width: int = 320) -> None:
        """Begin another column in the group."""
        self._stacks[-1][-1].columns.append(Column(width))

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
            name: _output(one) if isinstance(one, Node) else one for name, one in inputs.items()
        }
        column = self._stacks[-1][-1].columns[-1]
        node = Node(len(self.nodes) + 1, kind, title, given, colours, column.width)
        column.nodes.append(node)
        self.nodes.append(node)
        return node

    def note(self, title: str, text: str) -> None:
        """Add a note in Markdown to the column."""
        self.add("MarkdownNote", title, BROWN_NODE, text=text.strip())

    def show(
        self, *outputs: Output | Node, columns: int = 2, insets: Sequence[Output | Node] = ()
    ) -> None:
        """Say what the thumbnail shows; a node stands for its first output."""
        tiles, small = ([_output(one) for one in ones] for ones in (outputs, insets))
        self.thumbnail = Thumbnail(tiles, columns, small)

    # --- writing

    def canvas(self) -> Json:
        """The file, in the canvas format."""
        groups = self._laid_out()
        links = list(self._links())
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"sd2-depth2img/{self.name}")),
            "revision": 0,
            "last_node_id": len(self.nodes),
            "last_link_id": len(links),
            "nodes": [_node_entry(order, node, links) for order, node in enumerate(self.nodes)],
            "links": links,
            "groups": [
                {
                    "id": number,
                    "title": group.title,
                    "bounding": list(group.bounding),
                    "color": group.colour,
                    "font_size": 24,
                    "flags": {},
                }
                for number, group in enumerate(groups, start=1)
            ],
            "config": {},
            "extra": {"ds": {"scale": 0.6, "offset": [40, 60]}},
            "version": 0.4,
        }

    def _links(self) -> Iterator[list[Any]]:
        """[number, from, slot, to, slot, type] of every wire."""
        number = 0
        for node in self.nodes:
            for slot, entry in enumerate(node.slots()):
                source = node.inputs.get(entry["name"])
                if isinstance(source, Output):
                    number += 1
                    yield [number, source.node.id, source.slot, node.id, slot, source.type]

    def _laid_out(self) -> list[Group]:
        """All groups and their nodes in their places; the lowest of all stacks end alike."""
        bottom = max(sum(one.height + MARGIN for one in stack) for stack in self._stacks)
        left = MARGIN
        # Notes are what a newcomer should read first.
        for stack in sorted(self._stacks, key=lambda stack: stack[0].title != NOTES):
            width, top = max(one.width for one in stack), MARGIN
            for one in stack:
                height = bottom - top if one is stack[-1] else one.height
                one.bounding = (left, top, width, height)
                _arrange(one)
                top += height + MARGIN
            left += width + MARGIN
        return [one for stack in self._stacks for one in stack]


def _output(one: Output | Node) -> Output:
    return Output(one, 0) if isinstance(one, Node) else one


def _arrange(group: Group) -> None:
    """Put the nodes into their group's box."""
    left, top = group.bounding[0] + MARGIN, group.bounding[1] + GROUP_TITLE
    for column in group.columns:
        y = top
        for node in column.nodes:
            node.pos = (left, y + TITLE)
            y += TITLE + node.height + MARGIN
        left += column.width + MARGIN


def _node_entry(order: int, node: Node, links: list[list[Any]]) -> Json:
    pack = OWN_PACK if node.class_type.startswith("SD2Depth") else CORE
    is_note = node.kind is MarkdownNote
    wired = {link[4]: link[0] for link in links if link[3] == node.id}
    entry: Json = {
        "id": node.id,
        "type": node.class_type,
        "pos": list(node.pos),
        "size": [node.width, node.height],
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": [{**one, "link": wired.get(slot)} for slot, one in enumerate(node.slots())],
        "outputs": [
            {
                "name": name,
                "type": kind,
                "links": [link[0] for link in links if link[1:3] == [node.id, slot]],
            }
            for slot, (name, kind) in enumerate(node.outputs)
        ],
        "properties": {} if is_note else {**pack, "Node name for S&R": node.class_type},
        "widgets_values": node.values(),
    }
    if node.title:
        entry["title"] = node.title
    if node.colours:
        entry["color"], entry["bgcolor"] = node.colours
    return entry
