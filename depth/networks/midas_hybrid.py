"""MiDaS DPT-Hybrid, the depth network that lies inside the SD2 depth checkpoint.

Ranftl, Bochkovskiy, Koltun: "Vision Transformers for Dense Prediction" (2021), arXiv:2103.13413.
A ResNetV2 brings the image to 1/16 of its size, twelve transformer blocks attend to all of it, and
a convolutional decoder puts four of the stages together to a map of the image's size.

Convolutions and transformer blocks are timm's. Modules carry the names of the original file, so
that its tensors load by name; every width is read from their shapes.
"""

import math
from dataclasses import dataclass
from functools import partial

from timm.layers import StdConv2dSame
from timm.models.resnetv2 import Bottleneck, ResNetStage, create_resnetv2_stem
from torch import Tensor, nn

from .dpt import DPT, Decoder, Transformer, after_each, reassemble, reassembly
from .kinds import BLOCKS, DPT_HYBRID, HEAD_WIDTH, RESNET_BLOCKS
from .network import Shapes

TAPS = (8, 11)  # the transformer blocks (counted from 0) whose output the decoder reads
GROUPS = 32  # of the ResNet's group norms; inside a block they have a quarter of its channels


@dataclass(frozen=True)
class Widths:
    """All in which the full-size DPT-Hybrid and a miniature differ."""

    stem: int
    stages: tuple[int, ...]  # of the ResNet, at 1/4, 1/8 and 1/16
    tokens: int
    mlp: int
    grid: int  # side of the square of position embeddings: 24 for images of 384 × 384
    neck: tuple[int, int]  # the transformer's two maps, at 1/16 and 1/32
    fusion: int
    head: tuple[int, int]

    def __post_init__(self) -> None:
        for what, width, unit in (
            ("transformer", self.tokens, HEAD_WIDTH),
            ("ResNet's stem", self.stem, GROUPS),
            *((f"ResNet's stage {i}", width, 4 * GROUPS) for i, width in enumerate(self.stages)),
        ):
            if width < 1 or width % unit:
                raise ValueError(
                    f"the {what} has {width} channels; a DPT-Hybrid needs a multiple of {unit}"
                )

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> "Widths":
        """Read the widths from the tensors' shapes."""
        size, transformer = shapes.size, "pretrained.model"
        backbone = f"{transformer}.patch_embed.backbone"
        return cls(
            stem=size(f"{backbone}.stem.conv.weight"),
            stages=tuple(
                size(f"{backbone}.stages.{i}.blocks.0.conv3.weight")
                for i in range(len(RESNET_BLOCKS))
            ),
            tokens=size(f"{transformer}.pos_embed", axis=-1),
            mlp=size(f"{transformer}.blocks.0.mlp.fc1.weight"),
            grid=math.isqrt(max(size(f"{transformer}.pos_embed", axis=-2) - 1, 0)),
            neck=(
                size("pretrained.act_postprocess3.3.weight"),
                size("pretrained.act_postprocess4.3.weight"),
            ),
            fusion=size("scratch.layer1_rn.weight"),
            head=(size("scratch.output_conv.0.weight"), size("scratch.output_conv.2.weight")),
        )


class DPTHybrid(DPT[Widths]):
    """MiDaS DPT-Hybrid: image in, relative inverse depth out."""

    KIND = DPT_HYBRID
    WIDTHS = Widths

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        inputs = (*widths.stages[:2], *widths.neck)
        self.pretrained = Encoder(widths)
        self.scratch = Decoder(inputs, [widths.fusion] * len(inputs), widths.head)


class Encoder(nn.Module):
    """The trained backbone (`pretrained.*`) and the way from its tokens back to maps."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        third, fourth = widths.neck
        projection = nn.Conv2d(widths.stages[-1], widths.tokens, 1)
        patch_embed = nn.ModuleDict({"backbone": ResNet(widths), "proj": projection})
        # timm's `vit_base_resnet50_384`.
        self.model = Transformer(patch_embed, widths.tokens, widths.mlp, widths.grid, BLOCKS)
        self.act_postprocess3 = reassembly(widths.tokens, third)
        halve = nn.Conv2d(fourth, fourth, 3, stride=2, padding=1)
        self.act_postprocess4 = reassembly(widths.tokens, fourth, halve)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """`[B, 3, H, W]` to the four maps."""
        quarter, eighth, coarsest = self.model.patch_embed["backbone"](pixels)
        x = self.model.patch_embed["proj"](coarsest)
        third, fourth = self.model.tokens(x, TAPS)
        grid = (x.shape[-2], x.shape[-1])
        sixteenth = reassemble(self.act_postprocess3, third, grid)
        return [quarter, eighth, sixteenth, reassemble(self.act_postprocess4, fourth, grid)]


class ResNet(nn.Module):
    """The ResNetV2 of the hybrid ViT: weight-standardised convolutions, TensorFlow's padding.

    Put together from timm's stages, because before timm 1.0.22 its `ResNetV2` cannot be built on
    the meta device.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        convolution = partial(StdConv2dSame, eps=1e-8)
        self.stem = create_resnetv2_stem(
            3, widths.stem, "same", preact=False, conv_layer=convolution
        )
        self.stages = nn.Sequential()
        before, stride = widths.stem, 1
        for width, blocks in zip(widths.stages, RESNET_BLOCKS, strict=True):
            self.stages.append(
                ResNetStage(
                    *(before, width, stride),
                    dilation=1,
                    depth=blocks,
                    block_fn=Bottleneck,
                    conv_layer=convolution,
                )
            )
            before, stride = width, 2

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """`[B, 3, H, W]` to maps at 1/4, 1/8 and 1/16."""
        return list(after_each(self.stages, self.stem(pixels)))
