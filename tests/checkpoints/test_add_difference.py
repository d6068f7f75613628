"""depth + strength · (fine-tune − base), on files of the miniature's widths."""

import json
import logging
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.add_difference import (
    AddedDifference,
    CannotAddDifference,
    predicts_v,
    with_difference,
)
from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.files.holes import FileWithHoles
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.keymaps import unet_keys
from sd2_depth2img.checkpoints.source import open_source
from sd2_depth2img.tools.make_checkpoint import MINIATURE, make_checkpoint

SD2 = replace(MINIATURE, unet=replace(MINIATURE.unet, in_channels=4), midas=None)
FIRST = Part.UNET.value + "input_blocks.0.0.weight"
MIDDLE = Part.UNET.value + "middle_block.1.proj_in.weight"
TOKENS = Part.TEXT.value + "token_embedding.weight"
V_MARK = Part.UNET.value + "output_blocks.11.1.transformer_blocks.0.norm1.bias"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("sd2") / "base.safetensors"
    return make_checkpoint(path, SD2, seed=1)


@pytest.fixture(scope="module")
def fine_tune(tmp_path_factory):
    path = tmp_path_factory.mktemp("sd2") / "fine-tune.safetensors"
    return make_checkpoint(path, SD2, seed=2)


def add_difference(*paths, **options):
    return AddedDifference(*(open_source(path) for path in paths), **options)


def changed(path, target, change):
    """A copy of a file with other tensors."""
    save_file(change(load_file(path)), target)
    return target


@pytest.mark.parametrize("role", [1, 2])
def test_a_fine_tune_or_base_with_holes_is_refused(
    mini_checkpoint, fine_tune, base, tmp_path, role
):
    paths = [mini_checkpoint, fine_tune, base]
    hole = {MIDDLE: torch.zeros_like(load_file(base)[MIDDLE])}
    paths[role] = changed(paths[role], tmp_path / "half.safetensors", lambda w: {**w, **hole})
    with pytest.raises(FileWithHoles, match=r"half\.safetensors: 1 of \d+ tensors is all zero"):
        add_difference(*paths)


# --- arithmetic ----------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [1.0, 0.3, 0.0])
def test_every_tensor_is_depth_plus_the_difference(mini_checkpoint, fine_tune, base, strength):
    depth, fine, plain = (load_file(path) for path in (mini_checkpoint, fine_tune, base))
    file = add_difference(mini_checkpoint, fine_tune, base, strength=strength)
    assert file.tensors.keys() == depth.keys()
    touched = 0
    for name, before in depth.items():
        expected = before
        if name.startswith(Part.UNET):
            difference = strength * (fine[name] - plain[name])
            if name == FIRST:
                difference = torch.cat([difference, torch.zeros_like(before[:, 4:])], dim=1)
            expected = before + difference
            touched += 1
        elif name.startswith(Part.TEXT) and name[len(Part.TEXT.value) :] not in SD2.text.unused():
            expected = before + strength * (fine[name] - plain[name])
            touched += 1
        assert torch.equal(file.read(name), expected), name
    assert touched == len(SD2.unet.tensors()) + len(SD2.text.tensors()) - len(SD2.text.unused())


def test_the_depth_channel_stays(mini_checkpoint, fine_tune, base):
    before = load_file(mini_checkpoint)[FIRST]
    after = add_difference(mini_checkpoint, fine_tune, base).read(FIRST)
    assert torch.equal(after[:, 4], before[:, 4])
    assert not torch.isclose(after[:, :4], before[:, :4]).all()


def test_the_base_alone_changes_nothing_and_says_so(mini_checkpoint, base, caplog):
    with caplog.at_level(logging.WARNING):
        file = add_difference(mini_checkpoint, base, base)
    assert "nothing to add" in caplog.text
    for name, before in load_file(mini_checkpoint).items():
        assert file.read(name).numpy().tobytes() == before.numpy().tobytes(), name


