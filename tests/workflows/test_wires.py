"""What feeds an input through nodes that only the canvas knows."""

import time

import pytest

from sd2_depth2img.workflows.checks import check
from sd2_depth2img.workflows.graph import all_nodes, parse_workflow

EMPTY = {"id": 1, "type": "EmptyImage", "widgets_values": [8, 8, 1, 255]}


def node(number, kind, link=None, values=(), **more):
    inputs = [{"name": "in", "type": "*", "link": link}]
    return {"id": number, "type": kind, "inputs": inputs, "widgets_values": list(values), **more}


def save(link):
    slots = [{"name": "images", "type": "IMAGE", "link": link}]
    return {"id": 2, "type": "SaveImage", "inputs": slots, "widgets_values": ["x"]}


def converted(*nodes, links, **more):
    drawn = {"nodes": list(nodes), "links": [[*link, "IMAGE"] for link in links], **more}
    return parse_workflow(drawn)


def fed(*nodes, links, **more):
    """What feeds Save Image, or what is wrong with it."""
    workflow = converted(EMPTY, *nodes, links=links, **more)
    if workflow.problems:
        return str(workflow.problems[0])
    return workflow.prompt["2"]["inputs"].get("images")


INTO_SET, OUT_OF_GET = (1, 1, 0, 20, 0), (2, 21, 0, 2, 0)


@pytest.mark.parametrize(
    ("setter", "getter"), [("SetNode", "GetNode"), ("easy setNode", "easy getNode")]
)
@pytest.mark.parametrize("mode", [0, 2, 4])
def test_a_get_node_gives_what_the_set_node_of_its_name_takes(setter, getter, mode):
    """The title does not matter, and, as in ComfyUI, neither whether the Set node is muted."""
    nodes = [
        node(20, setter, 1, ["photo"], title="renamed", mode=mode),
        node(21, getter, None, ["photo"]),
        node(22, setter, None, ["other"]),
    ]
    assert fed(*nodes, save(2), links=[INTO_SET, OUT_OF_GET]) == ["1", 0]


def test_get_nodes_in_a_chain_and_the_set_nodes_own_output():
    nodes = [
        node(20, "SetNode", 1, ["a"]),
        node(23, "Reroute (rgthree)", 3),
        node(24, "SetNode", 4, ["b"]),
        node(21, "GetNode", None, ["b"]),
    ]
    links = [INTO_SET, (3, 20, 0, 23, 0), (4, 23, 0, 24, 0), OUT_OF_GET]
    assert fed(*nodes, save(2), links=links) == ["1", 0]


def test_a_get_node_whose_name_is_not_set():
    message = fed(node(21, "GetNode", None, ["photo"]), save(2), links=[OUT_OF_GET])
    assert "comes from the Get node 21, and no Set node is called 'photo'" in message


def test_two_set_nodes_of_one_name():
    nodes = [node(20, "SetNode", 1, ["a"]), node(25, "SetNode", 5, ["a"])]
    get = node(21, "GetNode", None, ["a"])
    links = [INTO_SET, (5, 1, 0, 25, 0), OUT_OF_GET]
    message = fed(*nodes, get, save(2), links=links)
    assert "several Set nodes are called 'a' (nodes 20, 25); rename all but one" in message
    nodes[1]["mode"] = 2
    assert fed(*nodes, get, save(2), links=links) == ["1", 0]


def test_set_and_get_in_a_circle():
    nodes = [node(20, "SetNode", 1, ["a"]), node(21, "GetNode", None, ["a"])]
    message = fed(*nodes, save(2), links=[(1, 21, 0, 20, 0), OUT_OF_GET])
    assert "goes round in a circle" in message


