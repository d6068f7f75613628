"""Cats and dogs with fur, on their frame's origin, facing −y."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from . import materials
from .dice import Colour, Dice, darker, noise
from .shapes import Frame, Point, ball, grow, move, strands, tube, turn

COATS: tuple[tuple[Colour, Colour], ...] = (
    ((0.45, 0.24, 0.09), (0.22, 0.09, 0.03)),
    ((0.28, 0.24, 0.19), (0.06, 0.05, 0.04)),
    ((0.03, 0.03, 0.03), (0.012, 0.012, 0.012)),
    ((0.75, 0.73, 0.69), (0.55, 0.5, 0.44)),
    ((0.2, 0.2, 0.21), (0.1, 0.1, 0.11)),
    ((0.5, 0.38, 0.25), (0.12, 0.08, 0.05)),
    ((0.15, 0.07, 0.03), (0.05, 0.025, 0.012)),
)


class _Coat:
    """Colours of one animal's fur by place."""

    def __init__(self, dice: Dice) -> None:
        self.light, self.dark = (dice.shade(c, 0.15) for c in dice.choice(COATS))
        self.dice, self.bands = dice, dice.uniform(4, 9)
        self.white = dice.choice((0.0, 0.0, 0.4, 0.9))
        self.phase, self.striped = dice.uniform(0, 6), dice.chance(0.6)
        self.seed = dice.getrandbits(40)

    def colours(self, unit: np.ndarray, belly: np.ndarray) -> np.ndarray:
        """For points of a unit ball; `belly`, 0..1, is where white fur would be."""
        own = Dice(self.seed)
        wander = noise(own, unit, 0.8)
        if self.striped:
            share = 0.5 + 0.5 * np.sin(
                self.bands * (np.abs(unit[:, 0]) * 1.3 + unit[:, 2]) + wander * 1.4 + self.phase
            )
        else:
            share = np.clip(0.5 + wander, 0, 1)
        share = share[:, None] ** 1.5
        colour = np.array(self.light) * (1 - share) + np.array(self.dark) * share
        pale = (self.white * np.clip(belly, 0, 1))[:, None]
        return np.clip(colour * (1 - pale) + np.array((0.75, 0.72, 0.68)) * pale, 0, 1)


def pet(dice: Dice, at: Frame) -> None:
    """A cat or dog that sits, stands or lies."""
    coat, cat = _Coat(dice), dice.chance(0.7)
    size = dice.uniform(0.9, 1.15) * (1 if cat else dice.uniform(1, 2.2))
    at = at @ grow(size)
    pose = dice.choice(("sits", "sits", "lies", "stands"))
    long = dice.choice((0.6, 0.9, 1.4))
    spine: list[Point]
    neck: Point
    legs: list[tuple[Point, Point]]
    if pose == "sits":
        spine = [(0, 0.12, 0.08), (0, 0.07, 0.13), (0, 0, 0.22), (0, -0.05, 0.31)]
        radii, neck = [0.09, 0.1, 0.08, 0.055], (0, -0.08, 0.37)
        legs = [((s * 0.04, -0.06, 0.2), (s * 0.04, -0.09, 0.02)) for s in (-1, 1)]
        legs += [((s * 0.09, 0.08, 0.08), (s * 0.1, -0.02, 0.02)) for s in (-1, 1)]
    elif pose == "lies":
        spine = [(0.02, 0.22, 0.06), (0, 0.12, 0.08), (0, 0, 0.085), (0, -0.1, 0.09)]
        radii, neck = [0.06, 0.085, 0.085, 0.06], (0, -0.16, dice.uniform(0.1, 0.17))
        legs = [((s * 0.05, -0.08, 0.05), (s * 0.05, -0.22, 0.02)) for s in (-1, 1)]
    else:
        spine = [(0, 0.2, 0.23), (0, 0.1, 0.24), (0, -0.02, 0.24), (0, -0.12, 0.25)]
        radii, neck = [0.07, 0.085, 0.085, 0.065], (0, -0.19, 0.3)
        legs = [((s * 0.05, y, 0.2), (s * 0.05, y, 0.02)) for s in (-1, 1) for y in (-0.1, 0.18)]
    _trunk(dice, at, coat, spine, radii, long)
    for top, foot in legs:
        knee = ((top[0] + foot[0]) / 2, (top[1] + foot[1]) / 2, (top[2] + foot[2]) / 2)
        _trunk(dice, at, coat, [top, knee, foot], [0.04, 0.03, 0.025], long * 0.6)
    rump = spine[0]
    swing = dice.choice((-1, 1)) * dice.uniform(0.05, 0.2)
    up = dice.uniform(-0.02, 0.2)
    tail = [
        rump,
        (swing * 0.5, rump[1] + 0.12, rump[2] + up * 0.3),
        (swing, rump[1] + 0.14, max(0.02, rump[2] + up)),
    ]
    _trunk(dice, at, coat, tail, [0.03, 0.025, 0.018], long)
    face = at @ move(*neck) @ turn(dice.gauss(0, 0.4)) @ turn(dice.gauss(0, 0.1), "Y")
    (cat_head if cat else dog_head)(dice, face, coat, long)