def test_it_reads_one_tensor_at_a_time_and_only_when_asked(mini_checkpoint, fine_tune, base):
    fine = open_weights(fine_tune)
    file = AddedDifference(open_weights(mini_checkpoint), fine, open_weights(base))
    read = []
    fine.read = lambda name: read.append(name) or open_weights(fine_tune).read(name)
    file.read(MIDDLE)
    file.read(Part.VAE.value + "quant_conv.weight")
    assert read == [MIDDLE]
    with pytest.raises(KeyError):
        file.read("no such tensor")


def test_it_is_a_complete_depth_checkpoint(mini_checkpoint, fine_tune, base):
    original = Checkpoint.open(mini_checkpoint)
    file = add_difference(mini_checkpoint, fine_tune, base)
    assert replace(original, file=file).read(Part.MIDAS).keys() == original.read(Part.MIDAS).keys()
    assert file.tensors == original.file.tensors


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float8_e4m3fn])
@pytest.mark.parametrize("other", [torch.float16, torch.float32, torch.float8_e4m3fn])
def test_it_is_computed_in_float32(dtype, other):
    depth, fine, plain = (torch.randn(6, 5, 3, 3) for _ in range(3))
    depth, fine, plain = depth.to(dtype), fine[:, :4].to(other), plain[:, :4].to(other)
    found = with_difference(depth, fine, plain)
    expected = depth.double()
    expected[:, :4] += fine.double() - plain.double()
    assert found.dtype == torch.float32
    assert (found.double() - expected).abs().max() <= 1e-6


def stored_as(path, target, dtype):
    return changed(path, target, lambda weights: {n: t.to(dtype) for n, t in weights.items()})


@pytest.mark.parametrize("stored", [torch.float8_e4m3fn, torch.float16, torch.float32])
@pytest.mark.parametrize("wanted", [None, torch.float16, torch.float32])
def test_the_sum_is_rounded_once_to_the_type_that_is_wanted_or_the_depth_models(
    mini_checkpoint, fine_tune, base, tmp_path, stored, wanted
):
    depth = stored_as(mini_checkpoint, tmp_path / "depth.safetensors", stored)
    file = add_difference(depth, fine_tune, base, dtype=wanted)
    before, fine, plain = (load_file(path) for path in (depth, fine_tune, base))
    for name in (MIDDLE, TOKENS):
        expected = (before[name].float() + (fine[name] - plain[name])).to(wanted or stored)
        found = file.read(name)
        assert found.dtype == file.tensors[name].dtype == expected.dtype
        assert torch.equal(found.float(), expected.float()), name
    kept = Part.VAE.value + "quant_conv.weight"  # left for the conversion to round
    assert file.read(kept).dtype == file.tensors[kept].dtype == stored


@pytest.mark.parametrize("stored", [torch.float8_e4m3fn, torch.float16])
def test_a_sum_too_large_for_its_type_is_an_error_that_names_the_tensor(
    mini_checkpoint, fine_tune, base, tmp_path, stored
):
    depth = stored_as(mini_checkpoint, tmp_path / "depth.safetensors", stored)
    large = changed(
        fine_tune, tmp_path / "large.safetensors", lambda w: {**w, MIDDLE: w[MIDDLE] + 7e4}
    )
    with pytest.raises(ValueError, match=rf"{MIDDLE} has values up to .*float.* ends at"):
        add_difference(depth, large, base).read(MIDDLE)
    file = add_difference(depth, large, base, dtype=torch.float32)
    assert 6.9e4 < file.read(MIDDLE).max() < 7.1e4


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("role", ["the fine-tune", "the base"])
def test_a_difference_that_is_no_number_is_an_error_that_names_the_tensor(
    mini_checkpoint, fine_tune, base, tmp_path, value, role
):
    def damage(weights):
        weights[MIDDLE][3, 5] = value
        return weights

    bad = changed(
        fine_tune if role == "the fine-tune" else base, tmp_path / "bad.safetensors", damage
    )
    others = (bad, base) if role == "the fine-tune" else (fine_tune, bad)
    file = add_difference(mini_checkpoint, *others)
    with pytest.raises(CannotAddDifference, match=rf"{MIDDLE}: .* 1 of 16384 values .*NaN"):
        file.read(MIDDLE)
    assert file.read(FIRST).isfinite().all()


