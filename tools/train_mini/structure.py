"""How wide the miniature is: 512-depth-ema's structure at 10 million parameters."""

from ...checkpoints.architecture import TextArchitecture, UNetArchitecture, VAEArchitecture
from ...depth.networks.midas_hybrid import Widths
from ..make_checkpoint import Structure

MIDAS = Widths(
    stem=32,
    stages=(128, 128, 128),
    tokens=64,
    mlp=256,
    grid=12,
    neck=(48, 48),
    fusion=48,
    head=(24, 16),
)

# Heads have 64 channels in SD2, so every width with attention is a multiple of 64. GroupNorm has
# 32 groups: with fewer than three channels to a group the VAE cannot keep an image's mean colour.
STRUCTURE = Structure(
    unet=UNetArchitecture(
        in_channels=5,
        out_channels=4,
        model_channels=64,
        channel_mult=(1, 1),
        res_blocks=1,
        attention=(True, True),
        context_dim=64,
    ),
    vae=VAEArchitecture(channels=96, channel_mult=(1, 1, 1, 1), res_blocks=1),
    text=TextArchitecture(width=64, layers=3, mlp_width=256),
    midas=MIDAS,
)
