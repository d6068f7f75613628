"""The key maps are complete and lead to names that diffusers and transformers really have."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTextConfig, CLIPTextModel

from sd2_depth2img.checkpoints.architecture import (
    FULL_TEXT,
    FULL_UNET,
    FULL_VAE,
    TextArchitecture,
    UNetArchitecture,
    VAEArchitecture,
)
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.keymaps import Entry, text_keys, unet_keys, vae_keys
from sd2_depth2img.tools.make_checkpoint import random_weights

TABLE = Path(__file__).parents[1] / "data" / "512-depth-ema.keys.tsv"


def real_tensors(part):
    """Name (prefix stripped) -> shape of a part of the real file."""
    rows = (line.split("\t") for line in TABLE.read_text().splitlines() if line[0] != "#")
    return {
        name[len(part.value) :]: tuple(int(n) for n in shape.split("x") if n)
        for name, shape in rows
        if name.startswith(part.value)
    }


# --- The full-size networks, built from the configurations of SD2's own diffusers folders ---------


def sd2_unet(unet=FULL_UNET):
    down = ["CrossAttnDownBlock2D" if attention else "DownBlock2D" for attention in unet.attention]
    up = ["CrossAttnUpBlock2D" if attention else "UpBlock2D" for attention in unet.attention]
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=64,
            in_channels=unet.in_channels,
            attention_head_dim=[width // 64 for width in unet.levels],
            block_out_channels=unet.levels,
            cross_attention_dim=unet.context_dim,
            down_block_types=down,
            up_block_types=up[::-1],
            layers_per_block=unet.res_blocks,
            use_linear_projection=True,
        )


def sd2_vae(vae=FULL_VAE):
    with torch.device("meta"):
        return AutoencoderKL(
            block_out_channels=vae.levels,
            down_block_types=["DownEncoderBlock2D"] * len(vae.levels),
            up_block_types=["UpDecoderBlock2D"] * len(vae.levels),
            layers_per_block=vae.res_blocks,
            latent_channels=4,
            sample_size=768,
        )


def sd2_text_encoder():
    with torch.device("meta"):
        return CLIPTextModel(
            CLIPTextConfig(
                hidden_act="gelu",
                hidden_size=1024,
                intermediate_size=4096,
                num_attention_heads=16,
                num_hidden_layers=23,
                projection_dim=512,
            )
        )


PARTS = {
    Part.UNET: (unet_keys, FULL_UNET, sd2_unet),
    Part.VAE: (vae_keys, FULL_VAE, sd2_vae),
    Part.TEXT: (text_keys, FULL_TEXT, sd2_text_encoder),
}


def shapes_of(network):
    """Names as in a diffusers folder; transformers 5 drops the text tower's prefix in memory."""
    prefix = "text_model." if isinstance(network, CLIPTextModel) else ""
    return {
        prefix + name.removeprefix(prefix): tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
    }


def mapped_shapes(keys, shapes):
    read = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    return {name: tuple(tensor.shape) for name, tensor in keys.to_diffusers(read.__getitem__)}


@pytest.mark.parametrize("part", PARTS)
def test_every_tensor_of_the_real_file_is_mapped_once_or_named_as_unused(part):
    make, architecture, _ = PARTS[part]
    keys = make(architecture)
    sources = [entry.ldm for entry in keys.entries]
    targets = [name for entry in keys.entries for name in entry.diffusers]
    assert len(set(sources)) == len(sources)
    assert len(set(targets)) == len(targets)
    unused = architecture.unused() if part is Part.TEXT else set()
    assert not set(sources) & unused
    assert set(sources) | unused == set(real_tensors(part))


@pytest.mark.parametrize("part", PARTS)
def test_names_and_shapes_are_exactly_those_of_the_full_size_network(part):
    make, architecture, network = PARTS[part]
    assert mapped_shapes(make(architecture), real_tensors(part)) == shapes_of(network())


def test_what_the_text_tower_leaves_out_is_the_last_layer_and_clips_own_projection():
    unused = set(FULL_TEXT.tensors()) - {entry.ldm for entry in text_keys(FULL_TEXT).entries}
    assert {name for name in unused if "resblocks.23." not in name} == {
        "text_projection",
        "logit_scale",
    }
    assert len(unused) == 12 + 2


