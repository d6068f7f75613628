"""DPT-Large, v2.1 small and 3.1 Swin2-tiny against second implementations, on random weights.

DPT-Large and Swin2 against transformers' own networks with converted weights; small against a
straightforward one in here that knows of no modules, only of the file's tensors.
"""

import re
from functools import partial

import pytest
import timm
import torch
import torch.nn.functional as F
from transformers import DPTConfig, DPTForDepthEstimation, Swinv2Config

from sd2_depth2img.depth.estimate import Settings, estimate
from sd2_depth2img.depth.networks.estimators import UnknownDepthModel, build_network, recognise
from sd2_depth2img.depth.networks.kinds import NETWORK_KINDS
from sd2_depth2img.depth.networks.midas_hybrid import DPTHybrid
from sd2_depth2img.depth.networks.midas_hybrid import Widths as HybridWidths
from sd2_depth2img.depth.networks.midas_large import DPTLarge
from sd2_depth2img.depth.networks.midas_small import MidasSmall
from sd2_depth2img.depth.networks.midas_swin2 import MidasSwin2
from sd2_depth2img.depth.networks.network import Fit, network_size

pytestmark = pytest.mark.usefixtures("one_thread")

LIMIT = 1e-4  # relative L2


def lively(name, shape, generator):
    """Random weights that keep activations lively."""
    values = torch.randn(shape, generator=generator)
    if name.endswith(("running_var", "logit_scale")):
        return 0.5 + values.abs()
    if name in ("head.head.4.weight", "scratch.output_conv.4.weight"):
        return values.abs()  # or the last ReLU would leave little
    if len(shape) > 1:
        return values / values[0].numel() ** 0.5
    is_scale = re.search(r"(norm\w*|bn\d|layer1\.1)\.weight$", name)
    return (1 if is_scale else 0) + 0.2 * values


def lively_weights(shapes, seed=7):
    generator = torch.Generator().manual_seed(seed)
    return {name: lively(name, shape, generator) for name, shape in shapes.items()}


def enlivened(peer):
    shapes = {n: t.shape for n, t in peer.state_dict().items() if t.is_floating_point()}
    # Not strict: integer buffers are tables that the network computes for itself.
    peer.load_state_dict(lively_weights(shapes), assign=True, strict=False)
    return peer.eval().requires_grad_(False)


def random_pixels(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) * 2 - 1


def assert_equal_within_limit(result, reference):
    assert result.shape == reference.shape
    assert reference.std() > 0.02 * reference.mean() > 0  # not just a constant
    assert (result - reference).norm() / reference.norm() <= LIMIT


DECODER_NAMES = [
    *((rf"neck\.convs\.{i}\.", f"scratch.layer{i + 1}_rn.") for i in range(4)),
    *(
        (
            rf"neck\.fusion_stage\.layers\.{i}\.residual_layer(\d)\.convolution(\d)\.",
            rf"scratch.refinenet{4 - i}.resConfUnit\1.conv\2.",
        )
        for i in range(4)
    ),
    *(
        (rf"neck\.fusion_stage\.layers\.{i}\.projection\.", f"scratch.refinenet{4 - i}.out_conv.")
        for i in range(4)
    ),
    (r"head\.head\.(\d)\.", r"scratch.output_conv.\1."),
]


def renamed(name, names):
    fitting = [(old, new) for old, new in names if re.match(old, name)]
    assert len(fitting) == 1, name
    return re.sub("^" + fitting[0][0], fitting[0][1], name)


# --- DPT-Large -----------------------------------------------------------------------------------

