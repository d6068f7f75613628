"""Mouse, pen, fingers and keys in the depth editor, and every tool."""

import json

import numpy as np
import pytest

from sd2_depth2img.tests.web.depth_editor import DepthEditor
from sd2_depth2img.tests.web.test_leaks import WATCH, left


@pytest.fixture
def editor(canvas):
    editor = DepthEditor(canvas)
    editor.run_and_open()
    yield editor
    if not editor.closed():
        editor.keys("Escape", "Escape")
        if editor.dialog.locator("dialog.ask").count():
            editor.button("Discard").last.click()
    editor.wait_until_closed()


def save(editor):
    editor.save()
    return editor.edits()


def test_every_tool_gives_what_the_node_gives(canvas, editor):
    editor.keys("Escape")
    editor.save_output_to("every_tool")
    editor.open()
    editor.option("Size", 30)
    for number, tool in enumerate(["Nearer", "Set depth", "Smooth", "Sharpen", "Flatten"]):
        editor.tool(tool)
        editor.draw((20, 15 + 20 * number), (60, 20 + 20 * number), steps=4)
    editor.tool("Erase")
    editor.draw((30, 10), (30, 60))
    editor.tool("Fill")
    editor.click(140, 20)
    editor.tool("Lasso")  # taking another tool applies what is placed
    editor.draw((80, 80), (110, 80), (110, 110), (80, 110), steps=3)
    editor.dialog.locator(".options select").select_option("delete")
    editor.button("Apply").click()
    editor.tool("Polygon")
    for corner in ((90, 20), (120, 20), (120, 50)):
        editor.click(*corner)
    editor.keys("Enter", "Enter")
    editor.tool("Gradient")
    editor.dialog.get_by_role("switch", name="Only between depths").click()
    near = editor.dialog.get_by_role("slider", name="Near end of what brushes change")
    near.fill("0.4")
    editor.draw((10, 10), (150, 100))
    editor.draw((150, 100), (150, 60))  # by its handle
    editor.keys("Enter")
    editor.dialog.get_by_role("switch", name="Only between depths").click()
    editor.tool("Stamp")
    editor.draw((130, 90), (130, 105))
    editor.option("Tilt →", 0.2)
    editor.keys("Enter")
    editor.dialog.locator(".options select").first.select_option("text")
    editor.dialog.locator(".options input[type=text]").fill("Hi")
    canvas.settle(20)
    editor.draw((60, 60), (60, 75))
    editor.button("Apply").click()
    shown = editor.shown()
    tools = [edit["tool"] for edit in save(editor)]
    assert tools == [*6 * ["stroke"], "flood", "polygon", "polygon", "gradient", "stamp", "stamp"]
    canvas.succeed()
    out = editor.output("every_tool")
    assert np.array_equal(out, editor.expected())
    assert np.abs(shown / 255 - out).max() <= 1 / 255 + 1 / 256


def test_pressure_of_a_pen_is_kept_and_a_mouse_presses_fully(editor):
    session = editor.page.context.new_cdp_session(editor.page)

    def pen(kind, x, y, force, buttons=1):
        px, py = editor.at(x, y)
        event = {"type": kind, "x": px, "y": py, "force": force, "buttons": buttons}
        session.send(
            "Input.dispatchMouseEvent",
            {**event, "button": "left", "clickCount": 1, "pointerType": "pen"},
        )

    pen("mousePressed", 20, 30, 0.25)
    for step in range(1, 11):
        pen("mouseMoved", 20 + 10 * step, 30, 0.25 + 0.05 * step)
    pen("mouseReleased", 120, 30, 0, 0)
    editor.canvas.settle()
    editor.draw((20, 80), (100, 80))
    [drawn_by_pen, drawn_by_mouse] = save(editor)
    pressures = [pressure for _, _, pressure in drawn_by_pen["points"]]
    assert pressures[0] == pytest.approx(0.25, abs=0.01)
    assert max(pressures) == pytest.approx(0.75, abs=0.06)
    assert pressures == sorted(pressures)
    assert {pressure for _, _, pressure in drawn_by_mouse["points"]} == {1}
    session.detach()


