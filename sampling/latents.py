"""Denoising strength and masks: which latent a sampler starts from."""

from enum import Enum

import torch.nn.functional as F
from torch import Tensor

# ComfyUI takes every denoise above this for "all of it" (comfy/samplers.py, KSampler.set_steps).
FULL_STRENGTH = 0.9999

# White of an 8-bit grey PNG arrives as 255 * 256 / 65535 = 0.9961 in ComfyUI 0.33.
_FULLY_ON = 0.99


class StrengthRule(str, Enum):
    """What a sampler starts from at strength 1.0."""

    PURE_NOISE = "pure noise at 1.0"
    KSAMPLER = "like KSampler"


def start_latent(
    samples: Tensor, denoise: float, noise_mask: Tensor | None, rule: StrengthRule
) -> Tensor:
    """The latent to start from under the strength rule.

    At strength 1.0 the original script starts from noise alone (Stability-AI/stablediffusion,
    `scripts/gradio/depth2img.py`: `z_enc = torch.randn_like(z)`), so nothing of the source
    picture's colours is left. KSampler adds its noise to the latent, through which the source
    shines even at 1.0. An empty latent makes KSampler start from noise alone, so that is what
    takes the source's place; with a mask, only where the mask is fully on. Where it is partly on,
    the source is meant to remain partly.

    Args:
        samples: [B, 4, h, w].
        denoise: strength, 0..1.
        noise_mask: [H, W], [B, H, W] or [B, 1, H, W] of any size, 1 = repaint; or None.
        rule: PURE_NOISE, or KSAMPLER to return `samples` unchanged.

    Returns: [B, 4, h, w]; a new tensor unless it is `samples` itself.
    """
    if rule is StrengthRule.KSAMPLER or denoise <= FULL_STRENGTH:
        return samples
    if noise_mask is None:
        return samples.new_zeros(samples.shape)
    mask = fit_mask(noise_mask, *samples.shape[:1], *samples.shape[-2:])
    return samples * (mask < _FULLY_ON).to(samples)


def fit_mask(mask: Tensor, batch: int, height: int, width: int) -> Tensor:
    """A mask at the latent's size, the way ComfyUI fits it (`comfy/utils.py`, reshape_mask).

    Args:
        mask: [H, W], [B, H, W] or [B, 1, H, W], values 0..1.

    Returns: float32 [batch, 1, height, width], bilinear; a shorter batch is repeated.
    """
    mask = mask.float().reshape(-1, 1, *mask.shape[-2:])
    mask = F.interpolate(mask, size=(height, width), mode="bilinear")
    repeats = -(-batch // mask.shape[0])
    return mask.repeat(repeats, 1, 1, 1)[:batch]
