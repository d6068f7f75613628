"""MiDaS 3.1 on Swin2-tiny: quick, for inputs of 256 × 256.

Birkl, Wofk, Müller: "MiDaS v3.1 – A Model Zoo for Robust Monocular Relative Depth Estimation"
(2023), arXiv:2307.14460. The four stages of a Swin transformer V2 are the four maps that the DPT
decoder reads. The backbone is timm's; the file's names are those of timm before 0.8, which had the
downsampling at the end of a stage; it is now at the beginning of the next.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from timm.models.swin_transformer_v2 import SwinTransformerV2
from torch import Tensor, nn

from .dpt import DPT, Decoder, after_each
from .kinds import MIDAS_SWIN2
from .network import Fit, Preparation, Shapes

SIDE, WINDOW = 256, 16  # pixels; tokens to a side of an attention window
STAGES = 4
DEPTHS = (2, 2, 6, 2)  # blocks of the four stages; the larger relatives have 18 in the third
BUFFERS = (".relative_coords_table", ".relative_position_index", ".attn_mask", ".k_bias")


@dataclass(frozen=True)
class Widths:
    """All in which the full-size network and a miniature differ."""

    first: int  # channels of the first stage; each further one has twice as many
    mlp: int  # in the first stage
    blocks: tuple[int, ...]
    heads: tuple[int, ...]
    fusion: int
    head: tuple[int, int]

    def __post_init__(self) -> None:
        if self.blocks != DEPTHS:
            raise ValueError(
                f"the stages have {self.blocks} blocks; a {MIDAS_SWIN2.name} has {DEPTHS}; the "
                "larger Swin2 networks of MiDaS 3.1 cannot be loaded, use DPT-Large"
            )

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> "Widths":
        """Read the widths from the tensors' shapes."""
        size, layers = shapes.size, "pretrained.model.layers"
        return cls(
            first=size("pretrained.model.patch_embed.proj.weight"),
            mlp=size(f"{layers}.0.blocks.0.mlp.fc1.weight"),
            blocks=tuple(
                shapes.count(f"{layers}.{stage}" + ".blocks.{}.norm1.weight")
                for stage in range(STAGES)
            ),
            heads=tuple(size(f"{layers}.{i}.blocks.0.attn.logit_scale") for i in range(STAGES)),
            fusion=size("scratch.layer1_rn.weight"),
            head=(size("scratch.output_conv.0.weight"), size("scratch.output_conv.2.weight")),
        )


class MidasSwin2(DPT[Widths]):
    """MiDaS 3.1 Swin2-tiny: image in, relative inverse depth out."""

    KIND = MIDAS_SWIN2
    PREPARATION = Preparation(SIDE, Fit.SQUARE, fixed=True)
    WIDTHS = Widths

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        inputs = [widths.first * 2**stage for stage in range(STAGES)]
        self.pretrained = Encoder(widths)
        self.scratch = Decoder(inputs, [widths.fusion] * STAGES, widths.head)

    @classmethod
    def used(cls, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without what timm computes by itself, under timm's current names."""
        used = super().used(weights)
        return {_current_name(name): t for name, t in used.items() if not name.endswith(BUFFERS)}

    @classmethod
    def unfilled(cls, widths: Widths) -> "MidasSwin2":
        """Not on the meta device: timm computes its tables of positions when it is built."""
        with torch.random.fork_rng(devices=[]):
            return cls(widths)


def _current_name(name: str) -> str:
    """The downsampling after stage i is, in timm now, the one before stage i + 1."""
    return re.sub(
        r"^(pretrained\.model\.layers\.)(\d)(\.downsample\.)",
        lambda match: f"{match[1]}{int(match[2]) + 1}{match[3]}",
        name,
    )


class Encoder(nn.Module):
    """The trained backbone (`pretrained.*`)."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.model = SwinTransformerV2(
            img_size=SIDE,
            window_size=WINDOW,
            embed_dim=widths.first,
            depths=widths.blocks,
            num_heads=widths.heads,
            mlp_ratio=widths.mlp / widths.first,
            num_classes=0,
        )
        self.model.norm = nn.Identity()  # before the classifier; the maps are taken earlier

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """`[B, 3, 256, 256]` to the four maps."""
        x = self.model.patch_embed(pixels)
        return [x.movedim(-1, 1) for x in after_each(self.model.layers, x)]  # BhwC -> BChw
