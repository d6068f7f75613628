"""The example workflows: valid for the canvas schema 0.4, presentable, and they run."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sd2_depth2img
from sd2_depth2img.engine import folders
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.tests.quick import make_quick
from sd2_depth2img.workflows.core_nodes.save import to_pil
from sd2_depth2img.workflows.graph import Results, Runner, Workflow, read_workflow

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


@each_workflow
def test_needs_nothing_that_a_fresh_comfyui_does_not_have(path):
    prompt = read_workflow(path).prompt.values()
    files = {
        n["inputs"]["image"] for n in prompt if n["class_type"] in ("LoadImage", "SD2DepthLoad")
    }
    assert files <= {"example.png"}
    assert {n["inputs"].get("ckpt_name") for n in prompt} == {None, BUNDLED_CHECKPOINT.name}


@each_workflow
def test_samples_as_the_miniature_likes_it(path):
    for node in read(path)["nodes"]:
        if node["type"] == "SD2DepthSampler":
            assert node["widgets_values"][:4] == [0, "fixed", 20, 3.0]


@each_workflow
def test_saves_in_one_place(path):
    assert sum(node["type"] == "SaveImage" for node in read(path)["nodes"]) == 1


def named(node, part):
    return part in node["class_type"]


# --- running -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """A workflow that ran in small: half the pixels, two steps, a photo of 256 x 256."""

    workflow: Workflow
    results: Results
    file: Path  # what it saved
    photo: np.ndarray

    @property
    def image(self):
        return np.asarray(Image.open(self.file).convert("RGB"))

    def node(self, name):
        """The id of the only node with this title or class."""
        prompt = self.workflow.prompt
        (node,) = (
            key for key, n in prompt.items() if name in (n["_meta"]["title"], n["class_type"])
        )
        return node

    def given(self, name, slot=0):
        """What came out of a node: a list, of one entry unless it ran several times."""
        return self.results.outputs[self.node(name)][slot]

    def received(self, name, input_name):
        """The same for what went into one of its inputs."""
        source, slot = self.workflow.prompt[self.node(name)]["inputs"][input_name]
        return self.results.outputs[source][slot]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs an example once and remembers; the checkpoint is loaded once for all of them."""
    base = tmp_path_factory.mktemp("examples")
    with Image.open(ROOT / "example_workflows" / "astronaut.jpg") as whole:
        photo = whole.resize((256, 256))
    photo.save(base / "photo.png")
    runner, done = Runner(), {}

    def ran(name):
        if name not in done:
            folders.use(folders.Folders.below(base / name))
            workflow = read_workflow(ROOT / "example_workflows" / f"{name}.json")
            make_quick(workflow.prompt, str(base / "photo.png"))
            results = runner.run(workflow)
            (file,) = folders.current().output.glob("*.png")  # previews lie in a folder below
            done[name] = Ran(workflow, results, file, np.asarray(photo))
        return done[name]

    before = folders.current()
    yield ran
    folders.use(before)


@each_workflow
def test_runs_on_a_real_photograph_and_saves_its_workflow(path, run):
    """With the checkpoint that it names, which therefore is the bundled one."""
    ran = run(path.stem)
    assert ran.image.std() > 1
    with Image.open(ran.file) as image:
        assert json.loads(image.text["workflow"])["version"] == 0.4
        assert json.loads(image.text["prompt"]) == ran.workflow.prompt


SIZES = {
    "Depth to Image": (128, 128),
    "Steal a Pose": (128, 128),
    "Portrait Variation": (128, 128),
    "Subject and Background": (128, 128),
    "Hand-Edited Depth": (128, 128),
    "From a Depth Map Alone": (128, 128),
    "Inpaint with Depth": (256, 256),  # the photo's
    "Second Pass": (192, 192),
}
GRIDS = {"Style Transfer": (1, 4), "Strength Comparison": (2, 4)}  # rows and columns


def test_every_example_has_its_expectation():
    assert {*SIZES, *GRIDS} == {path.stem for path in WORKFLOWS}


@pytest.mark.parametrize("name", SIZES)
def test_saves_an_image_of_the_right_size(name, run):
    width, height = SIZES[name]
    assert run(name).image.shape == (height, width, 3)


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_holds_every_image(name, run):
    ran = run(name)
    rows, columns = GRIDS[name]
    painted = ran.given("VAEDecode")
    assert len(painted) == rows * columns
    for index, one in enumerate(painted):
        row, column = divmod(index, columns)
        tile = np.asarray(to_pil(one[0]))
        found = places(ran.image, tile)
        assert len(found) == 1
        assert (found[0] > np.array([row, column]) * 128).all()


