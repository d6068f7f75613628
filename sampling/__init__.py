"""The diffusion side: the depth channel, strength and masks, sweeps of both."""
