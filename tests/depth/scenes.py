"""Images with their depth that several tests move a camera in."""

import torch


def box_scene(height=48, width=64):
    """Blue wall at 0.2 with a red box in front of it at 1; image and depth."""
    depth = torch.full((height, width), 0.2)
    depth[16:32, 24:40] = 1.0
    image = torch.zeros(height, width, 3)
    image[..., 2] = torch.linspace(0.4, 0.9, width)
    image[16:32, 24:40] = torch.tensor([1.0, 0.0, 0.0])
    return image, depth
