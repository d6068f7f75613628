"""Which of a run's steps are taken: KSampler (Advanced) divides a run among several nodes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stretch:
    """From one step to another, counted from 0; all of them unless said otherwise."""

    start: int = 0
    end: int | None = None
    adds_noise: bool = True  # not where the latent has kept that of an earlier stretch
    finishes: bool = True  # the last step goes to noise level 0, wherever the stretch ends

    def of(self, sigmas: Sequence[float]) -> list[float]:
        """The noise levels from the first step to the end of the last; none without a step."""
        end = len(sigmas) - 1 if self.end is None else min(self.end, len(sigmas) - 1)
        if self.start >= end:
            return []
        levels = list(sigmas[self.start : end + 1])
        return [*levels[:-1], 0.0] if self.finishes else levels


ALL_STEPS = Stretch()
