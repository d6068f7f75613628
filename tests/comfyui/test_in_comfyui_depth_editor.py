"""The depth editor in a real ComfyUI: the same bits as in the engine, and what its page gets."""

import io
import json

import numpy as np
import pytest
import requests
import torch
from PIL import Image

from sd2_depth2img.depth.editing.painting import paint
from sd2_depth2img.depth.editing.state import read_state
from sd2_depth2img.images.lettering import letters_mask
from sd2_depth2img.tests.depth.editing.random_states import scene

SEEDS = (0, 7, 11)


def workflow(comfyui, depth_graph, seed, edits):
    """Loader and photo → editor → both of its outputs as files."""
    one = scene(seed, edges=True)
    np.save(comfyui.folder("input") / "drawn.npy", (one.steps / 65535).astype(np.float32))
    Image.fromarray(one.guide).save(comfyui.folder("input") / "photo.png")
    graph = depth_graph(encode_depth=False)
    depth = graph.add("SD2DepthLoad", image="drawn.npy")()
    # Not by Load Image, which differs between versions of ComfyUI by a rounding.
    photo = graph.add("SD2DepthLoad", image="photo.png")()
    editor = graph.add("SD2DepthEditor", depth=depth, image=photo, edits=edits)
    saves = [
        graph.add("SD2DepthSave", depth=link, filename_prefix="drawn/map", file_format="npy")
        for link in (editor(), graph.add("MaskToImage", mask=editor(1))())
    ]
    return one, graph, editor, saves


@pytest.mark.parametrize("seed", SEEDS)
def test_a_state_gives_the_same_bits_in_both_hosts(comfyui, engine, depth_graph, seed):
    edits = json.dumps(scene(seed, edges=True).state)
    one, graph, _, saves = workflow(comfyui, depth_graph, seed, edits)
    depth = torch.from_numpy((one.steps / 65535).astype(np.float32))[None]
    photo = torch.from_numpy(one.guide / np.float32(255))[None, ..., None].expand(-1, -1, -1, 3)
    expected = paint(depth, read_state(edits), photo)
    theirs, ours = comfyui.run(graph), engine(graph)
    for save, plane in zip(saves, expected, strict=True):
        (entry,), (other,) = theirs[save]["files"], ours[save]["files"]
        assert np.array_equal(np.load(comfyui.file(entry)), plane[0].numpy())
        path = engine.output / other["subfolder"] / other["filename"]
        assert np.array_equal(np.load(path), plane[0].numpy())


def test_the_page_gets_the_map_that_came_in_its_photo_and_the_warnings(comfyui, depth_graph):
    edits = json.dumps({"version": 1, "size": [9, 9], "layers": [], "mood": "good"})
    one, graph, editor, _ = workflow(comfyui, depth_graph, 7, edits)
    shown = comfyui.run(graph)[editor]
    (entry,) = shown["sd2_depth_editor"]
    assert (entry["height"], entry["width"]) == one.steps.shape

    def view(file):
        return requests.get(f"{comfyui.url}/view", params=file, timeout=60).content

    depth = np.frombuffer(view(entry["depth"]), "<u2").reshape(one.steps.shape)
    assert np.array_equal(depth, one.steps)
    guide = np.frombuffer(view(entry["guide"]), np.uint8).reshape(one.steps.shape)
    assert np.array_equal(guide, one.guide)
    assert Image.open(io.BytesIO(view(entry["photo"]))).size == one.steps.shape[::-1]
    assert any("are ignored: mood" in text for text in shown["warnings"])


def test_the_node_is_one_that_runs_by_itself_and_hides_its_edits(comfyui):
    info = comfyui.get("/object_info/SD2DepthEditor")["SD2DepthEditor"]
    assert info["output_node"] is True
    kind, options = info["input"]["optional"]["edits"]
    assert (kind, options["socketless"], options["hidden"]) == ("STRING", True, True)


def test_edits_that_cannot_be_read_are_told_on_the_node(comfyui, depth_graph):
    _, graph, _, _ = workflow(comfyui, depth_graph, 7, '{"version": 2}')
    error = comfyui.failure(graph)
    assert error.kind == "ValueError"
    assert "Update this pack. The edits are kept as they are." in error.message


def test_letters_come_as_a_mask(comfyui):
    url = f"{comfyui.url}/sd2_depth2img/lettering"
    answer = requests.get(url, params={"text": "Hi & äß"}, timeout=60)
    assert answer.headers["Content-Type"] == "image/png"
    mask = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.array_equal(mask, np.asarray(letters_mask("Hi & äß")))
    for text, said in ((" ", "there are no letters"), ("x" * 201, "has 201 characters")):
        answer = requests.get(url, params={"text": text}, timeout=60)
        assert answer.status_code == 400
        assert said in answer.json()["error"]