VIT, LAYER = "pretrained.model.", r"dpt\.encoder\.layer\.(\d+)\."
LARGE_NAMES = [
    (r"dpt\.embeddings\.patch_embeddings\.projection\.", VIT + "patch_embed.proj."),
    (r"dpt\.embeddings\.position_embeddings", VIT + "pos_embed"),
    (r"dpt\.embeddings\.cls_token", VIT + "cls_token"),
    (LAYER + r"layernorm_before\.", VIT + r"blocks.\1.norm1."),
    (LAYER + r"layernorm_after\.", VIT + r"blocks.\1.norm2."),
    (LAYER + r"attention\.output\.dense\.", VIT + r"blocks.\1.attn.proj."),
    (LAYER + r"intermediate\.dense\.", VIT + r"blocks.\1.mlp.fc1."),
    (LAYER + r"output\.dense\.", VIT + r"blocks.\1.mlp.fc2."),
    (r"dpt\.layernorm\.", VIT + "norm."),
    *(
        (
            rf"neck\.reassemble_stage\.readout_projects\.{i}\.",
            f"pretrained.act_postprocess{i + 1}.0.project.",
        )
        for i in range(4)
    ),
    *(
        (
            rf"neck\.reassemble_stage\.layers\.{i}\.{part}\.",
            f"pretrained.act_postprocess{i + 1}.{place}.",
        )
        for i in range(4)
        for part, place in (("projection", 3), ("resize", 4))
    ),
    *DECODER_NAMES,
]


def transformers_large(tokens, mlp, blocks, neck, fusion, size):
    config = DPTConfig(
        hidden_size=tokens,
        num_hidden_layers=blocks,
        num_attention_heads=tokens // 64,
        intermediate_size=mlp,
        neck_hidden_sizes=neck,
        fusion_hidden_size=fusion,
        backbone_out_indices=[blocks * i // 4 - 1 for i in (1, 2, 3, 4)],
        image_size=size,
        layer_norm_eps=1e-6,
    )
    return enlivened(DPTForDepthEstimation(config))


def joined_qkv(state, pattern, place):
    """(block, kind) -> query, key and value one under the other; the rest of the tensors."""
    parts, rest = {}, {}
    for name, tensor in state.items():
        match = re.fullmatch(pattern + r"(query|key|value)\.(weight|bias)", name)
        if match:
            *block, part, kind = match.groups()
            parts.setdefault((*block, kind), {})[part] = tensor
        else:
            rest[name] = tensor
    return {place.format(*block) + kind: p for (*block, kind), p in parts.items()}, rest


def large_weights(peer):
    parts, rest = joined_qkv(
        peer.state_dict(), LAYER + r"attention\.attention\.", VIT + "blocks.{}.attn.qkv."
    )
    weights = {renamed(name, LARGE_NAMES): tensor for name, tensor in rest.items()}
    for name, qkv in parts.items():
        weights[name] = torch.cat([qkv["query"], qkv["key"], qkv["value"]])
    width = weights[VIT + "cls_token"].shape[-1]
    weights[VIT + "head.weight"] = torch.full((1000, width), torch.nan)
    weights[VIT + "head.bias"] = torch.full((1000,), torch.nan)
    return weights


def peer_depth(peer, pixels):
    """What transformers makes of any size, although its neck insists on squares."""
    rows, columns = pixels.shape[-2] // 16, pixels.shape[-1] // 16
    neck = peer.neck.forward
    peer.neck.forward = lambda maps, *_: neck(maps, rows, columns)
    try:
        with torch.no_grad():
            return peer(pixels).predicted_depth
    finally:
        peer.neck.forward = neck


@pytest.fixture(scope="module")
def large():
    """A peer and the weights of a miniature whose widths are all different from each other."""
    peer = transformers_large(128, 192, 8, [16, 24, 40, 56], 48, 96)
    return peer, large_weights(peer)


@pytest.mark.parametrize("size", [(96, 96), (64, 64), (96, 160), (192, 64), (32, 320)])
def test_large_equals_transformers(large, size):
    peer, weights = large
    pixels = random_pixels(2, 3, *size)
    assert_equal_within_limit(DPTLarge.from_state_dict(weights)(pixels), peer_depth(peer, pixels))


@pytest.mark.slow
def test_full_width_large_equals_transformers():
    peer = transformers_large(1024, 4096, 24, [256, 512, 1024, 1024], 256, 384)
    pixels = random_pixels(1, 3, 384, 384)
    network = DPTLarge.from_state_dict(large_weights(peer))
    assert_equal_within_limit(network(pixels), peer_depth(peer, pixels))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(344e6, rel=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos_embed": (1, 37, 96), "cls_token": (1, 1, 96)}, "96 channels.* multiple of 64"),
        ({"blocks.7.norm1.weight": None}, "7 blocks.* multiple of 4"),
        ({"pos_embed": None}, "pos_embed is missing"),
    ],
)
def test_an_impossible_large_is_refused(large, change, message):
    weights = dict(large[1])
    for name, shape in change.items():
        del weights[VIT + name]
        if shape:
            weights[VIT + name] = torch.zeros(shape)
    with pytest.raises(ValueError, match=message):
        DPTLarge.from_state_dict(weights)


