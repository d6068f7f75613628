"""The depth editor: what is drawn in its dialog is what the node gives."""

import json

import numpy as np
import pytest

from sd2_depth2img.tests.web.depth_editor import KIND, DepthEditor, depth_map, photo


@pytest.fixture
def editor(canvas):
    return DepthEditor(canvas)


@pytest.mark.pages("all")
def test_what_is_drawn_is_what_comes_out(editor, request):
    prefix = f"editor_{request.node.callspec.id}"
    editor.save_output_to(prefix)
    editor.run_and_open()
    before = editor.shown()
    editor.draw((40, 30), (110, 40))
    editor.keys("x")
    editor.draw((80, 90), (120, 100))
    after = editor.shown()
    editor.save()
    assert [edit["does"] for edit in editor.edits()] == ["nearer", "farther"]
    editor.canvas.succeed()
    out = editor.output(prefix)
    assert np.array_equal(out, editor.expected())
    assert np.abs(out - editor.expected("")).max() > 0.05
    assert np.abs(after / 255 - out).max() <= 1 / 255 + 1 / 256
    assert np.abs(before / 255 - editor.expected("")).max() <= 1 / 255


@pytest.mark.pages("all")
def test_before_the_first_run_it_runs_what_it_needs(canvas, editor):
    other = canvas.add("PreviewImage", at=(340, 500))
    canvas.connect(editor.photo, 0, other, "images")
    editor.press(editor.node)
    page = editor.dialog.locator(".first-run")
    page.wait_for()
    assert "Run the nodes before it" in page.inner_text()
    editor.button("Run up to here").click()
    editor.dialog.locator("canvas.paint").wait_for(timeout=20_000)
    assert not canvas.js("(id) => app.nodeOutputs[id]?.images", other)
    editor.keys("Escape")
    editor.wait_until_closed()


@pytest.mark.pages("all")
def test_the_node_shows_what_has_been_drawn(canvas, editor):
    line = canvas.page.get_by_text("No edits yet")
    line.wait_for()
    # The state is no widget to be seen, and no socket.
    assert canvas.page.locator(f"[data-node-id='{editor.node}'] textarea").count() == 0
    names = canvas.js(
        "(id) => app.graph.getNodeById(id).inputs.map(({ name }) => name)", editor.node
    )
    assert [name for name in names if name != "edits"] == ["depth", "image"]
    editor.run_and_open()
    editor.draw((40, 30), (110, 40))
    editor.button("Add layer").click()
    editor.draw((40, 80), (110, 80))
    editor.draw((40, 90), (110, 90))
    editor.button("Save").click()
    canvas.page.get_by_text("2 layers, 3 edits").wait_for()
    pictures = canvas.js(
        """() => [...document.querySelectorAll("[aria-label='Edited depth']")]
            .filter((one) => one.checkVisibility()).map(({ width }) => width)"""
    )
    assert pictures == [160]


@pytest.mark.pages("all")
def test_saved_opened_and_drawn_on(canvas, editor):
    editor.run_and_open()
    editor.draw((40, 30), (110, 40))
    editor.save()
    workflow = canvas.workflow()
    [saved] = [node for node in workflow["nodes"] if node["type"] == KIND]
    assert saved["widgets_values"] == [editor.text()]
    canvas.open_workflow(workflow)
    assert editor.text() == saved["widgets_values"][0]
    assert canvas.prompt()[str(editor.node)]["inputs"]["edits"] == editor.text()
    editor.press(editor.node)
    if not editor.dialog.locator("canvas.paint").count():
        editor.canvas.settle(10)
    if editor.button("Run up to here").count():  # this frontend forgets outputs with the workflow
        editor.button("Run up to here").click()
    editor.dialog.locator("canvas.paint").wait_for(timeout=20_000)
    canvas.settle(5)
    editor.draw((40, 90), (110, 90))
    editor.save()
    assert len(editor.edits()) == 2


@pytest.mark.pages("all")
def test_copies_have_their_own_edits_and_the_canvas_undoes_them(canvas, editor):
    editor.run_and_open()
    editor.draw((40, 30), (110, 40))
    editor.save()
    first = editor.text()
    canvas.js(
        """(id) => {
            app.canvas.selectItems([app.graph.getNodeById(id)]);
            app.canvas.copyToClipboard();
            app.canvas.pasteFromClipboard();
        }""",
        editor.node,
    )
    canvas.settle(10)
    kinds = canvas.js(
        "(kind) => app.graph.nodes.filter((n) => n.type === kind).map((n) => n.id)", KIND
    )
    [copy] = [node for node in kinds if node != editor.node]
    assert editor.text(copy) == first
    editor.open()
    editor.draw((40, 90), (110, 90))
    editor.save()
    canvas.settle(10)
    assert len(json.loads(editor.text())["layers"][0]["edits"]) == 2
    assert editor.text(copy) == first
    canvas.js("() => app.extensionManager.command.execute('Comfy.Undo')")
    canvas.settle(10)
    assert editor.text() == first
    assert editor.text(copy) == first


