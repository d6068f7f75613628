"""The engine's UNet, VAE and text tower against independent implementations, on random weights.

References: diffusers' own reader of original checkpoints with the original YAML configuration, and
OpenCLIP's own text tower.
"""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from open_clip.transformer import TextTransformer
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.architecture import (
    TextArchitecture,
    UNetArchitecture,
    VAEArchitecture,
)
from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.engine.networks import load
from sd2_depth2img.tools.make_checkpoint import Structure, make_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

# Unlike the miniature: levels of three widths, the coarsest without attention as in SD2, several
# heads, and two blocks a level.
STRUCTURE = Structure(
    unet=UNetArchitecture(
        in_channels=5,
        out_channels=4,
        model_channels=64,
        channel_mult=(1, 2, 2),
        res_blocks=2,
        attention=(True, True, False),
        context_dim=128,
    ),
    vae=VAEArchitecture(channels=32, channel_mult=(1, 2, 2, 3), res_blocks=2),
    text=TextArchitecture(width=128, layers=4, mlp_width=256, vocabulary=49408),
    midas=None,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_checkpoint(
        tmp_path_factory.mktemp("engine") / "wide.safetensors", STRUCTURE, seed=5
    )


@pytest.fixture(scope="module")
def parts(path):
    return load(Checkpoint.open(path), "cpu")


@pytest.fixture(scope="module")
def model(parts):
    return parts[0]


@pytest.fixture(scope="module")
def clip(parts):
    return parts[1]


@pytest.fixture(scope="module")
def vae(parts):
    return parts[2]


def relative_error(value, reference):
    return ((value - reference).norm() / reference.norm()).item()


def original_config(structure):
    """The YAML configuration that the original code reads beside a checkpoint, as a dictionary."""
    unet, vae = structure.unet, structure.vae
    return {
        "model": {
            "params": {
                "unet_config": {
                    "params": {
                        "image_size": 32,
                        "in_channels": unet.in_channels,
                        "out_channels": unet.out_channels,
                        "model_channels": unet.model_channels,
                        # Strides of the levels with attention.
                        "attention_resolutions": [
                            2**level for level, on in enumerate(unet.attention) if on
                        ],
                        "num_res_blocks": unet.res_blocks,
                        "channel_mult": list(unet.channel_mult),
                        "num_head_channels": 64,
                        "use_spatial_transformer": True,
                        "use_linear_in_transformer": True,
                        "transformer_depth": 1,
                        "context_dim": unet.context_dim,
                    }
                },
                "first_stage_config": {
                    "params": {
                        "embed_dim": 4,
                        "ddconfig": {
                            "double_z": True,
                            "z_channels": vae.latent_channels,
                            "resolution": 256,
                            "in_channels": 3,
                            "out_ch": 3,
                            "ch": vae.channels,
                            "ch_mult": list(vae.channel_mult),
                            "num_res_blocks": vae.res_blocks,
                            "attn_resolutions": [],
                        },
                    }
                },
            }
        }
    }


def inputs(count=2, height=16, width=24, tokens=77):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 5, height, width, generator=generator)
    timesteps = torch.tensor([999, 13, 500][:count])
    return x, timesteps, torch.randn(count, tokens, 128, generator=generator)


# --- MODEL ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference_unet(path):
    return UNet2DConditionModel.from_single_file(
        load_file(path), original_config=original_config(STRUCTURE)
    )


# 15×23 halves to 8×12 and 4×6: the way up has to meet sizes that are not doubled.
@pytest.mark.parametrize(("height", "width", "tokens"), [(16, 24, 77), (15, 23, 77), (8, 8, 154)])
def test_unet_equals_diffusers_own_reading_of_the_file(
    model, reference_unet, height, width, tokens
):
    x, timesteps, context = inputs(2, height, width, tokens)
    with torch.no_grad():
        expected = reference_unet(x, timesteps, context).sample
    noise = model.predict_noise(x, timesteps, context)
    assert noise.shape == (2, 4, height, width)
    assert noise.dtype == torch.float32
    assert relative_error(noise, expected) <= 1e-5


def test_the_depth_channel_is_the_last_one_and_counts(model):
    x, timesteps, context = inputs()
    other = x.clone()
    other[:, 4] = -x[:, 4]
    change = relative_error(
        model.predict_noise(other, timesteps, context), model.predict_noise(x, timesteps, context)
    )
    assert change > 1e-2


@pytest.mark.parametrize(
    ("x", "context", "message"),
    [
        ((2, 4, 8, 8), (2, 77, 128), r"\[2, 4, 8, 8\].*\[N, 5, h, w\]"),
        ((5, 8, 8), (2, 77, 128), r"\[5, 8, 8\]"),
        ((2, 5, 8, 8), (2, 77, 1024), r"\[2, 77, 1024\].*\[2, tokens, 128\]"),
        ((2, 5, 8, 8), (1, 77, 128), r"\[1, 77, 128\]"),
    ],
)
def test_shapes_that_do_not_fit_the_unet_are_named(model, x, context, message):
    with pytest.raises(ValueError, match=message):
        model.predict_noise(torch.zeros(x), torch.zeros(2, dtype=torch.int64), torch.zeros(context))


