"""ComfyUI's nodes between images and sampling, for the embedded engine: prompts and latents.

CONDITIONING is a list of [tensor [1, T, C], dict]; LATENT a dict with `samples` [B, 4, h, w] and
perhaps `noise_mask` [B, 1, H, W] and `batch_index`.
"""

import logging
import math
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...engine import host
from ...sampling.depth_channel import Conditioning
from ...sampling.latents import LATENT_PIXELS
from . import v1
from .images import batch_slice, to_batch, with_channel
from .resample import CROPS, LATENT_METHODS, resample
from .v1 import (
    CLIP,
    CONDITIONING,
    IMAGE,
    LATENT,
    MASK,
    MAX_SIZE,
    MODEL,
    VAE,
    integer,
    number,
    string,
)

Latent = dict[str, Any]

_MAX_SEED = 0xFFFFFFFFFFFFFFFF

log = logging.getLogger(__name__)

NODES: v1.Nodes = {}
node = partial(v1.node, NODES)

# --- prompts -------------------------------------------------------------------------------------


@node(
    "CLIPTextEncode",
    "CLIP Text Encode (Prompt)",
    {"text": string(multiline=True, dynamicPrompts=True), "clip": CLIP},
    ["CONDITIONING"],
)
def clip_text_encode(text: str, clip: Any) -> Conditioning:
    """A prompt as conditioning."""
    return [[clip.encode(clip.tokenize(text)), {}]]


@node(
    "ConditioningCombine",
    "Conditioning (Combine)",
    {"conditioning_1": CONDITIONING, "conditioning_2": CONDITIONING},
    ["CONDITIONING"],
)
def conditioning_combine(conditioning_1: Conditioning, conditioning_2: Conditioning) -> Any:
    """Both prompts; what they predict is averaged."""
    return conditioning_1 + conditioning_2


@node(
    "ConditioningConcat",
    "Conditioning (Concat)",
    {"conditioning_to": CONDITIONING, "conditioning_from": CONDITIONING},
    ["CONDITIONING"],
)
def conditioning_concat(conditioning_to: Conditioning, conditioning_from: Conditioning) -> Any:
    """The second prompt's tokens behind the first one's."""
    added = _only_entry(conditioning_from)[0]
    return [[torch.cat((context, added), 1), values.copy()] for context, values in conditioning_to]


@node(
    "ConditioningAverage",
    "Conditioning (Average)",
    {
        "conditioning_to": CONDITIONING,
        "conditioning_from": CONDITIONING,
        "conditioning_to_strength": number(1.0, 0.0, 1.0),
    },
    ["CONDITIONING"],
)
def conditioning_average(
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: float,
) -> Conditioning:
    """A mixture of two prompts; the shorter one counts as filled up with zeros."""
    other = _only_entry(conditioning_from)[0]

    def mixed(context: Tensor) -> Tensor:
        length = context.shape[1]
        fitted = F.pad(other[:, :length], (0, 0, 0, max(0, length - other.shape[1])))
        return context * conditioning_to_strength + fitted * (1.0 - conditioning_to_strength)

    return [[mixed(context), values.copy()] for context, values in conditioning_to]


def _only_entry(conditioning: Conditioning) -> Any:
    if len(conditioning) > 1:
        log.warning("conditioning_from holds %d prompts; only the first is used", len(conditioning))
    return conditioning[0]


@node(
    "ConditioningZeroOut", "Conditioning Zero Out", {"conditioning": CONDITIONING}, ["CONDITIONING"]
)
def conditioning_zero_out(conditioning: Conditioning) -> Conditioning:
    """A prompt that says nothing at all: zeros, which is not the same as an empty text."""
    return [[torch.zeros_like(context), values.copy()] for context, values in conditioning]


_STRENGTH = number(1.0, 0.0, 10.0)


