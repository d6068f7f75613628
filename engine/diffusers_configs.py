"""The settings that lie in a diffusers folder of Stable Diffusion 2's depth model.

Those that fit a checkpoint of any width are read from its architectures; the others are what SD2
was trained with. Names and values: the configuration classes of diffusers and transformers, and
Stability-AI/stablediffusion, `configs/stable-diffusion/v2-midas-inference.yaml`.
"""

from typing import TYPE_CHECKING, Any

from ..checkpoints.architecture import (
    HEAD_CHANNELS,
    TextArchitecture,
    UNetArchitecture,
    VAEArchitecture,
)
from ..checkpoints.source import SCHEDULE
from ..depth.networks.kinds import BLOCKS as MIDAS_BLOCKS
from ..depth.networks.kinds import HEAD_WIDTH, PATCH, RESNET_BLOCKS
from ..sampling.latents import SCALE_FACTOR
from .prompt import CHUNK, END, PAD, START

if TYPE_CHECKING:
    from ..depth.networks.midas_hybrid import Widths

Config = dict[str, Any]

_PIXELS = 512  # side of the images that SD2-depth was trained with
_HEAD = 32  # channels between the last convolutions, which transformers does not let vary

# The oldest version that the engine works with; diffusers adapts what older ones wrote.
_DIFFUSERS_VERSION = "0.35.0"

_CLASSES = {
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "scheduler": ("diffusers", "PNDMScheduler"),
    "depth_estimator": ("transformers", "DPTForDepthEstimation"),
    "feature_extractor": ("transformers", "DPTImageProcessor"),
}