def test_a_set_node_around_a_subgraph_is_found_inside():
    invert = {"id": 6, "type": "ImageInvert"}
    invert["inputs"] = [{"name": "image", "type": "IMAGE", "link": 7}]
    box = {
        "id": "box",
        "nodes": [node(5, "GetNode", None, ["a"]), invert],
        "links": [[7, 5, 0, 6, 0, "IMAGE"], [8, 6, 0, -20, 0, "IMAGE"]],
    }
    workflow = converted(
        *(EMPTY, node(20, "SetNode", 1, ["a"]), {"id": 3, "type": "box"}, save(2)),
        links=[INTO_SET, (2, 3, 0, 2, 0)],
        definitions={"subgraphs": [box]},
    )
    assert workflow.problems == []
    assert workflow.prompt["3:6"]["inputs"] == {"image": ["1", 0]}
    assert workflow.prompt["2"]["inputs"]["images"] == ["3:6", 0]


def test_decorations_do_not_run():
    names = ("Label (rgthree)", "Bookmark (rgthree)", "Fast Groups Bypasser (rgthree)")
    nodes = [node(30 + at, name) for at, name in enumerate((*names, "MarkdownNote"))]
    workflow = converted(EMPTY, *nodes, save(1), links=[(1, 1, 0, 2, 0)])
    assert workflow.prompt.keys() == {"1", "2"}
    assert check(workflow.prompt, all_nodes(), workflow.problems) == []


def test_what_would_change_at_every_run_is_told(caplog):
    workflow = converted(
        EMPTY, node(3, "Random Unmuter (rgthree)"), save(1), links=[(1, 1, 0, 2, 0)]
    )
    assert workflow.prompt.keys() == {"1", "2"}
    assert "Random Unmuter (rgthree) works in the browser only; nodes run as" in caplog.text


def test_values_that_are_handed_on_without_links_are_refused():
    workflow = converted(
        EMPTY, node(3, "Anything Everywhere", 1), save(2), links=[(1, 1, 0, 3, 0), (2, 1, 0, 2, 0)]
    )
    problems = check(workflow.prompt, all_nodes(), workflow.problems)
    assert ["without links" in str(problem) for problem in problems] == [True]


def hostile(kind):
    """A canvas whose every link costs as much as it has links."""
    count = 30_000
    slots = [{"name": f"i{at}", "type": "IMAGE", "link": at} for at in range(count)]
    unused = [{"name": f"i{at}", "type": "LATENT", "link": None} for at in range(count)]
    many = save(0) | {"inputs": slots}
    if kind == "bypassed":
        passing = node(3, "ImageInvert", mode=4) | {
            "inputs": unused,
            "outputs": [{"type": "IMAGE"}],
        }
        return converted(EMPTY, passing, many, links=[(at, 3, 0, 2, at) for at in range(count)])
    box = {
        "id": "box",
        "inputs": [{"name": slot["name"], "type": "IMAGE"} for slot in slots],
        "nodes": [many],
        "links": [[at, -10, at, 2, at, "IMAGE"] for at in range(count)],
    }
    return converted(
        *(EMPTY, node(3, "box") | {"inputs": slots}),
        links=[(at, 1, 0, 3, at) for at in range(count)],
        definitions={"subgraphs": [box]},
    )


@pytest.mark.parametrize("kind", ["bypassed", "subgraph"])
def test_links_that_cost_more_than_any_drawn_one_are_refused_soon(kind):
    begin = time.process_time()
    assert any("too many reroutes or inputs" in str(one) for one in hostile(kind).problems)
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("kind", ["Reroute", "ImageInvert"])
def test_ten_thousand_reroutes(kind):
    """Or as many bypassed nodes: nothing recurses."""
    chain = [node(10 + at, kind, at, mode=4 * (kind != "Reroute")) for at in range(10_000)]
    for one in chain:
        one["outputs"] = [{"name": "", "type": "IMAGE"}]
    links = [(at, 9 + at if at else 1, 0, 10 + at, 0) for at in range(10_000)]
    links.append((10_000, 10_009, 0, 2, 0))
    assert fed(*chain, save(10_000), links=links) == ["1", 0]
