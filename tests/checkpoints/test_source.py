"""Folders that diffusers itself wrote, in every form, against the file of the same weights."""

import json
import os
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.errors import IncompleteCheckpoint, NotADepthCheckpoint
from sd2_depth2img.checkpoints.files.errors import DamagedFile, UnreadableFile
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.identify.recognition import _UNETS
from sd2_depth2img.checkpoints.source import INDEX, DiffusersFolder, open_source
from sd2_depth2img.disk.settings import DamagedSettings

# What the file has and a CLIPTextModel or a DPTForDepthEstimation has not.
CLASSIFIER = {"pretrained.model.head.weight", "pretrained.model.head.bias"}


@pytest.fixture
def folder(diffusers_folder, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(diffusers_folder, tmp_path / "peer")


def edit(path, **entries):
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def rename_tensors(path, rename, extra=()):
    save_file({**{rename(n): t for n, t in load_file(path).items()}, **dict(extra)}, path)


def assert_same(folder, mini_checkpoint, dtype=torch.float32):
    """The folder holds exactly the used tensors of the file, bit for bit."""
    ours, theirs = open_source(folder), open_weights(mini_checkpoint)
    text = Checkpoint.open(mini_checkpoint).text
    unused = {Part.TEXT.value + name for name in text.unused()}
    unused |= {Part.MIDAS.value + name for name in CLASSIFIER}
    assert set(ours.tensors) == set(theirs.tensors) - unused
    for name, info in ours.tensors.items():
        tensor = ours.read(name)
        assert (tensor.dtype, tuple(tensor.shape)) == info
        assert torch.equal(tensor, theirs.read(name).to(dtype)), name


# --- forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({}, ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]),
        ({"safe_serialization": False}, ["unet/diffusion_pytorch_model.bin"]),
        ({"variant": "fp16"}, ["vae/diffusion_pytorch_model.fp16.safetensors"]),
        ({"variant": "no_ema"}, ["unet/diffusion_pytorch_model.no_ema.safetensors"]),
        ({"max_shard_size": "2MB"}, ["unet/diffusion_pytorch_model.safetensors.index.json"]),
        (
            {"max_shard_size": "2MB", "variant": "fp16"},
            ["text_encoder/model.safetensors.index.fp16.json"],
        ),
        (
            {"max_shard_size": "2MB", "safe_serialization": False},
            ["unet/diffusion_pytorch_model.bin.index.json"],
        ),
    ],
    ids=str,
)
def test_every_form_gives_the_same_tensors(pipeline, mini_checkpoint, tmp_path, options, files):
    pipeline.save_pretrained(tmp_path / "peer", **options)
    assert all((tmp_path / "peer" / file).is_file() for file in files)
    assert_same(tmp_path / "peer", mini_checkpoint)


def test_the_checkpoint_is_the_one_of_the_single_file(diffusers_folder, mini_checkpoint):
    ours, theirs = Checkpoint.open(diffusers_folder), Checkpoint.open(mini_checkpoint)
    assert (ours.unet, ours.vae, ours.text) == (theirs.unet, theirs.vae, theirs.text)
    assert ours.has_midas
    assert set(ours.read(Part.MIDAS)) == set(theirs.read(Part.MIDAS)) - CLASSIFIER


def test_full_precision_and_safetensors_are_preferred_and_named(
    folder, pipeline, mini_checkpoint, caplog
):
    """The others hold other weights, so that taking them would show."""
    unet = folder / "unet"
    shutil.copy(
        folder / "vae/diffusion_pytorch_model.safetensors",
        unet / "diffusion_pytorch_model.fp16.safetensors",
    )
    torch.save({"conv_in.weight": torch.zeros(1)}, unet / "diffusion_pytorch_model.bin")
    with caplog.at_level("INFO"):
        assert_same(folder, mini_checkpoint)
    assert (
        "peer/unet: reading diffusion_pytorch_model.safetensors "
        "(not diffusion_pytorch_model.bin, diffusion_pytorch_model.fp16.safetensors)"
    ) in caplog.text


def test_full_precision_in_a_pickle_is_preferred_to_half_precision(folder, mini_checkpoint):
    weights = folder / "vae/diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    half = {name: tensor.half() for name, tensor in load_file(weights).items()}
    save_file(half, weights.with_suffix(".fp16.safetensors"))
    weights.unlink()
    assert_same(folder, mini_checkpoint)


def test_half_precision_alone_is_read_as_it_is(pipeline, tmp_path):
    pipeline.vae.to(torch.float16).save_pretrained(tmp_path / "half", variant="fp16")
    pipeline.vae.to(torch.float32)
    pipeline.save_pretrained(tmp_path / "peer")
    shutil.rmtree(tmp_path / "peer/vae")
    shutil.move(tmp_path / "half", tmp_path / "peer/vae")
    dtypes = {t.dtype for t in Checkpoint.open(tmp_path / "peer").read(Part.VAE).values()}
    assert dtypes == {torch.float16}


