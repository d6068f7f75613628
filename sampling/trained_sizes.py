"""The sizes that checkpoints were trained at, and what is far from them."""

import logging

from torch import Tensor

from .latents import LATENT_PIXELS

log = logging.getLogger(__name__)

# The short side in pixels, by the UNet's width: of 512-depth-ema, and of sd2-depth-mini.
TRAINED = {320: 512, 64: 256}


def warn_of_size(model_channels: int, latent: Tensor) -> None:
    """Say so where a latent `[B, 4, h, w]` is much smaller than the images of the training.

    Or twice as large; but one that is no longer empty may be the second pass over an enlarged
    image, which keeps its composition. Of a UNet of another width nothing is known.
    """
    height, width = (side * LATENT_PIXELS for side in latent.shape[-2:])
    if not is_far(model_channels, height, width):
        return
    trained = TRAINED[model_channels]
    if min(height, width) < trained or not latent.any():
        log.warning(
            "the image has %d x %d pixels, and the checkpoint was trained with a short side of %d: "
            "at a size so different it paints badly",
            *(width, height, trained),
        )


def is_far(model_channels: int, height: int, width: int) -> bool:
    """Whether a size in pixels is so far from the training's that the checkpoint paints badly."""
    trained = TRAINED.get(model_channels)
    return trained is not None and not 0.75 * trained <= min(height, width) < 2 * trained
