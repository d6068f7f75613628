"""The whole way from nothing to a checkpoint."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import sd2_depth2img
from sd2_depth2img.sampling.checkpoint import Checkpoint
from sd2_depth2img.tools.train_mini import __main__ as command
from sd2_depth2img.tools.train_mini.dataset import DATA_VERSION
from sd2_depth2img.tools.train_mini.structure import STRUCTURE
from sd2_depth2img.tools.train_mini.trainer import Schedule

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


def test_every_stage_once(tmp_path, monkeypatch):
    # The held-out pictures, whose quality the log tells, are more work than the training here.
    held_out = command._held_out
    monkeypatch.setattr(command, "_held_out", lambda device: islice(held_out(device), 1))
    once = Schedule(steps=1, rate=1e-3)
    batches = {"vae": 1, "midas": 2, "unet": 2}
    recipe = command.Recipe(1, once, once, once, batches)
    training = command.Training(tmp_path / "work", recipe, 7, torch.device("cpu"))
    training.export(tmp_path / "mini.safetensors")
    assert_whole(tmp_path / "mini.safetensors", seed=7)
    with pytest.raises(ValueError, match="holds a training with"):
        command.Training(tmp_path / "work", recipe, 8, torch.device("cpu"))
    command.Training(tmp_path / "work", recipe, 7, torch.device("cpu"))


@pytest.mark.slow
def test_the_command_line(tmp_path):
    path = tmp_path / "mini.safetensors"
    command_line = ["--recipe", "smoke", "--folder", tmp_path, "--output", path, "--seed", "4"]
    subprocess.run(
        [sys.executable, "-m", "sd2_depth2img.tools.train_mini", *command_line], check=True
    )
    assert_whole(path, seed=4)
