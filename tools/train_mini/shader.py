"""From a depth map and an appearance to an image: the truth that the miniature learns.

What is painted depends on the depth map and on what the caption can name, on nothing else. So any
depth map, a photograph's or a drawn one, has a right answer for every prompt.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

Map = np.ndarray  # float32 [H, W]
Image = np.ndarray  # float32 [H, W, 3], RGB, 0..1

# sRGB. Black and white are not at the very ends, so that light and shade still show on them.
PALETTE: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.12),
    "orange": (0.95, 0.55, 0.10),
    "yellow": (0.95, 0.88, 0.20),
    "green": (0.15, 0.65, 0.20),
    "blue": (0.12, 0.25, 0.85),
    "purple": (0.50, 0.15, 0.65),
    "pink": (0.98, 0.60, 0.75),
    "white": (0.95, 0.95, 0.95),
    "grey": (0.50, 0.50, 0.50),
    "black": (0.08, 0.08, 0.08),
}
FOG = (0.75, 0.77, 0.80)
LIGHTS = ("left", "right")

# Depths over which the background's colour gives way to the foreground's.
BACKGROUND_ENDS, FOREGROUND_BEGINS = 0.25, 0.5

# Depth per half width of the image, above which a slope is taken for a jump.
STEEPEST = 4.0

_VEINS = np.random.default_rng(20).standard_normal((7, 7)).astype(np.float32)


@dataclass(frozen=True)
class Appearance:
    """Everything about an image that its depth map does not say."""

    material: str
    foreground: str
    background: str
    light: str
    fog: bool = False


def random_appearance(random: Generator) -> Appearance:
    """Any material, two different colours, light from either side, fog once in eight."""
    foreground, background = random.choice(list(PALETTE), 2, replace=False)
    return Appearance(
        material=str(random.choice(list(MATERIALS))),
        foreground=str(foreground),
        background=str(background),
        light=str(random.choice(LIGHTS)),
        fog=bool(random.random() < 0.125),
    )


def render(depth: Map, appearance: Appearance) -> Image:
    """Paint a depth map: relative inverse depth over the whole range from 0 (far) to 1 (near)."""
    surface = _Surface.of(depth, appearance)
    image = MATERIALS[appearance.material](surface)
    if appearance.fog:
        density = (0.85 * (1 - depth))[..., None]
        image = image * (1 - density) + _vector(FOG) * density
    return np.clip(image, 0, 1).astype(np.float32)


def foreground_share(depth: Map) -> Map:
    """How much of every pixel is painted in the foreground's colour, 0..1."""
    ramp = np.clip((depth - BACKGROUND_ENDS) / (FOREGROUND_BEGINS - BACKGROUND_ENDS), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)  # smoothstep


def _vector(values: tuple[float, float, float]) -> np.ndarray:
    """A colour or a direction, float32 [3]."""
    return np.array(values, np.float32)


