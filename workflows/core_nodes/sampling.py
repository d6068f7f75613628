"""ComfyUI's nodes for latents: made, encoded, sampled, decoded."""

from typing import Annotated

import torch

from ...engine import host
from ...engine.stretch import Stretch
from ...engine.tiled_vae import decode_tiled, encode_tiled
from ...images.resample import CROPS, LATENT_METHODS, resample
from ...sampling.latents import LATENT_PIXELS
from .masks import with_channel
from .node_class import (
    MAX_SIZE,
    BatchSize,
    Conditioning,
    Image,
    Latent,
    Mask,
    Model,
    Vae,
    integer,
    node,
    number,
)

Seed = Annotated[int, integer(0, 0, 2**64 - 1, control_after_generate=True)]
Steps = Annotated[int, integer(20, 1, 10000)]
Cfg = Annotated[float, number(8.0, 0.0, 100.0, 0.1, round=0.01)]
SamplerName = Annotated[str, (host.sampler_names(),)]
Scheduler = Annotated[str, (host.scheduler_names(),)]
Side = Annotated[int, integer(512, 16, MAX_SIZE, 8)]


@node("EmptyLatentImage", "Empty Latent Image")
def empty_latent_image(width: Side, height: Side, batch_size: BatchSize) -> Latent:
    """Zeros of an image's size in pixels."""
    size = (height // LATENT_PIXELS, width // LATENT_PIXELS)
    return {"samples": torch.zeros(batch_size, 4, *size)}


@node("VAEEncode", "VAE Encode")
def vae_encode(pixels: Image, vae: Vae) -> Latent:
    """An image as latent; the VAE cuts it to multiples of 8 pixels."""
    return {"samples": vae.encode(pixels)}


@node("VAEDecode", "VAE Decode")
def vae_decode(samples: Latent, vae: Vae) -> Image:
    """A latent as image."""
    return vae.decode(samples["samples"])


Frames = Annotated[int, integer(64, 8, 4096, 4)]  # of video VAEs, which the engine has none of
FramesOverlap = Annotated[int, integer(8, 4, 4096, 4)]


@node("VAEEncodeTiled", "VAE Encode (Tiled)")
def vae_encode_tiled(
    pixels: Image,
    vae: Vae,
    tile_size: Annotated[int, integer(512, 64, 4096, 64)],
    overlap: Annotated[int, integer(64, 0, 4096, 32)],
    temporal_size: Frames,
    temporal_overlap: FramesOverlap,
) -> Latent:
    """An image as latent, piece by piece; sides in pixels."""
    return {"samples": encode_tiled(vae, pixels, tile_size, overlap)}


@node("VAEDecodeTiled", "VAE Decode (Tiled)")
def vae_decode_tiled(
    samples: Latent,
    vae: Vae,
    tile_size: Annotated[int, integer(512, 64, 4096, 32)],
    overlap: Annotated[int, integer(64, 0, 4096, 32)],
    temporal_size: Frames,
    temporal_overlap: FramesOverlap,
) -> Image:
    """A latent as image, piece by piece; sides in pixels, the overlap a quarter at most."""
    overlap = tile_size // 4 if tile_size < overlap * 4 else overlap
    return decode_tiled(vae, samples["samples"], tile_size, overlap)


@node("SetLatentNoiseMask", "Set Latent Noise Mask")
def set_latent_noise_mask(samples: Latent, mask: Mask) -> Latent:
    """Only what is under the mask will be sampled."""
    return {**samples, "noise_mask": with_channel(mask)}


@node("LatentUpscale", "Upscale Latent")
def latent_upscale(
    samples: Latent,
    upscale_method: Annotated[str, (LATENT_METHODS,)],
    width: Annotated[int, integer(512, 0, MAX_SIZE, 8)],
    height: Annotated[int, integer(512, 0, MAX_SIZE, 8)],
    crop: Annotated[str, (CROPS,)],
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


@node("LatentUpscaleBy", "Upscale Latent By")
def latent_upscale_by(
    samples: Latent,
    upscale_method: Annotated[str, (LATENT_METHODS,)],
    scale_by: Annotated[float, number(1.5, 0.01, 8.0)],
) -> Latent:
    """A latent, larger by a factor."""
    height, width = (round(side * scale_by) for side in samples["samples"].shape[-2:])
    resized = resample(samples["samples"], width, height, upscale_method, "disabled")
    return {**samples, "samples": resized}


@node("RepeatLatentBatch", "Repeat Latent Batch")
def repeat_latent_batch(samples: Latent, amount: Annotated[int, integer(1, 1, 64)]) -> Latent:
    """The batch several times over, each copy with noise of its own."""
    result = {**samples, "samples": samples["samples"].repeat(amount, 1, 1, 1)}
    if "noise_mask" in samples and samples["noise_mask"].shape[0] > 1:
        result["noise_mask"] = samples["noise_mask"].repeat(amount, 1, 1, 1)
    if "batch_index" in samples:
        index = samples["batch_index"]
        span = max(index) - min(index) + 1
        result["batch_index"] = [i + copy * span for copy in range(amount) for i in index]
    return result


@node("LatentBatchSeedBehavior", "LatentBatchSeedBehavior")
def latent_batch_seed_behavior(
    samples: Latent,
    seed_behavior: Annotated[str, (["random", "fixed"], {"default": "fixed"})],
) -> Latent:
    """Whether each latent of a batch starts from its own noise, or all from the first one's."""
    result = {key: value for key, value in samples.items() if key != "batch_index"}
    if seed_behavior == "fixed":
        first = samples.get("batch_index", [0])[0]
        result["batch_index"] = [first] * samples["samples"].shape[0]
    return result


@node("KSampler", "KSampler")
def ksampler(
    model: Model,
    seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: Scheduler,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: Annotated[float, number(1.0, 0.0, 1.0)],
) -> Latent:
    """Sample; at denoise 1.0 from latent + noise, unlike the Depth2Img Sampler."""
    guided = (cfg, sampler_name, scheduler, positive, negative)
    return host.sample(model, seed, steps, *guided, latent_image, denoise)


@node("KSamplerAdvanced", "KSampler (Advanced)")
def ksampler_advanced(
    model: Model,
    add_noise: Annotated[str, (["enable", "disable"],)],
    noise_seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: Scheduler,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    start_at_step: Annotated[int, integer(0, 0, 10000)],
    end_at_step: Annotated[int, integer(10000, 0, 10000)],
    return_with_leftover_noise: Annotated[str, (["disable", "enable"],)],
) -> Latent:
    """Some of a run's steps; another one goes on with the noise that is left."""
    stretch = Stretch(
        start_at_step,
        end_at_step,
        adds_noise=add_noise == "enable",
        finishes=return_with_leftover_noise == "disable",
    )
    guided = (cfg, sampler_name, scheduler, positive, negative)
    return host.sample(model, noise_seed, steps, *guided, latent_image, stretch=stretch)
