"""Workflow files: the API format, the canvas format, PNG files that carry either."""

import copy
import json
import random
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sd2_depth2img.workflows.checks import is_link
from sd2_depth2img.workflows.core_nodes.node_class import Nodes
from sd2_depth2img.workflows.edits import Editor
from sd2_depth2img.workflows.graph import Runner, all_nodes, read_workflow
from sd2_depth2img.workflows.problems import EditError

from .guards import PACKAGE
from .mutations import dumped, edge, json_bytes, odd_json, odd_value
from .pictures import png
from .runner import Attempt, Maker

Json = dict[str, Any]


def maker() -> Maker:
    """Each input is a workflow of the pack or of its tests, with something odd in it."""
    whole, nodes = _whole(), _without_work()

    def make(rng: random.Random, place: Path) -> Attempt:
        what, document = rng.choice(_KINDS)(rng, whole)
        is_png = rng.random() < 0.2
        path = place / "input" / f"canvas.{'png' if is_png else 'json'}"
        path.write_bytes(_png(rng, document) if is_png else json_bytes(rng, document))
        edits = rng.choices(_EDITS, k=rng.choice((0, 0, 1, 2)))
        names = [path.name, "node ", "subgraph", "--set", *("prompt", "'seed'", "Load Image")]
        return Attempt(lambda: _used(path, nodes, edits), names, what)

    return make


def _used(path: Path, nodes: Nodes, edits: Sequence[Callable[[Editor], object]]) -> None:
    """What `depth2img run` does with a file, but for the nodes' own work."""
    runner = Runner(nodes)
    editor = Editor(read_workflow(path), nodes)
    for edit in edits:
        try:
            edit(editor)
        except EditError as error:  # the option does not fit, which is an answer
            if len(str(error)) > 20_000:
                raise
    runner.run(editor.workflow)


_EDITS: Sequence[Callable[[Editor], object]] = (
    lambda editor: editor.text("positive", "a %date:yyyy% {b|c}"),
    lambda editor: editor.everywhere(["seed", "noise_seed"], 7),
    lambda editor: editor.image("photo.png"),
    lambda editor: editor.depth("map.exr"),
    lambda editor: editor.mask("mask.png"),
    lambda editor: editor.assign("3.seed=42"),
    lambda editor: editor.assign("KSampler.cfg=1e400"),
    lambda editor: editor.assign("SaveImage.filename_prefix=../../x"),
)


def _without_work() -> Nodes:
    """All nodes, which check their inputs as ever and then give nothing."""
    return {name: _idle(kind) for name, kind in all_nodes().items()}


def _idle(kind: Any) -> Any:
    def idle(self: Any, **inputs: Any) -> Json:
        lists = getattr(kind, "OUTPUT_IS_LIST", (False,) * len(kind.RETURN_TYPES))
        return {"ui": {}, "result": tuple([None] if listed else None for listed in lists)}

    return type(kind.__name__, (kind,), {"FUNCTION": "idle", "idle": idle})


# --- whole workflows -----------------------------------------------------------------------------


def _whole() -> Sequence[tuple[str, Json]]:
    """Canvases, and the same in the API format."""
    canvases = {p.stem: _read(p) for p in sorted(PACKAGE.glob("example_workflows/*.json"))}
    recorded = {p.stem: _read(p) for p in sorted(PACKAGE.glob("tests/data/canvas-*.json"))}
    canvases |= {name: one["workflow"] for name, one in recorded.items()}
    canvases |= {f"subgraph {n}": _in_subgraphs(n) for n in (1, 3)}
    prompts = {f"{name}, API": one["output"] for name, one in recorded.items()}
    for path in sorted(PACKAGE.glob("example_workflows/*.json"))[:3]:
        prompts[f"{path.stem}, API"] = read_workflow(path).prompt
    return [*canvases.items(), *prompts.items()]


def _read(path: Path) -> Json:
    return json.loads(path.read_text(encoding="utf-8"))


