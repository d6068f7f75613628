"""MiDaS DPT-Large: a plain vision transformer under the DPT decoder.

Ranftl, Bochkovskiy, Koltun: "Vision Transformers for Dense Prediction" (2021), arXiv:2103.13413.
Four of a ViT's blocks (24 in ViT-L/16) give the four maps, each resized from the one grid of
tokens at 1/16 of the image. Modules carry the names of the original file; every width, and the
number of blocks, is read from its tensors.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from .dpt import DPT, Decoder, Transformer, reassemble, reassembly
from .kinds import DPT_LARGE, HEAD_WIDTH, PATCH
from .network import Shapes

MAPS = 4  # of equally many blocks each: the decoder reads after 6, 12, 18 and 24 of 24 blocks


@dataclass(frozen=True)
class Widths:
    """All in which the full-size DPT-Large and a miniature differ."""

    tokens: int
    mlp: int
    grid: int  # side of the square of position embeddings: 24 for images of 384 × 384
    blocks: int
    neck: tuple[int, ...]  # the four maps, from the finest on
    fusion: int
    head: tuple[int, int]

    def __post_init__(self) -> None:
        for what, number, unit in (
            ("channels", self.tokens, HEAD_WIDTH),
            ("blocks", self.blocks, MAPS),
        ):
            if number < 1 or number % unit:
                raise ValueError(
                    f"the transformer has {number} {what}; a DPT-Large needs a multiple of {unit}"
                )

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> "Widths":
        """Read the widths from the tensors' shapes."""
        size, transformer = shapes.size, "pretrained.model"
        return cls(
            tokens=size(f"{transformer}.pos_embed", axis=-1),
            mlp=size(f"{transformer}.blocks.0.mlp.fc1.weight"),
            grid=math.isqrt(max(size(f"{transformer}.pos_embed", axis=-2) - 1, 0)),
            blocks=shapes.count(transformer + ".blocks.{}.norm1.weight"),
            neck=tuple(size(f"pretrained.act_postprocess{i + 1}.3.weight") for i in range(MAPS)),
            fusion=size("scratch.layer1_rn.weight"),
            head=(size("scratch.output_conv.0.weight"), size("scratch.output_conv.2.weight")),
        )


class DPTLarge(DPT[Widths]):
    """MiDaS DPT-Large: image in, relative inverse depth out."""

    KIND = DPT_LARGE
    WIDTHS = Widths

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.pretrained = Encoder(widths)
        self.scratch = Decoder(widths.neck, [widths.fusion] * MAPS, widths.head)


class Encoder(nn.Module):
    """The trained backbone (`pretrained.*`) and the way from its tokens back to maps."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        projection = nn.Conv2d(3, widths.tokens, PATCH, stride=PATCH)
        patch_embed = nn.ModuleDict({"proj": projection})
        self.model = Transformer(patch_embed, widths.tokens, widths.mlp, widths.grid, widths.blocks)
        first, second, _, fourth = widths.neck
        resizes = (
            nn.ConvTranspose2d(first, first, 4, stride=4),
            nn.ConvTranspose2d(second, second, 2, stride=2),
            None,
            nn.Conv2d(fourth, fourth, 3, stride=2, padding=1),
        )
        self.stages = [
            reassembly(widths.tokens, width, resize)
            for width, resize in zip(widths.neck, resizes, strict=True)
        ]
        for index, stage in enumerate(self.stages, 1):
            self.add_module(f"act_postprocess{index}", stage)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """`[B, 3, H, W]` to the four maps."""
        x = self.model.patch_embed["proj"](pixels)
        each = len(self.model.blocks) // MAPS
        tokens = self.model.tokens(x, range(each - 1, MAPS * each, each))
        grid = (x.shape[-2], x.shape[-1])
        pairs = zip(self.stages, tokens, strict=True)
        return [reassemble(stage, one, grid) for stage, one in pairs]
