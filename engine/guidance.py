"""KSampler for the embedded engine: the sampling loop and classifier-free guidance.

The rules are those of ComfyUI's KSampler, so that one workflow gives one image in both hosts.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from ..images.counts import counted
from ..images.numbers import percent
from ..sampling.depth_channel import Conditioning
from ..sampling.latents import Latent, MaskRule, fit_mask, repainted_at
from ..sampling.shortcuts import DeepSteps, Shortcuts
from ..sampling.steps import watcher
from ..sampling.trained_sizes import warn_of_size
from .conditioning import Prompt, fitted_prompts
from .controlnet import Residuals
from .deep_features import Deep
from .progress import progress
from .samplers import (
    SAMPLERS,
    SIGMA_MAX,
    Denoise,
    initial_noise,
    next_seed,
    sigma_at_percent,
    sigmas_for,
    timestep_of,
)
from .stretch import ALL_STEPS, Stretch

log = logging.getLogger(__name__)

T = TypeVar("T")

_DEPTH_CHANNELS = 5  # four of the latent and one of depth


class NoiseModel(Protocol):
    """What sampling needs of a MODEL: a UNet that predicts noise (eps)."""

    device: torch.device
    latent_scale: float  # 0.18215: a LATENT on the canvas is in the VAE's own units
    in_channels: int  # those of the latent and one more for depth
    model_channels: int  # the UNet's width, 320 in Stable Diffusion 2
    shortcuts: Shortcuts

    def predict_noise(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        deep: Deep | None = None,
        residuals: Residuals | None = None,
    ) -> Tensor:
        """The noise in x, float32 [N, in_channels - 1, h, w].

        Args:
            x: [N, in_channels, h, w], the latent divided by sqrt(sigma^2 + 1), then the depth.
            timesteps: int64 [N], 0..999.
            context: [N, tokens, width], the encoded prompt.
            deep: features to use in place of the deep layers, or where to leave them.
            residuals: what ControlNets add; then without `deep`.
        """
        ...


@dataclass(frozen=True)
class Request:
    """What differs between images that are sampled together; see `sample`."""

    seed: int
    positive: Conditioning
    negative: Conditioning
    latent: Latent
    context: Context | None = None  # of whoever asks: where warnings about it belong

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function on its behalf."""
        return function(*args) if self.context is None else self.context.run(function, *args)


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
    request = Request(seed, positive, negative, latent)
    settings = (steps, cfg, sampler_name, scheduler, denoise, mask_rule, depth_guidance)
    return sample_together(model, [request], *settings, stretch=stretch)[0]


@torch.no_grad()
def sample_together(
    model: NoiseModel,
    requests: Sequence[Request],
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    denoise: float = 1.0,
    mask_rule: MaskRule = MaskRule.KSAMPLER,
    depth_guidance: float = 1.0,
    most: int | None = None,
    stretch: Stretch = ALL_STEPS,
) -> list[Latent]:
    """`sample` for several requests whose latents have one shape, with common calls of the UNet.

    Each gets what it would get alone, but for the rounding of larger batches. `most` limits the
    latents in a call; of a request that has more, one prompt at a time is computed.
    """
    for one in requests:
        one.call(_check, model, one, cfg, depth_guidance)
    shapes = {tuple(one.latent["samples"].shape) for one in requests}
    if len(shapes) != 1:
        raise ValueError(f"latents of the shapes {sorted(shapes)} cannot be sampled together")
    sigmas = stretch.of(sigmas_for(scheduler, sampler_name, steps, denoise).tolist())
    if not sigmas:
        return [dict(one.latent) for one in requests]
    sampler = SAMPLERS[sampler_name]
    draws = (stretch.adds_noise, sampler.redraws_inpaint_noise)
    starts = [one.call(_start, model, one, *draws) for one in requests]
    clean, noise, mask, kept_noise = (
        torch.cat(parts) for parts in zip(*(start[:4] for start in starts), strict=True)
    )
    prompts = [start.prompts for start in starts]
    denoiser: Denoise = _Guide(model, prompts, cfg, depth_guidance, most)
    x = _noisy(clean, noise, sigmas[0])
    if any(one.latent.get("noise_mask") is not None for one in requests):
        schedule = sigmas if mask_rule is MaskRule.DIFFERENTIAL else None
        denoiser = _repainting(denoiser, mask, clean, kept_noise, schedule)
    seeds = [one.seed for one in requests]
    count, on_step, device = len(sigmas) - 1, watcher(), requests[0].latent["samples"].device
    todo = progress(range(count), "Sampling")
    for index, step in zip(todo, sampler.steps(denoiser, x, sigmas, seeds), strict=True):
        x = step.x
        if on_step is not None:
            on_step(index + 1, count, (step.denoised / model.latent_scale).to(device))
    if not torch.isfinite(x).all():
        raise FloatingPointError(
            f"the sampled latent has NaN or infinite values ({sampler_name}, {scheduler}, "
            f"{steps} steps, cfg {cfg}); check the checkpoint, or run the model in float32"
        )
    return [
        {**one.latent, "samples": (part / model.latent_scale).to(one.latent["samples"].device)}
        for one, part in zip(requests, x.chunk(len(requests)), strict=True)
    ]


