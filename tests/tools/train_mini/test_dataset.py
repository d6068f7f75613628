"""The training set: what is in it, and when it is written anew."""

import numpy as np
import pytest

from sd2_depth2img.tools.train_mini.dataset import HELD_OUT, PAINTINGS, SIZES, prepare, sample
from sd2_depth2img.tools.train_mini.scenes import NOUNS
from sd2_depth2img.tools.train_mini.shader import render


def same(one, other):
    return (
        (one.noun, one.appearances) == (other.noun, other.appearances)
        and all(np.array_equal(one.depth[side], other.depth[side]) for side in SIZES)
        and all(np.array_equal(one.images[side], other.images[side]) for side in SIZES)
    )


def written(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_sample_does_not_depend_on_others():
    third = sample(0, 3)
    sample(0, 2)
    assert same(sample(0, 3), third)
    assert not same(sample(0, 4), third)
    assert not same(sample(1, 3), third)
    assert not same(sample(HELD_OUT, 3), third)


def test_a_sample_has_a_scene_at_two_sizes_and_its_paintings():
    item = sample(5, 0)
    assert item.noun in NOUNS
    assert len(item.appearances) == len(set(item.appearances)) == PAINTINGS
    for side in SIZES:
        assert item.depth[side].shape == (side, side)
        assert item.depth[side].dtype == np.float32
        assert (item.depth[side].min(), item.depth[side].max()) == (0, 1)
        assert item.images[side].shape == (PAINTINGS, side, side, 3)
        assert item.images[side].dtype == np.uint8


@pytest.mark.parametrize("side", SIZES)
def test_a_painting_is_the_rendering_of_its_depth_and_appearance(side):
    item = sample(5, 1)
    for image, look in zip(item.images[side], item.appearances, strict=True):
        error = image / 255 - render(item.depth[side], look)
        assert np.abs(error).max() <= 0.5001 / 255


def test_the_set_on_disk_is_the_samples(data):
    assert len(data) == 3
    for index in range(3):
        item = sample(11, index)
        assert data.nouns[index] == item.noun
        assert data.appearances[index] == item.appearances
        for side in SIZES:
            assert data.depth[side].dtype == np.float16
            assert np.array_equal(data.depth[side][index], item.depth[side].astype(np.float16))
            assert np.array_equal(data.images[side][index], item.images[side])


def test_what_is_there_is_opened_and_anything_else_written_anew(tmp_path):
    first = prepare(tmp_path, scenes=1, seed=0)
    assert len(first) == 1
    files = written(tmp_path)
    prepare(tmp_path, scenes=1, seed=0)
    assert written(tmp_path) == files

    longer = prepare(tmp_path, scenes=2, seed=0)
    assert longer.depth[128].shape == (2, 128, 128)
    other = prepare(tmp_path, scenes=2, seed=1)
    assert np.array_equal(other.images[128][1], sample(1, 1).images[128])
    assert len(other.nouns) == 2


def test_an_unfinished_set_is_written_anew(tmp_path):
    prepare(tmp_path, scenes=1, seed=0)
    (tmp_path / "done.json").unlink()
    np.save(tmp_path / "depth-128.npy", np.zeros((1, 128, 128), np.float16))
    again = prepare(tmp_path, scenes=1, seed=0)
    assert again.depth[128].max() == 1
