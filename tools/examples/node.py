"""A node as a page draws it: its slots, the values of its widgets, how much room it takes.

Which inputs are sockets, which are widgets, in what order and with which defaults is read from the
node classes.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...workflows.core_nodes.node_class import NodeClass
from ...workflows.widgets import Json, declared_inputs, widget_inputs
from .other_nodes import MarkdownNote

_PROJECT = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
_VERSION = re.findall(r'^version = "(.+)"', _PROJECT, re.MULTILINE)[0]
OWN_PACK = {"cnr_id": "sd2-depth2img", "ver": _VERSION}
CORE = {"cnr_id": "comfy-core", "ver": "0.3.64"}

BYPASSED = 4  # LiteGraph's mode of a node that passes on what it gets
_OPTIONAL = 7  # and its shape of an optional socket

# Nodes that show the depth map they give.
_DEPTH_MAPS = (
    *("SD2DepthEstimate", "SD2DepthLoad", "SD2DepthAdjust", "SD2DepthRefine", "SD2DepthMerge"),
    *("SD2DepthFill", "SD2DepthConvert", "SD2DepthUnderMask", "SD2DepthCrop"),
)

# Pixels, as ComfyUI's page (1.49) draws them.
SLOT, WIDGET, ENDS = 20, 24, 14
TEXT = 84  # a text of several lines
IMAGE = 224  # an image below the widgets
# What Nodes 2.0 takes more: for the pack's name below the widgets, and for higher widgets, unless
# there are advanced ones, which it hides.
BADGE, HIGHER = 16, 14
SHOWN = {  # what a node shows below its widgets
    **dict.fromkeys(_DEPTH_MAPS, IMAGE),
    **dict.fromkeys(("LoadImage", "PreviewImage", "MaskPreview"), IMAGE),
    "LoadVideo": IMAGE + 12,
    "CheckpointLoaderSimple": 16,
    **dict.fromkeys(("GetVideoComponents", "GetImageSize"), 40),  # more outputs, or a text
    **dict.fromkeys(("SaveImage", "SaveVideo"), 320),
    "SD2DepthSave": IMAGE,
    "SD2DepthPreview": 235,
    "SD2DepthEditor": IMAGE,  # and a line; its button is as high as the widget that is not shown
    "SD2DepthViewer": 390,
    "Preview3D": 320,
    "PreviewAny": 110,
}
LETTER, LINE = 6.3, 21  # of a note, at the size of its text
LARGER = {"# ": 1.6, "## ": 1.3}  # and its headings


class Output(NamedTuple):
    """One output of a node, or of a blueprint's left border."""

    node: Any
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
    mode: int = 0
    stored: Json = field(default_factory=dict)  # of wired widgets, in place of their defaults
    models: list[Json] = field(default_factory=list)  # files that it names, with their addresses
    room: int = 0  # more height than it needs
    pos: tuple[int, int] = (0, 0)

    def __getitem__(self, name: str) -> Output:
        """The output of this name; ComfyUI's own are in capitals."""
        return Output(self, [one.lower() for one, _ in self.outputs].index(name.lower()))

    @property
    def class_type(self) -> str:
        """The name of its class."""
        return self.kind.__name__

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """Name and type of each; none of what only newer versions of ComfyUI pass through."""
        own = self.class_type.startswith("SD2Depth")
        if getattr(self.kind, "OUTPUT_NODE", False) and not own:
            return []
        names = getattr(self.kind, "RETURN_NAMES", ()) or self.kind.RETURN_TYPES
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
            if isinstance(given, Output):
                given = self.stored.get(widget.name)
            stored.append(widget.default if given is None else given)
            stored += [self._control(widget.name)] * widget.has_control
            buttons += widget.buttons
        return stored + ["image"] * buttons

    def _control(self, name: str) -> str:
        """A second run is for another image."""
        return "randomize" if name == "seed" else "fixed"

    @property
    def height(self) -> int:
        """Without its title bar."""
        if self.kind is MarkdownNote:
            return 60 + sum(self._line_height(line) for line in self.inputs["text"].splitlines())
        texts = sum(bool(one.options.get("multiline")) for one in widget_inputs(self.kind))
        sockets = sum("widget" not in slot for slot in self.slots())
        height = ENDS + SLOT * max(sockets, len(self.outputs)) + TEXT * texts
        height += WIDGET * (len(self.values()) - texts)
        if self.class_type.startswith("SD2Depth"):
            options = [one.options for one in widget_inputs(self.kind)]
            height += BADGE + HIGHER * (not any(one.get("advanced") for one in options))
        return height + SHOWN.get(self.class_type, 0) + self.room

    def _line_height(self, line: str) -> int:
        """Of a paragraph in a note, which is broken where it is too wide."""
        scale = next((scale for mark, scale in LARGER.items() if line.startswith(mark)), 1.0)
        return int((1 + len(line) * LETTER * scale // (self.width - 50)) * LINE * scale)

    def entry(self, order: int, links: list[list[Any]]) -> Json:
        """It in the canvas format, between these links."""
        pack = OWN_PACK if self.class_type.startswith("SD2Depth") else CORE
        properties: Json = {**pack, "Node name for S&R": self.class_type}
        if self.models:
            properties["models"] = self.models
        wired = {link[4]: link[0] for link in links if link[3] == self.id}
        entry: Json = {
            "id": self.id,
            "type": self.class_type,
            "pos": list(self.pos),
            "size": [self.width, self.height],
            "flags": {},
            "order": order,
            "mode": self.mode,
            "inputs": [{**one, "link": wired.get(slot)} for slot, one in enumerate(self.slots())],
            "outputs": [
                {
                    "name": name,
                    "type": kind,
                    "links": [link[0] for link in links if link[1:3] == [self.id, slot]],
                }
                for slot, (name, kind) in enumerate(self.outputs)
            ],
            "properties": properties,
            "widgets_values": self.values(),
        }
        if self.title:
            entry["title"] = self.title
        if self.colours:
            entry["color"], entry["bgcolor"] = self.colours
        return entry
