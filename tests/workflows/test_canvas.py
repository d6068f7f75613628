"""The canvas format -> the API format.

`tests/data/canvas-VERSION.json` holds one canvas as two versions of ComfyUI's frontend saved it,
with what they made of it (recorded by `record_canvas.py`): muted and bypassed nodes, reroutes,
a primitive, notes, a group, a subgraph with a widget on its outside, `control_after_generate`
values, upload buttons, a prompt with comments and choices, a file name with marks.
"""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

import copy
import json
import logging
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.workflows import canvas, canvas_edits, subgraphs, texts
from sd2_depth2img.workflows.graph import all_nodes

DATA = Path(__file__).parents[1] / "data"


def recorded(version):
    return json.loads((DATA / f"canvas-{version}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", ["1.27.10", "1.49.6"])
def test_converts_as_comfyuis_frontend_does(version):
    record = recorded(version)
    prompt, problems = canvas.to_prompt(record["workflow"], all_nodes())
    assert problems == []
    assert prompt.keys() == record["output"].keys()
    for entry in prompt.values():
        if entry["class_type"] == "SD2DepthLoad":
            # An input that is newer than the recordings: as in the frontend, it gets the value of
            # the upload button, which was saved in its place.
            assert entry["inputs"].pop("layer") == "image"
    for node, expected in record["output"].items():
        assert prompt[node]["class_type"] == expected["class_type"]
        assert prompt[node]["inputs"] == expected["inputs"], node


def test_titles_are_those_on_the_canvas():
    record = recorded("1.49.6")
    prompt, _ = canvas.to_prompt(record["workflow"], all_nodes())
    assert {n: e["_meta"] for n, e in prompt.items()} == {
        n: e["_meta"] for n, e in record["output"].items()
    }


def test_the_recorded_canvas_has_what_it_is_there_for():
    drawn = recorded("1.49.6")["workflow"]
    kinds = {node["type"] for node in drawn["nodes"]}
    assert {"Reroute", "PrimitiveNode", "Note", "MarkdownNote"} <= kinds
    assert {node["mode"] for node in drawn["nodes"]} == {0, 2, 4}
    assert drawn["definitions"]["subgraphs"]
    assert drawn["groups"]


# --- small canvases ------------------------------------------------------------------------------


class Paint:
    """A node with every kind of widget."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "image": ("IMAGE",),
                "file": (["a.png", "b.png"], {"image_upload": True}),
                "seed": ("INT", {"default": 3}),
                "mode": (["x", "y"], {"control_after_generate": True}),
            },
            "optional": {
                "strength": ("FLOAT", {"default": 0.5}),
                "forced": ("INT", {"forceInput": True}),
                "flag": ("BOOLEAN", {"default": True}),
                "text": ("STRING", {"default": "t", "dynamicPrompts": True}),
                "filename_prefix": ("STRING", {"default": "p"}),
            },
        }

    RETURN_TYPES = ("IMAGE", "LATENT")
    FUNCTION = "execute"


class Load:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("IMAGE", "LATENT", "MASK")


NODES = {"Paint": Paint, "Load": Load}


def node(number, kind, values=None, inputs=(), outputs=(), **more):
    """A node as the frontend writes it; inputs: (name, type, link), outputs: types."""
    return {
        "id": number,
        "type": kind,
        "mode": 0,
        "inputs": [{"name": n, "type": t, "link": link} for n, t, link in inputs],
        "outputs": [{"name": t, "type": t, "links": []} for t in outputs],
        "properties": {},
        **({} if values is None else {"widgets_values": values}),
        **more,
    }


def convert(nodes, links=(), **more):
    drawn = {"version": 0.4, "nodes": nodes, "links": [list(link) for link in links], **more}
    prompt, problems = canvas.to_prompt(drawn, NODES)
    return {n: entry["inputs"] for n, entry in prompt.items()}, problems


FULL = ["b.png", 9, "increment", "y", "fixed", "", 0.25, False, "hello", "out", "image"]
VALUES = {
    "file": "b.png",
    "seed": 9,
    "mode": "y",
    "strength": 0.25,
    "flag": False,
    "text": "hello",
    "filename_prefix": "out",
}


def test_widget_values_are_read_in_order():
    """Controls follow the seed and the choice that has one, the upload button comes last."""
    assert convert([node(1, "Paint", FULL)])[0] == {"1": VALUES}


def test_widget_values_may_be_a_dictionary():
    stored = {**VALUES, "button": "image"}
    assert convert([node(1, "Paint", stored)])[0] == {"1": VALUES}


@pytest.mark.parametrize("control", [[], [True], ["randomize"]])
def test_a_seed_of_any_age_of_file(control):
    """Old files hold nothing after the seed, or whether it was random."""
    stored = ["a.png", 1, *control, "x"]
    assert convert([node(1, "Paint", stored)])[0]["1"]["mode"] == "x"


def test_missing_values_are_the_nodes_defaults():
    inputs = convert([node(1, "Paint", ["a.png"])])[0]["1"]
    assert inputs["seed"] == 3
    assert inputs["mode"] == "x"
    assert inputs["flag"] is True
    assert "forced" not in inputs


def test_values_too_many_are_named(caplog):
    convert([node(1, "Paint", [*FULL, "more", "and more"])])
    assert "2 values more" in caplog.text


def test_a_list_is_wrapped_to_tell_it_from_a_link():
    inputs = convert([node(1, "Paint", {"text": ["a", "b"]})])[0]["1"]
    assert inputs["text"] == {"__value__": ["a", "b"]}


def test_a_link_into_a_widget_wins_over_its_value():
    nodes = [
        node(1, "Load", outputs=["IMAGE", "LATENT", "MASK"]),
        node(2, "Paint", FULL, [("seed", "INT", 7)]),
    ]
    assert convert(nodes, [(7, 1, 2, 2, 0, "INT")])[0]["2"]["seed"] == ["1", 2]


def test_newer_files_name_the_ends_of_links():
    nodes = [node(1, "Load", outputs=["IMAGE"]), node(2, "Paint", FULL, [("image", "IMAGE", 7)])]
    link = {"id": 7, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 0}
    drawn = {"nodes": nodes, "links": [link]}
    assert canvas.to_prompt(drawn, NODES)[0]["2"]["inputs"]["image"] == ["1", 0]


@pytest.mark.parametrize("mode", [2, 4])
def test_muted_and_bypassed_nodes_are_not_there(mode):
    nodes = [
        node(1, "Load", outputs=["IMAGE"], mode=mode),
        node(2, "Paint", FULL, [("image", "IMAGE", 7)]),
    ]
    assert convert(nodes, [(7, 1, 0, 2, 0, "IMAGE")])[0] == {"2": VALUES}


@pytest.mark.parametrize(
    ("inputs", "slot", "kind", "passed"),
    [
        (["IMAGE", "LATENT"], 1, "LATENT", "LATENT"),  # the input of the same place
        (["MASK", "IMAGE"], 0, "IMAGE", "IMAGE"),  # the first of the same type
        (["*"], 0, "IMAGE", "*"),
        (["MASK"], 0, "IMAGE", None),  # nothing fits
        ([], 0, "IMAGE", None),
        (["MASK", "IMAGE"], 0, "*", "MASK"),  # whatever lies in the same place
    ],
)
def test_a_bypassed_node_passes_on_what_fits(inputs, slot, kind, passed):
    types = ["IMAGE", "LATENT", "MASK"]
    nodes = [
        node(1, "Load", outputs=types),
        node(2, "Anything", None, [(t, t, 10 + i) for i, t in enumerate(inputs)], types, mode=4),
        node(3, "Paint", {}, [("image", kind, 20)]),
    ]
    links = [(10 + i, 1, i, 2, i, t) for i, t in enumerate(inputs)]
    result = convert(nodes, [*links, (20, 2, slot, 3, 0, kind)])[0]["3"].get("image")
    assert result == (None if passed is None else ["1", inputs.index(passed)])


def test_a_chain_of_reroutes_and_bypasses():
    nodes = [
        node(1, "Load", outputs=["IMAGE"]),
        node(2, "Reroute", None, [("", "*", 1)], ["IMAGE"]),
        node(3, "Paint", FULL, [("image", "IMAGE", 2)], ["IMAGE", "LATENT"], mode=4),
        node(4, "Reroute", None, [("", "*", 3)], ["IMAGE"]),
        node(5, "Paint", {}, [("image", "IMAGE", 4)]),
        node(6, "Reroute", None, [("", "*", None)], ["IMAGE"]),
        node(7, "Paint", {}, [("image", "IMAGE", 5)]),
    ]
    links = [
        *((1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE"), (3, 3, 0, 4, 0, "IMAGE")),
        *((4, 4, 0, 5, 0, "IMAGE"), (5, 6, 0, 7, 0, "IMAGE")),
    ]
    result = convert(nodes, links)[0]
    assert result["5"]["image"] == ["1", 0]
    assert "image" not in result["7"]


def test_a_primitive_feeds_several_widgets():
    nodes = [
        node(1, "PrimitiveNode", [42, "fixed"], outputs=["INT"]),
        node(2, "Paint", FULL, [("seed", "INT", 1)]),
        node(3, "Paint", FULL, [("seed", "INT", 3)]),
        node(4, "Reroute", None, [("", "*", 2)], ["INT"]),
    ]
    links = [(1, 1, 0, 2, 0, "INT"), (2, 1, 0, 4, 0, "INT"), (3, 4, 0, 3, 0, "INT")]
    result = convert(nodes, links)[0]
    assert result["2"]["seed"] == result["3"]["seed"] == 42


def subgraph(nodes, links, inputs=(), outputs=()):
    return {
        "id": "box",
        "name": "Box",
        "nodes": nodes,
        "links": [dict(zip(subgraphs.Link._fields, link, strict=True)) for link in links],
        "inputs": [{"name": n, "type": t} for n, t in inputs],
        "outputs": [{"name": n, "type": t} for n, t in outputs],
    }


def test_subgraphs_are_opened():
    inner = node(5, "Paint", FULL, [("image", "IMAGE", 1), ("seed", "INT", 2)], ["IMAGE"])
    inner["inputs"][1]["widget"] = {"name": "seed"}
    box = subgraph(
        [inner],
        [(1, -10, 0, 5, 0), (2, -10, 1, 5, 1), (3, 5, 0, -20, 0)],
        [("image", "IMAGE"), ("seed", "INT")],
        [("out", "IMAGE")],
    )
    nodes = [
        node(1, "Load", outputs=["IMAGE"]),
        node(2, "box", [77], [("image", "IMAGE", 1)], ["IMAGE"]),
        node(3, "box", [], [("image", "IMAGE", 2)], ["IMAGE"]),
        node(4, "box", [], [("image", "IMAGE", 2)], ["IMAGE"], mode=2),
    ]
    links = [(1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE")]
    result = convert(nodes, links, definitions={"subgraphs": [box]})[0]
    assert result.keys() == {"1", "2:5", "3:5"}
    assert result["2:5"]["image"] == ["1", 0]
    assert result["2:5"]["seed"] == 77  # shown outside
    assert result["3:5"]["image"] == ["2:5", 0]
    assert result["3:5"]["seed"] == 9  # its own


def test_a_subgraph_that_only_passes_through():
    box = subgraph([], [(1, -10, 0, -20, 0)], [("in", "IMAGE")], [("out", "IMAGE")])
    nodes = [
        node(1, "Load", outputs=["IMAGE"]),
        node(2, "box", [], [("in", "IMAGE", 1)], ["IMAGE"]),
        node(3, "Paint", FULL, [("image", "IMAGE", 2)]),
    ]
    links = [(1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE")]
    result = convert(nodes, links, definitions={"subgraphs": [box]})[0]
    assert result["3"]["image"] == ["1", 0]


def test_broken_links_and_group_nodes_are_problems_of_the_canvas():
    nodes = [
        node(1, "Paint", FULL, [("image", "IMAGE", 7), ("seed", "INT", 8)], title="My painter"),
        node(2, "workflow>old group"),
    ]
    _, problems = convert(nodes, [(8, 99, 0, 1, 1, "INT")])
    assert [str(problem) for problem in problems] == [
        "node 1 \"My painter\" (Paint), input 'image': link 7 is not in the file; connect the "
        "input anew",
        "node 1 \"My painter\" (Paint), input 'seed': it is linked to node 99, which is not in "
        "the file; connect the input anew",
        "node 2 (workflow>old group): a group node; convert it to a subgraph or to its nodes in "
        "ComfyUI",
    ]


def test_reroutes_in_a_circle_are_a_problem_of_the_canvas():
    nodes = [
        node(1, "Reroute", None, [("", "*", 1)], ["IMAGE"]),
        node(2, "Reroute", None, [("", "*", 2)], ["IMAGE"]),
        node(3, "Paint", FULL, [("image", "IMAGE", 3)]),
    ]
    links = [(1, 2, 0, 1, 0, "*"), (2, 1, 0, 2, 0, "*"), (3, 1, 0, 3, 0, "*")]
    _, (problem,) = convert(nodes, links, definitions=None)
    assert (problem.node, problem.input) == ("3", "image")
    assert "round in a circle" in problem.message


# --- changing a canvas ---------------------------------------------------------------------------


def test_set_widget_writes_the_value_and_cuts_the_link():
    drawn = recorded("1.49.6")["workflow"]
    before = copy.deepcopy(drawn)
    assert canvas_edits.set_widget(drawn, "10", "text", "new text", all_nodes())
    assert canvas_edits.set_widget(drawn, "14", "steps", 50, all_nodes())
    prompt, problems = canvas.to_prompt(drawn, all_nodes())
    assert problems == []
    assert prompt["10"]["inputs"]["text"] == "new text"  # it was linked to node 11
    assert prompt["14"]["inputs"]["steps"] == 50
    expected, _ = canvas.to_prompt(before, all_nodes())
    expected["10"]["inputs"]["text"], expected["14"]["inputs"]["steps"] = "new text", 50
    expected["17"]["inputs"]["filename_prefix"] = "320/50 of euler"  # it names the steps
    assert prompt == expected
    assert len(drawn["links"]) == len(before["links"]) - 1
    assert not canvas_edits.set_widget(drawn, "21:29", "scale_by", 1.0, all_nodes())
    assert not canvas_edits.set_widget(drawn, "14", "no such", 1, all_nodes())


def test_replace_node_keeps_its_outputs():
    drawn = recorded("1.49.6")["workflow"]
    assert canvas_edits.replace_node(drawn, "7", "SD2DepthLoad", "Depth Map Loader", ["map.png"])
    prompt, problems = canvas.to_prompt(drawn, all_nodes())
    assert problems == []
    assert prompt["7"]["class_type"] == "SD2DepthLoad"
    optional = all_nodes()["SD2DepthLoad"].INPUT_TYPES()["optional"]
    defaults = {name: spec[1]["default"] for name, spec in optional.items()}
    assert prompt["7"]["inputs"] == {"image": "map.png", **defaults}
    assert prompt["25"]["inputs"]["depth"] == ["7", 0]


# --- texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("plain", {"plain"}),
        ("{a|b} cat", {"a cat", "b cat"}),
        ("{a|{b|c}} cat", {"a cat", "b cat", "c cat"}),
        ("{|very }big", {"big", "very big"}),
        (r"\{a\|b\}", {"{a|b}"}),
        ("{one} end", {"one end"}),
        ("open {a|b", {"open a", "open b"}),
        ("a // gone\nb", {"a \nb"}),
        ("a /* gone\n too */b", {"a b"}),
        ("a (cat:1.2), b \\(c\\)", {"a (cat:1.2), b \\(c\\)"}),
    ],
)
def test_dynamic_prompts(text, results):
    assert {texts.one_prompt(text) for _ in range(60)} == results


@given(st.text(st.characters(exclude_characters="{}|\\/")))
def test_a_text_without_marks_stays_as_it_is(text):
    assert texts.one_prompt(text) == text


def test_marks_in_file_names(caplog):
    prefix = "%date:yyyy-MM-dd%/%My load.file% %Paint.seed% %width% %Nobody.x%"
    nodes = [
        node(1, "Paint", {"filename_prefix": prefix, "seed": 5}, properties=search_name("Paint")),
        node(2, "Paint", {"file": 'a:b"c/d.png'}, title="My load"),
    ]
    caplog.set_level(logging.WARNING)
    inputs = convert(nodes)[0]["1"]
    today = time.strftime("%Y-%m-%d")
    assert inputs["filename_prefix"] == f"{today}/a_b_c_d.png 5 %width% %Nobody.x%"
    assert "%Nobody.x%" in caplog.text


def search_name(name):
    return {"Node name for S&R": name}


def test_dates_in_file_names():
    written = texts.date("yy-M-d h:mm:ss")
    assert re.fullmatch(r"\d\d-\d{1,2}-\d{1,2} \d{1,2}:\d\d:\d\d", written)