@pytest.mark.pages("all")
def test_in_a_subgraph_and_back(canvas, editor):
    editor.run_and_open()
    editor.draw((40, 30), (110, 40))
    editor.save()
    text = editor.text()
    canvas.js(
        """(id) => {
            const nodes = [app.graph.getNodeById(id)];
            window.made = app.graph.convertToSubgraph(new Set(nodes)).node;
            app.canvas.openSubgraph(window.made.subgraph, window.made);
        }""",
        editor.node,
    )
    canvas.settle(10)
    [inner] = canvas.js(
        "(kind) => app.canvas.graph.nodes.filter((n) => n.type === kind).map((n) => n.id)", KIND
    )
    assert editor.text(inner) == text
    editor.press(inner)
    editor.button("Run up to here").click()
    editor.dialog.locator("canvas.paint").wait_for(timeout=20_000)
    canvas.settle(5)
    editor.draw((40, 90), (110, 90))
    editor.save()
    inside = editor.text(inner)
    assert len(json.loads(inside)["layers"][0]["edits"]) == 2
    canvas.js("() => app.canvas.setGraph(app.rootGraph ?? app.canvas.graph.rootGraph)")
    canvas.js("() => app.graph.unpackSubgraph(window.made)")
    canvas.settle(10)
    [back] = canvas.js(
        "(kind) => app.canvas.graph.nodes.filter((n) => n.type === kind).map((n) => n.id)", KIND
    )
    assert editor.text(back) == inside


def test_says_that_nothing_is_connected(canvas, editor):
    lone = canvas.add("SD2DepthEditor", at=(700, 300))
    editor.press(lone)
    page = editor.dialog.locator(".first-run")
    page.wait_for()
    assert "Connect a depth map" in page.inner_text()
    assert page.get_by_role("button").count() == 1
    editor.keys("Enter")
    editor.wait_until_closed()


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_save_and_run_keeps_seeds_and_shows_the_result(canvas, editor):
    result = canvas.add("PreviewImage", at=(700, 0))
    canvas.connect(editor.node, 0, result, "images")
    noise = canvas.add("RandomNoise", at=(340, 500))
    canvas.js(
        """(id) => {
            const find = (name) => app.graph.getNodeById(id).widgets.find((w) => w.name === name);
            find("noise_seed").value = 77;
            find("control_after_generate").value = "randomize";
        }""",
        noise,
    )
    editor.canvas.succeed()
    canvas.js("(id) => { app.graph.getNodeById(id).widgets[0].value = 77; }", noise)
    editor.open()
    shown = editor.dialog.locator(".corner img")
    before = shown.get_attribute("src")
    editor.draw((40, 30), (110, 40))
    editor.button("Save and Run").click()
    canvas.page.wait_for_function(
        """(before) => document.querySelector("dialog iframe").contentDocument
            .querySelector(".corner img").getAttribute("src") !== before""",
        arg=before,
        timeout=20_000,
    )
    assert not editor.closed()
    assert "not run" not in editor.dialog.locator(".corner").inner_text()
    assert canvas.value(noise, "noise_seed") == 77
    assert canvas.value(noise, "control_after_generate") == "randomize"
    editor.dialog.get_by_role("switch", name="Stay open").click()
    editor.draw((40, 90), (110, 90))
    editor.button("Save and Run").click()
    editor.wait_until_closed()
    assert len(editor.edits()) == 2
    canvas.settle(20)
    editor.open()
    editor.dialog.get_by_role("switch", name="Stay open").click()
    editor.keys("Escape")


NEWER = json.dumps({"version": 2, "layers": "of another kind"})
DAMAGED = '{"version": 1, "size": [160, 120], "layers": [{"edits": [{"tool": "stroke"'


