"""The parts of a Stable Diffusion 2 checkpoint: their widths, and every tensor they consist of.

Widths are read from the shapes of the tensors, never assumed, so that a miniature of the same
structure loads through the same code as `512-depth-ema`. The other way round, `tensors()` lists
the name and shape of every tensor a part of these widths has, which is what a complete file is
checked against.

Names and structure: Stability-AI/stablediffusion, `ldm/modules/diffusionmodules/openaimodel.py`
(UNet), `ldm/modules/diffusionmodules/model.py` (VAE); OpenCLIP, `open_clip/transformer.py` (text).
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from .files.weights import Shape, TensorInfo

# Not stored in any tensor: SD2 was trained with attention heads of 64 channels everywhere.
HEAD_CHANNELS = 64

# Layers after which the input is added: with zeros there, the rest of their branch has no effect.
ENDS_OF_BRANCHES = (
    *("out_layers.3.weight", "to_out.0.weight", "ff.net.2.weight", "proj_out.weight"),
    *("conv2.weight", "attn.out_proj.weight", "mlp.c_proj.weight"),
)


class UnknownArchitecture(ValueError):  # noqa: N818 - it names what was found, like LookupError
    """The tensors do not form the part that they were taken for."""


@dataclass(frozen=True)
class UNetArchitecture:
    """Widths of the UNet (tensor names without the prefix `model.diffusion_model.`)."""

    in_channels: int
    out_channels: int
    model_channels: int
    channel_mult: tuple[int, ...]
    res_blocks: int
    attention: tuple[bool, ...]  # per level
    context_dim: int

    @property
    def levels(self) -> tuple[int, ...]:
        """Channels of each resolution level, from the finest to the coarsest."""
        return tuple(self.model_channels * mult for mult in self.channel_mult)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, TensorInfo]) -> "UNetArchitecture":
        """Read the widths from the shapes; raises UnknownArchitecture naming what is missing."""
        model_channels, in_channels = shape_of(tensors, "input_blocks.0.0.weight", 4)[:2]
        levels: list[list[tuple[int, bool]]] = [[]]
        for index in range(1, count_blocks(tensors, "input_blocks.")):
            block = f"input_blocks.{index}"
            if f"{block}.0.op.weight" in tensors:
                levels.append([])
                continue
            channels = shape_of(tensors, f"{block}.0.in_layers.2.weight", 4)[0]
            levels[-1].append((channels, f"{block}.1.proj_in.weight" in tensors))
        attention = "middle_block.1.transformer_blocks.0.attn2.to_k.weight"
        if len({len(level) for level in levels}) != 1 or any(len(set(lvl)) != 1 for lvl in levels):
            raise UnknownArchitecture(
                f"the UNet's levels have unequal blocks: (channels, attention) = {levels}"
            )
        return cls(
            in_channels=in_channels,
            out_channels=shape_of(tensors, "out.2.weight", 4)[0],
            model_channels=model_channels,
            channel_mult=tuple(level[0][0] // model_channels for level in levels),
            res_blocks=len(levels[0]),
            attention=tuple(level[0][1] for level in levels),
            context_dim=shape_of(tensors, attention, 2)[1],
        )

    def tensors(self) -> dict[str, Shape]:
        """Name and shape of every tensor."""
        embedding, last = 4 * self.model_channels, self.levels[-1]
        table = {
            **_linear("time_embed.0", self.model_channels, embedding),
            **_linear("time_embed.2", embedding, embedding),
            **_conv("input_blocks.0.0", self.in_channels, self.model_channels),
        }
        skips = [self.model_channels]  # channels that the input blocks put out
        for level, width in enumerate(self.levels):
            for _ in range(self.res_blocks):
                table |= self._block(f"input_blocks.{len(skips)}", level, skips[-1])
                skips.append(width)
            if level < len(self.levels) - 1:
                table |= _conv(f"input_blocks.{len(skips)}.0.op", width, width)
                skips.append(width)
        table |= _res_block("middle_block.0", last, last, embedding)
        table |= _transformer("middle_block.1", last, self.context_dim)
        table |= _res_block("middle_block.2", last, last, embedding)
        index, channels = 0, last
        for level, width in reversed(list(enumerate(self.levels))):
            for position in range(self.res_blocks + 1):
                block = f"output_blocks.{index}"
                table |= self._block(block, level, channels + skips.pop())
                if level > 0 and position == self.res_blocks:
                    table |= _conv(
                        f"{block}.{2 if self.attention[level] else 1}.conv", width, width
                    )
                index, channels = index + 1, width
        return {
            **table,
            **_norm("out.0", self.model_channels),
            **_conv("out.2", self.model_channels, self.out_channels),
        }

    def _block(self, name: str, level: int, inputs: int) -> dict[str, Shape]:
        """A residual block, and the attention behind it where its level has any."""
        width = self.levels[level]
        table = _res_block(f"{name}.0", inputs, width, 4 * self.model_channels)
        if self.attention[level]:
            table |= _transformer(f"{name}.1", width, self.context_dim)
        return table


@dataclass(frozen=True)
class VAEArchitecture:
    """Widths of the autoencoder (tensor names without the prefix `first_stage_model.`)."""

    channels: int
    channel_mult: tuple[int, ...]
    res_blocks: int
    latent_channels: int = 4

    @property
    def levels(self) -> tuple[int, ...]:
        """Channels of each resolution level, from the finest to the coarsest."""
        return tuple(self.channels * mult for mult in self.channel_mult)

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, TensorInfo],
        levels: str = "encoder.down.",
        blocks: str = ".block.",
    ) -> "VAEArchitecture":
        """Read the widths from the shapes; raises UnknownArchitecture naming what is missing.

        `levels` and `blocks` stand in the names before the numbers of these.
        """
        channels = shape_of(tensors, "encoder.conv_in.weight", 4)[0]
        widths = [
            shape_of(tensors, f"{levels}{level}{blocks}0.conv1.weight", 4)[0]
            for level in range(count_blocks(tensors, levels))
        ]
        return cls(
            channels=channels,
            channel_mult=tuple(width // channels for width in widths),
            res_blocks=count_blocks(tensors, f"{levels}0{blocks}"),
            latent_channels=shape_of(tensors, "decoder.conv_in.weight", 4)[1],
        )

    def tensors(self) -> dict[str, Shape]:
        """Name and shape of every tensor."""
        z, last = self.latent_channels, self.levels[-1]
        table = _conv("encoder.conv_in", 3, self.channels)
        channels = self.channels
        for level, width in enumerate(self.levels):
            for block in range(self.res_blocks):
                table |= _vae_block(f"encoder.down.{level}.block.{block}", channels, width)
                channels = width
            if level < len(self.levels) - 1:
                table |= _conv(f"encoder.down.{level}.downsample.conv", width, width)
        table |= _vae_middle("encoder.mid", last)
        table |= _vae_end("encoder", last, 2 * z)
        table |= _conv("decoder.conv_in", z, last)
        table |= _vae_middle("decoder.mid", last)
        for level, width in reversed(list(enumerate(self.levels))):
            for block in range(self.res_blocks + 1):
                table |= _vae_block(f"decoder.up.{level}.block.{block}", channels, width)
                channels = width
            if level > 0:
                table |= _conv(f"decoder.up.{level}.upsample.conv", width, width)
        return {
            **table,
            **_vae_end("decoder", channels, 3),
            **_conv("quant_conv", 2 * z, 2 * z, kernel=1),
            **_conv("post_quant_conv", z, z, kernel=1),
        }


@dataclass(frozen=True)
class TextArchitecture:
    """Widths of the OpenCLIP text tower (names without the prefix `cond_stage_model.model.`).

    SD2 is conditioned on the output of the last but one layer, so the last layer, the projection
    and the logit scale are stored but never used.
    """

    width: int
    layers: int  # the unused last one included
    mlp_width: int
    vocabulary: int = 49408
    length: int = 77

    @property
    def heads(self) -> int:
        """Attention heads: 64 channels each, as in ViT-H."""
        return self.width // HEAD_CHANNELS

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, TensorInfo]) -> "TextArchitecture":
        """Read the widths from the shapes; raises UnknownArchitecture naming what is missing.

        A tower without its last layer, as in a diffusers folder, is known by the
        number of its layers at ViT-H's width; at any other by what else is missing: the
        projection and the logit scale.
        """
        vocabulary, width = shape_of(tensors, "token_embedding.weight", 2)
        layers = count_blocks(tensors, "transformer.resblocks.")
        is_short = not tensors.keys() & {"text_projection", "logit_scale"}
        if width == FULL_TEXT.width:
            is_short = layers == FULL_TEXT.layers - 1
        return cls(
            width=width,
            layers=layers + is_short,
            mlp_width=shape_of(tensors, "transformer.resblocks.0.mlp.c_fc.weight", 2)[0],
            vocabulary=vocabulary,
            length=shape_of(tensors, "positional_embedding", 2)[0],
        )

    def tensors(self) -> dict[str, Shape]:
        """Name and shape of every tensor, the unused ones included."""
        table: dict[str, Shape] = {
            "token_embedding.weight": (self.vocabulary, self.width),
            "positional_embedding": (self.length, self.width),
            **_norm("ln_final", self.width),
            "text_projection": (self.width, self.width),
            "logit_scale": (),
        }
        for layer in range(self.layers):
            table |= self._layer(layer)
        return table

    def unused(self) -> frozenset[str]:
        """The stored tensors that depth-to-image never reads; a file may lack them."""
        return frozenset(self._layer(self.layers - 1)) | {"text_projection", "logit_scale"}

    def _layer(self, layer: int) -> dict[str, Shape]:
        block = f"transformer.resblocks.{layer}"
        return {
            **_norm(f"{block}.ln_1", self.width),
            f"{block}.attn.in_proj_weight": (3 * self.width, self.width),
            f"{block}.attn.in_proj_bias": (3 * self.width,),
            **_linear(f"{block}.attn.out_proj", self.width, self.width),
            **_norm(f"{block}.ln_2", self.width),
            **_linear(f"{block}.mlp.c_fc", self.width, self.mlp_width),
            **_linear(f"{block}.mlp.c_proj", self.mlp_width, self.width),
        }


FULL_UNET = UNetArchitecture(
    in_channels=5,
    out_channels=4,
    model_channels=320,
    channel_mult=(1, 2, 4, 4),
    res_blocks=2,
    attention=(True, True, True, False),
    context_dim=1024,
)
FULL_VAE = VAEArchitecture(channels=128, channel_mult=(1, 2, 4, 4), res_blocks=2)
FULL_TEXT = TextArchitecture(width=1024, layers=24, mlp_width=4096)


def shape_of(tensors: Mapping[str, TensorInfo], name: str, rank: int) -> Shape:
    """The shape of a tensor; raises UnknownArchitecture when it is missing or of another rank."""
    info = tensors.get(name)
    if info is None or len(info.shape) != rank:
        found = "is missing" if info is None else f"has shape {list(info.shape)}"
        raise UnknownArchitecture(f"the tensor {name} {found}, expected {rank} dimensions")
    return info.shape


def count_blocks(tensors: Mapping[str, TensorInfo], prefix: str) -> int:
    """How many consecutive numbers follow the prefix, from 0."""
    numbers = {name[len(prefix) :].split(".", 1)[0] for name in tensors if name.startswith(prefix)}
    return next(n for n in itertools.count() if str(n) not in numbers)


def _norm(name: str, channels: int) -> dict[str, Shape]:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def _linear(name: str, inputs: int, outputs: int, bias: bool = True) -> dict[str, Shape]:
    weight: dict[str, Shape] = {f"{name}.weight": (outputs, inputs)}
    return {**weight, f"{name}.bias": (outputs,)} if bias else weight


def _conv(name: str, inputs: int, outputs: int, kernel: int = 3) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def _res_block(name: str, inputs: int, outputs: int, embedding: int) -> dict[str, Shape]:
    skip = _conv(f"{name}.skip_connection", inputs, outputs, kernel=1) if inputs != outputs else {}
    return {
        **_norm(f"{name}.in_layers.0", inputs),
        **_conv(f"{name}.in_layers.2", inputs, outputs),
        **_linear(f"{name}.emb_layers.1", embedding, outputs),
        **_norm(f"{name}.out_layers.0", outputs),
        **_conv(f"{name}.out_layers.3", outputs, outputs),
        **skip,
    }


def _transformer(name: str, channels: int, context: int) -> dict[str, Shape]:
    block = f"{name}.transformer_blocks.0"
    return {
        **_norm(f"{name}.norm", channels),
        **_linear(f"{name}.proj_in", channels, channels),
        **_attention(f"{block}.attn1", channels, channels),
        **_linear(f"{block}.ff.net.0.proj", channels, 8 * channels),
        **_linear(f"{block}.ff.net.2", 4 * channels, channels),
        **_attention(f"{block}.attn2", channels, context),
        **_norm(f"{block}.norm1", channels),
        **_norm(f"{block}.norm2", channels),
        **_norm(f"{block}.norm3", channels),
        **_linear(f"{name}.proj_out", channels, channels),
    }


def _attention(name: str, channels: int, context: int) -> dict[str, Shape]:
    return {
        **_linear(f"{name}.to_q", channels, channels, bias=False),
        **_linear(f"{name}.to_k", context, channels, bias=False),
        **_linear(f"{name}.to_v", context, channels, bias=False),
        **_linear(f"{name}.to_out.0", channels, channels),
    }


def _vae_block(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    shortcut = _conv(f"{name}.nin_shortcut", inputs, outputs, kernel=1) if inputs != outputs else {}
    return {
        **_norm(f"{name}.norm1", inputs),
        **_conv(f"{name}.conv1", inputs, outputs),
        **_norm(f"{name}.norm2", outputs),
        **_conv(f"{name}.conv2", outputs, outputs),
        **shortcut,
    }


def _vae_middle(name: str, channels: int) -> dict[str, Shape]:
    table = {
        **_vae_block(f"{name}.block_1", channels, channels),
        **_norm(f"{name}.attn_1.norm", channels),
        **_vae_block(f"{name}.block_2", channels, channels),
    }
    for projection in ("q", "k", "v", "proj_out"):
        table |= _conv(f"{name}.attn_1.{projection}", channels, channels, kernel=1)
    return table


def _vae_end(side: str, channels: int, outputs: int) -> dict[str, Shape]:
    return {
        **_norm(f"{side}.norm_out", channels),
        **_conv(f"{side}.conv_out", channels, outputs),
    }
