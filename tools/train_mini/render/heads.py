"""Human heads: a face with eyes, nose and mouth, hair in strands, things worn on it.

A head is built around its middle, of a human's size in metres; it looks towards −y.
"""

import math

import numpy as np
from mathutils import Matrix

from . import materials
from .dice import Colour, Dice, darker, noise
from .shapes import Frame, ball, grow, lathe, move, ring, sphere_points, strands, tube, turn

RADII = np.array((0.074, 0.094, 0.118))


def head(dice: Dice, at: Frame, skin: Colour, hat: bool = True) -> None:
    """A head of a random person; some wear a hat or glasses, if `hat` allows."""
    at = at @ grow(*(dice.uniform(0.95, 1.06) for _ in range(3)))
    hair = dice.shade(dice.choice(materials.HAIRS), 0.25)
    face = _Face(dice)
    made = materials.painted(dice.uniform(0.35, 0.6), Subsurface_Weight=0.0)

    def colours(unit: np.ndarray) -> np.ndarray:
        return face.colours(dice, unit, skin, hair)

    ball(at, tuple(RADII), made, face.shape, colours=colours, detail=72)
    for side in (-1, 1):
        _eye(dice, at, face, side, skin)
        _ear(at, side, skin)
    covered = hat and dice.chance(0.22)
    if covered:
        dice.choice((_cap, _brimmed, _beanie))(dice, at)
    if not (covered and dice.chance(0.4)) and dice.chance(0.92):
        _hair(dice, at, hair, low=covered)
    if dice.chance(0.2):
        _beard(dice, at, face, hair)
    if dice.chance(0.22):
        _glasses(dice, at, face)


def helmet(dice: Dice, at: Frame, size: float = 0.15) -> None:
    """A helmet with its opening towards −y: of an astronaut, a rider, a worker."""
    shell = materials.plain(
        dice.choice(((0.8, 0.8, 0.8), (0.8, 0.8, 0.8), *materials.PAINTS)), 0.15, Coat_Weight=0.5
    )
    edge = dice.uniform(0.35, 0.75)

    def open_(unit: np.ndarray) -> np.ndarray:
        return ~((unit[:, 1] < -edge) & (np.abs(unit[:, 2] + 0.05) < 0.55)) & (unit[:, 2] > -0.75)

    ball(at, (size, size * 1.08, size * 1.05), shell, keep=open_, detail=48)
    dark = materials.fabric(dice, (0.05, 0.05, 0.06))
    ball(at, (size * 0.95, size * 1.02, size), dark, keep=open_, detail=32)
    ring(
        at @ move(0, 0, -size * 0.75) @ turn(math.pi / 2, "X"),
        size * 0.72,
        size * 0.09,
        materials.metal(dice),
    )
    if dice.chance(0.4):
        visor = (
            materials.plain((0.02, 0.02, 0.03), 0.05, 0.3)
            if dice.chance(0.6)
            else materials.metal(dice)
        )
        ball(
            at, size * 1.0, visor, keep=lambda p: (p[:, 1] < -edge * 0.8) & (np.abs(p[:, 2]) < 0.6)
        )


