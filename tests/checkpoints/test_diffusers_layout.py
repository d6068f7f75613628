"""Full-size networks as diffusers and transformers build them, told by names and shapes alone."""

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from sd2_depth2img.checkpoints.architecture import FULL_TEXT, FULL_UNET, FULL_VAE
from sd2_depth2img.checkpoints.diffusers_layout import (
    text_origins,
    unet_origins,
    vae_origins,
)
from sd2_depth2img.checkpoints.files.views import View
from sd2_depth2img.checkpoints.files.weights import TensorInfo, WeightFile
from sd2_depth2img.checkpoints.identify.diagnosis import Kind, Part
from sd2_depth2img.checkpoints.identify.recognition import DIFFUSERS, find_unet, identify

CROSS, PLAIN = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), ("DownBlock2D",)
SD = {"down_block_types": CROSS, "sample_size": 64}
SD1 = {**SD, "cross_attention_dim": 768, "attention_head_dim": 8}
SD2 = {
    **SD,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
SDXL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": PLAIN + CROSS[:2],
    "up_block_types": ("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
UPSCALER = {
    **SD2,
    "block_out_channels": (256, 512, 512, 1024),
    "down_block_types": PLAIN + CROSS[:3],
    "up_block_types": ("CrossAttnUpBlock2D",) * 3 + ("UpBlock2D",),
    "attention_head_dim": 8,
    "num_class_embeds": 1000,
    "only_cross_attention": (True, True, True, False),
}


class Header(WeightFile):
    """The names and shapes of a network that has no data."""

    def __init__(self, build, tmp_path, **settings):
        with torch.device("meta"):
            network = build(**settings)
        self.path = tmp_path
        self.metadata = {}
        self.tensors = {
            name: TensorInfo(tensor.dtype, tuple(tensor.shape))
            for name, tensor in network.state_dict().items()
        }

    def read(self, name):
        raise NotImplementedError


def shapes(origins, part):
    """Without the prefix, which every name must have."""
    infos = {name: origin.info() for name, origin in origins.items()}
    assert all(name.startswith(part.value) for name in infos)
    return {name[len(part.value) :]: info.shape for name, info in infos.items()}


def test_the_unet_of_sd2_depth_has_every_tensor_of_the_original(tmp_path):
    header = Header(UNet2DConditionModel, tmp_path, in_channels=5, **SD2)
    assert find_unet(header.tensors) == ("", DIFFUSERS)
    assert shapes(unet_origins(header), Part.UNET) == FULL_UNET.tensors()


def test_the_vae_of_sd2_has_every_tensor_of_the_original(tmp_path):
    header = Header(
        AutoencoderKL,
        tmp_path,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
    )
    assert find_unet(header.tensors) is None
    assert shapes(vae_origins(header), Part.VAE) == FULL_VAE.tensors()


def test_the_text_encoder_of_sd2_has_every_tensor_that_is_used(tmp_path):
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=23,
        num_attention_heads=16,
    )
    header = Header(lambda: CLIPTextModel(config), tmp_path)
    used = {n: s for n, s in FULL_TEXT.tensors().items() if n not in FULL_TEXT.unused()}
    assert shapes(text_origins(header), Part.TEXT) == used


@pytest.mark.parametrize(
    ("settings", "channels", "kind"),
    [
        (SD1, 4, Kind.SD1),
        (SD1, 9, Kind.SD1),
        (SD2, 4, Kind.SD2),
        (SD2, 5, Kind.SD2_DEPTH),
        (SD2, 9, Kind.SD2_INPAINTING),
        (UPSCALER, 7, Kind.SD2_UPSCALER),
        (SDXL, 4, Kind.SDXL),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_a_unet_of_diffusers_is_told_from_others(tmp_path, settings, channels, kind):
    header = Header(UNet2DConditionModel, tmp_path, in_channels=channels, **settings)
    identity = identify(View(tmp_path, unet_origins(header)).tensors)
    assert (identity.kind, identity.in_channels) == (kind, channels)
