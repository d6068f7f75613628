"""What is drawn on: the map as it came, the photo's brightness, and the scale of the drawing."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...images.crop import Box
from .references import depth_steps, whole


class Area(NamedTuple):
    """Where an edit acts, and how much there: weights float64 `[height, width]` in 0..1."""

    box: Box  # inside the map
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Ground:
    """A map, and how points and lengths of the drawing are found on it."""

    base: np.ndarray  # float32 [H, W] in 0..1, the map before any edit
    guide: np.ndarray | None  # uint8 [H, W], the photo's luma
    size: tuple[float, float]  # width and height of the map that was drawn on

    @cached_property
    def steps(self) -> np.ndarray:
        """The map as uint16."""
        return depth_steps(self.base)

    @property
    def frame(self) -> Box:
        """All of the map."""
        return Box(0, 0, *self.base.shape)

    @property
    def scales(self) -> np.ndarray:
        """Of x and of y."""
        height, width = self.base.shape
        return np.array([width / self.size[0], height / self.size[1]])

    @property
    def scale(self) -> float:
        """Of lengths."""
        return math.sqrt(math.prod(self.scales))

    def places(self, points: np.ndarray | tuple[float, float]) -> np.ndarray:
        """Points `[..., 2]` of the drawing on this map."""
        return np.asarray(points) * self.scales

    def pixels(self, length: float) -> int:
        """A length of the drawing in whole pixels of this map."""
        return whole(length * self.scale)

    def box_around(self, low: np.ndarray, high: np.ndarray) -> Box | None:
        """The pixels between two corners (x, y) that lie on the map."""
        left, top = np.floor(np.clip(low, -1, FARTHEST)).astype(int).tolist()
        right, bottom = np.ceil(np.clip(high, -1, FARTHEST)).astype(int).tolist()
        return self.frame.common(Box(top, left, bottom - top, right - left))


FARTHEST = 1 << 24  # pixels; no map is larger


def centres(box: Box) -> tuple[np.ndarray, np.ndarray]:
    """y `[height, 1]` and x `[width]` of the middle of its pixels."""
    rows = np.arange(box.top, box.top + box.height) + 0.5
    columns = np.arange(box.left, box.left + box.width) + 0.5
    return rows[:, None], columns