def test_one_finger_paints_and_two_move_and_zoom(editor):
    session = editor.page.context.new_cdp_session(editor.page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def touch(kind, *points):
        fingers = [
            {"x": x, "y": y, "id": number}
            for number, (x, y) in enumerate(editor.at(*point) for point in points)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    touch("touchStart", (20, 30))
    for step in range(1, 6):
        touch("touchMove", (20 + 12 * step, 30))
    touch("touchEnd")
    editor.canvas.settle()
    before = editor.dialog.locator("footer .zoom").inner_text()
    touch("touchStart", (60, 60))
    touch("touchMove", (62, 61))
    touch("touchStart", (62, 61), (90, 60))
    for step in range(1, 5):
        touch("touchMove", (62 - 5 * step, 61), (90 + 5 * step, 60))
    touch("touchEnd")
    editor.canvas.settle()
    after = editor.dialog.locator("footer .zoom").inner_text()
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    session.detach()
    percent = [int(text.split()[0]) for text in (before, after)]
    assert percent[1] > 1.5 * percent[0]
    [only] = save(editor)
    assert only["points"][-1][0] > 70


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_keys_of_the_brush(editor):
    options = editor.dialog.locator(".options")
    value = lambda name: float(options.get_by_role("spinbutton", name=name).input_value())  # noqa: E731
    size = value("Size, px")
    editor.keys("]", "]", "[")
    assert size * 1.1 < value("Size, px") < size * 1.2
    editor.keys("Shift+}")
    assert value("Hardness") == 0.6
    editor.keys("Shift+{", "Shift+{")
    assert value("Hardness") == 0.4
    editor.keys("x")
    farther = options.get_by_role("button", name="Farther")
    assert farther.get_attribute("aria-pressed") == "true"
    editor.keys("s")
    assert (
        editor.dialog.get_by_role("radio", name="Set depth").get_attribute("aria-checked") == "true"
    )
    editor.page.keyboard.down("Alt")
    editor.click(10, 10)
    editor.page.keyboard.up("Alt")
    assert value("Depth") == pytest.approx(45 / 255, abs=0.01)


def test_wheel_zooms_at_the_pointer_and_space_moves(editor):
    at = editor.dialog.locator("footer .at")
    editor.page.mouse.move(*editor.at(40.5, 30.5))
    editor.canvas.settle()
    before = at.inner_text()
    editor.page.mouse.wheel(0, -400)
    editor.canvas.settle()
    assert at.inner_text() == before
    assert "x 40" in before
    editor.page.keyboard.down("Space")
    editor.draw((40.5, 30.5), (50, 40))
    editor.page.keyboard.up("Space")
    # The map went along with the pointer.
    assert at.inner_text() == before
    editor.keys("0")
    editor.keys("Escape")
    editor.wait_until_closed()
    assert editor.edits() == []


@pytest.mark.pages("all")
def test_undo_is_of_strokes_and_not_of_the_canvas(canvas, editor):
    before = canvas.workflow()["nodes"]
    for y in (20, 40, 60):
        editor.draw((20, y), (100, y))
    editor.keys("Control+z", "Control+z")
    editor.keys("Control+Shift+Z")
    for _ in range(5):
        editor.keys("Control+z")
    editor.keys("Control+Shift+Z", "Control+Shift+Z")
    canvas.settle(10)
    assert [node["id"] for node in canvas.workflow()["nodes"]] == [node["id"] for node in before]
    assert len(save(editor)) == 2


def test_redo_brings_back_what_was_placed_and_not_yet_applied(editor):
    editor.tool("Stamp")
    editor.click(50, 50)
    editor.keys("Control+z")
    assert not editor.button("Apply").is_visible()
    assert editor.button("Undo").is_disabled()
    editor.keys("Control+Shift+Z")
    assert [edit["tool"] for edit in save(editor)] == ["stamp"]


@pytest.mark.parametrize("tool", ["Nearer", "Lasso", "Gradient", "Stamp"])
def test_escape_gives_up_what_is_being_drawn(editor, tool):
    mouse = editor.page.mouse
    editor.tool(tool)
    mouse.move(*editor.at(30, 30))
    mouse.down()
    mouse.move(*editor.at(90, 40), steps=4)
    editor.keys("Escape")
    mouse.move(*editor.at(60, 80), steps=4)
    mouse.up()
    editor.canvas.settle()
    assert editor.button("Undo").is_disabled()
    editor.keys("Escape")  # nothing to ask for
    editor.wait_until_closed()


def test_a_handle_is_let_go_when_its_shape_is_taken_back(editor, canvas):
    errors = []
    canvas.page.on("pageerror", lambda error: errors.append(error))
    mouse = editor.page.mouse
    editor.tool("Stamp")
    editor.click(50, 50)
    mouse.move(*editor.at(50, 50))
    mouse.down()
    mouse.move(*editor.at(60, 60), steps=3)
    editor.keys("Control+z")
    mouse.move(*editor.at(90, 60), steps=3)
    mouse.up()
    assert not errors
    assert editor.button("Undo").is_disabled()


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_escape_asks_where_something_would_be_lost(editor):
    editor.tool("Stamp")
    editor.click(50, 50)
    assert editor.button("Apply").is_visible()
    editor.keys("Escape")  # takes the stamp away
    assert not editor.button("Apply").is_visible()
    editor.keys("Escape")
    editor.wait_until_closed()
    editor.open()
    editor.tool("Nearer")
    editor.draw((20, 20), (100, 20))
    editor.keys("Escape")
    question = editor.dialog.locator("dialog.ask")
    question.wait_for()
    editor.keys("Escape")
    assert question.count() == 0
    assert not editor.closed()
    editor.keys("Escape")
    question.get_by_role("button", name="Discard").click()
    editor.wait_until_closed()
    assert editor.text() == ""


def test_the_keyboard_stays_at_the_layer_that_it_hides(editor):
    editor.button("Add layer").click()
    eyes = editor.dialog.locator(".layers li button.icon[id]")
    eyes.first.focus()
    editor.keys("Enter", "Space", "Enter")
    layers = editor.dialog.locator(".layers li")
    assert ["off" in row.get_attribute("class") for row in layers.all()] == [True, False]


def test_the_side_does_not_scroll_sideways(editor):
    wider = editor.dialog.locator("aside .scroll").evaluate("(e) => e.scrollWidth - e.clientWidth")
    assert wider == 0


def test_layers_are_steps_of_undo(editor):
    rows = editor.dialog.locator(".layers li")
    editor.draw((20, 20), (100, 20))
    editor.button("Add layer").click()
    editor.draw((20, 60), (100, 60))
    assert rows.count() == 2
    editor.dialog.locator(".layers .name").first.dblclick()
    field = editor.dialog.locator(".layers input")
    field.fill("Ball")
    field.press("Enter")
    editor.button("Move layer down").click()
    editor.button("Hide layer").last.click()
    opacity = editor.dialog.locator("section").first.get_by_role("spinbutton", name="Opacity")
    opacity.fill("0.5")
    opacity.press("Enter")
    editor.canvas.settle()
    editor.save()
    layers = json.loads(editor.text())["layers"]
    assert [layer["name"] for layer in layers] == ["Ball", "Layer 1"]
    assert [layer["visible"] for layer in layers] == [False, True]
    assert layers[0]["opacity"] == 0.5
    editor.open()
    editor.button("Remove layer").click()
    assert rows.count() == 1
    editor.keys("Control+z")
    assert rows.count() == 2
    editor.keys("Escape")


def test_focus_stays_inside_and_comes_back(canvas, editor):
    editor.keys("Escape")
    editor.wait_until_closed()
    canvas.js("""() => {
        const field = document.createElement("input");
        field.id = "before";
        document.body.append(field);
        field.focus();
    }""")
    editor.open()
    inside = """() => document.activeElement.tagName === "IFRAME" &&
        document.activeElement.contentDocument.activeElement.tagName"""
    seen = set()
    for _ in range(60):
        canvas.page.keyboard.press("Tab")
        seen.add(canvas.js(inside))
    assert False not in seen
    assert {"BUTTON", "INPUT", "CANVAS"} <= seen
    editor.keys("Escape")
    editor.wait_until_closed()
    assert canvas.js("() => document.activeElement.id") == "before"
    canvas.js("() => document.getElementById('before').remove()")


def test_targets_are_large_and_have_names(editor):
    found = editor.dialog.locator("body").evaluate(
        """(body) => [...body.querySelectorAll("button")].filter((one) => one.checkVisibility())
            .map((one) => ({
                name: one.getAttribute("aria-label") || one.innerText,
                width: one.offsetWidth,
                height: one.offsetHeight + (one.closest(".segments") ? 8 : 0),
            }))"""
    )
    assert len(found) > 20
    assert [one for one in found if not one["name"] or min(one["width"], one["height"]) < 44] == []


def test_nothing_is_left_of_dialogs_and_nodes(canvas, editor):
    editor.keys("Escape")
    editor.wait_until_closed()
    canvas.js(WATCH)

    def sit():
        editor.open()
        editor.draw((20, 20), (100, 20), steps=2)
        editor.keys("Escape")
        editor.dialog.locator("dialog.ask").get_by_role("button", name="Discard").click()
        editor.wait_until_closed()
        canvas.settle(5)

    sit()
    before = left(canvas)
    for _ in range(4):
        sit()
    grown = {name: count - before[name] for name, count in left(canvas).items()}
    # One dialog has hundreds of elements and listeners.
    assert all(count < 60 for count in grown.values()), grown
    editor.open()
    canvas.js("(id) => app.graph.remove(app.graph.getNodeById(id))", editor.node)
    editor.wait_until_closed()
