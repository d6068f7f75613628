"""Furniture and what belongs to a room; each stands on its frame's origin, its back to +y."""

import math

import numpy as np

from . import materials, prints, things
from .dice import Dice, noise
from .shapes import Frame, box, grow, lathe, move, panel, ring, sheet, tube, turn


def table(dice: Dice, at: Frame) -> None:
    """A table with things on it."""
    wide, deep, tall = dice.uniform(0.6, 1.8), dice.uniform(0.5, 0.9), dice.uniform(0.45, 0.78)
    made = dice.choice((materials.wood, materials.wood, materials.paint))(dice)
    box(at @ move(0, 0, tall - 0.03), (wide, deep, 0.03), made, bevel=0.005)
    for x in (-1, 1):
        for y in (-1, 1):
            leg = at @ move(x * (wide / 2 - 0.05), y * (deep / 2 - 0.05), 0)
            box(leg, (0.05, 0.05, tall - 0.03), made)
    for _ in range(dice.randint(0, 7)):
        place = move(dice.uniform(-0.42, 0.42) * wide, dice.uniform(-0.4, 0.4) * deep, tall)
        dice.choice(things.ON_TABLE)(dice, at @ place @ turn(dice.uniform(-1, 1)))


def chair(dice: Dice, at: Frame) -> None:
    """A chair with a back of bars or a board."""
    made = dice.choice((materials.wood, materials.wood, materials.paint, materials.metal))(dice)
    seat, wide, high = dice.uniform(0.42, 0.48), dice.uniform(0.38, 0.46), dice.uniform(0.8, 1.05)
    half, thick = wide / 2 - 0.02, dice.uniform(0.012, 0.022)
    for x in (-half, half):
        tube(at, [(x, -half, 0), (x, -half, seat)], thick, made)
        tube(at, [(x, half + 0.04, 0), (x, half, seat), (x, half + 0.07, high)], thick, made)
    cushion = materials.fabric(dice) if dice.chance(0.5) else made
    box(at @ move(0, 0, seat - 0.01), (wide, wide, dice.uniform(0.02, 0.06)), cushion, bevel=0.015)
    if dice.chance(0.5):
        for index in range(dice.randint(2, 5)):
            z = high - 0.04 - index * 0.1
            tube(
                at,
                [(-half, half + 0.05, z), (0, half + 0.09, z), (half, half + 0.05, z)],
                thick * 0.8,
                made,
            )
    else:
        box(at @ move(0, half + 0.05, high - 0.28), (wide, 0.02, 0.28), cushion, bevel=0.01)


def sofa(dice: Dice, at: Frame) -> None:
    """A sofa or armchair with cushions."""
    wide, cover = dice.uniform(0.8, 2.2), materials.fabric(dice)
    if dice.chance(0.3):
        cover = materials.leather(dice)
    box(at @ move(0, 0, 0.05), (wide, 0.85, 0.35), cover, bevel=0.06)
    box(at @ move(0, 0.36, 0.3), (wide, 0.25, 0.55), cover, bevel=0.1)
    for x in (-1, 1):
        box(at @ move(x * wide / 2, 0, 0.05), (0.2, 0.9, 0.55), cover, bevel=0.08)
    for _ in range(dice.randint(0, 3)):
        place = move(dice.uniform(-0.4, 0.4) * wide, 0.15, 0.55) @ turn(math.pi / 2.6, "X")
        things.cushion(dice, at @ place)


