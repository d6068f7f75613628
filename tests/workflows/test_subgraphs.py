"""Values on the outside of subgraphs, as ComfyUI's frontend 1.49.6 hands them on.

The expected sizes and colours were recorded with that frontend (headless Chromium, ComfyUI
0.33.0): `app.graphToPrompt()` of the same canvases.
"""

import copy
import json
import re

import pytest

from sd2_depth2img.workflows.checks import check
from sd2_depth2img.workflows.graph import all_nodes, parse_workflow
from sd2_depth2img.workflows.problems import WorkflowError

OWN = (10, 20, 255)  # what stands in the inner node itself


def canvas(proxies, values, inputs=("width", "height"), **more):
    """A subgraph node 1 around an EmptyImage 3 whose width and height are the subgraph's inputs."""
    slots = [{"name": n, "type": "INT", "widget": {"name": n}, "link": None} for n in inputs]
    width, height, color = OWN
    inner = [{"name": n, "type": "INT", "widget": {"name": n}} for n in ("width", "height")]
    links = [
        {"id": 1 + at, "origin_id": -10, "origin_slot": inputs.index(slot["name"])}
        | {"target_id": 3, "target_slot": at}
        for at, slot in enumerate(inner)
    ]
    box = {
        "id": "box",
        "inputs": [{"name": name, "type": "INT"} for name in inputs],
        "outputs": [{"name": "IMAGE", "type": "IMAGE"}],
        "nodes": [
            {
                "id": 3,
                "type": "EmptyImage",
                "inputs": [{**slot, "link": 1 + at} for at, slot in enumerate(inner)],
                "widgets_values": [width, height, 1, color],
            }
        ],
        "links": [
            *links,
            {"id": 3, "origin_id": 3, "origin_slot": 0, "target_id": -20, "target_slot": 0},
        ],
    }
    host = {
        "id": 1,
        "type": "box",
        "inputs": slots,
        "properties": {} if proxies is None else {"proxyWidgets": proxies},
        "widgets_values": values,
        **more,
    }
    save = {"id": 2, "type": "SaveImage", "widgets_values": ["x"]}
    save["inputs"] = [{"name": "images", "type": "IMAGE", "link": 9}]
    return {
        "nodes": [host, save],
        "links": [[9, 1, 0, 2, 0, "IMAGE"]],
        "definitions": {"subgraphs": [box]},
    }


def nested(outer, values, inner, inner_values, with_inputs):
    """A subgraph node 1 around subgraph node 5; with inputs it hands on (height, width)."""
    drawn = canvas(inner, inner_values)
    host = drawn["nodes"][0]
    drawn["nodes"][0] = {**copy.deepcopy(host), "type": "outer", "inputs": []}
    drawn["nodes"][0].update(properties={"proxyWidgets": outer}, widgets_values=values)
    host["id"] = 5
    definition = {"id": "outer", "nodes": [host], "inputs": [], "outputs": [{"name": "IMAGE"}]}
    definition["links"] = [[3, 5, 0, -20, 0]]
    if with_inputs:
        for at, name in enumerate(("height", "width")):
            definition["inputs"].append({"name": name, "type": "INT"})
            definition["links"].append([60 + at, -10, at, 5, 1 - at])
            host["inputs"][1 - at]["link"] = 60 + at
    drawn["definitions"]["subgraphs"].append(definition)
    return drawn


def made(drawn, node="1:3"):
    """Width, height and colour of the image."""
    inputs = parse_workflow(drawn).prompt[node]["inputs"]
    return tuple(inputs[name] for name in ("width", "height", "color"))


WIDTH, HEIGHT, COLOR = ["-1", "width"], ["-1", "height"], ["3", "color"]


