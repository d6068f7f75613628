"""The names and shapes of real models' files, without their weights.

They come from the installed libraries' own classes, built on the meta device in the published
configurations; where a file has the original names, these are derived from diffusers' ones.
"""

import re
from functools import cache
from pathlib import Path

import diffusers
import open_clip
import torch
import transformers

from sd2_depth2img.checkpoints.architecture import FULL_TEXT, FULL_VAE

TABLE = Path(__file__).parents[2] / "data" / "512-depth-ema.keys.tsv"


def shapes_of(build):
    """Names and shapes of a module that is built without memory."""
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in build().state_dict().items()}


def prefixed(prefix, shapes):
    return {prefix + name: shape for name, shape in shapes.items()}


@cache
def sd2_depth():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines() if line[0] != "#"]
    return {name: tuple(int(n) for n in shape.split("x") if n) for name, shape in rows}


def part_of_depth(prefix):
    return {n[len(prefix) :]: s for n, s in sd2_depth().items() if n.startswith(prefix)}


# --- UNets ---------------------------------------------------------------------------------------

SD1 = {"cross_attention_dim": 768, "attention_head_dim": 8}
SD2 = {
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
SDXL = {
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CONFIGS = {
    "sd1": SD1,
    "sd1-inpainting": {**SD1, "in_channels": 9},
    "sd2": SD2,
    "sd2-depth": {**SD2, "in_channels": 5},
    "sd2-inpainting": {**SD2, "in_channels": 9},
    "sd2-unclip-h": {
        **SD2,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": 2048,
    },
    "sd2-upscaler": {
        **SD2,
        "in_channels": 7,
        "attention_head_dim": 8,
        "num_class_embeds": 1000,
        "block_out_channels": (256, 512, 512, 1024),
        "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 3),
        "up_block_types": (*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"),
        "only_cross_attention": (True, True, True, False),
    },
    "sdxl": SDXL,
    "sdxl-inpainting": {**SDXL, "in_channels": 9},
    "sdxl-refiner": {
        **SDXL,
        "cross_attention_dim": 1280,
        "block_out_channels": (384, 768, 1536, 1536),
        "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
        "transformer_layers_per_block": 4,
        "attention_head_dim": (6, 12, 24, 24),
        "projection_class_embeddings_input_dim": 2560,
    },
}


@cache
def unet(name):
    """A UNet in the layout of diffusers."""
    return shapes_of(lambda: diffusers.UNet2DConditionModel(**CONFIGS[name]))


_FIXED = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "class_embedding.linear_1": "label_emb.0.0",
    "class_embedding.linear_2": "label_emb.0.2",
    "class_embedding": "label_emb",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "controlnet_mid_block": "middle_block_out.0",
    "controlnet_cond_embedding.conv_in": "input_hint_block.0",
    "controlnet_cond_embedding.conv_out": "input_hint_block.14",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def original(shapes):
    """A UNet or ControlNet under its original names; two resnets in each level of a side."""
    return {_original(name, shapes): shape for name, shape in shapes.items()}


def _original(name, shapes):
    stem, _, leaf = name.rpartition(".")
    for start in (stem, *_starts(stem)):
        if start in _FIXED:
            return _FIXED[start] + _layer(start, stem[len(start) :]) + "." + leaf
    if m := re.match(r"controlnet_down_blocks\.(\d+)$", stem):
        return f"zero_convs.{m[1]}.0.{leaf}"
    if m := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)$", stem):
        return f"input_hint_block.{2 * int(m[1]) + 2}.{leaf}"
    side, level, what, index = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)", stem).groups()
    rest = stem[len(f"{side}_blocks.{level}.{what}.{index}") :]
    level, index = int(level), int(index)
    if what == "downsamplers":
        return f"input_blocks.{3 * (level + 1)}.0.op.{leaf}"
    if what == "upsamplers":
        place = 2 if any(n.startswith(f"up_blocks.{level}.attentions") for n in shapes) else 1
        return f"output_blocks.{3 * level + 2}.{place}.conv.{leaf}"
    block = f"input_blocks.{3 * level + 1 + index}" if side == "down" else None
    block = block or f"output_blocks.{3 * level + index}"
    return f"{block}.{int(what == 'attentions')}{_layer(what, rest)}.{leaf}"


def _starts(stem):
    pieces = stem.split(".")
    return (".".join(pieces[:count]) for count in range(len(pieces) - 1, 0, -1))


def _layer(block, rest):
    if "resnets" in block and rest:
        return "." + _RESNET[rest[1:]]
    return rest


# --- the other parts -----------------------------------------------------------------------------


@cache
def vae(latent_channels=4, levels=4):
    return shapes_of(
        lambda: diffusers.AutoencoderKL(
            latent_channels=latent_channels,
            block_out_channels=(128, 256, 512, 512)[:levels],
            down_block_types=["DownEncoderBlock2D"] * levels,
            up_block_types=["UpDecoderBlock2D"] * levels,
            layers_per_block=2,
        )
    )


@cache
def clip(width, layers, projected=False):
    """transformers' CLIP text model; the name that files have is before version 5 and after it."""
    config = transformers.CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        projection_dim=width,
    )
    shapes = shapes_of(lambda: transformers.CLIPTextModelWithProjection(config))
    return shapes if projected else {n: s for n, s in shapes.items() if "projection" not in n}