def places(paper, tile):
    """The corners [row, column] at which a tile lies, pixel for pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(paper[..., 1], tile.shape[:2])
    height, width = tile.shape[:2]
    corners = np.argwhere((windows[..., 0, :] == tile[0, :, 1]).all(-1))
    return [
        np.array([y, x]) for y, x in corners if (paper[y : y + height, x : x + width] == tile).all()
    ]


def test_inpainting_changes_the_masked_part_only(run):
    ran = run("Inpaint with Depth")
    mask = ran.received("SD2DepthCrop", "mask")[0][0].numpy()
    changed = (ran.image != ran.photo).any(-1)
    assert 0.1 < mask.mean() < 0.9
    assert not changed[mask == 0].any()
    assert changed[mask == 1].mean() > 0.9


def test_every_style_has_its_own_prompt(run):
    ran = run("Style Transfer")
    painted = torch.cat(ran.given("VAEDecode"))
    assert len(set(ran.given("SD2DepthPromptList"))) == len(painted) == 4
    for one, other in itertools.combinations(painted, 2):
        assert (one - other).abs().mean() > 0.02


def test_a_pose_comes_without_its_background_and_its_photo(run):
    ran = run("Steal a Pose")
    (pose,), (near,) = ran.given("The pose"), ran.given("What is near")
    assert (pose[near == 0] == 0).all()
    assert pose.max() > 0.9
    assert (ran.received("SD2DepthSampler", "latent_image")[0]["samples"] == 0).all()


def test_the_best_portrait_is_one_of_four(run):
    ran = run("Portrait Variation")
    (four,), (best,) = ran.given("VAEDecode"), ran.given("SD2DepthFidelity", 3)
    assert len(four) == 4
    assert np.array_equal(ran.image, np.asarray(to_pil(four[best])))
    (report,) = ran.given("SD2DepthFidelity", 2)
    assert report.count("error") == 4


def test_subject_and_background_share_the_image_between_them(run):
    ran = run("Subject and Background")
    (near,), (far,) = ran.given("Subject"), ran.given("Background")
    assert torch.equal(near + far, torch.ones_like(near))
    (positive,), (negative,) = (
        ran.received("SD2DepthSampler", side) for side in ("positive", "negative")
    )
    assert (len(positive), len(negative)) == (2, 1)


def test_the_edit_is_a_ball_and_leaves_the_rest(run):
    ran = run("Hand-Edited Depth")
    (edited,), (estimated,) = ran.given("Where the ball is"), ran.given("SD2DepthEstimate")
    changed = (edited != estimated).any(-1)[0].nonzero()
    (top, left), (bottom, right) = changed.min(0).values, changed.max(0).values
    assert (bottom - top).item() in range(32, 48)
    assert (right - left).item() in range(32, 48)
    assert torch.equal(ran.received("SD2DepthEncode", "depth")[0], edited)


def test_a_depth_map_alone_is_a_scene_with_floor_pedestal_and_ball(run):
    ran = run("From a Depth Map Alone")
    depth = ran.received("SD2DepthEncode", "depth")[0][0, ..., 0]
    assert (depth[0] == 0).all()
    assert (depth[-1] == 0.5).all()
    assert depth[8:80, 28:100].max() > 0.95
    assert not any(named(node, "LoadImage") for node in ran.workflow.prompt.values())


def test_the_strengths_reach_sampler_and_depth(run):
    ran = run("Strength Comparison")
    assert ran.received("SD2DepthSampler", "denoise") == [0.4, 0.6, 0.8, 1.0] * 2
    assert ran.received("SD2DepthEncode", "strength") == [0.0] * 4 + [1.0] * 4


def test_both_passes_see_the_depth_map_at_its_full_size(run):
    ran = run("Second Pass")
    (depth,) = ran.received("SD2DepthEncode", "depth")
    assert depth.shape[1:3] == (192, 192)
    samplers = [n for n in ran.workflow.prompt.values() if named(n, "Sampler")]
    assert len(samplers) == 2
    assert len({n["inputs"]["positive"][0] for n in samplers}) == 1
