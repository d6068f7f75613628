"""ComfyUI's nodes for latents: made, encoded, sampled, decoded.

LATENT is a dict with `samples` [B, 4, h, w] and perhaps `noise_mask` [B, 1, H, W] and
`batch_index`.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...engine import host
from ...sampling.latents import LATENT_PIXELS
from . import node_class
from .masks import with_channel
from .node_class import (
    CONDITIONING,
    IMAGE,
    LATENT,
    MASK,
    MAX_SIZE,
    MODEL,
    VAE,
    Nodes,
    integer,
    number,
)
from .resample import LATENT_METHODS, resample

Latent = dict[str, Any]

_MAX_SEED = 0xFFFFFFFFFFFFFFFF

NODES: Nodes = {}
node = partial(node_class.node, NODES)


@node(
    "EmptyLatentImage",
    "Empty Latent Image",
    {
        "width": integer(512, 16, MAX_SIZE, 8),
        "height": integer(512, 16, MAX_SIZE, 8),
        "batch_size": integer(1, 1, 4096),
    },
    ["LATENT"],
)
def empty_latent_image(width: int, height: int, batch_size: int = 1) -> Latent:
    """Zeros of an image's size in pixels."""
    size = (height // LATENT_PIXELS, width // LATENT_PIXELS)
    return {"samples": torch.zeros(batch_size, 4, *size)}


@node("VAEEncode", "VAE Encode", {"pixels": IMAGE, "vae": VAE}, ["LATENT"])
def vae_encode(pixels: Tensor, vae: Any) -> Latent:
    """An image as latent; the VAE cuts it to multiples of 8 pixels."""
    return {"samples": vae.encode(pixels)}


@node("VAEDecode", "VAE Decode", {"samples": LATENT, "vae": VAE}, ["IMAGE"])
def vae_decode(samples: Latent, vae: Any) -> Tensor:
    """A latent as image."""
    return vae.decode(samples["samples"])


@node("SetLatentNoiseMask", "Set Latent Noise Mask", {"samples": LATENT, "mask": MASK}, ["LATENT"])
def set_latent_noise_mask(samples: Latent, mask: Tensor) -> Latent:
    """Only what is under the mask will be sampled."""
    return {**samples, "noise_mask": with_channel(mask)}


@node(
    "LatentUpscaleBy",
    "Upscale Latent By",
    {"samples": LATENT, "upscale_method": (LATENT_METHODS,), "scale_by": number(1.5, 0.01, 8.0)},
    ["LATENT"],
)
def latent_upscale_by(samples: Latent, upscale_method: str, scale_by: float) -> Latent:
    """A latent, larger by a factor."""
    height, width = (round(side * scale_by) for side in samples["samples"].shape[-2:])
    resized = resample(samples["samples"], width, height, upscale_method, "disabled")
    return {**samples, "samples": resized}


@node(
    "RepeatLatentBatch",
    "Repeat Latent Batch",
    {"samples": LATENT, "amount": integer(1, 1, 64)},
    ["LATENT"],
)
def repeat_latent_batch(samples: Latent, amount: int) -> Latent:
    """The batch several times over, each copy with noise of its own."""
    result = {**samples, "samples": samples["samples"].repeat(amount, 1, 1, 1)}
    if "noise_mask" in samples and samples["noise_mask"].shape[0] > 1:
        result["noise_mask"] = samples["noise_mask"].repeat(amount, 1, 1, 1)
    if "batch_index" in samples:
        index = samples["batch_index"]
        span = max(index) - min(index) + 1
        result["batch_index"] = [i + copy * span for copy in range(amount) for i in index]
    return result


@node(
    "KSampler",
    "KSampler",
    {
        "model": MODEL,
        "seed": integer(0, 0, _MAX_SEED, control_after_generate=True),
        "steps": integer(20, 1, 10000),
        "cfg": number(8.0, 0.0, 100.0, 0.1, round=0.01),
        "sampler_name": (host.sampler_names(),),
        "scheduler": (host.scheduler_names(),),
        "positive": CONDITIONING,
        "negative": CONDITIONING,
        "latent_image": LATENT,
        "denoise": number(1.0, 0.0, 1.0),
    },
    ["LATENT"],
)
def ksampler(latent_image: Latent, **settings: Any) -> Latent:
    """Sample; at denoise 1.0 from latent + noise, unlike the Depth2Img Sampler."""
    return host.sample(latent=latent_image, **settings)
