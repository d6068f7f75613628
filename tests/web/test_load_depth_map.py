"""Depth Map Loader on the canvas: upload, preview, and no mask editor."""

import base64
import mimetypes
import re

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.depth.depth_files import FileFormat, write_depth
from sd2_depth2img.tools.comfyui import PACK

KIND = "SD2DepthLoad"
RAMP = np.tile(np.linspace(0, 1, 48, dtype=np.float32), (32, 1))
OTHERS = ("jpg", "webp")
KINDS = [*(kind.value for kind in FileFormat), *OTHERS]
MASKED = "clipspace/clipspace-painted-masked-1764300000000.png [input]"


def depth_file(folder, kind):
    """A file of a kind; its name says which test it is of, as the input folder is shared."""
    if kind in OTHERS:
        path = folder / f"{folder.name}.{kind}"
        Image.fromarray((RAMP * 255).astype(np.uint8)).save(path)
        return path
    import torch

    kind = FileFormat(kind)
    return write_depth(folder / f"{folder.name}{kind.suffix}", torch.from_numpy(RAMP), kind, 16)


def choose_a_file(canvas, tmp_path):
    """A node that has a file of the input folder chosen."""
    file = depth_file(tmp_path, "png")
    (canvas.server.base / "input" / file.name).write_bytes(file.read_bytes())
    node = canvas.add(KIND)
    canvas.set(node, "image", file.name)
    return node


def load_in_a_run(canvas, tmp_path):
    """The same, after a run."""
    node, out = choose_a_file(canvas, tmp_path), canvas.add("PreviewImage", at=(700, 0))
    canvas.connect(node, 0, out, "images")
    canvas.succeed()
    return node


def drop(canvas, node, path):
    """Let go of a file over a node, as from the desktop."""
    canvas.js(
        """([name, type, content, x, y]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type }));
            const over = document.elementFromPoint(x, y);
            const options = {
                bubbles: true, cancelable: true, dataTransfer, clientX: x, clientY: y,
            };
            for (const type of ["dragenter", "dragover", "drop"])
                over.dispatchEvent(new DragEvent(type, options));
        }""",
        [
            path.name,
            mimetypes.guess_type(path)[0] or "",
            base64.b64encode(path.read_bytes()).decode(),
            *canvas.point_on(node, y=30 if canvas.renderer == "nodes2" else -12),
        ],
    )


def wait_for_preview(canvas, node):
    """Until the node shows an image; its pixels' size."""
    return canvas.js(
        """async (id) => {
            const widget = () => app.canvas.graph.getNodeById(id).widgets
                .find(({ name }) => name === "sd2_depth2img_preview");
            for (let i = 0; i < 200; i++) {
                const [image] = widget().element.getElementsByTagName("img");
                if (image?.naturalWidth && image.checkVisibility())
                    return [image.naturalWidth, image.naturalHeight];
                await new Promise((done) => setTimeout(done, 50));
            }
            return widget().element.textContent;
        }""",
        node,
    )


