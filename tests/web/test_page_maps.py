"""The maps that a run leaves for the page, as the page gets them."""

import numpy as np
import pytest

from sd2_depth2img.tests.web.depth_editor import DepthEditor, depth_map, photo

LOAD = """async ([id, change]) => {
    const { loadMap } = await import("/extensions/sd2-depth2img/page_maps.js");
    const [entry] = app.nodeOutputs[id].sd2_depth_editor;
    try {
        const { base, guide, photo, ...size } = await loadMap({ ...entry, ...change });
        const sizes = [size.width, size.height, photo?.width, photo?.height];
        return { base: [...base], guide: guide && [...guide], sizes };
    } catch ({ message }) {
        return message;
    }
}"""


@pytest.fixture
def editor(canvas):
    editor = DepthEditor(canvas)
    canvas.succeed()
    return editor


def load(editor, **change):
    return editor.canvas.js(LOAD, [editor.node, change])


def test_a_page_gets_the_map_the_luma_and_the_photo(editor):
    found = load(editor)
    width, height = editor.size
    assert found["sizes"] == [width, height, width, height]
    depth = np.rint(depth_map().astype(float).ravel() / 255 * 65535)
    luma = photo().reshape(-1, 3) @ np.array([0.2126, 0.7152, 0.0722])
    # The first pixel marks the page.
    assert np.abs(np.array(found["base"]) - depth)[1:].max() <= 1
    assert np.abs(np.array(found["guide"]) - luma)[1:].max() <= 1


def test_what_a_node_has_not_is_null(editor):
    found = load(editor, guide=None, photo=None)
    assert found["guide"] is None
    assert found["sizes"][2:] == [None, None]


def test_a_file_that_is_gone_is_told_with_what_to_do(editor):
    message = load(editor, depth={"filename": "gone.bin", "subfolder": "", "type": "temp"})
    assert message == "The server has no gone.bin any more (404); run the node again."


def test_a_file_of_another_size_is_refused(editor):
    message = load(editor, width=10)
    width, height = editor.size
    assert f"has {2 * width * height} bytes; expected {2 * 10 * height}." in message
