"""`depth2img convert --fine-tune --base`: a depth checkpoint made of a fine-tune."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.ema import ema_name
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.source import open_source
from sd2_depth2img.cli import main
from sd2_depth2img.tools.make_checkpoint import MINIATURE, make_checkpoint

SD2 = replace(MINIATURE, unet=replace(MINIATURE.unet, in_channels=4), midas=None)
FIRST = Part.UNET.value + "input_blocks.0.0.weight"
MIDDLE = Part.UNET.value + "middle_block.1.proj_in.weight"
TOKENS = Part.TEXT.value + "token_embedding.weight"


@pytest.fixture(scope="module")
def sd2(tmp_path_factory):
    """A fine-tune and its base."""
    folder = tmp_path_factory.mktemp("sd2")
    return [
        make_checkpoint(folder / f"{name}.safetensors", SD2, seed=seed)
        for name, seed in (("style", 2), ("base", 1))
    ]


def convert(source, target, fine_tune=None, base=None, *options):
    roles = {"--fine-tune": fine_tune, "--base": base}
    given = [str(word) for pair in roles.items() if pair[1] for word in pair]
    return main.main(["convert", str(source), str(target), *given, *options])


def expected(depth, fine_tune, base):
    """The changed tensors by plain arithmetic, of the first layer, one other, and of the text."""
    depth, fine_tune, base = (load_file(path) for path in (depth, fine_tune, base))
    first = depth[FIRST].clone()
    first[:, :4] += fine_tune[FIRST] - base[FIRST]
    others = {name: depth[name] + (fine_tune[name] - base[name]) for name in (MIDDLE, TOKENS)}
    return {FIRST: first, **others}


def test_one_file(mini_checkpoint, sd2, tmp_path):
    target = tmp_path / "style-depth.safetensors"
    assert convert(mini_checkpoint, target, *sd2) == main.OK
    written, before = load_file(target), load_file(mini_checkpoint)
    assert written.keys() == before.keys()
    for name, tensor in expected(mini_checkpoint, *sd2).items():
        assert torch.equal(written[name], tensor), name
    kept = [name for name in before if name.startswith((Part.VAE.value, Part.MIDAS.value))]
    assert all(torch.equal(written[name], before[name]) for name in kept)
    assert Checkpoint.open(target).has_midas
    with safe_open(target, "pt") as file:
        facts = json.loads(file.metadata()["depth2img.converted"])
    assert facts["fine_tune"] == "style.safetensors"
    assert facts["base"] == "base.safetensors"


def test_a_diffusers_folder_in_half_precision(mini_checkpoint, sd2, tmp_path):
    target = tmp_path / "style-depth"
    assert convert(mini_checkpoint, target, *sd2, "--dtype", "fp16") == main.OK
    written = open_source(target)
    for name, tensor in expected(mini_checkpoint, *sd2).items():
        assert torch.equal(written.read(name), tensor.half()), name


def test_the_ema_copy_of_the_depth_model_gets_the_difference(mini_checkpoint, sd2, tmp_path):
    weights = load_file(mini_checkpoint)
    unet = [name for name in weights if name.startswith(Part.UNET.value)]
    copies = {ema_name(name): weights[name] + 0.5 for name in unet}
    save_file({**weights, **copies}, tmp_path / "ema.safetensors")
    target = tmp_path / "out.safetensors"
    assert convert(tmp_path / "ema.safetensors", target, *sd2, "--ema") == main.OK
    fine_tune, base = (load_file(path) for path in sd2)
    found = load_file(target)[MIDDLE]
    assert torch.equal(found, weights[MIDDLE] + 0.5 + (fine_tune[MIDDLE] - base[MIDDLE]))


def test_an_fp8_depth_model_is_rounded_to_the_wanted_type_alone(mini_checkpoint, sd2, tmp_path):
    small = {name: t.to(torch.float8_e4m3fn) for name, t in load_file(mini_checkpoint).items()}
    save_file(small, tmp_path / "fp8.safetensors")
    target = tmp_path / "out.safetensors"
    assert convert(tmp_path / "fp8.safetensors", target, *sd2, "--dtype", "fp32") == main.OK
    fine_tune, base = (load_file(path) for path in sd2)
    written = load_file(target)
    assert {tensor.dtype for tensor in written.values()} == {torch.float32}
    expected = small[MIDDLE].float() + (fine_tune[MIDDLE] - base[MIDDLE])
    assert torch.equal(written[MIDDLE], expected)


@pytest.mark.parametrize("value", [1e5, torch.nan])
def test_a_sum_that_cannot_be_written_names_the_tensor_and_leaves_nothing(
    mini_checkpoint, sd2, tmp_path, capsys, value
):
    half = tmp_path / "half.safetensors"
    save_file({name: t.half() for name, t in load_file(mini_checkpoint).items()}, half)
    style = tmp_path / "style.safetensors"
    save_file({**load_file(sd2[0]), MIDDLE: torch.full((128, 128), value)}, style)
    assert convert(half, tmp_path / "out.safetensors", style, sd2[1]) == main.FAILED
    assert MIDDLE in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [half.name, style.name]


@pytest.mark.parametrize("given", [0, 1])
def test_one_of_the_two_alone_is_refused(mini_checkpoint, sd2, tmp_path, capsys, given):
    roles = [path if place == given else None for place, path in enumerate(sd2)]
    assert convert(mini_checkpoint, tmp_path / "out.safetensors", *roles) == main.FAILED
    assert "--fine-tune and --base belong together" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused_before_anything_is_written(
    mini_checkpoint, sd2, tmp_path, capsys
):
    target = tmp_path / "out.safetensors"
    assert convert(mini_checkpoint, target, mini_checkpoint, sd2[1]) == main.FAILED
    assert "mini.safetensors (the fine-tune) does not fit" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
