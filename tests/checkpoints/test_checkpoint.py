"""What is said about every kind of file people put into the loader."""

import copy
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.architecture import FULL_UNET, FULL_VAE, TextArchitecture
from sd2_depth2img.checkpoints.checkpoint import (
    Checkpoint,
    IncompleteCheckpoint,
    NotADepthCheckpoint,
)
from sd2_depth2img.checkpoints.files.weights import TensorInfo
from sd2_depth2img.checkpoints.identify.diagnosis import Kind, Part
from sd2_depth2img.checkpoints.identify.recognition import identify
from sd2_depth2img.depth.networks.dpt import UNUSED
from sd2_depth2img.depth.networks.midas_hybrid import DPTHybrid
from sd2_depth2img.nodes.advice import ABSENT_PARTS
from sd2_depth2img.nodes.remedies import explanation
from sd2_depth2img.tools.make_checkpoint import FULL, MINIATURE, make_checkpoint

HALF = torch.float16


def infos(shapes):
    return {name: TensorInfo(HALF, shape) for name, shape in shapes.items()}


def unet(in_channels, context, prefix="model.diffusion_model.", linear=True):
    shapes = FULL_UNET.__class__(
        **{**FULL_UNET.__dict__, "in_channels": in_channels, "context_dim": context}
    ).tensors()
    if not linear:  # SD1 projects with 1x1 convolutions
        shapes = {
            n: (*s, 1, 1) if n.endswith(("proj_in.weight", "proj_out.weight")) else s
            for n, s in shapes.items()
        }
    return {prefix + name: shape for name, shape in shapes.items()}


SAMPLES = {
    "sd15": (unet(4, 768, linear=False), Kind.SD1),
    "sd15-inpainting": (unet(9, 768, linear=False), Kind.SD1),
    "sd2": (unet(4, 1024), Kind.SD2),
    "sd2-inpainting": (unet(9, 1024), Kind.SD2_INPAINTING),
    "sd2-upscaler": (unet(7, 1024), Kind.SD2_UPSCALER),
    "sd2-unclip": (
        {**unet(4, 1024), "model.diffusion_model.label_emb.0.0.weight": (1280, 2048)},
        Kind.SD2_UNCLIP,
    ),
    "sdxl": (unet(4, 2048), Kind.SDXL),
    "sd2-depth-unet": (unet(5, 1024, prefix=""), Kind.SD2_DEPTH_UNET),
    "lora": (
        {
            "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": (320, 4),
            "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320),
        },
        Kind.LORA,
    ),
    "peft-lora": ({"unet.down_blocks.0.attn1.to_k.lora_A.weight": (4, 320)}, Kind.LORA),
    "controlnet": (unet(4, 1024, prefix="control_model."), Kind.CONTROLNET),
    "vae": (FULL_VAE.tensors(), Kind.VAE),
    "text": ({"text_model.embeddings.token_embedding.weight": (49408, 1024)}, Kind.TEXT_ENCODER),
    "midas": (
        {"pretrained.model.cls_token": (1, 1, 768), "scratch.layer1_rn.weight": (256, 256, 3, 3)},
        Kind.MIDAS,
    ),
    "diffusers-unet": (
        {
            "conv_in.weight": (320, 5, 3, 3),
            "down_blocks.0.x": (1,),
            "up_blocks.0.x": (1,),
            "time_embedding.linear_1.weight": (1280, 320),
        },
        Kind.UNKNOWN_UNET,
    ),
    "random": ({"layer.weight": (3, 3)}, Kind.UNKNOWN),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_kind_is_recognised_from_shapes(name):
    shapes, kind = SAMPLES[name]
    assert identify(infos(shapes)).kind is kind


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"sd2-depth-unet"}))
def test_the_loader_refuses_it_and_says_what_it_is(tmp_path, name):
    shapes, kind = SAMPLES[name]
    small = {  # the same names and the telling shapes, without gigabytes of zeros
        n: torch.zeros(s, dtype=HALF)
        for n, s in shapes.items()
        if n.endswith(("input_blocks.0.0.weight", "attn2.to_k.weight", "proj_in.weight"))
        or len(shapes) < 10
        or "label_emb" in n
        or n in ("encoder.conv_in.weight", "decoder.conv_in.weight")
        or n.startswith("control_model.out")
    }
    path = tmp_path / f"{name}.safetensors"
    save_file(small, path)
    with pytest.raises(NotADepthCheckpoint) as refusal:
        Checkpoint.open(path)
    message = str(refusal.value)
    assert path.name in message
    assert kind.value in message
    assert "512-depth-ema" in message