@pytest.mark.parametrize(
    ("proxies", "values", "expected"),
    [
        ([WIDTH, HEIGHT], [96, 48], (96, 48, 255)),
        ([HEIGHT, WIDTH], [48, 96], (96, 48, 255)),
        ([WIDTH, COLOR, HEIGHT], [96, None, 48], (96, 48, 255)),
        ([COLOR, WIDTH, HEIGHT], [None, 96, 48], (96, 48, 255)),
        ([COLOR, WIDTH, HEIGHT], [65280, 96, 48], (96, 48, 65280)),
        ([WIDTH, HEIGHT, COLOR], [96, 48], (96, 48, 255)),
        ([["3", "height"], ["3", "width"]], [48, 96], (96, 48, 255)),
        ([COLOR, ["3", "height"], ["3", "width"]], [7, 48, 96], (96, 48, 7)),
        ([["3", "color", "3"], WIDTH, HEIGHT], [7, 96, 48], (96, 48, 7)),
        ([["3", "height"], ["3", "width"]], [], OWN),  # as shipped blueprints have it
        ([HEIGHT, WIDTH], [], OWN),
        ([["77", "color"], WIDTH, HEIGHT], [7, 96, 48], (96, 48, 255)),
        ([["3", "colour"], WIDTH, HEIGHT], [7, 96, 48], (96, 48, 255)),
        ([WIDTH, WIDTH, HEIGHT], [5, 96, 48], (96, 48, 255)),
        ([WIDTH, ["3", "width"], HEIGHT], [5, 9, 48], (5, 48, 255)),
        ([["3", "control_after_generate"], HEIGHT, WIDTH], ["fixed", 48, 96], (96, 48, 255)),
        ([["3", "$$canvas-image-preview"], HEIGHT, WIDTH], [None, 48, 96], (96, 48, 255)),
        (json.dumps([HEIGHT, WIDTH]), [48, 96], (96, 48, 255)),
        (None, [96, 48], (96, 48, 255)),
        (None, [96], (96, 20, 255)),
        (None, [96, 48, 7], (96, 48, 255)),
        # Entries that are missing: the frontend hands the values to the inputs in order first.
        ([HEIGHT], [48], (48, 48, 255)),
        ([COLOR], [7], (7, 20, 7)),
        ([HEIGHT, WIDTH], [None, 96], (96, 96, 255)),
    ],
)
def test_values_go_where_the_frontend_puts_them(proxies, values, expected):
    assert made(canvas(proxies, values)) == expected


def test_the_order_of_the_nodes_own_slots_does_not_matter():
    drawn = canvas(None, [48, 96])
    drawn["nodes"][0]["inputs"].reverse()
    assert made(drawn) == (48, 96, 255)


def test_inputs_without_a_widget_have_no_value():
    drawn = canvas([HEIGHT, WIDTH], [48, 96], ("image", "width", "height"))
    assert made(drawn) == (96, 48, 255)
    drawn = canvas(None, [96, 48], ("image", "width", "height"))
    assert made(drawn) == (96, 48, 255)


def one_input(values, numbers=(1, 2)):
    """A subgraph whose one input leads to width, height and what PreviewAny 9 shows."""
    drawn = canvas(None, values)
    (box,) = drawn["definitions"]["subgraphs"]
    box["inputs"] = [{"name": "width", "type": "INT", "linkIds": [77, *numbers]}]
    box["links"][1]["origin_slot"] = 0
    del drawn["nodes"][0]["inputs"][1]
    shown = {"id": 9, "type": "PreviewAny", "inputs": [{"name": "source", "link": 77}]}
    box["nodes"].append(shown)
    box["links"].append([77, -10, 0, 9, 0])
    return drawn


@pytest.mark.parametrize(
    ("values", "numbers", "expected"),
    [([96], (1, 2), 96), ([], (1, 2), 10), ([], (2, 1), 20), (None, (1, 2), 10)],
)
def test_an_input_without_a_value_has_that_of_its_first_inner_widget(values, numbers, expected):
    prompt = parse_workflow(one_input(values, numbers)).prompt
    assert made(one_input(values, numbers)) == (expected, expected, 255)
    assert prompt["1:9"]["inputs"] == {"source": expected}


@pytest.mark.parametrize(
    ("first", "second", "expected"), [([70], [80], 70), ([], [80], 10), ([], [], 10)]
)
def test_so_it_is_with_subgraphs_in_a_subgraph(first, second, expected):
    drawn = one_input([])
    host = drawn["nodes"][0]
    inner = [
        copy.deepcopy(host) | {"id": 5 + at, "widgets_values": values}
        for at, values in enumerate((first, second))
    ]
    for at, node in enumerate(inner):
        node["inputs"][0]["link"] = 61 + at
    links = [[61, -10, 0, 5, 0], [62, -10, 0, 6, 0], [63, 5, 0, -20, 0]]
    inputs = [{"name": "width", "type": "INT", "linkIds": [61, 62]}]
    definition = {"id": "outer", "nodes": inner, "inputs": inputs, "links": links}
    drawn["definitions"]["subgraphs"].append(definition)
    host["type"] = "outer"
    for node in ("1:5:3", "1:6:3"):
        assert made(drawn, node) == (expected, expected, 255)


