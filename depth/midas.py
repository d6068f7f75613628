"""MiDaS DPT-Hybrid, the depth network that lies inside the SD2 depth checkpoint.

Ranftl, Bochkovskiy, Koltun: "Vision Transformers for Dense Prediction" (2021), arXiv:2103.13413.
A ResNetV2 brings the picture to 1/16 of its size, twelve transformer blocks look at the whole of
it, and a convolutional decoder puts four of the stages together to a map of the picture's size.

Convolutions and transformer blocks are timm's. Modules carry the names of the original file, so
that its tensors load by name; every width is read from their shapes.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import StdConv2dSame
from timm.models.resnetv2 import Bottleneck, ResNetStage, create_resnetv2_stem
from timm.models.vision_transformer import Block
from torch import Tensor, nn

MULTIPLE = 32  # of the picture's sides: the coarsest of the four maps is 1/32 of its size
PATCH = 16  # pixels to a side of a token
RESNET_BLOCKS = (3, 4, 9)
BLOCKS = 12
TAPS = (8, 11)  # the transformer blocks (counted from 0) whose output the decoder reads
HEAD_WIDTH = 64  # channels of an attention head, as in every ViT of this family
GROUPS = 32  # of the ResNet's group norms; inside a block they see a quarter of its channels

# In the file, but without influence on the depth: the classifier that the backbone was trained
# with, the norm before it, and the first unit of the coarsest fusion, which has nothing to merge.
UNUSED = ("pretrained.model.norm.", "pretrained.model.head.", "scratch.refinenet4.resConfUnit1.")


class DPTHybrid(nn.Module):
    """MiDaS DPT-Hybrid: picture in, relative inverse depth out."""

    def __init__(self, widths: "Widths") -> None:
        super().__init__()
        self.pretrained = Encoder(widths)
        self.scratch = Decoder(widths)

    @classmethod
    def from_state_dict(cls, weights: Mapping[str, Tensor]) -> "DPTHybrid":
        """Build the network that `weights` belong to, in float32, ready for inference.

        `weights` are named as in the original file: `pretrained.*` and `scratch.*`. Tensors that
        are float32 are used as they are, without a copy.

        Raises:
            ValueError: tensors are missing, unknown, or of a shape that does not fit the others.
        """
        used = {name: tensor for name, tensor in weights.items() if not name.startswith(UNUSED)}
        widths = Widths.from_shapes({name: tuple(tensor.shape) for name, tensor in used.items()})
        with torch.device("meta"):  # no memory and no random numbers for what is replaced at once
            network = cls(widths)
        _check_fit(expected=network.state_dict(), found=used)
        network.eval().requires_grad_(False)
        network.load_state_dict(
            {name: tensor.float() for name, tensor in used.items()}, assign=True
        )
        return network

    def forward(self, pixels: Tensor) -> Tensor:
        """Relative inverse depth `[B, H, W]`, 0 or more, of RGB `[B, 3, H, W]` in −1..1.

        Raises:
            ValueError: the shape is another one, or a side is not a multiple of 32 pixels.
        """
        batch, channels, height, width = pixels.shape if pixels.ndim == 4 else (0, 0, 0, 0)
        if batch * height * width == 0 or channels != 3 or height % MULTIPLE or width % MULTIPLE:
            raise ValueError(
                f"The picture has shape {tuple(pixels.shape)}; MiDaS expects [batch, 3, height, "
                f"width] with height and width multiples of {MULTIPLE}."
            )
        return self.scratch(self.pretrained(pixels))


@dataclass(frozen=True)
class Widths:
    """All in which the full-size DPT-Hybrid and a miniature differ.

    Raises:
        ValueError: a width that the attention heads or the group norms cannot divide.
    """

    stem: int
    stages: tuple[int, ...]  # of the ResNet, at 1/4, 1/8 and 1/16
    tokens: int
    mlp: int
    grid: int  # side of the square of position embeddings: 24 for pictures of 384 × 384
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
                    f"The {what} has {width} channels; a DPT-Hybrid needs a multiple of {unit}."
                )

    @classmethod
    def from_shapes(cls, shapes: Mapping[str, tuple[int, ...]]) -> "Widths":
        """Read the widths from the tensors' shapes.

        Raises:
            ValueError: a tensor is missing or has a width that is impossible for a DPT-Hybrid.
        """

        def size(name: str, axis: int = 0) -> int:
            try:
                return shapes[name][axis]
            except (KeyError, IndexError):
                raise ValueError(
                    f"These are not the weights of a MiDaS DPT-Hybrid: {name} is missing or has "
                    "no width. Other MiDaS networks are not supported."
                ) from None

        transformer, backbone = "pretrained.model", "pretrained.model.patch_embed.backbone"
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


class FeatureMaps(NamedTuple):
    """What the decoder reads, `[B, C, h, w]` each, at 1/4, 1/8, 1/16 and 1/32 of the picture."""

    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor
    thirty_second: Tensor


class Encoder(nn.Module):
    """The trained backbone (`pretrained.*`) and the way from its tokens back to maps."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        third, fourth = widths.neck
        self.model = HybridTransformer(widths)
        # Children are named by their place in the original's nn.Sequential.
        self.act_postprocess3 = nn.ModuleDict(
            {"0": Readout(widths.tokens), "3": nn.Conv2d(widths.tokens, third, 1)}
        )
        self.act_postprocess4 = nn.ModuleDict(
            {
                "0": Readout(widths.tokens),
                "3": nn.Conv2d(widths.tokens, fourth, 1),
                "4": nn.Conv2d(fourth, fourth, 3, stride=2, padding=1),
            }
        )

    def forward(self, pixels: Tensor) -> FeatureMaps:
        """`[B, 3, H, W]` to the four maps."""
        grid = (pixels.shape[-2] // PATCH, pixels.shape[-1] // PATCH)
        quarter, eighth, *tokens = self.model(pixels)
        sixteenth, thirty_second = (
            _reassemble(stage, x, grid)
            for stage, x in zip((self.act_postprocess3, self.act_postprocess4), tokens, strict=True)
        )
        return FeatureMaps(quarter, eighth, sixteenth, thirty_second)


class HybridTransformer(nn.Module):
    """timm's `vit_base_resnet50_384` without its classifier, for any size of picture."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict(
            {
                "backbone": _resnet(widths.stem, widths.stages),
                "proj": nn.Conv2d(widths.stages[-1], widths.tokens, 1),
            }
        )
        self.cls_token = nn.Parameter(torch.empty(1, 1, widths.tokens))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + widths.grid**2, widths.tokens))
        self.blocks = nn.Sequential(
            *(
                Block(
                    widths.tokens,
                    num_heads=widths.tokens // HEAD_WIDTH,
                    mlp_ratio=widths.mlp / widths.tokens,
                    qkv_bias=True,
                    norm_layer=partial(nn.LayerNorm, eps=1e-6),
                )
                for _ in range(BLOCKS)
            )
        )

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Maps at 1/4 and 1/8, then the tokens `[B, 1 + h·w, C]` after the tapped blocks."""
        backbone = self.patch_embed["backbone"]
        x = backbone["stem"](pixels)
        outputs = []
        for stage in backbone["stages"]:
            x = stage(x)
            outputs.append(x)
        x = self.patch_embed["proj"](outputs.pop())
        position = self._position(*x.shape[-2:])
        x = x.flatten(2).transpose(1, 2)  # BChw -> B(hw)C
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1) + position
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                outputs.append(x)
        return outputs

    def _position(self, height: int, width: int) -> Tensor:
        """Position embeddings for a grid of `height` × `width` tokens, bilinear as in MiDaS."""
        token, grid = self.pos_embed.split((1, self.pos_embed.shape[1] - 1), dim=1)
        side = math.isqrt(grid.shape[1])
        grid = grid.transpose(1, 2).unflatten(2, (side, side))  # 1(hw)C -> 1Chw
        grid = F.interpolate(grid, (height, width), mode="bilinear", align_corners=False)
        return torch.cat((token, grid.flatten(2).transpose(1, 2)), dim=1)  # 1Chw -> 1(1+hw)C


