"""Parallax Viewer on the canvas: what moves it, what becomes of it."""

import pytest

from sd2_depth2img.tests.web.viewer_page import (
    OUTPUT,
    SHOWN,
    WATCH,
    add_viewer,
    line,
    press,
    settings,
    wait_for_line,
    wait_until_shown,
)

RUN_IT = "Run this node to look around in its image."


# --- on the node ---------------------------------------------------------------------------------


def pixels(canvas):
    return canvas.js(SHOWN)


def draws(canvas, milliseconds=600):
    """How often the image is drawn in a while."""
    return canvas.js(
        """async (time) => {
            const before = window.draws;
            await new Promise((done) => setTimeout(done, time));
            return window.draws - before;
        }""",
        milliseconds,
    )


def middle_of_image(canvas):
    box = canvas.page.locator(".sd2-viewer canvas").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"]


def let_it_rest(canvas):
    """Nobody moves it and it does not wander."""
    canvas.js("() => { document.activeElement?.blur(); }")
    canvas.page.wait_for_timeout(700)


@pytest.mark.pages("all")
def test_shows_the_image_once_it_has_run(canvas, small_photo):
    node = add_viewer(canvas, small_photo)
    assert line(canvas) == RUN_IT
    canvas.succeed()
    wait_until_shown(canvas)
    assert line(canvas) == ""
    box = canvas.page.locator(".sd2-viewer canvas").first.bounding_box()
    assert box["width"] > 150
    assert box["height"] == pytest.approx(box["width"], abs=2)  # as the photo
    assert canvas.prompt()[str(node)]["inputs"].keys() == {"image", "depth"}


@pytest.mark.pages("all")
def test_pointer_drag_and_keys_move_it(canvas, viewer):
    canvas.page.emulate_media(reduced_motion="reduce")
    try:
        x, y, width = middle_of_image(canvas)
        seen = [pixels(canvas)]
        before = canvas.js("(id) => [...app.graph.getNodeById(id).pos]", viewer)
        canvas.page.mouse.move(x, y)
        canvas.page.mouse.move(x + width / 3, y)
        let_it_rest(canvas)
        seen.append(pixels(canvas))
        canvas.page.mouse.down()
        canvas.page.mouse.move(x - width / 3, y + 20, steps=3)
        canvas.page.mouse.up()
        let_it_rest(canvas)
        seen.append(pixels(canvas))
        canvas.page.locator(".sd2-viewer canvas").first.focus()
        canvas.page.keyboard.press("Home")
        canvas.page.keyboard.press("ArrowUp")
        let_it_rest(canvas)
        seen.append(pixels(canvas))
        assert len({tuple(one) for one in seen}) == 4
        # The drag was one of the image, not of the node.
        assert canvas.js("(id) => [...app.graph.getNodeById(id).pos]", viewer) == before
    finally:
        canvas.page.emulate_media(reduced_motion="no-preference")


