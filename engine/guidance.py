"""KSampler for the embedded engine: the sampling loop and classifier-free guidance.

The rules are those of ComfyUI's KSampler, so that one workflow gives one image in both hosts.
"""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..images.counts import counted
from ..images.numbers import percent
from ..sampling.depth_channel import Conditioning
from ..sampling.latents import Latent, MaskRule, fit_mask, repainted_at
from ..sampling.steps import watcher
from ..sampling.trained_sizes import warn_of_size
from .conditioning import Prompt, fitted_prompts
from .progress import progress
from .samplers import (
    SAMPLERS,
    SIGMA_MAX,
    Denoise,
    initial_noise,
    next_seed,
    sigmas_for,
    timestep_of,
)
from .stretch import ALL_STEPS, Stretch

log = logging.getLogger(__name__)

_DEPTH_CHANNELS = 5  # four of the latent and one of depth


class NoiseModel(Protocol):
    """What sampling needs of a MODEL: a UNet that predicts noise (eps)."""

    device: torch.device
    latent_scale: float  # 0.18215: a LATENT on the canvas is in the VAE's own units
    in_channels: int  # those of the latent and one more for depth
    model_channels: int  # the UNet's width, 320 in Stable Diffusion 2

    def predict_noise(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        """The noise in x, float32 [N, in_channels - 1, h, w].

        Args:
            x: [N, in_channels, h, w], the latent divided by sqrt(sigma^2 + 1), then the depth.
            timesteps: int64 [N], 0..999.
            context: [N, tokens, width], the encoded prompt.
        """
        ...


@torch.no_grad()
def sample(
    model: NoiseModel,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    denoise: float = 1.0,
    mask_rule: MaskRule = MaskRule.KSAMPLER,
    depth_guidance: float = 1.0,
    stretch: Stretch = ALL_STEPS,
) -> Latent:
    """Add noise to the latent and take it out again, step by step.

    Args:
        model: the UNet.
        seed: 0..2^64 - 1, decides all noise.
        steps: 1 or more.
        cfg: guidance scale; 1.0 leaves the negative prompts out.
        sampler_name, scheduler: keys of `SAMPLERS` and `SCHEDULERS`.
        positive, negative: lists of [context [1, tokens, width], values]. Each entry's values hold
            a depth map (`sampling.depth_channel`), and may hold "area" (height, width, y, x in
            latent pixels, or "percentage" and the four as fractions), "strength", "mask"
            [B, H, W] with "mask_strength" and "set_area_to_bounds", "start_percent" and
            "end_percent". Where several hold, their predictions are averaged by strength.
        latent: where "noise_mask" is 0 it stays.
        denoise: how much of the way to go, 0..1; at 0 the latent stays as it is.
        mask_rule: what grey in the noise mask means.
        depth_guidance: scale of the depth map's influence beside cfg; 1.0 is off.
        stretch: which of the steps to take; without any the latent stays as it is.

    Returns: a copy of `latent` with new "samples", float32, on the device of the old ones.
    Raises ValueError (one of them MissingDepthError) when an argument is unusable, and
    FloatingPointError when the model predicts NaN or infinity.
    """
    _check(model, latent, positive, negative, cfg, depth_guidance)
    samples = latent["samples"]
    sigmas = stretch.of(sigmas_for(scheduler, sampler_name, steps, denoise).tolist())
    if not sigmas:
        return dict(latent)
    warn_of_size(model.model_channels, samples)
    clean = samples.to(model.device, torch.float32) * model.latent_scale
    noise = torch.zeros_like(clean)
    if stretch.adds_noise:
        noise = initial_noise(samples.shape, seed, latent.get("batch_index")).to(model.device)
    denoiser: Denoise = _Guide(
        model, *fitted_prompts(positive, negative, clean), cfg, depth_guidance
    )
    sampler = SAMPLERS[sampler_name]
    x = _noisy(clean, noise, sigmas[0])
    if latent.get("noise_mask") is not None:
        if sampler.redraws_inpaint_noise:
            noise = initial_noise(samples.shape, next_seed(seed)).to(model.device)
        mask = fit_mask(latent["noise_mask"], len(clean), *clean.shape[-2:]).to(clean.device)
        schedule = sigmas if mask_rule is MaskRule.DIFFERENTIAL else None
        denoiser = _repainting(denoiser, mask, clean, noise, schedule)
    count, on_step = len(sigmas) - 1, watcher()
    todo = progress(range(count), "Sampling")
    for index, step in zip(todo, sampler.steps(denoiser, x, sigmas, seed), strict=True):
        x = step.x
        if on_step is not None:
            on_step(index + 1, count, (step.denoised / model.latent_scale).to(samples.device))
    if not torch.isfinite(x).all():
        raise FloatingPointError(
            f"the sampled latent has NaN or infinite values ({sampler_name}, {scheduler}, "
            f"{steps} steps, cfg {cfg}); check the checkpoint, or run the model in float32"
        )
    return {**latent, "samples": (x / model.latent_scale).to(samples.device)}


def require_depth(model: NoiseModel) -> None:
    """Raise ValueError for a MODEL without the depth channel."""
    if model.in_channels != _DEPTH_CHANNELS:
        raise ValueError(
            f"this MODEL has {model.in_channels} input channels and takes no depth map; connect "
            "the MODEL of Depth Checkpoint Loader (5 input channels)"
        )


def _check(
    model: NoiseModel,
    latent: Latent,
    positive: Conditioning,
    negative: Conditioning,
    cfg: float,
    depth_guidance: float,
) -> None:
    require_depth(model)
    samples, channels = latent["samples"], model.in_channels - 1
    if samples.ndim != 4 or samples.shape[1] != channels or samples.numel() == 0:
        raise ValueError(
            f"the latent has shape {list(samples.shape)}, this model needs [B, {channels}, h, w]; "
            "encode the image with the VAE of the same checkpoint, or use Empty Latent Image"
        )
    if not torch.isfinite(samples).all():
        bad = int((~torch.isfinite(samples)).sum())
        raise ValueError(
            f"the latent has {counted(bad, 'NaN or infinite value')}; look at what made it, e.g. a "
            "VAE that ran in half precision"
        )
    if not math.isfinite(cfg):
        raise ValueError(f"cfg is {cfg}; give a number, usually between 1 and 12")
    if not math.isfinite(depth_guidance):
        raise ValueError(f"the depth guidance is {depth_guidance}; give a number, 1 is off")
    for which, conditioning in (("positive", positive), ("negative", negative)):
        if not conditioning:
            raise ValueError(
                f"the {which} conditioning is empty; connect a CLIP Text Encode, whose text may "
                "be empty"
            )


def _noisy(clean: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """The latent to start from.

    At the highest level the noise alone gets the variance that noisy latents have there.
    """
    if sigma > SIGMA_MAX or math.isclose(sigma, SIGMA_MAX, rel_tol=1e-5):
        return clean + noise * math.sqrt(1 + sigma**2)
    return clean + noise * sigma


def _repainting(
    denoise: Denoise, mask: Tensor, clean: Tensor, noise: Tensor, sigmas: Sequence[float] | None
) -> Denoise:
    """Outside of the mask the model sees the old latent with noise, and its prediction is replaced.

    With the run's noise levels, grey decides at which step a pixel is released.
    """

    def repaint(x: Tensor, sigma: float) -> Tensor:
        free = mask if sigmas is None else repainted_at(mask, sigma, sigmas)
        shown = torch.lerp(clean + noise * sigma, x, free)
        return torch.lerp(clean, denoise(shown, sigma), free)

    return repaint


# --- Guidance: the prompts' predictions of the clean latent, combined ---------------------------


class _Guide:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598) as a `Denoise`.

    Depth guidance is InstructPix2Pix's for its image (Brooks et al. 2023, arXiv:2211.09800,
    eq. 3): the prediction that cfg starts from moves away from the same prompts' without depth.
    """

    def __init__(
        self,
        model: NoiseModel,
        positive: list[Prompt],
        negative: list[Prompt],
        cfg: float,
        depth_guidance: float,
    ) -> None:
        self._model = model
        self._cfg = cfg
        self._depth_guidance = depth_guidance
        # At scale 1 the negative prediction cancels out, and so does the one without depth.
        self._sides = [positive] if math.isclose(cfg, 1.0) else [positive, negative]
        self._names = ["positive", "negative"][: len(self._sides)]
        if depth_guidance != 1.0:
            without = [replace(p, depth=torch.zeros_like(p.depth)) for p in self._sides[-1]]
            self._sides.append(without)
            self._names.append(f"{self._names[-1]} (without depth)")
        self._calls: dict[tuple, list[_Call]] = {}

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        predictions = [torch.zeros_like(x) for _ in self._sides]
        # All of this in float32 and in this order: Heun's long steps magnify the last digit.
        scaled = x / (torch.tensor(sigma) ** 2 + 1).sqrt()
        timestep = timestep_of(sigma)
        for call in self._calls_at(sigma, x):
            noises = call.predict_noise(self._model, scaled, timestep)
            for (prompt, side, share), noise in zip(call.parts, noises, strict=True):
                predicted = prompt.box.of(x) - noise * sigma
                prompt.box.of(predictions[side]).add_(predicted * share)
        more_depth: Tensor | float = 0.0
        if self._depth_guidance != 1.0:
            without = predictions.pop()
            more_depth = (predictions[-1] - without) * (self._depth_guidance - 1.0)
        if len(predictions) == 1:
            return predictions[0] + more_depth
        positive, negative = predictions
        return negative + (positive - negative) * self._cfg + more_depth

    def _calls_at(self, sigma: float, x: Tensor) -> list["_Call"]:
        """The UNet calls at a noise level, prepared once for each set of prompts that hold."""
        holding = tuple(
            tuple(prompt for prompt in side if prompt.start >= sigma >= prompt.end)
            for side in self._sides
        )
        if holding not in self._calls:
            parts = [
                _Part(prompt, side, share)
                for side, prompts in enumerate(holding)
                for prompt, share in zip(
                    prompts, _shares(prompts, self._names[side], sigma, x), strict=True
                )
            ]
            self._calls[holding] = [_Call(group, x) for group in _groups(parts)]
        return self._calls[holding]


class _Part(NamedTuple):
    """One prompt's part in a call of the UNet and in the result."""

    prompt: Prompt
    side: int  # index of the prediction that it belongs to
    share: Tensor  # [1 or B, 1, box height, box width], the shares of a side add up to 1


