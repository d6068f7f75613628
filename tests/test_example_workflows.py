"""The example workflows: valid for the canvas schema 0.4, presentable, and they run."""

import json
from pathlib import Path

import pytest
from PIL import Image

import sd2_depth2img
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.standalone import folders
from sd2_depth2img.standalone.graph import Runner, read_workflow

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

ROOT = Path(sd2_depth2img.__file__).parent
WORKFLOWS = sorted((ROOT / "example_workflows").glob("*.json"))
NOTES = {"Note", "MarkdownNote"}
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read(path):
    return json.loads(path.read_text())


def test_there_are_examples():
    assert "Depth to Image" in [path.stem for path in WORKFLOWS]


@each_workflow
def test_has_the_fields_of_schema_0_4(path):
    canvas = read(path)
    assert canvas["version"] == 0.4
    nodes = {node["id"]: node for node in canvas["nodes"]}
    assert canvas["last_node_id"] == max(nodes)
    assert canvas["last_link_id"] == max(link[0] for link in canvas["links"])
    assert sorted(node["order"] for node in nodes.values()) == list(range(len(nodes)))
    for node in nodes.values():
        assert {"id", "type", "pos", "size", "flags", "order", "mode", "properties"} <= set(node)
        assert len(node["pos"]) == len(node["size"]) == 2
    for group in canvas["groups"]:
        assert len(group["bounding"]) == 4
        assert group["title"]


@each_workflow
def test_both_ends_of_every_link_know_it(path):
    canvas = read(path)
    nodes = {node["id"]: node for node in canvas["nodes"]}
    for number, source, output, target, slot, kind in canvas["links"]:
        out, into = nodes[source]["outputs"][output], nodes[target]["inputs"][slot]
        assert number in out["links"]
        assert number == into["link"]
        assert out["type"] == into["type"] == kind
        assert nodes[source]["order"] < nodes[target]["order"]


@each_workflow
def test_nodes_name_their_pack_and_version(path):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for node in read(path)["nodes"]:
        if node["type"] in NOTES:
            continue
        ours = node["type"] in NODE_CLASS_MAPPINGS
        assert node["properties"]["Node name for S&R"] == node["type"]
        assert node["properties"]["cnr_id"] == ("sd2-depth2img" if ours else "comfy-core")
        assert not ours or node["properties"]["ver"] == version


@each_workflow
def test_boxes_do_not_overlap_and_groups_hold_whole_nodes(path):
    canvas = read(path)
    title = 30  # pixels of a node's title bar, above its position
    boxes = [
        (n["pos"][0], n["pos"][1] - title, n["pos"][0] + n["size"][0], n["pos"][1] + n["size"][1])
        for n in canvas["nodes"]
    ]
    for index, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[index + 1 :]:
            apart = other[0] >= right or other[2] <= left or other[1] >= bottom or other[3] <= top
            assert apart, (boxes[index], other)
        assert any(
            x <= left and y <= top and right <= x + width and bottom <= y + height
            for x, y, width, height in (group["bounding"] for group in canvas["groups"])
        )


@each_workflow
def test_has_a_square_thumbnail_and_notes(path):
    with Image.open(path.with_suffix(".jpg")) as picture:
        assert picture.width == picture.height >= 256
    notes = [n for n in read(path)["nodes"] if n["type"] in NOTES]
    assert all(len(note["widgets_values"][0]) > 80 for note in notes)
    assert notes


SMALL = {"width": 128, "height": 128, "steps": 2, "resolution": 128}


@each_workflow
def test_runs_on_a_real_photograph_and_saves_its_workflow(path, tmp_path):
    """With the checkpoint that it names, which therefore is the bundled one."""
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    workflow = read_workflow(path)
    for node in workflow.prompt.values():
        values = dict(SMALL)
        if node["class_type"] == "LoadImage":
            values["image"] = str(ROOT / "example_workflows" / "astronaut.jpg")
        node["inputs"] |= {name: values[name] for name in node["inputs"] if name in values}
    try:
        Runner().run(workflow)
    finally:
        folders.use(before)
    (saved,) = (tmp_path / "output").glob("*.png")
    with Image.open(saved) as picture:
        assert picture.size == (128, 128)
        extrema = picture.convert("L").getextrema()
        assert extrema[0] < extrema[1]
        assert json.loads(picture.text["workflow"])["version"] == 0.4
        assert json.loads(picture.text["prompt"]) == workflow.prompt
