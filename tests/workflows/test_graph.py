"""Reading and running workflows: what runs, what runs again, what is handed on."""

# ruff: noqa: N802 - INPUT_TYPES and IS_CHANGED are ComfyUI's names

import json
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sd2_depth2img.engine import folders
from sd2_depth2img.workflows.graph import (
    NodeError,
    Runner,
    Workflow,
    all_nodes,
    parse_workflow,
    read_workflow,
)
from sd2_depth2img.workflows.problems import WorkflowError

RECORDED = Path(__file__).parents[1] / "data" / "canvas-1.49.6.json"


class Counting:
    """Base of the test's nodes: says into a list that it ran."""

    runs: list[str] = []
    FUNCTION = "execute"
    RETURN_TYPES = ("INT",)


class Number(Counting):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {})}}

    def execute(self, value):
        self.runs.append("Number")
        return (value,)


class Add(Counting):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"a": ("INT", {}), "b": ("INT", {})}}

    def execute(self, a, b):
        self.runs.append("Add")
        if a + b == 13:
            raise ArithmeticError("unlucky")
        return (a + b,)


class Show(Counting):
    OUTPUT_NODE = True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("*",)}, "hidden": {"id": "UNIQUE_ID"}}

    def execute(self, value, id):
        self.runs.append("Show")
        return {"ui": {"text": [f"{id}: {value}"]}}


class Split(Counting):
    """One list in, its items out one by one."""

    OUTPUT_IS_LIST = (True, False)
    RETURN_TYPES = ("INT", "INT")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"count": ("INT", {})}}

    def execute(self, count):
        return list(range(count)), count


class Total(Counting):
    INPUT_IS_LIST = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"values": ("INT", {}), "times": ("INT", {})}}

    def execute(self, values, times):
        return (sum(values) * times[0],)


class Stamp(Counting):
    """Changes when the test says so."""

    stamp = "first"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "hidden": {"prompt": "PROMPT", "png": "EXTRA_PNGINFO"}}

    @classmethod
    def IS_CHANGED(cls, **_):
        return cls.stamp

    def execute(self, prompt, png):
        self.runs.append("Stamp")
        return ([sorted(prompt), png],)


