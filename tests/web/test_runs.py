"""Examples run on the canvas: result, previews, warnings and errors are where people look."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

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


def load_and_show(canvas, **values):
    """Depth Map Loader, and a node that makes ComfyUI run it; the id of the first."""
    load = canvas.add("SD2DepthLoad", **values)
    show(canvas, load)
    return load


def show(canvas, node):
    canvas.connect(node, 0, canvas.add("PreviewImage", at=(1100, 0)), "images")


def put(canvas, name, pixels):
    """An image in the input folder, under a name for each page: what is cached warns of nothing."""
    name = f"{name} {canvas.renderer}.png"
    Image.fromarray(pixels).save(canvas.server.base / "input" / name)
    return name


def check_is_told(canvas, node, words):
    """On the node and in a toast."""
    canvas.settle(5)
    assert any(words in line for line in canvas.notice(node)), canvas.notice(node)
    assert any(words in toast for toast in canvas.toasts()), canvas.toasts()


@pytest.mark.pages("bundled-classic", "bundled-nodes2", "newest-nodes2")
def test_transparency_of_a_map_is_told_on_its_node(canvas):
    rgba = np.full((32, 48, 4), 90, np.uint8)
    rgba[:, :, 0] = np.arange(48)
    rgba[:8, :, 3] = 0
    node = load_and_show(canvas, image=put(canvas, "clear", rgba))
    canvas.succeed()
    check_is_told(canvas, node, "transparent")


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_a_flat_map_is_told_on_the_node_that_finds_it(canvas):
    flat = put(canvas, "flat", np.full((32, 48), 120 + len(canvas.renderer), np.uint8))
    load = canvas.add("SD2DepthLoad", at=(0, 0), image=flat)
    node = canvas.add("SD2DepthRangeMask", at=(400, 0), split="foreground")
    image = canvas.add("MaskToImage", at=(800, 0))
    canvas.connect(load, 0, node, "depth")
    canvas.connect(node, 0, image, "mask")
    show(canvas, image)
    canvas.succeed()
    check_is_told(canvas, node, "flat")


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_an_empty_mask_is_told_on_the_node_that_finds_it(canvas, small_photo):
    photo = canvas.add("LoadImage", at=(0, 0), image=small_photo)
    mask = canvas.add("SolidMask", at=(0, 500), value=0, width=128, height=128)
    node = canvas.add("SD2DepthCrop", at=(400, 0), size=128)
    canvas.connect(photo, 0, node, "image")
    canvas.connect(mask, 0, node, "mask")
    canvas.connect(photo, 0, node, "depth")
    show(canvas, node)
    canvas.succeed()
    check_is_told(canvas, node, "mask is empty")


@pytest.mark.pages("all")
def test_an_error_is_a_sentence(canvas):
    node = load_and_show(canvas, image="astronaut.jpg", colours="turbo")
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


@pytest.mark.pages("all")
def test_a_node_that_fails_shows_what_it_warned_of_before(canvas):
    name = f"turned {canvas.renderer}.jpg"
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    Image.new("RGB", (48, 32), "white").save(canvas.server.base / "input" / name, exif=exif)
    node = load_and_show(canvas, image=name, colours="turbo")
    assert canvas.run()["type"] == "execution_error"
    check_is_told(canvas, node, "turned upright")
    canvas.page.keyboard.press("Escape")
    canvas.set(node, "colours", "grey")
    canvas.succeed()
    check_is_told(canvas, node, "turned upright")
    assert len(canvas.notice(node)) == 1