@dataclass(frozen=True)
class _Surface:
    """What the materials are made of; maps are `[H, W, 1]`, colours `[3]`."""

    depth: Map
    share: Map  # of the foreground's colour
    lambert: Map  # cosine between the normal and the light, 0..1
    shine: Map  # of a mirror towards the light, 0..1
    upward: Map  # y of the normal, −1 (facing up) .. 1 (facing down)
    slant: Map  # 0 facing the viewer, 1 at the rim
    foreground: np.ndarray
    background: np.ndarray

    @classmethod
    def of(cls, depth: Map, appearance: Appearance) -> "_Surface":
        side = max(depth.shape)
        smooth = cv2.GaussianBlur(depth, (0, 0), side / 160)
        # Depth per unit of an image that is 2 wide; Sobel's weights sum to 8.
        dx, dy = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
        dx, dy = (gradient / 8 * side / 2 for gradient in (dx, dy))
        # A jump is the border of a thing, not a surface: there the normal stays with the viewer.
        calm = 1 / (1 + (np.hypot(dx, dy) / STEEPEST) ** 4)
        dx, dy = dx * calm, dy * calm
        scale = 1 / np.sqrt(1 + (1.2 * dx) ** 2 + (1.2 * dy) ** 2)
        nx, ny, nz = -1.2 * dx * scale, -1.2 * dy * scale, scale
        lx, ly, lz = (-0.65 if appearance.light == "left" else 0.65), -0.45, 0.62
        lambert = np.clip(nx * lx + ny * ly + nz * lz, 0, 1)
        # Half way between the light and the viewer, who looks along z (Blinn 1977).
        half = _vector((lx, ly, lz + 1))
        half /= np.linalg.norm(half)
        shine = np.clip(nx * half[0] + ny * half[1] + nz * half[2], 0, 1) ** 40
        maps = (depth, foreground_share(depth), lambert, shine, ny, 1 - nz)
        names = (appearance.foreground, appearance.background)
        values = [value[..., None].astype(np.float32) for value in maps]
        return cls(*values + [_vector(PALETTE[name]) for name in names])

    @property
    def colour(self) -> Image:
        """Background to foreground by depth."""
        return self.background * (1 - self.share) + self.foreground * self.share

    @property
    def lit(self) -> Map:
        """Light on a dull surface, darker in the distance."""
        return (0.5 + 0.65 * self.lambert) * (0.55 + 0.45 * self.depth)

    def over_wall(self, body: Image) -> Image:
        """The foreground's body where its share is, a dull wall elsewhere."""
        return self.background * self.lit * (1 - self.share) + body * self.share


def _clay(s: _Surface) -> Image:
    return s.colour * s.lit


def _plastic(s: _Surface) -> Image:
    return s.colour * s.lit + 0.5 * s.shine * s.share


def _metal(s: _Surface) -> Image:
    """Bright sky above, dark ground below, a horizon between them."""
    mirror = 0.5 - 0.5 * np.tanh(4 * s.upward)
    return s.over_wall(s.foreground * (0.5 + 0.6 * mirror) + 0.4 * s.shine)


def _marble(s: _Surface) -> Image:
    """Pale, with broad veins of the colour that run the same way in every image."""
    height, width = s.depth.shape[:2]
    veins = cv2.resize(_VEINS, (width, height), interpolation=cv2.INTER_CUBIC)
    vein = (0.5 + 0.5 * np.sin(4 * veins))[..., None]
    stone = s.foreground * (0.65 + 0.35 * vein) + 0.25 * (1 - vein)
    return s.over_wall(stone * s.lit + 0.25 * s.shine)


def _glass(s: _Surface) -> Image:
    """The background seen through, coloured most at the rim."""
    rim = np.clip(0.4 + 0.9 * s.slant, 0, 1)
    through = 0.85 * s.background * (1 - rim) + s.foreground * rim
    return s.over_wall(through + 0.6 * s.shine)


def _neon(s: _Surface) -> Image:
    """Glows by itself, most at the rims, in a dark room."""
    halo = cv2.GaussianBlur(s.share[..., 0], (0, 0), max(s.depth.shape) / 24)[..., None]
    wall = s.background * (0.25 + 0.1 * s.lambert) + 0.3 * s.foreground * halo
    body = s.foreground * (0.55 + 0.7 * s.slant) + 0.25 * s.slant
    return wall * (1 - s.share) + body * s.share


def _ink(s: _Surface) -> Image:
    """Washes of the foreground's colour on paper of the background's, no light but in the ink."""
    wash = s.share * (0.45 + 0.55 * (1 - s.lambert))
    return s.background * (1 - wash) + s.foreground * wash


MATERIALS: dict[str, Callable[[_Surface], Image]] = {
    "clay": _clay,
    "plastic": _plastic,
    "metal": _metal,
    "marble": _marble,
    "glass": _glass,
    "neon": _neon,
    "ink": _ink,
}
