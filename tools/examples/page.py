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

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...workflows.canvas import widget_inputs
from ...workflows.graph import all_nodes

Json = dict[str, Any]

# Colours of groups, and pairs of title and body colour of nodes: ComfyUI's own.
BLUE, GREEN, YELLOW, VIOLET, RED, GREY = "#3f789e", "#8A8", "#b58b2a", "#88A", "#A88", "#888"
GREEN_NODE, RED_NODE, BROWN_NODE = ("#232", "#353"), ("#322", "#533"), ("#432", "#653")

OWN_PACK = {"cnr_id": "sd2-depth2img", "ver": "0.1.0"}
CORE = {"cnr_id": "comfy-core", "ver": "0.3.64"}
NOTE = "MarkdownNote"
NOTES = "Notes"  # title of the group that stands at the left of all others
SEEDS = ("seed", "noise_seed")  # the page gives these a control even if nothing asks for one

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
    """A node on the page.

    Attributes:
        kind: its V1 class; None for a note.
        inputs: what was given for its inputs: outputs of other nodes, or values.
    """

    id: int
    type: str
    kind: type | None
    title: str
    inputs: Json
    colours: tuple[str, str] | None = None
    pos: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)

    def __getitem__(self, name: str) -> Output:
        """The output of this name."""
        return Output(self, [one for one, _ in self.outputs].index(name))

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """Name and type of each; none of what only newer versions of ComfyUI pass through."""
        if self.kind is None or getattr(self.kind, "OUTPUT_NODE", False):
            return []
        names = getattr(self.kind, "RETURN_NAMES", self.kind.RETURN_TYPES)
        return list(zip(names, self.kind.RETURN_TYPES, strict=True))

    def links(self) -> Json:
        """The inputs that are wired."""
        return {name: given for name, given in self.inputs.items() if isinstance(given, Output)}

    def sockets(self) -> Iterator[tuple[str, str, bool]]:
        """Name, type and whether it is optional, of the inputs that are no widgets; in order."""
        widgets = {name for name, _, _ in widget_inputs(self.kind)}
        declared = self.kind.INPUT_TYPES()
        for group in ("required", "optional"):
            for name, spec in declared.get(group, {}).items():
                if name not in widgets:
                    yield name, spec[0], group == "optional"

    def wired_widgets(self) -> Iterator[tuple[str, str]]:
        """Name and type of the widgets whose value comes along a wire."""
        for name, widget, _ in widget_inputs(self.kind):
            if name in self.links():
                yield name, widget if isinstance(widget, str) else "COMBO"

    def values(self) -> list[Any]:
        """`widgets_values`: every widget's, a seed's control behind it, a file's button last."""
        stored, buttons = [], []
        for name, widget, options in widget_inputs(self.kind):
            given = self.inputs.get(name)
            wired_or_missing = given is None or isinstance(given, Output)
            stored.append(_default(widget, options) if wired_or_missing else given)
            if options.get("control_after_generate", widget == "INT" and name in SEEDS):
                stored.append("fixed")
            buttons += ["image" for option in options if option.endswith("_upload")]
        return stored + buttons


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
        return sum(TITLE + node.size[1] + MARGIN for node in self.nodes)


@dataclass(frozen=True)
class Thumbnail:
    """What a workflow's thumbnail shows.

    Attributes:
        outputs: whose images fill the square, row by row.
        columns: images in a row.
        insets: whose images lie small in its lower left corner.
    """

    outputs: list[Output]
    columns: int
    insets: list[Output]


