"""KSampler for the embedded engine: a model, prompts and a latent in, a latent out.

The rules are those of ComfyUI's KSampler, so that one workflow gives one image in both hosts:
classifier-free guidance, prompts that hold only in an area, under a mask or for a part of the
steps, and repainting under a noise mask. Prompts of one size share one call of the UNet.
"""

import functools
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..sampling.depth_channel import Conditioning, DepthCondition
from ..sampling.latents import MaskRule, fit_mask, repainted_at
from .conditioning import required_depth
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

log = logging.getLogger(__name__)

Progress = Callable[[Sequence[int], str], Iterable[int]]
Channel = Callable[[DepthCondition], Tensor]


class NoiseModel(Protocol):
    """What sampling needs of a MODEL: a UNet that predicts noise (eps)."""

    device: torch.device
    latent_scale: float  # 0.18215: a LATENT on the canvas is in the VAE's own units
    in_channels: int  # those of the latent and one more for depth

    def predict_noise(self, x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        """The noise in x.

        Args:
            x: [N, in_channels, h, w], the latent divided by sqrt(sigma^2 + 1), then the depth.
            timesteps: int64 [N], 0..999.
            context: [N, tokens, width].

        Returns: float32 [N, in_channels - 1, h, w].
        """
        ...


def _no_progress(items: Sequence[int], description: str) -> Iterable[int]:
    return items


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
    latent: Mapping[str, Any],
    denoise: float = 1.0,
    *,
    mask_rule: MaskRule = MaskRule.KSAMPLER,
    depth_guidance: float = 1.0,
    progress: Progress = _no_progress,
) -> dict[str, Any]:
    """KSampler: add noise to the latent and take it out again, step by step.

    Args:
        model: the UNet.
        seed: 0..2^64 - 1, decides all noise.
        steps: how many, 1 or more.
        cfg: guidance scale; at 1.0 the negative prompts are not asked.
        sampler_name: one of `SAMPLERS`.
        scheduler: one of `SCHEDULERS`.
        positive, negative: lists of [context [1, tokens, width], values]. Each entry's values hold
            a depth map (`sampling.concat`), and may hold "area" (height, width, y, x in latent
            pixels, or "percentage" and the four as fractions), "strength", "mask" [B, H, W] with
            "mask_strength" and "set_area_to_bounds", "start_percent" and "end_percent". Where
            several entries hold, their guesses are averaged by strength.
        latent: "samples" [B, C, h, w] in the VAE's units, perhaps "noise_mask" (1 = repaint)
            and "batch_index".
        denoise: how much of the way to go, 0..1; at 0 the latent stays as it is.
        mask_rule: what grey in the noise mask means.
        depth_guidance: scale of the depth map's influence beside cfg; at 1.0 nothing is added
            and nothing more is computed.
        progress: wraps the list of steps; what it raises between two steps ends the sampling.

    Returns: a copy of `latent` with new "samples", float32, on the device of the old ones.
    Raises ValueError (one of them MissingDepthError) when an argument is unusable, and
    FloatingPointError when the model gave NaN or infinity.
    """
    samples = latent["samples"]
    _check(model, samples, positive, negative, cfg, depth_guidance)
    sigmas = sigmas_for(scheduler, sampler_name, steps, denoise).tolist()
    if not sigmas:
        return dict(latent)
    clean = samples.to(model.device, torch.float32) * model.latent_scale
    noise = initial_noise(samples.shape, seed, latent.get("batch_index")).to(model.device)
    denoiser: Denoise = _Guide(model, *_prompts(positive, negative, clean), cfg, depth_guidance)
    sampler = SAMPLERS[sampler_name]
    x = _noisy(clean, noise, sigmas[0])
    if latent.get("noise_mask") is not None:
        if sampler.redraws_inpaint_noise:
            noise = initial_noise(samples.shape, next_seed(seed)).to(model.device)
        mask = fit_mask(latent["noise_mask"], len(clean), *clean.shape[-2:]).to(clean.device)
        schedule = sigmas if mask_rule is MaskRule.DIFFERENTIAL else None
        denoiser = _repainting(denoiser, mask, clean, noise, schedule)
    todo = progress(range(len(sigmas) - 1), "Sampling")
    for _, step in zip(todo, sampler.steps(denoiser, x, sigmas, seed), strict=True):
        x = step.x
    if not torch.isfinite(x).all():
        raise FloatingPointError(
            f"the sampled latent has NaN or infinite values ({sampler_name}, {scheduler}, "
            f"{steps} steps, cfg {cfg}); check the checkpoint, or run the model in float32"
        )
    return {**latent, "samples": (x / model.latent_scale).to(samples.device)}