def _in_subgraphs(depth: int, copies: int = 1) -> Json:
    """Empty Image -> Save Image; the first is inside of subgraphs, one in the other."""
    inner: Json = {
        "id": 3,
        "type": "EmptyImage",
        "mode": 0,
        "inputs": [{"name": "width", "type": "INT", "widget": {"name": "width"}, "link": 1}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [2]}],
        "widgets_values": [10, 20, 1, 255],
    }
    graphs = []
    for level in range(depth):
        graphs.append(
            {
                "id": f"graph-{level}",
                "name": f"Level {level}",
                "inputs": [{"name": "width", "type": "INT", "linkIds": [1]}],
                "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [2]}],
                "nodes": [{**inner, "id": 3 + i} for i in range(copies)],
                "links": [
                    {"id": i, "origin_id": a, "origin_slot": 0, "target_id": b, "target_slot": 0}
                    for i, a, b in ((1, -10, 3), (2, 3, -20))
                ],
            }
        )
        inner = {**inner, "type": f"graph-{level}", "widgets_values": [96]}
        inner["properties"] = {"proxyWidgets": [["-1", "width"], ["3", "color"]]}
    save = {
        "id": 2,
        "type": "SaveImage",
        "inputs": [{"name": "images", "type": "IMAGE", "link": 9}],
        "outputs": [],
        "widgets_values": ["paper"],
    }
    top = {**inner, "id": 1, "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [9]}]}
    top["inputs"] = [{**top["inputs"][0], "link": None}]
    links = [[9, 1, 0, 2, 0, "IMAGE"]]
    return {
        "nodes": [top, save],
        "links": links,
        "definitions": {"subgraphs": graphs},
        "version": 0.4,
    }


# --- one input of each kind ----------------------------------------------------------------------

Made = tuple[str, Any]  # what it is made of, and the document


def _changed(rng: random.Random, whole: Sequence[tuple[str, Json]]) -> Made:
    name, document = rng.choice(whole)
    return f"{name}, changed", odd_json(rng, document)


def _rewired(rng: random.Random, whole: Sequence[tuple[str, Json]]) -> Made:
    """Links to other nodes, to none, to oneself, in circles."""
    name, document = rng.choice(whole)
    document = copy.deepcopy(document)
    if "nodes" in document:
        for _ in range(rng.choice((1, 2, 5))):
            if document["links"] and isinstance(link := rng.choice(document["links"]), list):
                link[rng.randrange(5)] = rng.choice((rng.choice(link), edge(rng), odd_value(rng)))
        return f"{name}, rewired", document
    wires = [
        (e["inputs"], n) for e in document.values() for n, v in e["inputs"].items() if is_link(v)
    ]
    for inputs, wire in rng.sample(wires, min(3, len(wires))):
        node = rng.choice((*document, "999", 1, None, 1.5, "", [1]))
        inputs[wire] = [node, rng.choice((0, 0, 1, -1, 10**30, 0.0, "0", True))]
    return f"{name}, rewired", document


def _revalued(rng: random.Random, whole: Sequence[tuple[str, Json]]) -> Made:
    """Other values for widgets."""
    name, document = rng.choice(whole)
    document = copy.deepcopy(document)
    text = rng.choice(_TEXTS)
    if "nodes" in document:
        holders = [
            node["widgets_values"] for node in document["nodes"] if node.get("widgets_values")
        ]
        for _ in range(rng.choice((1, 3))):
            values = rng.choice(holders)
            keys = list(values) if isinstance(values, dict) else range(len(values))
            values[rng.choice(keys)] = rng.choice((odd_value(rng), text))
        return f"{name}, other values", document
    for _ in range(rng.choice((1, 3))):
        inputs = rng.choice([entry["inputs"] for entry in document.values() if entry["inputs"]])
        inputs[rng.choice(list(inputs))] = rng.choice((odd_value(rng), text))
    return f"{name}, other values", document


_TEXTS = (
    *("{" * 30_000, "{a|" * 20_000, "{a|b}" * 20_000, "/*" * 30_000, "//" * 30_000, "\\" * 30_000),
    *("%date:" * 20_000, "%date:yyyy-MM-dd%" * 5_000, "%1.text%", "%a.b%" * 20_000, "%" * 60_000),
    *("(" * 30_000, "((a:1.1)" * 10_000, "(a:1e400)", "(a:nan)", "embedding:../../x", "a\0b"),
    *("\ud800", "x" * 1_000_000, "9" * 100_000, "-" * 5_000 + "1", "../" * 2_000, "/etc/passwd"),
    *(
        "photo.png [output]",
        "photo.png [temp]",
        "C:\\x.png",
        "\\\\host\\share\\x.png",
        " " * 100_000,
    ),
)


def _moded(rng: random.Random, whole: Sequence[tuple[str, Json]]) -> Made:
    """Muted, bypassed, of another class."""
    name, document = rng.choice(whole)
    document = copy.deepcopy(document)
    entries = document["nodes"] if "nodes" in document else list(document.values())
    for _ in range(rng.choice((1, 2, 6))):
        entry = rng.choice(entries)
        key = "type" if "nodes" in document else "class_type"
        if rng.random() < 0.5:
            entry["mode"] = rng.choice((2, 4, 4, 1, 3, 99, "4", None))
        else:
            kinds = ("Reroute", "PrimitiveNode", "Note", "SaveImage", "EmptyImage", "KSampler", "x")
            kinds += ("SetNode", "GetNode", "graph-0", "", "__class__", "PreviewAny")
            entry[key] = rng.choice(kinds)
    return f"{name}, other modes", document


def _chained(rng: random.Random, whole: Sequence[tuple[str, Json]]) -> Made:
    """Chains of thousands of nodes, on the canvas and in the API format."""
    count = rng.choice((500, 3_000, 10_000))
    if rng.random() < 0.5:
        prompt = {"0": {"class_type": "EmptyImage", "inputs": _EMPTY}}
        for i in range(1, count):
            prompt[str(i)] = {"class_type": "ImageInvert", "inputs": {"image": [str(i - 1), 0]}}
        images = {"images": [str(count - 1), 0], "filename_prefix": "x"}
        prompt[str(count)] = {"class_type": "SaveImage", "inputs": images}
        return f"chain of {count}", prompt
    kind, slot = rng.choice((("Reroute", ""), ("ImageInvert", "image")))
    nodes: list[Json] = [{"id": 0, "type": "EmptyImage", "widgets_values": [8, 8, 1, 0]}]
    nodes += [
        {
            "id": i,
            "type": kind,
            "mode": rng.choice((0, 4)) if kind == "ImageInvert" else 0,
            "inputs": [{"name": slot, "type": "IMAGE", "link": i}],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [i + 1]}],
        }
        for i in range(1, count)
    ]
    inputs = [{"name": "images", "type": "IMAGE", "link": count}]
    nodes.append({"id": count, "type": "SaveImage", "inputs": inputs, "widgets_values": ["x"]})
    links = [[i, i - 1, 0, i, 0, "IMAGE"] for i in range(1, count + 1)]
    return f"canvas with a chain of {count} {kind}", {"nodes": nodes, "links": links}


