"""Examples run on the canvas: result, previews, warnings and errors are where people look."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.tests.quick import PIXELS, STEPS
from sd2_depth2img.tools.comfyui import PACK

SMALLER = """([pixels, steps, photo]) => {
    for (const node of app.graph.nodes)
        for (const widget of node.widgets ?? []) {
            if (pixels.includes(widget.name)) widget.value = Math.floor(widget.value / 2);
            if (widget.name === "steps") widget.value = steps;
            if (widget.name === "image" && node.type === "LoadImage") widget.value = photo;
        }
}"""


@pytest.mark.pages("all")
def test_depth_to_image_shows_its_result_and_depth_map(canvas, small_photo):
    file = PACK / "example_workflows" / "Depth to Image.json"
    canvas.open_workflow(json.loads(file.read_text(encoding="utf-8")))
    canvas.js(SMALLER, [list(PIXELS), STEPS, small_photo])
    canvas.succeed()
    shown = canvas.js(
        """() => Object.fromEntries(app.graph.nodes.map(
            (node) => [node.type, app.nodeOutputs[node.id]?.images?.length ?? 0]))"""
    )
    assert shown["SaveImage"] == 1
    assert shown["SD2DepthEstimate"] == 1
    if canvas.renderer == "nodes2":
        canvas.page.wait_for_function(
            "() => [...document.querySelectorAll('.lg-node img, [data-node-id] img')]"
            ".filter((image) => image.naturalWidth).length >= 3",
            timeout=10_000,
        )


def encode(canvas, **values):
    """Load Depth Map → Depth Range Mask, which is an end for ComfyUI by a preview."""
    load = canvas.add("SD2DepthLoad", **values)
    out = canvas.add("PreviewImage", at=(700, 0))
    canvas.connect(load, 0, out, "images")
    return load


def put(canvas, name, pixels):
    Image.fromarray(pixels).save(canvas.server.base / "input" / name)
    return name


@pytest.mark.pages("bundled-classic", "bundled-nodes2", "newest-nodes2")
def test_a_map_with_transparency_is_warned_of_on_the_node(canvas):
    rgba = np.full((32, 48, 4), 90, np.uint8)
    rgba[:, :, 0] = np.arange(48)
    rgba[:8, :, 3] = 0
    name = put(canvas, f"clear {canvas.renderer}.png", rgba)
    node = encode(canvas, image=name)
    canvas.succeed()
    assert any(re.search("transparen", line) for line in canvas.notice(node)), canvas.notice(node)
    assert any("transparen" in toast for toast in canvas.toasts())


@pytest.mark.pages("all")
def test_an_error_is_a_sentence(canvas):
    node = encode(canvas, image="astronaut.jpg", colours="turbo")
    outcome = canvas.run()
    assert outcome["type"] == "execution_error"
    details = canvas.page.get_by_text("View details")
    if details.count():
        details.first.click()
    sentence = re.compile("pixels are of no colour of the map turbo")
    said = canvas.page.get_by_text(sentence).filter(visible=True).first
    said.wait_for()
    # A newer frontend shows the whole report, which ends with the traceback.
    above_the_traceback = said.inner_text().split("Stack Trace")[0]
    assert not re.search(r"custom_nodes|sd2-depth2img\.", above_the_traceback)
    assert "." not in outcome["detail"]["exception_type"]
    assert outcome["detail"]["node_id"] == str(node)
    canvas.page.keyboard.press("Escape")
