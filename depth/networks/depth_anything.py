"""Depth Anything V1 and V2 in their authors' layout, built as transformers' network.

Names and settings: https://github.com/DepthAnything/Depth-Anything-V2, `depth_anything_v2/dpt.py`,
and those of the same networks as folders of transformers (Depth-Anything-V2-Small-hf and others).
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

import transformers
from torch import Tensor
from transformers import AutoConfig

from .kinds import HEAD_WIDTH
from .network import Shapes
from .transformers_models import DEPTH_ANYTHING, MODERN, TransformersNetwork, check_loading

log = logging.getLogger(__name__)

NAME = DEPTH_ANYTHING.name
PATCH = 14  # pixels to a side of a token

# After which blocks the head looks in, by the number of blocks (1 is after the first).
TAPS_V2 = {12: (3, 6, 9, 12), 24: (5, 12, 18, 24), 40: (10, 20, 30, 40)}
TAPS_V1 = {blocks: tuple(range(blocks - 3, blocks + 1)) for blocks in TAPS_V2}

# From the authors' names to transformers', each at the beginning or after a dot.
RENAMED = (
    ("pretrained.cls_token", "backbone.embeddings.cls_token"),
    ("pretrained.mask_token", "backbone.embeddings.mask_token"),
    ("pretrained.pos_embed", "backbone.embeddings.position_embeddings"),
    ("pretrained.patch_embed.proj", "backbone.embeddings.patch_embeddings.projection"),
    ("pretrained.norm.", "backbone.layernorm."),
    ("pretrained.blocks.", "backbone.encoder.layer."),
    (".attn.proj.", ".attention.output.dense."),
    (".ls1.gamma", ".layer_scale1.lambda1"),
    (".ls2.gamma", ".layer_scale2.lambda1"),
    ("depth_head.scratch.output_conv1.", "head.conv1."),
    ("depth_head.scratch.output_conv2.0.", "head.conv2."),
    ("depth_head.scratch.output_conv2.2.", "head.conv3."),
    *(
        (f"depth_head.projects.{i}.", f"neck.reassemble_stage.layers.{i}.projection.")
        for i in range(4)
    ),
    *(
        (f"depth_head.resize_layers.{i}.", f"neck.reassemble_stage.layers.{i}.resize.")
        for i in range(4)
    ),
    *((f"depth_head.scratch.layer{i + 1}_rn.", f"neck.convs.{i}.") for i in range(4)),
    # The fusions are counted from the finest there, from the coarsest here.
    *(
        (f"depth_head.scratch.refinenet{4 - i}.", f"neck.fusion_stage.layers.{i}.")
        for i in range(4)
    ),
    (".out_conv.", ".projection."),
    *((f".resConfUnit{i}.conv", f".residual_layer{i}.convolution") for i in (1, 2)),
)


def build(weights: Mapping[str, Tensor], name: str) -> TransformersNetwork:
    """The network of such a file, called `name`; on the CPU, float32, for inference.

    The tensors of V1 and V2, and of those that give disparity or metres, are called alike: the
    file's name decides, and a warning says so where it does not. Raises ValueError for weights
    that do not fit.
    """
    version, is_metric = _told(name)
    config = _config(Shapes({n: tuple(t.shape) for n, t in weights.items()}, NAME), version)
    if is_metric:
        # The largest distance scales all of a map, which is only stretched.
        config.depth_estimation_type = "metric"
    network_class: Any = transformers.DepthAnythingForDepthEstimation
    try:
        model, loading = network_class.from_pretrained(
            None, config=config, state_dict=_renamed(weights), output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"the weights do not make a {NAME} network: {error}") from error
    check_loading(name, NAME, loading)
    network = TransformersNetwork(model.float(), _processor(), DEPTH_ANYTHING, is_metric)
    return network.eval().requires_grad_(False)


def _told(name: str) -> tuple[int, bool]:
    """The version, and whether it gives metres, as a file is called by its authors and others."""
    said = re.sub(r"[^a-z0-9]", "", name.lower())
    is_metric = any(word in said for word in ("metric", "hypersim", "vkitti", "kitti", "nyu"))
    if "v2" in said:
        return 2, is_metric
    if re.search(r"depthanything(v1|vit|metric|small|base|large)", said):
        return 1, is_metric
    log.warning(
        "%s: its tensors do not tell Depth Anything V1 from V2, nor metres from disparity, and "
        "neither does its name; it is taken for V2 with %s",
        *(name, "metres" if is_metric else "disparity"),
    )
    return 2, is_metric


def _config(shapes: Shapes, version: int) -> Any:
    """transformers' settings of a network with these shapes."""
    width = shapes.size("pretrained.patch_embed.proj.weight")
    blocks = shapes.count("pretrained.blocks.{}.attn.qkv.weight")
    taps = (TAPS_V1 if version == 1 else TAPS_V2).get(blocks)
    if taps is None or width % HEAD_WIDTH:
        raise ValueError(
            f"it has {blocks} blocks of width {width}; expected {NAME} with "
            f"{', '.join(map(str, TAPS_V2))} blocks and a multiple of {HEAD_WIDTH}"
        )
    tokens = shapes.size("pretrained.pos_embed", 1) - 1
    backbone = AutoConfig.for_model(
        "dinov2",
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=width // HEAD_WIDTH,
        image_size=round(tokens**0.5) * PATCH,
        patch_size=PATCH,
        out_indices=list(taps),
        reshape_hidden_states=False,
        use_mask_token="pretrained.mask_token" in shapes.shapes,
        use_swiglu_ffn="pretrained.blocks.0.mlp.w12.weight" in shapes.shapes,
    )
    return AutoConfig.for_model(
        DEPTH_ANYTHING.model_type,
        backbone_config=backbone,
        patch_size=PATCH,
        reassemble_hidden_size=width,
        neck_hidden_sizes=[shapes.size(f"depth_head.projects.{i}.weight") for i in range(4)],
        fusion_hidden_size=shapes.size("depth_head.scratch.layer1_rn.weight"),
        head_hidden_size=shapes.size("depth_head.scratch.output_conv2.0.weight"),
    )


def _renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Under transformers' names; queries, keys and values lie in one tensor there."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        for old, new in RENAMED:
            if name.startswith(old) or (old.startswith(".") and old in name):
                name = name.replace(old, new)
        if ".attn.qkv." in name:
            for part, third in zip(("query", "key", "value"), tensor.float().chunk(3), strict=True):
                renamed[name.replace("attn.qkv", f"attention.attention.{part}")] = third
        else:
            renamed[name] = tensor.float()
    return renamed


def _processor() -> Any:
    usual = transformers.DPTImageProcessor
    kind = usual if MODERN else getattr(transformers, "DPTImageProcessorFast", usual)
    return kind(
        size={"height": 518, "width": 518},
        keep_aspect_ratio=True,
        ensure_multiple_of=PATCH,
        image_mean=(0.485, 0.456, 0.406),  # ImageNet's
        image_std=(0.229, 0.224, 0.225),
    )