def test_what_it_is_given_stays_as_it_is():
    depth, fine, plain = torch.randn(6, 5, 3, 3), torch.randn(6, 4, 3, 3), torch.randn(6, 4, 3, 3)
    before = depth.clone()
    with_difference(depth, fine, plain)
    assert torch.equal(depth, before)


def test_an_ema_copy_from_before_the_change_is_left_out(mini_checkpoint, fine_tune, base, tmp_path):
    ema = "model_ema.diffusion_modelinput_blocks00weight"
    with_ema = changed(
        mini_checkpoint, tmp_path / "ema.safetensors", lambda w: {**w, ema: w[FIRST].clone()}
    )
    file = add_difference(with_ema, fine_tune, base)
    assert ema not in file.tensors
    with pytest.raises(KeyError):
        file.read(ema)


# --- models that are a UNet alone ----------------------------------------------------------------


def _unet_alone(weights):
    return {name: tensor for name, tensor in weights.items() if name.startswith(Part.UNET)}


def test_a_fine_tune_without_text_encoder_leaves_the_text_encoder(
    mini_checkpoint, fine_tune, base, tmp_path
):
    alone = changed(fine_tune, tmp_path / "unet.safetensors", _unet_alone)
    file = add_difference(mini_checkpoint, alone, base)
    before = load_file(mini_checkpoint)
    assert torch.equal(file.read(TOKENS), before[TOKENS])
    assert torch.equal(
        file.read(MIDDLE), add_difference(mini_checkpoint, fine_tune, base).read(MIDDLE)
    )


def test_a_base_without_the_text_encoder_of_the_fine_tune_is_refused(
    mini_checkpoint, fine_tune, base, tmp_path
):
    alone = changed(base, tmp_path / "unet.safetensors", _unet_alone)
    with pytest.raises(
        CannotAddDifference, match=r"unet.safetensors \(the base\).*text encoder.*UNet"
    ):
        add_difference(mini_checkpoint, fine_tune, alone)
    only_unet = add_difference(mini_checkpoint, fine_tune, alone, parts=(Part.UNET,))
    assert torch.equal(only_unet.read(TOKENS), load_file(mini_checkpoint)[TOKENS])


# --- what does not fit ---------------------------------------------------------------------------


def test_a_tensor_of_another_shape_is_named(mini_checkpoint, fine_tune, base, tmp_path):
    def wider(weights):
        return {**weights, MIDDLE: torch.zeros(256, 128)}

    other = changed(fine_tune, tmp_path / "wider.safetensors", wider)
    name = MIDDLE.removeprefix(Part.UNET.value)
    with pytest.raises(CannotAddDifference) as caught:
        add_difference(mini_checkpoint, other, base)
    assert "wider.safetensors (the fine-tune)" in str(caught.value)
    assert "In 1 tensors it differs" in str(caught.value)
    assert f"{name} is [256, 128] instead of [128, 128]" in str(caught.value)
    assert "SD2-base" in str(caught.value)


def test_missing_tensors_are_named(mini_checkpoint, fine_tune, base, tmp_path):
    def without_middle(weights):
        return {name: tensor for name, tensor in weights.items() if name != MIDDLE}

    other = changed(base, tmp_path / "holes.safetensors", without_middle)
    with pytest.raises(CannotAddDifference, match=r"\(the base\).*proj_in.weight is missing"):
        add_difference(mini_checkpoint, fine_tune, other)