_EMPTY = {"width": 8, "height": 8, "batch_size": 1, "color": 0}


def _unfolded(rng: random.Random, whole: Sequence[tuple[str, Json]]) -> Made:
    """Subgraphs that hold many of each other, or themselves."""
    depth, copies = rng.choice(((2, 3), (8, 10), (30, 2), (60, 1), (400, 1), (3, 200)))
    document = _in_subgraphs(depth, copies)
    what = f"subgraphs {depth} deep, {copies} in each"
    if rng.random() < 0.5:
        return what, document
    return f"{what}, changed", odd_json(rng, document)


_KINDS = (
    *(_changed, _changed, _changed, _changed, _rewired, _rewired, _rewired, _revalued, _revalued),
    *(_revalued, _moded, _moded, _moded, _unfolded),
)
_KINDS += (_chained,)


def _png(rng: random.Random, document: Any) -> bytes:
    """A picture of one pixel with the document in one of its text entries or both."""
    text = json_bytes(rng, document)
    chunks = [(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"), (b"IDAT", zlib.compress(b"\0\0"))]
    for key in rng.choice(((b"prompt",), (b"workflow",), (b"prompt", b"workflow"))):
        plain = (b"tEXt", key + b"\0" + text)
        chunks.insert(1, rng.choice((plain, (b"zTXt", key + b"\0\0" + zlib.compress(text)))))
    if rng.random() < 0.2:
        chunks.insert(1, (b"tEXt", b"workflow\0" + dumped(odd_value(rng))))
    return png([*chunks, (b"IEND", b"")])
