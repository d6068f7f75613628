"""A depth map as a small image of 8 bits, quickly made, to be looked at."""

import io

import torch
from PIL import Image
from torch import Tensor

MOST = 512  # pixels of the longer side
QUALITY = 90


def thumbnail(depth: Tensor) -> bytes:
    """A map `[H, W]` as a grey JPEG: 0 is black, 1 is white.

    Values that go beyond 0..1, distances for example, are stretched to it. Pixels without a value
    are black. Pixels are left out, not averaged: that would take longer than many an edit.
    """
    step = -(-max(depth.shape) // MOST)
    small = depth[::step, ::step].detach().float().cpu()
    known = small[small.isfinite()]
    low, high = (float(end) for end in known.aminmax()) if known.numel() else (0.0, 1.0)
    small = small.nan_to_num(low, high, low)
    if low < 0 or high > 1:
        small = (small - low) / max(high - low, 1e-12)
    file = io.BytesIO()
    Image.fromarray((small * 255).round().to(torch.uint8).numpy()).save(
        file, "JPEG", quality=QUALITY
    )
    return file.getvalue()
