"""What two eyes see of a scene, in one image."""

from enum import Enum

import torch
from torch import Tensor

from .camera import Camera

# What of each eye's red, green and blue goes into red, green and blue, in linear light of an sRGB
# screen, for red glass on the left and cyan on the right: Dubois 2009, "Conversion of a Stereo Pair
# to Anaglyph with the Least-Squares Projection Method".
RED_GLASS = ((0.437, 0.449, 0.164), (-0.062, -0.062, -0.024), (-0.048, -0.050, -0.017))
CYAN_GLASS = ((-0.011, -0.032, -0.007), (0.377, 0.761, 0.009), (-0.026, -0.093, 1.234))


class Show(str, Enum):
    """How the views of two eyes are shown."""

    IMAGE = "image"  # there is one eye alone
    SIDE_BY_SIDE = "side by side"  # the left eye's on the left
    CROSS_EYED = "cross-eyed"  # the left eye's on the right
    RED_CYAN = "red-cyan"  # one over the other, for glasses that are red on the left


def both_eyes(camera: Camera, strength: float, distance: float) -> tuple[Camera, Camera]:
    """A camera's left and right eye, in pixels: those of strength 1.

    `distance` is by how many pixels a point of depth 1 lies apart in their views.
    """
    across = camera.right * strength
    rest = camera._replace(
        up=camera.up * strength, forward=camera.forward * strength, zoom=camera.zoom * strength
    )
    return rest._replace(right=across - distance / 2), rest._replace(right=across + distance / 2)


def together(left: Tensor, right: Tensor, show: Show) -> Tensor:
    """Two eyes' views `[H, W, 3]` in one image, twice as wide where they are side by side."""
    if show is Show.RED_CYAN:
        return anaglyph(left, right)
    return torch.cat([left, right] if show is Show.SIDE_BY_SIDE else [right, left], dim=1)


def anaglyph(left: Tensor, right: Tensor) -> Tensor:
    """Two eyes' views `[H, W, 3]` for red and cyan glasses, `[H, W, 3]`."""
    seen_left = _linear(left) @ left.new_tensor(RED_GLASS).T
    seen_right = _linear(right) @ right.new_tensor(CYAN_GLASS).T
    return _encoded((seen_left + seen_right).clamp(0, 1))


# sRGB, IEC 61966-2-1.


def _linear(colour: Tensor) -> Tensor:
    return torch.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def _encoded(light: Tensor) -> Tensor:
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