# --- 3.1 Swin2-tiny ------------------------------------------------------------------------------

SWIN, BLOCK = "pretrained.model.layers.", r"backbone\.encoder\.layers\.(\d)\.blocks\.(\d)\."
SWIN_NAMES = [
    (r"backbone\.embeddings\.patch_embeddings\.projection\.", VIT + "patch_embed.proj."),
    (r"backbone\.embeddings\.norm\.", VIT + "patch_embed.norm."),
    (BLOCK + r"attention\.self\.logit_scale", SWIN + r"\1.blocks.\2.attn.logit_scale"),
    (
        BLOCK + r"attention\.self\.continuous_position_bias_mlp\.",
        SWIN + r"\1.blocks.\2.attn.cpb_mlp.",
    ),
    (BLOCK + r"attention\.output\.dense\.", SWIN + r"\1.blocks.\2.attn.proj."),
    (BLOCK + r"layernorm_before\.", SWIN + r"\1.blocks.\2.norm1."),
    (BLOCK + r"layernorm_after\.", SWIN + r"\1.blocks.\2.norm2."),
    (BLOCK + r"intermediate\.dense\.", SWIN + r"\1.blocks.\2.mlp.fc1."),
    (BLOCK + r"output\.dense\.", SWIN + r"\1.blocks.\2.mlp.fc2."),
    (r"backbone\.encoder\.layers\.(\d)\.downsample\.", SWIN + r"\1.downsample."),
    *DECODER_NAMES,
]