def require_depth(model: NoiseModel) -> None:
    """Raise ValueError for a MODEL without the depth channel."""
    if model.in_channels != _DEPTH_CHANNELS:
        raise ValueError(
            f"this MODEL has {model.in_channels} input channels and takes no depth map; connect "
            "the MODEL of Depth Checkpoint Loader (5 input channels)"
        )


def _check(model: NoiseModel, request: Request, cfg: float, depth_guidance: float) -> None:
    require_depth(model)
    samples, channels = request.latent["samples"], model.in_channels - 1
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
    sides = (("positive", request.positive), ("negative", request.negative))
    for which, conditioning in sides:
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


class _Start(NamedTuple):
    """What a request's sampling starts from, [B, …] each."""

    clean: Tensor  # in the UNet's units
    noise: Tensor
    mask: Tensor  # where it is repainted; white for a latent without a mask
    kept_noise: Tensor  # on what the mask keeps
    prompts: tuple[list[Prompt], list[Prompt]]


def _start(model: NoiseModel, request: Request, adds_noise: bool, redraws: bool) -> _Start:
    samples, mask = request.latent["samples"], request.latent.get("noise_mask")
    warn_of_size(model.model_channels, samples)
    clean = samples.to(model.device, torch.float32) * model.latent_scale
    noise = torch.zeros(samples.shape)
    if adds_noise:
        noise = initial_noise(samples.shape, request.seed, request.latent.get("batch_index"))
    kept_noise = initial_noise(samples.shape, next_seed(request.seed)) if redraws else noise
    size = (len(clean), *clean.shape[-2:])
    mask = torch.ones(size)[:, None] if mask is None else fit_mask(mask, *size)
    prompts = fitted_prompts(request.positive, request.negative, clean)
    noise, mask, kept_noise = (t.to(clean.device) for t in (noise, mask, kept_noise))
    return _Start(clean, noise, mask, kept_noise, prompts)


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
        prompts: Sequence[tuple[list[Prompt], list[Prompt]]],
        cfg: float,
        depth_guidance: float = 1.0,
        most: int | None = None,
    ) -> None:
        """`prompts`: the positive and the negative ones of each request."""
        self._model = model
        self._cfg = cfg
        self._depth_guidance = depth_guidance
        self._most = most
        # At scale 1 the negative prediction cancels out, and so does the one without depth.
        self._names = ["positive"] if math.isclose(cfg, 1.0) else ["positive", "negative"]
        sides = [list(ones) for ones in zip(*prompts, strict=True)][: len(self._names)]
        if depth_guidance != 1.0:
            sides.append([[_without_depth(prompt) for prompt in ones] for ones in sides[-1]])
            self._names.append(f"{self._names[-1]} (without depth)")
        self._sides = sides  # of each side the prompts of each request
        skips = model.shortcuts
        self._guided = (
            sigma_at_percent(skips.guidance_start),
            sigma_at_percent(skips.guidance_end),
        )
        self._deep = DeepSteps(skips.deep_every) if skips.deep_every > 1 else None
        self._features: Features = {}
        self._calls: dict[tuple, list[_Call]] = {}

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        start, end = self._guided
        sides = self._sides if start >= sigma >= end else self._sides[:1]
        predictions = [torch.zeros_like(x) for _ in sides]
        # All of this in float32 and in this order: Heun's long steps magnify the last digit.
        scaled = x / (torch.tensor(sigma) ** 2 + 1).sqrt()
        timestep = timestep_of(sigma)
        fresh = self._deep is None or self._deep.is_deep(sigma)
        kept = None if self._deep is None else self._features
        for call in self._calls_at(sigma, x, sides):
            noises = call.predict_noise(self._model, scaled, timestep, sigma, kept, fresh)
            for part, noise in zip(call.parts, noises, strict=True):
                box = part.prompt.box
                predicted = box.of(x[part.rows]) - noise * sigma
                box.of(predictions[part.side][part.rows]).add_(predicted * part.share)
        more_depth: Tensor | float = 0.0
        if self._depth_guidance != 1.0 and len(predictions) > 1:
            without = predictions.pop()
            more_depth = (predictions[-1] - without) * (self._depth_guidance - 1.0)
        if len(predictions) == 1:
            return predictions[0] + more_depth
        positive, negative = predictions
        return negative + (positive - negative) * self._cfg + more_depth

    def _calls_at(self, sigma: float, x: Tensor, sides: Sequence) -> list["_Call"]:
        """The UNet calls at a noise level, prepared once for each set of prompts that hold."""
        holding = tuple(
            tuple(
                tuple(prompt for prompt in prompts if prompt.start >= sigma >= prompt.end)
                for prompts in side
            )
            for side in sides
        )
        if holding not in self._calls:
            parts = [
                _Part(prompt, side, rows, share)
                for side, requests in enumerate(holding)
                for rows, prompts in zip(_rows(x, len(requests)), requests, strict=True)
                for prompt, share in zip(
                    prompts, _shares(prompts, self._names[side], sigma, x[rows]), strict=True
                )
            ]
            self._calls[holding] = [_Call(group, x) for group in _groups(parts, self._most)]
        return self._calls[holding]