class Readout(nn.Module):
    """Mixes the class token, which knows of the whole picture, into every other token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(2 * width, width), nn.GELU())

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, 1 + N, C]` to `[B, N, C]`."""
        token, others = tokens[:, :1], tokens[:, 1:]
        return self.project(torch.cat((others, token.expand_as(others)), dim=-1))


class Decoder(nn.Module):
    """From the coarsest map to the finest, each merged into the one before (`scratch.*`)."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        first, second, _ = widths.stages
        third, fourth = widths.neck
        width, (head1, head2) = widths.fusion, widths.head
        self.layer1_rn = nn.Conv2d(first, width, 3, padding=1, bias=False)
        self.layer2_rn = nn.Conv2d(second, width, 3, padding=1, bias=False)
        self.layer3_rn = nn.Conv2d(third, width, 3, padding=1, bias=False)
        self.layer4_rn = nn.Conv2d(fourth, width, 3, padding=1, bias=False)
        self.refinenet1 = Fusion(width)
        self.refinenet2 = Fusion(width)
        self.refinenet3 = Fusion(width)
        self.refinenet4 = Fusion(width, merges=False)
        self.output_conv = nn.Sequential(
            nn.Conv2d(width, head1, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(head1, head2, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(head2, 1, 1),
            nn.ReLU(),
        )

    def forward(self, maps: FeatureMaps) -> Tensor:
        """The four maps to `[B, H, W]`."""
        path = self.refinenet4(self.layer4_rn(maps.thirty_second))
        path = self.refinenet3(path, self.layer3_rn(maps.sixteenth))
        path = self.refinenet2(path, self.layer2_rn(maps.eighth))
        path = self.refinenet1(path, self.layer1_rn(maps.quarter))
        return self.output_conv(path).squeeze(1)  # B1HW -> BHW


class Fusion(nn.Module):
    """Adds a finer map to the path so far and doubles the size."""

    def __init__(self, width: int, merges: bool = True) -> None:
        super().__init__()
        self.resConfUnit1 = ResidualUnit(width) if merges else None
        self.resConfUnit2 = ResidualUnit(width)
        self.out_conv = nn.Conv2d(width, width, 1)

    def forward(self, path: Tensor, finer: Tensor | None = None) -> Tensor:
        """`[B, C, h, w]`, both, to `[B, C, 2h, 2w]`."""
        if finer is not None:
            path = path + self.resConfUnit1(finer)
        path = self.resConfUnit2(path)
        path = F.interpolate(path, scale_factor=2, mode="bilinear", align_corners=True)
        return self.out_conv(path)


class ResidualUnit(nn.Module):
    """Two 3×3 convolutions, each after a ReLU, around a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to the same."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


