"""The loop that all stages share: Adam, cosine schedule, EMA, checkpoints to resume from."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ...disk.writing import written_whole

log = logging.getLogger(__name__)

SAVE_EVERY = 100  # steps


class Stage(Protocol):
    """What a stage brings."""

    @property
    def network(self) -> nn.Module:
        """What is trained."""
        ...

    def loss(self, step: int) -> Tensor:
        """The loss of one batch, which `step` alone decides, whatever ran before."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a stage learns: the rate rises, then falls as a cosine to 0."""

    steps: int
    rate: float  # the highest
    warmup: int = 50  # steps in which the rate rises
    ema: float = 0.998  # share of the weights' running average that a step leaves as it was

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        rising = min(1.0, (step + 1) / self.warmup)
        return self.rate * rising * 0.5 * (1 + math.cos(math.pi * step / self.steps))


def train(stage: Stage, schedule: Schedule, state: Path) -> None:
    """Train a stage to its end, from its saved state if there is one.

    At the end the network holds the running average of its weights; parameters without gradient
    stay as they are. The file `state` is rewritten every hundred steps and after the last one.
    """
    parameters: list[Tensor] = [p for p in stage.network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=schedule.rate, betas=(0.9, 0.99))
    average = [p.detach().clone() for p in parameters]
    first = _resume(state, stage.network, optimiser, average)
    started, losses = time.monotonic(), []
    for step in range(first, schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate_at(step)
        optimiser.zero_grad(set_to_none=True)
        loss = stage.loss(step)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        with torch.no_grad():
            keep = min(schedule.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(average, parameters, 1 - keep)
        losses.append(loss.detach())
        if (step + 1) % 50 == 0:
            done = (state.stem, step + 1, schedule.steps)
            figures = (torch.stack(losses).mean().item(), time.monotonic() - started)
            log.info("%s: step %d of %d, loss %.5f, %.0f s", *done, *figures)
            losses.clear()
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == schedule.steps:
            _save(state, stage.network, optimiser, average, step + 1)
    with torch.no_grad():
        for parameter, mean in zip(parameters, average, strict=True):
            parameter.copy_(mean)


def numbers(seed: int, step: int) -> Iterator[int]:
    """Seeds for the random generators of one step."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    while True:
        yield int(torch.randint(2**62, (), generator=generator))


def _resume(
    state: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: list[Tensor]
) -> int:
    """The step to go on with; 0 without a saved state."""
    if not state.exists():
        return 0
    saved = torch.load(state, weights_only=True, map_location=average[0].device)
    network.load_state_dict(saved["network"])
    optimiser.load_state_dict(saved["optimiser"])
    for mean, value in zip(average, saved["average"], strict=True):
        mean.copy_(value)
    log.info("%s: going on after step %d", state.stem, saved["step"])
    return saved["step"]


def _save(
    state: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: list[Tensor],
    step: int,
) -> None:
    values = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": average,
        "step": step,
    }
    with written_whole(state) as unfinished:
        torch.save(values, unfinished)
