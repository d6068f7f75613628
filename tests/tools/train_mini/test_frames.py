"""Rendered frames: shards on disk, and what training sees of them."""

import numpy as np
import pytest
import torch

from sd2_depth2img.tools.train_mini.frames import Frames, photographed
from sd2_depth2img.tools.train_mini.midas import MiDaSStage, new_midas
from sd2_depth2img.tools.train_mini.render import shards

SKY_ROWS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two shards of three frames: sky, a slope, and a near pole that is white where it stands."""
    folder = tmp_path_factory.mktemp("frames")
    for number in range(2):
        images, disparity = drawn(number)
        shards.save(shards.path(folder, number), images, disparity)
    return folder


def drawn(seed):
    random = np.random.default_rng(seed)
    images = random.integers(30, 120, (3, shards.SIDE, shards.SIDE, 3)).astype(np.uint8)
    disparity = np.zeros((3, shards.SIDE, shards.SIDE), np.float16)
    disparity[:, SKY_ROWS:] = np.linspace(0.1, 0.5, shards.SIDE - SKY_ROWS)[:, None]
    for frame in range(3):
        left = 70 + 10 * frame
        images[frame, :, left : left + 12] = 255
        disparity[frame, :, left : left + 12] = 2.0
    return images, disparity


def test_frames_are_those_of_the_full_shards(folder):
    frames = Frames(folder)
    assert (len(frames), frames.shards) == (6, 2)
    assert np.array_equal(frames.images[3:], drawn(1)[0])
    assert np.array_equal(frames.disparity[3:], drawn(1)[1])
    assert len(Frames(folder, 1)) == 3


def test_a_folder_without_enough_shards_says_how_many_there_are(folder, tmp_path):
    with pytest.raises(ValueError, match="has 2 full shards of rendered frames, not 3"):
        Frames(folder, 3)
    with pytest.raises(ValueError, match="has 0 full shards of rendered frames, not one"):
        Frames(tmp_path)


@pytest.mark.parametrize("size", [128, 256])
def test_a_pair_shows_the_same_part_in_image_and_depth(folder, size):
    frames = Frames(folder)
    correlations, first_columns = [], set()
    for seed in range(30):
        image, depth = frames.pair(np.random.default_rng(seed), size)
        assert (image.shape, depth.shape) == ((size, size, 3), (size, size))
        assert image.dtype == depth.dtype == np.float32
        assert 0 <= image.min() <= image.max() <= 1
        assert depth.min() == 0
        assert depth.max() == 1
        pole = depth > 0.9
        if pole.any():
            correlations.append(np.corrcoef(pole.ravel(), image.mean(-1).ravel())[0, 1])
            first_columns.add(int(pole.any(0).argmax()))
    assert np.median(correlations) > 0.75
    assert len(first_columns) > 15  # crops and mirrors


def test_a_pair_depends_on_its_random_numbers_alone(folder):
    frames = Frames(folder)
    for seed in (0, 1):
        first, again = (frames.pair(np.random.default_rng(seed), 128) for _ in range(2))
        assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


def test_cameras_differ():
    image = drawn(0)[0][0]
    taken = [photographed(np.random.default_rng(seed), image) for seed in range(20)]
    assert len({one.tobytes() for one in taken}) > 15
    assert all(one.shape == image.shape and one.dtype == np.float32 for one in taken)


def test_a_stage_mixes_scenes_and_frames_by_their_share(data, folder):
    def batch(share):
        stage = MiDaSStage(new_midas(0), data, 1, 1, torch.device("cpu"), Frames(folder), share)
        random = np.random.default_rng(5)
        depths = [stage._pair(random, 128)[1] for _ in range(60)]
        return sum(is_frame(depth) for depth in depths)

    assert batch(0.0) == 0
    assert batch(1.0) == 60
    assert 20 < batch(0.5) < 40


def is_frame(depth):
    """The drawn frames hold few depths: sky, pole and the rows of a slope."""
    return len(np.unique(depth)) < 200


def test_frames_are_packed_once_all_of_a_shard_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 3)
    images, disparity = drawn(0)
    for index in (3, 4):
        one = slice(index - 3, index - 2)
        shards.save(shards.frame_path(tmp_path, index), images[one], disparity[one])
    assert shards.missing(tmp_path, 2, 5) == [2, 5, 6]
    assert not shards.pack(tmp_path, 1)
    shards.save(shards.frame_path(tmp_path, 5), images[2:], disparity[2:])
    assert shards.pack(tmp_path, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["shard-0001.npz"]
    assert np.array_equal(shards.load(shards.path(tmp_path, 1)).images, images)
    assert shards.missing(tmp_path, 2, 5) == [2, 6]
