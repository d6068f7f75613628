"""Chance: one seeded source for everything in a frame."""

import math
from random import Random

import numpy as np

Colour = tuple[float, float, float]  # linear, 0..1


class Dice(Random):
    """A seeded source with the throws that scenes are made of."""

    def chance(self, share: float) -> bool:
        """True in `share` of all throws."""
        return self.random() < share

    def log(self, low: float, high: float) -> float:
        """Between two positive bounds, every doubling as likely."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def arrays(self) -> np.random.Generator:
        """A generator for whole arrays, decided by this source."""
        return np.random.default_rng(self.getrandbits(62))

    def shade(self, colour: Colour, spread: float = 0.25) -> Colour:
        """A colour near another."""
        light = math.exp(self.gauss(0, spread))
        red, green, blue = (c * light * math.exp(self.gauss(0, spread / 3)) for c in colour)
        return min(red, 0.95), min(green, 0.95), min(blue, 0.95)


def darker(colour: Colour, share: float) -> Colour:
    """A share of a colour's light."""
    red, green, blue = colour
    return red * share, green * share, blue * share


def noise(dice: Dice, points: np.ndarray, size: float, waves: int = 12) -> np.ndarray:
    """Smooth noise of about unit deviation at `points` `[..., 3]`; `size` is that of a hill."""
    arrays = dice.arrays()
    directions = arrays.normal(0, 1.6 / size, (waves, 3))
    phases = arrays.uniform(0, 2 * math.pi, waves)
    return np.cos(points @ directions.T + phases).sum(-1) * math.sqrt(2 / waves)


def rough_noise(dice: Dice, points: np.ndarray, size: float, octaves: int = 4) -> np.ndarray:
    """Noise with finer and finer hills on the hills."""
    layers = (noise(dice, points, size / 2**octave) / 2**octave for octave in range(octaves))
    return sum(layers, np.zeros(points.shape[:-1]))
