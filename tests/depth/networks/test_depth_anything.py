"""Depth Anything in its authors' layout: the same as their network, on timm's DINOv2."""

import logging

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from sd2_depth2img.depth.networks.depth_anything import build
from sd2_depth2img.depth.networks.estimators import DepthModel, build_network

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH, SIDE = 64, 56
V2, V1 = (2, 5, 8, 11), (8, 9, 10, 11)  # after which blocks of 12 the head looks in, from 0


class ResidualConvUnit(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Fusion(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, 1)
        self.resConfUnit1 = ResidualConvUnit(features)
        self.resConfUnit2 = ResidualConvUnit(features)

    def forward(self, x, skip=None, size=None):
        x = self.resConfUnit2(x if skip is None else x + self.resConfUnit1(skip))
        size = size or [2 * side for side in x.shape[2:]]
        return self.out_conv(F.interpolate(x, size, mode="bilinear", align_corners=True))


class Head(nn.Module):
    """DPT's, as Ranftl et al. 2021 describe it, with Depth Anything's names and sizes."""

    def __init__(self, features=16, channels=(8, 16, 24, 32)):
        super().__init__()
        self.projects = nn.ModuleList(nn.Conv2d(WIDTH, c, 1) for c in channels)
        a, b, _, d = channels
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(a, a, 4, stride=4),
                nn.ConvTranspose2d(b, b, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(d, d, 3, stride=2, padding=1),
            ]
        )
        self.scratch = nn.Module()
        for i, c in enumerate(channels, start=1):
            self.scratch.add_module(f"layer{i}_rn", nn.Conv2d(c, features, 3, 1, 1, bias=False))
            self.scratch.add_module(f"refinenet{i}", Fusion(features))
        self.scratch.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.scratch.output_conv2 = nn.Sequential(
            nn.Conv2d(features // 2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1), nn.Identity()
        )

    def forward(self, maps, size):
        s = self.scratch
        layers = zip(self.projects, self.resize_layers, maps, strict=True)
        maps = [resize(project(x)) for project, resize, x in layers]
        rns = (s.layer1_rn, s.layer2_rn, s.layer3_rn, s.layer4_rn)
        one, two, three, four = (rn(x) for rn, x in zip(rns, maps, strict=True))
        path = s.refinenet4(four, size=three.shape[2:])
        path = s.refinenet3(path, three, two.shape[2:])
        path = s.refinenet2(path, two, one.shape[2:])
        path = s.output_conv1(s.refinenet1(path, one))
        return s.output_conv2(F.interpolate(path, size, mode="bilinear", align_corners=True))


class Authors(nn.Module):
    def __init__(self, taps):
        super().__init__()
        self.taps = taps
        self.pretrained = timm.models.VisionTransformer(
            **{"img_size": SIDE, "patch_size": 14, "embed_dim": WIDTH, "depth": 12, "num_heads": 1},
            **{"init_values": 1.0, "num_classes": 0},
        )
        self.depth_head = Head()

    def forward(self, pixels):
        maps = self.pretrained.forward_intermediates(
            pixels, indices=list(self.taps), norm=True, intermediates_only=True
        )
        return self.depth_head(maps, pixels.shape[2:]).squeeze(1)


@pytest.fixture(scope="module")
def pixels():
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


def peer(taps=V2):
    torch.manual_seed(5)
    return Authors(taps).eval()


def weights_of(authors):
    return {**authors.state_dict(), "pretrained.mask_token": torch.zeros(1, WIDTH)}


@pytest.mark.parametrize(
    ("name", "taps"),
    [
        ("depth_anything_v2_vitl_fp32.safetensors", V2),
        ("Depth-Anything-V2-Small.pth", V2),
        ("depth_anything_vitl14.pth", V1),
    ],
)
@torch.no_grad()
def test_disparity_is_that_of_the_authors_network(pixels, name, taps):
    authors = peer(taps)
    expected = F.relu(authors(pixels))
    assert expected.std() > 0.01
    found = build(weights_of(authors), name)(pixels)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["depth_anything_v2_metric_hypersim_vitl_fp32", "da_v2_vkitti"])
@torch.no_grad()
def test_metres_become_disparity(pixels, name):
    authors = peer()
    expected = 1 / torch.sigmoid(authors(pixels))
    assert torch.allclose(build(weights_of(authors), name)(pixels), expected, rtol=1e-3)


@torch.no_grad()
def test_half_precision_is_read_and_a_name_that_does_not_tell_is_said(pixels, caplog):
    authors = peer()
    half = {name: tensor.half() for name, tensor in weights_of(authors).items()}
    with caplog.at_level(logging.WARNING, "sd2_depth2img"):
        model = DepthModel("mine.safetensors", lambda: half)
        found = model.network(pixels)
    assert found.dtype == torch.float32
    assert (found - F.relu(authors(pixels))).abs().max() < 1e-2
    assert "mine.safetensors: its tensors do not tell Depth Anything V1 from V2" in caplog.text


def without(weights, part):
    return {name: tensor for name, tensor in weights.items() if part not in name}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda w: without(w, "blocks.7.mlp.fc1.bias"), r"layer\.7\.mlp\.fc1\.bias is missing"),
        (lambda w: without(w, "blocks.7."), "has 7 blocks of width 64; expected"),
        (lambda w: without(w, "pos_embed"), "pretrained.pos_embed is missing"),
        (lambda w: w | {"depth_head.projects.0.weight": torch.zeros(9, 64, 1, 1)}, "do not make"),
        (lambda w: w | {"pretrained.blocks.0.attn.qkv.weight": torch.zeros(4, 4)}, "do not make"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(damage, said):
    model = DepthModel("da_v2.safetensors", lambda: damage(weights_of(peer())))
    with pytest.raises(ValueError, match=said) as told:
        _ = model.network
    assert str(told.value).startswith("da_v2.safetensors: ")


def test_an_image_is_prepared_as_for_a_folder_of_transformers():
    network = build_network(weights_of(peer()), "depth_anything_v2_vits.pth")
    # The side that changes least becomes 518 pixels, and both a multiple of 14.
    assert network.prepare(torch.rand(1, 3, 300, 400)).shape == (1, 3, 392, 518)
    assert network.prepare(torch.rand(1, 3, 100, 200), 140).shape[2:] == (70, 140)
