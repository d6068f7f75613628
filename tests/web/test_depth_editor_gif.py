"""A sitting at the depth editor as it looks: `web/docs/depth_editor.gif`.

Drawn anew only where SD2_DEPTH2IMG_GIF is set: it takes minutes, and is never twice the same.
"""

import io
import itertools
import json
import os

import pytest
from PIL import Image

from sd2_depth2img.tools.comfyui import PACK

FILE = PACK / "web" / "docs" / "depth_editor.gif"
MOST_BYTES = 1_500_000
SIZE = (800, 500)
COLOURS = 224
MILLISECONDS = 140
LONG = 1400  # where there is something to read

SET_UP = """() => {
    for (const node of app.graph.nodes)
        for (const widget of node.widgets ?? []) {
            if (widget.name === "edits") widget.value = "";
            if (node.type === "LoadImage" && widget.name === "image")
                widget.value = "astronaut.jpg";
            if (widget.name === "control_after_generate") widget.value = "fixed";
            if (widget.name === "seed") widget.value = 0;
        }
    return app.graph.nodes.find(({ type }) => type === "SD2DepthEditor").id;
}"""


class Film:
    def __init__(self, page):
        self.page, self.frames, self.times = page, [], []

    def shoot(self, milliseconds=MILLISECONDS):
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.frames.append(shot.resize(SIZE, Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def drag(self, *points, steps=5):
        """Along points, with a frame for every step of the mouse."""
        mouse = self.page.mouse
        mouse.move(*points[0])
        self.shoot()
        mouse.down()
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            for step in range(1, steps + 1):
                mouse.move(x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps)
                self.page.wait_for_timeout(60)
                self.shoot()
        mouse.up()
        self.page.wait_for_timeout(200)
        self.shoot(600)

    def save(self, path):
        # One palette for all: frames that share most pixels then share most bytes.
        some = self.frames[:: max(1, len(self.frames) // 8)] + self.frames[-1:]
        sheet = Image.new("RGB", (SIZE[0], SIZE[1] * len(some)))
        for row, frame in enumerate(some):
            sheet.paste(frame, (0, SIZE[1] * row))
        palette = sheet.quantize(COLOURS)
        paged = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in self.frames]
        paged[0].save(
            path, save_all=True, append_images=paged[1:], duration=self.times, loop=0, optimize=True
        )


@pytest.mark.slow
@pytest.mark.skipif("SD2_DEPTH2IMG_GIF" not in os.environ, reason="SD2_DEPTH2IMG_GIF is not set")
def test_a_sitting_from_the_first_stroke_to_the_image(canvas):
    page = canvas.page
    page.emulate_media(reduced_motion="reduce")
    canvas.js("() => localStorage.clear()")
    page.set_viewport_size({"width": 1280, "height": 800})
    file = PACK / "example_workflows" / "Paint Depth.json"
    canvas.open_workflow(json.loads(file.read_text(encoding="utf-8")))
    node = canvas.js(SET_UP)
    canvas.succeed()
    canvas.js(
        """(id) => app.graph.getNodeById(id).widgets
            .find(({ type }) => type === "button").callback()""",
        node,
    )
    dialog = page.frame_locator("dialog iframe")
    dialog.locator("canvas.paint").wait_for(timeout=20_000)
    page.wait_for_timeout(1500)
    box = dialog.locator("canvas.paint").bounding_box()
    side = min(box["width"], box["height"]) - 56
    left = box["x"] + (box["width"] - side) / 2
    top = box["y"] + (box["height"] - side) / 2

    def at(x, y):
        return left + side * x, top + side * y

    film = Film(page)
    film.shoot(LONG)
    dialog.get_by_role("button", name="Turbo").click()
    page.wait_for_timeout(300)
    film.shoot(LONG)
    page.keyboard.press("x")
    film.drag(at(0.62, 0.1), at(0.75, 0.2), at(0.82, 0.4))
    page.keyboard.press("x")
    film.drag(at(0.1, 0.92), at(0.22, 0.84), at(0.3, 0.92))
    page.keyboard.press("t")
    film.drag(at(0.22, 0.24), at(0.37, 0.36), steps=6)
    depth = dialog.locator(".options").get_by_role("slider", name="Depth")
    for value in (0.45, 0.4, 0.35, 0.3):
        depth.fill(str(value))
        page.wait_for_timeout(80)
        film.shoot()
    film.shoot(700)
    dialog.get_by_role("button", name="Apply").click()
    page.wait_for_timeout(400)
    film.shoot(700)
    dialog.get_by_role("button", name="Save and Run").click()
    for _ in range(100):
        page.wait_for_timeout(1500)
        film.shoot(300)
        if not dialog.locator(".corner progress").is_visible() and len(film.frames) > 40:
            break
    dialog.get_by_role("button", name="Result").first.click()
    page.wait_for_timeout(800)
    film.shoot(2 * LONG)
    film.save(FILE)
    assert FILE.stat().st_size <= MOST_BYTES
