"""What each tensor of MiDaS DPT-Hybrid is called in transformers' DPTForDepthEstimation.

Names on one side: isl-org/MiDaS, as they lie under `depth_model.model.` in `512-depth-ema`; on the
other: the folder `depth_estimator/` of a diffusers folder. One table serves every width.
"""

from collections.abc import Iterator

from ..depth.networks.kinds import BLOCKS, RESNET_BLOCKS
from .keymaps import Entry, KeyMap

_LEVELS = 4  # of the decoder


def _resnet() -> Iterator[Entry]:
    original, transformers = "pretrained.model.patch_embed.backbone", "dpt.embeddings.backbone.bit"
    yield Entry(f"{original}.stem.conv.weight", (f"{transformers}.embedder.convolution.weight",))
    yield from _pairs(f"{original}.stem.norm", f"{transformers}.embedder.norm")
    for stage, blocks in enumerate(RESNET_BLOCKS):
        for block in range(blocks):
            here = f"{original}.stages.{stage}.blocks.{block}"
            there = f"{transformers}.encoder.stages.{stage}.layers.{block}"
            shortcut = [("downsample.conv", "downsample.norm")] if block == 0 else []
            for conv, norm in (*shortcut, *((f"conv{i}", f"norm{i}") for i in (1, 2, 3))):
                yield Entry(f"{here}.{conv}.weight", (f"{there}.{conv}.weight",))
                yield from _pairs(f"{here}.{norm}", f"{there}.{norm}")


def _transformer() -> Iterator[Entry]:
    original, embeddings = "pretrained.model", "dpt.embeddings"
    yield Entry(f"{original}.cls_token", (f"{embeddings}.cls_token",))
    yield Entry(f"{original}.pos_embed", (f"{embeddings}.position_embeddings",))
    yield from _pairs(f"{original}.patch_embed.proj", f"{embeddings}.projection")
    yield from _pairs(f"{original}.norm", "dpt.layernorm")
    for block in range(BLOCKS):
        here, there = f"{original}.blocks.{block}", f"dpt.encoder.layer.{block}"
        for kind in ("weight", "bias"):
            parts = ("query", "key", "value")
            names = tuple(f"{there}.attention.attention.{part}.{kind}" for part in parts)
            yield Entry(f"{here}.attn.qkv.{kind}", names)
        for layer, name in _BLOCK_LAYERS.items():
            yield from _pairs(f"{here}.{layer}", f"{there}.{name}")


_BLOCK_LAYERS = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def _readouts() -> Iterator[Entry]:
    """From the tokens back to maps: the two coarser levels only, the ResNet gives the finer."""
    neck = "neck.reassemble_stage"
    for level in (3, 4):
        here = f"pretrained.act_postprocess{level}"
        yield from _pairs(f"{here}.0.project.0", f"{neck}.readout_projects.{level - 1}.0")
        yield from _pairs(f"{here}.3", f"{neck}.layers.{level - 1}.projection")
    yield from _pairs("pretrained.act_postprocess4.4", f"{neck}.layers.3.resize")


def _decoder() -> Iterator[Entry]:
    """The original counts the fusions from the finest, transformers from the coarsest."""
    for level in range(1, _LEVELS + 1):
        yield Entry(f"scratch.layer{level}_rn.weight", (f"neck.convs.{level - 1}.weight",))
        here = f"scratch.refinenet{level}"
        there = f"neck.fusion_stage.layers.{_LEVELS - level}"
        yield from _pairs(f"{here}.out_conv", f"{there}.projection")
        for unit in (1, 2):
            for conv in (1, 2):
                yield from _pairs(
                    f"{here}.resConfUnit{unit}.conv{conv}",
                    f"{there}.residual_layer{unit}.convolution{conv}",
                )
    for layer in (0, 2, 4):
        yield from _pairs(f"scratch.output_conv.{layer}", f"head.head.{layer}")


def _pairs(here: str, there: str) -> Iterator[Entry]:
    """The weight and the bias of a layer that both have."""
    for kind in ("weight", "bias"):
        yield Entry(f"{here}.{kind}", (f"{there}.{kind}",))


# Every tensor but the classifier that the backbone was trained with.
MIDAS_KEYS = KeyMap((*_resnet(), *_transformer(), *_readouts(), *_decoder()))
