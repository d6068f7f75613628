"""The example workflows: valid for the canvas schema 0.4, and presentable."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sd2_depth2img
from sd2_depth2img.depth.depth_files import BUNDLED
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

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
        assert out["type"] == kind
        assert into["type"] in (kind, "*")
        assert nodes[source]["order"] < nodes[target]["order"]


@each_workflow
def test_nodes_name_their_pack_and_version(path):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for node in read(path)["nodes"]:
        ours = node["type"] in NODE_CLASS_MAPPINGS
        assert node["properties"]["Node name for S&R"] == node["type"]
        assert node["properties"]["cnr_id"] == ("sd2-depth2img" if ours else "comfy-core")
        assert node["properties"]["ver"] == (version if ours else "0.3.64")


def test_every_node_of_the_pack_is_in_an_example():
    found = {node["type"] for path in WORKFLOWS for node in read(path)["nodes"]}
    assert found >= NODE_CLASS_MAPPINGS.keys()


def test_a_model_that_has_an_address_says_it():
    nodes = read(ROOT / "example_workflows" / "With ComfyUI's Own Nodes.json")["nodes"]
    (loader,) = (node for node in nodes if node["type"] == "SD2DepthModelLoader")
    (model,) = loader["properties"]["models"]
    assert model["name"] == loader["widgets_values"][0]
    assert model["directory"] == "depth"
    assert model["url"].startswith("https://")
    assert model["url"].endswith("/" + model["name"])


# --- to be read ----------------------------------------------------------------------------------

TITLE = 30  # pixels of a node's title bar, above its position
WINDOW = (1600, 1000)
FITTED = 0.75  # the share of the window that the page gives a template's nodes
READABLE = 0.65  # the least scale; at 0.57 the page leaves titles out
SIDEBAR, TABS = 60, 40  # pixels of the page
LETTER = 12.6  # pixels of a letter in the title of a group, at most on average
BADGE = 100  # pixels that the pack's name takes above the right end of its nodes


def boxes(path):
    """[left, top, right, bottom] of every node by its id, with its title bar."""
    return {
        node["id"]: (
            node["pos"][0],
            node["pos"][1] - TITLE,
            node["pos"][0] + node["size"][0],
            node["pos"][1] + node["size"][1],
        )
        for node in read(path)["nodes"]
    }


@each_workflow
def test_opens_large_enough_to_be_read(path):
    lefts, tops, rights, bottoms = zip(*boxes(path).values(), strict=True)
    # The page takes 10 pixels on every side.
    sides = (max(rights) - min(lefts) + 20, max(bottoms) - min(tops) + 20)
    scale = min(FITTED * side / needed for side, needed in zip(WINDOW, sides, strict=True))
    assert scale >= READABLE


@each_workflow
def test_the_view_of_frontends_that_fit_none_shows_all_of_it(path):
    """Those up to 1.32; what they show of Nodes 2.0 is larger."""
    view = read(path)["extra"]["ds"]
    assert view["scale"] >= READABLE
    lefts, tops, rights, bottoms = zip(*boxes(path).values(), strict=True)
    x, y = view["offset"]
    assert (min(lefts) + x) * view["scale"] >= SIDEBAR
    assert (min(tops) + y) * view["scale"] >= TABS
    assert (max(rights) + x) * view["scale"] <= WINDOW[0]
    assert (max(bottoms) + y) * view["scale"] <= WINDOW[1]


@each_workflow
def test_titles_and_notes_are_large_enough(path):
    canvas = read(path)
    for group in canvas["groups"]:
        assert group["font_size"] * READABLE >= 15
        assert title_end(group) < group["bounding"][0] + group["bounding"][2]
    for node in canvas["nodes"]:
        assert len(node.get("title", "")) * 8 < node["size"][0] - 40
    for note in (node for node in canvas["nodes"] if node["type"] in NOTES):
        title, _, summary, *rest = note["widgets_values"][0].splitlines()
        assert title.startswith("# ")  # 22 pixels to the text's 14
        assert summary.startswith("## ")
        assert len(" ".join(rest)) < 1400


@each_workflow
def test_no_pack_name_covers_the_title_of_a_group(path):
    """The classic renderer writes it above the title bar of a node."""
    canvas = read(path)
    for group in canvas["groups"]:
        left, top, *_ = group["bounding"]
        for node in canvas["nodes"]:
            is_below = 0 <= node["pos"][1] - TITLE - top < 60
            if is_below and node["pos"][0] >= left and node["type"] in NODE_CLASS_MAPPINGS:
                badge = node["pos"][0] + node["size"][0] - BADGE
                assert title_end(group) <= badge, group["title"]


def title_end(group):
    return group["bounding"][0] + 5 + LETTER * len(group["title"])


@each_workflow
def test_boxes_do_not_overlap_and_groups_hold_whole_nodes(path):
    nodes = list(boxes(path).values())
    groups = [
        (x, y, x + width, y + height)
        for x, y, width, height in (group["bounding"] for group in read(path)["groups"])
    ]
    for those in (nodes, groups):
        for one, other in itertools.combinations(those, 2):
            assert apart(one, other), (one, other)
    for left, top, right, bottom in nodes:
        assert any(
            x <= left and y <= top and right <= x2 and bottom <= y2 for x, y, x2, y2 in groups
        )


def apart(one, other):
    return other[0] >= one[2] or other[2] <= one[0] or other[1] >= one[3] or other[3] <= one[1]


@each_workflow
def test_links_are_to_be_seen(path):
    """The page draws them behind nodes; no more than half of their length may be there."""
    canvas = read(path)
    nodes = {node["id"]: node for node in canvas["nodes"]}
    hidden = [
        behind(curve(nodes[source], output, nodes[target], slot), boxes(path), {source, target})
        for _, source, output, target, slot, _ in canvas["links"]
    ]
    hidden, lengths = (sum(one[part] for one in hidden) for part in (0, 1))
    assert hidden / lengths < 0.52


def curve(source, output, target, slot):
    """[101, 2] points of a link as the page draws it, from slot to slot."""
    start = np.array([source["pos"][0] + source["size"][0], source["pos"][1] + 14 + 20 * output])
    end = np.array([target["pos"][0], target["pos"][1] + 14 + 20 * slot])
    aside = np.array([np.linalg.norm(end - start) / 4, 0])
    t = np.linspace(0, 1, 101)[:, None]
    first, second = start + aside, end - aside
    return (
        (1 - t) ** 3 * start
        + 3 * (1 - t) ** 2 * t * first
        + 3 * (1 - t) * t**2 * second
        + t**3 * end
    )


def behind(points, nodes, own):
    """How much of a curve is behind nodes other than those that it joins, and its length."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    middles = (points[1:] + points[:-1]) / 2
    hidden = np.zeros(len(middles), bool)
    for number, (left, top, right, bottom) in nodes.items():
        if number not in own:
            x, y = middles.T
            hidden |= (x > left) & (x < right) & (y > top) & (y < bottom)
    return steps[hidden].sum(), steps.sum()


