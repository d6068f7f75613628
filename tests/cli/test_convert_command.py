"""`depth2img convert`: diffusers loads what it writes, and paints what the engine paints."""

import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionDepth2ImgPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, safe_open, save_file
from transformers import CLIPTokenizer

from sd2_depth2img.checkpoints.architecture import (
    TextArchitecture,
    UNetArchitecture,
    VAEArchitecture,
)
from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.convert import EXTRAS
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.source import open_source
from sd2_depth2img.cli import main
from sd2_depth2img.depth.networks.midas_hybrid import DPTHybrid
from sd2_depth2img.engine import guidance, networks, prompt
from sd2_depth2img.sampling.depth_channel import DepthCondition, attach_depth
from sd2_depth2img.tools.make_checkpoint import FULL, MINIATURE, make_checkpoint

# Unlike the miniature: three widths, the coarsest level without attention as in SD2, several heads.
WIDE = replace(
    MINIATURE,
    unet=UNetArchitecture(5, 4, 64, (1, 2, 2), 2, (True, True, False), context_dim=128),
    vae=VAEArchitecture(channels=32, channel_mult=(1, 2, 2, 3), res_blocks=2),
    text=TextArchitecture(width=128, layers=4, mlp_width=256),
)
SIZE = 192  # what the miniature's MiDaS takes in transformers


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("wide") / "wide.safetensors", WIDE, seed=3)


@pytest.fixture(scope="module")
def folder(wide):
    return convert(wide, wide.with_name("folder"))


@pytest.fixture(scope="module")
def pipeline(folder):
    loaded = StableDiffusionDepth2ImgPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(scope="module")
def parts(wide):
    return networks.load(Checkpoint.open(wide), "cpu")


def convert(source, target, *options):
    assert main.main(["convert", str(source), str(target), *options]) == 0
    return target


def relative_error(value, reference):
    return ((value - reference).norm() / reference.norm()).item()


def all_of(file):
    return {name: file.read(name) for name in file.tensors}


# --- the pipeline of diffusers -------------------------------------------------------------------


def test_every_part_gives_what_ours_gives(pipeline, wide):
    compare_parts(pipeline, Checkpoint.open(wide))


@torch.no_grad()
def compare_parts(pipeline, checkpoint):
    """Each of the four networks in diffusers or transformers, and here."""
    model, clip, vae = networks.load(checkpoint, "cpu")
    generator = torch.Generator().manual_seed(0)

    x = torch.randn(1, 5, 16, 8, generator=generator)
    context = torch.randn(1, 77, checkpoint.unet.context_dim, generator=generator)
    time = torch.tensor([500])
    theirs = pipeline.unet(x, time, context).sample
    assert relative_error(model.predict_noise(x, time, context), theirs) <= 1e-5

    pixels = torch.rand(1, 64, 96, 3, generator=generator)
    theirs = pipeline.vae.encode(pixels.movedim(-1, 1) * 2 - 1).latent_dist.mean
    assert relative_error(vae.encode(pixels), theirs) <= 1e-5
    latent = torch.randn(1, 4, 8, 6, generator=generator)
    theirs = (pipeline.vae.decode(latent).sample / 2 + 0.5).clamp(0, 1).movedim(1, -1)
    assert relative_error(vae.decode(latent), theirs) <= 1e-5

    tokens = torch.tensor([[token for token, _ in chunk] for chunk in clip.tokenize("a red cat")])
    theirs = pipeline.text_encoder(tokens).last_hidden_state
    assert relative_error(clip.encode(clip.tokenize("a red cat")), theirs) <= 1e-5

    side = pipeline.depth_estimator.config.image_size
    image = torch.rand(1, 3, side, side, generator=generator) * 2 - 1
    theirs = pipeline.depth_estimator(image).predicted_depth
    midas = DPTHybrid.from_state_dict(checkpoint.read(Part.MIDAS))
    assert relative_error(midas(image), theirs) <= 1e-5


