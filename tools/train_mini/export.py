"""The trained networks as one checkpoint in the layout of `512-depth-ema`."""

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from ...checkpoints.identify.diagnosis import Part
from ...checkpoints.keymaps import KeyMap, text_keys, unet_keys, vae_keys
from ...depth.networks.dpt import UNUSED
from ...depth.networks.midas_hybrid import DPTHybrid
from ...engine.networks import text_tower
from ..make_checkpoint import write
from .structure import STRUCTURE
from .unet import PromptToNoise


def export(
    path: Path,
    vae: AutoencoderKL,
    midas: DPTHybrid,
    network: PromptToNoise,
    facts: Mapping[str, object],
) -> None:
    """Write the checkpoint, float16, with zeros for tensors that the real file holds unused.

    Raises ValueError when a tensor of the structure is missing, or does not fit into float16.
    """
    text = text_tower(network.text).state_dict()
    trained = {
        **_renamed(Part.UNET, unet_keys(STRUCTURE.unet), network.unet.state_dict()),
        **_renamed(Part.VAE, vae_keys(STRUCTURE.vae), vae.state_dict()),
        **_renamed(
            Part.TEXT,
            text_keys(STRUCTURE.text),
            {f"text_model.{name}": tensor for name, tensor in text.items()},
        ),
        **{Part.MIDAS.value + name: tensor for name, tensor in midas.state_dict().items()},
    }
    unused = (
        *(Part.TEXT.value + name for name in STRUCTURE.text.unused()),
        *(Part.MIDAS.value + prefix for prefix in UNUSED),
    )
    weights = {
        name: _half(name, trained.get(name), shape, name.startswith(unused))
        for name, shape in STRUCTURE.tensors().items()
    }
    write(path, weights, STRUCTURE, facts)


def _renamed(part: Part, keys: KeyMap, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A part's tensors under their names in the file; those that are missing stay missing."""
    present = [entry for entry in keys.entries if weights.keys() >= set(entry.diffusers)]
    tensors = KeyMap(tuple(present)).to_ldm(weights.__getitem__)
    return {part.value + name: tensor for name, tensor in tensors}


def _half(name: str, tensor: Tensor | None, shape: tuple[int, ...], unused: bool) -> Tensor:
    if tensor is None:
        if not unused:
            raise ValueError(f"nothing was trained for the tensor {name}")
        return torch.zeros(shape, dtype=torch.float16)
    half = tensor.detach().cpu().to(torch.float16).contiguous()
    if tuple(half.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(half.shape)}, the structure says {shape}")
    if not half.isfinite().all():
        raise ValueError(
            f"{name} holds NaN, or values beyond float16's 65504 (largest: {tensor.abs().max()})"
        )
    return half
