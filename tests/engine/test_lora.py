"""LoRAs on the engine's networks: what the layers then compute, and what is said of other files.

`tests/comfyui/test_in_comfyui_loras.py` compares weights and latents with ComfyUI's.
"""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.engine.lora import LoraDoesNotFit, with_lora
from sd2_depth2img.engine.networks import add_difference, load, text_tower

pytestmark = pytest.mark.usefixtures("one_thread")

CONV_IN = "diffusion_model.input_blocks.0.0"
QUERY = "text_encoder.text_model.encoder.layers.1.self_attn.q_proj"


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def networks(mini_checkpoint):
    """MODEL and CLIP, their weights not yet read."""
    return load(Checkpoint.open(mini_checkpoint), "cpu")[:2]


@pytest.fixture
def lora(tmp_path):
    """Writes tensors to a file and opens it."""

    def write(tensors, name="style.safetensors"):
        save_file({n: tensor.contiguous() for n, tensor in tensors.items()}, tmp_path / name)
        return open_weights(tmp_path / name)

    return write


def pair(stem, up, down, **more):
    return {
        f"{stem}.lora_up.weight": up,
        f"{stem}.lora_down.weight": down,
        **{f"{stem}.{ending}": tensor for ending, tensor in more.items()},
    }


# --- what the layers compute ----------------------------------------------------------------------


def test_the_first_convolution_has_a_path_of_low_rank_beside_it(networks, lora):
    """With all five channels: W + s·a/r·up·down is the same as two convolutions in a row."""
    model, clip = networks
    up, down, x = random(64, 2, 1, 1), random(2, 5, 3, 3, seed=1), random(1, 5, 8, 8, seed=2)
    file = lora(pair(CONV_IN, up, down, alpha=torch.tensor(3.0)))
    changed, same_clip = with_lora(file, model, clip, strength_model=0.5)
    expected = model.network.conv_in(x) + 0.5 * 3 / 2 * F.conv2d(F.conv2d(x, down, padding=1), up)
    assert torch.allclose(changed.network.conv_in(x), expected, atol=1e-5)
    name = Part.UNET.value + "out.2.weight"
    assert torch.equal(
        changed.checkpoint.file.read(name), model.checkpoint.file.read(name)
    )  # others stay
    assert torch.equal(
        same_clip.network(torch.tensor([[49406, 320, 49407]])).last_hidden_state,
        clip.network(torch.tensor([[49406, 320, 49407]])).last_hidden_state,
    )


def test_a_middle_convolution_lies_between_two_of_1_by_1(networks, lora):
    """LyCORIS's CP decomposition: down 1×1, middle 3×3, up 1×1; without alpha their product."""
    model, _ = networks
    up, down, middle = random(64, 2, 1, 1), random(2, 5, 1, 1, seed=1), random(2, 2, 3, 3, seed=3)
    file = lora(pair(CONV_IN, up, down, **{"lora_mid.weight": middle}))
    changed, _ = with_lora(file, model, None)
    x = random(1, 5, 8, 8, seed=2)
    beside = F.conv2d(F.conv2d(F.conv2d(x, down), middle, padding=1), up)
    assert torch.allclose(changed.network.conv_in(x), model.network.conv_in(x) + beside, atol=1e-4)


def test_one_third_of_the_text_towers_joined_matrix_changes(networks, lora):
    model, clip = networks
    up, down = random(64, 2), random(2, 64, seed=1)
    _, changed = with_lora(lora(pair(QUERY, up, down)), model, clip, strength_clip=2.0)
    before, after = (text_tower(one.network).encoder.layers[1].self_attn for one in (clip, changed))
    assert torch.allclose(after.q_proj.weight, before.q_proj.weight + 2 * up @ down, atol=1e-5)
    assert torch.equal(after.k_proj.weight, before.k_proj.weight)


def test_pefts_own_names_of_attention_are_known(networks, lora):
    """ComfyUI knows these layers only with `processor` before the last name."""
    model, _ = networks
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
    up, down = random(64, 2), random(2, 64, seed=1)
    tensors = {f"unet.{layer}.lora_B.weight": up, f"unet.{layer}.lora_A.weight": down}
    changed, _ = with_lora(lora(tensors), model, None)
    before, after = (one.network.get_submodule(layer).weight for one in (model, changed))
    assert torch.allclose(after, before + up @ down, atol=1e-5)


def test_differences_of_weights_and_biases_are_added(networks, lora):
    model, clip = networks
    tensors = {
        f"{CONV_IN}.diff": random(64, 5, 3, 3),
        f"{CONV_IN}.diff_b": random(64, seed=1),
        "diffusion_model.out.2.bias.diff": random(4, seed=2),
        f"{QUERY}.diff_b": random(64, seed=3),
    }
    changed, changed_clip = with_lora(lora(tensors), model, clip, 0.5, 0.5)
    conv, before = changed.network.conv_in, model.network.conv_in
    assert torch.equal(conv.weight, before.weight + 0.5 * tensors[f"{CONV_IN}.diff"])
    assert torch.equal(conv.bias, before.bias + 0.5 * tensors[f"{CONV_IN}.diff_b"])
    out = changed.network.conv_out.bias - model.network.conv_out.bias
    assert torch.allclose(out, 0.5 * random(4, seed=2), atol=1e-6)
    q, q_before = (
        text_tower(one.network).encoder.layers[1].self_attn.q_proj.bias
        for one in (changed_clip, clip)
    )
    assert torch.equal(q, q_before + 0.5 * tensors[f"{QUERY}.diff_b"])