@node(
    "ConditioningSetArea",
    "Conditioning (Set Area)",
    {
        "conditioning": CONDITIONING,
        "width": integer(64, 64, MAX_SIZE, 8),
        "height": integer(64, 64, MAX_SIZE, 8),
        "x": integer(0, 0, MAX_SIZE, 8),
        "y": integer(0, 0, MAX_SIZE, 8),
        "strength": _STRENGTH,
    },
    ["CONDITIONING"],
)
def conditioning_set_area(
    conditioning: Conditioning, width: int, height: int, x: int, y: int, strength: float
) -> Conditioning:
    """The prompt holds in a rectangle; pixels."""
    area = tuple(pixels // LATENT_PIXELS for pixels in (height, width, y, x))
    return _with_values(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(
    "ConditioningSetAreaPercentage",
    "Conditioning (Set Area with Percentage)",
    {
        "conditioning": CONDITIONING,
        "width": number(1.0, 0, 1.0),
        "height": number(1.0, 0, 1.0),
        "x": number(0, 0, 1.0),
        "y": number(0, 0, 1.0),
        "strength": _STRENGTH,
    },
    ["CONDITIONING"],
)
def conditioning_set_area_percentage(
    conditioning: Conditioning, width: float, height: float, x: float, y: float, strength: float
) -> Conditioning:
    """The prompt holds in a rectangle; fractions of the image."""
    area = ("percentage", height, width, y, x)
    return _with_values(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(
    "ConditioningSetAreaStrength",
    "Conditioning (Set Area Strength)",
    {"conditioning": CONDITIONING, "strength": _STRENGTH},
    ["CONDITIONING"],
)
def conditioning_set_area_strength(conditioning: Conditioning, strength: float) -> Conditioning:
    """How much the prompt counts beside others."""
    return _with_values(conditioning, strength=strength)


@node(
    "ConditioningSetMask",
    "Conditioning (Set Mask)",
    {
        "conditioning": CONDITIONING,
        "mask": MASK,
        "strength": _STRENGTH,
        "set_cond_area": (["default", "mask bounds"],),
    },
    ["CONDITIONING"],
)
def conditioning_set_mask(
    conditioning: Conditioning, mask: Tensor, strength: float, set_cond_area: str
) -> Conditioning:
    """The prompt holds under a mask."""
    return _with_values(
        conditioning,
        mask=mask if mask.ndim > 2 else mask.unsqueeze(0),
        set_area_to_bounds=set_cond_area != "default",
        mask_strength=strength,
    )


@node(
    "ConditioningSetTimestepRange",
    "ConditioningSetTimestepRange",
    {
        "conditioning": CONDITIONING,
        "start": number(0.0, 0.0, 1.0, 0.001),
        "end": number(1.0, 0.0, 1.0, 0.001),
    },
    ["CONDITIONING"],
)
def conditioning_set_timestep_range(
    conditioning: Conditioning, start: float, end: float
) -> Conditioning:
    """The prompt holds for a part of the sampling, 0 = its beginning."""
    return _with_values(conditioning, start_percent=start, end_percent=end)


def _with_values(conditioning: Conditioning, **values: Any) -> Conditioning:
    return [[context, {**old, **values}] for context, old in conditioning]


# --- latents -------------------------------------------------------------------------------------


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


@node(
    "VAEEncodeForInpaint",
    "VAE Encode (for Inpainting)",
    {"pixels": IMAGE, "vae": VAE, "mask": MASK, "grow_mask_by": integer(6, 0, 64)},
    ["LATENT"],
)
def vae_encode_for_inpaint(pixels: Tensor, vae: Any, mask: Tensor, grow_mask_by: int = 6) -> Latent:
    """An image as latent, grey under the mask, with the grown mask as noise mask."""
    mask = F.interpolate(with_channel(mask), size=pixels.shape[1:3], mode="bilinear")
    rows, columns = (_whole_latents(side) for side in pixels.shape[1:3])
    if (rows.stop, columns.stop) != tuple(pixels.shape[1:3]):
        log.warning(
            "VAE Encode (for Inpainting): %d×%d pixels are not multiples of %d; encoding the "
            "middle %d×%d",
            *(pixels.shape[2], pixels.shape[1], LATENT_PIXELS),
            *(columns.stop - columns.start, rows.stop - rows.start),
        )
    mask = mask[..., rows, columns].round()
    visible = 1.0 - mask.movedim(1, -1)  # B1HW -> BHW1
    grey_inside = (pixels[:, rows, columns] - 0.5) * visible + 0.5
    return {"samples": vae.encode(grey_inside), "noise_mask": _grown(mask, grow_mask_by)}


def _whole_latents(pixels: int) -> slice:
    """The middle of a side, a multiple of 8 pixels long, as ComfyUI's VAE takes it."""
    start = pixels % LATENT_PIXELS // 2
    return slice(start, start + pixels // LATENT_PIXELS * LATENT_PIXELS)


def _grown(mask: Tensor, pixels: int) -> Tensor:
    """A mask of zeros and ones [B, 1, H, W], wider by a square of that many pixels."""
    if pixels == 0:
        return mask
    square = torch.ones(1, 1, pixels, pixels)
    grown = F.conv2d(mask, square, padding=math.ceil((pixels - 1) / 2)).clamp(0, 1)
    return grown[..., : mask.shape[-2], : mask.shape[-1]].round()


@node(
    "SetLatentNoiseMask",
    "Set Latent Noise Mask",
    {"samples": LATENT, "mask": MASK},
    ["LATENT"],
)
def set_latent_noise_mask(samples: Latent, mask: Tensor) -> Latent:
    """Only what is under the mask will be sampled."""
    return {**samples, "noise_mask": with_channel(mask)}


@node(
    "LatentUpscale",
    "Upscale Latent",
    {
        "samples": LATENT,
        "upscale_method": (LATENT_METHODS,),
        "width": integer(512, 0, MAX_SIZE, 8),
        "height": integer(512, 0, MAX_SIZE, 8),
        "crop": (CROPS,),
    },
    ["LATENT"],
)
def latent_upscale(
    samples: Latent, upscale_method: str, width: int, height: int, crop: str
) -> Latent:
    """A latent at another size in pixels; a side of 0 follows from the other one."""
    if width == 0 and height == 0:
        return samples
    old_height, old_width = samples["samples"].shape[-2:]
    smallest = 8 * LATENT_PIXELS
    if width == 0:
        width = round(old_width * max(smallest, height) / old_height)
    if height == 0:
        height = round(old_height * max(smallest, width) / old_width)
    size = (max(smallest, width) // LATENT_PIXELS, max(smallest, height) // LATENT_PIXELS)
    return {**samples, "samples": resample(samples["samples"], *size, upscale_method, crop)}


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
        masks = to_batch(samples["noise_mask"], samples["samples"].shape[0])
        result["noise_mask"] = masks.repeat(amount, 1, 1, 1)
    if "batch_index" in samples:
        index = samples["batch_index"]
        span = max(index) - min(index) + 1
        result["batch_index"] = [i + copy * span for copy in range(amount) for i in index]
    return result


@node(
    "LatentFromBatch",
    "Get Latent From Batch",
    {
        "samples": LATENT,
        "batch_index": integer(0, -MAX_SIZE, MAX_SIZE),
        "length": integer(1, 1, 64),
    },
    ["LATENT"],
)
def latent_from_batch(samples: Latent, batch_index: int, length: int) -> Latent:
    """Some of a batch, with the noise they had in it."""
    count = samples["samples"].shape[0]
    chosen = batch_slice(count, batch_index, length)
    result = {**samples, "samples": samples["samples"][chosen].clone()}
    if "noise_mask" in samples:
        masks = samples["noise_mask"]
        shared = masks.shape[0] == 1
        result["noise_mask"] = masks.clone() if shared else to_batch(masks, count)[chosen].clone()
    result["batch_index"] = samples.get("batch_index", list(range(count)))[chosen]
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