class _Face:
    """The measures of one face: where things are on the unit ball, and how strong."""

    def __init__(self, dice: Dice) -> None:
        self.nose = dice.uniform(0.16, 0.3)
        self.nose_wide = dice.uniform(0.11, 0.17)
        self.jaw = dice.uniform(0.68, 0.92)
        self.chin = dice.uniform(0.03, 0.12)
        self.cheeks = dice.uniform(0.0, 0.08)
        self.lips = dice.uniform(0.03, 0.06)
        self.smile = dice.uniform(-0.03, 0.12)
        self.open = dice.choice((0.0, 0.0, 0.05, 0.1))
        self.mouth_wide = dice.uniform(0.24, 0.36)
        self.eyes_apart = dice.uniform(0.34, 0.42)
        self.eyes_high = dice.uniform(0.06, 0.14)
        self.socket = dice.uniform(0.08, 0.15)
        self.brow = dice.uniform(0.02, 0.07)
        self.red = dice.uniform(0.1, 0.7)
        self.brows_dark = dice.uniform(0.3, 1.0)

    def shape(self, unit: np.ndarray) -> np.ndarray:
        x, y, z = unit.T
        front = np.clip(-y, 0, 1)
        # The face is flatter and narrower below the cheeks, the back of the head round.
        low = np.clip((-z - 0.1) / 0.9, 0, 1)
        wide = 1 - (1 - self.jaw) * low
        back = 1 - 0.55 * low * np.clip(y + 0.1, 0, 1)
        out = np.stack((x * wide, y * np.where(y > 0, back, 1 - 0.08 * low), z), 1)
        push = np.zeros_like(x)
        # Bridge and tip of the nose, its wings.
        ridge = np.clip((self.eyes_high + 0.06 - z) / 0.42, 0, 1.0) * (z > -0.36)
        ridge = ridge * np.clip((z + 0.36) / 0.07, 0, 1)
        push += (
            self.nose
            * ridge**1.2
            * np.exp(-((x / (self.nose_wide * (0.6 + 0.5 * ridge))) ** 2))
            * front
        )
        for side in (-1, 1):
            push += 0.05 * _bump(x, z, side * 0.13, -0.28, 0.07, 0.06) * front
            push -= (
                self.socket * _bump(x, z, side * self.eyes_apart, self.eyes_high, 0.2, 0.13) * front
            )
            push += (
                self.brow
                * _bump(x, z, side * self.eyes_apart, self.eyes_high + 0.2, 0.25, 0.08)
                * front
            )
            push += self.cheeks * _bump(x, z, side * 0.5, -0.2, 0.2, 0.18) * front
        curve = -0.55 + self.smile * (x / self.mouth_wide) ** 2
        inside = np.exp(-((x / self.mouth_wide) ** 4)) * front
        push += self.lips * inside * np.exp(-(((np.abs(z - curve) - 0.045) / 0.04) ** 2))
        push -= (
            (0.04 + self.open) * inside * np.exp(-(((z - curve) / (0.018 + self.open * 0.4)) ** 2))
        )
        push += self.chin * _bump(x, z, 0, -0.85, 0.22, 0.12) * front
        push -= 0.04 * _bump(x, z, 0, -0.72, 0.25, 0.05) * front
        out[:, 1] -= push
        return out

    def colours(self, dice: Dice, unit: np.ndarray, skin: Colour, hair: Colour) -> np.ndarray:
        x, y, z = unit.T
        front = y < 0
        mottled = 1 + 0.06 * noise(dice, unit, 0.3)[:, None]
        colour = np.array(skin) * mottled
        blush = self._cheeks(x, z) * front
        colour = _blend(colour, np.array(skin) * (1.1, 0.72, 0.7), 0.5 * blush)
        curve = -0.55 + self.smile * (x / self.mouth_wide) ** 2
        lips = (
            np.exp(-((np.abs(x) / self.mouth_wide) ** 4))
            * np.exp(-(((z - curve) / 0.085) ** 4))
            * front
        )
        colour = _blend(colour, np.array(skin) * (0.95, 0.5, 0.5), (0.3 + 0.6 * self.red) * lips)
        gap = (
            np.exp(-((np.abs(x) / self.mouth_wide) ** 6))
            * np.exp(-(((z - curve) / (0.02 + self.open * 0.6)) ** 4))
            * front
        )
        teeth = (0.75, 0.72, 0.66) if self.open > 0.04 else (0.08, 0.02, 0.02)
        colour = _blend(colour, np.array(teeth), 0.85 * gap)
        for side in (-1, 1):
            across = (x - side * self.eyes_apart) * side
            arch = self.eyes_high + 0.2 - 0.35 * (across - 0.03) ** 2 * 4
            brow = np.exp(-((across / 0.23) ** 4)) * np.exp(-(((z - arch) / 0.035) ** 2)) * front
            colour = _blend(colour, np.array(hair) * 0.7, self.brows_dark * brow)
            shadow = _bump(x, z, side * self.eyes_apart, self.eyes_high, 0.2, 0.12) * front
            colour = _blend(colour, np.array(skin) * 0.45, 0.55 * shadow)
            nostril = _bump(x, z, side * 0.075, -0.345, 0.04, 0.025) * front
            colour = _blend(colour, np.array(skin) * 0.15, 0.9 * nostril)
        return np.clip(colour, 0, 1)

    def _cheeks(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return _bump(np.abs(x), z, 0.5, -0.22, 0.2, 0.18) + _bump(x, z, 0, -0.25, 0.12, 0.1)

    def place(self, x: float, z: float) -> np.ndarray:
        """The point of the face at a place of the unit ball, in metres."""
        unit = np.array(((x, -math.sqrt(max(0.01, 1 - x * x - z * z)), z),))
        return self.shape(unit)[0] * RADII


def _bump(
    x: np.ndarray, z: np.ndarray, at_x: float, at_z: float, wide: float, tall: float
) -> np.ndarray:
    return np.exp(-(((x - at_x) / wide) ** 2) - ((z - at_z) / tall) ** 2)


def _blend(colour: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return colour + (other - colour) * np.clip(share, 0, 1)[:, None]


def _eye(dice: Dice, at: Frame, face: _Face, side: int, skin: Colour) -> None:
    size = 0.0125
    x, y, z = face.place(side * face.eyes_apart, face.eyes_high)
    place = at @ move(x, y + size * 0.55, z)
    state = dice.getstate()
    iris = dice.choice(
        ((0.06, 0.03, 0.015), (0.1, 0.06, 0.03), (0.12, 0.22, 0.3), (0.1, 0.16, 0.07))
    )
    gaze, lid = turn(dice.uniform(-0.3, 0.3)), dice.uniform(0.25, 0.55)
    if side < 0:
        dice.setstate(state)  # the other eye is alike

    def colours(unit: np.ndarray) -> np.ndarray:
        inside = -unit[:, 1]
        white = np.tile((0.75, 0.73, 0.7), (len(unit), 1))
        white[inside > 0.84] = iris
        white[inside > 0.955] = (0.004, 0.004, 0.004)
        return white

    ball(place @ gaze, size, materials.painted(0.1), colours=colours, detail=32)
    cover = materials.plain(darker(skin, 0.8), 0.5)
    ball(place @ turn(-0.2, "X"), size * 1.09, cover, keep=lambda p: p[:, 2] > lid)
    ball(place, size * 1.07, cover, keep=lambda p: p[:, 2] < -0.45)
    lash = materials.plain((0.02, 0.012, 0.01), 0.8)
    flat = math.sqrt(1 - lid * lid) * size * 1.1
    arc = [(flat * math.sin(a), -flat * math.cos(a), lid * size) for a in np.linspace(-1.2, 1.2, 7)]
    tube(place @ turn(-0.2, "X"), arc, 0.0011, lash)


def _ear(at: Frame, side: int, skin: Colour) -> None:
    made = materials.plain((skin[0], skin[1] * 0.85, skin[2] * 0.82), 0.5)
    place = at @ move(side * 0.074, 0.012, -0.002) @ turn(side * 0.35)
    ball(place, (0.009, 0.019, 0.031), made, detail=16)
    ring(
        place @ move(side * 0.005, 0, 0.003) @ turn(math.pi / 2) @ grow(0.7, 1, 1.1),
        0.021,
        0.005,
        made,
    )


def _hair(dice: Dice, at: Frame, colour: Colour, low: bool) -> None:
    """A cap in the hair's colour and strands that fall over it."""
    line = dice.uniform(0.42, 0.62)  # how low the hair begins over the forehead
    style = dice.choice(("short", "short", "bob", "long", "long", "curly", "bun"))
    thick = {"short": 0.1, "bob": 0.14, "long": 0.12, "curly": 0.22, "bun": 0.06}[style]
    cap = materials.plain(darker(colour, 0.5), 0.8)

    def scalp(unit: np.ndarray) -> np.ndarray:
        x, y, z = unit.T
        return z > np.where(
            y < 0, line - 0.25 * np.abs(x) ** 3, line - 1.05 * np.clip(y * 1.6 + 0.25, 0, 1)
        )

    ball(at, tuple(RADII * 1.035), cap, keep=scalp, detail=48)
    arrays = dice.arrays()
    unit, _ = sphere_points(60, 90)
    unit = unit[scalp(unit) & (not low or unit[:, 2] < 0.45)]
    if not len(unit):
        return
    count = {"short": 1300, "bob": 1500, "long": 1700, "curly": 1400, "bun": 1300}[style]
    roots = unit[arrays.integers(0, len(unit), count)] + arrays.normal(0, 0.03, (count, 3))
    roots /= np.linalg.norm(roots, axis=1, keepdims=True)
    long = {"short": 0.05, "bob": 0.19, "long": 0.4, "curly": 0.12, "bun": 0.1}[style]
    points = _fall(dice, roots, long * dice.uniform(0.8, 1.3), thick, style)
    shades = np.array(colour) * np.exp(arrays.normal(0, 0.3, (count, 1)))
    radius = 0.0012 if style == "short" else 0.0016
    strands(at, points, radius, materials.painted(0.45), np.clip(shades, 0, 1))
    if style == "bun":
        knot = at @ move(0, dice.uniform(0.05, 0.1), dice.uniform(0.05, 0.13))
        ball(knot, dice.uniform(0.035, 0.05), cap)


def _fall(dice: Dice, roots: np.ndarray, long: float, thick: float, style: str) -> np.ndarray:
    """Paths of hair from unit vectors, `[n, steps, 3]` in metres, that keep off the face."""
    arrays, steps = dice.arrays(), 12
    part = dice.uniform(-0.4, 0.4)
    aside = np.sign(roots[:, :1] - part * 0.5) * np.array((1.0, 0, 0))
    backwards = np.array((0, dice.uniform(0.2, 1.0), 0))
    lift = 1 + thick * arrays.uniform(0.35, 1.2, (len(roots), 1))
    place = roots * RADII * 1.03
    path = [place]
    lengths = long * arrays.uniform(0.6, 1.15, (len(roots), 1))
    wave = arrays.uniform(0, 6.3, (len(roots), 3))
    curl = {"curly": 0.9, "long": 0.25, "bob": 0.15}.get(style, 0.1) * dice.uniform(0.3, 1.2)
    for step in range(1, steps):
        part_done = step / steps
        way = (
            roots * (0.7 - part_done)
            + aside * (0.55 - 0.4 * part_done)
            + backwards * (1 - part_done)
        )
        way = way + np.array((0, 0, -0.25 - 1.6 * part_done))
        if style == "bun":
            way = np.array((0, 0.09, 0.09)) - place
            way = way / (np.linalg.norm(way, axis=1, keepdims=True) + 0.01)
        way = way + curl * np.sin(wave + step * 1.7)
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        place = place + way * lengths / steps
        around = place / RADII
        far = np.linalg.norm(around, axis=1, keepdims=True)
        upper = place[:, 2:] > -0.11
        place = np.where((far < lift) & upper, around / far * lift * RADII, place)
        # Below the hairline, hair hangs beside the face, not before it.
        front = (place[:, 1] < -0.035) & (place[:, 2] < 0.045)
        pushed = np.sign(place[:, 0] + 1e-6) * np.maximum(np.abs(place[:, 0]), 0.075)
        place = np.stack(
            (
                np.where(front, pushed, place[:, 0]),
                np.where(front, place[:, 1] + 0.02, place[:, 1]),
                place[:, 2],
            ),
            1,
        )
        path.append(place)
    return np.stack(path, 1)


def _beard(dice: Dice, at: Frame, face: _Face, colour: Colour) -> None:
    arrays, count = dice.arrays(), 900
    x, z = arrays.uniform(-0.75, 0.75, count), arrays.uniform(-0.95, -0.35, count)
    y = -np.sqrt(np.clip(1 - x * x - z * z, 0.02, 1))
    keep = ((np.abs(x) > 0.3) | (z < -0.66) | (np.abs(z + 0.42) < 0.06)) & (
        z < -0.3 - 0.15 * (1 - np.abs(x))
    )
    unit = np.stack((x, y, z), 1)[keep]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    roots = face.shape(unit) * RADII
    long = dice.log(0.006, 0.05)
    way = unit * 0.5 + np.array((0, -0.15, -0.7)) + arrays.normal(0, 0.3, unit.shape)
    steps = np.linspace(0, 1, 4)[None, :, None]
    shades = np.array(colour) * np.exp(arrays.normal(0, 0.25, (len(unit), 1)))
    strands(
        at,
        roots[:, None] + way[:, None] * long * steps,
        0.0011,
        materials.painted(0.6),
        np.clip(shades, 0, 1),
    )


def _glasses(dice: Dice, at: Frame, face: _Face) -> None:
    made = dice.choice((materials.plain((0.02, 0.02, 0.02), 0.3), materials.metal(dice)))
    dark = dice.chance(0.35)
    size, thick = dice.uniform(0.019, 0.025), dice.uniform(0.0012, 0.003)
    y = face.place(0.1, face.eyes_high)[1] - 0.012
    z = face.eyes_high * RADII[2] - 0.003
    for side in (-1, 1):
        place = at @ move(side * 0.031, y, z)
        ring(place @ grow(1.15, 1, 0.9), size, thick, made)
        if dark:
            lens = materials.plain((0.01, 0.01, 0.012), 0.05)
            ball(place, (size * 1.15, 0.002, size * 0.9), lens, detail=16)
        tube(
            at,
            [(side * 0.055, y, z), (side * 0.08, y + 0.03, z), (side * 0.08, 0.01, z)],
            thick,
            made,
        )
    tube(at, [(-0.01, y, z), (0.01, y, z)], thick, made)


def _cap(dice: Dice, at: Frame) -> None:
    made = materials.fabric(dice)
    up = at @ turn(dice.uniform(-0.1, 0.15), "X")
    ball(up @ move(0, 0, 0.015), tuple(RADII * 1.12), made, keep=lambda p: p[:, 2] > 0.38)
    peak = up @ move(0, -0.1, 0.066) @ turn(0.15, "X")
    ball(peak, (0.065, 0.075, 0.006), made, detail=24)


def _beanie(dice: Dice, at: Frame) -> None:
    made = materials.fabric(dice)
    ball(at @ move(0, 0.01, 0.02), tuple(RADII * 1.15), made, keep=lambda p: p[:, 2] > 0.28)
    ring(
        at @ move(0, 0.01, 0.055) @ turn(math.pi / 2 - 0.1, "X") @ grow(0.86, 1, 1.02),
        0.093,
        0.014,
        made,
        1.6,
    )


def _brimmed(dice: Dice, at: Frame) -> None:
    made = dice.choice((materials.fabric, materials.leather))(dice)
    wide, tall = dice.uniform(0.14, 0.21), dice.uniform(0.08, 0.14)
    up = at @ move(0, 0, 0.06) @ turn(dice.uniform(-0.15, 0.15), "X") @ grow(0.9, 1.1, 1)
    profile = [(wide, 0.01), (0.098, 0), (0.092, tall * 0.9), (0.07, tall), (0.001, tall * 0.9)]
    lathe(up, profile, made, along=2)


def upright(dice: Dice) -> Matrix:
    """How a head is held: turned, tilted, nodding."""
    return (
        turn(dice.gauss(0, 0.35)) @ turn(dice.gauss(0, 0.1), "Y") @ turn(dice.gauss(0, 0.12), "X")
    )