class State(Counting):
    """Counts on itself, as V1 nodes may."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {})}}

    def execute(self, value):
        self.count = getattr(self, "count", 0) + 1
        return (self.count,)


NODES = {kind.__name__: kind for kind in (Number, Add, Show, Split, Total, Stamp, State)}


@pytest.fixture
def runs():
    """The names of the nodes that ran."""
    Counting.runs.clear()
    return Counting.runs


def workflow(canvas=None, **nodes):
    """n1=("Number", {"value": 3}), ... -> a workflow with the ids 1, ..."""
    prompt = {
        name.removeprefix("n"): {"class_type": kind, "inputs": dict(inputs)}
        for name, (kind, inputs) in nodes.items()
    }
    return Workflow(prompt, canvas)


def sum_of(a, b):
    return workflow(
        n1=("Number", {"value": a}),
        n2=("Number", {"value": b}),
        n3=("Add", {"a": ["1", 0], "b": ["2", 0]}),
        n4=("Show", {"value": ["3", 0]}),
        n5=("Number", {"value": 99}),
    )


# --- running -------------------------------------------------------------------------------------


def test_runs_what_the_outputs_need_in_order(runs):
    lines = []
    results = Runner(NODES, lines.append).run(sum_of(2, 3))
    assert results.outputs["3"] == [[5]]
    assert results.ui == {"4": {"text": ["4: 5"]}}
    assert results.executed == ["1", "2", "3", "4"]
    assert runs == ["Number", "Number", "Add", "Show"]
    assert lines == [
        "[1/4] node 1 (Number)",
        "[2/4] node 2 (Number)",
        "[3/4] node 3 (Add)",
        "[4/4] node 4 (Show)",
    ]


def test_only_changed_nodes_run_again(runs):
    runner = Runner(NODES)
    runner.run(sum_of(2, 3))
    assert runner.run(sum_of(2, 3)).executed == []
    results = runner.run(sum_of(2, 4))
    assert results.executed == ["2", "3", "4"]
    assert results.ui == {"4": {"text": ["4: 6"]}}
    assert runner.run(sum_of(2, 4)).ui == results.ui  # known results are told again
    assert runs == ["Number", "Number", "Add", "Show", "Number", "Add", "Show"]


def test_a_result_is_recognised_under_another_id(runs):
    runner = Runner(NODES)
    first = workflow(n1=("Number", {"value": 3}), n2=("Show", {"value": ["1", 0]}))
    other = workflow(n8=("Number", {"value": 3}), n2=("Show", {"value": ["8", 0]}))
    runner.run(first)
    assert runner.run(other).executed == []
    assert runs == ["Number", "Show"]


def test_equal_nodes_run_once(runs):
    results = Runner(NODES).run(sum_of(4, 4))
    assert results.outputs["3"] == [[8]]
    assert runs == ["Number", "Add", "Show"]


def test_results_of_the_last_workflow_only_are_kept(runs):
    runner = Runner(NODES)
    for number in (1, 2, 1):
        runner.run(workflow(n1=("Number", {"value": number}), n2=("Show", {"value": ["1", 0]})))
    assert runs.count("Number") == 3


def test_is_changed_decides(runs):
    runner = Runner(NODES)
    stamp = workflow(n1=("Stamp", {}), n2=("Show", {"value": ["1", 0]}))
    runner.run(stamp)
    runner.run(stamp)
    assert runs == ["Stamp", "Show"]
    Stamp.stamp = "second"
    runner.run(stamp)
    assert runs == ["Stamp", "Show"] * 2
    Stamp.stamp = float("nan")  # ComfyUI's "always"
    runner.run(stamp)
    runner.run(stamp)
    assert runs == ["Stamp", "Show"] * 4
    Stamp.stamp = "first"


def test_hidden_inputs(runs):
    canvas = {"nodes": [], "links": []}
    stamp = workflow(canvas, n1=("Stamp", {}), n2=("Show", {"value": ["1", 0]}))
    results = Runner(NODES).run(stamp)
    assert results.outputs["1"] == [[[["1", "2"], {"workflow": canvas}]]]


def test_a_node_object_lives_as_long_as_the_runner():
    runner = Runner(NODES)
    results = [
        runner.run(workflow(n1=("State", {"value": v}), n2=("Show", {"value": ["1", 0]})))
        for v in (1, 2)
    ]
    assert [one.outputs["1"] for one in results] == [[[1]], [[2]]]


def test_lists_run_through_a_node_one_by_one_and_come_together_again():
    results = Runner(NODES).run(
        workflow(
            n1=("Split", {"count": 4}),
            n2=("Add", {"a": ["1", 0], "b": ["1", 1]}),
            n3=("Total", {"values": ["2", 0], "times": 10}),
            n4=("Show", {"value": ["3", 0]}),
            n5=("Show", {"value": ["1", 0]}),
        )
    )
    assert results.outputs["2"] == [[4, 5, 6, 7]]
    assert results.outputs["3"] == [[220]]
    assert results.ui["5"] == {"text": ["5: 0", "5: 1", "5: 2", "5: 3"]}


def test_a_failing_node_is_named_and_what_was_done_is_kept(runs):
    runner = Runner(NODES)
    with pytest.raises(NodeError, match=r"^node 3 \(Add\) failed: unlucky$") as caught:
        runner.run(sum_of(6, 7))
    assert isinstance(caught.value.__cause__, ArithmeticError)
    assert runner.run(sum_of(6, 8)).executed == ["2", "3", "4"]


@pytest.mark.parametrize("width", [16384, 2])
def test_a_node_without_memory_says_so(runs, monkeypatch, width):
    """PyTorch's own error on the CPU; that of a GPU as it words it."""

    def large(self, a, b):
        if width == 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return (torch.empty(4096, width, width, 3),)

    monkeypatch.setattr(Add, "execute", large)
    with pytest.raises(
        NodeError, match=r"^node 3 \(Add\) failed: there is not enough memory \([^\[]"
    ):
        Runner(NODES).run(sum_of(6, 7))


def test_cancelling_is_not_a_failure(runs, monkeypatch):
    def cancelled(self, a, b):
        raise KeyboardInterrupt

    monkeypatch.setattr(Add, "execute", cancelled)
    with pytest.raises(KeyboardInterrupt):
        Runner(NODES).run(sum_of(1, 2))


def test_nothing_runs_when_something_is_wrong(runs):
    broken = sum_of(1, 2)
    broken.prompt["3"]["inputs"]["a"] = ["7", 0]
    del broken.prompt["2"]["inputs"]["value"]
    with pytest.raises(WorkflowError) as caught:
        Runner(NODES).run(broken)
    assert len(caught.value.problems) == 2
    assert runs == []


def test_nodes_run_without_autograd():
    class Grad(Number):
        def execute(self, value):
            return (torch.is_inference_mode_enabled(),)

    grad = workflow(n1=("Grad", {"value": 1}), n2=("Show", {"value": ["1", 0]}))
    assert Runner({**NODES, "Grad": Grad}).run(grad).outputs["1"] == [[True]]


