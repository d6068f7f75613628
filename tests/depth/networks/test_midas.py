"""DPT-Hybrid against transformers' own, on random weights, and against the real file's layout."""

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import DPTConfig, DPTForDepthEstimation

from sd2_depth2img.checkpoints.midas_keymap import MIDAS_KEYS
from sd2_depth2img.depth.networks.dpt import UNUSED
from sd2_depth2img.depth.networks.midas_hybrid import DPTHybrid, Widths
from sd2_depth2img.depth.networks.network import Shapes

pytestmark = pytest.mark.usefixtures("one_thread")

TABLE = Path(__file__).parents[2] / "data" / "512-depth-ema.keys.tsv"
PREFIX = "depth_model.model."


@pytest.fixture(scope="module")
def full_size():
    """Name -> shape of the 368 tensors of MiDaS in the real file."""
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()]
    return {
        row[0].removeprefix(PREFIX): tuple(int(side) for side in row[1].split("x"))
        for row in rows
        if row[0].startswith(PREFIX)
    }


@pytest.fixture(scope="module")
def small():
    """Peer and weights of a miniature whose widths are all different from each other."""
    peer = transformers_dpt(
        stem=32, stages=[128, 256, 384], tokens=128, mlp=192, neck=[96, 160], fusion=48, size=96
    )
    return peer, midas_weights(peer)