def shelf(dice: Dice, at: Frame) -> None:
    """Shelves of books and things; open or with a back."""
    wide, tall, deep = dice.uniform(0.7, 2.2), dice.uniform(0.9, 2.2), dice.uniform(0.25, 0.4)
    made = dice.choice((materials.wood, materials.wood, materials.paint, materials.plaster))(dice)
    rows = max(2, round(tall / dice.uniform(0.32, 0.45)))
    for side in (-1, 1):
        box(at @ move(side * wide / 2, 0, 0), (0.025, deep, tall), made)
    if dice.chance(0.6):
        box(at @ move(0, deep / 2, 0), (wide, 0.01, tall), made)
    for row in range(rows + 1):
        board = at @ move(0, 0, row * (tall - 0.025) / rows)
        box(board, (wide, deep, 0.025), made)
        if row == rows:
            break
        x = -wide / 2 + 0.05
        while x < wide / 2 - 0.1:
            room = dice.uniform(0.12, 0.4)
            room = min(room, wide / 2 - x - 0.03)
            place = board @ move(x + room / 2, -deep * 0.1, 0.025)
            if dice.chance(0.45):
                things.books(dice, place, room)
            elif dice.chance(0.75):
                kind = dice.choice(
                    (
                        things.bottle,
                        things.vase,
                        things.parcel,
                        things.ornament,
                        things.plant,
                        things.cup,
                    )
                )
                kind(dice, place @ grow(dice.uniform(0.7, 1.1)))
            x += room + dice.uniform(0, 0.08)


def cupboard(dice: Dice, at: Frame) -> None:
    """A chest or wardrobe with doors, something on top."""
    wide, tall, deep = dice.uniform(0.5, 1.4), dice.uniform(0.6, 1.9), dice.uniform(0.35, 0.6)
    made, knob = (
        dice.choice((materials.wood, materials.paint, materials.plaster))(dice),
        materials.metal(dice),
    )
    box(at, (wide, deep, tall), made, bevel=0.01)
    columns, rows = dice.randint(1, 3), dice.randint(1, 5)
    for column in range(columns):
        for row in range(rows):
            x, z = (column + 0.5) / columns - 0.5, (row + 0.08) / rows
            door = at @ move(x * wide, -deep / 2 - 0.005, z * tall)
            box(door, (wide / columns * 0.92, 0.02, tall / rows * 0.88), made, bevel=0.006)
            lathe(
                door @ move(0, -0.01, tall / rows * 0.44) @ turn(math.pi / 2, "X"),
                [(0.012, 0), (0.015, 0.03), (0.001, 0.03)],
                knob,
                1,
            )
    for _ in range(dice.randint(0, 3)):
        things.scaled(
            dice, at @ move(dice.uniform(-0.4, 0.4) * wide, 0, tall), dice.uniform(0.8, 1.3)
        )


def floor_lamp(dice: Dice, at: Frame) -> None:
    """A standing lamp."""
    tall = dice.uniform(1.3, 1.8)
    steel = materials.metal(dice)
    lathe(at, [(0.15, 0), (0.15, 0.02), (0.012, 0.03), (0.012, tall)], steel, 1)
    things.table_lamp(dice, at @ move(0, 0, tall - 0.5) @ grow(1.4))


def window(dice: Dice, at: Frame, wide: float, tall: float) -> None:
    """A window in a wall, the daylight in it as flat as a lamp; its frame, perhaps curtains."""
    colour = dice.shade((0.75, 0.85, 1.0), 0.1)
    panel(at @ move(0, -0.005, 0), wide, tall, materials.glowing(colour, dice.log(1, 5)))
    made = dice.choice((materials.wood, materials.paint, materials.plaster))(dice)
    bars, rungs = dice.randint(1, 3), dice.randint(1, 3)
    for index in range(bars + 1):
        box(at @ move((index / bars - 0.5) * wide, -0.02, -tall / 2), (0.05, 0.06, tall), made)
    for index in range(rungs + 1):
        box(at @ move(0, -0.02, (index / rungs - 0.5) * tall - 0.025), (wide, 0.05, 0.05), made)
    box(at @ move(0, -0.08, -tall / 2 - 0.04), (wide + 0.1, 0.2, 0.03), made)
    if dice.chance(0.5):
        stuff = materials.fabric(dice)
        for side in (-1, 1):
            curtain(dice, at @ move(side * wide * 0.5, -0.12, -0.1), wide * 0.4, tall * 1.25, stuff)