def test_saved_files_are_found(tmp_path):
    folders_before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    try:
        results = Runner().run(
            workflow(
                n1=("EmptyImage", {"width": 8, "height": 8, "batch_size": 2, "color": 255}),
                n2=("SaveImage", {"images": ["1", 0], "filename_prefix": "a/blue"}),
                n3=("PreviewImage", {"images": ["1", 0]}),
            )
        )
        assert [str(path.relative_to(tmp_path)) for path in results.files] == [
            "output/a/blue_00001_.png",
            "output/a/blue_00002_.png",
            "output/temp/ComfyUI_temp_00001_.png",
            "output/temp/ComfyUI_temp_00002_.png",
        ]
        assert all(path.is_file() for path in results.files)
    finally:
        folders.use(folders_before)


# --- reading -------------------------------------------------------------------------------------


def test_reads_both_formats(tmp_path):
    record = json.loads(RECORDED.read_text(encoding="utf-8"))
    for name, data in record.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(data), encoding="utf-8")
    drawn = read_workflow(tmp_path / "workflow.json")
    api = read_workflow(tmp_path / "output.json")
    assert drawn.canvas == record["workflow"]
    assert api.canvas is None
    api.prompt["8"]["inputs"]["layer"] = "image"  # newer than the recording: the button's value
    assert {n: e["inputs"] for n, e in drawn.prompt.items()} == {
        n: e["inputs"] for n, e in api.prompt.items()
    }


@pytest.mark.parametrize("keys", [("prompt", "workflow"), ("prompt",), ("workflow",)])
def test_reads_what_an_image_carries(tmp_path, keys):
    record = json.loads(RECORDED.read_text(encoding="utf-8"))
    data = {"prompt": record["output"], "workflow": record["workflow"]}
    info = PngInfo()
    for key in keys:
        info.add_text(key, json.dumps(data[key]))
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", pnginfo=info)
    found = read_workflow(tmp_path / "a.png")
    assert found.prompt.keys() == record["output"].keys()
    assert (found.canvas is not None) == ("workflow" in keys)


def test_an_image_without_a_workflow(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(WorkflowError, match="carries no workflow"):
        read_workflow(tmp_path / "a.png")


def test_files_that_are_no_workflows(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no workflow"):
        read_workflow(tmp_path / "missing.json")
    (tmp_path / "a.json").write_text("{broken")
    with pytest.raises(WorkflowError, match=r"a\.json is not JSON"):
        read_workflow(tmp_path / "a.json")
    for data in ({}, [], {"1": {"class_type": "X"}}, {"nodes": 3}, "text"):
        with pytest.raises(WorkflowError, match="this is no workflow"):
            parse_workflow(data)


def test_the_engine_has_the_packs_nodes_and_comfyuis():
    nodes = all_nodes()
    assert {"SD2DepthSampler", "SD2DepthLoad", "KSampler", "LoadImage"} <= nodes.keys()
    for name, kind in nodes.items():
        assert {"INPUT_TYPES", "FUNCTION", "RETURN_TYPES"} <= set(dir(kind)), name


# --- damaged files -------------------------------------------------------------------------------

_NODE = {"id": 1, "type": "PreviewImage", "inputs": []}
_ITSELF = {"id": "loop", "nodes": [{"id": 2, "type": "loop"}], "links": []}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"nodes": [None], "links": []}, "node number 0"),
        ({"nodes": [{"type": "PreviewImage"}], "links": []}, "no id"),
        ({"nodes": [{"id": 1, "type": None}], "links": []}, "no type"),
        ({"nodes": [_NODE], "links": [[1, 2, 3]]}, "link number 0 of the canvas is [1, 2, 3]"),
        ({"nodes": [_NODE], "links": [{"id": 1}]}, "link number 0"),
        ({"nodes": [_NODE], "links": ["1"]}, "link number 0"),
        ({"nodes": [_NODE], "links": [], "definitions": {"subgraphs": [3]}}, "subgraph number 0"),
        ({"nodes": [_NODE], "links": 5}, "the links of the canvas are 5"),
        ({"nodes": [_NODE], "links": [], "definitions": [1]}, "definitions"),
        ({"nodes": [_NODE], "links": [], "definitions": {"subgraphs": 5}}, "definitions"),
        ({"nodes": [{**_NODE, "inputs": "x"}], "links": []}, "node 1 of the canvas has inputs"),
        ({"nodes": [{**_NODE, "widgets_values": 3}], "links": []}, "or values that are no lists"),
    ],
)
def test_a_damaged_canvas_is_named_as_such(document, said):
    with pytest.raises(WorkflowError, match="the file is damaged") as error:
        parse_workflow(document)
    assert said in str(error.value)


def test_a_subgraph_in_itself():
    document = {"nodes": [_NODE], "links": [], "definitions": {"subgraphs": [_ITSELF]}}
    with pytest.raises(WorkflowError, match="subgraph loop contains itself"):
        parse_workflow(document)


