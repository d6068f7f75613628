"""Small things that stand on tables, shelves and floors; each stands on its frame's origin."""

import math

import numpy as np

from . import materials, prints
from .crockery import basket, bottle, cup, fruit, plate, spoon
from .dice import Dice, noise
from .shapes import (
    Frame,
    ball,
    box,
    grow,
    lathe,
    leaves,
    lump,
    move,
    panel,
    ring,
    sheet,
    strands,
    tube,
    turn,
)


def vase(dice: Dice, at: Frame) -> None:
    """A vase, pot or jug of any profile, often with flowers or leaves."""
    tall, count = dice.uniform(0.1, 0.35), 5
    radii = [dice.uniform(0.25, 0.55) * tall * 0.6 for _ in range(count)]
    profile = [(r, tall * i / (count - 1)) for i, r in enumerate(radii)]
    inner = [(max(0.004, r - 0.005), z) for r, z in profile[::-1][:-1]]
    lathe(at, [(0.001, 0), *profile, *inner, (0.001, tall * 0.3)], materials.anything(dice))
    if dice.chance(0.6):
        bunch(dice, at @ move(0, 0, tall * 0.8), tall * dice.uniform(0.8, 1.6), radii[-1])


def bunch(dice: Dice, at: Frame, tall: float, spread: float) -> None:
    """Stalks with leaves, and flowers on some."""
    green = materials.leaf(dice)
    bloom = dice.chance(0.6)
    petals = materials.plain(
        dice.shade(
            dice.choice(
                (
                    (0.7, 0.05, 0.05),
                    (0.8, 0.6, 0.05),
                    (0.8, 0.8, 0.8),
                    (0.5, 0.1, 0.5),
                    (0.8, 0.3, 0.4),
                )
            )
        ),
        0.6,
    )
    ends = []
    for _ in range(dice.randint(3, 9)):
        angle, out = dice.uniform(0, 6.3), dice.uniform(0.1, 0.6) * tall + spread * 0.5
        high = tall * dice.uniform(0.6, 1.1)
        end = (out * math.cos(angle), out * math.sin(angle), high)
        tube(at, [(0, 0, 0), (end[0] * 0.35, end[1] * 0.35, high * 0.6), end], 0.0025, green)
        ends.append(end)
        if bloom:
            flower(
                dice,
                at
                @ move(*end)
                @ turn(dice.uniform(-1, 1), "X")
                @ turn(dice.uniform(-0.8, 0.8), "Y"),
                dice.uniform(0.02, 0.045),
                petals,
            )
    arrays = dice.arrays()
    part = arrays.uniform(0.2, 1, (dice.randint(20, 120), 1))
    places = np.array(ends)[arrays.integers(0, len(ends), len(part))] * part
    leaves(dice, at, places, tall * dice.uniform(0.06, 0.16), green, dice.uniform(1.2, 3))


def flower(dice: Dice, at: Frame, size: float, petals: materials.Material) -> None:
    """A blossom that looks up along z."""
    count, open_ = dice.randint(5, 14), dice.uniform(0.2, 1.1)
    for index in range(count):
        way = at @ turn(index * 2 * math.pi / count) @ turn(open_, "Y")
        ball(
            way @ move(size * 0.6, 0, 0),
            (size * 0.6, size * 0.6 * 3.5 / count + size * 0.1, size * 0.06),
            petals,
            detail=8,
        )
    heart = materials.plain(dice.shade((0.5, 0.3, 0.04)), 0.9)
    ball(at, (size * 0.28, size * 0.28, size * 0.15), heart, detail=12)


def plant(dice: Dice, at: Frame) -> None:
    """A potted plant: bushy, or with long blades."""
    size = dice.uniform(0.08, 0.2)
    profile = [
        (0.001, 0),
        (size * 0.7, 0),
        (size, size * 1.4),
        (size * 0.9, size * 1.4),
        (size * 0.85, size * 1.2),
    ]
    lathe(at, [*profile, (0.001, size * 1.2)], materials.anything(dice), along=1)
    top = at @ move(0, 0, size * 1.2)
    if dice.chance(0.5):
        bunch(dice, top, size * dice.uniform(2, 5), size)
        return
    arrays, count = dice.arrays(), dice.randint(12, 40)
    steps = np.linspace(0, 1, 7)[None, :, None]
    angle = arrays.uniform(0, 6.3, count)
    out = np.stack((np.cos(angle), np.sin(angle), 0 * angle), 1)[:, None]
    reach = size * arrays.uniform(0.6, 2.5, (count, 1, 1))
    rise = size * arrays.uniform(1.5, 5, (count, 1, 1)) * np.array((0, 0, 1))
    points = out * reach * steps**1.6 + rise * (steps - 0.45 * steps**2.5)
    strands(top, points, size * dice.uniform(0.05, 0.12), materials.leaf(dice))


