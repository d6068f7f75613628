"""The blueprints in `subgraphs/`: a function each that draws one. `BLUEPRINTS` lists them.

A blueprint is a page that becomes one subgraph node, offered in ComfyUI's menu beside its nodes
(0.3.75 does, 0.3.64 does not yet). The node's inputs come from the left border of the inside, its
outputs go to the right one. Its widgets are inner ones (`proxyWidgets`); those with a name of their
own are inputs (`-1`).
"""

from collections.abc import Callable
from typing import Any

from ...workflows.subgraphs import SUBGRAPH_IN, SUBGRAPH_OUT
from ...workflows.widgets import Json, stored_values, widget_inputs
from .example import BOTTOM, Example
from .node import OWN_PACK, Node, Output
from .page import GREEN, RED, VIOLET, as_output

CATEGORY = "SD2 Depth"
BORDER = 120  # pixels: the width of a border's box
WIDTH = 320


class _Border:
    """The left border: what comes into the blueprint."""

    id = SUBGRAPH_IN

    def __init__(self) -> None:
        self.outputs: list[tuple[str, str]] = []


class Blueprint(Example):
    """A page with borders; `canvas()` has one node, which stands for all of it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.description = ""
        self._left = _Border()
        self._right: list[tuple[str, Output]] = []
        self._widgets: list[tuple[str, Node, str]] = []  # input, inner node, its widget
        self._shown: list[list[str]] = []  # inner node, its widget

    # --- drawing

    def input(self, name: str, kind: str) -> Output:
        """A socket of the node."""
        self._left.outputs.append((name, kind))
        return Output(self._left, len(self._left.outputs) - 1)

    def widget(self, node: Node, widget: str, name: str = "") -> None:
        """A widget of the node, which is one of an inner node; with a name it is an input, too.

        Those with a name come first.
        """
        if not name:
            self._shown.append([str(node.id), widget])
            return
        (kind,) = (one.type for one in widget_inputs(node.kind) if one.name == widget)
        self._widgets.append((name, node, widget))
        node.stored = {**node.stored, widget: node.inputs.get(widget)}
        node.inputs[widget] = self.input(name, kind if isinstance(kind, str) else "COMBO")

    def output(self, name: str, source: Output | Node) -> None:
        """A socket on the right."""
        self._right.append((name, as_output(source)))

    # --- writing

    def canvas(self) -> Json:
        """The file, in the canvas format."""
        kind = self.identity("/subgraph")
        return {
            "id": self.identity(),
            "revision": 0,
            "last_node_id": len(self.nodes) + 1,
            "last_link_id": 0,
            "nodes": [self._outside(kind)],
            "links": [],
            "groups": [],
            "definitions": {"subgraphs": [self._inside(kind)]},
            "config": {},
            "extra": {},
            "version": 0.4,
        }

    def _outside(self, kind: str) -> Json:
        names = {name for name, _, _ in self._widgets}
        return {
            "id": len(self.nodes) + 1,
            "type": kind,
            "title": self.name,
            "pos": [40, 60],
            "size": [WIDTH, 60 + 30 * len(self._left.outputs) + 24 * len(self._shown)],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [
                {
                    "name": name,
                    "type": type_,
                    **({"widget": {"name": name}} if name in names else {}),
                    "link": None,
                }
                for name, type_ in self._left.outputs
            ],
            "outputs": [
                {"name": name, "type": source.type, "links": []} for name, source in self._right
            ],
            "properties": {
                **OWN_PACK,
                "proxyWidgets": [["-1", name] for name, _, _ in self._widgets] + self._shown,
            },
            "widgets_values": [
                stored_values(node.kind, node.values())[widget] for _, node, widget in self._widgets
            ],
        }

    def _inside(self, kind: str) -> Json:
        links = list(self.links())
        exits = [
            [len(links) + 1 + slot, source.node.id, source.slot, SUBGRAPH_OUT, slot, source.type]
            for slot, (_, source) in enumerate(self._right)
        ]
        links += exits
        nodes, groups = self.node_entries(links), self.group_entries()
        right = max(x + width for x, _, width, _ in (group["bounding"] for group in groups))
        ends = (-BORDER - 60, right + 60)
        return {
            "id": kind,
            "version": 1,
            "state": {
                "lastGroupId": len(groups),
                "lastNodeId": len(nodes),
                "lastLinkId": len(links),
                "lastRerouteId": 0,
            },
            "revision": 0,
            "config": {},
            "name": self.name,
            "category": CATEGORY,
            "description": self.description,
            "inputNode": _box(SUBGRAPH_IN, ends[0], len(self._left.outputs)),
            "outputNode": _box(SUBGRAPH_OUT, ends[1], len(exits)),
            "inputs": [
                self._slot("in", slot, name, type_, [one[0] for one in links if _leaves(one, slot)])
                for slot, (name, type_) in enumerate(self._left.outputs)
            ],
            "outputs": [
                self._slot("out", slot, name, source.type, [exits[slot][0]])
                for slot, (name, source) in enumerate(self._right)
            ],
            "widgets": [],
            "nodes": nodes,
            "groups": groups,
            "links": [
                dict(zip(("id", *_LINK), one, strict=True))  # named, as inside of subgraphs only
                for one in links
            ],
            "extra": {},
        }

    def _slot(self, side: str, slot: int, name: str, kind: str, links: list[Any]) -> Json:
        identity = self.identity(f"/{side}/{name}")
        return {"id": identity, "name": name, "type": kind, "linkIds": links, "pos": [0, 20 * slot]}


_LINK = ("origin_id", "origin_slot", "target_id", "target_slot", "type")


def _leaves(link: list[Any], slot: int) -> bool:
    return link[1:3] == [SUBGRAPH_IN, slot]


def _box(identity: int, x: int, slots: int) -> Json:
    return {"id": identity, "bounding": [x, 60, BORDER, 40 + 20 * slots]}


# --- the pages ----------------------------------------------------------------------------------


def draw(name: str) -> Blueprint:
    """The page of one blueprint."""
    page = Blueprint(name)
    BLUEPRINTS[name](page)
    return page


def depth_to_image(page: Blueprint) -> None:
    """Photo in, image out."""
    page.description = (
        "Repaints a photo from its depth and a prompt. The image output has the model's size: 512 "
        "pixels on the short side, 256 with the miniature."
    )
    image = page.input("image", "IMAGE")
    page.load()
    page.group("Photo and depth", GREEN, row=BOTTOM)
    photo = page.add("SD2DepthPrepare", image=image, size=page.size)["image"]
    page.column()
    depth = page.estimate(photo)
    prompts = page.prompts("a red clay statue on a blue background")
    encoded = page.encode(depth=depth, **prompts)
    result = page.paint(encoded, page.latent_of(photo))
    _widgets(page, prompts)
    page.output("image", result)
    page.output("depth", depth)


def inpaint_with_depth(page: Blueprint) -> None:
    """Photo and mask in, the whole photo out."""
    page.description = (
        "Repaints what is white in the mask, in its own shape; every other pixel stays as it was."
    )
    image, mask = page.input("image", "IMAGE"), page.input("mask", "MASK")
    page.load()
    page.group("Depth, at the model's size", GREEN, row=BOTTOM)
    depth = page.estimate(image)
    page.column()
    shape = page.add("SD2DepthUnderMask", depth=depth, mask=mask)
    page.column()
    cut = page.add("SD2DepthCrop", image=image, mask=mask, depth=shape, size=page.size)
    prompts = page.prompts("a blue metal statue on a white background")
    page.group("Encode", VIOLET)
    encoded = page.add("SD2DepthEncode", depth=cut["depth"], **prompts)
    parts = {name: cut[name] for name in ("image", "mask")}
    latent = page.add("SD2DepthInpaintEncode", vae=page.model["vae"], **parts)
    result = page.paint(encoded, latent)
    page.group("Back into the photo", RED, row=BOTTOM)
    whole = page.add("SD2DepthStitch", stitch=cut["stitch"], image=result)
    _widgets(page, prompts)
    page.widget(shape, "under_mask")
    page.output("image", whole)


def estimate_and_edit(page: Blueprint) -> None:
    """Photo in, depth map out."""
    page.description = (
        "Estimates a photo's depth, moves its edges to the photo's and adjusts it: white is near. "
        "For Depth Encode, or any node that takes a depth map."
    )
    image = page.input("image", "IMAGE")
    page.group("Model", GREEN)
    page.model = page.checkpoint()
    page.group("Estimate", GREEN)
    depth = page.estimate(image)
    page.group("Edges as in the photo", GREEN)
    refined = page.add("SD2DepthRefine", depth=depth, image=image)
    page.group("Adjust", GREEN)
    adjusted = page.add("SD2DepthAdjust", depth=refined)
    page.widget(page.model, "ckpt_name", "checkpoint")
    page.widget(depth, "resolution")
    for name in ("invert", "near", "far", "gamma", "contrast", "smooth"):
        page.widget(adjusted, name)
    page.output("depth", adjusted)


def _widgets(page: Blueprint, prompts: dict[str, Node]) -> None:
    """Those that matter when something is painted."""
    (sampler,) = (node for node in page.nodes if node.class_type == "SD2DepthSampler")
    page.widget(page.model, "ckpt_name", "checkpoint")
    page.widget(prompts["positive"], "text", "prompt")
    page.widget(prompts["negative"], "text", "negative prompt")
    for name in ("denoise", "seed", "control_after_generate"):
        page.widget(sampler, name)


# As ComfyUI calls its own, with the model behind the task. It also keeps them from coming first
# where somebody searches for "depth".
BLUEPRINTS: dict[str, Callable[[Blueprint], None]] = {
    "Depth to Image (Stable Diffusion 2)": depth_to_image,
    "Inpaint with Depth (Stable Diffusion 2)": inpaint_with_depth,
    "Estimate and Edit Depth": estimate_and_edit,
}