def test_the_image_is_the_engines(pipeline, parts, monkeypatch):
    """Half the way, five steps of Euler, with guidance; the same latent, noise and depth map."""
    model, clip, vae = parts
    photo = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(1))
    depth = torch.rand(1, 128, 128, generator=torch.Generator().manual_seed(2))
    latent = vae.encode(photo)
    positive, negative = (
        attach_depth([[clip.encode(clip.tokenize(text)), {}]], DepthCondition(depth))
        for text in ("a clay statue", "blurry")
    )
    sampled = guidance.sample(
        model, 5, 5, 6.0, "euler", "normal", positive, negative, {"samples": latent}, denoise=0.5
    )
    ours = vae.decode(sampled["samples"])

    euler = EulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="linspace"
    )
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(5))
    clean = latent * pipeline.vae.config.scaling_factor
    monkeypatch.setattr(pipeline, "scheduler", euler)
    monkeypatch.setattr(  # in the place of a random latent of the photo
        pipeline, "prepare_latents", lambda image, time, *_: euler.add_noise(clean, noise, time)
    )
    theirs = pipeline(
        "a clay statue",
        photo.movedim(-1, 1),
        depth,
        strength=0.5,
        num_inference_steps=10,  # of which Euler visits whole timesteps
        guidance_scale=6.0,
        negative_prompt="blurry",
        output_type="np",
    ).images
    assert ours.std() > 0.05
    error = (ours - torch.from_numpy(theirs)).square().mean()
    assert -10 * error.log10() >= 50  # dB


def test_depth_is_estimated_from_a_photo_alone(pipeline):
    photo = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    result = pipeline("a clay statue", photo, num_inference_steps=2, output_type="np").images
    assert result.shape == (1, 64, 64, 3)


def test_scheduler_and_image_processor_are_sd2s(pipeline):
    scheduler = pipeline.scheduler.config
    assert (scheduler.beta_start, scheduler.beta_end) == (0.00085, 0.012)
    assert (scheduler.beta_schedule, scheduler.steps_offset) == ("scaled_linear", 1)
    assert scheduler.prediction_type == "epsilon"
    white = torch.ones(3, 40, 80)
    pixels = pipeline.feature_extractor(white, do_rescale=False, return_tensors="pt").pixel_values
    assert pixels.shape == (1, 3, SIZE, SIZE)
    assert torch.allclose(pixels, torch.ones(()))


# --- the tokenizer -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer(folder):
    return CLIPTokenizer.from_pretrained(folder / "tokenizer")


def padded(tokenizer, text):
    ids = tokenizer(text, padding="max_length", max_length=77, truncation=True)
    return ids["input_ids"]


@settings(max_examples=60, deadline=None)
# SD2 pads with the token "!", so that diffusers takes one in a prompt for padding.
@given(text=st.text(st.characters(exclude_characters="!", codec="utf-8"), max_size=40))
def test_tokens_are_those_of_the_engine(tokenizer, text):
    chunk = prompt.tokenizer()(text)["input_ids"]
    expected = [*chunk, *[prompt.PAD] * (77 - len(chunk))] if len(chunk) <= 77 else None
    assert expected is None or padded(tokenizer, text) == expected


def test_a_long_prompt_is_cut_to_77_tokens(tokenizer):
    tokens = padded(tokenizer, "a red cat " * 40)
    assert (len(tokens), tokens[0], tokens[-1]) == (77, prompt.START, prompt.END)


# --- there and back ------------------------------------------------------------------------------


def test_the_way_back_gives_the_same_file(wide, folder, tmp_path):
    back = convert(folder, tmp_path / "back.safetensors")
    original, returned = load_file(wide), load_file(back)
    assert original.keys() == returned.keys()
    assert all(torch.equal(returned[name], tensor) for name, tensor in original.items())
    Checkpoint.open(back)


def test_the_way_there_again_gives_the_same_folder(folder, tmp_path):
    again = convert(
        convert(folder, tmp_path / "back.safetensors"), tmp_path / "again", "--layout", "diffusers"
    )
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for file in files:
        if file.suffix == ".safetensors":
            before, after = load_file(folder / file), load_file(again / file)
            assert before.keys() == after.keys()
            assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
        else:
            assert (folder / file).read_bytes() == (again / file).read_bytes()


