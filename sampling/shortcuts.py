"""What sampling may leave out to be faster, at the price of a slightly different image.

Guidance in an interval: Kynkäänniemi et al. 2024, "Applying guidance in a limited interval improves
sample and distribution quality in diffusion models" (arXiv:2404.07724). Deep features for several
steps: Ma et al. 2023, "DeepCache: accelerating diffusion models for free" (arXiv:2312.00858).
"""

from dataclasses import dataclass

# The UNet's last blocks (and as many of its first ones) that are computed at every step; what
# comes from below them changes slowly, which is what DeepCache lives on.
SHALLOW = 1


@dataclass(frozen=True)
class Shortcuts:
    """By default nothing is left out.

    Outside of the interval, which is in shares of the way from noise to image, cfg and depth
    guidance are off, and the positive prompt's prediction alone is computed. The deep layers are
    computed at every `deep_every`th noise level, from the first one on.
    """

    guidance_start: float = 0.0
    guidance_end: float = 1.0
    deep_every: int = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.guidance_start <= self.guidance_end <= 1.0:
            raise ValueError(
                f"guidance holds from {self.guidance_start} to {self.guidance_end} of the way; "
                "expected two numbers from 0 to 1, the first one not larger"
            )
        if self.deep_every < 1:
            raise ValueError(
                f"the deep layers are to run at every {self.deep_every}th step; expected 1 or more"
            )


class DeepSteps:
    """Counts noise levels: at which ones the deep layers are computed."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._sigma: float | None = None
        self._levels = -1

    def is_deep(self, sigma: float) -> bool:
        """Whether they are at this level. Several calls at one level get the same answer."""
        if sigma != self._sigma:
            self._sigma = sigma
            self._levels += 1
        return self._levels % self._every == 0