def transformers_dpt(stem, stages, tokens, mlp, neck, fusion, size):
    """transformers' own DPT-Hybrid with random weights; takes any multiple of 32 pixels."""
    config = DPTConfig(
        is_hybrid=True,
        backbone_config={
            "model_type": "bit",
            "global_padding": "same",
            "layer_type": "bottleneck",
            "depths": [3, 4, 9],
            "embedding_size": stem,
            "hidden_sizes": stages,
            "out_features": ["stage1", "stage2", "stage3"],
            "embedding_dynamic_padding": True,
        },
        backbone_featmap_shape=[1, stages[-1], size // 16, size // 16],
        hidden_size=tokens,
        num_attention_heads=tokens // 64,
        intermediate_size=mlp,
        neck_hidden_sizes=[*stages[:2], *neck],
        fusion_hidden_size=fusion,
        image_size=size,
        layer_norm_eps=1e-6,
    )
    with torch.device("meta"):
        peer = DPTForDepthEstimation(config)
    draw = Noise()
    weights = {name: draw.tensor(name, p.shape) for name, p in peer.state_dict().items()}
    peer.load_state_dict(weights, assign=True)
    return peer.eval().requires_grad_(False)


class Noise:
    """Random weights that keep activations lively: pieces of one pool, for speed."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(7)
        self.pool = torch.randn(6_400_000, generator=self.generator)

    def tensor(self, name, shape):
        start = int(torch.randint(1_000_000, (), generator=self.generator))
        values = self.pool[start : start + shape.numel()].reshape(shape)
        if name.startswith("dpt.embeddings.") and "backbone" not in name:
            values = 0.02 * values  # tokens so small that the epsilon of the norms counts
        if "position" in name or "cls_token" in name:
            return values.clone()
        if name == "head.head.4.weight":  # all positive, or the last ReLU would leave little
            return values.abs()
        if len(shape) > 1:
            return values / values[0].numel() ** 0.5
        return (1 if "norm" in name and name.endswith("weight") else 0) + 0.2 * values


def midas_weights(peer):
    """The peer's weights under the original file's names, and a classifier as the file has one."""
    weights = dict(MIDAS_KEYS.to_ldm(peer.state_dict().__getitem__))
    width = weights["pretrained.model.cls_token"].shape[-1]
    weights["pretrained.model.head.weight"] = torch.full((1000, width), torch.nan)
    weights["pretrained.model.head.bias"] = torch.full((1000,), torch.nan)
    return weights


def peer_depth(peer, pixels):
    """What transformers makes of any size, although it insists on squares of its own size."""
    rows, columns = pixels.shape[-2] // 16, pixels.shape[-1] // 16
    embed, neck = peer.dpt.embeddings.forward, peer.neck.forward
    peer.dpt.embeddings.forward = partial(embed, interpolate_pos_encoding=True)
    peer.neck.forward = lambda maps, *_: neck(maps, rows, columns)
    try:
        with torch.no_grad():
            return peer(pixels).predicted_depth
    finally:
        peer.dpt.embeddings.forward, peer.neck.forward = embed, neck


def random_pixels(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) * 2 - 1


def assert_equal_within(result, reference, tolerance=1e-5):
    assert result.shape == reference.shape
    assert reference.std() > 0.05 * reference.mean() > 0  # not just a constant
    assert (result - reference).norm() / reference.norm() <= tolerance


@pytest.mark.parametrize("size", [(96, 96), (64, 64), (160, 160), (96, 160), (192, 64), (32, 320)])
def test_small_network_equals_transformers(small, size):
    peer, weights = small
    pixels = random_pixels(2, 3, *size)
    assert_equal_within(DPTHybrid.from_state_dict(weights)(pixels), peer_depth(peer, pixels))


@pytest.mark.parametrize("size", [(64, 96), pytest.param((384, 384), marks=pytest.mark.slow)])
def test_full_width_network_equals_transformers(full_size, size):
    peer = transformers_dpt(
        stem=64,
        stages=[256, 512, 1024],
        tokens=768,
        mlp=3072,
        neck=[768, 768],
        fusion=256,
        size=384,
    )
    weights = midas_weights(peer)
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == full_size
    pixels = random_pixels(1, 3, *size)
    assert_equal_within(DPTHybrid.from_state_dict(weights)(pixels), peer_depth(peer, pixels))


def test_depth_is_never_negative(small):
    peer, weights = small
    pixels = random_pixels(1, 3, 96, 96)
    reference = peer_depth(peer, pixels)
    middle = reference.median()
    bias = weights["scratch.output_conv.4.bias"]
    lowered = DPTHybrid.from_state_dict(weights | {"scratch.output_conv.4.bias": bias - middle})
    assert torch.allclose(lowered(pixels), (reference - middle).relu(), atol=1e-3)


def test_every_tensor_of_the_real_file_is_loaded_or_named_as_unused(full_size):
    assert len(full_size) == 368
    with torch.device("meta"):
        network = DPTHybrid(Widths.from_shapes(Shapes(full_size, DPTHybrid.KIND.name)))
    loaded = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    unused = {name for name in full_size if name.startswith(UNUSED)}
    assert sorted(unused) == [
        "pretrained.model.head.bias",
        "pretrained.model.head.weight",
        "pretrained.model.norm.bias",
        "pretrained.model.norm.weight",
        "scratch.refinenet4.resConfUnit1.conv1.bias",
        "scratch.refinenet4.resConfUnit1.conv1.weight",
        "scratch.refinenet4.resConfUnit1.conv2.bias",
        "scratch.refinenet4.resConfUnit1.conv2.weight",
    ]
    assert loaded == {name: shape for name, shape in full_size.items() if name not in unused}


def test_weights_are_taken_without_a_copy_and_without_random_numbers(small):
    _, weights = small
    state = torch.get_rng_state()
    network = DPTHybrid.from_state_dict(weights)
    assert torch.equal(torch.get_rng_state(), state)
    for name, parameter in network.named_parameters():
        assert parameter.data_ptr() == weights[name].data_ptr()
        assert not parameter.requires_grad
    assert not network.training


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_computed_with_in_float32(small, dtype):
    _, weights = small
    half = {name: tensor.to(dtype) for name, tensor in weights.items()}
    pixels = random_pixels(1, 3, 64, 64)
    result = DPTHybrid.from_state_dict(half)(pixels)
    same = DPTHybrid.from_state_dict({name: tensor.float() for name, tensor in half.items()})
    assert result.dtype == torch.float32
    assert torch.equal(result, same(pixels))


def test_network_built_in_inference_mode_works_outside_of_it(small):
    _, weights = small
    pixels = random_pixels(1, 3, 64, 64)
    with torch.inference_mode():
        network = DPTHybrid.from_state_dict({k: tensor.half() for k, tensor in weights.items()})
    assert network(pixels).isfinite().all()


def test_images_of_a_batch_do_not_see_each_other(small):
    network = DPTHybrid.from_state_dict(small[1])
    pixels = random_pixels(3, 3, 64, 96)
    alone = torch.cat([network(image) for image in pixels.split(1)])
    assert torch.allclose(network(pixels), alone, rtol=1e-4, atol=1e-5)


def test_missing_unknown_and_misshapen_tensors_are_all_named(small):
    weights = dict(small[1])
    del weights["scratch.layer2_rn.weight"]
    del weights["pretrained.model.blocks.3.norm1.bias"]
    weights["scratch.layer5_rn.weight"] = torch.zeros(1)
    weights["pretrained.model.cls_token"] = torch.zeros(1, 1, 64)
    with pytest.raises(ValueError, match="do not make a MiDaS DPT-Hybrid") as error:
        DPTHybrid.from_state_dict(weights)
    said = str(error.value)
    assert "pretrained.model.blocks.3.norm1.bias, scratch.layer2_rn.weight are missing" in said
    assert "scratch.layer5_rn.weight is unknown" in said
    assert "pretrained.model.cls_token (1, 1, 64) instead of (1, 1, 128) is of another" in said


def test_a_long_list_of_wrong_tensors_is_cut_short(small):
    weights = {name: t for name, t in small[1].items() if ".blocks.11." not in name}
    with pytest.raises(ValueError, match=r"and 4 more are missing"):
        DPTHybrid.from_state_dict(weights)


@pytest.mark.parametrize(
    "name",
    [
        "pretrained.model.patch_embed.backbone.stem.conv.weight",
        "pretrained.model.patch_embed.backbone.stages.2.blocks.0.conv3.weight",
        "pretrained.model.pos_embed",
        "pretrained.act_postprocess4.3.weight",
        "scratch.output_conv.2.weight",
    ],
)
def test_a_missing_tensor_that_a_width_is_read_from_is_named(small, name):
    weights = {key: tensor for key, tensor in small[1].items() if key != name}
    with pytest.raises(ValueError, match=re.escape(name) + " is missing"):
        DPTHybrid.from_state_dict(weights)


def test_no_weights_at_all_are_refused():
    with pytest.raises(ValueError, match="not the weights of a MiDaS DPT-Hybrid"):
        DPTHybrid.from_state_dict({})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": 96}, "transformer has 96 channels.* multiple of 64"),
        ({"stem": 48}, "stem has 48 channels.* multiple of 32"),
        ({"stages": (128, 192, 256)}, "stage 1 has 192 channels.* multiple of 128"),
    ],
)
def test_impossible_widths_are_refused(change, message):
    possible = {
        "stem": 32,
        "stages": (128, 128, 128),
        "tokens": 64,
        "mlp": 64,
        "grid": 2,
        "neck": (32, 32),
        "fusion": 16,
        "head": (8, 8),
    }
    Widths(**possible)
    with pytest.raises(ValueError, match=message):
        Widths(**possible | change)


@pytest.mark.parametrize(
    "shape", [(3, 64, 64), (1, 4, 64, 64), (1, 3, 64, 48), (1, 3, 0, 64), (1, 3, 33, 64)]
)
def test_pixels_of_another_shape_are_refused_with_their_shape(small, shape):
    network = DPTHybrid.from_state_dict(small[1])
    with pytest.raises(ValueError, match="multiples of 32") as error:
        network(torch.zeros(shape))
    assert str(shape) in str(error.value)
