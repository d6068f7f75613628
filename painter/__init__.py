"""Depth-to-image for Python programs: `from sd2_depth2img import DepthToImage`."""