def curtain(dice: Dice, at: Frame, wide: float, tall: float, stuff: materials.Material) -> None:
    """Hanging cloth in upright folds."""
    waves, depth = dice.uniform(20, 60), dice.uniform(0.02, 0.05)
    phase = dice.uniform(0, 6)

    def folds(points: np.ndarray) -> np.ndarray:
        wander = noise(dice, points * (1, 1, 0.4), 0.5, 4)
        return depth * np.sin(points[:, 0] * waves + phase + wander)

    sheet(at, wide, tall, stuff, folds, cells=48)


def poster(dice: Dice, at: Frame, wide: float, tall: float) -> None:
    """A picture on a wall, framed or bare; the wall is at y = 0."""
    shown = materials.printed(prints.picture(dice, 96, max(24, int(96 * tall / wide))))
    if dice.chance(0.6):
        made = dice.choice((materials.wood, materials.metal, materials.paint))(dice)
        box(at @ move(0, -0.01, -tall / 2 - 0.03), (wide + 0.06, 0.02, tall + 0.06), made)
    panel(at @ move(0, -0.024, 0), wide, tall, shown)


def clock(dice: Dice, at: Frame) -> None:
    """A round clock or mirror on a wall."""
    size = dice.uniform(0.1, 0.25)
    ring(at @ move(0, -0.02, 0), size, 0.02, materials.anything(dice))
    face = materials.plain((0.75, 0.75, 0.72), 0.3)
    lathe(at @ turn(math.pi / 2, "X"), [(size, 0.005), (size, 0.015), (0.001, 0.015)], face, 1)
    black = materials.plain((0.02, 0.02, 0.02))
    for long in (0.5, 0.8):
        angle = dice.uniform(0, 6.3)
        end = (size * long * math.sin(angle), -0.02, size * long * math.cos(angle))
        tube(at, [(0, -0.02, 0), end], 0.005, black)


def flagpole(dice: Dice, at: Frame, tall: float = 2.2) -> None:
    """A flag that hangs from an indoor pole or flies from one outdoors."""
    tube(at, [(0, 0, 0), (0, 0, tall)], 0.018, dice.choice((materials.wood, materials.metal))(dice))
    wide, high = tall * dice.uniform(0.4, 0.75), tall * dice.uniform(0.3, 0.6)
    waves, phase, hang = dice.uniform(4, 14) / wide, dice.uniform(0, 6), dice.chance(0.5)
    depth = dice.uniform(0.02, 0.08) * wide

    def folds(points: np.ndarray) -> np.ndarray:
        along = points[:, 0] + wide / 2
        if hang:
            along = along + 0.4 * points[:, 2]
        return depth * np.sin(along * waves + phase) + depth * noise(dice, points, wide * 0.5, 4)

    shown = materials.printed(prints.flag(dice), 0.8)
    side = dice.choice((-1, 1))
    cloth = at @ move(side * wide / 2, 0, tall - high / 2)
    if hang:  # drawn together along x, and down
        cloth = (
            at
            @ move(side * wide * 0.2, 0, tall - high * 0.6)
            @ turn(side * 0.9, "Y")
            @ grow(0.9, 1, 0.8)
        )
    sheet(cloth, wide, high, shown, folds, cells=40)


def rug(dice: Dice, at: Frame) -> None:
    """A flat rug."""
    pattern = (
        materials.printed(prints.picture(dice), 0.95)
        if dice.chance(0.5)
        else materials.fabric(dice)
    )
    wide, deep = dice.uniform(1, 3), dice.uniform(1, 2)
    panel(at @ move(0, 0, 0.006) @ turn(-math.pi / 2, "X"), wide, deep, pattern)


STANDING = (
    *(table, table, chair, chair, chair, sofa, shelf, shelf, cupboard, floor_lamp),
    lambda dice, at: things.plant(dice, at @ grow(dice.uniform(1.5, 3.5))),
    lambda dice, at: things.parcel(dice, at @ grow(dice.uniform(1.5, 3))),
)
