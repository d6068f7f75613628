"""What the MiDaS networks share: transformer, readout and decoder, loading and running.

Ranftl, Bochkovskiy, Koltun: "Vision Transformers for Dense Prediction" (2021), arXiv:2103.13413.
Modules carry the names of the original files, so that their tensors load by name.
"""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from .kinds import HEAD_WIDTH, UNUSED
from .network import MidasNetwork, Shapes, check_fit, check_pixels


class Widths(Protocol):
    """All in which a full-size network and a miniature differ."""

    @classmethod
    def from_shapes(cls: type["W"], shapes: Shapes) -> "W":
        """Read the widths from the tensors' shapes; ValueError for impossible ones."""
        ...


W = TypeVar("W", bound=Widths)
Network = TypeVar("Network", bound="DPT")


class DPT(MidasNetwork, Generic[W]):
    """A backbone (`pretrained.*`) that gives four maps, and the decoder (`scratch.*`) over it.

    A subclass is built from its widths.
    """

    WIDTHS: type[W]
    pretrained: nn.Module
    scratch: "Decoder"

    @classmethod
    def from_state_dict(cls: type[Network], weights: Mapping[str, Tensor]) -> Network:
        """The network that weights named as in the original file make: float32, for inference.

        Tensors that are float32 are used as they are, without a copy.
        """
        used, name = cls.used(weights), cls.KIND.name
        shapes = {n: tuple(t.shape) for n, t in used.items()}
        network = cls.unfilled(cls.WIDTHS.from_shapes(Shapes(shapes, name)))
        check_fit(network.state_dict(), used, name)
        network.load_state_dict({n: t.float() for n, t in used.items()}, assign=True)
        return network.eval().requires_grad_(False)

    @classmethod
    def used(cls, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What of a file the network needs, under the names of its own tensors."""
        return {name: t for name, t in weights.items() if not name.startswith(UNUSED)}

    @classmethod
    def unfilled(cls: type[Network], widths: W) -> Network:
        """The network before its weights: no memory and no random numbers for them."""
        with torch.device("meta"):
            return cls(widths)

    def forward(self, pixels: Tensor) -> Tensor:
        """Relative inverse depth `[B, H, W]`, ≥ 0, of RGB `[B, 3, H, W]` as `prepare` gives it."""
        check_pixels(pixels, self.PREPARATION)
        return self.scratch(self.pretrained(pixels))


class Transformer(nn.Module):
    """timm's VisionTransformer without its classifier, for any size of image.

    Tokens have `width` channels and `mlp` inside a block's perceptron; the position embeddings are
    a square of side `grid`. The encoder applies `patch_embed`.
    """

    def __init__(
        self, patch_embed: nn.ModuleDict, width: int, mlp: int, grid: int, blocks: int
    ) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + grid**2, width))
        self.blocks = nn.Sequential(
            *(
                Block(
                    width,
                    num_heads=width // HEAD_WIDTH,
                    mlp_ratio=mlp / width,
                    qkv_bias=True,
                    norm_layer=LayerNorm,  # whose epsilon is 1e-6
                )
                for _ in range(blocks)
            )
        )

    def tokens(self, x: Tensor, taps: Container[int]) -> list[Tensor]:
        """`[B, C, h, w]` to the tokens `[B, 1 + h·w, C]` after the tapped blocks, from 0."""
        position = self._position(x.shape[-2], x.shape[-1])
        x = x.flatten(2).transpose(1, 2)  # BChw -> B(hw)C
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1) + position
        return [x for index, x in enumerate(after_each(self.blocks, x)) if index in taps]

    def _position(self, height: int, width: int) -> Tensor:
        """Position embeddings for a grid of `height` × `width` tokens, bilinear as in MiDaS."""
        token, grid = self.pos_embed.split((1, self.pos_embed.shape[1] - 1), dim=1)
        side = math.isqrt(grid.shape[1])
        grid = grid.transpose(1, 2).unflatten(2, (side, side))  # 1(hw)C -> 1Chw
        grid = F.interpolate(grid, (height, width), mode="bilinear", align_corners=False)
        return torch.cat((token, grid.flatten(2).transpose(1, 2)), dim=1)  # 1Chw -> 1(1+hw)C


class Readout(nn.Module):
    """Mixes the class token, which stands for the whole image, into every other token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(2 * width, width), nn.GELU())

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, 1 + N, C]` to `[B, N, C]`."""
        token, others = tokens[:, :1], tokens[:, 1:]
        return self.project(torch.cat((others, token.expand_as(others)), dim=-1))


def after_each(modules: Iterable[nn.Module], x: Tensor) -> Iterator[Tensor]:
    """What comes out of every module of a chain, one after the other."""
    for module in modules:
        x = module(x)
        yield x


def reassembly(tokens: int, width: int, resize: nn.Module | None = None) -> nn.ModuleDict:
    """The way from tokens back to a map; children named by their place in an nn.Sequential."""
    stages = {"0": Readout(tokens), "3": nn.Conv2d(tokens, width, 1)}
    return nn.ModuleDict(stages if resize is None else {**stages, "4": resize})


def reassemble(stage: nn.ModuleDict, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens `[B, 1 + h·w, C]` to a map `[B, C, h, w]`, or a larger or smaller one."""
    readout, *convolutions = stage.values()
    x = readout(tokens).transpose(1, 2).unflatten(2, grid)  # B(hw)C -> BChw
    for convolution in convolutions:
        x = convolution(x)
    return x


class Decoder(nn.Module):
    """From the coarsest map to the finest, each merged into the path so far (`scratch.*`).

    Args:
        inputs: channels of the four maps, from the finest on.
        widths: channels of the paths that they are merged into.
        head: channels of the two convolutions at the end.
        align_corners: how the image's size is reached between these two.
    """

    def __init__(
        self,
        inputs: Sequence[int],
        widths: Sequence[int],
        head: tuple[int, int],
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        for level, (before, width) in enumerate(zip(inputs, widths, strict=True), 1):
            rn = nn.Conv2d(before, width, 3, padding=1, bias=False)
            self.add_module(f"layer{level}_rn", rn)
        finer = widths[0], *widths[:-1]
        for level, (width, out) in enumerate(zip(widths, finer, strict=True), 1):
            self.add_module(f"refinenet{level}", Fusion(width, out, merges=level < len(widths)))
        head1, head2 = head
        self.output_conv = nn.Sequential(
            nn.Conv2d(widths[0], head1, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=align_corners),
            nn.Conv2d(head1, head2, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(head2, 1, 1),
            nn.ReLU(),
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps `[B, C, h, w]` at 1/4, 1/8, 1/16 and 1/32 of the image to `[B, H, W]`."""
        path = None
        for level in range(len(maps), 0, -1):
            finer = self.get_submodule(f"layer{level}_rn")(maps[level - 1])
            path = self.get_submodule(f"refinenet{level}")(finer, path)
        return self.output_conv(path).squeeze(1)  # B1HW -> BHW


class Fusion(nn.Module):
    """Adds a finer map to the path so far and doubles the size."""

    def __init__(self, width: int, out: int, merges: bool = True) -> None:
        super().__init__()
        self.resConfUnit1 = ResidualUnit(width) if merges else None
        self.resConfUnit2 = ResidualUnit(width)
        self.out_conv = nn.Conv2d(width, out, 1)

    def forward(self, finer: Tensor, path: Tensor | None) -> Tensor:
        """`[B, C, h, w]`, both, to `[B, out, 2h, 2w]`; the coarsest map begins the path."""
        if path is not None and self.resConfUnit1 is not None:
            finer = path + self.resConfUnit1(finer)
        path = self.resConfUnit2(finer)
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