def unet_config(unet: UNetArchitecture) -> Config:
    """Of UNet2DConditionModel."""
    down = [("CrossAttn" if attention else "") + "DownBlock2D" for attention in unet.attention]
    up = [("CrossAttn" if attention else "") + "UpBlock2D" for attention in unet.attention]
    return {
        "in_channels": unet.in_channels,
        "out_channels": unet.out_channels,
        "block_out_channels": unet.levels,
        "layers_per_block": unet.res_blocks,
        "down_block_types": tuple(down),
        "up_block_types": tuple(reversed(up)),
        "cross_attention_dim": unet.context_dim,
        # By its name the size of a head, in effect the number of heads per level.
        "attention_head_dim": tuple(width // HEAD_CHANNELS for width in unet.levels),
        "use_linear_projection": True,
        "sample_size": _PIXELS // 8,
    }


def controlnet_config(unet: UNetArchitecture, hint_channels: int) -> Config:
    """Of ControlNetModel, for a copy of this UNet's first half."""
    config = unet_config(unet)
    for key in ("out_channels", "up_block_types", "sample_size"):
        del config[key]
    return {**config, "conditioning_channels": hint_channels}


def vae_config(vae: VAEArchitecture) -> Config:
    """Of AutoencoderKL."""
    return {
        "block_out_channels": vae.levels,
        "layers_per_block": vae.res_blocks,
        "latent_channels": vae.latent_channels,
        "down_block_types": ("DownEncoderBlock2D",) * len(vae.levels),
        "up_block_types": ("UpDecoderBlock2D",) * len(vae.levels),
        "scaling_factor": SCALE_FACTOR,
        "sample_size": _PIXELS,
    }


def text_config(text: TextArchitecture) -> Config:
    """Of CLIPTextModel, which ends with the last but one stored layer and the final norm."""
    return {
        "vocab_size": text.vocabulary,
        "hidden_size": text.width,
        "intermediate_size": text.mlp_width,
        "num_hidden_layers": text.layers - 1,
        "num_attention_heads": text.heads,
        "max_position_embeddings": text.length,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "bos_token_id": START,
        "eos_token_id": END,
        "pad_token_id": PAD,
    }


def midas_config(midas: "Widths") -> Config:
    """Of DPTForDepthEstimation, which takes squares of one size only.

    Raises ValueError for a decoder that transformers' network cannot have.
    """
    expected = (midas.fusion // 2, _HEAD)
    if midas.head != expected:
        raise ValueError(
            f"the MiDaS inside ends with {midas.head[0]} and {midas.head[1]} channels, and "
            f"transformers' DPT can only have {expected[0]} and {expected[1]}. The full-size one "
            "has; of this checkpoint a folder can be written --without-midas."
        )
    side = midas.grid * PATCH
    backbone = {
        "model_type": "bit",
        "layer_type": "bottleneck",
        "global_padding": "same",
        "embedding_dynamic_padding": True,
        "embedding_size": midas.stem,
        "hidden_sizes": midas.stages,
        "depths": RESNET_BLOCKS,
        "num_groups": 32,
        "out_features": ["stage1", "stage2", "stage3"],
    }
    return {
        "is_hybrid": True,
        "backbone_config": backbone,
        "backbone_featmap_shape": (1, midas.stages[-1], midas.grid, midas.grid),
        "hidden_size": midas.tokens,
        "intermediate_size": midas.mlp,
        "num_hidden_layers": MIDAS_BLOCKS,
        "num_attention_heads": midas.tokens // HEAD_WIDTH,
        "layer_norm_eps": 1e-6,
        "image_size": side,
        "patch_size": PATCH,
        "neck_hidden_sizes": (*midas.stages[:2], *midas.neck),
        "fusion_hidden_size": midas.fusion,
        "readout_type": "project",
    }


def folder_settings(
    unet: UNetArchitecture | None,
    vae: VAEArchitecture | None,
    text: TextArchitecture | None,
    midas: "Widths | None",
) -> dict[str, Config]:
    """Every JSON file of a folder by its path, the tokenizer's vocabulary excepted.

    With UNet, VAE and text encoder it is a StableDiffusionDepth2ImgPipeline, without any of these
    the settings of the parts only.
    """
    configs: dict[str, Config] = {}
    if unet is not None:
        configs["unet/config.json"] = unet_config(unet)
    if vae is not None:
        configs["vae/config.json"] = vae_config(vae)
    if text is not None:
        configs["text_encoder/config.json"] = {"model_type": "clip_text_model", **text_config(text)}
        configs |= {f"tokenizer/{name}": config for name, config in _TOKENIZER.items()}
    if midas is not None:
        configs["depth_estimator/config.json"] = {"model_type": "dpt", **midas_config(midas)}
        configs["feature_extractor/preprocessor_config.json"] = _image_processor(midas)
    if unet and vae and text:
        configs["scheduler/scheduler_config.json"] = _SCHEDULER
        configs["model_index.json"] = _index(midas is not None)
    return {path: {**_whose(path), **config} for path, config in configs.items()}


def _index(with_midas: bool) -> Config:
    """What a pipeline consists of; whoever loads it gives it a part that is None here."""
    left_out = () if with_midas else ("depth_estimator", "feature_extractor")
    return {p: (None, None) if p in left_out else c for p, c in sorted(_CLASSES.items())}


def _whose(path: str) -> Config:
    """The entries of a settings file that name its class, as the library of the class has them."""
    part = path.split("/")[0]
    library, name = _CLASSES.get(part, ("diffusers", "StableDiffusionDepth2ImgPipeline"))
    if library == "diffusers":
        return {"_class_name": name, "_diffusers_version": _DIFFUSERS_VERSION}
    return {"architectures": [name]} if path.endswith("/config.json") else {}


def _image_processor(midas: "Widths") -> Config:
    side = midas.grid * PATCH
    return {
        "image_processor_type": "DPTImageProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "keep_aspect_ratio": False,
        "ensure_multiple_of": 1,
        "resample": 3,  # bicubic
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


_SCHEDULER = {
    **SCHEDULE,
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
}

_SPECIAL_TOKENS = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "!",  # token 0, with which SD2's text encoder was trained
}

_TOKENIZER: dict[str, Config] = {
    "special_tokens_map.json": _SPECIAL_TOKENS,
    "tokenizer_config.json": {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": CHUNK,
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
        **_SPECIAL_TOKENS,
    },
}
