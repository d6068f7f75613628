"""A search for `depth` in the frontend's own box finds first what every workflow needs."""

import pytest

FIRST = {
    "Load SD2 Depth Checkpoint",
    "Estimate Depth",
    "Encode Depth",
    "Depth2Img Sampler",
    "Load Depth Map",
}


@pytest.mark.pages("bundled-classic", "newest-nodes2")
def test_depth_finds_the_five_nodes_first(canvas):
    assert set(found(canvas, "depth")[: len(FIRST)]) == FIRST


@pytest.mark.pages("bundled-classic", "newest-nodes2")
@pytest.mark.parametrize(
    ("words", "title"),
    [("midas", "Estimate Depth"), ("exr", "Load Depth Map"), ("depth2img", "Depth2Img Sampler")],
)
def test_another_name_finds_its_node(canvas, words, title):
    assert title in found(canvas, words)[:5]


def found(canvas, words):
    """The titles, in the order of the list."""
    canvas.js("() => app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    box = canvas.page.locator("input[role=combobox]").last
    box.wait_for()
    box.fill(words)
    canvas.settle(20)
    texts = canvas.page.locator("[role=option]").all_inner_texts()
    canvas.page.keyboard.press("Escape")
    canvas.page.keyboard.press("Escape")
    lines = (text.strip().splitlines() for text in texts)
    return [line[0].strip() for line in lines if line]
