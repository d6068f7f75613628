"""Changes to a workflow that come from the command line: which node is meant, what it gets.

A change is made in what runs and, where it can be, on the canvas that saved images carry, so
that an image dragged into ComfyUI shows the values it was made with. Where the canvas cannot be
changed (inside a subgraph) it is left out of the images; what ran is always in them.
"""

import itertools
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from ..engine import folders
from ..images.mask_files import Meaning, understand
from .canvas_edits import replace_node, set_widget
from .checks import is_link, needed
from .core_nodes.node_class import NodeClass, Nodes
from .graph import Workflow
from .problems import MOST_LINES, EditError, describe, title_of
from .subgraphs import is_within
from .texts import constant_texts, fill_in, wired_texts
from .widgets import Json, declared_inputs, widget_inputs

log = logging.getLogger(__name__)


class Editor:
    """Changes one workflow, in place. Every method raises EditError when nothing fits."""

    def __init__(self, workflow: Workflow, nodes: Nodes) -> None:
        self.workflow = workflow
        self.prompt = workflow.prompt  # the nodes that run, in the API format
        self.nodes = nodes
        self._owns_canvas = False  # the caller's is copied before the first change

    def assign(self, assignment: str) -> None:
        """`NODE.INPUT=VALUE`: NODE is an id, a title or a class; VALUE is read as INPUT's type."""
        place, equals, text = assignment.partition("=")
        name, dot, input_name = place.rpartition(".")
        if not (equals and dot and name and input_name):
            raise EditError(f"{assignment!r} is not NODE.INPUT=VALUE, for example 3.seed=42")
        node = self.find(name)
        self._write(node, input_name, _parsed(text, self._type(node, input_name)))

    def find(self, name: str) -> str:
        """The id of the one node with this id, title or class."""
        if name in self.prompt:
            return name
        for known_by in (title_of, lambda entry: entry["class_type"]):
            found = [node for node, entry in self.prompt.items() if known_by(entry) == name]
            if len(found) == 1:
                return found[0]
            if found:
                raise EditError(f"{name!r} can mean {self._list(found)}; say which by its id")
        raise EditError(f"there is no node {name!r}; there are {self._list(self.prompt)}")

    def image(self, file: str) -> None:
        """Another image for the one Load Image."""
        self._write(self._only("LoadImage", "image"), "image", file)

    def mask(self, file: str) -> None:
        """A mask from a file, white is repainted: for all that takes a mask of the photo.

        What a file with transparency means is told by a warning.
        Raises UnreadableImage and AmbiguousMask.
        """
        for kind in ("SD2DepthCrop", "SD2DepthPrepare", "SD2DepthInpaintEncode"):
            takers = [n for n in self._of_class(kind) if "mask" in self.prompt[n]["inputs"]]
            if takers:
                self._connect(self._mask_of(file), takers, "mask")
                return
        raise EditError("nothing in the workflow takes a mask; there is no place for --mask")

    def depth(self, file: str) -> None:
        """A depth map from a file: for Depth Map Loader, Depth Estimation or Depth Encode."""
        if self._of_class("SD2DepthLoad"):
            self._write(self._only("SD2DepthLoad", "image"), "image", file)
            return
        estimates = self._of_class("SD2DepthEstimate")
        for node in estimates:
            self._replace(node, "SD2DepthLoad", {"image": file})
        if not estimates:
            encoders = self._of_class("SD2DepthEncode")
            if not encoders:
                raise EditError(
                    "the workflow neither loads, estimates nor encodes a depth map; there is "
                    "nothing that --depth could replace"
                )
            self._feed(encoders, "depth", "SD2DepthLoad", {"image": file})

    def text(self, side: str, text: str) -> None:
        """Another positive or negative prompt, in the CLIP Text Encode that feeds the samplers."""
        found: dict[str, None] = {}
        for node in self._needed():
            entry = self.prompt[node]
            is_sampler = self._widgets(node).keys() & {"seed", "noise_seed"}
            if "positive" in entry["inputs"] and is_sampler:
                found |= dict.fromkeys(self._texts_behind(node, side))
        if not found:
            raise EditError(f"no CLIP Text Encode feeds the {side} input of a sampler")
        if len(found) > 1:
            raise EditError(
                f"the {side} prompt comes from {self._list(found)}; say which with --set NODE.text="
            )
        self._write_text(next(iter(found)), text)

    def everywhere(self, names: Sequence[str], value: Any) -> None:
        """The same value for every input of one of these names (widgets only)."""
        places = [
            (node, name) for node in self._needed() for name in names if name in self._widgets(node)
        ]
        if not places:
            raise EditError(f"no node has an input {' or '.join(map(repr, names))}")
        for node, name in places:
            self._write(node, name, value)

    # --- finding

    def _needed(self) -> list[str]:
        nodes = needed(self.prompt, self.nodes)
        return [node for node in nodes if self.prompt[node]["class_type"] in self.nodes]

    def _of_class(self, kind: str) -> list[str]:
        return [node for node in self._needed() if self.prompt[node]["class_type"] == kind]

    def _only(self, kind: str, name: str) -> str:
        found = self._of_class(kind)
        if len(found) > 1:
            raise EditError(
                f"there are several: {self._list(found)}; say which with --set NODE.{name}=FILE"
            )
        if not found:
            raise EditError(f"the workflow uses no {kind}; leave this option out")
        return found[0]

    def _list(self, nodes: Iterable[str]) -> str:
        names = [describe(self.prompt, node) for node in nodes]
        more = f" and {len(names) - MOST_LINES} more" if len(names) > MOST_LINES else ""
        return ", ".join(names[:MOST_LINES]) + more

    def _widgets(self, node: str) -> Json:
        kind = self.nodes.get(self.prompt[node]["class_type"])
        return {} if kind is None else {n: t for n, t, _ in widget_inputs(kind)}

    def _type(self, node: str, name: str) -> Any:
        widgets = self._widgets(node)
        if name not in widgets:
            raise EditError(
                f"{self._list([node])} takes no value for {name!r}; it takes values for "
                f"{', '.join(widgets) or 'none of its inputs'}"
            )
        return widgets[name]

    def _texts_behind(self, node: str, side: str) -> list[str]:
        """The CLIP Text Encodes behind an input, through any nodes that pass conditioning on."""
        texts: dict[str, None] = {}
        ways, seen = [(node, side)], set()
        while ways:
            way = ways.pop()
            link = self.prompt[way[0]]["inputs"].get(way[1])
            if way in seen or not is_link(link) or not link or str(link[0]) not in self.prompt:
                continue
            seen.add(way)
            source = str(link[0])
            kind = self.nodes.get(self.prompt[source]["class_type"])
            if self.prompt[source]["class_type"] == "CLIPTextEncode":
                texts[source] = None
            elif kind is not None:
                ways += [(source, name) for name in reversed(_conditionings(kind, link[-1]))]
        return list(texts)

    # --- changing

    def _write(self, node: str, name: str, value: Any) -> None:
        """Write a value as if it were typed on the canvas, which fills in texts."""
        self.prompt[node]["inputs"][name] = value
        places = (*constant_texts(self.prompt, self.nodes), *wired_texts(self.prompt, self.nodes))
        fill_in(self.prompt, [place for place in places if place[:2] == (node, name)], typed=True)
        self._on_canvas(lambda drawn: set_widget(drawn, node, name, value, self.nodes))

    def _write_text(self, node: str, text: str) -> None:
        """Also instead of a wire; but where others hang on that wire, at its other end."""
        link = self.prompt[node]["inputs"].get("text")
        if is_link(link):
            source = str(link[0])
            texts = [one for one, kind in self._widgets(source).items() if kind == "STRING"]
            if len(texts) == 1 and len(self._takers(source)) > 1:  # labels, for example
                self._write(source, texts[0], text)
                return
        self._write(node, "text", text)

    def _takers(self, source: str) -> list[str]:
        """The nodes that a node feeds."""
        links = ((n, v) for n, e in self.prompt.items() for v in e["inputs"].values() if is_link(v))
        return [node for node, link in links if link and str(link[0]) == source]

    def _mask_of(self, file: str) -> list[Any]:
        """The output of ComfyUI's own nodes that give what an image file means as a mask."""
        meaning = Meaning.COLOURS
        with suppress(FileNotFoundError):  # the checks report it, as they do for other files
            understood = understand(folders.input_path(file))
            meaning = understood.meaning
            if understood.words:
                log.warning("%s", understood.words)

        def channel(name: str) -> list[Any]:
            return self._add("LoadImageMask", {"image": file, "channel": name})

        if meaning is Meaning.COLOURS:
            return channel("red")
        if meaning is Meaning.HOLE:
            return channel("alpha")  # which Load Image (as Mask) turns round
        alpha = self._add("InvertMask", {"mask": channel("alpha")})
        if meaning is Meaning.PAINT:
            return alpha
        both = {"destination": channel("red"), "source": alpha}
        return self._add("MaskComposite", {**both, "x": 0, "y": 0, "operation": "multiply"})

    def _feed(self, takers: Sequence[str], name: str, kind: str, inputs: Json) -> None:
        """A new node's first output into an input of others; the canvas cannot show that."""
        self._connect(self._add(kind, inputs), takers, name)

    def _connect(self, link: list[Any], takers: Sequence[str], name: str) -> None:
        for node in takers:
            self.prompt[node]["inputs"][name] = link
        self._on_canvas(lambda drawn: False)

    def _add(self, kind: str, inputs: Json) -> list[Any]:
        """A new node; a link to its first output."""
        numbers = (str(number) for number in itertools.count(1))
        new = next(number for number in numbers if number not in self.prompt)
        self._put(new, kind, inputs)
        return [new, 0]

    def _replace(self, node: str, kind: str, inputs: Json) -> None:
        title = self._put(node, kind, inputs)
        values = list(inputs.values())
        self._on_canvas(lambda drawn: replace_node(drawn, node, kind, title, values))

    def _put(self, node: str, kind: str, inputs: Json) -> str:
        """A node in what runs, new or instead of another; its title."""
        title = getattr(self.nodes[kind], "DISPLAY_NAME", kind)
        self.prompt[node] = {"inputs": inputs, "class_type": kind, "_meta": {"title": title}}
        return title

    def _on_canvas(self, change: Callable[[Json], bool]) -> None:
        if self.workflow.canvas is not None and not self._owns_canvas:
            self.workflow.canvas = json.loads(json.dumps(self.workflow.canvas))
            self._owns_canvas = True
        if self.workflow.canvas is not None and not change(self.workflow.canvas):
            log.warning(
                "the canvas cannot show a change that was made inside it; saved images carry "
                "what ran, without the canvas"
            )
            self.workflow.canvas = None


def _conditionings(kind: type[NodeClass], slot: Any) -> list[str]:
    """The inputs whose conditioning a node passes on by this output: positive by positive."""
    inputs = declared_inputs(kind)
    names = getattr(kind, "RETURN_NAMES", ())
    if is_within(slot, names) and names[slot] in inputs:
        return [names[slot]]
    return [name for name, spec in inputs.items() if spec[0] == "CONDITIONING"]


def _parsed(text: str, kind: Any) -> Any:
    """A value from the command line; what does not parse is left for the checks to report."""
    if kind == "BOOLEAN":
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    if kind in ("INT", "FLOAT"):
        for convert in (int, float):
            with suppress(ValueError):
                return convert(text)
    return text