def test_the_names_of_older_versions_are_understood(folder, mini_checkpoint):
    """As in SD2's own folders: the VAE's attention, the text encoder's module and positions."""
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}

    def rename(name):
        for new, before in old.items():
            name = name.replace(new, before)
        return name

    rename_tensors(folder / "vae/diffusion_pytorch_model.safetensors", rename)
    rename_tensors(
        folder / "text_encoder/model.safetensors",
        lambda name: "text_model." + name.removeprefix("text_model."),
        {"text_model.embeddings.position_ids": torch.arange(77)[None]},
    )
    assert_same(folder, mini_checkpoint)


def test_the_text_encoder_of_transformers_5_is_understood(folder, mini_checkpoint):
    rename_tensors(
        folder / "text_encoder/model.safetensors", lambda name: name.removeprefix("text_model.")
    )
    assert_same(folder, mini_checkpoint)


# --- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_missing_part_is_named(folder, part):
    shutil.rmtree(folder / part)
    with pytest.raises(IncompleteCheckpoint, match=f"peer is incomplete.* lists {part}"):
        Checkpoint.open(folder)


def test_without_a_depth_estimator_it_opens_and_says_so(folder, caplog):
    shutil.rmtree(folder / "depth_estimator")
    checkpoint = Checkpoint.open(folder)
    assert not checkpoint.has_midas
    assert "depth_estimator that is not there" in caplog.text
    with pytest.raises(IncompleteCheckpoint, match="no MiDaS"):
        checkpoint.read(Part.MIDAS)


def test_a_part_that_was_left_out_on_purpose_may_be_missing(folder):
    shutil.rmtree(folder / "vae")
    edit(folder / INDEX, vae=[None, None])
    assert Checkpoint.open(folder).vae is None


def test_a_missing_shard_is_named(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "peer", max_shard_size="2MB")
    shard = sorted((tmp_path / "peer/unet").glob("*-00002-of-*"))[0]
    shard.unlink()
    with pytest.raises(DamagedFile, match=shard.name):
        Checkpoint.open(tmp_path / "peer")


def test_shards_of_different_models_are_refused(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "peer", max_shard_size="2MB")
    first, second = sorted((tmp_path / "peer/unet").glob("*.safetensors"))[:2]
    shutil.copy(first, second)
    with pytest.raises(DamagedFile, match="belong to different models"):
        Checkpoint.open(tmp_path / "peer")