def transformers_swin2(first, heads, fusion):
    """transformers' DPT on Swin2, as Intel's dpt-swinv2-tiny-256 is."""
    backbone = Swinv2Config(
        image_size=256,
        window_size=16,
        embed_dim=first,
        depths=[2, 2, 6, 2],
        num_heads=heads,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = DPTConfig(
        backbone_config=backbone,
        is_hybrid=False,
        neck_hidden_sizes=[first, 2 * first, 4 * first, 8 * first],
        fusion_hidden_size=fusion,
    )
    return enlivened(DPTForDepthEstimation(config))


def swin2_weights(peer):
    """Under the names of timm 0.6, with the buffers and the classifier that files of it hold."""
    kept = {
        name: tensor
        for name, tensor in peer.state_dict().items()
        if "relative_" not in name
        and "layernorms" not in name
        and "hidden_states_norms" not in name
    }
    parts, rest = joined_qkv(kept, BLOCK + r"attention\.self\.", SWIN + "{}.blocks.{}.attn.")
    weights = {renamed(name, SWIN_NAMES): tensor for name, tensor in rest.items()}
    for name, qkv in parts.items():
        if name.endswith("weight"):
            joined = torch.cat([qkv["query"], qkv["key"], qkv["value"]])
            weights[name.replace("weight", "qkv.weight")] = joined
        else:
            weights[name.replace("bias", "q_bias")] = qkv["query"]
            weights[name.replace("bias", "v_bias")] = qkv["value"]
    weights[SWIN + "0.blocks.1.attn_mask"] = torch.full((16, 256, 256), torch.nan)
    weights[SWIN + "0.blocks.0.attn.relative_coords_table"] = torch.full((1, 31, 31, 2), torch.nan)
    weights[SWIN + "0.blocks.0.attn.relative_position_index"] = torch.zeros(256, 256).long()
    for name in ("norm.weight", "norm.bias", "head.weight", "head.bias"):
        weights[VIT + name] = torch.full((8,), torch.nan)
    return weights


@pytest.fixture(scope="module")
def swin2():
    peer = transformers_swin2(32, [1, 2, 4, 8], 24)
    return peer, swin2_weights(peer)


def test_swin2_equals_transformers(swin2):
    peer, weights = swin2
    pixels = random_pixels(2, 3, 256, 256)
    with torch.no_grad():
        reference = peer(pixels).predicted_depth
    state = torch.get_rng_state()
    network = MidasSwin2.from_state_dict(weights)
    assert torch.equal(torch.get_rng_state(), state)
    assert_equal_within_limit(network(pixels), reference)


@pytest.mark.slow
def test_full_width_swin2_equals_transformers():
    peer = transformers_swin2(96, [3, 6, 12, 24], 256)
    pixels = random_pixels(1, 3, 256, 256)
    with torch.no_grad():
        reference = peer(pixels).predicted_depth
    network = MidasSwin2.from_state_dict(swin2_weights(peer))
    assert_equal_within_limit(network(pixels), reference)


def test_the_larger_swin2_is_refused_with_its_blocks(swin2):
    name = SWIN + "2.blocks.5.norm1.weight"
    more = {name.replace(".5.", f".{n}."): swin2[1][name] for n in range(6, 18)}
    with pytest.raises(ValueError, match=r"\(2, 2, 18, 2\) blocks"):
        MidasSwin2.from_state_dict({**swin2[1], **more})


@pytest.mark.parametrize("shape", [(3, 256, 256), (1, 3, 256, 288), (0, 3, 256, 256)])
def test_swin2_refuses_pixels_of_another_shape(swin2, shape):
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        MidasSwin2.from_state_dict(swin2[1])(torch.zeros(shape))


def test_swin2_refuses_another_resolution(swin2):
    network = MidasSwin2.from_state_dict(swin2[1])
    image = random_pixels(1, 40, 60, 3).abs()
    assert torch.equal(estimate(network, image, Settings(256)), estimate(network, image))
    with pytest.raises(ValueError, match=r"is 384; MiDaS 3\.1 Swin2-tiny works at 256 only"):
        estimate(network, image, Settings(384))


# --- v2.1 small ----------------------------------------------------------------------------------

EFFICIENTNET = {
    "conv_stem": "layer1.0",
    "bn1": "layer1.1",
    **{
        f"blocks.{index}": place
        for index, place in enumerate(
            ("layer1.3", "layer1.4", "layer2.0", "layer3.0", "layer3.1", "layer4.0", "layer4.1")
        )
    },
}


def small_weights(features):
    """The file's layout at full width: timm's own Lite3, renamed, and the expanding decoder."""
    model = timm.create_model("tf_efficientnet_lite3", pretrained=False)
    shapes = {}
    for name, tensor in model.state_dict().items():
        for theirs, ours in EFFICIENTNET.items():
            if name.startswith(theirs + "."):
                shapes[f"pretrained.{ours}.{name.removeprefix(theirs + '.')}"] = tensor.shape
    for level, (channels, factor) in enumerate(zip((32, 48, 136, 384), (1, 2, 4, 8), strict=True)):
        width, out = features * factor, features * max(factor // 2, 1)
        shapes[f"scratch.layer{level + 1}_rn.weight"] = (width, channels, 3, 3)
        net = f"scratch.refinenet{level + 1}"
        for unit in (1, 2):
            for conv in (1, 2):
                shapes[f"{net}.resConfUnit{unit}.conv{conv}.weight"] = (width, width, 3, 3)
                shapes[f"{net}.resConfUnit{unit}.conv{conv}.bias"] = (width,)
        shapes |= {f"{net}.out_conv.weight": (out, width, 1, 1), f"{net}.out_conv.bias": (out,)}
    for index, (out, into, side) in {
        0: (features // 2, features, 3),
        2: (32, features // 2, 3),
        4: (1, 32, 1),
    }.items():
        shapes[f"scratch.output_conv.{index}.weight"] = (out, into, side, side)
        shapes[f"scratch.output_conv.{index}.bias"] = (out,)
    weights = lively_weights(shapes)
    counters = [name for name in weights if name.endswith("num_batches_tracked")]
    return {**weights, **{name: torch.tensor(5) for name in counters}}


@pytest.fixture(scope="module")
def small():
    return small_weights(16)


def reference_small(w, x):
    """MiDaS v2.1 small, from the tensors alone."""

    def convolve(x, name, stride=1, groups=1):
        """TensorFlow's "same": as much on the right and below as on the other sides, or 1 more."""
        kernel = w[f"{name}.weight"].shape[-1]
        pads = []
        for side in (x.shape[-1], x.shape[-2]):
            total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(
            F.pad(x, pads), w[f"{name}.weight"], w.get(f"{name}.bias"), stride, 0, 1, groups
        )

    def norm(x, name):
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-3)

    def block(x, name, stride):
        start = x
        if f"{name}.conv_pwl.weight" in w:
            x = F.relu6(norm(convolve(x, f"{name}.conv_pw"), f"{name}.bn1"))
            x = convolve(x, f"{name}.conv_dw", stride, groups=x.shape[1])
            x = norm(convolve(F.relu6(norm(x, f"{name}.bn2")), f"{name}.conv_pwl"), f"{name}.bn3")
        else:
            x = convolve(x, f"{name}.conv_dw", stride, groups=x.shape[1])
            x = norm(convolve(F.relu6(norm(x, f"{name}.bn1")), f"{name}.conv_pw"), f"{name}.bn2")
        return x + start if x.shape == start.shape else x

    x = F.relu6(norm(convolve(x, "pretrained.layer1.0", 2), "pretrained.layer1.1"))
    maps = []
    for place, stride, tapped in (
        ("layer1.3", 1, False),
        ("layer1.4", 2, True),
        ("layer2.0", 2, True),
        ("layer3.0", 2, False),
        ("layer3.1", 1, True),
        ("layer4.0", 2, False),
        ("layer4.1", 1, True),
    ):
        number = 0
        while f"pretrained.{place}.{number}.conv_dw.weight" in w:
            x = block(x, f"pretrained.{place}.{number}", stride if number == 0 else 1)
            number += 1
        if tapped:
            maps.append(x)

    def unit(x, name):
        return x + convolve(F.relu(convolve(F.relu(x), f"{name}.conv1")), f"{name}.conv2")

    double = partial(F.interpolate, scale_factor=2, mode="bilinear")
    path = None
    for level in (4, 3, 2, 1):
        finer = convolve(maps[level - 1], f"scratch.layer{level}_rn")
        net = f"scratch.refinenet{level}"
        path = finer if path is None else path + unit(finer, f"{net}.resConfUnit1")
        path = double(unit(path, f"{net}.resConfUnit2"), align_corners=True)
        path = convolve(path, f"{net}.out_conv")
    path = double(convolve(path, "scratch.output_conv.0"), align_corners=False)
    path = F.relu(convolve(path, "scratch.output_conv.2"))
    return F.relu(convolve(path, "scratch.output_conv.4")).squeeze(1)


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (256, 192), (32, 32)])
def test_small_equals_the_straightforward_one(small, size):
    pixels = random_pixels(2, 3, *size)
    network = MidasSmall.from_state_dict(small)
    assert_equal_within_limit(network(pixels), reference_small(small, pixels))


def test_smalls_backbone_is_timms_lite3(small):
    """The reference above and the network could agree on a wrong structure; timm's cannot."""
    model = timm.create_model("tf_efficientnet_lite3", pretrained=False, features_only=True).eval()
    theirs = {
        name: small[f"pretrained.{ours}.{name.removeprefix(old + '.')}"]
        for name in model.state_dict()
        for old, ours in EFFICIENTNET.items()
        if name.startswith(old + ".")
    }
    model.load_state_dict(theirs)
    pixels = random_pixels(1, 3, 96, 64)
    with torch.no_grad():
        _, *expected = model(pixels)
        found = MidasSmall.from_state_dict(small).pretrained(pixels)
    # timm taps the stages before the last expansion of a size; the coarsest is the same.
    for ours, reference in zip(found, expected, strict=True):
        assert torch.allclose(ours, reference, rtol=1e-4, atol=1e-4)


def test_small_at_the_files_own_width():
    weights = small_weights(64)
    network = MidasSmall.from_state_dict(weights)
    pixels = random_pixels(1, 3, 64, 96)
    assert_equal_within_limit(network(pixels), reference_small(weights, pixels))
    learnt = sum(t.numel() for name, t in weights.items() if "running" not in name)
    assert round(learnt / 1e6) == 21  # what MiDaS's own table says of it


def test_small_does_without_counters_and_sees_imagenet(small):
    without = {name: t for name, t in small.items() if not name.endswith("num_batches_tracked")}
    image = random_pixels(1, 300, 400, 3).abs()
    network = MidasSmall.from_state_dict(without)
    assert torch.equal(estimate(network, image), estimate(build_network(small), image))
    seen = network.prepare(image.movedim(-1, 1))
    assert seen.shape == (1, 3, 192, 256)
    small_image = F.interpolate(image.movedim(-1, 1), (192, 256), mode="bicubic")
    expected = small_image[:, 2] * (1 / 0.225) - 0.406 / 0.225
    assert torch.allclose(seen[:, 2], expected, atol=1e-5)


def test_sizes_within_a_bound_and_square():
    assert network_size(480, 640, 256, Fit.WITHIN) == (192, 256)
    assert network_size(1920, 1080, 256, Fit.WITHIN) == (256, 128)
    assert network_size(100, 100, 256, Fit.WITHIN) == (256, 256)
    assert network_size(480, 640, 256, Fit.SQUARE) == (256, 256)


# --- recognition ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hybrid():
    widths = HybridWidths(32, (128, 128, 128), 64, 64, 4, (32, 32), 32, (16, 16))
    with torch.device("meta"):
        state = DPTHybrid(widths).state_dict()
    return lively_weights({name: tensor.shape for name, tensor in state.items()})


@pytest.fixture
def files(hybrid, large, small, swin2):
    return {DPTHybrid: hybrid, DPTLarge: large[1], MidasSmall: small, MidasSwin2: swin2[1]}


def test_every_file_is_of_one_kind_only(files):
    for network, weights in files.items():
        fitting = [kind.name for kind in NETWORK_KINDS if kind.fits(weights)]
        assert fitting == [network.KIND.name]
        assert type(build_network(weights)) is network
    midas = {kind for kind in NETWORK_KINDS if kind.loadable and kind.is_midas}
    assert midas == {network.KIND for network in files}


def test_no_network_takes_anothers_weights(files):
    for network in files:
        for other, weights in files.items():
            if other is not network:
                with pytest.raises(ValueError, match=r"MiDaS|transformer"):
                    network.from_state_dict(weights)


@pytest.mark.parametrize(
    "missing", ["scratch.layer2_rn.weight", "scratch.refinenet1.out_conv.bias"]
)
def test_a_missing_tensor_is_named_whatever_the_kind(files, missing):
    for weights in files.values():
        less = {name: tensor for name, tensor in weights.items() if name != missing}
        with pytest.raises(ValueError, match=re.escape(missing) + " is missing"):
            build_network(less)


def test_an_unknown_tensor_is_named_whatever_the_kind(files):
    for weights in files.values():
        with pytest.raises(ValueError, match=r"scratch\.layer5_rn\.weight is unknown"):
            build_network({**weights, "scratch.layer5_rn.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["core.core.scratch.layer1_rn.weight"], "ZoeDepth"),
        (["neck.convs.0.weight", "neck.fusion_stage.layers.0.projection.weight"], "config.json"),
        (["model.diffusion_model.input_blocks.0.0.weight"], "Stable Diffusion checkpoint"),
        (
            [
                "pretrained.model.blocks.0.attn.relative_position_bias_table",
                "pretrained.model.patch_embed.proj.weight",
                "scratch.output_conv.0.weight",
            ],
            "BEiT",
        ),
        (
            [
                "pretrained.layer1.0.weight",
                "pretrained.layer2.0.conv1.weight",
                "scratch.output_conv.0.weight",
            ],
            "ResNeXt",
        ),
        (["encoder.weight"], r"1 tensors \(encoder\.weight, …\) form no known .* DPT-Large"),
        ([], "its 0 tensors"),
    ],
)
def test_other_files_are_named_with_what_to_do(names, said):
    with pytest.raises(UnknownDepthModel, match=said):
        recognise(names)


def test_transformers_own_weights_without_their_folder_are_named(large):
    peer, _ = large
    with pytest.raises(UnknownDepthModel, match="transformers without its folder"):
        build_network(peer.state_dict())
