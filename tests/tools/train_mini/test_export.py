"""The exported file is read back as the networks that were written."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.depth.networks.dpt import UNUSED
from sd2_depth2img.depth.networks.midas_hybrid import DPTHybrid
from sd2_depth2img.engine.networks import load
from sd2_depth2img.tools.train_mini.export import export
from sd2_depth2img.tools.train_mini.midas import new_midas
from sd2_depth2img.tools.train_mini.structure import STRUCTURE
from sd2_depth2img.tools.train_mini.unet import new_network, token_numbers
from sd2_depth2img.tools.train_mini.vae import new_vae, skip_finest

FACTS = {"title": "a test", "seed": 3, "data_version": 9}


@torch.no_grad()
def learned(network):
    """Every parameter a little off, as after learning, and a number that float16 can hold."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.copy_((parameter + 0.05 * noise).half())
    return network.eval()


def new_networks():
    return {
        "vae": new_vae(0),
        "midas": new_midas(0),
        "network": new_network(0),
    }


@pytest.fixture(scope="module")
def networks():
    return {name: learned(network) for name, network in new_networks().items()}


@pytest.fixture(scope="module")
def path(networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "mini.safetensors"
    export(path, **networks, facts=FACTS)
    return path


@pytest.fixture(scope="module")
def parts(path):
    return load(Checkpoint.open(path), "cpu")


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def assert_same(found, expected):
    assert expected.std() > 1e-3
    assert ((found - expected).norm() / expected.norm()).item() < 1e-5


# --- The file -------------------------------------------------------------------------------------


def test_the_file_has_the_tensors_of_the_structure_in_half_precision(path):
    tensors = load_file(path)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == STRUCTURE.tensors()
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}


def test_what_is_never_used_is_zero_and_nothing_else(path):
    idle = {Part.TEXT.value + name for name in STRUCTURE.text.unused()}
    for name, tensor in load_file(path).items():
        unused = name in idle or name.startswith(tuple(Part.MIDAS.value + x for x in UNUSED))
        assert unused == (not tensor.any()), name


def test_the_metadata_says_where_the_file_comes_from(path):
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["depth2img"])
    structure = facts.pop("structure")
    assert facts == FACTS
    assert structure["unet"]["model_channels"] == STRUCTURE.unet.model_channels


def test_the_same_networks_give_the_same_bytes(path, networks, tmp_path):
    again = tmp_path / "again.safetensors"
    export(again, **networks, facts=FACTS)
    assert again.read_bytes() == path.read_bytes()


def test_the_file_says_its_own_structure(path):
    checkpoint = Checkpoint.open(path)
    found = checkpoint.unet, checkpoint.vae, checkpoint.text
    assert found == (STRUCTURE.unet, STRUCTURE.vae, STRUCTURE.text)
    assert checkpoint.has_midas


# --- The networks ---------------------------------------------------------------------------------


@torch.no_grad()
def test_the_engine_paints_with_the_unet_and_reads_with_the_text_tower(parts, networks):
    model, clip, _ = parts
    x, timesteps, text = random(2, 5, 8, 8), torch.tensor([999, 20]), "a red clay vase"
    context = clip.encode(clip.tokenize(text))
    tower = networks["network"].text
    assert_same(context, tower(token_numbers(text)[None]).last_hidden_state)
    found = model.predict_noise(x, timesteps, context.expand(2, -1, -1))
    assert_same(found, networks["network"](x, timesteps, token_numbers(text).expand(2, -1)))


@torch.no_grad()
def test_the_engine_has_the_autoencoder(parts, networks):
    vae = networks["vae"]
    pixels, latent = random(1, 32, 40, 3).sigmoid(), random(1, 4, 4, 5)
    expected = vae.encode(pixels.movedim(-1, 1) * 2 - 1).latent_dist.mean
    assert_same(parts[2].encode(pixels), expected)
    decoded = vae.decode(latent).sample.movedim(1, -1) / 2 + 0.5
    assert_same(parts[2].decode(latent), decoded.clamp(0, 1))


@torch.no_grad()
def test_the_file_has_the_depth_network(path, networks):
    found = DPTHybrid.from_state_dict(Checkpoint.open(path).read(Part.MIDAS))
    pixels = random(1, 3, 64, 96).tanh()
    assert_same(found(pixels), networks["midas"](pixels))


# --- What is refused ------------------------------------------------------------------------------


def without_midas_head(networks):
    del networks["midas"].scratch.output_conv[4]
    return "depth_model.model.scratch.output_conv.4.weight"


def without_finest_level(networks):
    skip_finest(networks["vae"])
    return "first_stage_model.encoder.down.0.block.0.norm1.weight"


def too_large_for_half(networks):
    networks["network"].unet.conv_in.weight.data[0, 0, 0, 0] = -70000
    return r"input_blocks.0.0.weight holds NaN, or values beyond float16.s 65504 .largest: 70000"


@pytest.mark.parametrize("damage", [without_midas_head, without_finest_level, too_large_for_half])
def test_networks_that_do_not_fit_are_refused_by_name_and_nothing_is_written(tmp_path, damage):
    networks = new_networks()
    message = damage(networks)
    with pytest.raises(ValueError, match=message):
        export(tmp_path / "mini.safetensors", **networks, facts=FACTS)
    assert list(tmp_path.iterdir()) == []


def test_a_tensor_of_another_shape_is_refused_by_name(tmp_path, monkeypatch):
    wider = replace(STRUCTURE, text=replace(STRUCTURE.text, mlp_width=512))
    monkeypatch.setattr("sd2_depth2img.tools.train_mini.export.STRUCTURE", wider)
    with pytest.raises(ValueError, match=r"resblocks\.0\.mlp\.c_fc\.weight has shape \(256, 64\)"):
        export(tmp_path / "mini.safetensors", **new_networks(), facts=FACTS)
