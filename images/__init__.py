"""Images and masks as such: filling, cropping, stitching, sheets; no depth, no diffusion."""
