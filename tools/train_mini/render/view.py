"""What a place hands to the camera."""

import math
from dataclasses import dataclass

from .shapes import Point


@dataclass(frozen=True)
class View:
    """Where the camera stands and looks, its focal length in mm, how often it blurs the far."""

    at: Point
    target: Point
    lens: float = 35.0
    blur: float = 0.3


def around(target: Point, distance: float, azimuth: float, elevation: float) -> Point:
    """A place around a target, in radians; an azimuth of 0 is in front (−y)."""
    flat = distance * math.cos(elevation)
    return (
        target[0] + flat * math.sin(azimuth),
        target[1] - flat * math.cos(azimuth),
        target[2] + distance * math.sin(elevation),
    )