def test_a_truncated_image_is_no_workflow(tmp_path):
    path = tmp_path / "cut.png"
    Image.new("RGB", (64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(WorkflowError, match="cannot be read"):
        read_workflow(path)


# --- texts ---------------------------------------------------------------------------------------


def with_texts(text, prefix):
    return {
        "1": {"class_type": "PrimitiveString", "inputs": {"value": text}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["9", 0]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": ["1", 0], "clip": ["9", 0]}},
        "4": {"class_type": "SaveImage", "inputs": {"filename_prefix": prefix}},
        "5": {"class_type": "PrimitiveString", "inputs": {"value": prefix}},
        "6": {"class_type": "SaveImage", "inputs": {"filename_prefix": ["5", 0]}},
    }


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("a {red|red} statue // note", "a red statue "),
        ("a /* big */ statue", "a  statue"),
        (r"\{a|b\}", "{a|b}"),
        ("{braces}", "{braces}"),  # ComfyUI's export has what was escaped
    ],
)
def test_texts_of_the_api_format_are_filled_in(text, filled):
    year = time.strftime("%Y")
    prompt = parse_workflow(with_texts(text, "%date:yyyy%/%PrimitiveString.value%")).prompt
    assert prompt["2"]["inputs"]["text"] == filled
    assert prompt["1"]["inputs"]["value"] == filled  # of which node 3 takes it
    assert prompt["4"]["inputs"]["filename_prefix"].startswith(f"{year}/")
    assert prompt["5"]["inputs"]["value"].startswith(f"{year}/")


def test_what_has_run_keeps_its_texts(tmp_path):
    prompt = with_texts("{a|b} // c", "x")
    entries = PngInfo()
    entries.add_text("prompt", json.dumps(prompt))
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", pnginfo=entries)
    assert read_workflow(tmp_path / "a.png").prompt == prompt


@pytest.mark.parametrize(
    "text",
    ["{" * 50_000, "{a|" * 30_000, "/*" * 50_000, "//" * 50_000, "|}" * 50_000, "\\" * 99_999],
)
def test_long_texts_are_filled_in_soon(text):
    start = time.process_time()
    parse_workflow(with_texts(text, "%a.b" * 25_000))
    assert time.process_time() - start < 5


def test_a_damaged_canvas_beside_what_ran_is_left_out(tmp_path, caplog):
    entries = PngInfo()
    entries.add_text("prompt", json.dumps(with_texts("a", "x")))
    entries.add_text("workflow", '{"nodes": [5], "links": []}')
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", pnginfo=entries)
    assert read_workflow(tmp_path / "a.png").canvas is None
    assert "damaged canvas" in caplog.text


# --- warnings ------------------------------------------------------------------------------------


def red_maps(offsets):
    """A coloured image as a depth map, once for each offset."""
    return workflow(
        n1=("EmptyImage", {"width": 64, "height": 64, "batch_size": 1, "color": 0xFF0000}),
        n2=("SD2DepthStrengthSweep", {"strengths": offsets}),
        n3=("SD2DepthAdjust", {"depth": ["1", 0], "offset": ["2", 0]}),
        n4=("PreviewImage", {"images": ["3", 0]}),
    )


def test_what_a_node_warns_of_is_in_the_results_and_on_stderr(base, caplog):
    results = Runner().run(red_maps("0.1"))
    (text,) = results.ui["3"]["warnings"]
    assert text.startswith("the depth map is coloured")
    assert "warnings" not in results.ui["4"]
    assert caplog.text.count("is coloured") == 1


def test_for_several_values_it_is_said_once_with_the_count_and_again_when_it_is_known(base):
    runner = Runner()
    results = runner.run(red_maps("0.1, 0.2, 0.9"))
    coloured, clipped = results.ui["3"]["warnings"]
    assert coloured.endswith("perhaps the photograph? (3 times)")
    assert "and clipped" in clipped
    again = runner.run(red_maps("0.1, 0.2, 0.9"))
    assert again.executed == []
    assert again.ui["3"] == results.ui["3"]


def test_comfyuis_own_nodes_have_theirs_too(base, mini_checkpoint):
    results = Runner().run(
        workflow(
            n1=("SD2DepthCheckpointLoader", {"ckpt_name": str(mini_checkpoint)}),
            n2=("EmptyImage", {"width": 68, "height": 64, "batch_size": 1, "color": 0}),
            n3=("VAEEncode", {"pixels": ["2", 0], "vae": ["1", 2]}),
            n4=("SaveLatent", {"samples": ["3", 0], "filename_prefix": "latents/a"}),
        )
    )
    assert "are not multiples of 8" in results.ui["3"]["warnings"][0]