def face(dice: Dice, at: Frame) -> None:
    """A cat's or dog's head alone, with a chest below, to be seen from near by."""
    coat, long = _Coat(dice), dice.choice((0.6, 1.0, 1.6))
    _trunk(
        dice,
        at,
        coat,
        [(0, 0.2, -0.22), (0, 0.12, -0.12), (0, 0.05, -0.04)],
        [0.12, 0.1, 0.07],
        long,
    )
    held = (
        at
        @ turn(dice.gauss(0, 0.35))
        @ turn(dice.gauss(0, 0.12), "Y")
        @ turn(dice.gauss(0, 0.1), "X")
    )
    (cat_head if dice.chance(0.75) else dog_head)(dice, held, coat, long)


def cat_head(dice: Dice, at: Frame, coat: _Coat, long: float) -> None:
    """A cat's head around its middle."""
    radii = np.array((0.06, 0.052, 0.05)) * dice.uniform(0.95, 1.05)
    muzzle, wide = dice.uniform(0.2, 0.32), dice.uniform(0.2, 0.26)

    def shape(unit: np.ndarray) -> np.ndarray:
        x, y, z = unit.T
        front = np.clip(-y, 0, 1)
        push = np.zeros_like(x)
        for side in (-1, 1):
            push += (
                muzzle
                * np.exp(-(((x - side * 0.17) / wide) ** 2) - ((z + 0.42) / 0.22) ** 2)
                * front
            )
            push -= (
                0.14 * np.exp(-(((x - side * 0.45) / 0.2) ** 2) - ((z - 0.12) / 0.17) ** 2) * front
            )
        push += 0.16 * np.exp(-((x / 0.15) ** 2) - ((z + 0.12) / 0.25) ** 2) * front
        out = unit.copy()
        out[:, 0] *= 1 + 0.12 * np.exp(-(((z + 0.3) / 0.3) ** 2))
        out[:, 1] -= push
        return out

    def belly(unit: np.ndarray) -> np.ndarray:
        return (
            np.exp(-((unit[:, 0] / 0.35) ** 2))
            * (unit[:, 1] < 0)
            * np.clip(0.4 - unit[:, 2], 0, 1)
            * 1.5
        )

    def paint(unit: np.ndarray) -> np.ndarray:
        return coat.colours(unit, belly(unit))

    ball(at, tuple(radii), materials.painted(0.8), shape, colours=paint, detail=64)

    def bald(p: np.ndarray) -> np.ndarray:
        return (
            (np.abs(np.abs(p[:, 0]) - 0.45) < 0.2) & (np.abs(p[:, 2] - 0.12) < 0.16) & (p[:, 1] < 0)
        )

    _fur(dice, at, shape, radii, paint, 0.005 * long, 6000, bald)
    pink = materials.plain(
        dice.choice(((0.45, 0.2, 0.18), (0.04, 0.03, 0.03), (0.3, 0.13, 0.1))), 0.3
    )
    tip = shape(np.array(((0, -0.96, -0.2),)))[0] * radii
    ball(at @ move(tip[0], tip[1] - 0.001, tip[2]), (0.0085, 0.006, 0.006), pink, detail=16)
    dark = materials.plain(darker(coat.dark, 0.25), 0.8)
    low = tip + np.array((0, 0.0005, -0.012))
    for side in (-1, 1):
        line = [
            (0, tip[1] - 0.002, tip[2] - 0.004),
            (0, low[1], low[2]),
            (side * 0.013, low[1] + 0.006, low[2] - 0.005),
        ]
        tube(at, line, 0.0009, dark)
        _pet_eye(
            dice, at, shape(np.array(((side * 0.45, -0.88, 0.13),)))[0] * radii, side, 0.0155, True
        )
        _pointed_ear(dice, at, coat, side, radii, long)
        _whiskers(dice, at, tip, side)