def book(dice: Dice, at: Frame) -> None:
    """A book that lies or stands, sometimes open."""
    wide, tall, thick = dice.uniform(0.11, 0.2), dice.uniform(0.16, 0.28), dice.uniform(0.012, 0.05)
    paper = materials.plain(dice.shade((0.75, 0.72, 0.64), 0.1), 0.9)
    cover = materials.printed(prints.picture(dice, 72, 96))
    if dice.chance(0.25):
        page = materials.printed(
            prints.label(dice, 96, 128) if dice.chance(0.2) else prints.picture(dice, 96, 128)
        )
        for side in (-1, 1):

            def bend(points: np.ndarray, side: int = side) -> np.ndarray:
                return -0.35 * thick * np.sin((side * points[:, 0] / wide + 0.5) * math.pi)

            flat = at @ turn(-math.pi / 2, "X") @ move(side * wide / 2, 0, 0)
            sheet(flat, wide, tall, page, bend, cells=12)
            box(at @ move(side * wide / 2, 0, -0.001), (wide, tall, 0.003), paper)
        return
    upright = at if dice.chance(0.7) else at @ turn(math.pi / 2, "X") @ move(0, tall / 2, 0)
    box(upright, (wide * 0.97, tall * 0.97, thick), paper)
    edge = materials.fabric(dice)
    box(upright, (wide, tall, 0.002), edge)
    box(upright @ move(-wide / 2, 0, 0), (0.003, tall, thick), edge)
    box(upright @ move(0, 0, thick), (wide, tall, 0.002), edge)
    panel(upright @ move(0, 0, thick + 0.0025) @ turn(-math.pi / 2, "X"), wide, tall, cover)


def books(dice: Dice, at: Frame, width: float = 0.3) -> None:
    """A row of books that stand with their backs to the viewer."""
    x = -width / 2
    while x < width / 2:
        thick, tall, deep = (
            dice.uniform(0.012, 0.05),
            dice.uniform(0.17, 0.29),
            dice.uniform(0.12, 0.2),
        )
        lean = (
            at
            @ move(x + thick / 2, 0, 0)
            @ turn(dice.choice((0, 0, 0, dice.uniform(-0.1, 0.15))), "Y")
        )
        box(lean, (thick, deep, tall), materials.fabric(dice))
        if dice.chance(0.7):
            back = materials.printed(np.rot90(prints.label(dice, 96, 24)))
            panel(lean @ move(0, -deep / 2 - 0.001, tall / 2), thick * 0.9, tall * 0.9, back)
        x += thick + 0.002
        if dice.chance(0.08):
            x += dice.uniform(0.03, 0.1)


def parcel(dice: Dice, at: Frame) -> None:
    """A box: cardboard, a radio, a packet with print on all sides."""
    size = (dice.log(0.04, 0.3), dice.log(0.04, 0.3), dice.log(0.04, 0.3))
    kind = dice.random()
    if kind < 0.4:
        made = materials.patterned(
            dice, "Noise", [(0.45, 0.3, 0.17), (0.4, 0.26, 0.14)], 6, roughness=0.9
        )
    else:
        made = materials.anything(dice)
    box(at, size, made, bevel=dice.choice((0, 0.002, 0.01)))
    if dice.chance(0.7):
        shown = materials.printed(dice.choice((prints.label, prints.picture))(dice))
        panel(at @ move(0, -size[1] / 2 - 0.001, size[2] / 2), size[0] * 0.8, size[2] * 0.8, shown)


def table_lamp(dice: Dice, at: Frame) -> None:
    """A lamp with a shade on a foot."""
    tall = dice.uniform(0.3, 0.6)
    lathe(
        at,
        [(0.001, 0), (0.08, 0), (0.07, 0.02), (0.012, 0.04), (0.012, tall)],
        materials.metal(dice),
    )
    colour = dice.shade(dice.choice(((0.8, 0.7, 0.5), (0.75, 0.75, 0.72), (0.5, 0.1, 0.06))), 0.2)
    shade = materials.glowing(colour, dice.choice((0, 0, 0.6, 2)))
    wide, top = dice.uniform(0.1, 0.18), dice.uniform(0.05, 0.12)
    lathe(
        at @ move(0, 0, tall - 0.04),
        [(wide, 0), (top, 0.2), (top - 0.003, 0.2), (wide - 0.003, 0)],
        shade,
        1,
    )


