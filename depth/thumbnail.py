"""A depth map as a small image of 8 bits, quickly made, to be looked at."""

import io

import numpy as np
from PIL import Image
from torch import Tensor

MOST = 384  # pixels of the longer side
QUALITY = 90


def thumbnail(depth: Tensor) -> bytes:
    """A map `[H, W]` as a grey JPEG: 0 is black, 1 is white.

    Values that go beyond 0..1, distances for example, are stretched to it. Pixels without a value
    are black. Pixels are left out, not averaged: that would take longer than many an edit.
    """
    step = -(-max(depth.shape) // MOST)
    small = depth[::step, ::step].detach().float().contiguous().cpu().numpy()
    if not (small.min() >= 0 and small.max() <= 1):  # NaN as well
        small = _stretched(small)
    file = io.BytesIO()
    pixels = (small * 255 + 0.5).astype(np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _stretched(depth: np.ndarray) -> np.ndarray:
    known = depth[np.isfinite(depth)]
    if not known.size:
        return np.zeros_like(depth)
    low, high = known.min(), known.max()
    filled = np.nan_to_num(depth, nan=low, posinf=high, neginf=low)
    return filled if low >= 0 and high <= 1 else (filled - low) / max(high - low, 1e-12)
