"""The blueprints in `subgraphs/`: valid, and they run on a canvas."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sd2_depth2img
from sd2_depth2img.engine import folders
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.tests.quick import make_quick
from sd2_depth2img.tools.examples.__main__ import text_of
from sd2_depth2img.tools.examples.blueprints import BLUEPRINTS, draw
from sd2_depth2img.workflows.graph import Runner, parse_workflow
from sd2_depth2img.workflows.subgraphs import SUBGRAPH_IN, SUBGRAPH_OUT, shown_widgets

ROOT = Path(sd2_depth2img.__file__).parent
FILES = sorted((ROOT / "subgraphs").glob("*.json"))
each_blueprint = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_files_are_what_the_builder_writes():
    assert {path.stem for path in FILES} == set(BLUEPRINTS)
    for path in FILES:
        written = path.read_text(encoding="utf-8")
        assert written == text_of(draw(path.stem)), "run tools.examples blueprints"


@each_blueprint
def test_is_one_node_that_stands_for_its_definition(path):
    canvas = read(path)
    (node,) = canvas["nodes"]
    (inside,) = canvas["definitions"]["subgraphs"]
    assert canvas["version"] == 0.4
    assert node["type"] == inside["id"]
    assert node["title"] == inside["name"] == path.stem
    assert inside["category"] == "SD2 Depth"
    assert len(inside["description"]) > 40
    for side in ("inputs", "outputs"):
        assert [(one["name"], one["type"]) for one in node[side]] == [
            (one["name"], one["type"]) for one in inside[side]
        ]
    everywhere = [node, *inside["nodes"]]
    assert all(one["properties"]["cnr_id"] and one["properties"]["ver"] for one in everywhere)


@each_blueprint
def test_its_links_join_slots_that_know_them(path):
    (inside,) = read(path)["definitions"]["subgraphs"]
    nodes = {node["id"]: node for node in inside["nodes"]}
    for link in inside["links"]:
        if link["origin_id"] == SUBGRAPH_IN:
            assert link["id"] in inside["inputs"][link["origin_slot"]]["linkIds"]
        else:
            out = nodes[link["origin_id"]]["outputs"][link["origin_slot"]]
            assert link["id"] in out["links"]
            assert out["type"] == link["type"]
        if link["target_id"] == SUBGRAPH_OUT:
            assert [link["id"]] == inside["outputs"][link["target_slot"]]["linkIds"]
        else:
            assert link["id"] == nodes[link["target_id"]]["inputs"][link["target_slot"]]["link"]
    assert inside["state"]["lastLinkId"] == len(inside["links"])
    assert inside["state"]["lastNodeId"] == max(nodes)


@each_blueprint
def test_its_widgets_are_there(path):
    canvas = read(path)
    (node,), (inside,) = canvas["nodes"], canvas["definitions"]["subgraphs"]
    kinds = {str(one["id"]): NODE_CLASS_MAPPINGS.get(one["type"]) for one in inside["nodes"]}
    named = [slot["name"] for slot in node["inputs"] if "widget" in slot]
    shown = shown_widgets(node)
    assert [name for owner, name in shown if owner == "-1"] == named
    assert len(node["widgets_values"]) == len(named)  # the others' values are inside
    for owner, name in shown[len(named) :]:
        declared = kinds[owner].INPUT_TYPES()
        seed = name == "control_after_generate"
        assert seed or name in {**declared["required"], **declared.get("optional", {})}


# --- running -------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """Runs a blueprint in small on a photo, its first output saved, with other values outside."""
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    (tmp_path / "input").mkdir()
    with Image.open(ROOT / "example_workflows" / "astronaut.jpg") as whole:
        whole.resize((256, 256)).save(tmp_path / "input" / "photo.png")

    def ran(name, **values):
        canvas = on_a_canvas(read(ROOT / "subgraphs" / f"{name}.json"), values)
        workflow = parse_workflow(canvas)
        make_quick(workflow.prompt, "photo.png")
        results = Runner().run(workflow)
        (file,) = folders.current().output.glob("*.png")
        with Image.open(file) as image:
            return workflow, results, np.asarray(image.convert("RGB"))

    yield ran
    folders.use(before)


def on_a_canvas(blueprint, values):
    """The blueprint's node between Load Image, a mask of the middle, and Save Image."""
    canvas = copy.deepcopy(blueprint)
    (node,) = canvas["nodes"]
    names = [slot["name"] for slot in node["inputs"]]
    widgets = [slot["name"] for slot in node["inputs"] if "widget" in slot]
    for name, value in values.items():
        node["widgets_values"][widgets.index(name)] = value
    links = [[1, 101, 0, node["id"], names.index("image"), "IMAGE"]]
    if "mask" in names:
        links.append([2, 103, 0, node["id"], names.index("mask"), "MASK"])
        links += [[4, 102, 0, 103, 0, "MASK"], [5, 104, 0, 103, 1, "MASK"]]
    links.append([3, node["id"], 0, 105, 0, "IMAGE"])
    for number, _, _, target, slot, _ in links:
        if target == node["id"]:
            node["inputs"][slot]["link"] = number
    node["outputs"][0]["links"] = [3]

    def entry(number, kind, values, *inputs):
        slots = [
            {"name": name, "type": "*", "link": link} for name, link in inputs if link is not None
        ]
        return {
            "id": number,
            "type": kind,
            "mode": 0,
            "inputs": slots,
            "outputs": [],
            "widgets_values": values,
        }

    canvas["nodes"] += [
        entry(101, "LoadImage", ["photo.png", "image"]),
        entry(105, "SaveImage", ["blueprint"], ("images", 3)),
    ]
    if "mask" in names:
        canvas["nodes"] += [
            entry(102, "SolidMask", [0.0, 512, 512]),
            entry(104, "SolidMask", [1.0, 256, 256]),
            entry(103, "MaskComposite", [128, 128, "add"], ("destination", 4), ("source", 5)),
        ]
    return {**canvas, "links": links}


def test_depth_to_image_paints_what_the_prompt_says(run):
    workflow, _, image = run("Depth to Image (Stable Diffusion 2)", prompt="a green clay statue")
    texts = [n["inputs"]["text"] for n in workflow.prompt.values() if "text" in n["inputs"]]
    assert "a green clay statue" in texts
    assert image.shape == (128, 128, 3)
    assert image.std() > 1


def test_inpainting_changes_the_masked_part_only(run):
    _, _, image = run("Inpaint with Depth (Stable Diffusion 2)")
    with Image.open(folders.current().input / "photo.png") as photo:
        changed = (np.asarray(photo) != image).any(-1)
    assert not changed[:60].any()
    assert not changed[:, :60].any()
    assert changed[64:192, 64:192].mean() > 0.9


def test_estimate_and_edit_gives_the_adjusted_map(run):
    workflow, results, image = run("Estimate and Edit Depth")
    (adjust,) = (k for k, n in workflow.prompt.items() if n["class_type"] == "SD2DepthAdjust")
    (depth,) = results.outputs[adjust][0]
    assert depth.shape == (1, 256, 256, 3)
    assert torch.equal(depth[..., 0], depth[..., 1])
    assert np.array_equal(image, (depth[0].numpy() * 255).astype(np.uint8))
