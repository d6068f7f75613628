"""What edits look at beside the map: the estimate and the photo, in whole numbers.

A page that previews edits gets the same numbers, so that both select the same pixels.
"""

import math

import numpy as np
from torch import Tensor

from ..convention import LUMA

DEPTHS = 65535  # steps of depth, from far to near
SHADES = 255  # steps of brightness


def depth_steps(depth: np.ndarray) -> np.ndarray:
    """A map in 0..1 as uint16."""
    return rounded(depth.astype(np.float64) * DEPTHS).astype(np.uint16)


def brightness_steps(image: Tensor) -> np.ndarray:
    """The Rec. 709 luma of one image `[H, W, 3]`, 0..1, as uint8 `[H, W]`."""
    colours = np.moveaxis(image.cpu().numpy().astype(np.float64), -1, 0)
    luma = sum(share * colour for share, colour in zip(LUMA, colours, strict=True))
    return rounded(np.clip(luma, 0, 1) * SHADES).astype(np.uint8)


def rounded(values: np.ndarray) -> np.ndarray:
    """To whole numbers, halves up, as every language can."""
    return np.floor(values + 0.5)


def whole(value: float) -> int:
    """The same of one number."""
    return math.floor(value + 0.5)