class Page:
    """One workflow; `canvas()` gives its file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.thumbnail: Thumbnail | None = None
        self._kinds = all_nodes()
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
        type_: str,
        title: str = "",
        /,
        colours: tuple[str, str] | None = None,
        **inputs: Any,
    ) -> Node:
        """Add a node to the column.

        Args:
            type_: the class.
            title: what it is called, if not by its class's name.
            colours: of its title bar and body.
            inputs: an output, a node (its first output) or a widget's value; what is missing stays
                unwired, a widget at its default.

        Raises TypeError for an input that the class does not have.
        """
        kind = self._kinds[type_]
        declared = kind.INPUT_TYPES()
        known = {**declared["required"], **declared.get("optional", {})}
        if unknown := inputs.keys() - known.keys():
            raise TypeError(f"{type_} has no input {', '.join(sorted(unknown))}")
        given = {
            name: _output(one) if isinstance(one, Node) else one for name, one in inputs.items()
        }
        return self._place(Node(len(self.nodes) + 1, type_, kind, title, given, colours))

    def note(self, title: str, text: str) -> None:
        """Add a note in Markdown to the column."""
        inputs = {"text": text.strip()}
        self._place(Node(len(self.nodes) + 1, NOTE, None, title, inputs, BROWN_NODE))

    def show(
        self, *outputs: Output | Node, columns: int = 2, insets: Sequence[Output | Node] = ()
    ) -> None:
        """Say what the thumbnail shows; a node stands for its first output."""
        tiles, small = ([_output(one) for one in ones] for ones in (outputs, insets))
        self.thumbnail = Thumbnail(tiles, columns, small)

    def _place(self, node: Node) -> Node:
        column = self._stacks[-1][-1].columns[-1]
        node.size = (column.width, _height(node, column.width))
        column.nodes.append(node)
        self.nodes.append(node)
        return node

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
            "groups": [_group_entry(number, one) for number, one in enumerate(groups, start=1)],
            "config": {},
            "extra": {"ds": {"scale": 0.6, "offset": [40, 60]}},
            "version": 0.4,
        }

    def _links(self) -> Iterator[list[Any]]:
        """[number, from, slot, to, slot, type] of every wire."""
        number = 0
        for node in self.nodes:
            for slot, name in enumerate(_input_names(node)):
                source = node.inputs.get(name)
                if isinstance(source, Output):
                    number += 1
                    yield [number, source.node.id, source.slot, node.id, slot, source.type]

    def _laid_out(self) -> list[Group]:
        """All groups and their nodes, in their places; the lowest of every stack ends alike."""
        bottom = max(sum(one.height + MARGIN for one in stack) for stack in self._stacks)
        left = MARGIN
        # Notes are what a newcomer should read first.
        for stack in sorted(self._stacks, key=lambda stack: stack[0].title != NOTES):
            width, top = max(one.width for one in stack), MARGIN
            for one in stack:
                height = bottom + MARGIN - top - MARGIN if one is stack[-1] else one.height
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
            y += TITLE + node.size[1] + MARGIN
        left += column.width + MARGIN


def _height(node: Node, width: int) -> int:
    """Of a node without its title bar, in tens of pixels."""
    if node.kind is None:
        lines = node.inputs["text"].splitlines()
        rows = sum(1 + len(line) * LETTER // (width - 2 * MARGIN) for line in lines)
        return -(-(2 * MARGIN + LINE * rows) // 10) * 10
    slots = max(len(_input_names(node)), len(node.outputs))
    texts = sum(bool(options.get("multiline")) for _, _, options in widget_inputs(node.kind))
    rows = len(node.values()) - texts
    advanced = any(options.get("advanced") for _, _, options in widget_inputs(node.kind))
    height = 10 + SLOT * slots + WIDGET * rows + TEXT * texts + BUTTON * advanced
    height += IMAGE.get(node.type, 0)
    return -(-height // 10) * 10


def _default(widget: Any, options: Json) -> Any:
    """What the page shows in a new node."""
    if isinstance(widget, str):
        return options.get("default", {"BOOLEAN": False, "INT": 0, "FLOAT": 0.0}.get(widget, ""))
    return options.get("default", widget[0])


def _input_names(node: Node) -> list[str]:
    """In the order in which the page saves them: sockets, then wired widgets."""
    if node.kind is None:
        return []
    sockets = [name for name, _, _ in node.sockets()]
    return sockets + [name for name, _ in node.wired_widgets()]


def _node_entry(order: int, node: Node, links: list[list[Any]]) -> Json:
    ours = node.type.startswith("SD2Depth")
    pack = {} if node.kind is None else {**(OWN_PACK if ours else CORE), _SEARCH_NAME: node.type}
    entry = {
        "id": node.id,
        "type": node.type,
        "pos": list(node.pos),
        "size": list(node.size),
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": [] if node.kind is None else _input_entries(node, links),
        "outputs": _output_entries(node, links),
        "properties": pack,
        "widgets_values": list(node.inputs.values()) if node.kind is None else node.values(),
    }
    if node.title:
        entry["title"] = node.title
    if node.colours:
        entry["color"], entry["bgcolor"] = node.colours
    return entry


_SEARCH_NAME = "Node name for S&R"
_OPTIONAL = 7  # LiteGraph's shape of an optional socket


def _input_entries(node: Node, links: list[list[Any]]) -> list[Json]:
    wired = {link[4]: link[0] for link in links if link[3] == node.id}
    entries: list[Json] = []
    for name, kind, optional in node.sockets():
        shape = {"shape": _OPTIONAL} if optional else {}
        entries.append({"name": name, "type": kind, **shape})
    for name, kind in node.wired_widgets():
        entries.append({"name": name, "type": kind, "widget": {"name": name}})
    return [{**entry, "link": wired.get(slot)} for slot, entry in enumerate(entries)]


def _output_entries(node: Node, links: list[list[Any]]) -> list[Json]:
    return [
        {
            "name": name,
            "type": kind,
            "links": [link[0] for link in links if link[1:3] == [node.id, slot]],
        }
        for slot, (name, kind) in enumerate(node.outputs)
    ]


def _group_entry(number: int, group: Group) -> Json:
    return {
        "id": number,
        "title": group.title,
        "bounding": list(group.bounding),
        "color": group.colour,
        "font_size": 24,
        "flags": {},
    }