# --- what it says --------------------------------------------------------------------------------


def test_what_is_left_out_is_said_and_written_down(wide, tmp_path, capsys):
    tensors = load_file(wide) | {"model_ema.decay": torch.ones(())}
    save_file(tensors, tmp_path / "source.safetensors", {"title": "mine"})
    target = tmp_path / "target"
    convert(tmp_path / "source.safetensors", target, "--dtype", "fp16", "--without-midas")
    said = capsys.readouterr().out
    assert "left out: 1 tensor (EMA copy" in said
    assert "--ema takes it)" in said
    assert "left out: 368 tensors (MiDaS depth network)" in said
    assert f"14 tensors, in {EXTRAS} (text encoder's last layer" in said
    assert "depth_estimator=None, feature_extractor=None" in said
    with safe_open(target / "unet" / "diffusion_pytorch_model.safetensors", "pt") as file:
        texts = file.metadata()
    facts = json.loads(texts["depth2img.converted"])
    assert texts["title"] == "mine"
    assert (facts["source"], facts["dtype"], facts["layout"]) == (
        "source.safetensors",
        "fp16",
        "diffusers",
    )
    assert facts["source_bytes"] == (tmp_path / "source.safetensors").stat().st_size
    assert sum(facts["left_out"].values()) == 369


def test_a_training_checkpoint_becomes_a_file_and_the_optimizers_states_are_mentioned(
    wide, tmp_path, capsys
):
    weights = load_file(wide)
    content = {"state_dict": weights, "optimizer_states": [{"state": torch.zeros(500_000)}]}
    torch.save(content, tmp_path / "last.ckpt")
    target = convert(tmp_path / "last.ckpt", tmp_path / "file.safetensors")
    assert re.search(r"left out: 2\.\d MB \(no weights", capsys.readouterr().out)
    written = load_file(target)
    assert written.keys() == weights.keys()
    assert all(torch.equal(written[name], tensor) for name, tensor in weights.items())
    convert(wide, tmp_path / "other.safetensors")
    assert "left out" not in capsys.readouterr().out


def test_a_folder_without_midas_loads_as_it_says(wide, tmp_path):
    target = convert(wide, tmp_path / "folder", "--without-midas")
    loaded = StableDiffusionDepth2ImgPipeline.from_pretrained(
        target, depth_estimator=None, feature_extractor=None
    )
    photo, depth = torch.rand(1, 3, 64, 64), torch.rand(1, 64, 64)
    result = loaded("a cat", photo, depth, num_inference_steps=2, output_type="np").images
    assert result.shape == (1, 64, 64, 3)


@pytest.fixture
def fails(capsys):
    def run(*arguments):
        assert main.main(["convert", *map(str, arguments)]) == 1
        return capsys.readouterr().err

    return run


def test_a_folder_from_a_file_without_midas_has_to_be_asked_for(wide, tmp_path, fails):
    pruned = convert(wide, tmp_path / "pruned.safetensors", "--without-midas")
    message = fails(pruned, tmp_path / "folder")
    assert "pruned.safetensors has no MiDaS depth network inside" in message
    assert "With --without-midas" in message
    assert not (tmp_path / "folder").exists()
    convert(pruned, tmp_path / "folder", "--without-midas")


