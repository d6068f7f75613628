"""Warnings on the nodes they are about, in both renderers and frontends."""

import itertools

import pytest

from sd2_depth2img.tests.web.canvas import TOAST

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


@pytest.mark.pages("bundled-nodes2", "newest-classic")
def test_a_fault_that_several_nodes_find_is_one_toast(canvas):
    texts = ["the mask is empty: nothing is painted", "the mask is empty: the latent stays"]
    nodes = [add_warning(canvas, text, at=(600 * i, 0)) for i, text in enumerate(texts)]
    canvas.succeed()
    for node, text in zip(nodes, texts, strict=True):
        canvas.wait_for_notice(node, shown(text))
    assert len([toast for toast in canvas.toasts() if "mask is empty" in toast]) == 1
    assert not any("More warnings" in toast for toast in canvas.toasts())


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_of_several_faults_the_first_is_told_and_of_others_the_nodes(canvas):
    for number, title in enumerate(("One", "Two", "Three")):
        node = add_warning(canvas, f"photo.png: fault {number}", at=(500 * number, 0))
        canvas.js("([id, title]) => { app.graph.getNodeById(id).title = title }", [node, title])
    canvas.succeed()
    canvas.settle()
    first, more = canvas.toasts()
    titles = {title for title in ("One", "Two", "Three") if title in first}
    assert len(titles) == 1
    assert "photo.png: fault" in first
    assert "More warnings" in more
    assert titles ^ {"One", "Two", "Three"} == {t for t in ("One", "Two", "Three") if t in more}


# In the classic renderer the frontend 1.32 has a banner, and moves its own toasts too little.
@pytest.mark.pages("bundled-nodes2", "newest-classic", "newest-nodes2")
def test_no_toast_covers_the_button_that_runs(canvas):
    add_warning(canvas, FLAT)
    canvas.succeed()
    canvas.settle(20)
    toast = canvas.page.locator(TOAST).first.bounding_box()
    button = canvas.page.locator("[data-testid=queue-button]").bounding_box()
    assert toast["y"] >= button["y"] + button["height"]


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_goes_when_a_run_succeeds_without_the_node(canvas):
    node = add_warning(canvas, FLAT)
    canvas.succeed()
    canvas.wait_for_notice(node, shown(FLAT))
    other = add_warning(canvas, "Another one.", at=(600, 0))
    bypass = "([id, mode]) => { app.graph.getNodeById(id).mode = mode }"
    canvas.js(bypass, [node, 4])
    canvas.succeed()
    canvas.wait_for_notice(other, shown("Another one."))
    canvas.wait_for_notice(node, [])


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