# --- VAE ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference_vae(path):
    """In float64: in float32 it is off by 2e-5 on this photo, ten times more than the engine."""
    return AutoencoderKL.from_single_file(
        load_file(path), original_config=original_config(STRUCTURE)
    ).double()


@pytest.fixture(scope="module")
def images(photo):
    return torch.cat([photo[:, 100:164, 200:296], photo[:, 300:364, 50:146]])  # [2, 64, 96, 3]


def test_vae_encodes_to_the_mean_as_diffusers_does(vae, reference_vae, images):
    with torch.no_grad():
        expected = reference_vae.encode(images.double().movedim(-1, 1) * 2 - 1).latent_dist.mode()
    latent = vae.encode(images)
    assert latent.shape == (2, 4, 8, 12)
    assert relative_error(latent, expected) <= 1e-5


def test_vae_decodes_as_diffusers_does_within_0_and_1(vae, reference_vae, images):
    latent = vae.encode(images)
    with torch.no_grad():
        expected = reference_vae.decode(latent.double()).sample.movedim(1, -1) / 2 + 0.5
    image = vae.decode(latent)
    assert image.shape == (2, 64, 96, 3)
    assert expected.min() < 0  # so that clamping is seen
    assert expected.max() > 1
    assert relative_error(image, expected.clamp(0, 1)) <= 1e-5


def test_sides_that_are_not_multiples_of_8_lose_their_edges_with_a_warning(vae, photo, caplog):
    image = photo[:, :77, :69]
    with caplog.at_level(logging.WARNING):
        latent = vae.encode(image)
    assert "69×77" in caplog.text
    assert "64×72" in caplog.text
    assert torch.equal(latent, vae.encode(image[:, 2:74, 2:66]))


def test_transparency_is_left_out_with_a_warning(vae, images, caplog):
    with caplog.at_level(logging.WARNING):
        latent = vae.encode(torch.cat([images, torch.rand(2, 64, 96, 1)], dim=-1))
    assert "transparency" in caplog.text
    assert torch.equal(latent, vae.encode(images))


@pytest.mark.parametrize("shape", [(64, 64, 3), (1, 3, 64, 64), (1, 64, 64, 1)])
def test_images_of_another_layout_are_refused(vae, shape):
    with pytest.raises(ValueError, match=r"it encodes \[B, H, W, 3\]"):
        vae.encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 7, 64, 3), (0, 64, 64, 3)])
def test_images_without_anything_to_encode_are_refused(vae, shape):
    with pytest.raises(ValueError, match="at least 8×8"):
        vae.encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4, 8, 8), (1, 16, 8, 8), (0, 4, 8, 8)])
def test_latents_of_another_model_are_refused(vae, shape):
    with pytest.raises(ValueError, match=r"it decodes \[B, 4, h, w\]"):
        vae.decode(torch.zeros(shape))


# --- CLIP -----------------------------------------------------------------------------------------


def open_clip_context(path, tokens):
    """SD2's conditioning from OpenCLIP's own tower: all layers but the last, then `ln_final`."""
    text = STRUCTURE.text
    tower = TextTransformer(
        width=text.width,
        heads=text.heads,
        layers=text.layers,
        mlp_ratio=text.mlp_width / text.width,
        output_dim=text.width,
    )
    weights = load_file(path)
    weights = {name.removeprefix(Part.TEXT.value): tensor for name, tensor in weights.items()}
    tower.load_state_dict({name: weights[name] for name in tower.state_dict()})
    with torch.no_grad():
        x = tower.token_embedding(tokens) + tower.positional_embedding
        for block in tower.transformer.resblocks[:-1]:
            x = block(x, attn_mask=tower.attn_mask)
        return tower.ln_final(x)


def test_text_tower_equals_open_clips_last_but_one_layer(path, clip):
    chunks = clip.tokenize("a photo of a cat, " * 20)
    tokens = torch.tensor([[token for token, _ in chunk] for chunk in chunks])
    assert len(tokens) == 2
    context = clip.encode(chunks)
    assert context.shape == (1, 154, 128)
    assert context.dtype == torch.float32
    expected = open_clip_context(path, tokens)
    assert relative_error(context, expected.flatten(0, 1)[None]) <= 1e-5


def test_weights_are_measured_from_the_empty_prompt(path, clip):
    plain, strong, empty = (
        clip.encode(clip.tokenize(text)) for text in ("red cat", "(red:1.5) cat", "")
    )
    assert torch.allclose(strong[0, 1], (plain - empty)[0, 1] * 1.5 + empty[0, 1], atol=1e-5)
    assert torch.allclose(strong[0, 2:], plain[0, 2:], atol=1e-5)


# --- Loading --------------------------------------------------------------------------------------


class RecordingFile:
    """A weight file that remembers what was read from it."""

    def __init__(self, file):
        self.file = file
        self.path = file.path
        self.names = []

    def read(self, name):
        self.names.append(name)
        return self.file.read(name)


