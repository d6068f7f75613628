"""How a depth network is recognised: the one table of kinds, by the names of their tensors.

Names are those of the original files, without the prefix that a checkpoint puts before them.
Nothing heavy is imported here, so that a file can be identified quickly.
"""

from collections.abc import Container
from dataclasses import dataclass

ORIGINAL, TRANSFORMERS, COMFYUI = "original", "transformers", "ComfyUI"  # whose names they have

HEAD = "scratch.output_conv.0.weight"  # in every MiDaS network

PATCH = 16  # pixels to a side of a token of a ViT
HEAD_WIDTH = 64  # channels of an attention head, in every ViT of the MiDaS family
RESNET_BLOCKS = (3, 4, 9)  # in each stage of DPT-Hybrid's ResNet
BLOCKS = 12  # of DPT-Hybrid's transformer

# In MiDaS's files, but without influence on the depth: the norm after the last block, the
# classifier that the backbone was trained with, and the first unit of the coarsest fusion, which
# has nothing to merge.
UNUSED = ("pretrained.model.norm.", "pretrained.model.head.", "scratch.refinenet4.resConfUnit1.")


@dataclass(frozen=True)
class NetworkKind:
    """A kind of depth network."""

    name: str
    has: tuple[str, ...]  # tensors by which it is known; all of them are there
    lacks: tuple[str, ...] = ()  # tensors that only its relatives have
    layout: str = ORIGINAL  # or another's
    loadable: bool = False  # whether a weight file is enough to load it

    @property
    def is_midas(self) -> bool:
        """Whether it is of the MiDaS family, in its authors' layout."""
        return HEAD in self.has

    def fits(self, names: Container[str]) -> bool:
        """Whether tensors of these names make one."""
        return all(n in names for n in self.has) and not any(n in names for n in self.lacks)


_VIT = ("pretrained.model.patch_embed.proj.weight", "pretrained.model.pos_embed")
_RESNET = "pretrained.model.patch_embed.backbone.stem.conv.weight"
_BEIT = "pretrained.model.blocks.0.attn.relative_position_bias_table"
_SWIN = "pretrained.model.layers.0.blocks.0.attn."
_FUSION = "neck.fusion_stage.layers.0.projection.weight"

DPT_HYBRID = NetworkKind("MiDaS DPT-Hybrid", has=(_RESNET, HEAD), loadable=True)
DPT_LARGE = NetworkKind("MiDaS DPT-Large", has=(*_VIT, HEAD), lacks=(_RESNET, _BEIT), loadable=True)
MIDAS_SMALL = NetworkKind(
    "MiDaS v2.1 small", has=("pretrained.layer1.3.0.conv_dw.weight", HEAD), loadable=True
)
MIDAS_SWIN2 = NetworkKind("MiDaS 3.1 Swin2-tiny", has=(f"{_SWIN}logit_scale", HEAD), loadable=True)

DEPTH_ANYTHING = NetworkKind(
    "Depth Anything",
    has=("pretrained.blocks.0.attn.qkv.weight", "depth_head.projects.0.weight"),
    loadable=True,
)

DEPTH_ANYTHING_3 = NetworkKind(
    "Depth Anything 3",
    has=("backbone.embeddings.patch_embeddings.projection.weight", "head.projects.0.weight"),
    layout=COMFYUI,
)
MOGE = NetworkKind(
    "MoGe", has=("neck.input_blocks.0.weight", "scale_head.0.weight"), layout=COMFYUI
)
MOGE_1 = NetworkKind(
    "MoGe", has=("head.upsample_blocks.0.0.0.weight", "head.projects.0.weight"), layout=COMFYUI
)

NETWORK_KINDS: tuple[NetworkKind, ...] = (  # the first that fits
    DPT_HYBRID,
    DPT_LARGE,
    MIDAS_SMALL,
    MIDAS_SWIN2,
    NetworkKind("MiDaS 3.1 BEiT", has=(_BEIT, HEAD)),
    NetworkKind("MiDaS 3.1 Swin", has=(f"{_SWIN}relative_position_bias_table", HEAD)),
    NetworkKind(
        "MiDaS v2 on ResNeXt",
        has=("pretrained.layer1.0.weight", "pretrained.layer2.0.conv1.weight", HEAD),
    ),
    DEPTH_ANYTHING,
    MOGE_1,
    MOGE,
    DEPTH_ANYTHING_3,
    NetworkKind(
        "ZoeDepth network in its authors' layout", has=("core.core.scratch.layer1_rn.weight",)
    ),
    NetworkKind("ZoeDepth", has=(_FUSION, "metric_head.conv2.weight"), layout=TRANSFORMERS),
    NetworkKind("Depth Anything", has=(_FUSION, "head.conv1.weight"), layout=TRANSFORMERS),
    NetworkKind("DPT", has=(_FUSION,), layout=TRANSFORMERS),
    NetworkKind(
        "Depth Pro",
        has=("depth_pro.encoder.image_encoder.model.embeddings.cls_token", "head.layers.0.weight"),
        layout=TRANSFORMERS,
    ),
    NetworkKind(
        "GLPN",
        has=("glpn.encoder.patch_embeddings.0.proj.weight", "decoder.stages.0.convolution.weight"),
        layout=TRANSFORMERS,
    ),
)


def kind_of(names: Container[str]) -> NetworkKind | None:
    """The kind of depth network that tensors of these names make; None for none that is known."""
    return next((kind for kind in NETWORK_KINDS if kind.fits(names)), None)
