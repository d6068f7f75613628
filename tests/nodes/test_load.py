"""Which checkpoint a new Depth Checkpoint Loader has chosen."""

import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.engine import folders
from sd2_depth2img.nodes import load
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT, LOOKED_INTO, SD2DepthCheckpointLoader


@pytest.fixture
def checkpoints(tmp_path):
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    place = tmp_path / "models" / "checkpoints"
    place.mkdir(parents=True)
    yield place
    folders.use(before)


def chosen():
    return SD2DepthCheckpointLoader.INPUT_TYPES()["required"]["ckpt_name"][1]["default"]


def put_other_model(path):
    save_file({"a.lora_up.weight": torch.zeros(2, 2)}, path)


def test_the_miniature_where_the_user_has_no_depth_checkpoint(checkpoints):
    assert chosen() == BUNDLED_CHECKPOINT.name
    put_other_model(checkpoints / "a.safetensors")
    (checkpoints / "depth.safetensors").write_bytes(b"no weights")
    put_other_model(checkpoints / "control_depth.safetensors")
    assert chosen() == BUNDLED_CHECKPOINT.name


def test_the_users_depth_checkpoint_where_there_is_one(checkpoints, mini_checkpoint):
    put_other_model(checkpoints / "a_depth_lora.safetensors")
    (checkpoints / "sd2").mkdir()
    os.link(mini_checkpoint, checkpoints / "sd2" / "my-Depth.safetensors")
    assert chosen() == "sd2/my-Depth.safetensors"
    os.link(mini_checkpoint, checkpoints / "z-512-depth-ema.safetensors")
    assert chosen() == "z-512-depth-ema.safetensors"


def test_a_unet_alone_is_not_chosen_because_it_paints_nothing_by_itself(
    checkpoints, mini_checkpoint
):
    prefix = "model.diffusion_model."
    whole = load_file(mini_checkpoint)
    unet = {n.removeprefix(prefix): t for n, t in whole.items() if n.startswith(prefix)}
    save_file(unet, checkpoints / "depth-unet.safetensors")
    assert chosen() == BUNDLED_CHECKPOINT.name


def test_a_file_is_looked_into_again_when_it_has_changed(checkpoints, mini_checkpoint):
    path = checkpoints / "512-depth-ema.safetensors"
    path.write_bytes(b"a download that has just begun")
    assert chosen() == BUNDLED_CHECKPOINT.name
    path.unlink()
    os.link(mini_checkpoint, path)
    assert chosen() == path.name


def test_few_files_are_opened_and_each_once(checkpoints, monkeypatch):
    opened = []
    real = load.diagnose
    monkeypatch.setattr(load, "diagnose", lambda path: opened.append(path.name) or real(path))
    for index in range(3 * LOOKED_INTO):
        put_other_model(checkpoints / f"depth-{index:02}.safetensors")
        put_other_model(checkpoints / f"any-{index:02}.safetensors")
    assert [chosen(), chosen()] == [BUNDLED_CHECKPOINT.name] * 2
    assert opened == [f"depth-{index:02}.safetensors" for index in range(LOOKED_INTO)]


def test_the_miniature_leads_nowhere_where_it_was_deleted(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(load, "BUNDLED_CHECKPOINT", tmp_path / "gone.safetensors")
    put_other_model(checkpoints / "a.safetensors")
    assert "default" not in SD2DepthCheckpointLoader.INPUT_TYPES()["required"]["ckpt_name"][1]
