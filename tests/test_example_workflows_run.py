"""The example workflows do what they promise, in the embedded engine and in small."""

import itertools
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.engine import folders
from sd2_depth2img.engine.video import Components, FilmFile
from sd2_depth2img.tests.quick import make_quick
from sd2_depth2img.tests.test_example_workflows import (
    NEEDED,
    ROOT,
    WORKFLOWS,
    each_workflow,
    read,
)
from sd2_depth2img.tools.examples.stand_ins import stand_in_runner
from sd2_depth2img.workflows.core_nodes.save import to_pil
from sd2_depth2img.workflows.graph import Results, Runner, Workflow, parse_workflow, read_workflow


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
    "Look Around": (256, 256),
    "Rendered Depth": (128, 128),
    "Video": (128, 128),
    "Fine-Tune": (128, 128),
    "With ComfyUI's Own Nodes": (256, 256),
    "Depth to Image": (128, 128),
    "Steal a Pose": (128, 128),
    "Portrait Variation": (128, 128),
    "Subject and Background": (128, 128),
    "Paint Depth": (128, 128),
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


def test_what_was_painted_is_a_ball_behind_the_head_and_a_nearer_arm(run):
    ran = run("Paint Depth")
    (edited,), (estimated,) = ran.given("SD2DepthEditor"), ran.given("SD2DepthEstimate")
    change = (edited - estimated)[0, ..., 0]
    ball, head, arm, far = change[30, 20], change[25, 55], change[112, 27], change[15, 88]
    assert ball > 0.2
    assert abs(head) < 0.02
    assert arm > 0.05
    assert far <= 0
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


def test_a_film_becomes_a_film(base):
    """Without anything that stands in: frames in, as many out, at the same rate."""
    frames = torch.linspace(0, 1, 4 * 96 * 128 * 3).reshape(4, 96, 128, 3)
    Components(frames, Fraction(12)).save(base / "input" / "video.mp4", {}, "auto", "auto")
    workflow = read_workflow(ROOT / "example_workflows" / "Video.json")
    make_quick(workflow.prompt, str(base / "photo.png"))
    results = Runner().run(workflow)
    (path,) = (path for path in results.files if path.suffix == ".mp4")
    film = FilmFile(path).components()
    assert len(film.images) == 4
    assert film.frame_rate == 12
    assert film.images.std() > 0.01


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


def named(node, part):
    return part in node["class_type"]