def test_what_is_refused_says_which_option_helps(wide, mini_checkpoint, tmp_path, fails):
    target = tmp_path / "out.safetensors"
    large = tmp_path / "large.safetensors"
    save_file({**load_file(wide), "x": torch.tensor([7e4])}, large)
    assert "ends at 65504; a wider type holds them. Use --dtype bf16 or fp32." in fails(
        large, target, "--dtype", "fp16"
    )
    assert "of the UNet's" in (message := fails(mini_checkpoint, target, "--ema"))
    assert message.endswith("Convert it without --ema.\n")
    part = tmp_path / "part.safetensors"
    lost = "depth_model.model.scratch.layer1_rn.weight"
    save_file({n: t for n, t in load_file(wide).items() if n != lost}, part)
    assert "layer1_rn.weight" in (message := fails(part, target))
    assert message.endswith("Or convert it --without-midas.\n")
    save_file({"a.lora_up.weight": torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
    assert "This is a LoRA" in (message := fails(tmp_path / "lora.safetensors", target))
    assert "Load LoRA behind Depth Checkpoint Loader" in message
    assert not target.exists()


def test_a_full_disk_says_what_takes_less(wide, tmp_path, fails, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "Make room, write elsewhere, or use --dtype fp16" in fails(wide, tmp_path / "folder")


def test_a_midas_that_transformers_cannot_have_is_refused(tmp_path, fails):
    structure = replace(MINIATURE, midas=replace(MINIATURE.midas, head=(16, 16)))
    source = make_checkpoint(tmp_path / "narrow.safetensors", structure)
    message = fails(source, tmp_path / "folder")
    assert "ends with 16 and 16 channels" in message
    assert "--without-midas" in message


def test_a_unet_alone_makes_no_pipeline_and_says_so(wide, tmp_path, capsys):
    unet = {n: t for n, t in load_file(wide).items() if n.startswith(Part.UNET.value)}
    save_file(unet, tmp_path / "unet.safetensors")
    target = convert(tmp_path / "unet.safetensors", tmp_path / "folder")
    assert "unet.safetensors has no VAE and text encoder" in capsys.readouterr().out
    assert [path.name for path in target.iterdir()] == ["unet"]


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("model.ckpt", [], "let TARGET end in .safetensors"),
        ("model.CKPT", ["--layout", "ldm"], "let TARGET end in .safetensors"),
        ("sd2.1-depth", ["--layout", "ldm"], "let TARGET end in .safetensors"),
        ("model.gguf", [], "would be a quantised format"),
        (".safetensors", [], "an ending without a name"),
        ("model.safetensors", ["--layout", "diffusers"], "let TARGET not end in .safetensors"),
        ("model.SFT", ["--layout", "diffusers"], "let TARGET not end in .SFT"),
    ],
)
def test_a_targets_name_says_what_it_is(wide, tmp_path, fails, target, options, message):
    assert message in fails(wide, tmp_path / target, *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "options"), [("model.SAFETENSORS", []), ("model.sft", ["--layout", "ldm"])]
)
def test_a_file_by_its_ending(mini_checkpoint, tmp_path, target, options):
    convert(mini_checkpoint, tmp_path / target, *options)
    assert load_file(tmp_path / target).keys() == load_file(mini_checkpoint).keys()


def test_the_source_is_never_overwritten(wide, folder, fails):
    for source in (wide, folder):
        assert "nothing is overwritten" in fails(source, source)


# --- full width ----------------------------------------------------------------------------------

# Not ru_maxrss: a process begins with the peak of the one that started it.
_PEAK = """
import re, sys
from pathlib import Path
from sd2_depth2img.cli import main
code = main.main(sys.argv[1:])
sys.stderr.write(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def peak_of_converting(*arguments):
    """The most memory that a process of its own held, in bytes."""
    command = [sys.executable, "-c", _PEAK, "convert", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.slow
def test_full_width_there_and_back_is_bit_identical_and_takes_little_memory(tmp_path):
    source = make_checkpoint(tmp_path / "full.safetensors", FULL, seed=4)
    # The token embedding, 202 MB: what is read, converted and written at a time.
    limit = 1.2 * 4 * max(math.prod(shape) for shape in FULL.tensors().values()) + 1e9
    folder, back = tmp_path / "folder", tmp_path / "back.safetensors"
    assert peak_of_converting(source, folder) <= limit
    assert peak_of_converting(folder, back) <= limit
    first, second = open_source(source), open_source(back)
    assert first.tensors == second.tensors
    assert all(torch.equal(first.read(name), second.read(name)) for name in first.tensors)
    back.unlink()
    compare_parts(StableDiffusionDepth2ImgPipeline.from_pretrained(folder), Checkpoint.open(source))
    half = tmp_path / "half.safetensors"
    assert peak_of_converting(source, half, "--dtype", "fp16") <= limit
    second = open_source(half)
    assert all(torch.equal(first.read(n).half(), second.read(n)) for n in first.tensors)