@pytest.mark.parametrize(
    "place", ["../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "..", "a\\b", "C:x", ""]
)
def test_an_index_that_points_out_of_its_folder_is_refused(folder, place):
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.unlink()
    index = weights.with_name(weights.name + ".index.json")
    index.write_text(json.dumps({"weight_map": {"conv_in.weight": place}}))
    with pytest.raises(UnreadableFile, match="refused: it names the file"):
        Checkpoint.open(folder)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"weight_map": {"conv_in.weight": 1}}', "[" * 100_000),
        pytest.param('{"a": 0' + " " * 20_000_000 + "}", id="long"),
    ],
)
def test_a_damaged_index_is_refused(folder, content):
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.with_name(weights.name + ".index.json").write_text(content)
    with pytest.raises((UnreadableFile, DamagedSettings), match=r"index\.json"):
        Checkpoint.open(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes on Windows")
def test_a_pipe_in_place_of_an_index_is_not_waited_for(folder):
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.unlink()
    os.mkfifo(weights.with_name(weights.name + ".index.json"))
    with pytest.raises(DamagedSettings, match=r"index\.json is not a file"):
        Checkpoint.open(folder)


class RunsCode:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


def test_a_pickle_runs_nothing(folder, tmp_path):
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    content = {**load_file(weights), "hostile": RunsCode(tmp_path / "canary")}
    torch.save(content, weights.with_suffix(".bin"))
    weights.unlink()
    checkpoint = Checkpoint.open(folder)
    assert not (tmp_path / "canary").exists()
    assert checkpoint.file.foreign == ["io.open"]
    pickle.loads(pickle.dumps(RunsCode(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()  # it would have


# --- other pipelines -----------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [4, 9])
def test_another_pipeline_is_refused_with_its_name(folder, channels):
    edit(folder / INDEX, _class_name="StableDiffusionOtherPipeline")
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    rename_tensors(weights, str, {"conv_in.weight": torch.zeros(64, channels, 3, 3)})
    message = rf"peer \(StableDiffusionOtherPipeline\): This is a .*\({channels} input channels"
    with pytest.raises(NotADepthCheckpoint, match=message):
        Checkpoint.open(folder)


def test_a_pipeline_without_a_unet_is_refused_with_its_name(folder):
    shutil.rmtree(folder / "unet")
    index = json.loads((folder / INDEX).read_text())
    del index["unet"]
    (folder / INDEX).write_text(json.dumps({**index, "_class_name": "FluxPipeline"}))
    with pytest.raises(NotADepthCheckpoint, match="FluxPipeline without a UNet"):
        Checkpoint.open(folder)


def test_another_network_in_a_part_is_named(folder):
    shutil.copy(
        folder / "vae/diffusion_pytorch_model.safetensors",
        folder / "unet/diffusion_pytorch_model.safetensors",
    )
    with pytest.raises(IncompleteCheckpoint, match=r"peer/unet/.* does not hold this part"):
        Checkpoint.open(folder)


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("scheduler/scheduler_config.json", "prediction_type", "v_prediction"),
        ("scheduler/scheduler_config.json", "beta_schedule", "linear"),
        ("scheduler/scheduler_config.json", "beta_end", 0.02),
        ("scheduler/scheduler_config.json", "rescale_betas_zero_snr", True),
        ("unet/config.json", "attention_head_dim", 8),
        ("vae/config.json", "scaling_factor", 0.13025),
        ("text_encoder/config.json", "hidden_act", "quick_gelu"),
        ("text_encoder/config.json", "num_attention_heads", 4),
    ],
)
def test_settings_that_would_change_the_images_are_refused(folder, file, key, value):
    edit(folder / file, **{key: value})
    part = file.split("/")[0]
    with pytest.raises(NotADepthCheckpoint, match=f"{key} in {part} is {value!r}, expected"):
        Checkpoint.open(folder)


def test_settings_that_older_versions_did_not_write_may_be_missing(folder):
    for file in folder.glob("*/*config.json"):
        if file.parent.name != "depth_estimator":
            file.write_text("{}")
    assert Checkpoint.open(folder).has_midas


def test_a_missing_scheduler_is_told(folder, caplog):
    shutil.rmtree(folder / "scheduler")
    Checkpoint.open(folder)
    assert "peer has no scheduler/scheduler_config.json" in caplog.text


def test_a_folder_without_an_index_is_refused(folder):
    with pytest.raises(FileNotFoundError, match=INDEX):
        open_source(folder / "unet")


def test_a_folder_is_named_wherever_one_stands(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert DiffusersFolder(type(folder)()).path.name == "peer"


# --- UNets alone ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefix", "layout"), _UNETS)
def test_a_unet_alone_is_a_checkpoint_without_the_rest(
    diffusers_folder, mini_checkpoint, tmp_path, prefix, layout, caplog
):
    """Behind every prefix by which a UNet is recognised."""
    unet = Checkpoint.open(mini_checkpoint).read(Part.UNET)
    files = {
        "diffusers": load_file(diffusers_folder / "unet/diffusion_pytorch_model.safetensors"),
        "original": unet,
    }
    weights = {prefix + name: tensor for name, tensor in files[layout].items()}
    save_file(weights | {"foreign": torch.ones(1)}, tmp_path / "unet.safetensors")
    checkpoint = Checkpoint.open(tmp_path / "unet.safetensors")
    assert (checkpoint.vae, checkpoint.text, checkpoint.has_midas) == (None, None, False)
    ours = checkpoint.read(Part.UNET)
    assert set(unet) == set(ours) - {"foreign"}
    assert all(torch.equal(ours[name], tensor) for name, tensor in unet.items())
    assert "unet.safetensors has no VAE inside" in caplog.text
    assert "unet.safetensors has no text encoder inside" in caplog.text


def test_an_incomplete_unet_of_diffusers_names_what_is_missing(diffusers_folder, tmp_path):
    unet = load_file(diffusers_folder / "unet/diffusion_pytorch_model.safetensors")
    del unet["conv_norm_out.bias"]
    save_file(unet, tmp_path / "unet.safetensors")
    with pytest.raises(IncompleteCheckpoint, match=r"1 are missing \(out\.0\.bias\)"):
        Checkpoint.open(tmp_path / "unet.safetensors")


@pytest.mark.parametrize("prefix", ["", "unet."])
def test_a_unet_of_diffusers_whose_widths_cannot_be_told_is_refused(
    diffusers_folder, tmp_path, prefix
):
    unet = load_file(diffusers_folder / "unet/diffusion_pytorch_model.safetensors")
    del unet["conv_out.weight"]
    save_file({prefix + name: tensor for name, tensor in unet.items()}, tmp_path / "u.safetensors")
    with pytest.raises(IncompleteCheckpoint, match=r"u\.safetensors is an incomplete depth"):
        Checkpoint.open(tmp_path / "u.safetensors")


def test_opening_a_pickle_warns_of_what_it_asks_for(mini_checkpoint, tmp_path, caplog):
    content = {**load_file(mini_checkpoint), "evil": RunsCode(tmp_path / "canary")}
    torch.save(content, tmp_path / "a.ckpt")
    open_source(tmp_path / "a.ckpt")
    asked = next(text for text in caplog.messages if "asks for" in text)
    assert asked.startswith("a.ckpt asks for ")
    assert asked.endswith("open; it is given none of it")
    assert not (tmp_path / "canary").exists()