class _Call:
    """One call of the UNet, for prompts whose boxes have the same size."""

    def __init__(self, parts: list[_Part], x: Tensor) -> None:
        self.parts = parts
        prompts = [part.prompt for part in parts]
        depth = torch.cat([prompt.box.of(prompt.depth) for prompt in prompts])
        # The depth stays; the channels before it are overwritten in each step.
        self._inputs = torch.cat([depth.expand(-1, x.shape[1], -1, -1), depth], dim=1)
        # Attention over a text repeated as a whole is attention over the text.
        tokens = math.lcm(*(prompt.context.shape[1] for prompt in prompts))
        self._context = torch.cat(
            [prompt.context.repeat(1, tokens // prompt.context.shape[1], 1) for prompt in prompts]
        )

    def predict_noise(self, model: NoiseModel, scaled: Tensor, timestep: int) -> tuple[Tensor, ...]:
        """The noise that each part's prompt sees in its box, [B, C, box height, box width]."""
        for rows, part in zip(self._inputs.chunk(len(self.parts)), self.parts, strict=True):
            rows[:, :-1] = part.prompt.box.of(scaled)
        timesteps = torch.full((len(self._inputs),), timestep, device=scaled.device)
        noise = model.predict_noise(self._inputs, timesteps, self._context)
        return noise.chunk(len(self.parts))


def _shares(prompts: Sequence[Prompt], which: str, sigma: float, x: Tensor) -> list[Tensor]:
    """Each prompt's weight, divided by the sum of weights wherever it holds."""
    total = x.new_zeros(x.shape[0], 1, *x.shape[2:])
    for prompt in prompts:
        prompt.box.of(total).add_(prompt.weight)
    bare = (total == 0).float().mean().item()
    if bare:
        log.warning(
            "no %s prompt holds in %s of the image at noise level %.2f, which leaves it "
            "empty there; add a prompt without area, mask and time range",
            which,
            percent(bare),
            sigma,
        )
    total += 1e-37  # nothing divided by nothing is nothing
    return [prompt.weight / prompt.box.of(total) for prompt in prompts]


def _groups(parts: Iterable[_Part]) -> list[list[_Part]]:
    """The parts that can share a call: boxes of one size, texts of similar length."""
    groups: list[list[_Part]] = []
    for part in parts:
        for group in groups:
            if _fit_together(part.prompt, group[0].prompt):
                group.append(part)
                break
        else:
            groups.append([part])
    return groups


def _fit_together(one: Prompt, other: Prompt) -> bool:
    lengths = one.context.shape[1], other.context.shape[1]
    # ComfyUI's limit too: beyond it, repeating texts costs more than a second call.
    return one.box.size == other.box.size and math.lcm(*lengths) <= 4 * min(lengths)