@pytest.mark.parametrize("outside", ["%date:yyyy%/x", None])
def test_texts_on_the_outside_are_filled_in_as_those_inside(outside):
    """The frontend fills in none of a subgraph's widgets; a file would be called %date..."""
    drawn = canvas([WIDTH, HEIGHT], [96, 48])
    (box,) = drawn["definitions"]["subgraphs"]
    save = {"id": 8, "type": "SaveImage", "widgets_values": ["%date:yyyy%/x"]}
    slot = {"name": "filename_prefix", "type": "STRING", "widget": {"name": "filename_prefix"}}
    save["inputs"] = [{"name": "images", "link": 30}, {**slot, "link": 31}]
    box["nodes"].append(save)
    box["inputs"].append({"name": "prefix", "type": "STRING", "linkIds": [31]})
    box["links"] += [[30, 3, 0, 8, 0], [31, -10, 2, 8, 1]]
    if outside:
        drawn["nodes"][0]["properties"]["proxyWidgets"].append(["-1", "prefix"])
        drawn["nodes"][0]["widgets_values"].append(outside)
    prefix = parse_workflow(drawn).prompt["1:8"]["inputs"]["filename_prefix"]
    assert re.fullmatch(r"20\d\d/x", prefix)


def test_each_use_of_a_subgraph_has_values_of_its_own():
    drawn = canvas([COLOR, HEIGHT, WIDTH], [7, 48, 96])
    second = copy.deepcopy(drawn["nodes"])
    second[0].update(id=11, widgets_values=[None, 50, 60])
    second[1].update(id=12)
    second[1]["inputs"][0]["link"] = 19
    drawn["nodes"] += second
    drawn["links"].append([19, 11, 0, 12, 0, "IMAGE"])
    assert made(drawn) == (96, 48, 7)
    assert made(drawn, "11:3") == (60, 50, 255)


def test_a_link_from_outside_wins_over_a_value():
    drawn = canvas([HEIGHT, WIDTH], [48, 96])
    drawn["nodes"][0]["inputs"][0]["link"] = 20
    drawn["nodes"].append({"id": 8, "type": "PrimitiveInt", "widgets_values": [33, "fixed"]})
    drawn["links"].append([20, 8, 0, 1, 0, "INT"])
    assert made(drawn) == (["8", 0], 48, 255)
    drawn["nodes"][-1]["mode"] = 2  # muted: the inner node's own value
    assert made(drawn) == (10, 48, 255)


@pytest.mark.parametrize(
    ("outer", "values", "inner", "with_inputs", "expected"),
    [
        ([WIDTH, HEIGHT], [96, 48], [HEIGHT, WIDTH], True, (96, 48, 255)),
        ([["5", "width"], ["5", "height"]], [96, 48], [HEIGHT, WIDTH], True, (96, 48, 255)),
        ([["5", "width"], ["5", "height"]], [], [HEIGHT, WIDTH], True, (12, 11, 255)),
        ([["5", "width"], ["5", "height"]], [96, None], [HEIGHT, WIDTH], True, (96, 96, 255)),
        ([["5", "width"], ["5", "height"]], [96, 48], [HEIGHT, WIDTH], False, (96, 48, 255)),
        ([["5", "width"], ["5", "height"]], [None, 48], [HEIGHT, WIDTH], False, (12, 48, 255)),
        (
            [["5", "width", "3"], ["5", "color", "3"], ["5", "height", "3"]],
            *([96, 7, 48], [COLOR, HEIGHT, WIDTH], False, (96, 48, 7)),
        ),
        (
            [["5", "width"], ["5", "color"], ["5", "height"]],
            *([96, None, 48], [COLOR, HEIGHT, WIDTH], False, (96, 48, 8)),
        ),
        ([["3", "color"]], [7], [COLOR, HEIGHT, WIDTH], False, (12, 11, 8)),
    ],
)
def test_subgraphs_in_each_other(outer, values, inner, with_inputs, expected):
    inner_values = [11, 12] if len(inner) == 2 else [8, 11, 12]
    assert made(nested(outer, values, inner, inner_values, with_inputs), "1:5:3") == expected


@pytest.mark.parametrize(
    "proxies", [5, "nonsense", [5], [["-1"]], [[3, "color"]], "[" * 100_000, {"a": 1}]
)
def test_an_order_that_cannot_be_read_is_refused(proxies):
    with pytest.raises(WorkflowError, match="node 1 of the canvas is a subgraph with the proxy"):
        made(canvas(proxies, [96, 48]))


def test_values_without_an_order_are_refused():
    with pytest.raises(WorkflowError, match="whose values have names and no order"):
        made(canvas([HEIGHT, WIDTH], {"width": 96}))


def test_a_null_among_values_is_refused_by_the_checks():
    workflow = parse_workflow(canvas(None, [None, 48]))
    (problem,) = check(workflow.prompt, all_nodes())
    assert str(problem).endswith("input 'width': expected a whole number, found None")