def _without_depth(prompt: Prompt) -> Prompt:
    return replace(prompt, depth=torch.zeros_like(prompt.depth))


def _rows(x: Tensor, requests: int) -> list[slice]:
    """Each request's part of the batch."""
    each = len(x) // requests
    return [slice(start, start + each) for start in range(0, len(x), each)]


class _Part(NamedTuple):
    """One prompt's part in a call of the UNet and in the result."""

    prompt: Prompt
    side: int  # index of the prediction that it belongs to
    rows: slice  # of the batch
    share: Tensor  # [1 or B, 1, box height, box width], the shares of a side add up to 1


Features = dict[Prompt, Tensor]  # what the deep layers gave for each prompt


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

    def predict_noise(
        self,
        model: NoiseModel,
        scaled: Tensor,
        timestep: int,
        sigma: float,
        features: Features | None = None,
        fresh: bool = True,
    ) -> tuple[Tensor, ...]:
        """The noise that each part's prompt sees in its box, [B, C, box height, box width].

        With `features` the deep layers are computed if `fresh` or if a prompt has none yet.
        """
        for rows, part in zip(self._inputs.chunk(len(self.parts)), self.parts, strict=True):
            rows[:, :-1] = part.prompt.box.of(scaled[part.rows])
        timesteps = torch.full((len(self._inputs),), timestep, device=scaled.device)
        if control := self.parts[0].prompt.control:
            inputs = (self._inputs[:, :-1], timesteps, self._context)
            residuals = control.residuals(*inputs, sigma, prompts=len(self.parts))
            if residuals is not None:  # which deep features would not know of
                noise = model.predict_noise(
                    self._inputs, timesteps, self._context, residuals=residuals
                )
                return noise.chunk(len(self.parts))
        if features is None:
            noise = model.predict_noise(self._inputs, timesteps, self._context)
            return noise.chunk(len(self.parts))
        known = [features.get(part.prompt) for part in self.parts]
        kept = [one for one in known if one is not None and not fresh]
        deep = Deep(torch.cat(kept) if len(kept) == len(known) else None)
        noise = model.predict_noise(self._inputs, timesteps, self._context, deep)
        if deep.features is not None:
            for part, rows in zip(self.parts, deep.features.chunk(len(self.parts)), strict=True):
                features[part.prompt] = rows
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


def _groups(parts: Iterable[_Part], most: int | None) -> list[list[_Part]]:
    """The parts that can share a call: boxes of one size, texts of similar length."""
    groups: list[list[_Part]] = []
    for part in parts:
        latents = len(part.prompt.context)
        for group in groups:
            has_room = most is None or (len(group) + 1) * latents <= most
            if has_room and _fit_together(part.prompt, group[0].prompt):
                group.append(part)
                break
        else:
            groups.append([part])
    return groups


def _fit_together(one: Prompt, other: Prompt) -> bool:
    lengths = one.context.shape[1], other.context.shape[1]
    # ComfyUI's limit too: beyond it, repeating texts costs more than a second call.
    is_alike = one.box.size == other.box.size and one.control is other.control
    return is_alike and math.lcm(*lengths) <= 4 * min(lengths)