def dog_head(dice: Dice, at: Frame, coat: _Coat, long: float) -> None:
    """A dog's head around its middle: a snout, ears that hang or stand."""
    radii = np.array((0.058, 0.062, 0.056))
    snout, wide = dice.uniform(0.5, 1.1), dice.uniform(0.3, 0.42)

    def shape(unit: np.ndarray) -> np.ndarray:
        x, y, z = unit.T
        front = np.clip(-y, 0, 1) ** 1.5
        push = snout * np.exp(-((x / wide) ** 4) - ((z + 0.35) / 0.3) ** 4) * front
        for side in (-1, 1):
            push -= (
                0.12 * np.exp(-(((x - side * 0.42) / 0.18) ** 2) - ((z - 0.22) / 0.15) ** 2) * front
            )
        out = unit.copy()
        out[:, 1] -= push
        return out

    def paint(unit: np.ndarray) -> np.ndarray:
        return coat.colours(unit, np.exp(-((unit[:, 0] / 0.25) ** 2)) * (unit[:, 1] < 0))

    ball(at, tuple(radii), materials.painted(0.8), shape, colours=paint, detail=64)

    def bald(p: np.ndarray) -> np.ndarray:
        return (
            (np.abs(np.abs(p[:, 0]) - 0.4) < 0.13) & (np.abs(p[:, 2] - 0.2) < 0.12) & (p[:, 1] < 0)
        )

    _fur(dice, at, shape, radii, paint, 0.007 * long, 5000, bald)
    black = materials.plain((0.015, 0.013, 0.013), 0.2)
    tip = shape(np.array(((0, -0.97, -0.22),)))[0] * radii
    ball(at @ move(*tip), (0.013, 0.01, 0.0095), black, detail=16)
    tube(
        at,
        [
            (-0.016, tip[1] + 0.018, tip[2] - 0.026),
            (0, tip[1] + 0.003, tip[2] - 0.018),
            (0.016, tip[1] + 0.018, tip[2] - 0.026),
        ],
        0.001,
        black,
    )
    hanging = dice.chance(0.6)
    for side in (-1, 1):
        _pet_eye(
            dice, at, shape(np.array(((side * 0.4, -0.88, 0.2),)))[0] * radii, side, 0.011, False
        )
        if not hanging:
            _pointed_ear(dice, at, coat, side, radii, long)
            continue
        place = at @ move(side * 0.058, 0.01, 0.015) @ turn(side * 0.25, "Y")

        def ear(unit: np.ndarray) -> np.ndarray:
            return coat.colours(unit * 0.7 + 0.3, 0 * unit[:, 0])

        size = np.array((0.009, 0.026, 0.05))
        ball(place, tuple(size), materials.painted(0.8), colours=ear, detail=24)
        _fur(dice, place, lambda p: p, size, ear, 0.01 * long, 900)


def _pet_eye(dice: Dice, at: Frame, place: np.ndarray, side: int, size: float, slit: bool) -> None:
    state = dice.getstate()
    iris = dice.choice(
        ((0.35, 0.3, 0.04), (0.15, 0.3, 0.06), (0.45, 0.2, 0.02), (0.1, 0.25, 0.4))
        if slit
        else ((0.06, 0.03, 0.01), (0.12, 0.05, 0.015))
    )
    open_, lid = dice.uniform(0.1, 0.5), dice.uniform(0.5, 0.95)
    if side < 0:
        dice.setstate(state)

    def colours(unit: np.ndarray) -> np.ndarray:
        colour = np.tile(np.array(iris), (len(unit), 1))
        colour[-unit[:, 1] < 0.55] = (0.02, 0.015, 0.012)
        wide = open_ if slit else 0.55
        pupil = (unit[:, 0] / wide) ** 2 + (unit[:, 2] / (0.75 if slit else 0.55)) ** 2 < 1
        colour[pupil & (unit[:, 1] < 0)] = (0.003, 0.003, 0.003)
        return colour

    way = at @ move(place[0], place[1] + size * 0.55, place[2]) @ turn(side * 0.25)
    ball(
        way,
        (size, size, size * lid),
        materials.painted(0.05, Coat_Weight=1.0),
        colours=colours,
        detail=40,
    )


def _pointed_ear(
    dice: Dice, at: Frame, coat: _Coat, side: int, radii: np.ndarray, long: float
) -> None:
    tall, wide = dice.uniform(0.045, 0.06), dice.uniform(0.02, 0.026)
    place = (
        at
        @ move(side * radii[0] * 0.62, 0.004, radii[2] * 0.7)
        @ turn(side * 0.38, "Y")
        @ turn(side * 0.25)
    )

    def shape(unit: np.ndarray) -> np.ndarray:
        up = (unit[:, 2] + 1) / 2
        narrow = (1 - up) ** 0.8 + 0.03
        return np.stack(
            (unit[:, 0] * narrow * 1.2, (unit[:, 1] * 0.6 + 0.25) * narrow, up * 1.0), 1
        )

    size = np.array((wide, wide * 0.55, tall))

    def paint(unit: np.ndarray) -> np.ndarray:
        colour = coat.colours(unit * 0.5, 0 * unit[:, 0])
        inner = (unit[:, 1] < -0.1) & (np.abs(unit[:, 0]) < 0.75) & (unit[:, 2] < 0.6)
        colour[inner] = colour[inner] * 0.3 + np.array((0.4, 0.2, 0.16)) * 0.6
        return colour

    ball(place, tuple(size), materials.painted(0.8), shape, colours=paint, detail=32)
    _fur(dice, place, shape, size, paint, 0.005 * long, 350)