def test_the_sentence_carries_the_facts():
    sentence = identify(infos(SAMPLES["sd15"][0])).sentence()
    assert sentence == "This is a Stable Diffusion 1.5 checkpoint (4 input channels, context 768)."


def test_the_real_layout_is_identified_with_its_parts():
    identity = identify(infos(FULL.tensors()))
    assert identity.kind is Kind.SD2_DEPTH
    assert (identity.in_channels, identity.context_dim) == (5, 1024)
    parameters = {name: count for name, (_, count) in identity.parts.items()}
    assert 865e6 < parameters["UNet"] < 867e6
    assert 122e6 < parameters["MiDaS depth network"] < 124e6
    assert identity.dtypes == {"float16": len(FULL.tensors())}


def test_opens_the_miniature_and_reads_its_widths(mini_checkpoint):
    checkpoint = Checkpoint.open(mini_checkpoint)
    assert checkpoint.unet == MINIATURE.unet
    assert checkpoint.vae == MINIATURE.vae
    assert checkpoint.text == MINIATURE.text
    assert checkpoint.has_midas
    weights = checkpoint.read(Part.UNET)
    assert {n: tuple(t.shape) for n, t in weights.items()} == MINIATURE.unet.tensors()
    assert "scratch.layer1_rn.weight" in checkpoint.read(Part.MIDAS)


def test_the_same_seed_writes_the_same_file(tmp_path, mini_checkpoint):
    again = make_checkpoint(tmp_path / "again.safetensors")
    assert again.read_bytes() == mini_checkpoint.read_bytes()
    other = make_checkpoint(tmp_path / "other.safetensors", seed=1)
    assert other.read_bytes() != mini_checkpoint.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.safetensors", "other.safetensors"]


def without(mini_checkpoint, tmp_path, predicate):
    weights = {n: t for n, t in load_file(mini_checkpoint).items() if not predicate(n)}
    save_file(weights, tmp_path / "part.safetensors")
    return tmp_path / "part.safetensors"


def test_without_midas_it_opens_and_complains_only_when_midas_is_wanted(mini_checkpoint, tmp_path):
    path = without(mini_checkpoint, tmp_path, lambda n: n.startswith(Part.MIDAS.value))
    checkpoint = Checkpoint.open(path, remedies=ABSENT_PARTS)
    assert not checkpoint.has_midas
    with pytest.raises(IncompleteCheckpoint, match=r"no MiDaS.*Depth Map Loader"):
        checkpoint.read(Part.MIDAS)


@pytest.mark.parametrize("lost", ["scratch.refinenet1.out_conv.weight", ""])
def test_an_incomplete_midas_is_refused_like_any_other_part(mini_checkpoint, tmp_path, lost):
    """A tensor, or all of them but one that is foreign."""
    midas = Part.MIDAS.value
    weights = load_file(mini_checkpoint)
    rest = {n: t for n, t in weights.items() if not n.startswith(midas + lost)}
    save_file(rest | {midas + "foreign": torch.ones(1)}, tmp_path / "part.safetensors")
    with pytest.raises(IncompleteCheckpoint, match=r"part\..* MiDaS .* missing ") as refusal:
        Checkpoint.open(tmp_path / "part.safetensors")
    assert "depth2img convert --without-midas" in explanation(refusal.value)


def test_what_midas_does_not_use_may_be_missing(mini_checkpoint, tmp_path):
    unused = tuple(Part.MIDAS.value + name for name in UNUSED)
    path = without(mini_checkpoint, tmp_path, lambda n: n.startswith(unused))
    checkpoint = Checkpoint.open(path)
    assert checkpoint.has_midas
    DPTHybrid.from_state_dict(checkpoint.read(Part.MIDAS))


@pytest.mark.parametrize("unused", ["text_projection", "logit_scale"])
def test_an_unused_tensor_of_the_text_encoder_may_be_missing(mini_checkpoint, tmp_path, unused):
    path = without(mini_checkpoint, tmp_path, lambda n: n == Part.TEXT.value + unused)
    assert Checkpoint.open(path).text == MINIATURE.text


def test_the_unused_end_of_the_text_encoder_may_be_missing(mini_checkpoint, tmp_path):
    unused = {Part.TEXT.value + name for name in MINIATURE.text.unused()}
    path = without(mini_checkpoint, tmp_path, unused.__contains__)
    assert Checkpoint.open(path).text == MINIATURE.text


@pytest.mark.parametrize(
    "missing",
    [
        "model.diffusion_model.middle_block.0.in_layers.2.weight",
        "model.diffusion_model.out.2.weight",
        "first_stage_model.post_quant_conv.bias",
        "cond_stage_model.model.ln_final.weight",
    ],
)
def test_a_missing_tensor_is_named(mini_checkpoint, tmp_path, missing):
    path = without(mini_checkpoint, tmp_path, lambda n: n == missing)
    with pytest.raises(IncompleteCheckpoint, match=missing.split(".", 2)[-1].replace(".", r"\.")):
        Checkpoint.open(path)


