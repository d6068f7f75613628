"""Denoising strength and masks: which latent a sampler starts from, and what it repaints when."""

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# ComfyUI's LATENT: "samples" [B, 4, h, w] in the VAE's units, and perhaps "noise_mask" and
# "batch_index".
Latent = dict[str, Any]

# What the VAE's latents are multiplied with before the UNet sees them; the training
# configuration's scale_factor (Stability-AI/stablediffusion, v2-midas-inference.yaml).
SCALE_FACTOR = 0.18215

LATENT_PIXELS = 8  # of an image's side to one of the latent's

# ComfyUI takes every denoise above this for "all of it" (comfy/samplers.py, KSampler.set_steps).
FULL_STRENGTH = 0.9999

_ANOTHER_STREAM = 0x9E3779B97F4A7C15

# White of an 8-bit grey PNG arrives as 255 * 256 / 65535 = 0.9961 in ComfyUI 0.33.
_FULLY_ON = 0.99


class StrengthRule(str, Enum):
    """What a sampler starts from at strength 1.0."""

    PURE_NOISE = "pure noise at 1.0"
    KSAMPLER = "like KSampler"


class MaskRule(str, Enum):
    """What grey means in a noise mask."""

    DIFFERENTIAL = "differential"  # how much is changed: a denoising strength of its own
    KSAMPLER = "like KSampler"  # how much of every step's result is taken


class MaskedContent(str, Enum):
    """What a sampler finds under the mask below strength 1.0."""

    ORIGINAL = "original"  # the image as it is
    FILL = "fill"  # colours that run in from the mask's border
    NOISE = "noise"
    EMPTY = "empty"  # zeros, which decode to a brownish grey


def masked_content(
    samples: Tensor, noise_mask: Tensor, content: MaskedContent, seed: int = 0
) -> Tensor:
    """An image's latent [B, 4, h, w], in the VAE's units, with something else under the mask.

    The mask is as in `fit_mask`; grey mixes. NOISE, which has the spread of latents, and EMPTY
    replace; the others leave the latent as it is (of the filled image with FILL).
    """
    if content not in (MaskedContent.NOISE, MaskedContent.EMPTY):
        return samples
    mask = fit_mask(noise_mask, *samples.shape[:1], *samples.shape[-2:]).to(samples)
    put = torch.zeros_like(samples)
    if content is MaskedContent.NOISE:
        # Not the sampler's own noise, even if it has the same seed.
        generator = torch.Generator().manual_seed((seed + _ANOTHER_STREAM) % 2**64)
        put = torch.randn(samples.shape, generator=generator).to(samples) / SCALE_FACTOR
    return torch.lerp(samples, put, mask)


def repainted_at(noise_mask: Tensor, sigma: float, sigmas: Sequence[float]) -> Tensor:
    """Where a step repaints, so that a grey value of 0.4 is a denoising strength of 0.4.

    A pixel keeps the noised source until the share of the schedule that is left has come down to
    its mask's value, and is free from then on (Levin and Fried 2023, "Differential Diffusion:
    Giving Each Pixel Its Strength", arXiv:2306.00950). Counted in steps, as KSampler's denoise is,
    and rounded to whole ones. At 0 a pixel is never free.

    The mask is in 0..1, of any shape; the result has zeros and ones. `sigmas` are the run's noise
    levels, falling, one more than steps; `sigma` is the one at hand, or lies between two of them.
    """
    steps = len(sigmas) - 1
    levels = [-math.log(level) for level in sigmas if level > 0]
    done = float(np.interp(-math.log(sigma), levels, range(len(levels)))) if sigma > 0 else steps
    threshold = min((steps - done - 0.5) / steps, _FULLY_ON)
    return ((noise_mask >= threshold) & (noise_mask > 0)).to(noise_mask)


def start_latent(
    samples: Tensor, denoise: float, noise_mask: Tensor | None, rule: StrengthRule
) -> Tensor:
    """The latent to start from, of `samples` [B, 4, h, w]; itself unless all is to be replaced.

    At strength 1.0 the original script starts from noise alone (Stability-AI/stablediffusion,
    `scripts/gradio/depth2img.py`: `z_enc = torch.randn_like(z)`), so nothing of the source
    image's colours is left. KSampler adds its noise to the latent, through which the source
    shines even at 1.0. An empty latent makes KSampler start from noise alone, so it replaces the
    source; with a mask (see `fit_mask`, 1 = repaint), only where the mask is fully on. Where it is
    partly on, the source is meant to remain partly.
    """
    if rule is StrengthRule.KSAMPLER or denoise <= FULL_STRENGTH:
        return samples
    if noise_mask is None:
        return samples.new_zeros(samples.shape)
    mask = fit_mask(noise_mask, *samples.shape[:1], *samples.shape[-2:])
    return samples * (mask < _FULLY_ON).to(samples)


def fit_mask(mask: Tensor, batch: int, height: int, width: int) -> Tensor:
    """A mask at the latent's size, the way ComfyUI fits it (`comfy/utils.py`, reshape_mask).

    From [H, W], [B, H, W] or [B, 1, H, W] in 0..1 to float32 [batch, 1, height, width], bilinear; a
    shorter batch is repeated.
    """
    mask = mask.float().reshape(-1, 1, *mask.shape[-2:])
    return to_batch(F.interpolate(mask, size=(height, width), mode="bilinear"), batch)


def to_batch(t: Tensor, batch: int) -> Tensor:
    """t [F, ...] repeated, or cut, to [batch, ...]."""
    return t[torch.arange(batch, device=t.device) % len(t)]