def test_another_family_is_named(mini_checkpoint, fine_tune, tmp_path):
    sd15 = {
        FIRST: torch.zeros(320, 4, 3, 3),
        MIDDLE: torch.zeros(1280, 1280, 1, 1),
        MIDDLE.replace("proj_in", "transformer_blocks.0.attn2.to_k"): torch.zeros(1280, 768),
    }
    save_file(sd15, tmp_path / "v1-5.safetensors")
    with pytest.raises(CannotAddDifference, match=r"v1-5.safetensors.*Stable Diffusion 1.5"):
        add_difference(mini_checkpoint, fine_tune, tmp_path / "v1-5.safetensors")


def test_a_model_with_more_than_sd2_is_refused(mini_checkpoint, fine_tune, base, tmp_path):
    def with_labels(weights):
        return {**weights, Part.UNET.value + "label_emb.0.0.weight": torch.zeros(256, 64)}

    other = changed(base, tmp_path / "unclip.safetensors", with_labels)
    with pytest.raises(CannotAddDifference, match=r"label_emb.0.0.weight is unexpected"):
        add_difference(mini_checkpoint, fine_tune, other)


def test_the_three_cannot_be_given_in_another_order(mini_checkpoint, fine_tune, base):
    with pytest.raises(CannotAddDifference, match=r"fine-tune.safetensors is not a depth model"):
        add_difference(fine_tune, mini_checkpoint, base)
    with pytest.raises(CannotAddDifference, match=r"base.*5, 3, 3\] instead of \[64, 4, 3, 3\]"):
        add_difference(mini_checkpoint, fine_tune, mini_checkpoint)


@pytest.mark.parametrize("role", ["the fine-tune", "the base"])
def test_a_model_that_predicts_v_is_refused(mini_checkpoint, fine_tune, base, tmp_path, role):
    def marked(weights):  # as ComfyUI saves one
        return {**weights, "v_pred": torch.tensor([])}

    other = changed(fine_tune, tmp_path / "v.safetensors", marked)
    others = (other, base) if role == "the fine-tune" else (base, other)
    with pytest.raises(CannotAddDifference, match=rf"v.safetensors \({role}\) predicts v"):
        add_difference(mini_checkpoint, *others)


@pytest.mark.parametrize(("spread", "is_v"), [(0.03, False), (0.2, True)])
def test_v_is_told_from_the_spread_of_one_bias(tmp_path, spread, is_v):
    bias = torch.linspace(-1, 1, 320)
    save_file({V_MARK: bias / bias.std() * spread}, tmp_path / "unet.safetensors")
    assert predicts_v(open_weights(tmp_path / "unet.safetensors")) is is_v


# --- diffusers folders ---------------------------------------------------------------------------


def folder_of(path, target, prediction):
    """The UNet of a file as a diffusers folder has it."""
    weights = load_file(path)
    (target / "unet").mkdir(parents=True)
    (target / "scheduler").mkdir()
    read = {name: weights[Part.UNET.value + name] for name in SD2.unet.tensors()}.__getitem__
    unet = dict(unet_keys(SD2.unet).to_diffusers(read))
    save_file(unet, target / "unet" / "diffusion_pytorch_model.safetensors")
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"]}
    (target / "model_index.json").write_text(json.dumps(index))
    scheduler = {"prediction_type": prediction}
    (target / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    return target


def test_a_fine_tune_may_be_a_diffusers_folder(mini_checkpoint, fine_tune, base, tmp_path):
    folder = folder_of(fine_tune, tmp_path / "style", "epsilon")
    of_folder, of_file = (
        add_difference(mini_checkpoint, source, base, parts=(Part.UNET,))
        for source in (folder, fine_tune)
    )
    assert of_folder.tensors == of_file.tensors
    for name in of_file.tensors:
        assert torch.equal(of_folder.read(name), of_file.read(name)), name


def test_a_folder_says_that_it_predicts_v(mini_checkpoint, fine_tune, base, tmp_path):
    folder = folder_of(fine_tune, tmp_path / "style", "v_prediction")
    with pytest.raises(CannotAddDifference, match=r"style \(the fine-tune\) predicts v"):
        add_difference(mini_checkpoint, folder, base)
