"""The diffusion side: checkpoints, the depth channel, strength and masks. Knows no host."""
