"""A search for `depth` in the frontend's own box finds first what every workflow needs."""

import pytest

from sd2_depth2img import NODE_DISPLAY_NAME_MAPPINGS

FIRST = (
    "SD2DepthCheckpointLoader",
    "SD2DepthEstimate",
    "SD2DepthEncode",
    "SD2DepthSampler",
    "SD2DepthLoad",
)


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_depth_finds_the_five_nodes_first(canvas):
    titles = {NODE_DISPLAY_NAME_MAPPINGS[kind] for kind in FIRST}
    assert set(found(canvas, "depth")[: len(FIRST)]) == titles


def test_the_model_finds_its_sampler(canvas):
    assert found(canvas, "depth2img")[0] == NODE_DISPLAY_NAME_MAPPINGS["SD2DepthSampler"]


def found(canvas, words):
    """The titles, in the order of the list."""
    canvas.js("() => app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    box = canvas.page.locator("input[role=combobox]").last
    box.wait_for()
    box.fill(words)
    canvas.settle(20)
    texts = canvas.page.locator("[role=option]").all_inner_texts()
    canvas.page.keyboard.press("Escape")
    canvas.settle(5)
    if box.is_visible():  # the first closed only the list
        canvas.page.keyboard.press("Escape")
    box.wait_for(state="hidden")
    lines = (text.strip().splitlines() for text in texts)
    return [line[0].strip() for line in lines if line]
