"""Depth Map Loader on what the mask editor leaves."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.depth.depth_files import SUFFIXES, FileFormat, write_depth
from sd2_depth2img.nodes.depth_files import SD2DepthLoad

NAME = "clipspace/clipspace-painted-masked-1764308400000.png [input]"
DEPTH = torch.linspace(0, 1, 60 * 90).reshape(60, 90)


@pytest.fixture
def base(base):
    """A map in the input folder, and the mask editor's copy of it with two values."""
    (base / "input" / "clipspace").mkdir()
    write_depth(base / "input" / "scene.png", DEPTH, FileFormat.PNG)
    stored = np.asarray(Image.open(base / "input" / "scene.png"))
    copy = Image.fromarray(stored.clip(max=255).astype(np.uint8)).convert("RGBA")
    copy.putalpha(Image.new("L", copy.size, 255))
    copy.save(base / "input" / NAME.removesuffix(" [input]"))
    return base


def test_the_original_is_loaded_and_the_node_says_so(base):
    given = SD2DepthLoad().run(image=NAME)
    assert torch.allclose(given["result"][0][0, ..., 0], DEPTH, atol=1e-5)
    (text,) = given["ui"]["warnings"]
    assert "the mask editor's copy of scene.png" in text
    assert "the original is loaded" in text
    assert "Load Image (as Mask)" in text


def test_where_it_is_gone_the_node_says_what_is_left_and_what_to_do(base):
    (base / "input" / "scene.png").unlink()
    given = SD2DepthLoad().run(image=NAME)
    assert len(given["result"][0].unique()) == 22
    (text,) = given["ui"]["warnings"]
    assert "22 different depths are left: choose the file again that it was made of" in text


def test_an_original_that_is_edited_is_loaded_anew(base):
    before = SD2DepthLoad.IS_CHANGED(NAME)
    assert SD2DepthLoad.IS_CHANGED(NAME) == before
    write_depth(base / "input" / "scene.png", DEPTH.flip(0), FileFormat.PNG)
    assert SD2DepthLoad.IS_CHANGED(NAME) != before


def test_the_original_is_looked_for_once_in_a_run(base):
    SD2DepthLoad.IS_CHANGED(NAME)
    copy = base / "input" / NAME.removesuffix(" [input]")
    facts = copy.stat()
    copy.write_bytes(bytes(facts.st_size))  # looked into again, it would be no image
    os.utime(copy, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (text,) = SD2DepthLoad().run(image=NAME)["ui"]["warnings"]
    assert "the mask editor's copy of scene.png" in text


def test_the_upload_is_the_packs_own():
    """ComfyUI's `image_upload` brings the mask editor and takes images alone."""
    options = SD2DepthLoad.INPUT_TYPES()["required"]["image"][1]
    assert options["sd2_depth_upload"] == SUFFIXES  # beside images
    assert "image_upload" not in options
