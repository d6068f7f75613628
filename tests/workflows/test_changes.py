"""Changes to a workflow in layers: what overrides what."""

import pytest

from sd2_depth2img.tests.prompts import entry
from sd2_depth2img.workflows.changes import Changes, apply
from sd2_depth2img.workflows.edits import Editor
from sd2_depth2img.workflows.graph import Workflow, all_nodes
from sd2_depth2img.workflows.problems import EditError


@pytest.fixture
def editor():
    prompt = {
        "1": entry("SD2DepthCheckpointLoader", ckpt_name="mini.safetensors"),
        "2": entry("LoadImage", image="photo.png"),
        "3": entry("SD2DepthEstimate", image=["2", 0], depth_model=["1", 3], resolution=64),
        "4": entry("CLIPTextEncode", text="a house", clip=["1", 1]),
        "5": entry("CLIPTextEncode", text="blurry", clip=["1", 1]),
        "6": entry("SD2DepthEncode", positive=["4", 0], negative=["5", 0], depth=["3", 0]),
        "7": entry("EmptyLatentImage", width=64, height=64, batch_size=1),
        "8": entry(
            "SD2DepthSampler",
            model=["1", 0],
            positive=["6", 0],
            negative=["6", 1],
            latent_image=["7", 0],
            seed=1,
            steps=20,
            cfg=3.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        ),
        "9": entry("VAEDecode", samples=["8", 0], vae=["1", 2]),
        "10": entry("SaveImage", images=["9", 0], filename_prefix="result"),
    }
    return Editor(Workflow(prompt), all_nodes())


def inputs(editor, node):
    return editor.prompt[node]["inputs"]


def test_all_of_them(editor):
    changes = Changes("other.ckpt", "mine.png", None, None, "a castle", "text", 7, 3, ("8.cfg=2",))
    apply(editor, changes)
    assert inputs(editor, "1")["ckpt_name"] == "other.ckpt"
    assert inputs(editor, "2")["image"] == "mine.png"
    assert [inputs(editor, node)["text"] for node in "45"] == ["a castle", "text"]
    sampler = inputs(editor, "8")
    assert (sampler["seed"], sampler["steps"], sampler["cfg"]) == (7, 3, 2.0)


def test_none_leave_the_workflow_as_it_is(editor):
    before = {node: dict(one["inputs"]) for node, one in editor.prompt.items()}
    apply(editor, Changes(), Changes())
    assert {node: one["inputs"] for node, one in editor.prompt.items()} == before
    assert Changes().given() == {}


def test_a_later_layer_overrides_also_what_an_assignment_of_an_earlier_one_set(editor):
    common = Changes(prompt="a castle", seed=7, steps=2, assignments=("4.text=a tent", "8.seed=8"))
    apply(editor, common, Changes(prompt="a boat", seed=9))
    assert inputs(editor, "4")["text"] == "a boat"
    assert (inputs(editor, "8")["seed"], inputs(editor, "8")["steps"]) == (9, 2)


def test_an_assignment_has_the_last_word_in_its_layer(editor):
    apply(editor, Changes(prompt="a castle"), Changes(prompt="a boat", assignments=("4.text=x",)))
    assert inputs(editor, "4")["text"] == "x"


def test_an_assignment_finds_the_node_that_a_file_of_a_later_layer_brings(editor):
    apply(editor, Changes(assignments=("SD2DepthLoad.invert=true",)), Changes(depth="z.exr"))
    assert editor.prompt["3"]["class_type"] == "SD2DepthLoad"
    assert inputs(editor, "3") == {"image": "z.exr", "invert": True}


def test_what_fits_nowhere_is_refused(editor):
    with pytest.raises(EditError, match="nothing in the workflow takes a mask"):
        apply(editor, Changes(mask="m.png"))


def test_merged_changes_keep_the_assignments_of_both():
    one = Changes(prompt="a", seed=1, assignments=("3.x=1",))
    other = Changes(seed=0, assignments=("3.x=2",))
    assert one.overridden_by(other) == Changes(prompt="a", seed=0, assignments=("3.x=1", "3.x=2"))