@cache
def whole_open_clip():
    config = open_clip.get_model_config("ViT-H-14")
    return shapes_of(
        lambda: open_clip.CLIP(
            embed_dim=config["embed_dim"],
            vision_cfg=config["vision_cfg"],
            text_cfg=config["text_cfg"],
        )
    )


def of_transformers(name, **settings):
    """A model of transformers, in its default configuration unless told otherwise."""
    model, config = getattr(transformers, name), None
    config = model.config_class(**settings)
    return shapes_of(lambda: model(config))


def of_diffusers(name, **settings):
    """A model of diffusers, likewise."""
    return shapes_of(lambda: getattr(diffusers, name)(**settings))


# --- add-ons -------------------------------------------------------------------------------------


@cache
def controlnet(family):
    settings = {key: value for key, value in CONFIGS[family].items() if "up_block" not in key}
    return shapes_of(lambda: diffusers.ControlNetModel(**settings))


def _adapted(shapes):
    """The linear layers that people train: attention and feed-forward."""
    return {
        name.removesuffix(".weight"): shape
        for name, shape in shapes.items()
        if re.search(r"(attn\d?\.(to_[qkv]|to_out\.0)|_proj|ff\.net\.2|fc\d)\.weight$", name)
        and len(shape) == 2
    }


def peft(shapes, prefix, rank=4):
    return {
        f"{prefix}{name}.lora_{side}.weight": pair
        for name, (out, width) in _adapted(shapes).items()
        for side, pair in (("A", (rank, width)), ("B", (out, rank)))
    }


def old_diffusers(shapes, rank=4):
    return {
        f"unet.{name.replace('to_out.0', 'to_out')}".replace(".to_", ".processor.to_")
        + f"_lora.{side}.weight": pair
        for name, (out, width) in _adapted(shapes).items()
        if ".attn" in name
        for side, pair in (("down", (rank, width)), ("up", (out, rank)))
    }


def kohya(shapes, prefix, rank=4):
    tensors = {}
    for name, (out, width) in _adapted(shapes).items():
        module = f"{prefix}{name.replace('.', '_')}"
        tensors[f"{module}.lora_down.weight"] = (rank, width)
        tensors[f"{module}.lora_up.weight"] = (out, rank)
        tensors[f"{module}.alpha"] = ()
    return tensors


def loha(shapes, rank=4):
    return {
        f"lora_unet_{name.replace('.', '_')}.hada_{key}": shape
        for name, (out, width) in _adapted(shapes).items()
        for key, shape in (
            ("w1_a", (out, rank)),
            ("w1_b", (rank, width)),
            ("w2_a", (out, rank)),
            ("w2_b", (rank, width)),
        )
    }


def lokr(shapes, factor=8):
    return {
        f"lora_unet_{name.replace('.', '_')}.lokr_{key}": shape
        for name, (out, width) in _adapted(shapes).items()
        for key, shape in (("w1", (factor, factor)), ("w2", (out // factor, width // factor)))
    }


def ema(shapes):
    """The averaged copy that training leaves beside the UNet."""
    unet_names = (n for n in shapes if n.startswith("model.diffusion_model."))
    copies = {
        "model_ema." + n.removeprefix("model.").replace(".", ""): shapes[n] for n in unet_names
    }
    return {**shapes, **copies, "model_ema.decay": (), "model_ema.num_updates": ()}


def checkpoint(name):
    """A whole file in the original layout."""
    parts = prefixed("model.diffusion_model.", original(unet(name)))
    parts |= prefixed("first_stage_model.", FULL_VAE.tensors())
    if name.startswith("sd1"):
        return parts | prefixed("cond_stage_model.transformer.", clip(768, 12))
    if name.startswith("sd2"):
        return parts | prefixed("cond_stage_model.model.", FULL_TEXT.tensors())
    return parts | prefixed("conditioner.embedders.0.transformer.", clip(768, 12))
