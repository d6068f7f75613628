"""MiDaS v2.1 small: EfficientNet-Lite3 under a narrow decoder; quick without a GPU.

Ranftl, Lasinger, Hafner, Schindler, Koltun: "Towards Robust Monocular Depth Estimation" (2019),
arXiv:1907.01341. Lite3 is Google's EfficientNet without squeeze-and-excite and with ReLU6, with
TensorFlow's padding. Blocks are timm's. Modules carry the names of the original file; widths,
kernels and numbers of blocks are read from its tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from timm.layers import create_conv2d
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from torch import Tensor, nn

from .dpt import DPT, Decoder, after_each
from .kinds import MIDAS_SMALL
from .network import Fit, Preparation, Shapes

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# The seven stages of an EfficientNet: where the file has them, and the stride of each.
STAGES = (
    ("layer1.3", 1),
    ("layer1.4", 2),
    ("layer2.0", 2),
    ("layer3.0", 2),
    ("layer3.1", 1),
    ("layer4.0", 2),
    ("layer4.1", 1),
)
MAPS = (1, 2, 4, 6)  # the stages (counted from 0) whose output the decoder reads
MEAN, COUNTER = ".running_mean", ".num_batches_tracked"  # of batch norms; the latter unused


@dataclass(frozen=True)
class BlockWidths:
    """One block: channels in, inside, out, and the side of its depthwise kernel."""

    into: int
    inside: int
    out: int
    kernel: int


@dataclass(frozen=True)
class Widths:
    """All in which the full-size network and a miniature differ."""

    stem: int
    stages: tuple[tuple[BlockWidths, ...], ...]  # as STAGES
    fusion: tuple[int, ...]
    head: tuple[int, int]

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> "Widths":
        """Read the widths from the tensors' shapes."""
        size = shapes.size
        return cls(
            stem=size("pretrained.layer1.0.weight"),
            stages=tuple(_stage_widths(shapes, f"pretrained.{place}") for place, _ in STAGES),
            fusion=tuple(size(f"scratch.layer{i + 1}_rn.weight") for i in range(len(MAPS))),
            head=(size("scratch.output_conv.0.weight"), size("scratch.output_conv.2.weight")),
        )


def _stage_widths(shapes: Shapes, place: str) -> tuple[BlockWidths, ...]:
    def block(name: str) -> BlockWidths:
        depthwise, kernel = f"{name}.conv_dw.weight", shapes.size(f"{name}.conv_dw.weight", -1)
        # The first stage's blocks do not widen: a depthwise convolution, then conv_pw.
        last = "conv_pwl" if f"{name}.conv_pwl.weight" in shapes.shapes else "conv_pw"
        inside, out = shapes.size(depthwise), shapes.size(f"{name}.{last}.weight")
        into = inside if last == "conv_pw" else shapes.size(f"{name}.conv_pw.weight", 1)
        return BlockWidths(into, inside, out, kernel)

    count = shapes.count(place + ".{}.conv_dw.weight")
    return tuple(block(f"{place}.{index}") for index in range(max(count, 1)))


class MidasSmall(DPT[Widths]):
    """MiDaS v2.1 small: image in, relative inverse depth out."""

    KIND = MIDAS_SMALL
    PREPARATION = Preparation(256, Fit.WITHIN, IMAGENET_MEAN, IMAGENET_STD)
    WIDTHS = Widths

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        inputs = [widths.stages[index][-1].out for index in MAPS]
        self.pretrained = Encoder(widths)
        self.scratch = Decoder(inputs, widths.fusion, widths.head, align_corners=False)

    @classmethod
    def used(cls, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """With the batch norms' counters, which a file may leave out."""
        norms = [name.removesuffix(MEAN) for name in weights if name.endswith(MEAN)]
        counters = {name + COUNTER: torch.tensor(0) for name in norms}
        return {**counters, **super().used(weights)}


class Encoder(nn.Module):
    """The trained backbone (`pretrained.*`): four groups of stages, the stem in the first."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        stem = create_conv2d(3, widths.stem, 3, stride=2, padding="same")
        norm = nn.BatchNorm2d(widths.stem, eps=1e-3)  # TensorFlow's epsilon, as everywhere here
        self.layer1 = nn.Sequential(stem, norm, nn.ReLU6())
        self.layer2, self.layer3, self.layer4 = (nn.Sequential() for _ in range(3))
        groups = dict(self.named_children())
        for (place, stride), blocks in zip(STAGES, widths.stages, strict=True):
            strides = [stride] + [1] * (len(blocks) - 1)
            stage = nn.Sequential(*(_block(w, s) for w, s in zip(blocks, strides, strict=True)))
            group, index = place.split(".")
            groups[group].add_module(index, stage)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """`[B, 3, H, W]` to the four maps."""
        return list(after_each(self.children(), pixels))


def _block(widths: BlockWidths, stride: int) -> nn.Module:
    block = partial(InvertedResidual, exp_ratio=widths.inside / widths.into)
    return (DepthwiseSeparableConv if widths.into == widths.inside else block)(
        widths.into,
        widths.out,
        dw_kernel_size=widths.kernel,
        stride=stride,
        pad_type="same",
        act_layer=nn.ReLU6,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
    )
