"""A frame of a camera's move: seen by one eye or by two, through a lens with a focus."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from .camera import Camera
from .lens_blur import lens_blur
from .parallax import view
from .stereo import Show, both_eyes, together


class Shot(NamedTuple):
    """What all frames have in common; `view`, `both_eyes` and `lens_blur` say what it means."""

    strength: float  # pixels
    plane: float = 0.0
    show: Show = Show.IMAGE
    eyes: float = 0.0  # pixels
    blur: float = 0.0  # pixels
    focus: float = 1.0


def frame(image: Tensor, depth: Tensor, camera: Camera, shot: Shot) -> Tensor:
    """What a camera shows of an image `[H, W, 3]` and its map `[H, W]`: `[H, W or 2W, 3]`."""
    look = partial(_seen, image, depth, shot)
    if shot.show is Show.IMAGE:
        return look(camera, shot.strength)
    left, right = (look(eye, 1.0) for eye in both_eyes(camera, shot.strength, shot.eyes))
    return together(left, right, shot.show)


def _seen(image: Tensor, depth: Tensor, shot: Shot, camera: Camera, strength: float) -> Tensor:
    if not shot.blur:
        return view(image, depth, camera, strength, shot.plane)
    # The view's own depths come as its fourth channel.
    deep = torch.cat([image, depth.to(image).unsqueeze(-1)], dim=-1)
    seen = view(deep, depth, camera, strength, shot.plane)
    return lens_blur(seen[..., :3], seen[..., 3].clamp(0, 1), shot.focus, shot.blur)
