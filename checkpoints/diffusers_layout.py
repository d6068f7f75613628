"""Parts in the layout of diffusers and transformers: their widths, and their original names.

Widths are read from the shapes, as for the original layout; `config.json` is not needed.
"""

from collections.abc import Mapping

from .architecture import (
    TextArchitecture,
    UNetArchitecture,
    VAEArchitecture,
    count_blocks,
    shape_of,
)
from .files.views import Origin, View, renamed
from .files.weights import TensorInfo, WeightFile
from .identify.diagnosis import Part
from .keymaps import KeyMap, text_keys, unet_keys, vae_keys
from .midas_keymap import MIDAS_KEYS

Tensors = Mapping[str, TensorInfo]


def unet_origins(file: WeightFile, prefix: str = "") -> dict[str, Origin]:
    """A UNet under its original names. Raises UnknownArchitecture.

    What does not begin with `prefix` keeps its name.
    """
    origins = {name: Origin(file, (name,)) for name in file.tensors}
    unet = {n[len(prefix) :]: o for n, o in origins.items() if n.startswith(prefix)}
    others = {n: o for n, o in origins.items() if not n.startswith(prefix)}
    part = View(file.path, unet)
    return others | _in_original_names(part, unet_keys(unet_widths(part.tensors)), Part.UNET.value)


def vae_origins(file: WeightFile) -> dict[str, Origin]:
    """An autoencoder under its original names. Raises UnknownArchitecture."""
    file = renamed(file, _modern_vae_name)
    vae = VAEArchitecture.from_tensors(file.tensors, "encoder.down_blocks.", ".resnets.")
    return _in_original_names(file, vae_keys(vae), Part.VAE.value)


def text_origins(file: WeightFile) -> dict[str, Origin]:
    """A CLIPTextModel under the names of OpenCLIP's text tower. Raises UnknownArchitecture.

    Its table of positions (0, 1, 2, ...), which older versions of transformers store, is dropped.
    """
    file = renamed(file, _full_text_name)
    origins = _in_original_names(file, text_keys(_text(file.tensors)), Part.TEXT.value)
    origins.pop(f"{Part.TEXT.value}text_model.embeddings.position_ids", None)
    return origins


def midas_origins(file: WeightFile) -> dict[str, Origin]:
    """A DPTForDepthEstimation under MiDaS's names."""
    return _in_original_names(file, MIDAS_KEYS, Part.MIDAS.value)


def _in_original_names(file: WeightFile, keys: KeyMap, prefix: str) -> dict[str, Origin]:
    """A part in the layout of diffusers under its original names, which begin with `prefix`.

    What the table does not know keeps its name behind the prefix, and an entry whose tensors are
    not all there is left out, so that whoever checks the part against its widths finds both.
    """
    entries = [e for e in keys.entries if all(name in file.tensors for name in e.diffusers)]
    known = {name for entry in entries for name in entry.diffusers}
    return {
        **{prefix + entry.ldm: Origin(file, entry.diffusers, entry.join) for entry in entries},
        **{prefix + name: Origin(file, (name,)) for name in file.tensors if name not in known},
    }


# --- widths --------------------------------------------------------------------------------------


def unet_widths(tensors: Tensors) -> UNetArchitecture:
    """Of a UNet in the layout of diffusers. Raises UnknownArchitecture."""
    channels, in_channels = shape_of(tensors, "conv_in.weight", 4)[:2]
    levels = range(count_blocks(tensors, "down_blocks."))
    widths = [
        shape_of(tensors, f"down_blocks.{level}.resnets.0.conv1.weight", 4)[0] for level in levels
    ]
    attention = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    return UNetArchitecture(
        in_channels=in_channels,
        out_channels=shape_of(tensors, "conv_out.weight", 4)[0],
        model_channels=channels,
        channel_mult=tuple(width // channels for width in widths),
        res_blocks=count_blocks(tensors, "down_blocks.0.resnets."),
        attention=tuple(f"down_blocks.{n}.attentions.0.proj_in.weight" in tensors for n in levels),
        context_dim=shape_of(tensors, attention, 2)[1],
    )


def _text(tensors: Tensors) -> TextArchitecture:
    """The last layer, which SD2 does not use, is not part of a CLIPTextModel, but counts."""
    embeddings = "text_model.embeddings"
    vocabulary, width = shape_of(tensors, f"{embeddings}.token_embedding.weight", 2)
    return TextArchitecture(
        width=width,
        layers=count_blocks(tensors, "text_model.encoder.layers.") + 1,
        mlp_width=shape_of(tensors, "text_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
        vocabulary=vocabulary,
        length=shape_of(tensors, f"{embeddings}.position_embedding.weight", 2)[0],
    )


# --- names of other versions ---------------------------------------------------------------------

# The autoencoder's attention before diffusers 0.15; SD2's own folders have these names.
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def _modern_vae_name(name: str) -> str:
    start, mark, rest = name.partition(".attentions.0.")
    layer, _, kind = rest.rpartition(".")
    return f"{start}{mark}{_OLD_ATTENTION[layer]}.{kind}" if layer in _OLD_ATTENTION else name


def _full_text_name(name: str) -> str:
    """Transformers 5 leaves out the module `text_model` that older versions have around it all."""
    starts = ("embeddings.", "encoder.", "final_layer_norm.")
    return f"text_model.{name}" if name.startswith(starts) else name