def test_the_tilt_of_the_device_moves_it(canvas, viewer):
    canvas.page.emulate_media(reduced_motion="reduce")
    session = canvas.page.context.new_cdp_session(canvas.page)
    try:
        let_it_rest(canvas)
        before = pixels(canvas)
        for gamma in (0, 15):
            tilt = {"alpha": 0, "beta": 20, "gamma": gamma}
            session.send("DeviceOrientation.setDeviceOrientationOverride", tilt)
            canvas.page.wait_for_timeout(300)
        let_it_rest(canvas)
        assert pixels(canvas) != before
    finally:
        session.send("DeviceOrientation.clearDeviceOrientationOverride")
        session.detach()
        canvas.page.emulate_media(reduced_motion="no-preference")


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_wanders_only_where_it_is_seen_and_may_move(canvas, viewer):
    canvas.page.mouse.move(5, 500)
    assert draws(canvas) >= 2
    pan = "([x]) => { app.canvas.ds.offset[0] += x; app.canvas.setDirty(true, true); }"
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    for still, again in [
        (
            lambda: canvas.page.emulate_media(reduced_motion="reduce"),
            lambda: canvas.page.emulate_media(reduced_motion="no-preference"),
        ),
        (lambda: canvas.js(pan, [-5000]), lambda: canvas.js(pan, [5000])),
        (lambda: canvas.js(hide, True), lambda: canvas.js("() => { delete document.hidden; }")),
    ]:
        still()
        canvas.page.wait_for_timeout(600)
        assert draws(canvas) == 0
        again()
        canvas.js("() => { document.dispatchEvent(new Event('visibilitychange')); }")
        canvas.page.wait_for_timeout(600)
        assert draws(canvas) >= 2


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_settings_are_kept_with_the_node_and_copied(canvas, viewer):
    press(canvas, "Settings")
    for name, key in [("strength", "End"), ("plane", "ArrowRight")]:
        control = canvas.page.locator(f".sd2-viewer [name={name}]").first
        control.focus()
        control.press(key)
    canvas.page.locator(".sd2-viewer [name=show]").first.select_option("red-cyan")
    press(canvas, "Settings")
    kept = {"strength": 100, "plane": 0.01, "show": "red-cyan"}
    assert settings(canvas, viewer) == kept
    canvas.js(
        """(id) => {
            app.canvas.selectItems([app.graph.getNodeById(id)]);
            app.canvas.copyToClipboard();
            app.canvas.pasteFromClipboard();
        }""",
        viewer,
    )
    canvas.settle()
    saved = [n for n in canvas.workflow()["nodes"] if n["type"] == "SD2DepthViewer"]
    assert [n["properties"]["sd2_depth2img.viewer"] for n in saved] == [kept, kept]
    canvas.js(
        "(id) => { app.graph.getNodeById(id).properties['sd2_depth2img.viewer'].plane = 1; }",
        viewer,
    )
    (other,) = (n["id"] for n in saved if str(n["id"]) != str(viewer))
    assert settings(canvas, other) == kept
    canvas.open_workflow(canvas.workflow())
    assert settings(canvas, other) == kept
    values = "() => [...document.querySelectorAll('.sd2-viewer [name=plane]')].map((e) => e.value)"
    assert sorted(canvas.js(values)) == ["0.01", "1"]


def test_settings_that_make_no_sense_are_left_out_or_brought_within_their_limits(canvas):
    node = canvas.add("SD2DepthViewer")
    values = {"strength": 1e9, "plane": -1, "move": "fly", "cut": "x", "show": None, "other": 1}
    saved = canvas.workflow()
    saved["nodes"][0]["properties"]["sd2_depth2img.viewer"] = values
    canvas.open_workflow(saved)
    shown = canvas.js(
        """(names) => names.map(
            (name) => document.querySelector(`.sd2-viewer [name=${name}]`).value)""",
        ["strength", "plane", "move", "cut", "show"],
    )
    assert shown == ["100", "0", "circle", "1.6", "image"]
    assert settings(canvas, node) == values  # until somebody changes one