def test_two_loras_add_up_and_an_opposite_one_takes_the_first_back(networks, lora):
    model, _ = networks
    first = lora(pair(CONV_IN, random(64, 2, 1, 1), random(2, 5, 3, 3)))
    there, _ = with_lora(first, model, None)
    back, _ = with_lora(first, there, None, strength_model=-1.0)
    weight, other, third = (one.network.conv_in.weight for one in (model, there, back))
    assert torch.allclose(weight, third, atol=1e-6)
    assert not torch.allclose(weight, other, atol=0.1)


def test_a_side_without_strength_is_the_same_object(networks, lora):
    model, clip = networks
    file = lora(pair(CONV_IN, random(64, 2, 1, 1), random(2, 5, 3, 3)))
    assert with_lora(file, model, clip, 0.0, 1.0)[0] is model
    assert with_lora(file, model, clip, 1.0, 0.0)[1] is clip


# --- what does not fit ----------------------------------------------------------------------------


def test_what_fits_nothing_is_named(networks, lora, caplog):
    model, _ = networks
    fits = pair(CONV_IN, random(64, 2, 1, 1), random(2, 5, 3, 3))
    others = pair("lora_te_text_model_encoder_layers_0_mlp_fc1", random(256, 2), random(2, 64))
    with_lora(lora({**fits, **others}), model, None)  # the UNet alone: the text encoder's do not
    assert "style.safetensors: left out, because it fits nothing in this model" in caplog.text
    assert "2 tensors of 4" in caplog.text
    assert "lora_te_text_model_encoder_layers_0_mlp_fc1" in caplog.text
    caplog.clear()
    with_lora(lora({**fits, **others}), *networks)
    assert not caplog.text


def test_a_layer_of_another_size_is_named(networks, lora, caplog):
    """A LoRA for SD2 without depth has four channels in the first convolution."""
    model, _ = networks
    time = "diffusion_model.time_embed.0"
    tensors = {
        **pair(CONV_IN, random(64, 2, 1, 1), random(2, 4, 3, 3)),
        **pair(time, random(256, 2), random(2, 64)),
    }
    changed, _ = with_lora(lora(tensors), model, None)
    assert f"{CONV_IN}.lora_up.weight for [64, 4, 3, 3], not for [64, 5, 3, 3]" in caplog.text
    assert "may be for another model" in caplog.text
    assert torch.equal(changed.network.conv_in.weight, model.network.conv_in.weight)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (
            pair("lora_unet_double_blocks_0_img_attn_proj", random(64, 2), random(2, 64)),
            "This is a LoRA for another family",
        ),
        (
            pair(
                "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k",
                random(320, 2),
                random(2, 768),
            ),
            r"LoRA for Stable Diffusion 1.5.*for \[320, 768\], not for \[64, 64\]",
        ),
        ({"emb_params": random(1, 1024)}, "This is a textual inversion embedding"),
        ({}, "found no tensors"),
    ],
)
def test_a_file_of_which_nothing_fits_is_refused(networks, lora, tensors, said):
    with pytest.raises(LoraDoesNotFit, match=r"style.safetensors fits nothing.*" + said):
        with_lora(lora(tensors), *networks)


def test_relatives_of_lora_are_refused_by_name(networks, lora):
    tensors = {
        f"{CONV_IN}.hada_w1_a": random(64, 2),
        f"{CONV_IN}.hada_w1_b": random(2, 45),
        f"{CONV_IN}.hada_w2_a": random(64, 2),
        f"{CONV_IN}.hada_w2_b": random(2, 45),
    }
    with pytest.raises(LoraDoesNotFit, match="holds LoHa"):
        with_lora(lora(tensors), *networks)
    scaled = pair(CONV_IN, random(64, 2, 1, 1), random(2, 5, 3, 3), dora_scale=random(64, 1))
    with pytest.raises(LoraDoesNotFit, match="holds DoRA"):
        with_lora(lora(scaled), *networks)


def test_a_damaged_lora_is_refused_when_it_is_read(networks, lora):
    down = random(2, 5, 3, 3)
    down[0, 0, 0, 0] = torch.nan
    changed, _ = with_lora(lora(pair(CONV_IN, random(64, 2, 1, 1), down)), *networks)
    with pytest.raises(ValueError, match=r"style.safetensors: .*not a number"):
        _ = changed.network


def test_a_lora_on_a_fine_tune_is_part_of_what_it_learnt(networks, lora, mini_checkpoint, tmp_path):
    """Depth + (base with LoRA − base) is depth with the LoRA, where both have the layer."""
    model, _ = networks
    weights = load_file(mini_checkpoint)
    first = Part.UNET.value + "input_blocks.0.0.weight"
    weights[first] = weights[first][:, :4].contiguous()
    save_file(weights, tmp_path / "base.safetensors")
    base, *_ = load(Checkpoint.open(tmp_path / "base.safetensors", depth_only=False), "cpu")
    file = lora(pair("diffusion_model.time_embed.0", random(256, 2), random(2, 64, seed=1)))
    fine_tune, _ = with_lora(file, base, None, 0.5)
    found, expected = (
        one.network.time_embedding.linear_1.weight
        for one in (
            add_difference(model, fine_tune, base, 1.0),
            with_lora(file, model, None, 0.5)[0],
        )
    )
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, model.network.time_embedding.linear_1.weight, atol=0.1)
