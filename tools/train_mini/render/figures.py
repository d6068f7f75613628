"""People: standing, sitting, busy; of a human's size, feet on the frame's origin, facing −y."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from mathutils import Vector

from . import heads, materials, prints, things
from .dice import Colour, Dice, darker
from .shapes import Frame, Point, ball, grow, loft, mesh, move, ring, tube, turn, wrinkles

Arm = tuple[Point, Point]  # elbow and wrist, from the shoulder of a figure that faces −y


def person(dice: Dice, at: Frame, seated: bool = False, suit: bool | None = None) -> Point:
    """A person in clothes, and where the middle of the head is.

    `suit` decides for or against an astronaut's or pilot's overall.
    """
    at = at @ grow(dice.uniform(0.9, 1.08)) @ turn(dice.gauss(0, 0.35))
    skin = dice.shade(dice.choice(materials.SKINS), 0.12)
    suit = dice.chance(0.15) if suit is None else suit
    stone = dice.chance(0.04)
    top = (
        _suit(dice)
        if suit
        else dice.choice((materials.fabric, materials.fabric, materials.leather))(dice)
    )
    bottom = top if suit or dice.chance(0.15) else materials.fabric(dice)
    hip = 0.5 if seated else 0.92
    if stone:
        top = bottom = materials.stone(dice)
        skin = (0.5, 0.48, 0.45)
    broad = dice.uniform(0.9, 1.15) * (1.12 if suit else 1)
    body = at @ move(0, 0, hip) @ turn(dice.gauss(0, 0.06), "X")
    _torso(dice, body, top, broad, suit)
    _collar(dice, body, top, skin, suit)
    head = body @ move(0, -0.02, 0.76) @ heads.upright(dice)
    heads.head(dice, head, skin, hat=not suit)
    if suit and dice.chance(0.25):
        heads.helmet(dice, head)
    _arms(dice, body, top, skin, broad, suit)
    _legs(dice, at, bottom, hip, seated, skirt=not suit and dice.chance(0.2))
    return tuple(head.translation)


def _suit(dice: Dice) -> materials.Material:
    colour = dice.choice(
        (
            (0.8, 0.2, 0.02),
            (0.75, 0.25, 0.05),
            (0.75, 0.75, 0.73),
            (0.05, 0.1, 0.3),
            (0.2, 0.2, 0.12),
        )
    )
    return materials.plain(dice.shade(colour, 0.12), 0.75, Sheen_Weight=0.2)


def _torso(dice: Dice, at: Frame, made: materials.Material, broad: float, suit: bool) -> None:
    """From the hip (z = 0) to the neck (z = 0.6)."""
    waist = dice.uniform(0.12, 0.17)
    belly = dice.uniform(0.1, 0.15)
    chest = dice.uniform(0.1, 0.14)
    rings = [
        (-0.08, 0.165 * broad, 0.12, 0, 0),
        (0.05, 0.16 * broad, 0.12, 0, 0),
        (0.2, waist * broad, belly, 0, 0),
        (0.38, 0.175 * broad, chest, 0, -0.01),
        (0.48, 0.195 * broad, chest * 0.85, 0, 0),
        (0.54, 0.165 * broad, 0.085, 0, 0.01),
        (0.58, 0.1, 0.07, 0, 0.01),
        (0.62, 0.062, 0.06, 0, 0.005),
    ]
    folds = wrinkles(dice, dice.uniform(0.05, 0.16), dice.uniform(0.006, 0.022 if suit else 0.015))
    loft(at, rings, made, around=64, along=7, square=2.4, change=folds)
    if dice.chance(0.5):  # an open jacket over it, or its zip
        edge = materials.fabric(dice) if dice.chance(0.5) else materials.metal(dice)
        front = [
            (0, -0.14, 0.0),
            (0, -max(belly, 0.12) - 0.012, 0.2),
            (0, -chest - 0.022, 0.38),
            (0, -0.075, 0.58),
        ]
        tube(at, front, dice.uniform(0.004, 0.008), edge)
    if suit or dice.chance(0.3):
        for side in (-1, 1):
            if dice.chance(0.7):
                patch = materials.printed(prints.label(dice, 64, 48))
                _patch(at, side * 0.085, 0.4, dice.uniform(0.05, 0.09), chest, 0.175 * broad, patch)


def _patch(
    at: Frame, x: float, z: float, wide: float, deep: float, broad: float, made: materials.Material
) -> None:
    """A badge that lies on the chest."""
    v, u = np.mgrid[:5, :7].reshape(2, -1)
    across = x + (u / 6 - 0.5) * wide
    y = -deep * (1 - np.clip(np.abs(across) / broad, 0, 0.98) ** 2.4) ** (1 / 2.4) - 0.016
    points = np.stack((across, y, z + (v / 4 - 0.5) * wide * 0.7), 1)
    faces = [
        (r * 7 + c, r * 7 + c + 1, r * 7 + c + 8, r * 7 + c + 7) for r in range(4) for c in range(6)
    ]
    mesh(at, points, faces, made, uv=np.stack((u / 6, v / 4), 1))


def _collar(dice: Dice, at: Frame, made: materials.Material, skin: Colour, suit: bool) -> None:
    neck = materials.plain(darker(skin, 0.85), 0.5)
    tube(at, [(0, 0.02, 0.54), (0, 0.01, 0.62), (0, 0, 0.72)], [0.062, 0.052, 0.052], neck)
    if suit:
        flat = at @ move(0, 0.0, 0.615) @ turn(math.pi / 2 + 0.12, "X")
        ring(
            flat,
            dice.uniform(0.085, 0.11),
            dice.uniform(0.012, 0.024),
            dice.choice((materials.metal(dice), made)),
            1.4,
        )
    elif dice.chance(0.7):
        flat = at @ move(0, 0.0, 0.6) @ turn(math.pi / 2 + 0.3, "X")
        ring(
            flat,
            0.068,
            dice.uniform(0.008, 0.018),
            dice.choice((made, materials.fabric(dice))),
            1.5,
        )
    if not suit and dice.chance(0.15):
        scarf = materials.fabric(dice)
        ring(at @ move(0, 0, 0.62) @ turn(math.pi / 2 + 0.2, "X"), 0.075, 0.032, scarf, 1.2)
        tube(
            at,
            [(0.04, -0.1, 0.6), (0.05, -0.16, 0.45), (0.04, -0.16, 0.2)],
            [0.03, 0.04, 0.045],
            scarf,
        )
    if not suit and dice.chance(0.12):
        tie = materials.fabric(dice)
        tube(at, [(0, -0.085, 0.58), (0, -0.14, 0.42), (0, -0.15, 0.15)], [0.012, 0.024, 0.03], tie)


def _arms(
    dice: Dice, at: Frame, made: materials.Material, skin: Colour, broad: float, suit: bool
) -> None:
    flesh = materials.plain(skin, 0.5)
    glove = made if suit and dice.chance(0.4) else flesh
    hold = dice.chance(0.4 if suit else 0.25)
    thick = dice.uniform(0.046, 0.056) * (1.25 if suit else 1)
    short = not suit and dice.chance(0.3)
    poses = [_hanging, _akimbo, _forward, _raised, _folded]
    for side in (-1, 1):
        shoulder = Vector((side * 0.19 * broad, 0.005, 0.5))
        elbow, wrist = (_holding if hold else dice.choices(poses, (5, 2, 3, 1, 3))[0])(dice, side)
        elbow, wrist = Vector(elbow), Vector(wrist)
        line = [tuple(shoulder), tuple(shoulder + elbow), tuple(shoulder + wrist)]
        start = tuple(shoulder + Vector((-side * 0.05, 0, -0.01)))
        radii = [thick * 1.2, thick * 1.25, thick, thick * 0.75]
        if short:
            half = tuple(shoulder + elbow * 0.75)
            tube(at, [start, line[0], half], [thick * 1.2, thick * 1.3, thick * 1.1], made)
            tube(at, line, [thick * 0.9, thick * 0.75, thick * 0.55], flesh)
        else:
            _sleeve(dice, at, [start, *line], radii, made)
        hand(dice, at, shoulder + wrist, wrist - elbow, side, glove)
    if hold:
        place = at @ move(dice.uniform(-0.08, 0.08), -0.33, dice.uniform(0.12, 0.24))
        if suit or dice.chance(0.2):
            heads.helmet(dice, place @ turn(dice.uniform(-0.9, 0.9)), dice.uniform(0.13, 0.16))
        else:
            dice.choice(
                (things.vase, things.parcel, things.plant, things.book, things.basket, things.cup)
            )(dice, place @ move(0, 0, -0.1))


def _sleeve(
    dice: Dice, at: Frame, line: list[Point], radii: list[float], made: materials.Material
) -> None:
    """A sleeve with folds around its elbow."""
    points, widths = [line[0]], [radii[0]]
    for (start, end), (wide, wide_end) in zip(pairwise(line), pairwise(radii), strict=True):
        for step in range(1, 9):
            share = step / 8
            points.append(tuple(Vector(start).lerp(Vector(end), share)))
            widths.append((wide + (wide_end - wide) * share) * (1 + dice.uniform(-0.1, 0.12)))
    tube(at, points, widths, made)


def hand(
    dice: Dice, at: Frame, wrist: Vector, way: Vector, side: int, made: materials.Material
) -> None:
    """A palm and five fingers, more or less bent."""
    frame = at @ move(*wrist) @ way.to_track_quat("-Z", "Y").to_matrix().to_4x4()
    frame = frame @ turn(dice.uniform(-0.6, 0.6) + side * 0.8)
    ball(frame @ move(0, 0, -0.045), (0.038, 0.017, 0.05), made, detail=16)
    bend, spread = dice.uniform(0.1, 1.3), dice.uniform(0.1, 0.4)
    for index in range(4):
        x, long = (index - 1.5) * 0.018, (0.068, 0.078, 0.074, 0.06)[index]
        out = x * (1 + spread)
        knuckle = (x, 0, -0.085)
        middle = (out, -0.3 * long * bend, -0.085 - long * 0.5 * math.cos(bend * 0.4))
        tip = (out, -long * 0.8 * math.sin(bend), -0.085 - long * (0.5 + 0.5 * math.cos(bend)))
        tube(frame, [knuckle, middle, tip], [0.0095, 0.0088, 0.0065], made)
    thumb = [
        (-side * 0.03, -0.005, -0.03),
        (-side * 0.055, -0.02, -0.06),
        (-side * 0.05, -0.035, -0.09),
    ]
    tube(frame, thumb, [0.013, 0.0105, 0.007], made)


def _hanging(dice: Dice, side: int) -> Arm:
    out = dice.uniform(0.03, 0.14)
    return (side * out, dice.uniform(-0.02, 0.06), -0.27), (
        side * (out + dice.uniform(-0.05, 0.05)), dice.uniform(-0.12, 0.0), -0.52,
    )  # fmt: skip


def _akimbo(dice: Dice, side: int) -> Arm:
    return (side * 0.2, 0.08, -0.24), (side * -0.02, -0.06, -0.44)


def _forward(dice: Dice, side: int) -> Arm:
    return (side * 0.06, -0.05, -0.26), (
        side * dice.uniform(-0.1, 0.1),
        -0.28,
        dice.uniform(-0.3, -0.1),
    )


def _raised(dice: Dice, side: int) -> Arm:
    return (side * 0.22, -0.05, dice.uniform(-0.1, 0.12)), (
        side * 0.25,
        -0.14,
        dice.uniform(0.1, 0.35),
    )


def _folded(dice: Dice, side: int) -> Arm:
    return (side * 0.08, -0.04, -0.27), (
        -side * dice.uniform(0.1, 0.22),
        -0.2,
        dice.uniform(-0.28, -0.16),
    )


def _holding(dice: Dice, side: int) -> Arm:
    return (side * 0.1, -0.02, -0.26), (-side * 0.06, -0.3, dice.uniform(-0.36, -0.26))


def _legs(
    dice: Dice, at: Frame, made: materials.Material, hip: float, seated: bool, skirt: bool
) -> None:
    shoe = dice.choice((materials.leather, materials.fabric, materials.paint))(dice)
    thick = dice.uniform(0.075, 0.095)
    for side in (-1, 1):
        top = (side * 0.085, 0, hip - 0.02)
        if seated:
            knee = (side * dice.uniform(0.1, 0.2), -0.44, hip + 0.0)
            foot = (side * 0.12, -0.46 + dice.uniform(-0.15, 0.15), 0.06)
        else:
            step = dice.gauss(0, 0.1)
            knee = (side * 0.1, -0.04 + step * 0.7, hip * 0.53)
            foot = (side * dice.uniform(0.08, 0.16), step, 0.06)
        _sleeve(dice, at, [top, knee, foot], [thick * 1.1, thick * 0.8, thick * 0.62], made)
        ball(at @ move(foot[0], foot[1] - 0.06, 0.04), (0.045, 0.125, 0.045), shoe, detail=16)
    if skirt and not seated:
        length, wide = dice.uniform(0.3, 0.75), dice.uniform(0.2, 0.4)
        rings = [
            (hip + 0.1, 0.15, 0.12, 0, 0),
            (hip - 0.05, 0.19, 0.15, 0, 0),
            (hip - length, wide, wide * 0.8, 0, 0),
        ]
        loft(at, rings, made, around=64, along=8, change=_pleats(dice, hip))


def _pleats(dice: Dice, hip: float) -> Callable[[np.ndarray], np.ndarray]:
    count, phase = dice.randint(7, 16), dice.uniform(0, 6)

    def change(points: np.ndarray) -> np.ndarray:
        angle = np.arctan2(points[:, 1], points[:, 0])
        low = np.clip((hip - points[:, 2]) / 0.5, 0, 1)
        wave = 1 + 0.09 * low * np.sin(count * angle + phase)
        return points * np.stack((wave, wave, np.ones_like(wave)), 1)

    return change
