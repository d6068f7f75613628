"""Noise schedules and samplers, under the names and with the numbers of ComfyUI's KSampler.

In the notation of Karras et al. 2022 (arXiv:2206.00364): a noisy latent is
`x = clean + sigma * noise`, and `denoise(x, sigma)` is the model's prediction of the clean latent.
A schedule makes a list of noise levels; a sampler walks down that list. It is a generator, so the
caller owns progress and cancelling.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torchsde
from torch import Tensor

from ..sampling.latents import FULL_STRENGTH

Denoise = Callable[[Tensor, float], Tensor]
Seeds = Sequence[int]  # each decides the noise of an equal part of the batch


class Step(NamedTuple):
    """What a sampler yields after each step."""

    denoised: Tensor  # [B, C, h, w], the model's prediction of the clean latent in this step
    x: Tensor  # [B, C, h, w], the latent so far; that of the last step is the result


def sigmas_for(scheduler: str, sampler: str, steps: int, denoise: float = 1.0) -> Tensor:
    """The noise levels that KSampler walks down, float32 [n + 1] on the CPU, falling to 0.

    Below full strength only the last `steps` of int(steps / denoise) steps are taken; denoise 0 or
    less gives no levels. uni_pc leaves out the last level before zero. n is `steps` except with
    ddim_uniform, whose levels lie a whole number of timesteps apart.
    Raises ValueError for an unknown name or a number out of range.
    """
    if scheduler not in SCHEDULERS:
        raise ValueError(f"unknown scheduler {scheduler!r}; choose one of {', '.join(SCHEDULERS)}")
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}; choose one of {', '.join(SAMPLERS)}")
    if steps < SAMPLERS[sampler].fewest_steps:
        raise ValueError(
            f"steps is {steps}; {sampler} takes at least {SAMPLERS[sampler].fewest_steps}"
        )
    if math.isnan(denoise):
        raise ValueError("denoise is not a number; give a value from 0 to 1")
    if denoise <= 0:
        return torch.empty(0)
    total = steps if denoise > FULL_STRENGTH else int(steps / denoise)
    if SAMPLERS[sampler].drops_penultimate:
        sigmas = SCHEDULERS[scheduler](total + 1)
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    else:
        sigmas = SCHEDULERS[scheduler](total)
    if (sigmas.diff() >= 0).any():
        raise ValueError(
            f"the {scheduler} schedule of {len(sigmas) - 1} steps (for {steps} steps at denoise "
            f"{denoise}) repeats noise levels; take fewer steps, more denoise, or another scheduler"
        )
    return sigmas if denoise > FULL_STRENGTH else sigmas[-(steps + 1) :]


def initial_noise(
    shape: Sequence[int], seed: int, batch_index: Sequence[int] | None = None
) -> Tensor:
    """ComfyUI's noise for a latent of `shape` [B, C, h, w]: standard normal, float32, on the CPU.

    With `batch_index`, image i gets the noise that the image of that index would have had if
    the whole batch had been drawn one by one, so that one image of a batch can be made again.
    Raises ValueError when `batch_index` does not have one entry (0 or more) for each image.
    """
    generator = torch.Generator().manual_seed(seed)
    if batch_index is None:
        return torch.randn(*shape, generator=generator)
    if len(batch_index) != shape[0] or min(batch_index) < 0:
        raise ValueError(
            f"the latent's batch_index is {list(batch_index)} for {shape[0]} images; "
            "it takes one index, 0 or more, for each image"
        )
    drawn = [torch.randn(1, *shape[1:], generator=generator) for _ in range(max(batch_index) + 1)]
    return torch.cat([drawn[index] for index in batch_index])


def next_seed(seed: int) -> int:
    """The seed for noise that must differ from the initial noise."""
    return (seed + 1) % 2**64


# --- Noise levels ------------------------------------------------------------------------------

# The thousand noise levels that Stable Diffusion was trained with: betas linear in their square
# root (Rombach et al. 2022, arXiv:2112.10752; the numbers stand in the model's own config).
_BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
_SIGMAS = torch.cumprod(1 - _BETAS, 0).pow(-1).sub(1).sqrt()
SIGMAS = _SIGMAS.float()
_LOG_SIGMAS = _SIGMAS.log().float()
SIGMA_MIN, SIGMA_MAX = SIGMAS[0].item(), SIGMAS[-1].item()


def sigma_at(timesteps: Tensor) -> Tensor:
    """Noise levels at timesteps 0..999, interpolated in the logarithm between whole ones."""
    low, high = timesteps.floor().long(), timesteps.ceil().long()
    fraction = timesteps.frac()
    return ((1 - fraction) * _LOG_SIGMAS[low] + fraction * _LOG_SIGMAS[high]).exp()


def sigma_at_percent(percent: float) -> float:
    """The noise level at a fraction of the way from noise to image; 0 is infinite, 1 is zero."""
    if percent <= 0:
        return math.inf
    if percent >= 1:
        return 0.0
    return sigma_at(torch.tensor((1 - percent) * 999.0)).item()


def timestep_of(sigma: float) -> int:
    """The timestep 0..999 whose noise level is nearest in the logarithm.

    In float32 on purpose: several schedules land exactly between two timesteps, where the rounding
    error decides, as in ComfyUI.
    """
    return int((torch.tensor(sigma).log() - _LOG_SIGMAS).abs().argmin())


# --- Schedules: steps -> noise levels [steps + 1], the last one 0 -------------------------------


def simple(steps: int) -> Tensor:
    """Trained levels at even distances, rounded up, from the highest on."""
    stride = len(SIGMAS) / steps
    return _to_zero(SIGMAS[[-(1 + int(index * stride)) for index in range(steps)]])


def sgm_uniform(steps: int) -> Tensor:
    """Even in timesteps, the lowest trained level left out (Stability AI's generative-models)."""
    return _to_zero(sigma_at(torch.linspace(999, 0, steps + 1)[:-1]))


def karras(steps: int) -> Tensor:
    """Even in sigma^(1/7) (Karras et al. 2022, equation 5)."""
    high, low = SIGMA_MAX ** (1 / 7), SIGMA_MIN ** (1 / 7)
    return _to_zero((high + torch.linspace(0, 1, steps) * (low - high)) ** 7)


def exponential(steps: int) -> Tensor:
    """Even in the logarithm of sigma."""
    return _to_zero(torch.linspace(math.log(SIGMA_MAX), math.log(SIGMA_MIN), steps).exp())


def ddim_uniform(steps: int) -> Tensor:
    """Every n-th trained level counted from timestep 1 (Song et al. 2020, arXiv:2010.02502).

    n is whole, so there may be more levels than asked for; the highest is not always reached.
    """
    return _to_zero(SIGMAS[1 :: max(len(SIGMAS) // steps, 1)].flip(0))


def normal(steps: int) -> Tensor:
    """Even in timesteps, from the highest to the lowest trained level."""
    return _to_zero(sigma_at(torch.linspace(999, 0, steps)))


def _to_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])


SCHEDULERS: dict[str, Callable[[int], Tensor]] = {
    schedule.__name__: schedule
    for schedule in (simple, sgm_uniform, karras, exponential, ddim_uniform, normal)
}


# --- Samplers: (denoise, x at sigmas[0], sigmas, seeds) -> a Step for each pair of levels --------
#
# With q = sigma_next / sigma, the exact solution for a constant prediction D of the clean latent
# is D + q (x - D): the lerp that all of them are built on. They differ in the D they use.


def euler(denoise: Denoise, x: Tensor, sigmas: Sequence[float], seeds: Seeds) -> Iterator[Step]:
    """Euler steps on the probability flow ODE (Karras et al. 2022); DDIM is the same steps."""
    for sigma, following in pairwise(sigmas):
        denoised = denoise(x, sigma)
        x = torch.lerp(denoised, x, following / sigma)
        yield Step(denoised, x)


def euler_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], seeds: Seeds
) -> Iterator[Step]:
    """Euler steps below the next level, then fresh noise up to it: ancestral sampling (DDPM).

    With sigma_up^2 = sigma_next^2 (1 - q^2), what is left to step down to is sigma_next * q.
    The noise comes from the device that x is on; on the CPU ComfyUI seeds it apart from the
    initial noise, with seed + 1.
    """
    own = [next_seed(seed) if x.device.type == "cpu" else seed for seed in seeds]
    generators = [torch.Generator(x.device).manual_seed(seed) for seed in own]
    for sigma, following in pairwise(sigmas):
        denoised = denoise(x, sigma)
        ratio = following / sigma
        x = torch.lerp(denoised, x, ratio**2)
        if following > 0:
            shape = (len(x) // len(seeds), *x.shape[1:])
            noise = torch.cat(
                [torch.randn(shape, device=x.device, generator=one) for one in generators]
            )
            x = x.add(noise, alpha=following * math.sqrt(1 - ratio**2))
        yield Step(denoised, x)


def heun(denoise: Denoise, x: Tensor, sigmas: Sequence[float], seeds: Seeds) -> Iterator[Step]:
    """Heun's second-order steps (Karras et al. 2022, algorithm 1): two predictions in each step."""
    for sigma, following in pairwise(sigmas):
        denoised = denoise(x, sigma)
        slope = (x - denoised) / sigma
        if following > 0:
            ahead = x + slope * (following - sigma)
            slope = (slope + (ahead - denoise(ahead, following)) / following) / 2
        x = x + slope * (following - sigma)
        yield Step(denoised, x)


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Sequence[float], seeds: Seeds) -> Iterator[Step]:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2)."""
    previous = None
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        x = torch.lerp(_midway(denoised, previous, sigmas, index), x, following / sigma)
        previous = denoised
        yield Step(denoised, x)


def dpmpp_2m_sde(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], seeds: Seeds
) -> Iterator[Step]:
    """DPM-Solver++(2M) for the reverse SDE, midpoint form (Lu et al. 2022, appendix).

    Its noise is the increments of one Brownian path, which hardly change with the number of steps.
    """
    parts = zip(x.chunk(len(seeds)), seeds, strict=True)
    paths = [_brownian_noise(part, sigmas, seed) for part, seed in parts]
    previous = None
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        ratio = following / sigma
        x = torch.lerp(_midway(denoised, previous, sigmas, index), x, ratio**2)
        if following > 0:
            noise = torch.cat([brownian(sigma, following) for brownian in paths])
            x = x.add(noise, alpha=following * math.sqrt(1 - ratio**2))
        previous = denoised
        yield Step(denoised, x)


def uni_pc(denoise: Denoise, x: Tensor, sigmas: Sequence[float], seeds: Seeds) -> Iterator[Step]:
    """UniPC of order 3, multistep, B(h) = h, predicting data (Zhao et al. 2023, arXiv:2302.04867).

    It works in log sigma and therefore ends at sigma 0.001 instead of 0. The order rises from 1 at
    the start, falls to 1 at the end and stays below the number of steps.
    """
    times = _half_log_snr([sigma or 0.001 for sigma in sigmas])
    steps = len(sigmas) - 1
    known: list[tuple[Tensor, Tensor]] = []  # the last times and the predictions there
    for index, sigma in enumerate(sigmas[:-1]):
        if index == 0:
            denoised = denoise(x, sigma)
        else:
            order = min(index, 3, steps - 1, steps + 1 - index)
            last, earlier = known[-1], known[-order:-1]
            predicted = _unified_step(x, times[index], last, earlier)
            denoised = denoise(predicted, sigma)
            x = _unified_step(x, times[index], last, [*earlier, (times[index], denoised)])
        known = [*known[-2:], (times[index], denoised)]
        if index == steps - 1:
            x = _unified_step(x, times[steps], known[-1], [])
        yield Step(denoised, x)


@dataclass(frozen=True)
class Sampler:
    """A row of the table of samplers: the steps, and what KSampler does around them."""

    steps: Callable[[Denoise, Tensor, Sequence[float], Seeds], Iterator[Step]]
    fewest_steps: int = 1
    drops_penultimate: bool = False  # asks its schedule for one level more, leaves out the last
    redraws_inpaint_noise: bool = False  # what is kept by a mask gets noise of its own


SAMPLERS: dict[str, Sampler] = {
    "euler": Sampler(euler),
    "euler_ancestral": Sampler(euler_ancestral),
    "heun": Sampler(heun),
    "dpmpp_2m": Sampler(dpmpp_2m),
    "dpmpp_2m_sde": Sampler(dpmpp_2m_sde),
    "ddim": Sampler(euler, redraws_inpaint_noise=True),
    "uni_pc": Sampler(uni_pc, fewest_steps=2, drops_penultimate=True),
}


def _midway(
    denoised: Tensor, previous: Tensor | None, sigmas: Sequence[float], index: int
) -> Tensor:
    """The prediction halfway (in log sigma) down this step, on a line through the last two."""
    if previous is None or sigmas[index + 1] == 0:
        return denoised
    last = math.log(sigmas[index - 1] / sigmas[index])
    ahead = math.log(sigmas[index] / sigmas[index + 1]) / 2
    return torch.lerp(previous, denoised, 1 + ahead / last)


def _half_log_snr(sigmas: Sequence[float]) -> Tensor:
    """UniPC's time, log(alpha / std) with alpha^2 = 1 / (1 + sigma^2), std^2 = 1 - alpha^2.

    In float32 and through alpha on purpose, here and below: near sigma 0 and for short steps the
    lost digits decide the fifth digit of the latent, as in ComfyUI.
    """
    log_alpha = torch.log(1 / (torch.tensor(sigmas) ** 2 + 1)) / 2
    return log_alpha - torch.log(1 - torch.exp(2 * log_alpha)) / 2


def _unified_step(
    x: Tensor, time: Tensor, last: tuple[Tensor, Tensor], others: list[tuple[Tensor, Tensor]]
) -> Tensor:
    """To `time`, from the last time and the prediction there, with those at other times.

    Predictor and corrector are the same formula; the corrector also knows the prediction at `time`.
    The weights solve a Vandermonde system (theorem 3.1); for a single one the authors take 1/2.
    """
    start, base = last
    h = time - start
    x = torch.lerp(base, x, torch.exp(-h).item())
    if not others:
        return x
    distances = torch.stack([(other - start) / h for other, _ in others])
    if len(others) == 1:
        weights = torch.tensor([0.5])
    else:
        powers = torch.stack([distances**power for power in range(len(others))])
        weights = torch.linalg.solve(powers, _moments(-h, len(others)))
    for weight, (_, prediction) in zip((h * weights / distances).tolist(), others, strict=True):
        x = x.add(prediction - base, alpha=weight)
    return x


def _moments(z: Tensor, count: int) -> Tensor:
    """i! phi_(i+1)(z) for i = 1..count; phi_1 = (e^z - 1) / z, phi_(k+1) = (phi_k - 1/k!) / z."""
    moments, remainder = [], torch.expm1(z) / z - 1
    for i in range(1, count + 1):
        moments.append(remainder * math.factorial(i) / z)
        remainder = remainder / z - 1 / math.factorial(i + 1)
    return torch.stack(moments)


def _brownian_noise(
    x: Tensor, sigmas: Sequence[float], seed: int
) -> Callable[[float, float], Tensor]:
    """Standard normal noise between two levels, from a Brownian path in sigma, made on the CPU."""

    @functools.cache
    def tree() -> torchsde.BrownianTree:
        low, high = torch.tensor([min(sigma for sigma in sigmas if sigma > 0), max(sigmas)])
        return torchsde.BrownianTree(low, torch.zeros(x.shape), high, entropy=seed)

    def between(sigma: float, following: float) -> Tensor:
        # The tree keeps its times to 6 digits and complains about a time beyond its rounded ends.
        increment = tree()(round(following, 6), round(sigma, 6))
        return -increment.to(x.device) / math.sqrt(sigma - following)

    return between
