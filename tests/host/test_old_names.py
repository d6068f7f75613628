"""Workflows of earlier versions: nodes, inputs and options are known under the current names."""

import json
from pathlib import Path

import pytest

from sd2_depth2img.engine import folders
from sd2_depth2img.host.old_names import INPUTS, OPTIONS, with_current_names
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.workflows.graph import Runner, parse_workflow

# Of every version so far: the nodes, their inputs with all options of each (no list of files, and
# not the host's samplers and schedulers), and the types of their outputs. Only to be added to.
NAMES = json.loads((Path(__file__).parents[1] / "data" / "node-names.json").read_text())
# Removed with what they did: hosts pass an input that a node does not have over.
REMOVED = {("SD2DepthConvert", "feather")}
EXAMPLE = Path(__file__).parents[2] / "example_workflows" / "Depth to Image.json"


def declared(node):
    groups = NODE_CLASS_MAPPINGS[node].INPUT_TYPES()
    return {**groups.get("required", {}), **groups.get("optional", {})}


def choices(kind):
    return kind if isinstance(kind, list | tuple) else ()


def test_no_node_was_renamed_or_removed():
    assert NAMES.keys() <= NODE_CLASS_MAPPINGS.keys()


@pytest.mark.parametrize("node", NAMES)
def test_every_input_and_option_of_a_node_is_known_under_some_name(node):
    today = declared(node)
    for name, options in NAMES[node]["inputs"].items():
        if (node, name) in REMOVED:
            continue
        name = INPUTS.get((node, name), name)
        assert name in today
        present = {OPTIONS.get((node, name, option), option) for option in options}
        assert present <= set(choices(today[name][0]))


@pytest.mark.parametrize("node", NAMES)
def test_outputs_of_a_node_kept_their_places(node):
    types = NAMES[node]["outputs"]
    assert list(NODE_CLASS_MAPPINGS[node].RETURN_TYPES[: len(types)]) == types


def test_every_former_name_leads_to_one_that_is_there():
    for (node, former), name in INPUTS.items():
        assert name in declared(node)
        assert former not in declared(node)
    for (node, name, former), option in OPTIONS.items():
        assert option in choices(declared(node)[name][0])
        assert former not in choices(declared(node)[name][0])


@pytest.fixture
def base(tmp_path):
    """Folders of one test."""
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    yield tmp_path
    folders.use(before)


def estimating(**names):
    """A workflow that estimates the depth of two small frames; its inputs under these names."""
    frames = {"width": 32, "height": 32, "batch_size": 2, "color": 255}
    links = {"image": ["1", 0], "depth_model": ["2", 3], "resolution": 32}
    return {
        "1": {"class_type": "EmptyImage", "inputs": frames},
        "2": {
            "class_type": "SD2DepthCheckpointLoader",
            "inputs": {"ckpt_name": str(BUNDLED_CHECKPOINT)},
        },
        "3": {"class_type": "SD2DepthEstimate", "inputs": {**links, **names}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }


def test_an_old_workflow_runs_in_the_engine_as_a_current_one(base):
    old = parse_workflow(estimating(smoothing=1.5, normalize="each picture"))
    new = parse_workflow(estimating(smooth=1.5, normalize="per image"))
    assert old.prompt == new.prompt
    (depth,) = Runner().run(old).outputs["3"][0]
    assert depth.shape == (2, 32, 32, 3)


def test_an_old_canvas_is_read_with_its_options_and_wired_inputs():
    canvas = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    (node,) = (node for node in canvas["nodes"] if node["type"] == "SD2DepthEstimate")
    node["widgets_values"] = [
        "each picture" if value == "per image" else value for value in node["widgets_values"]
    ]
    prompt = parse_workflow(canvas).prompt
    assert prompt[str(node["id"])]["inputs"]["normalize"] == "per image"
    assert "smooth" in prompt[str(node["id"])]["inputs"]


def test_the_current_name_counts_beside_a_former_one():
    sent = estimating(smoothing=1.0, smooth=2.0)
    inputs = with_current_names(sent)["3"]["inputs"]
    assert inputs["smooth"] == 2.0
    assert "smoothing" not in inputs
    assert sent["3"]["inputs"]["smoothing"] == 1.0, "what was sent stays as it was"


@pytest.mark.parametrize("damaged", [None, 3, {}, {"class_type": ["a"], "inputs": {"x": []}}])
def test_what_is_no_node_passes_as_it_is(damaged):
    assert with_current_names({"1": damaged}) == {"1": damaged}


def test_other_nodes_keep_their_names():
    """Adjust Depth has an input `smoothing` of its own."""
    inputs = {"smoothing": "gaussian", "normalize": "each picture"}
    prompt = {"1": {"class_type": "SD2DepthAdjust", "inputs": inputs}}
    assert with_current_names(prompt) == prompt


def test_an_input_that_was_removed_is_passed_over(base):
    old = estimating()
    depth = {"depth": ["3", 0], "direction": "disparity to distance", "near": 1.0, "far": 2.0}
    old["5"] = {"class_type": "SD2DepthConvert", "inputs": {**depth, "feather": 4}}
    old["4"]["inputs"]["images"] = ["5", 0]
    assert Runner().run(parse_workflow(old)).outputs["5"]
