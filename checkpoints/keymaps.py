"""What each tensor of a checkpoint in the original layout is called in diffusers and transformers.

One table per part, derived from the part's architecture, and each a bijection: every tensor that
Stable Diffusion 2 uses of the part stands in exactly one entry. Names on one side:
Stability-AI/stablediffusion and OpenCLIP; on the other: the files of a diffusers folder
(`unet/`, `vae/`, `text_encoder/`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .architecture import TextArchitecture, UNetArchitecture, VAEArchitecture


@dataclass(frozen=True)
class Entry:
    """One tensor of the original layout: its name, and its name in diffusers.

    Three names: query, key and value [3·width, ...] become three tensors [width, ...].
    """

    ldm: str
    diffusers: tuple[str, ...]
    squeezed: bool = False  # a 1×1 convolution [out, in, 1, 1] becomes a linear layer [out, in]

    def split(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """The tensors under `diffusers`' names, as views of the one under `ldm`'s."""
        if len(self.diffusers) == 3:
            return tensor.chunk(3)
        return (tensor.squeeze((2, 3)) if self.squeezed else tensor,)

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """The way back: the tensor under `ldm`'s name from those under `diffusers`' names."""
        if len(self.diffusers) == 3:
            return torch.cat(tuple(tensors))
        return tensors[0][:, :, None, None] if self.squeezed else tensors[0]


@dataclass(frozen=True)
class KeyMap:
    """A part's table; no name occurs twice on either side."""

    entries: tuple[Entry, ...]  # one for every tensor that is used

    def to_diffusers(self, read: Callable[[str], Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Every tensor under its name in diffusers, as a view of what `read` gave.

        `read` is called once for each original name that is used.
        """
        for entry in self.entries:
            yield from zip(entry.diffusers, entry.split(read(entry.ldm)), strict=True)

    def to_ldm(self, read: Callable[[str], Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Every used tensor under its original name; `read` takes a name in diffusers."""
        for entry in self.entries:
            yield entry.ldm, entry.join([read(name) for name in entry.diffusers])


def unet_keys(unet: UNetArchitecture) -> KeyMap:
    """The UNet: `input_blocks`, `middle_block`, `output_blocks` -> `down_`, `mid_`, `up_blocks`."""
    blocks = dict(_unet_blocks(unet))
    return KeyMap(
        tuple(Entry(name, (_renamed(name, blocks, _UNET_LAYERS),)) for name in unet.tensors())
    )


def controlnet_keys(unet: UNetArchitecture) -> KeyMap:
    """A ControlNet: a copy of this UNet's first half, and what it has beside that.

    Names: lllyasviel/ControlNet, `cldm/cldm.py`. The hint goes through eight convolutions.
    """
    blocks = dict(_unet_blocks(unet))
    half = ("time_embed.", "input_blocks.", "middle_block.")
    copied = [
        (name, _renamed(name, blocks, _UNET_LAYERS))
        for name in unet.tensors()
        if name.startswith(half)
    ]
    hint = ["conv_in", *(f"blocks.{index}" for index in range(6)), "conv_out"]  # SiLU between
    outputs = len(unet.levels) * (unet.res_blocks + 1)  # as many as the UNet has skips
    layers = [
        *(
            (f"input_hint_block.{2 * n}", f"controlnet_cond_embedding.{to}")
            for n, to in enumerate(hint)
        ),
        *((f"zero_convs.{n}.0", f"controlnet_down_blocks.{n}") for n in range(outputs)),
        ("middle_block_out.0", "controlnet_mid_block"),
    ]
    added = [(f"{a}.{kind}", f"{b}.{kind}") for a, b in layers for kind in ("weight", "bias")]
    return KeyMap(tuple(Entry(name, (target,)) for name, target in [*copied, *added]))


def vae_keys(vae: VAEArchitecture) -> KeyMap:
    """The autoencoder; the attention's 1×1 convolutions become linear layers."""
    blocks = dict(_vae_blocks(vae))

    def entry(name: str, rank: int) -> Entry:
        squeezed = ".attn_1." in name and rank == 4
        return Entry(name, (_renamed(name, blocks, _VAE_LAYERS),), squeezed)

    return KeyMap(tuple(entry(name, len(shape)) for name, shape in vae.tensors().items()))


def text_keys(text: TextArchitecture) -> KeyMap:
    """OpenCLIP's text tower -> transformers' CLIPTextModel, without the last stored layer.

    SD2 is conditioned on the output of the last but one layer, so the CLIPTextModel has one layer
    less than is stored; the projection and the logit scale serve CLIP's own task only.
    """
    blocks = dict(_text_blocks(text))

    def entry(name: str) -> Entry:
        target = _renamed(name, blocks, _TEXT_LAYERS)
        three = tuple(target.replace("qkv", letter) for letter in "qkv")
        return Entry(name, three if "qkv" in target else (target,))

    unused = text.unused()
    return KeyMap(tuple(entry(name) for name in text.tensors() if name not in unused))


# --- Blocks: the part of a name that says where in the network a layer is -----------------------


def _unet_blocks(unet: UNetArchitecture) -> Iterator[tuple[str, str]]:
    """Original counts every block of a side in one row; diffusers counts levels, then blocks."""
    yield from (
        ("time_embed.0", "time_embedding.linear_1"),
        ("time_embed.2", "time_embedding.linear_2"),
        ("input_blocks.0.0", "conv_in"),
        ("middle_block.0", "mid_block.resnets.0"),
        ("middle_block.1", "mid_block.attentions.0"),
        ("middle_block.2", "mid_block.resnets.1"),
        ("out.0", "conv_norm_out"),
        ("out.2", "conv_out"),
    )
    last = len(unet.levels) - 1
    for level in range(last + 1):
        first = 1 + level * (unet.res_blocks + 1)  # after conv_in; a level ends with a downsampler
        for block in range(unet.res_blocks):
            yield f"input_blocks.{first + block}.0", f"down_blocks.{level}.resnets.{block}"
            yield f"input_blocks.{first + block}.1", f"down_blocks.{level}.attentions.{block}"
        downsampler = f"input_blocks.{first + unet.res_blocks}.0.op"
        yield downsampler, f"down_blocks.{level}.downsamplers.0.conv"
    for level in range(last + 1):
        first = level * (unet.res_blocks + 1)
        for block in range(unet.res_blocks + 1):
            yield f"output_blocks.{first + block}.0", f"up_blocks.{level}.resnets.{block}"
            yield f"output_blocks.{first + block}.1", f"up_blocks.{level}.attentions.{block}"
        # The upsampler shares the level's last block and follows its attention, if there is one.
        place = 2 if unet.attention[last - level] else 1
        upsampler = f"output_blocks.{first + unet.res_blocks}.{place}.conv"
        yield upsampler, f"up_blocks.{level}.upsamplers.0.conv"


def _vae_blocks(vae: VAEArchitecture) -> Iterator[tuple[str, str]]:
    """The original's decoder counts levels from the finest, diffusers' from the coarsest."""
    yield from (("quant_conv", "quant_conv"), ("post_quant_conv", "post_quant_conv"))
    for side in ("encoder", "decoder"):
        yield f"{side}.conv_in", f"{side}.conv_in"
        yield f"{side}.mid.block_1", f"{side}.mid_block.resnets.0"
        yield f"{side}.mid.attn_1", f"{side}.mid_block.attentions.0"
        yield f"{side}.mid.block_2", f"{side}.mid_block.resnets.1"
        yield f"{side}.norm_out", f"{side}.conv_norm_out"
        yield f"{side}.conv_out", f"{side}.conv_out"
    last = len(vae.levels) - 1
    for level in range(last + 1):
        down, up = f"encoder.down_blocks.{level}", f"decoder.up_blocks.{last - level}"
        for block in range(vae.res_blocks):
            yield f"encoder.down.{level}.block.{block}", f"{down}.resnets.{block}"
        for block in range(vae.res_blocks + 1):
            yield f"decoder.up.{level}.block.{block}", f"{up}.resnets.{block}"
        yield f"encoder.down.{level}.downsample.conv", f"{down}.downsamplers.0.conv"
        yield f"decoder.up.{level}.upsample.conv", f"{up}.upsamplers.0.conv"


def _text_blocks(text: TextArchitecture) -> Iterator[tuple[str, str]]:
    yield "token_embedding", "text_model.embeddings.token_embedding"
    yield "positional_embedding", "text_model.embeddings.position_embedding.weight"
    yield "ln_final", "text_model.final_layer_norm"
    for layer in range(text.layers - 1):
        yield f"transformer.resblocks.{layer}", f"text_model.encoder.layers.{layer}"


# --- Layers: the rest of a name, within a block; a layer that is not listed keeps its name -------

_UNET_LAYERS = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}

_VAE_LAYERS = {
    "nin_shortcut": "conv_shortcut",
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
}

_TEXT_LAYERS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.in_proj_weight": "self_attn.qkv_proj.weight",
    "attn.in_proj_bias": "self_attn.qkv_proj.bias",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def _renamed(name: str, blocks: Mapping[str, str], layers: Mapping[str, str]) -> str:
    """The name with its block and its layer translated; KeyError when the block is unknown."""
    block = _known_start(name, blocks)
    rest = name[len(block) :].removeprefix(".")
    layer = _known_start(rest, {**layers, "": ""})
    rest = layers.get(layer, "") + rest[len(layer) :]
    return f"{blocks[block]}.{rest}" if rest else blocks[block]


def _known_start(name: str, table: Mapping[str, str]) -> str:
    """The longest start of the name, cut at a dot, that the table lists."""
    start = name
    while start not in table:
        if not start:
            raise KeyError(name)
        start = start.rpartition(".")[0]
    return start
