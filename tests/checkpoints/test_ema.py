"""The averaged copy of the UNet is preferred where it is whole."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.ema import ema_name, ema_names, with_ema
from sd2_depth2img.checkpoints.files.weights import TensorInfo, open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.tools.make_checkpoint import FULL


def lit_ema_names(names):
    """What LitEma calls its buffers: it is given the module `model`, and takes the dots out."""
    return ["model_ema." + "".join(name.split(".")[1:]) for name in names]


@pytest.fixture
def weights(mini_checkpoint):
    return load_file(mini_checkpoint)


def copies(weights):
    """An EMA copy in which every tensor is told from the UNet's own."""
    return {ema_name(n): t + 1 for n, t in weights.items() if n.startswith(Part.UNET.value)}


def test_the_names_are_the_original_codes_and_no_two_are_equal():
    names = [name for name in FULL.tensors() if name.startswith(Part.UNET.value)]
    found = [ema_name(name) for name in names]
    assert found == lit_ema_names(names)
    assert len(set(found)) == len(names) == 686
    assert "model_ema.diffusion_modelinput_blocks00weight" in found


def test_the_copy_is_used_and_a_warning_says_so(weights, tmp_path, caplog):
    counters = {"model_ema.decay": torch.ones(()), "model_ema.num_updates": torch.ones(())}
    save_file({**weights, **copies(weights), **counters}, tmp_path / "ema.safetensors")
    checkpoint = Checkpoint.open(tmp_path / "ema.safetensors")
    assert "ema.safetensors: the EMA copy of the UNet is used" in caplog.text
    for name, tensor in checkpoint.read(Part.UNET).items():
        assert torch.equal(tensor, weights[Part.UNET.value + name] + 1)
    for name, tensor in checkpoint.read(Part.VAE).items():
        assert torch.equal(tensor, weights[Part.VAE.value + name])


@pytest.mark.parametrize("damage", ["missing", "wrong shape"])
def test_a_copy_of_a_part_of_the_unet_is_left_alone_with_a_warning(
    weights, tmp_path, caplog, damage
):
    half = copies(weights)
    lost = ema_name(Part.UNET.value + "out.2.bias")
    half.pop(lost)
    if damage == "wrong shape":
        half[lost] = torch.zeros(7)
    save_file({**weights, **half}, tmp_path / "half.safetensors")
    checkpoint = Checkpoint.open(tmp_path / "half.safetensors")
    assert f"EMA copies of {len(half) - (damage == 'wrong shape')} of the UNet's" in caplog.text
    for name, tensor in checkpoint.read(Part.UNET).items():
        assert torch.equal(tensor, weights[Part.UNET.value + name])


def test_what_is_not_part_of_the_unet_needs_no_copy(weights, tmp_path, caplog):
    foreign = {Part.UNET.value + "extra": torch.ones(3)}
    save_file({**weights, **copies(weights), **foreign}, tmp_path / "ema.safetensors")
    checkpoint = Checkpoint.open(tmp_path / "ema.safetensors")
    assert "none of them is used" not in caplog.text
    found = checkpoint.read(Part.UNET)
    for name in checkpoint.unet.tensors():
        assert torch.equal(found[name], weights[Part.UNET.value + name] + 1)


def test_counters_alone_are_no_copy(weights, tmp_path, caplog):
    save_file({**weights, "model_ema.decay": torch.ones(())}, tmp_path / "pruned.safetensors")
    file = open_weights(tmp_path / "pruned.safetensors")
    assert with_ema(file) is file
    assert caplog.text == ""


def test_a_copy_of_another_unet_is_not_found():
    name = Part.UNET.value + "out.2.bias"
    tensors = {
        name: TensorInfo(torch.float32, (4,)),
        ema_name(name): TensorInfo(torch.float32, (5,)),
    }
    assert ema_names(tensors) == {}