def test_undo_brings_a_setting_back(canvas, viewer):
    press(canvas, "Settings")
    control = canvas.page.locator(".sd2-viewer [name=plane]").first
    canvas.page.mouse.click(1300, 850)
    canvas.settle(10)
    for _ in range(2):
        control.press("ArrowRight")
        canvas.settle(10)
    assert settings(canvas, viewer) == {"plane": 0.02}
    canvas.page.mouse.click(1300, 850)
    canvas.settle(10)
    canvas.js("() => app.extensionManager.command.execute('Comfy.Undo')")
    canvas.settle(20)
    assert settings(canvas, viewer) in ({}, {"plane": 0.01})
    shown = canvas.page.locator(".sd2-viewer [name=plane]").first.input_value()
    assert float(shown) == settings(canvas, viewer).get("plane", 0)


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_the_line_between_two_images_is_moved_by_pointer_and_keys(canvas, small_photo):
    node = add_viewer(canvas, small_photo)
    inverted = canvas.add("ImageInvert", (0, 400))
    canvas.connect(canvas.js("() => app.graph.nodes[0].id"), 0, inverted, "image")
    canvas.connect(inverted, 0, node, "after")
    canvas.succeed()
    wait_until_shown(canvas)
    slider = canvas.page.get_by_role("slider", name="before and after")
    assert slider.get_attribute("aria-valuenow") == "50"
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuenow") == "48"
    slider.press("End")
    assert slider.get_attribute("aria-valuenow") == "100"
    slider.press("PageDown")
    x, y, width = middle_of_image(canvas)
    canvas.page.mouse.move(x + 0.4 * width, y)
    canvas.page.mouse.down()
    canvas.page.mouse.move(x - width / 4, y, steps=3)
    canvas.page.mouse.up()
    assert int(slider.get_attribute("aria-valuenow")) == pytest.approx(25, abs=3)


def test_a_batch_has_a_slider(canvas, small_photo):
    node = add_viewer(canvas, small_photo)
    three = canvas.add("RepeatImageBatch", (0, 400), amount=3)
    canvas.connect(canvas.js("() => app.graph.nodes[0].id"), 0, three, "image")
    canvas.connect(three, 0, node, "image")
    canvas.succeed()
    wait_until_shown(canvas)
    shown = canvas.page.locator(".sd2-viewer-frames output")
    assert shown.inner_text() == "1 / 3"
    canvas.page.get_by_role("slider", name="image of the batch").press("End")
    assert shown.inner_text() == "3 / 3"
    wait_until_shown(canvas)


def test_the_node_grows_by_the_settings_that_it_shows(canvas, viewer):
    def height():
        return canvas.js("(id) => app.graph.getNodeById(id).size[1]", viewer)

    def saved():
        (node,) = (n for n in canvas.workflow()["nodes"] if n["type"] == "SD2DepthViewer")
        return node["size"][1]

    before = height(), saved()
    press(canvas, "Settings")
    opened = height()
    assert opened > before[0] + 100
    canvas.page.locator(".sd2-viewer [name=show]").first.select_option("red-cyan")
    assert height() > opened + 15  # that of the eyes
    over = "(e) => e.scrollHeight - e.clientHeight"
    assert canvas.page.locator(".sd2-viewer").first.evaluate(over) <= 0
    assert saved() == before[1]
    press(canvas, "Settings")
    assert (height(), saved()) == before


# --- what becomes of it --------------------------------------------------------------------------


LOSE = """() => {
    window.lost = contexts.at(-1).getExtension("WEBGL_lose_context");
    lost.loseContext();
    return contexts.length;
}"""


def test_a_lost_context_leaves_the_image_and_comes_back(canvas, viewer):
    canvas.js(LOSE)
    wait_for_line(canvas, "busy")
    assert pixels(canvas)
    canvas.js("() => lost.restoreContext()")
    wait_for_line(canvas, "")
    canvas.page.mouse.move(5, 500)
    canvas.page.wait_for_timeout(300)
    assert draws(canvas) >= 2


def test_a_context_that_does_not_come_back_is_replaced(canvas, viewer):
    known = canvas.js(LOSE)
    wait_for_line(canvas, "busy")
    wait_for_line(canvas, "")
    assert canvas.js("() => contexts.length") == known + 1
    assert draws(canvas) >= 2


def test_without_webgl_the_image_is_flat_and_says_so(canvas, small_photo):
    canvas.js(WATCH)
    canvas.js("() => { window.noWebGL = true; }")
    try:
        add_viewer(canvas, small_photo)
        canvas.succeed()
        wait_for_line(canvas, "no WebGL 2")
        wait_until_shown(canvas)
    finally:
        canvas.js("() => { window.noWebGL = false; }")
        canvas.clear()