def _whiskers(dice: Dice, at: Frame, tip: np.ndarray, side: int) -> None:
    arrays, count = dice.arrays(), dice.randint(6, 11)
    steps = np.linspace(0, 1, 6)[None, :, None]
    root = np.array((side * 0.015, tip[1] + 0.006, tip[2] - 0.008)) + arrays.normal(
        0, 0.003, (count, 3)
    )
    way = np.array((side * 0.06, -0.012, 0.0)) + arrays.normal(0, (0.008, 0.01, 0.018), (count, 3))
    points = root[:, None] + way[:, None] * steps + np.array((0, 0.012, -0.012)) * steps**2
    strands(at, points, 0.00045, materials.plain((0.8, 0.8, 0.78), 0.4))


def _trunk(
    dice: Dice, at: Frame, coat: _Coat, line: Sequence[Point], radii: Sequence[float], long: float
) -> None:
    """A furry limb, tail or body along a line."""
    arrays, rings, around = dice.arrays(), 14, 20
    knots, wide = np.array(line), np.array(radii)
    share = np.linspace(0, len(line) - 1, rings)
    middle = np.stack([np.interp(share, range(len(line)), knots[:, axis]) for axis in range(3)], 1)
    width = np.interp(share, range(len(line)), wide)
    way = np.gradient(middle, axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
    across = np.cross(way, (0.99, 0.1, 0.05))
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    over = np.cross(way, across)
    angle = np.linspace(0, 2 * math.pi, around, endpoint=False)
    out = (
        across[:, None] * np.cos(angle)[None, :, None]
        + over[:, None] * np.sin(angle)[None, :, None]
    )
    ends = np.sin(np.linspace(0.25, math.pi - 0.25, rings)) ** 0.4
    points = (middle[:, None] + out * (width * ends)[:, None, None]).reshape(-1, 3)
    tube(
        at, [tuple(p) for p in middle], list(width * ends * 0.98), materials.plain(coat.light, 0.9)
    )
    count = int(3500 * min(1.5, max(0.25, len(line) * wide.mean() / 0.3)))
    chosen = arrays.integers(0, len(points), count)
    roots = points[chosen] + arrays.normal(0, 0.012 * wide.mean() / 0.08, (count, 3))
    lie = out.reshape(-1, 3)[chosen] * 0.6 - np.repeat(way, around, 0)[chosen] * 0.2
    lie = lie + np.array((0, 0.15, -0.5)) + arrays.normal(0, 0.25, (count, 3))
    steps = np.linspace(0, 1, 4)[None, :, None]
    hairs = roots[:, None] + lie[:, None] * 0.02 * long * steps
    unit = roots / 0.15
    shades = coat.colours(unit, np.clip(-out.reshape(-1, 3)[chosen][:, 2], 0, 1))
    shades = shades * np.exp(arrays.normal(0, 0.2, (count, 1)))
    strands(at, hairs, 0.001, materials.painted(0.7), np.clip(shades, 0, 1))


def _fur(
    dice: Dice,
    at: Frame,
    shape: Callable[[np.ndarray], np.ndarray],
    radii: np.ndarray,
    paint: Callable[[np.ndarray], np.ndarray],
    long: float,
    count: int,
    bald: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Short hair over a ball that was shaped and painted."""
    arrays = dice.arrays()
    unit = arrays.normal(0, 1, (count, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    if bald is not None:
        unit = unit[~bald(unit)]
    roots = shape(unit) * radii
    lie = (
        unit * 0.5
        + np.array((0, 0.75, -0.15))
        + unit * (1, 0, 0) * 0.5
        + arrays.normal(0, 0.2, unit.shape)
    )
    steps = np.linspace(0, 1, 3)[None, :, None]
    shades = paint(unit) * np.exp(arrays.normal(0, 0.22, (len(unit), 1)))
    strands(
        at,
        roots[:, None] + lie[:, None] * long * steps,
        0.00055,
        materials.painted(0.7),
        np.clip(shades, 0, 1),
    )
