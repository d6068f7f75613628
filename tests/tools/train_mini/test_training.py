"""The whole way from nothing to a checkpoint."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import sd2_depth2img
from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.tools.train_mini import __main__ as command
from sd2_depth2img.tools.train_mini.dataset import DATA_VERSION
from sd2_depth2img.tools.train_mini.render import shards
from sd2_depth2img.tools.train_mini.structure import STRUCTURE
from sd2_depth2img.tools.train_mini.trainer import Schedule

CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(
    not (Path(sd2_depth2img.__file__).parent / ".git").exists(),
    reason="the checkpoint names the commit that it was made with, so this takes a clone",
)


def assert_whole(path, seed):
    checkpoint = Checkpoint.open(path)
    assert checkpoint.unet == STRUCTURE.unet
    assert checkpoint.has_midas
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["depth2img"])
    assert (facts["seed"], facts["data_version"]) == (seed, DATA_VERSION)
    assert facts["license"] == "GPL-3.0-or-later"
    assert len(facts["commit"].removesuffix("-dirty")) == 40


def test_every_stage_once(tmp_path):
    once = Schedule(steps=1, rate=1e-3)
    batches = {"vae": 1, "midas": 2, "unet": 2}
    recipe = command.Recipe(1, once, once, once, batches)
    training = command.Training(tmp_path / "work", recipe, 7, CPU)
    training.export(tmp_path / "mini.safetensors")
    assert_whole(tmp_path / "mini.safetensors", seed=7)
    with pytest.raises(ValueError, match="holds a training with"):
        command.Training(tmp_path / "work", recipe, 8, CPU)
    command.Training(tmp_path / "work", recipe, 7, CPU)


def test_a_trained_file_is_trained_further(tmp_path):
    """One step of each: the autoencoder stays as it was, the rest moves a little."""
    once = Schedule(steps=1, rate=1e-3)
    batches = {"vae": 1, "midas": 2, "unet": 2}
    recipe = command.Recipe(1, once, once, once, batches, small_share=0.0)
    training = command.Training(tmp_path / "work", recipe, 7, CPU, BUNDLED_CHECKPOINT)
    training.export(tmp_path / "more.safetensors")
    assert_whole(tmp_path / "more.safetensors", seed=7)
    before, after = (
        load_file(path) for path in (BUNDLED_CHECKPOINT, tmp_path / "more.safetensors")
    )
    for part, limit in ((Part.UNET, 0.01), (Part.TEXT, 0.02), (Part.MIDAS, 0.02)):
        names = [name for name in before if name.startswith(part.value)]
        moved = [(after[name] - before[name]).abs().max().item() for name in names]
        assert 0 < max(moved) < limit
    # What is left out while training is put back as the identity that it was: its last layers.
    left_out = ("encoder.down.0.block", "decoder.up.0.block")
    vae = [name for name in before if name.startswith(Part.VAE.value)]
    kept = [name for name in vae if not any(piece in name for piece in left_out)]
    ends = [name for name in vae if name not in kept and ".conv2." in name]
    assert len(ends) == 6
    assert all(torch.equal(before[name], after[name]) for name in kept + ends)
    with pytest.raises(ValueError, match="holds a training with"):
        command.Training(tmp_path / "work", recipe, 7, CPU)


def test_a_training_keeps_to_the_frames_that_it_began_with(tmp_path):
    once = Schedule(steps=1, rate=1e-3)
    recipe = command.Recipe(1, once, once, once, {"midas": 2}, frames_share=1.0)
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(2):
        image = np.full((1, shards.SIDE, shards.SIDE, 3), 50 * number, np.uint8)
        disparity = np.tile(np.linspace(0, 2, shards.SIDE, dtype=np.float16), (1, shards.SIDE, 1))
        shards.save(shards.path(frames, number), image, disparity)
        training = command.Training(tmp_path / "work", recipe, 7, CPU, frames=frames)
        assert len(training.frames) == 1
    assert training.facts["frames"] == {"version": shards.FRAMES_VERSION, "shards": 1}
    training.midas()
    with pytest.raises(ValueError, match="holds a training with"):
        command.Training(tmp_path / "work", recipe, 7, CPU)


def test_a_file_of_other_widths_is_no_start(tmp_path, mini_checkpoint):
    recipe = command.RECIPES["smoke"]
    with pytest.raises(ValueError, match="other widths than are trained here"):
        command.Training(tmp_path, recipe, 7, CPU, mini_checkpoint)


@pytest.mark.slow
def test_the_command_line(tmp_path):
    path = tmp_path / "mini.safetensors"
    command_line = ["--recipe", "smoke", "--folder", tmp_path, "--output", path, "--seed", "4"]
    subprocess.run(
        [sys.executable, "-m", "sd2_depth2img.tools.train_mini", *command_line], check=True
    )
    assert_whole(path, seed=4)