def test_what_is_larger_than_the_gpu_takes_is_scaled_and_said(canvas):
    canvas.js(WATCH)
    image = canvas.add("EmptyImage", (0, 0), width=16384, height=64, color=0x3060C0)
    viewer = canvas.add("SD2DepthViewer", (330, 0))
    for name in ("image", "depth"):
        canvas.connect(image, 0, viewer, name)
    canvas.succeed()
    wait_for_line(canvas, "pixels")
    limit = canvas.js("() => contexts.at(-1).getParameter(contexts.at(-1).MAX_TEXTURE_SIZE)")
    assert limit < 16384
    height = round(64 * limit / 16384)
    assert line(canvas) == f"Shown at {limit} × {height} pixels, the most of this graphics card."
    assert pixels(canvas)


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_gives_all_back_when_it_is_removed(canvas, viewer):
    canvas.js("(id) => { app.graph.remove(app.graph.getNodeById(id)); }", viewer)
    canvas.settle()
    canvas.page.wait_for_function("() => contexts.at(-1).isContextLost()", timeout=15_000)
    assert draws(canvas) == 0


@pytest.mark.pages("bundled-classic", "bundled-nodes2", "newest-nodes2")
def test_comes_back_with_the_workflow(canvas, viewer):
    """As when another one was opened meanwhile."""
    outputs, saved = (
        canvas.js("() => JSON.parse(JSON.stringify(app.nodeOutputs))"),
        canvas.workflow(),
    )
    canvas.clear()
    canvas.page.wait_for_function("() => contexts.at(-1).isContextLost()", timeout=15_000)
    canvas.open_workflow(saved)
    assert line(canvas) == RUN_IT
    canvas.js("(outputs) => { app.nodeOutputs = outputs; }", outputs)
    wait_until_shown(canvas)
    wait_for_line(canvas, "")


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_a_page_that_is_loaded_anew_says_what_to_run_and_shows_it_then(canvas, viewer):
    canvas.page.mouse.click(1300, 850)
    canvas.page.keyboard.press("Control+s")  # any key lets the frontend notice changes
    canvas.settle(30)
    canvas.page.keyboard.press("Escape")
    canvas.load()
    canvas.page.wait_for_selector(".sd2-viewer")
    canvas.settle(10)
    if not pixels(canvas):  # newer frontends may keep outputs
        assert line(canvas) == RUN_IT
        canvas.succeed()
        wait_until_shown(canvas)


def test_says_what_to_run_when_the_servers_files_are_gone(canvas, viewer):
    entry = {"frame": 0, "frames": 1, "width": 4, "height": 4, "guide": None, "after": None}
    file = {"filename": "gone.u16", "subfolder": "", "type": "temp"}
    canvas.js(
        "([id, entry]) => { app.nodeOutputs = { [id]: { sd2_depth_viewer: [entry] } }; }",
        [viewer, {**entry, "depth": file, "photo": file}],
    )
    wait_for_line(canvas, "run the node again")
    assert "gone.u16" in line(canvas)
    canvas.errors.clear()  # the browser reports the answer's status


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_many_viewers_share_one_context(canvas, viewer):
    """A browser takes the first away from a page that has more than sixteen."""
    output = canvas.js(f"(id) => app.nodeOutputs[id].{OUTPUT}", viewer)
    nodes = [canvas.add("SD2DepthViewer", (800, 500 * i)) for i in range(20)]
    canvas.js(
        """([ids, output]) => {
            app.nodeOutputs = Object.fromEntries(ids.map((id) => [id, { OUTPUT: output }]));
        }""".replace("OUTPUT", OUTPUT),
        [[viewer, *nodes], output],
    )
    canvas.page.wait_for_timeout(1000)
    assert canvas.js("() => contexts.filter((one) => !one.isContextLost()).length") == 1