def multipliers(levels):
    """Diffusers' first level is as wide as the first convolution, as in every SD model."""
    return st.lists(st.integers(1, 3), min_size=levels - 1, max_size=levels - 1).map(
        lambda rest: (1, *rest)
    )


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_unet_architecture_maps_onto_diffusers_network(data):
    levels = data.draw(st.integers(2, 4))
    unet = UNetArchitecture(
        in_channels=5,
        out_channels=4,
        model_channels=64,
        channel_mult=data.draw(multipliers(levels)),
        res_blocks=data.draw(st.integers(1, 3)),
        attention=tuple(data.draw(st.lists(st.booleans(), min_size=levels, max_size=levels))),
        context_dim=64,
    )
    assert mapped_shapes(unet_keys(unet), unet.tensors()) == shapes_of(sd2_unet(unet))


@settings(max_examples=5, deadline=None)
@given(mult=st.integers(1, 4).flatmap(multipliers), res_blocks=st.integers(1, 3))
def test_any_vae_architecture_maps_onto_diffusers_network(mult, res_blocks):
    vae = VAEArchitecture(channels=32, channel_mult=mult, res_blocks=res_blocks)
    assert mapped_shapes(vae_keys(vae), vae.tensors()) == shapes_of(sd2_vae(vae))


def test_query_key_and_value_are_split_in_that_order():
    (entry,) = (
        entry
        for entry in text_keys(TextArchitecture(width=64, layers=2, mlp_width=64)).entries
        if entry.ldm.endswith("in_proj_bias")
    )
    parts = dict(zip(entry.diffusers, entry.split(torch.arange(192)), strict=True))
    layer = "text_model.encoder.layers.0.self_attn"
    assert parts[f"{layer}.q_proj.bias"].tolist() == list(range(64))
    assert parts[f"{layer}.k_proj.bias"].tolist() == list(range(64, 128))
    assert parts[f"{layer}.v_proj.bias"].tolist() == list(range(128, 192))


def test_a_1x1_convolution_becomes_a_matrix_with_the_same_values_and_memory():
    weight = torch.arange(6.0).reshape(3, 2, 1, 1)
    (matrix,) = Entry("q.weight", ("to_q.weight",), squeezed=True).split(weight)
    assert matrix.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert matrix.data_ptr() == weight.data_ptr()


def test_a_missing_tensor_is_named():
    with pytest.raises(KeyError, match=r"encoder\.conv_in\.weight"):
        dict(vae_keys(FULL_VAE).to_diffusers({}.__getitem__))


# --- The way back ---------------------------------------------------------------------------------

SMALL_TEXT = TextArchitecture(width=64, layers=3, mlp_width=128, vocabulary=50)
SMALL_UNET = UNetArchitecture(
    in_channels=5,
    out_channels=4,
    model_channels=64,
    channel_mult=(1, 2),
    res_blocks=1,
    attention=(True, False),
    context_dim=64,
)
SMALL_VAE = VAEArchitecture(channels=32, channel_mult=(1, 2), res_blocks=1)


@pytest.mark.parametrize(
    ("make", "architecture"),
    [(unet_keys, SMALL_UNET), (vae_keys, SMALL_VAE), (text_keys, SMALL_TEXT)],
    ids=["unet", "vae", "text"],
)
def test_the_way_back_gives_every_used_tensor_as_it_was(make, architecture):
    keys = make(architecture)
    original = random_weights(architecture.tensors(), seed=1)
    diffusers = dict(keys.to_diffusers(original.__getitem__))
    asked = []

    def read(name):
        asked.append(name)
        return diffusers[name]

    back = dict(keys.to_ldm(read))
    assert sorted(asked) == sorted(diffusers)
    unused = architecture.unused() if isinstance(architecture, TextArchitecture) else set()
    assert set(back) == set(original) - unused
    for name, tensor in back.items():
        assert torch.equal(tensor, original[name]), name


def test_query_key_and_value_are_joined_in_that_order():
    entry = Entry("in_proj", ("q", "k", "v"))
    query, key, value = torch.full((2, 3), 1.0), torch.full((2, 3), 2.0), torch.full((2, 3), 3.0)
    assert entry.join([query, key, value])[:, 0].tolist() == [1, 1, 2, 2, 3, 3]


def test_a_tensor_that_is_missing_in_diffusers_is_named():
    with pytest.raises(KeyError, match=r"encoder\.conv_in\.weight"):
        dict(vae_keys(SMALL_VAE).to_ldm({}.__getitem__))
