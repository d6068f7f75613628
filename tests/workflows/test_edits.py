"""Changes from the command line, on the canvas that ComfyUI's frontend saved."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.workflows.edits import Editor
from sd2_depth2img.workflows.graph import Runner, Workflow, all_nodes, parse_workflow
from sd2_depth2img.workflows.problems import EditError

RECORDED = Path(__file__).parents[1] / "data" / "canvas-1.49.6.json"
NODES = all_nodes()


@pytest.fixture
def drawn():
    """A workflow with its canvas."""
    return parse_workflow(json.loads(RECORDED.read_text(encoding="utf-8"))["workflow"])


@pytest.fixture
def editor(drawn):
    return Editor(drawn, NODES)


DEPTH_SOURCES = {"SD2DepthLoad", "SD2DepthEstimate"}


def inputs(editor, node):
    return editor.prompt[node]["inputs"]


def on_canvas(editor):
    """What the canvas would run."""
    return parse_workflow(editor.workflow.canvas).prompt


# --- NODE.INPUT=VALUE ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignment", "node", "name", "value"),
    [
        ("14.seed=18446744073709551615", "14", "seed", 18446744073709551615),
        ("SD2DepthSampler.cfg=4.5", "14", "cfg", 4.5),
        ("Depth2Img Sampler.sampler_name=heun", "14", "sampler_name", "heun"),
        ("Prompt.text=a=b, c.d", "9", "text", "a=b, c.d"),
        ("SD2DepthLoad.invert=false", "8", "invert", False),
        ("21:29.scale_by=0.25", "21:29", "scale_by", 0.25),
        ("14.steps=soon", "14", "steps", "soon"),  # left for the checks
    ],
)
def test_assign(editor, assignment, node, name, value):
    editor.assign(assignment)
    assert inputs(editor, node)[name] == value
    assert type(inputs(editor, node)[name]) is type(value)


def test_the_canvas_follows(editor):
    editor.assign("14.steps=9")
    editor.assign("10.text=now a constant")
    assert on_canvas(editor)["14"]["inputs"]["steps"] == 9
    assert on_canvas(editor)["10"]["inputs"]["text"] == "now a constant"


def test_the_caller_keeps_his_canvas(drawn):
    before = json.dumps(drawn.canvas)
    own = drawn.canvas
    Editor(drawn, NODES).assign("14.steps=9")
    assert json.dumps(own) == before


def test_inside_a_subgraph_the_canvas_is_given_up(editor, caplog):
    editor.assign("21:29.scale_by=0.25")
    assert editor.workflow.canvas is None
    assert "without the canvas" in caplog.text


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("steps=3", "is not NODE.INPUT=VALUE"),
        ("14.steps", "is not NODE.INPUT=VALUE"),
        ("Nobody.steps=3", r"there is no node 'Nobody'; there are node 1 \"Depth Checkpoint"),
        (
            "CLIPTextEncode.text=x",
            r'can mean node 9 "Prompt" \(CLIPTextEncode\), node 10 "CLIP Text Encode',
        ),
        ("14.speed=3", "takes no value for 'speed'; it takes values for seed, steps, cfg"),
        ("14.model=x", "takes no value for 'model'"),
        ("16.x=3", "it takes values for none of its inputs"),
    ],
)
def test_assignments_that_do_not_fit(editor, assignment, message):
    with pytest.raises(EditError, match=message):
        editor.assign(assignment)


# --- named options -------------------------------------------------------------------------------


def test_image(editor):
    editor.image("other.jpg")
    assert inputs(editor, "2")["image"] == "other.jpg"
    assert on_canvas(editor)["2"]["inputs"]["image"] == "other.jpg"


def test_image_with_several_or_no_place_for_it(editor):
    editor.prompt["99"] = {"class_type": "LoadImage", "inputs": {"image": "x.png"}}
    editor.image("a.png")  # the new one feeds nothing
    assert inputs(editor, "99")["image"] == "x.png"
    inputs(editor, "22")["images"] = ["99", 0]
    with pytest.raises(EditError, match=r"several: node 2 .*, node 99 \(LoadImage\); say which"):
        editor.image("a.png")
    del editor.prompt["2"], editor.prompt["99"]
    with pytest.raises(EditError, match="uses no LoadImage"):
        editor.image("a.png")


def test_depth_goes_into_the_loader(editor):
    before = dict(inputs(editor, "8"))
    editor.depth("mine.png")
    assert before["image"] == "map.png"
    assert inputs(editor, "8") == {**before, "image": "mine.png"}
    assert editor.prompt["7"]["class_type"] == "SD2DepthEstimate"


def test_depth_takes_the_place_of_the_estimate(editor):
    inputs(editor, "12")["depth"] = ["7", 0]  # the loader feeds nothing now
    editor.depth("mine.png")
    assert editor.prompt["7"] == {
        "inputs": {"image": "mine.png"},
        "class_type": "SD2DepthLoad",
        "_meta": {"title": "Depth Map Loader"},
    }
    assert on_canvas(editor)["7"]["class_type"] == "SD2DepthLoad"
    assert inputs(editor, "25")["depth"] == ["7", 0]


def test_depth_without_a_place_for_it(editor):
    for node in [n for n, e in editor.prompt.items() if e["class_type"].startswith("SD2Depth")]:
        del editor.prompt[node]
    with pytest.raises(EditError, match="neither loads, estimates nor encodes"):
        editor.depth("mine.png")


def test_depth_without_an_estimator_goes_straight_into_encode_depth(editor):
    for node in [n for n, e in editor.prompt.items() if e["class_type"] in DEPTH_SOURCES]:
        del editor.prompt[node]
    editor.depth("mine.png")
    (encode,) = (e for e in editor.prompt.values() if e["class_type"] == "SD2DepthEncode")
    source = editor.prompt[encode["inputs"]["depth"][0]]
    assert source["class_type"] == "SD2DepthLoad"
    assert source["inputs"] == {"image": "mine.png"}


def test_a_mask_goes_to_the_first_node_that_takes_one(editor):
    with pytest.raises(EditError, match="nothing in the workflow takes a mask"):
        editor.mask("mask.png")
    editor.prompt["60"] = {
        "class_type": "SD2DepthInpaintEncode",
        "inputs": {"image": ["3", 0], "mask": ["61", 0], "vae": ["1", 2]},
    }
    editor.prompt["70"] = {"class_type": "SD2DepthCrop", "inputs": {"mask": ["61", 0]}}
    inputs(editor, "14")["latent_image"] = ["60", 0]
    editor.mask("mask.png")
    source = editor.prompt[inputs(editor, "60")["mask"][0]]
    assert source["class_type"] == "LoadImageMask"
    assert source["inputs"] == {"image": "mask.png", "channel": "red"}
    # Crop for Inpainting feeds nothing that runs.
    assert inputs(editor, "70")["mask"] == ["61", 0]


def masked(editor, file):
    """The mask that a file gives Encode for Inpainting."""
    editor.prompt = editor.workflow.prompt = {
        "1": {"class_type": "SD2DepthInpaintEncode", "inputs": {"mask": ["9", 0]}},
        "2": {"class_type": "SaveLatent", "inputs": {"samples": ["1", 0]}},
    }
    editor.mask(str(file))
    node, slot = editor.prompt["1"]["inputs"]["mask"]
    del editor.prompt["1"], editor.prompt["2"]
    editor.prompt["99"] = {"class_type": "MaskPreview", "inputs": {"mask": [node, slot]}}
    return Runner(NODES).run(Workflow(editor.prompt)).outputs[node][slot][0]


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_strokes_on_a_clear_layer_count_by_their_alpha(editor, tmp_path, caplog, grey):
    alpha = np.array([[0, 0, 0, 51], [0, 0, 0, 255]], np.uint8)
    file = tmp_path / "mask.png"
    Image.fromarray(np.dstack([np.full((2, 4, 3), grey, np.uint8), alpha])).save(file)
    strength = grey / 255 if grey else 1.0
    assert np.allclose(masked(editor, file)[0], alpha / 255 * strength, atol=1e-6)
    assert "mask.png: " in caplog.text
    assert "strokes on a transparent layer" in caplog.text


def test_a_hole_in_a_photo_is_the_mask(editor, tmp_path, caplog):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[3, 4:6, 3] = (0, 102)
    file = tmp_path / "mask.png"
    Image.fromarray(pixels).save(file)
    assert np.allclose(masked(editor, file)[0], 1 - pixels[..., 3] / 255)
    assert "the hole is the mask" in caplog.text


def test_a_prompt_goes_to_the_other_end_of_a_wire_that_others_hang_on(editor):
    """As with Prompt List, whose lines are the labels too."""
    inputs(editor, "9")["text"] = ["11", 0]
    editor.text("positive", "a cat")
    assert inputs(editor, "9")["text"] == ["11", 0] == inputs(editor, "10")["text"]
    assert "a cat" in inputs(editor, "11").values()


def test_prompts_are_found_through_the_nodes_between(editor):
    editor.text("positive", "a cat")
    editor.text("negative", "a dog")
    assert inputs(editor, "9")["text"] == "a cat"
    assert inputs(editor, "10")["text"] == "a dog"  # in the place of the link to node 11


def test_prompts_and_seed_of_ksampler_advanced_behind_a_controlnet():
    """All that is needed of it, for the search."""
    control = {"positive": ["1", 0], "negative": ["2", 0]}
    sampler = {"positive": ["3", 0], "negative": ["3", 1], "noise_seed": 1, "steps": 20}
    entries = {
        "1": ("CLIPTextEncode", {"text": "a house"}),
        "2": ("CLIPTextEncode", {"text": ""}),
        "3": ("ControlNetApplyAdvanced", control),
        "4": ("KSamplerAdvanced", sampler),
        "5": ("SaveLatent", {"samples": ["4", 0]}),
    }
    prompt = {
        node: {"class_type": kind, "inputs": given} for node, (kind, given) in entries.items()
    }
    editor = Editor(Workflow(prompt), NODES)
    editor.text("positive", "a cat")
    editor.text("negative", "a dog")
    editor.everywhere(["seed", "noise_seed"], 5)
    editor.everywhere(["steps"], 4)
    assert [inputs(editor, node)["text"] for node in "12"] == ["a cat", "a dog"]
    assert inputs(editor, "4")["noise_seed"] == 5
    assert inputs(editor, "4")["steps"] == 4


def test_two_prompts_are_ambiguous(editor):
    editor.prompt["50"] = {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "second", "clip": ["1", 1]},
        "_meta": {"title": "Second"},
    }
    editor.prompt["51"] = {
        "class_type": "ConditioningCombine",
        "inputs": {"conditioning_1": ["9", 0], "conditioning_2": ["50", 0]},
    }
    inputs(editor, "12")["positive"] = ["51", 0]
    with pytest.raises(EditError, match=r'"Prompt".*"Second".*--set NODE\.text='):
        editor.text("positive", "a cat")


def test_no_prompt_to_be_found(editor):
    inputs(editor, "12").pop("negative")
    with pytest.raises(EditError, match="no CLIP Text Encode feeds the negative input"):
        editor.text("negative", "a dog")


def test_everywhere(editor):
    editor.everywhere(["seed", "noise_seed"], 5)
    assert inputs(editor, "14")["seed"] == 5
    editor.everywhere(["ckpt_name"], "mine.safetensors")
    assert inputs(editor, "1")["ckpt_name"] == "mine.safetensors"
    with pytest.raises(EditError, match="no node has an input 'fps' or 'rate'"):
        editor.everywhere(["fps", "rate"], 5)


# --- texts as if typed ---------------------------------------------------------------------------


def api(**inputs):
    return Editor(
        parse_workflow(
            {
                "1": {"class_type": "PrimitiveString", "inputs": {"value": "x"}},
                "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a", **inputs}},
                "3": {"class_type": "SaveImage", "inputs": {"filename_prefix": "b"}},
            }
        ),
        NODES,
    )


def test_texts_are_filled_in_as_when_typed():
    editor = api()
    editor.assign("2.text=a {red|red} {statue} // note")
    assert inputs(editor, "2")["text"] == "a red statue "
    editor.assign("3.filename_prefix=%date:yyyy%/%PrimitiveString.value%")
    assert inputs(editor, "3")["filename_prefix"] == f"{time.strftime('%Y')}/x"
    editor.assign("1.value={red|red}")
    assert inputs(editor, "1")["value"] == "{red|red}"  # feeds no prompt


def test_the_text_node_behind_a_prompt_is_filled_in():
    editor = api(text=["1", 0])
    editor.assign("1.value={red|red}")
    assert inputs(editor, "1")["value"] == "red"


def test_prompts_are_found_along_long_ways_and_circles():
    size = 3000
    prompt = {
        str(at): {
            "class_type": "ConditioningCombine",
            "inputs": {"conditioning_1": [str(at + 1), 0], "conditioning_2": [str(at + 1), 0]},
        }
        for at in range(size)
    }
    prompt[str(size)] = {"class_type": "CLIPTextEncode", "inputs": {"text": "a"}}
    prompt["s"] = {"class_type": "KSampler", "inputs": {"seed": 1, "positive": ["0", 0]}}
    prompt["p"] = {"class_type": "PreviewAny", "inputs": {"source": ["s", 0]}}
    editor = Editor(parse_workflow(prompt), NODES)
    editor.text("positive", "found")
    assert inputs(editor, str(size))["text"] == "found"
    inputs(editor, "5")["conditioning_2"] = ["0", 0]
    editor.text("positive", "again")
    assert inputs(editor, str(size))["text"] == "again"