def wait_for_value(canvas, node, value):
    canvas.page.wait_for_function(
        "([id, value]) => app.canvas.graph.getNodeById(id).widgets[0].value === value",
        arg=[node, value],
        timeout=10_000,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_takes_a_file_of_every_kind_by_drop(canvas, tmp_path, kind):
    node, file = canvas.add(KIND), depth_file(tmp_path, kind)
    drop(canvas, node, file)
    wait_for_value(canvas, node, file.name)
    assert wait_for_preview(canvas, node) == [48, 32]
    stored = canvas.server.base / "input" / file.name
    assert stored.read_bytes() == file.read_bytes()


def test_the_preview_of_a_large_map_has_its_size(canvas, tmp_path):
    """ComfyUI's Painter takes the size of its canvas from it."""
    file = tmp_path / f"{tmp_path.name}.png"
    Image.fromarray(np.tile(np.arange(1000, dtype=np.uint16) * 65, (700, 1))).save(file)
    node = canvas.add(KIND)
    drop(canvas, node, file)
    wait_for_value(canvas, node, file.name)
    assert wait_for_preview(canvas, node) == [1000, 700]


@pytest.mark.pages("bundled-nodes2", "newest-classic", "newest-nodes2")
@pytest.mark.parametrize("kind", ["exr"])
def test_takes_a_file_by_drop(canvas, tmp_path, kind):
    test_takes_a_file_of_every_kind_by_drop(canvas, tmp_path, kind)


@pytest.mark.pages("bundled-nodes2", "newest-nodes2")
@pytest.mark.parametrize("kind", KINDS)
def test_takes_a_file_of_every_kind_by_the_button(canvas, tmp_path, kind):
    node, file = canvas.add(KIND), depth_file(tmp_path, kind)
    with canvas.page.expect_file_chooser() as chooser:
        canvas.page.get_by_role("button", name="choose file to upload").click()
    assert all(end in chooser.value.element.get_attribute("accept") for end in (".npz", "image/*"))
    chooser.value.set_files(file)
    wait_for_value(canvas, node, file.name)
    assert wait_for_preview(canvas, node) == [48, 32]
    assert canvas.page.get_by_text("does not exist").count() == 0


@pytest.mark.pages("bundled-classic", "newest-classic")
def test_the_button_is_on_the_classic_node(canvas, tmp_path):
    node, file = canvas.add(KIND), depth_file(tmp_path, "npy")
    place = canvas.js(
        """(id) => {
            const node = app.graph.getNodeById(id);
            const button = node.widgets.find(({ type }) => type === "button");
            return [node.size[0] / 2, button.last_y + 10];
        }""",
        node,
    )
    with canvas.page.expect_file_chooser() as chooser:
        canvas.page.mouse.click(*canvas.point_on(node, *place))
    chooser.value.set_files(file)
    wait_for_value(canvas, node, file.name)


def test_a_workflow_dropped_on_it_is_opened(canvas, tmp_path):
    node = canvas.add(KIND)
    before = canvas.value(node, "image")
    file = tmp_path / "Depth to Image.json"
    file.write_bytes((PACK / "example_workflows" / file.name).read_bytes())
    drop(canvas, node, file)
    canvas.page.wait_for_function("() => app.graph.nodes.length > 5", timeout=10_000)
    assert before not in {n["type"] for n in canvas.workflow()["nodes"]}


def test_says_what_the_server_says_of_a_file_without_a_map(canvas):
    node = canvas.add(KIND)
    (canvas.server.base / "input" / "text.png").write_text("no image")
    canvas.set(node, "image", "text.png")
    canvas.page.wait_for_function(
        "(id) => app.graph.getNodeById(id).widgets.at(-1).element.textContent.includes('text.png')",
        arg=node,
        timeout=10_000,
    )
    canvas.errors.clear()  # the browser reports the answer's status


def test_shows_the_file_when_a_results_preview_is_gone(canvas, tmp_path):
    node = choose_a_file(canvas, tmp_path)
    gone = {"filename": "gone.jpg", "subfolder": "", "type": "temp"}
    canvas.js("([id, gone]) => { app.nodeOutputs = { [id]: { images: [gone] } } }", [node, gone])
    assert wait_for_preview(canvas, node) == [48, 32]


@pytest.mark.pages("all")
def test_offers_no_mask_editor_where_load_image_does(canvas, tmp_path):
    depth, photo = canvas.add(KIND), canvas.add("LoadImage", at=(600, 0))
    canvas.set(photo, "image", "astronaut.jpg")
    canvas.settle(20)
    assert mask_editor_entries(canvas, photo)
    assert not mask_editor_entries(canvas, depth)


@pytest.mark.pages("all")
def test_offers_none_after_a_run(canvas, tmp_path):
    node = load_in_a_run(canvas, tmp_path)
    assert wait_for_preview(canvas, node) == [48, 32]
    assert not mask_editor_entries(canvas, node)


@pytest.mark.pages("bundled-nodes2", "newest-nodes2")
def test_shows_one_picture_of_a_result(canvas, tmp_path):
    node = load_in_a_run(canvas, tmp_path)
    shown = f"[data-node-id='{node}'] img"
    canvas.page.wait_for_function(
        "(shown) => document.querySelector(shown)?.src.includes('sd2_depth_')", arg=shown
    )
    assert canvas.page.locator(shown).count() == 1


def mask_editor_entries(canvas, node):
    """What the node's menu and toolbar offer; the menu is closed again."""
    x, y = canvas.point_on(node, y=-12)
    canvas.page.mouse.click(x, y)
    canvas.settle()
    canvas.page.mouse.click(x, y, button="right")
    canvas.settle(6)
    found = canvas.page.get_by_text(re.compile(r"mask ?editor", re.IGNORECASE))
    toolbar = canvas.page.locator("[aria-label*='Mask Editor']")
    texts = [*found.all_inner_texts(), *toolbar.all_inner_texts()]
    canvas.page.keyboard.press("Escape")
    canvas.page.mouse.click(1300, 850)
    canvas.settle()
    return texts


@pytest.mark.pages("all")
def test_keeps_its_file_when_the_mask_editors_arrives(canvas):
    node = canvas.add(KIND)
    canvas.set(node, "image", "astronaut.jpg")
    canvas.set(node, "image", MASKED)
    assert canvas.value(node, "image") == "astronaut.jpg"
    assert canvas.prompt()[str(node)]["inputs"]["image"] == "astronaut.jpg"
    assert any("mask editor" in toast for toast in canvas.toasts())


def test_pasted_clipspace_does_not_replace_the_map(canvas):
    node, photo = canvas.add(KIND), canvas.add("LoadImage", at=(600, 0))
    canvas.set(node, "image", "astronaut.jpg")
    canvas.js(
        """([photo, depth, masked]) => {
            const get = (id) => app.graph.getNodeById(id);
            get(photo).widgets.find(({ name }) => name === "image").value = masked;
            app.constructor.copyToClipspace(get(photo));
            app.constructor.pasteFromClipspace(get(depth));
        }""",
        [photo, node, MASKED],
    )
    assert canvas.value(node, "image") == "astronaut.jpg"


NEW = ["astronaut.jpg", True, "turbo", -1.5, 2.5, "keep", 0.07, "Fg.Depth.Z"]


@pytest.mark.pages("bundled-classic", "newest-classic")
@pytest.mark.parametrize("button", [[], ["image"]], ids=["new", "with the button of ComfyUI"])
def test_opens_the_values_of_old_and_new_workflows(canvas, button):
    node = canvas.add(KIND)
    workflow = canvas.workflow()
    assert len(workflow["nodes"][0]["widgets_values"]) == len(NEW)
    workflow["nodes"][0] |= {"widgets_values": [*NEW, *button], "widgets_values_named": None}
    canvas.open_workflow(workflow)
    assert list(canvas.prompt()[str(node)]["inputs"].values()) == NEW
    assert canvas.workflow()["nodes"][0]["widgets_values"] == NEW
