"""Indoors: tables with things on them, rooms, walls of pictures."""

import math

from .. import animals, figures, furniture, materials, things
from ..dice import Dice
from ..shapes import box, move, turn
from ..view import View, around
from . import sets


def table_top(dice: Dice) -> View:
    """Things on a table, from low to straight above."""
    top = dice.choice(
        (
            materials.wood,
            materials.wood,
            materials.planks,
            materials.fabric,
            materials.tiles,
            materials.stone,
            materials.paint,
        )
    )(dice)
    wide, deep = dice.uniform(0.8, 2), dice.uniform(0.7, 1.2)
    box(move(0, deep / 2 - 0.45, -0.04), (wide, deep, 0.04), top, bevel=0.01)
    sets.surroundings(dice, -0.75)
    near = dice.chance(0.5)
    reach = 0.14 if near else 0.24
    main = dice.choice((things.cup, things.cup, things.cup, *things.HANDY))
    placed = [(0.0, 0.0)]
    main(dice, move(0, 0, 0) @ turn(dice.uniform(-0.6, 0.6)))
    for _ in range(dice.randint(0, 5) if near else dice.randint(5, 14)):
        x, y = dice.gauss(0, reach * 1.5), dice.gauss(0.08, reach * 1.2)
        if all(math.hypot(x - a, y - b) > 0.13 for a, b in placed) and -0.4 < y < deep - 0.5:
            placed.append((x, y))
            kinds = things.HANDY if near and y < 0.2 else things.ON_TABLE
            dice.choice(kinds)(dice, move(x, y, 0) @ turn(dice.uniform(-0.8, 0.8)))
    elevation = dice.choice(
        (dice.uniform(0.15, 0.5), dice.uniform(0.5, 1.0), dice.uniform(0.5, 1.35))
    )
    lens = dice.uniform(32, 60)
    distance = (dice.uniform(0.22, 0.5) if near else dice.uniform(0.6, 1.2)) * lens / 36
    target = (dice.gauss(0, 0.04), dice.gauss(0.02, 0.04), dice.uniform(0, 0.08))
    sets.room_light(dice, target, 0.9)
    return View(around(target, distance, dice.gauss(0, 0.5), elevation), target, lens, 0.45)


def room(dice: Dice) -> View:
    """A furnished room."""
    wide, deep, tall = sets.walls(dice)
    for _ in range(dice.randint(7, 14)):
        kind = dice.choice(furniture.STANDING)
        if dice.chance(0.65):  # along a wall
            wall = dice.choice((0, 0, 1, -1))
            if wall:
                place = move(wall * (wide / 2 - 0.5), dice.uniform(0.3, deep - 0.5), 0) @ turn(
                    -wall * math.pi / 2
                )
            else:
                place = move(dice.uniform(-0.42, 0.42) * wide, deep - dice.uniform(0.35, 0.6), 0)
        else:
            place = move(dice.uniform(-0.4, 0.4) * wide, dice.uniform(0.2, 0.8) * deep, 0) @ turn(
                dice.uniform(0, 6.3)
            )
        kind(dice, place)
    if dice.chance(0.5):
        furniture.rug(
            dice, move(dice.uniform(-0.5, 0.5), deep * 0.4, 0) @ turn(dice.uniform(-0.3, 0.3))
        )
    if dice.chance(0.3):
        figures.person(
            dice,
            move(dice.uniform(-0.3, 0.3) * wide, dice.uniform(0.2, 0.6) * deep, 0)
            @ turn(dice.uniform(-0.8, 0.8)),
        )
    if dice.chance(0.2):
        animals.pet(
            dice,
            move(dice.uniform(-0.2, 0.2) * wide, dice.uniform(0, 0.4) * deep, 0)
            @ turn(dice.uniform(-1, 1)),
        )
    if dice.chance(0.35):  # something near the camera
        furniture.STANDING[dice.randrange(6)](
            dice,
            move(dice.uniform(-0.8, 0.8), dice.uniform(-0.9, 0), 0) @ turn(dice.uniform(0, 6.3)),
        )
    eye = (
        dice.uniform(-0.3, 0.3) * wide,
        dice.uniform(-2.2, -1.0),
        dice.uniform(0.7, min(2.0, tall - 0.4)),
    )
    target = (dice.uniform(-0.25, 0.25) * wide, deep * dice.uniform(0.5, 1), dice.uniform(0.4, 1.4))
    return View(eye, target, dice.uniform(20, 40), 0.1)


def corner(dice: Dice) -> View:
    """One piece of furniture from near by."""
    sets.walls(dice)
    kind = dice.choice(furniture.STANDING)
    kind(dice, move(0, 0, 0) @ turn(dice.gauss(0, 0.5)))
    for x in (-1, 1):
        if dice.chance(0.5):
            dice.choice(furniture.STANDING)(
                dice,
                move(x * dice.uniform(0.9, 1.6), dice.uniform(-0.2, 1), 0)
                @ turn(dice.gauss(0, 0.6)),
            )
    target = (dice.gauss(0, 0.15), 0.1, dice.uniform(0.35, 1.1))
    return View(
        around(target, dice.uniform(1.3, 2.6), dice.gauss(0, 0.5), dice.uniform(0, 0.6)),
        target,
        dice.uniform(28, 45),
    )


def flat(dice: Dice) -> View:
    """A wall of pictures and prints, with little that is solid before it."""
    sets.walls(dice, near=True)
    for _ in range(dice.randint(1, 4)):
        furniture.poster(
            dice,
            move(dice.gauss(0, 0.7), 2.19, dice.uniform(1, 2)),
            dice.uniform(0.3, 1.2),
            dice.uniform(0.3, 1),
        )
    for _ in range(dice.randint(1, 4)):
        dice.choice(furniture.STANDING)(
            dice, move(dice.gauss(0, 1), dice.uniform(0.4, 1.7), 0) @ turn(dice.gauss(0, 0.4))
        )
    target = (dice.gauss(0, 0.3), 2, dice.uniform(0.9, 1.6))
    return View(
        around(target, dice.uniform(1.8, 3.2), dice.gauss(0, 0.5), dice.gauss(0.05, 0.1)),
        target,
        dice.uniform(25, 40),
        0.15,
    )