def _resnet(stem: int, widths: Iterable[int]) -> nn.ModuleDict:
    """The ResNetV2 of the hybrid ViT: weight-standardised convolutions, TensorFlow's padding.

    Put together from timm's stages, because before timm 1.0.22 its `ResNetV2` cannot be built on
    the meta device.
    """
    convolution = partial(StdConv2dSame, eps=1e-8)
    stages = nn.Sequential()
    before = stem
    for index, (width, blocks) in enumerate(zip(widths, RESNET_BLOCKS, strict=True)):
        stages.append(
            ResNetStage(
                before,
                width,
                stride=1 if index == 0 else 2,
                dilation=1,
                depth=blocks,
                block_fn=Bottleneck,
                conv_layer=convolution,
            )
        )
        before = width
    first = create_resnetv2_stem(3, stem, "same", preact=False, conv_layer=convolution)
    return nn.ModuleDict({"stem": first, "stages": stages})


def _reassemble(stage: nn.ModuleDict, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens `[B, 1 + h·w, C]` to a map `[B, C, h, w]`, or half of that."""
    readout, *convolutions = stage.values()
    x = readout(tokens).transpose(1, 2).unflatten(2, grid)  # B(hw)C -> BChw
    for convolution in convolutions:
        x = convolution(x)
    return x


def _check_fit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    problems = {
        "missing": [name for name in expected if name not in found],
        "unknown": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
            for name, tensor in expected.items()
            if name in found and found[name].shape != tensor.shape
        ],
    }
    said = [f"{_some(names)} {what}" for what, names in problems.items() if names]
    if said:
        raise ValueError(
            f"The weights do not make a MiDaS DPT-Hybrid: {'; '.join(said)}. The file is damaged, "
            "or its depth network is another one."
        )


def _some(names: list[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more + (" are" if len(names) > 1 else " is")
