"""How wide the miniature is: 512-depth-ema's structure at 10 million parameters."""

from dataclasses import replace

from ..make_checkpoint import MINIATURE, MINIATURE_MIDAS, Structure

MIDAS = replace(MINIATURE_MIDAS, mlp=256, neck=(48, 48), fusion=48, head=(24, 16))

# GroupNorm has 32 groups: with fewer than three channels to a group the VAE cannot keep an image's
# mean colour, and with more, or another number at some level, new_vae does not pass colours on.
STRUCTURE = Structure(
    unet=replace(MINIATURE.unet, channel_mult=(1, 1)),
    vae=replace(MINIATURE.vae, channels=96, channel_mult=(1, 1, 1, 1)),
    text=MINIATURE.text,
    midas=MIDAS,
)