def test_each_part_is_read_once_when_it_is_first_used(path):
    checkpoint = Checkpoint.open(path)
    file = RecordingFile(checkpoint.file)
    model, clip, vae = load(replace(checkpoint, file=file), "cpu")
    assert model.in_channels == 5
    assert file.names == []

    text = STRUCTURE.text
    clip.encode(clip.tokenize("a cat"))
    used = {Part.TEXT.value + name for name in text.tensors()}
    assert set(file.names) == used - {Part.TEXT.value + name for name in text.unused()}
    clip.encode(clip.tokenize("a dog"))
    assert len(file.names) == len(set(file.names))

    file.names.clear()
    vae.decode(torch.zeros(1, 4, 2, 2))
    assert sorted(file.names) == sorted(Part.VAE.value + n for n in STRUCTURE.vae.tensors())

    file.names.clear()
    model.predict_noise(*inputs(1, 8, 8))
    assert sorted(file.names) == sorted(Part.UNET.value + n for n in STRUCTURE.unet.tensors())


def test_half_precision_files_run_in_float32_on_the_cpu(tmp_path, model):
    half = make_checkpoint(tmp_path / "half.safetensors", STRUCTURE, 5, torch.float16)
    half_model, half_clip, half_vae = load(Checkpoint.open(half), "cpu")
    networks = (half_model.network, half_clip.network, half_vae.network)
    assert {p.dtype for network in networks for p in network.parameters()} == {torch.float32}
    arguments = inputs()
    change = relative_error(half_model.predict_noise(*arguments), model.predict_noise(*arguments))
    assert 0 < change < 1e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_small_types_run_in_float32_on_the_cpu_with_the_values_of_the_file(tmp_path, dtype):
    small = make_checkpoint(tmp_path / "small.safetensors", STRUCTURE, 5, dtype)
    wide = {name: tensor.float() for name, tensor in load_file(small).items()}
    save_file(wide, tmp_path / "wide.safetensors")
    found, expected = (
        load(Checkpoint.open(tmp_path / f"{name}.safetensors"), "cpu") for name in ("small", "wide")
    )
    assert torch.equal(found[0].predict_noise(*inputs()), expected[0].predict_noise(*inputs()))
    for ours, theirs in zip(found, expected, strict=True):
        weights = theirs.network.state_dict()
        for name, tensor in ours.network.state_dict().items():
            assert torch.equal(tensor, weights[name])
            assert tensor.dtype == weights[name].dtype


@pytest.mark.parametrize(
    ("part", "use"),
    [
        (Part.TEXT, lambda parts: parts[1].tokenize("a cottage")),
        (Part.VAE, lambda parts: parts[2].decode(torch.zeros(1, 4, 2, 2))),
    ],
)
def test_without_a_part_the_others_run_and_its_use_is_an_error(path, tmp_path, part, use):
    weights = {n: t for n, t in load_file(path).items() if not n.startswith(part.value)}
    save_file(weights, tmp_path / "cut.safetensors")
    parts = load(Checkpoint.open(tmp_path / "cut.safetensors"), "cpu")
    assert parts[0].predict_noise(*inputs()).isfinite().all()
    with pytest.raises(AttributeError, match=r"cut\.safetensors has no"):
        use(parts)


def test_nothing_is_left_on_the_meta_device_and_nothing_learns(parts):
    for part in parts:
        tensors = [*part.network.parameters(), *part.network.buffers()]
        assert {tensor.device.type for tensor in tensors} == {"cpu"}
        assert not any(tensor.requires_grad for tensor in tensors)
        assert not part.network.training


MAPS = Path("/proc/self/maps")  # Linux: address range, ..., file behind it


@pytest.mark.skipif(not MAPS.exists(), reason="only Linux tells what lies behind an address")
def test_weights_of_the_right_type_stay_memory_mapped(path):
    network = load(Checkpoint.open(path), "cpu")[0].network
    lines = [line for line in MAPS.read_text().splitlines() if line.endswith(str(path))]
    ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]
    for weight in network.parameters():
        assert any(start <= weight.data_ptr() < end for start, end in ranges)


def test_the_miniature_runs_from_prompt_to_image_shape(mini_checkpoint):
    model, clip, vae = load(Checkpoint.open(mini_checkpoint), "cpu")
    context = clip.encode(clip.tokenize("a cat"))
    noise = model.predict_noise(torch.zeros(1, 5, 8, 8), torch.tensor([999]), context)
    assert vae.decode(noise).shape == (1, 64, 64, 3)


def test_a_structure_that_diffusers_does_not_have_is_refused(tmp_path):
    unet = replace(STRUCTURE.unet, channel_mult=(2, 2), attention=(True, True))
    odd = make_checkpoint(tmp_path / "odd.safetensors", replace(STRUCTURE, unet=unet))
    with pytest.raises(ValueError, match=r"UNet's widths are \(2, 2\) times"):
        load(Checkpoint.open(odd), "cpu")