@pytest.mark.parametrize(
    ("part", "what", "node"),
    [(Part.VAE, "VAE", "Load VAE"), (Part.TEXT, "text encoder", "Load CLIP")],
)
def test_without_a_part_it_opens_warns_and_complains_when_the_part_is_used(
    mini_checkpoint, tmp_path, caplog, part, what, node
):
    path = without(mini_checkpoint, tmp_path, lambda n: n.startswith(part.value))
    checkpoint = Checkpoint.open(path, remedies=ABSENT_PARTS)
    message = f"part.safetensors has no {what} inside. Connect the .* {node}"
    assert [r.levelname for r in caplog.records if re.search(message, r.message)] == ["WARNING"]
    with pytest.raises(IncompleteCheckpoint, match=message):
        checkpoint.read(part)
    stand_in = checkpoint.stand_in(part)
    with pytest.raises(AttributeError, match=message):
        stand_in.encode("anything")
    assert not hasattr(stand_in, "tokenize")  # hosts ask such things of what they keep
    with pytest.raises(AttributeError, match=message):
        copy.deepcopy(stand_in).decode()


def test_a_tensor_of_the_wrong_shape_is_named(mini_checkpoint, tmp_path):
    weights = load_file(mini_checkpoint)
    weights["first_stage_model.quant_conv.bias"] = torch.zeros(3)
    save_file(weights, tmp_path / "wrong.safetensors")
    with pytest.raises(IncompleteCheckpoint, match=r"quant_conv\.bias is \[3\] instead of \[8\]"):
        Checkpoint.open(tmp_path / "wrong.safetensors")


def test_unexpected_tensors_are_named_in_the_log(mini_checkpoint, tmp_path, caplog):
    weights = load_file(mini_checkpoint)
    weights["model.diffusion_model.extra"] = torch.zeros(1)
    weights["model_ema.diffusion_modelout0weight"] = torch.zeros(64)
    weights["betas"] = torch.zeros(1000)
    save_file(weights, tmp_path / "extra.safetensors")
    with caplog.at_level("INFO"):
        Checkpoint.open(tmp_path / "extra.safetensors")
    assert (
        "not part of the model, and not used: 1 tensor under model.diffusion_model." in caplog.text
    )
    assert "EMA copy of the UNet" in caplog.text
    assert "noise schedule" in caplog.text


def test_text_encoder_of_another_model_is_refused(tmp_path):
    odd = MINIATURE.__class__(
        MINIATURE.unet, MINIATURE.vae, TextArchitecture(128, 2, 128, vocabulary=100), None
    )
    path = make_checkpoint(tmp_path / "odd.safetensors", odd)
    with pytest.raises(IncompleteCheckpoint, match="128 wide, the UNet expects 64"):
        Checkpoint.open(path)


def test_a_pickled_checkpoint_opens_like_a_safetensors_one(mini_checkpoint, tmp_path):
    torch.save({"state_dict": load_file(mini_checkpoint), "global_step": 1}, tmp_path / "m.ckpt")
    ours = Checkpoint.open(tmp_path / "m.ckpt").read(Part.VAE)
    theirs = Checkpoint.open(mini_checkpoint).read(Part.VAE)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"v_pred": torch.tensor([])}, None),
        ({}, {"modelspec.predict_key": "v"}),
        ({}, {"modelspec.prediction_type": "v"}),
    ],
)
def test_a_model_that_predicts_velocity_is_refused(mini_checkpoint, tmp_path, tensors, metadata):
    save_file({**load_file(mini_checkpoint), **tensors}, tmp_path / "v.safetensors", metadata)
    with pytest.raises(NotADepthCheckpoint, match=r"v\.safetensors was trained to predict v"):
        Checkpoint.open(tmp_path / "v.safetensors")


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]
)
@pytest.mark.parametrize("suffix", ["safetensors", "ckpt"])
def test_every_stored_type_is_read_as_it_is(mini_checkpoint, tmp_path, dtype, suffix):
    weights = {name: tensor.to(dtype) for name, tensor in load_file(mini_checkpoint).items()}
    path = tmp_path / f"small.{suffix}"
    if suffix == "ckpt":
        torch.save({"state_dict": weights}, path)
    else:
        save_file(weights, path)
    checkpoint = Checkpoint.open(path)
    for part in Part:
        for name, tensor in checkpoint.read(part).items():
            assert tensor.dtype == dtype
            assert torch.equal(tensor.float(), weights[part.value + name].float())