@pytest.mark.parametrize(("text", "words"), [(NEWER, "newer"), (DAMAGED, "JSON")])
def test_what_cannot_be_read_is_kept(canvas, editor, text, words):
    canvas.succeed()
    canvas.set(editor.node, "edits", text)
    editor.open()
    banner = editor.dialog.locator(".banner")
    assert words in banner.inner_text()
    assert editor.button("Save").is_disabled()
    assert editor.dialog.get_by_role("radio", name="Smooth").is_disabled()
    editor.draw((40, 30), (110, 40))
    editor.keys("Escape")
    editor.wait_until_closed()
    assert editor.text() == text
    editor.open()
    editor.button("Start anew…").click()
    editor.button("Start anew").click()
    editor.draw((40, 30), (110, 40))
    editor.save()
    assert len(editor.edits()) == 1


def test_what_cannot_be_read_is_told_before_a_run(canvas, editor):
    canvas.set(editor.node, "edits", NEWER)
    editor.press(editor.node)
    page = editor.dialog.locator(".first-run")
    page.wait_for()
    assert "newer" in page.inner_text()
    editor.keys("Escape")
    editor.wait_until_closed()
    assert editor.text() == NEWER


def test_edits_of_another_size_are_scaled_and_it_is_said(canvas, editor):
    edit = {"tool": "stroke", "points": [[100, 100, 1]], "radius": 60, "hardness": 1}
    layer = {"name": "A", "edits": [{**edit, "does": "set", "depth": 1, "amount": 1}]}
    state = {"version": 1, "size": [320, 240], "layers": [layer]}
    canvas.set(editor.node, "edits", json.dumps(state))
    editor.put("larger map.png", depth_map(200, 160))
    editor.put("larger photo.png", photo(200, 160))
    canvas.succeed()
    editor.open()
    assert "320 × 240" in editor.dialog.locator(".banner").inner_text()
    shown = editor.shown()
    assert shown[50, 50] == 255
    assert shown[50, 90] < 200
    # A map of another size comes while the editor is open, as after another photo.
    canvas.set(editor.source, "image", "larger map.png")
    canvas.set(editor.photo, "image", "larger photo.png")
    editor.button("Save and Run").click()
    banner = editor.dialog.locator(".banner")
    banner.filter(has_text="200 × 160").wait_for()
    assert banner.count() == 1
    editor.keys("Escape")


def test_a_layer_may_be_for_some_maps_of_a_batch(canvas, editor):
    batch = canvas.add("RepeatImageBatch", at=(0, 760), amount=3)
    canvas.connect(editor.source, 0, batch, "image")
    canvas.connect(batch, 0, editor.node, "depth")
    editor.run_and_open()
    footer = editor.dialog.locator("footer")
    assert "Map 1 of 3" in footer.inner_text()
    editor.draw((20, 60), (140, 60))
    first, last = (
        editor.dialog.get_by_role("spinbutton", name=name) for name in ("First frame", "Last frame")
    )
    first.fill("2")
    first.press("Enter")
    last.fill("2")
    last.press("Enter")
    on_the_first = editor.shown()
    editor.button("Next map").click()
    footer.get_by_text("Map 2 of 3").wait_for()
    on_the_second = editor.shown()
    editor.save()
    assert np.abs(on_the_first / 255 - editor.expected("")).max() <= 1 / 255
    assert (on_the_second - on_the_first)[60, 80] > 15
    assert json.loads(editor.text())["layers"][0]["frames"] == [1, 1]


def test_a_run_that_the_page_refuses_is_told(canvas, editor):
    editor.run_and_open()
    canvas.js("(id) => app.graph.getNodeById(id).disconnectInput(0)", editor.node)
    editor.draw((40, 30), (110, 40))
    editor.button("Save and Run").click()
    editor.dialog.get_by_text("The workflow was not run").wait_for(timeout=10_000)
    canvas.errors.clear()  # the page reports the refusal
    editor.keys("Escape")
    editor.wait_until_closed()
    canvas.page.keyboard.press("Escape")  # the page's own dialog


def test_a_full_state_takes_no_more_and_it_is_said(canvas, editor):
    brush = {"radius": 1, "hardness": 1, "does": "nearer", "amount": 0.01}
    dots = [{"tool": "stroke", "points": [[20 + i % 100, 20 + i // 100, 1]]} for i in range(10_000)]
    layer = {"name": "Dots", "edits": [{**dot, **brush} for dot in dots]}
    text = json.dumps({"version": 1, "size": [160, 120], "layers": [layer]})
    canvas.succeed()
    canvas.set(editor.node, "edits", text)
    editor.open()
    editor.draw((40, 30), (110, 40))
    assert "10000" in editor.dialog.locator(".banner").inner_text()
    editor.keys("Escape")
    editor.wait_until_closed()
    assert editor.text() == text
