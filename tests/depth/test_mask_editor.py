"""Which depth map the mask editor has made its copy of."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.depth.depth_files import FileFormat, write_depth
from sd2_depth2img.depth.mask_editor import (
    MOST_CANDIDATES,
    count_values,
    find_original,
    is_copy,
)
from sd2_depth2img.depth.thumbnail import thumbnail


def ramp(seed, size=(60, 90)):
    return torch.linspace(0, 1, size[0] * size[1]).reshape(size).roll(seed * 900)


@pytest.fixture
def maps(tmp_path):
    """Three files of one size, and one of another."""
    paths = [tmp_path / f"map {number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        write_depth(path, ramp(number), FileFormat.PNG)
    write_depth(tmp_path / "other.png", ramp(0, (30, 40)), FileFormat.PNG)
    (tmp_path / "notes.txt").write_text("none")
    return paths


def copy_of(colours, folder):
    """As ComfyUI writes it: the mask is the transparency, the colours stay below it."""
    path = folder / "clipspace" / "clipspace-painted-masked-1764308400000.png"
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(np.asarray(colours, np.uint8)).convert("RGBA")
    alpha = np.full(image.size[::-1], 255, np.uint8)
    alpha[10:20, 5:15] = 0
    image.putalpha(Image.fromarray(alpha))
    image.save(path)
    return path


def stored(path):
    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.parametrize(
    "reduced",
    [lambda depth: depth >> 8, lambda depth: depth.clip(max=255), lambda depth: depth / 257],
    ids=["upper bits", "clipped", "rounded"],
)
def test_the_original_is_found_however_16_bits_became_8(maps, tmp_path, reduced):
    for path in maps:
        copy = copy_of(reduced(stored(path)), tmp_path)
        assert is_copy(copy)
        assert find_original(copy, tmp_path.iterdir()) == path


def test_copies_beside_the_originals_are_none(maps, tmp_path):
    """Where newer versions of ComfyUI put them."""
    copy = copy_of(stored(maps[0]) >> 8, tmp_path)
    copy = copy.rename(tmp_path / copy.name)
    assert is_copy(copy)
    assert find_original(copy, tmp_path.iterdir()) == maps[0]


@pytest.mark.parametrize("enlarged", [False, True])
def test_the_original_of_a_preview_is_found(tmp_path, enlarged):
    """Some browsers enlarge it to the map's size, which stands in the file."""
    for number in range(2):
        write_depth(tmp_path / f"{number}.png", ramp(number * 100, (700, 900)), FileFormat.PNG)
    (tmp_path / "clipspace").mkdir()
    preview = tmp_path / "preview.jpg"
    preview.write_bytes(thumbnail(ramp(100, (700, 900))))
    with Image.open(preview) as image:
        pixels = np.asarray(image.resize((900, 700)) if enlarged else image)
    copy = copy_of(pixels, tmp_path)
    assert find_original(copy, sorted(tmp_path.glob("*.png"))) == tmp_path / "1.png"


def test_of_two_that_could_be_meant_none_is_taken(maps, tmp_path):
    (tmp_path / "the same.png").write_bytes(maps[0].read_bytes())
    copy = copy_of(stored(maps[0]) >> 8, tmp_path)
    assert find_original(copy, tmp_path.iterdir()) is None


def test_the_original_is_not_looked_for_among_the_frames_of_a_film(maps, tmp_path):
    copy = copy_of(stored(maps[0]) >> 8, tmp_path)
    for number in range(MOST_CANDIDATES - len(maps)):
        os.link(maps[1], tmp_path / f"frame {number}.png")
    assert find_original(copy, tmp_path.iterdir()) == maps[0]
    os.link(maps[1], tmp_path / "one more.png")
    assert find_original(copy, tmp_path.iterdir()) is None


def test_what_was_painted_over_has_no_original(maps, tmp_path):
    colours = stored(maps[0]) >> 8
    colours[20:50, 20:80] = 255
    assert find_original(copy_of(colours, tmp_path), tmp_path.iterdir()) is None


def test_the_values_that_are_left_are_counted(maps, tmp_path):
    assert count_values(copy_of(stored(maps[0]).clip(max=255), tmp_path)) <= 22
    assert count_values(copy_of(stored(maps[0]) >> 8, tmp_path)) == 256


def test_other_files_are_no_copies(maps):
    assert not any(map(is_copy, maps))
