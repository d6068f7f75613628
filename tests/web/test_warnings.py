"""Warnings on the nodes they are about, in both renderers and frontends."""

import itertools

import pytest

NUMBERS = itertools.count()
FLAT = "The depth map is flat: every pixel is 0.5."


def add_warning(canvas, text, **others):
    """A node that warns; its number is its own, so that no earlier test's run is its cache."""
    return canvas.add("SD2DepthTestWarning", text=text, number=next(NUMBERS), **others)


def shown(text):
    return [f"⚠ {text}"]


@pytest.mark.pages("all")
def test_is_on_the_node_until_it_runs_without(canvas):
    node = add_warning(canvas, FLAT)
    height = canvas.js("(id) => app.graph.getNodeById(id).size[1]", node)
    canvas.succeed()
    canvas.wait_for_notice(node, shown(FLAT))
    canvas.set(node, "text", "")
    canvas.succeed()
    canvas.wait_for_notice(node, [])
    assert canvas.js("(id) => app.graph.getNodeById(id).size[1]", node) <= height + 40


@pytest.mark.pages("all")
def test_leaves_the_saved_height_as_it_is(canvas):
    node = add_warning(canvas, FLAT)
    before = saved_height(canvas, node)
    canvas.succeed()
    canvas.wait_for_notice(node, shown(FLAT))
    # Otherwise the node would grow each time that it is saved, copied or undone.
    assert saved_height(canvas, node) == pytest.approx(before, abs=10)


def saved_height(canvas, node):
    return canvas.js("(id) => app.graph.getNodeById(id).serialize().size[1]", node)


def test_outputs_that_hold_something_else_hide_no_other_nodes_warning(canvas):
    broken, other = add_warning(canvas, ""), add_warning(canvas, "", at=(600, 0))
    canvas.js(
        "([broken, other, text]) => { app.nodeOutputs = "
        "{ [broken]: { warnings: {} }, [other]: { warnings: [text] } } }",
        [broken, other, FLAT],
    )
    canvas.wait_for_notice(other, shown(FLAT))
    canvas.wait_for_notice(broken, [])


@pytest.mark.pages("all")
def test_is_a_toast_once_and_not_again_for_a_cached_node(canvas):
    node = add_warning(canvas, FLAT)
    canvas.succeed()
    assert [FLAT in toast for toast in canvas.toasts()].count(True) == 1
    canvas.close_toasts()
    other = add_warning(canvas, "Another one.", at=(600, 0))
    canvas.succeed()
    assert not any(FLAT in toast for toast in canvas.toasts())
    canvas.wait_for_notice(node, shown(FLAT))
    canvas.wait_for_notice(other, shown("Another one."))


def test_the_toast_names_the_node(canvas):
    node = add_warning(canvas, FLAT)
    canvas.js("(id) => { app.graph.getNodeById(id).title = 'Painted map' }", node)
    canvas.succeed()
    assert any("Painted map" in toast and FLAT in toast for toast in canvas.toasts())


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_arrives_live_on_a_node_of_another_pack(canvas):
    node = canvas.add("TestLiveWarning", text="Size and checkpoint.", number=next(NUMBERS))
    canvas.succeed()
    canvas.wait_for_notice(node, shown("Size and checkpoint."))
    assert len(canvas.toasts()) >= 1
    canvas.set(node, "text", "")
    canvas.succeed()
    canvas.wait_for_notice(node, [])


def test_another_packs_output_of_that_name_is_not_ours(canvas):
    canvas.add("TestLiveWarning")
    canvas.js("() => { app.nodeOutputs = { 1: { warnings: ['not ours'] } } }")
    canvas.settle()
    canvas.wait_for_notice(1, [])


# The frontend 1.32 sometimes loses all outputs of the workflow that one leaves.
@pytest.mark.pages("newest-classic", "newest-nodes2")
def test_comes_back_with_its_workflow(canvas):
    node = add_warning(canvas, FLAT)
    canvas.succeed()
    canvas.js("() => app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    canvas.settle()
    canvas.js("() => app.extensionManager.command.execute('Workspace.PreviousOpenedWorkflow')")
    canvas.settle(10)
    canvas.wait_for_notice(node, shown(FLAT))


def test_comes_with_a_run_out_of_the_history(canvas):
    node = add_warning(canvas, FLAT)
    # What the frontend does with a run that the user opens from its queue or history.
    canvas.js("(text) => { app.nodeOutputs = { 1: { warnings: [text] } } }", FLAT)
    canvas.settle()
    canvas.wait_for_notice(node, shown(FLAT))


@pytest.mark.pages("all")
def test_of_a_node_in_a_subgraph_is_on_the_subgraph_too(canvas):
    node = add_warning(canvas, FLAT)
    after = canvas.add("SD2DepthTestWarning", at=(600, 0))
    canvas.connect(node, 0, after, "after")
    outer = canvas.js(
        """(id) => {
            const node = app.graph.getNodeById(id);
            node.title = "Inner";
            return app.graph.convertToSubgraph(new Set([node])).node.id;
        }""",
        node,
    )
    canvas.succeed()
    canvas.wait_for_notice(outer, shown(f"Inner: {FLAT}"))
    assert any("Inner" in toast and FLAT in toast for toast in canvas.toasts())
    canvas.js(
        "(id) => { const n = app.graph.getNodeById(id); app.canvas.openSubgraph(n.subgraph, n) }",
        outer,
    )
    canvas.settle(10)
    canvas.wait_for_notice(node, shown(FLAT))


@pytest.mark.pages("bundled-classic", "newest-classic")
def test_is_saved_nowhere(canvas):
    node = canvas.add("SD2DepthTestWarning", text=FLAT, number=7)
    before = canvas.workflow()["nodes"][0]
    canvas.succeed()
    canvas.wait_for_notice(node, shown(FLAT))
    after = canvas.workflow()["nodes"][0]
    assert after["widgets_values"] == before["widgets_values"] == [FLAT, 7]
    assert after["inputs"] == before["inputs"]
    assert canvas.prompt()["1"]["inputs"] == {"text": FLAT, "number": 7}


def test_a_text_is_never_read_as_html(canvas):
    node = add_warning(canvas, "<img src=x onerror=alert(1)>")
    canvas.succeed()
    canvas.wait_for_notice(node, shown("<img src=x onerror=alert(1)>"))
    assert canvas.page.locator("img[src=x]").count() == 0
