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
from sd2_depth2img.nodes.depth_files import BUNDLED_DEPTH
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.tests.quick import make_quick
from sd2_depth2img.tools.examples.stand_ins import stand_in_runner
from sd2_depth2img.workflows.core_nodes.save import to_pil
from sd2_depth2img.workflows.graph import Results, Runner, Workflow, parse_workflow, read_workflow
from sd2_depth2img.workflows.problems import WorkflowError

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
    assert "ds" not in read(path)["extra"]  # a view of its own would win over the fitted one


@each_workflow
def test_titles_and_notes_are_large_enough(path):
    canvas = read(path)
    for group in canvas["groups"]:
        assert group["font_size"] * READABLE >= 15
        assert len(group["title"]) * 11 < group["bounding"][2]
    for node in canvas["nodes"]:
        assert len(node.get("title", "")) * 8 < node["size"][0] - 40
    for note in (node for node in canvas["nodes"] if node["type"] in NOTES):
        title, _, summary, *rest = note["widgets_values"][0].splitlines()
        assert title.startswith("# ")  # 22 pixels to the text's 14
        assert summary.startswith("## ")
        assert len(" ".join(rest)) < 1400


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
    there = {"example.png", BUNDLED_CHECKPOINT.name, BUNDLED_DEPTH.name}
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
        """8 bits a channel."""
        with Image.open(self.file) as image:
            if image.mode.startswith("I"):  # 16 bits of grey
                return np.repeat(np.asarray(image)[..., None] // 257, 3, axis=-1)
            return np.asarray(image.convert("RGB"))

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
    runners = {False: Runner(), True: stand_in_runner(base / "photo.png")}
    done = {}

    def ran(name):
        if name not in done:
            folders.use(folders.Folders.below(base / name))
            workflow = read_workflow(ROOT / "example_workflows" / f"{name}.json")
            make_quick(workflow.prompt, str(base / "photo.png"))
            results = runners[name in NEEDED].run(workflow)
            saved = [node for node in workflow.prompt if is_saved(workflow.prompt[node])]
            shown = results.ui[saved[0]]["images"][0]
            place = {"output": folders.current().output, "temp": folders.current().temp}
            file = place[shown["type"]] / shown["subfolder"] / shown["filename"]
            done[name] = Ran(workflow, results, file, np.asarray(photo))
        return done[name]

    before = folders.current()
    yield ran
    folders.use(before)


def is_saved(node):
    return node["class_type"] in ("SaveImage", "SaveVideo", "SD2DepthSave")


@each_workflow
def test_runs_on_a_real_photograph_and_saves_its_workflow(path, run):
    """With the checkpoint that it names, which therefore is the bundled one."""
    ran = run(path.stem)
    assert ran.image.std() > 1
    if path.stem == "Video":
        return  # what stands in for Save Video saves frames
    with Image.open(ran.file) as image:
        assert json.loads(image.text["workflow"])["version"] == 0.4
        assert json.loads(image.text["prompt"]) == ran.workflow.prompt


SIZES = {
    "Depth Maps": (256, 256),  # the photo's
    "Rendered Depth": (128, 128),
    "Video": (128, 128),
    "Fine-Tune": (128, 128),
    "With ComfyUI's Own Nodes": (256, 256),
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
    (pose,), (far,) = ran.given("Nothing behind it"), ran.given("What is far")
    assert 0.1 < far.mean() < 0.9
    assert (pose[far == 1] == 0).all()
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
    (edited,), (estimated,) = ran.given("A ball put in"), ran.given("SD2DepthEstimate")
    changed = (edited != estimated).any(-1)[0].nonzero()
    (top, left), (bottom, right) = changed.min(0).values, changed.max(0).values
    assert (bottom - top).item() in range(40, 50)
    assert (right - left).item() in range(40, 50)
    assert torch.equal(ran.received("SD2DepthEncode", "depth")[0], edited)


def test_a_depth_map_alone_is_a_scene_with_a_floor_and_two_balls(run):
    ran = run("From a Depth Map Alone")
    depth = ran.received("SD2DepthEncode", "depth")[0][0, ..., 0]
    assert (depth[0] == 0).all()
    assert depth[-1, 0].item() == pytest.approx(0.6, abs=0.02)
    assert depth[66, 51].item() == pytest.approx(1.0, abs=0.01)
    assert depth[64, 105].item() == pytest.approx(0.5, abs=0.01)
    assert not any(named(node, "LoadImage") for node in ran.workflow.prompt.values())


def test_a_z_pass_becomes_a_depth_map(run):
    ran = run("Rendered Depth")
    (metres,), (depth,) = ran.given("SD2DepthLoad"), ran.received("SD2DepthEncode", "depth")
    sky = metres.isinf()
    assert 0.2 < sky.float().mean() < 0.6
    assert (depth[sky] == 0).all()
    nearest = metres == metres.min()
    assert (depth[nearest] == 1).all()
    assert depth.max() == 1


def test_only_what_is_far_is_pushed_back(run):
    ran = run("Depth Maps")
    (refined,), (mask,) = ran.given("SD2DepthRefine"), ran.given("SD2DepthRangeMask")
    (merged,) = ran.given("SD2DepthMerge")
    assert torch.equal(merged[mask == 0], refined[mask == 0])
    assert (merged[mask == 1] <= refined[mask == 1]).all()
    assert (merged < refined).any()


def test_a_video_keeps_its_frames_and_starts_all_from_one_noise(run):
    ran = run("Video")
    (painted,), (latent,) = ran.given("VAEDecode"), ran.received("SD2DepthSampler", "latent_image")
    assert len(painted) == 4
    assert latent["batch_index"] == [0, 0, 0, 0]


def test_the_engine_names_the_video_nodes_that_it_lacks():
    workflow = read_workflow(ROOT / "example_workflows" / "Video.json")
    with pytest.raises(WorkflowError) as caught:
        Runner().run(workflow)
    said = str(caught.value)
    for name in ("LoadVideo", "GetVideoComponents", "CreateVideo"):
        assert name in said
    assert "ComfyUI" in said


def test_a_fine_tune_runs_without_one_while_its_nodes_are_bypassed(run):
    ran = run("Fine-Tune")
    assert ran.workflow.prompt[ran.node("SD2DepthSampler")]["inputs"]["model"] == [
        ran.node("SD2DepthCheckpointLoader"),
        0,
    ]
    canvas = read(ROOT / "example_workflows" / "Fine-Tune.json")
    for node in canvas["nodes"]:
        node["mode"] = 0
    switched_on = parse_workflow(canvas).prompt.values()
    (given,) = (n["inputs"] for n in switched_on if n["class_type"] == "SD2DepthTransplant")
    assert given.keys() == {"model", "fine_tune", "base", "strength"}


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
