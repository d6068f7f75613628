"""The builder of the example workflows and their thumbnails."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sd2_depth2img
from sd2_depth2img.depth.depth_files import BUNDLED, Beyond, Reading, read_depth
from sd2_depth2img.tests.quick import make_quick
from sd2_depth2img.tools.examples import __main__ as command
from sd2_depth2img.tools.examples.depth_maps import SIDE, write_z_pass, z_pass
from sd2_depth2img.tools.examples.page import BLUE, Page
from sd2_depth2img.tools.examples.thumbnails import lay_insets, save, square, thumbnail
from sd2_depth2img.tools.examples.workflows import WORKFLOWS, draw
from sd2_depth2img.workflows.graph import Runner, all_nodes
from sd2_depth2img.workflows.widgets import stored_values, widget_inputs

FOLDER = Path(sd2_depth2img.__file__).parent / "example_workflows"
each_workflow = pytest.mark.parametrize("name", WORKFLOWS)


@each_workflow
def test_the_files_are_what_the_builder_writes(name):
    written = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert written == command.text_of(draw(name)), "run python -m sd2_depth2img.tools.examples"


def test_every_file_has_its_builder():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(WORKFLOWS)


@each_workflow
def test_every_widgets_value_is_found_again(name, caplog):
    """No value too few, none too many: seeds' controls and files' buttons are counted."""
    nodes = all_nodes()
    with caplog.at_level(logging.WARNING):
        for entry in draw(name).canvas()["nodes"]:
            if kind := nodes.get(entry["type"]):
                values = stored_values(kind, entry["widgets_values"])
                assert set(values) == {widget for widget, _, _ in widget_inputs(kind)}
    assert caplog.text == ""


def test_drawing_twice_gives_the_same():
    assert draw("Second Pass").canvas() == draw("Second Pass").canvas()


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture
def page():
    page = Page("test")
    page.group("Group", BLUE)
    return page


def entries(page):
    return page.canvas()["nodes"]


def test_widgets_are_stored_with_defaults_controls_and_buttons(page):
    page.add("SD2DepthSampler", steps=3)
    page.add("SD2DepthInpaintEncode")
    page.add("LoadImage", image="photo.png")
    sampler, encode, load = (entry["widgets_values"] for entry in entries(page))
    assert sampler[:4] == [0, "randomize", 3, 7.0]
    assert encode == ["original", 8, 0, 0, "fixed"]
    assert load == ["photo.png", "image"]


def test_a_wired_widget_is_an_input_behind_the_sockets_and_keeps_its_value(page):
    text = page.add("SD2DepthPromptList", prompts="one")
    page.add("CLIPTextEncode", text=text)
    entry = entries(page)[1]
    assert entry["inputs"] == [
        {"name": "clip", "type": "CLIP", "link": None},
        {"name": "text", "type": "STRING", "widget": {"name": "text"}, "link": 1},
    ]
    assert entry["widgets_values"] == [""]
    assert page.canvas()["links"] == [[1, 1, 0, 2, 1, "STRING"]]


def test_optional_sockets_have_their_shape(page):
    page.add("SD2DepthPrepare")
    shapes = {entry["name"]: entry.get("shape") for entry in entries(page)[0]["inputs"]}
    assert shapes == {"image": None, "mask": 7, "depth": 7}


def test_an_output_is_found_by_its_name(page):
    model = page.add("SD2DepthCheckpointLoader")
    page.add("VAEDecode", vae=model["vae"])
    assert page.canvas()["links"] == [[1, 1, 2, 2, 1, "VAE"]]


def test_an_unknown_input_is_refused(page):
    with pytest.raises(TypeError, match="VAEDecode has no input image"):
        page.add("VAEDecode", image=1)


def test_groups_stand_in_rows_that_end_at_one_edge(page):
    page.add("EmptyLatentImage")
    page.group("Beside", BLUE)
    page.add("EmptyLatentImage")
    page.group("Below", BLUE, row=1)
    page.add("EmptyLatentImage")
    first, beside, below = (group["bounding"] for group in page.canvas()["groups"])
    assert beside[0] > first[0] + first[2]
    assert beside[1] == first[1]
    assert below[1] > first[1] + first[3]
    assert below[0] == first[0]
    assert below[0] + below[2] == beside[0] + beside[2]


def test_notes_stand_at_the_left_over_all_rows(page):
    page.add("EmptyLatentImage")
    page.group("Below", BLUE, row=1)
    page.add("EmptyLatentImage")
    page.notes(("Read me", "# A title\n\nand a text"))
    notes, first, below = (group["bounding"] for group in page.canvas()["groups"])
    assert notes[0] + notes[2] < first[0] == below[0]
    assert notes[1] + notes[3] == below[1] + below[3]


def test_a_node_without_a_group_is_refused():
    with pytest.raises(TypeError, match="begin a group"):
        Page("test").add("EmptyLatentImage")


def test_a_group_can_be_gone_on_with():
    page = Page("test")
    first = page.group("First", BLUE)
    page.group("Second", BLUE)
    page.into(first)
    node = page.add("EmptyLatentImage")
    assert first.columns[0].nodes == [node]


# --- the Z pass ----------------------------------------------------------------------------------


def test_the_bundled_z_pass_is_what_its_maker_writes(tmp_path):
    write_z_pass(tmp_path / "again.exr")
    files = (tmp_path / "again.exr", BUNDLED)
    again, bundled = (read_depth(path, Reading(beyond=Beyond.KEEP)) for path in files)
    assert torch.equal(again, bundled)
    assert BUNDLED.stat().st_size < 30_000


def test_the_z_pass_has_the_scenes_distances():
    metres = z_pass()
    assert np.isinf(metres[0]).all()
    column = metres[:, SIDE // 2]
    ball, block, floor = (column[int(share * SIDE)] for share in (0.4, 0.75, 0.99))
    assert floor < block == pytest.approx(4.3)  # the block's front: 5 - 0.7 m away
    assert 4.3 < ball < 4.5  # the ball's: 5 - 0.62 m


# --- thumbnails ----------------------------------------------------------------------------------


def plain(colour, size=(30, 20)):
    return Image.new("RGB", size, colour)


def test_tiles_fill_the_square():
    paper = square([plain("red"), plain("blue")], columns=2, side=64)
    pixels = np.asarray(paper)
    assert (pixels[:, :32] == (255, 0, 0)).all()
    assert (pixels[:, 32:] == (0, 0, 255)).all()


def test_a_row_with_a_gap_is_refused():
    with pytest.raises(ValueError, match="3 images do not fill rows of 2"):
        square([plain("red")] * 3, columns=2)


def test_insets_lie_in_the_lower_left_corner():
    paper = plain("black", (128, 128))
    lay_insets(paper, [plain("red")])
    pixels = np.asarray(paper)
    assert (pixels[100, 20] == (255, 0, 0)).all()
    assert (pixels[:80] == 0).all()
    assert (pixels[:, 64:] == 0).all()


def test_a_thumbnail_is_made_of_what_the_workflow_painted(tmp_path):
    page = draw("From a Depth Map Alone")
    for node in page.nodes:
        make_quick({"": {"inputs": node.inputs, "class_type": node.class_type}}, "")
    image = thumbnail(page, FOLDER / "astronaut.jpg", Runner())
    assert image.size == (512, 512)
    inset = np.asarray(image)[-136:-10, 10:130].astype(int)
    assert np.ptp(inset, axis=-1).max() == 0  # the depth map is grey
    save(image, tmp_path / "one.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["one.jpg"]


def test_the_command_writes_what_is_asked_for(tmp_path, monkeypatch, capsys):
    arguments = ["examples", "--only", "Steal a Pose", "--folder", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    command.main()
    assert [path.name for path in tmp_path.iterdir()] == ["Steal a Pose.json"]
    assert str(tmp_path / "Steal a Pose.json") in capsys.readouterr().out