def _check(
    model: NoiseModel,
    samples: Tensor,
    positive: Conditioning,
    negative: Conditioning,
    cfg: float,
    depth_guidance: float,
) -> None:
    channels = model.in_channels - 1
    if samples.ndim != 4 or samples.shape[1] != channels or samples.numel() == 0:
        raise ValueError(
            f"the latent has shape {list(samples.shape)}, this model needs [B, {channels}, h, w]; "
            "encode the image with the VAE of the same checkpoint, or use Empty Latent Image"
        )
    if not torch.isfinite(samples).all():
        bad = int((~torch.isfinite(samples)).sum())
        raise ValueError(
            f"the latent has {bad} NaN or infinite values; look at what made it, e.g. a VAE that "
            "ran in half precision"
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
    """Outside of the mask the model is shown the old latent, noised, and always "finds" it.

    With the run's noise levels, grey means at which step a pixel is let go.
    """

    def repaint(x: Tensor, sigma: float) -> Tensor:
        free = mask if sigmas is None else repainted_at(mask, sigma, sigmas)
        shown = torch.lerp(clean + noise * sigma, x, free)
        return torch.lerp(clean, denoise(shown, sigma), free)

    return repaint


# --- Guidance: the prompts' guesses of the clean latent, put together ---------------------------


class _Guide:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598) as a `Denoise`.

    The depth map's scale beside the prompts' is InstructPix2Pix's for its image (Brooks et al.
    2023, arXiv:2211.09800, eq. 3): the guess from the prompts that cfg starts from moves away
    from the one that the same prompts give without depth.
    """

    def __init__(
        self,
        model: NoiseModel,
        positive: list["_Prompt"],
        negative: list["_Prompt"],
        cfg: float,
        depth_guidance: float,
    ) -> None:
        self._model = model
        self._cfg = cfg
        self._depth_guidance = depth_guidance
        # At scale 1 the negative guess cancels out, and so does the one without depth.
        self._sides = [positive] if math.isclose(cfg, 1.0) else [positive, negative]
        self._names = ["positive", "negative"][: len(self._sides)]
        if depth_guidance != 1.0:
            without = [replace(p, depth=torch.zeros_like(p.depth)) for p in self._sides[-1]]
            self._sides.append(without)
            self._names.append(f"{self._names[-1]} (without depth)")
        self._calls: dict[tuple, list[_Call]] = {}

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        guesses = [torch.zeros_like(x) for _ in self._sides]
        # All of this in float32 and in this order: Heun's long steps magnify the last digit.
        scaled = x / (torch.tensor(sigma) ** 2 + 1).sqrt()
        timestep = timestep_of(sigma)
        for call in self._calls_at(sigma, x):
            noises = call.predict_noise(self._model, scaled, timestep)
            for (prompt, side, share), noise in zip(call.parts, noises, strict=True):
                guess = prompt.box.of(x) - noise * sigma
                prompt.box.of(guesses[side]).add_(guess * share)
        more_depth = 0.0
        if self._depth_guidance != 1.0:
            without = guesses.pop()
            more_depth = (guesses[-1] - without) * (self._depth_guidance - 1.0)
        if len(guesses) == 1:
            return guesses[0] + more_depth
        positive, negative = guesses
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

    prompt: "_Prompt"
    side: int  # index of the guess that it belongs to
    share: Tensor  # [1 or B, 1, box height, box width], the shares of a side add up to 1


class _Call:
    """One call of the UNet, for prompts whose boxes have the same size."""

    def __init__(self, parts: list[_Part], x: Tensor) -> None:
        self.parts = parts
        prompts = [part.prompt for part in parts]
        depth = torch.cat([prompt.box.of(prompt.depth) for prompt in prompts])
        # The depth stays; the channels before it are written anew in each step.
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


def _shares(prompts: Sequence["_Prompt"], which: str, sigma: float, x: Tensor) -> list[Tensor]:
    """Each prompt's weight, divided by the sum of weights wherever it holds."""
    total = x.new_zeros(x.shape[0], 1, *x.shape[2:])
    for prompt in prompts:
        prompt.box.of(total).add_(prompt.weight)
    bare = (total == 0).float().mean().item()
    if bare:
        log.warning(
            "no %s prompt holds in %.0f %% of the image at noise level %.2f, which leaves it "
            "empty there; add a prompt without area, mask and time range",
            which,
            100 * bare,
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


def _fit_together(one: "_Prompt", other: "_Prompt") -> bool:
    lengths = one.context.shape[1], other.context.shape[1]
    # ComfyUI's limit too: beyond it, repeating texts costs more than a second call.
    return one.box.size == other.box.size and math.lcm(*lengths) <= 4 * min(lengths)


# --- Prompts: conditioning entries, fitted to the latent ----------------------------------------


class Area(NamedTuple):
    """A rectangle of a latent, in latent pixels."""

    height: int
    width: int
    y: int
    x: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def contains(self, other: "Area") -> bool:
        """Whether no part of the other lies outside of this."""
        return (
            self.y <= other.y
            and self.x <= other.x
            and self.y + self.height >= other.y + other.height
            and self.x + self.width >= other.x + other.width
        )

    def within(self, height: int, width: int) -> "Area":
        """The part of it that lies in a latent of this size."""
        return self._replace(
            height=min(self.height, height - self.y), width=min(self.width, width - self.x)
        )

    def of(self, t: Tensor) -> Tensor:
        """This part of t [..., h, w], a view."""
        return t[..., self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, eq=False)
class _Prompt:
    """One conditioning entry, ready to sample with."""

    context: Tensor  # [B, tokens, width]
    depth: Tensor  # [B, 1, h, w] for the whole latent
    area: Area | None  # as asked for; None = everywhere
    box: Area  # what of the area lies in the latent
    weight: Tensor  # [1 or B, 1, box height, box width]
    start: float  # it holds from this noise level ...
    end: float  # ... down to this one


def _prompts(
    positive: Conditioning, negative: Conditioning, x: Tensor
) -> tuple[list[_Prompt], list[_Prompt]]:
    """Both sides' entries for the latent x [B, C, h, w].

    Where one side has a prompt with an area, the other gets a copy of its own prompt for that
    area, so that guidance compares two guesses made from the same piece.
    """
    batch, _, height, width = x.shape

    @functools.cache  # entries usually carry the same depth map
    def channel(condition: DepthCondition) -> Tensor:
        return condition.channel(batch, height, width).to(x.device)

    ours = [_prompt(context, values, "positive", x, channel) for context, values in positive]
    theirs = [_prompt(context, values, "negative", x, channel) for context, values in negative]
    widths = {prompt.context.shape[2] for prompt in ours + theirs}
    if len(widths) > 1:
        raise ValueError(
            f"the prompts are {' and '.join(map(str, sorted(widths)))} numbers wide; encode all "
            "of them with the CLIP of this checkpoint"
        )
    theirs = _with_counterparts(theirs, ours)
    return _with_counterparts(ours, theirs), theirs


def _with_counterparts(prompts: list[_Prompt], opposite: list[_Prompt]) -> list[_Prompt]:
    """`prompts`, and for each area on the opposite side a copy of the narrowest that covers it."""
    result = list(prompts)
    for other in opposite:
        if other.area is None:
            continue
        covering = [p for p in result if p.area is None or p.area.contains(other.area)]
        if not covering:
            continue
        narrowest = min(covering, key=lambda p: math.prod(p.area.size) if p.area else math.inf)
        if narrowest.area != other.area:
            copy = replace(other, context=narrowest.context, depth=narrowest.depth)
            result.append(copy)
    return result


def _prompt(
    context: Tensor, values: Mapping[str, Any], which: str, x: Tensor, channel: Channel
) -> _Prompt:
    batch, _, height, width = x.shape
    mask = values.get("mask")
    if mask is not None:
        mask = fit_mask(mask, 1 if mask.ndim == 2 else len(mask), height, width).to(x.device)
    area = _area(values, mask, height, width)
    box = (area or Area(height, width, 0, 0)).within(height, width)
    if min(box) < 0 or 0 in box.size:
        raise ValueError(
            f"the {which} conditioning has an area of {area.height} x {area.width} at y {area.y}, "
            f"x {area.x} (in latent pixels), outside of the latent of {height} x {width}; move it "
            "inside, or give it as a percentage"
        )
    if mask is None:
        weight = _feathered(box, height, width).to(x.device)
    else:
        weight = box.of(_to_batch(mask, batch)) * values.get("mask_strength", 1.0)
    return _Prompt(
        context=_to_batch(context.to(x.device), batch),
        depth=channel(required_depth(values, which)),
        area=area,
        box=box,
        weight=weight * values.get("strength", 1.0),
        start=sigma_at_percent(values.get("start_percent", 0.0)),
        end=sigma_at_percent(values.get("end_percent", 1.0)),
    )


def _area(values: Mapping[str, Any], mask: Tensor | None, height: int, width: int) -> Area | None:
    """The area that an entry asks for; its mask [F, 1, h, w] may set it."""
    if mask is not None and values.get("set_area_to_bounds", False):
        return _bounds(mask)
    area = values.get("area")
    if area is None:
        return None
    if area[0] == "percentage":
        rows, columns, y, x = area[1:]
        return Area(
            max(1, round(rows * height)),
            max(1, round(columns * width)),
            round(y * height),
            round(x * width),
        )
    area = Area(*area)
    if area.within(height, width) != area:
        log.warning("%s reaches beyond the latent of %d x %d", area, height, width)
    return area


def _bounds(mask: Tensor) -> Area:
    """The box around everything a mask [F, 1, h, w] covers, at least 8 x 8."""
    covered = (mask != 0).any(dim=0)[0]
    rows, columns = covered.any(dim=1).nonzero(), covered.any(dim=0).nonzero()
    if len(rows) == 0:
        return Area(8, 8, 0, 0)
    top, left = int(rows[0]), int(columns[0])
    return Area(max(8, int(rows[-1]) - top + 1), max(8, int(columns[-1]) - left + 1), top, left)


def _feathered(box: Area, height: int, width: int) -> Tensor:
    """Weights [1, 1, box height, box width]: 1, falling off toward edges inside the latent."""
    rows = _ramps(box.height, box.y > 0, box.y + box.height < height)
    columns = _ramps(box.width, box.x > 0, box.x + box.width < width)
    return (rows[:, None] * columns)[None, None]


def _ramps(length: int, rises: bool, falls: bool) -> Tensor:
    """Ones with a ramp of 8 latent pixels, or a quarter of a shorter length, at either end."""
    ramps = torch.ones(length)
    edge = min(8, length // 4)
    ramp = torch.arange(1, edge + 1) / edge
    if rises:
        ramps[:edge] *= ramp
    if falls:
        ramps[length - edge :] *= ramp.flip(0)
    return ramps


def _to_batch(t: Tensor, batch: int) -> Tensor:
    """t [F, ...] repeated, or cut, to [batch, ...]."""
    return t[torch.arange(batch, device=t.device) % len(t)]