@each_workflow
def test_has_a_square_thumbnail_and_notes(path):
    with Image.open(path.with_suffix(".jpg")) as image:
        assert image.width == image.height >= 256
    notes = [n for n in read(path)["nodes"] if n["type"] in NOTES]
    assert all(len(note["widgets_values"][0]) > 80 for note in notes)
    assert notes


@each_workflow
def test_the_thumbnail_is_small(path):
    thumbnail = path.with_suffix(".jpg")
    assert thumbnail.stat().st_size < 120_000
    with Image.open(thumbnail) as image:
        assert image.format == "JPEG"
        assert image.size == (512, 512)


# What only the user has; everything else runs as it is.
NEEDED = {
    "Video": {"video.mp4"},
    "With ComfyUI's Own Nodes": {
        "512-depth-ema.safetensors",
        "depth_anything_v2_vits_fp16.safetensors",
    },
}


@each_workflow
def test_needs_nothing_that_a_fresh_comfyui_does_not_have(path):
    """Of nodes that run: bypassed ones are not asked."""
    files = {
        value
        for node in read(path)["nodes"]
        if node["mode"] == 0 and "Load" in node["type"]
        for value in node["widgets_values"]
        if isinstance(value, str) and "." in value
    }
    there = {"example.png", BUNDLED_CHECKPOINT.name, BUNDLED.name}
    assert files - there == NEEDED.get(path.stem, set())


@each_workflow
def test_sizes_steps_and_cfg_come_from_one_place(path):
    """From Model Settings, where they are 0: what suits the model."""
    nodes = read(path)["nodes"]
    settings = [node for node in nodes if node["type"] == "SD2DepthSettings"]
    assert all(node["widgets_values"] == [0, 0, 0.0] for node in settings)
    for node in nodes:
        wired = {slot["name"] for slot in node["inputs"] if slot["link"] is not None}
        if node["type"] == "SD2DepthSampler":
            assert wired >= {"steps", "cfg"}
        if node["type"] in ("SD2DepthPrepare", "SD2DepthCrop"):
            assert "size" in wired
        if node["type"] in ("EmptyLatentImage", "EmptyImage"):
            assert wired >= {"width", "height"}
        if node["type"] == "SD2DepthEstimate":
            assert node["widgets_values"][0] == 0  # the depth network's own


@each_workflow
def test_a_second_run_gives_another_image(path):
    for node in read(path)["nodes"]:
        if "Sampler" in node["type"]:
            assert node["widgets_values"][:2] == [0, "randomize"]


@each_workflow
def test_saves_in_one_place(path):
    saving = ("SaveImage", "SaveVideo", "SD2DepthSave")
    assert sum(node["type"] in saving for node in read(path)["nodes"]) == 1
