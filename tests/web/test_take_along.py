"""The settings of the Parallax Viewer, given to Parallax Frames."""

import pytest

from sd2_depth2img.tests.web.viewer_page import press, wait_until_shown

TAKEN = {"strength": 20.5, "move": "orbit", "plane": 0.3, "show": "red-cyan"}


def take_along(canvas, node):
    canvas.js(
        """([id, values]) => {
            const node = app.canvas.graph.getNodeById(id);
            node.properties["sd2_depth2img.viewer"] = values;
            node.onConfigure({});
        }""",
        [node, TAKEN],
    )
    press(canvas, "To Parallax Frames")
    canvas.settle()
    canvas.close_toasts()


@pytest.mark.pages("all")
def test_taken_along_by_a_new_node_then_by_the_same(canvas, viewer):
    for _ in range(2):
        take_along(canvas, viewer)
        # One that ends nowhere is not sent, but it is on the canvas.
        (found,) = (n for n in canvas.workflow()["nodes"] if n["type"] == "SD2DepthParallax")
        assert all(one["link"] for one in found["inputs"] if one["name"] in ("image", "depth"))
        inputs = values_of(canvas, found["id"])
        assert {name: inputs[name] for name in TAKEN} == TAKEN


def values_of(canvas, node):
    return canvas.js(
        """(id) => Object.fromEntries(
            app.canvas.graph.getNodeById(id).widgets.map(({ name, value }) => [name, value]))""",
        node,
    )


def test_taken_along_by_those_that_show_the_same(canvas, viewer):
    flat, red = (
        canvas.add("SD2DepthParallax", (900, y), show=show, strength=3)
        for y, show in ((0, "image"), (400, "red-cyan"))
    )
    for node in (flat, red):
        for slot in (0, 1):
            canvas.js(
                """([from, to, slot]) => {
                    const viewer = app.graph.getNodeById(from);
                    const origin = app.graph.getNodeById(viewer.getInputLink(slot).origin_id);
                    origin.connect(viewer.getInputLink(slot).origin_slot,
                        app.graph.getNodeById(to), slot);
                }""",
                [viewer, node, slot],
            )
    take_along(canvas, viewer)
    assert values_of(canvas, red)["strength"] == TAKEN["strength"]
    assert values_of(canvas, flat)["show"] == "image"
    assert values_of(canvas, flat)["strength"] == 3


def test_taken_along_by_the_selected_node(canvas, viewer):
    other = canvas.add("SD2DepthParallax", (900, 400))
    one = canvas.add("SD2DepthParallax", (900, 0), strength=3)
    canvas.js("(id) => app.canvas.selectItems([app.graph.getNodeById(id)])", one)
    take_along(canvas, viewer)
    assert values_of(canvas, one)["strength"] == 20.5
    assert values_of(canvas, other)["strength"] == 12
    assert canvas.js(
        "(id) => app.graph.getNodeById(id).inputs.slice(0, 2).every((i) => i.link)", one
    )


@pytest.mark.pages("bundled-nodes2", "newest-classic")
def test_lives_in_a_subgraph_and_is_taken_along_there(canvas, viewer):
    canvas.js(
        """(id) => {
            window.made = app.graph.convertToSubgraph(new Set([app.graph.getNodeById(id)])).node;
            app.canvas.setGraph(made.subgraph);
        }""",
        viewer,
    )
    canvas.settle(10)
    assert canvas.page.locator(".sd2-viewer").count() == 1
    canvas.succeed()
    wait_until_shown(canvas)
    inner = canvas.js("() => app.canvas.graph.nodes.find((n) => n.type === 'SD2DepthViewer').id")
    take_along(canvas, inner)
    frames = canvas.js(
        """() => {
            const node = app.canvas.graph.nodes.find((n) => n.type === "SD2DepthParallax");
            return node.inputs.slice(0, 2).map(({ link }) => {
                const found = app.canvas.graph.getLink(link);
                return [found.origin_id, found.origin_slot];
            });
        }"""
    )
    # From the subgraph's own inputs: the photo came out twice, so it has one or two.
    assert len(frames) == 2
    assert all(str(origin) == "-10" for origin, _ in frames)
    canvas.js("() => { app.canvas.setGraph(app.rootGraph ?? app.graph); }")
    canvas.clear()  # no node in a subgraph is told of it
    canvas.page.wait_for_function("() => contexts.at(-1).isContextLost()", timeout=15_000)