def screen(dice: Dice, at: Frame) -> None:
    """A laptop or monitor that shows something flat."""
    wide, tall = dice.uniform(0.3, 0.6), dice.uniform(0.2, 0.35)
    shell = materials.plain(dice.shade(dice.choice(((0.02, 0.02, 0.02), (0.5, 0.5, 0.52)))), 0.4)
    lean = at @ move(0, 0.1, 0.02) @ turn(dice.uniform(-0.35, 0), "X")
    box(lean, (wide, 0.015, tall), shell, bevel=0.005)
    shown = materials.printed(prints.picture(dice), 0.2, glow=dice.choice((0, 0.8)))
    panel(lean @ move(0, -0.009, tall / 2), wide * 0.94, tall * 0.92, shown)
    box(at @ move(0, -0.05, 0), (wide, tall, 0.015), shell, bevel=0.005)


def cushion(dice: Dice, at: Frame) -> None:
    """A cushion, sack or folded cloth."""
    size = dice.uniform(0.12, 0.25)

    def stuffed(unit: np.ndarray) -> np.ndarray:
        square = np.sign(unit) * np.abs(unit) ** np.array((0.5, 0.5, 0.9))
        return square * (1 + 0.04 * noise(dice, unit, 0.5)[:, None])

    ball(at @ move(0, 0, size * 0.35), (size, size, size * 0.35), materials.fabric(dice), stuffed)


def ornament(dice: Dice, at: Frame) -> None:
    """A thing of no use: stacked rounds, rings, lumps."""
    size, z = dice.uniform(0.03, 0.1), 0.0
    for _ in range(dice.randint(1, 3)):
        made, kind = materials.anything(dice), dice.random()
        if kind < 0.3:
            lump(dice, at @ move(0, 0, z + size * 0.8), size * 0.8, made)
        elif kind < 0.5:
            ring(at @ move(0, 0, z + size) @ turn(dice.uniform(0, 3)), size * 0.8, size * 0.2, made)
        elif kind < 0.75:
            ball(at @ move(0, 0, z + size * 0.9), size * 0.9, made)
        else:
            box(
                at @ move(0, 0, z) @ turn(dice.uniform(0, 3)),
                (size, size * dice.uniform(0.5, 2), size * 1.6),
                made,
                0.006,
            )
        z += size * 1.6
        size *= 0.8


def cloth(dice: Dice, at: Frame) -> None:
    """A napkin or towel thrown down."""
    wide = dice.uniform(0.12, 0.3)

    def folds(points: np.ndarray) -> np.ndarray:
        return -0.005 - 0.012 * np.abs(noise(dice, points, wide * 0.4, 5))

    flat = at @ turn(-math.pi / 2, "X")
    sheet(flat, wide, wide * dice.uniform(0.6, 1.2), materials.fabric(dice), folds)


def tool(dice: Dice, at: Frame) -> None:
    """A pen, brush, bar or wrench that lies about."""
    long, thick = dice.uniform(0.12, 0.3), dice.uniform(0.003, 0.01)
    way = at @ turn(dice.uniform(0, 6.3))
    tube(way, [(-long / 2, 0, thick), (long * 0.2, 0, thick)], thick, materials.paint(dice))
    tube(
        way,
        [(long * 0.2, 0, thick), (long / 2, 0, thick)],
        [thick * 0.8, thick * 0.3],
        materials.metal(dice),
    )


def scaled(dice: Dice, at: Frame, size: float) -> None:
    """Any small thing, `size` times as large as it is."""
    dice.choice(SMALL)(dice, at @ grow(size))


SMALL = (
    *(cup, cup, plate, bottle, bottle, vase, fruit, book, parcel, ornament, plant, basket),
    *(table_lamp, cloth, tool, screen, cushion),
)
HANDY = (
    *(cup, cup, cup, plate, plate, bottle, vase, fruit, fruit, book, ornament, basket),
    *(cloth, spoon, tool),
)
ON_TABLE = (*HANDY, bottle, spoon, parcel, plant, table_lamp, screen)
