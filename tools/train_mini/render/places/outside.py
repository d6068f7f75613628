"""Outside: streets, houses, open country, launch pads; machines in garages."""

import math

import numpy as np

from .. import animals, figures, furniture, light, machines, materials, outdoors, things
from ..dice import Dice
from ..shapes import HERE, Frame, box, ground, move, ring, turn
from ..view import View, around
from . import sets


def garage(dice: Dice) -> View:
    """A bicycle or motorcycle among shelves and boxes, or in the open."""
    machine = dice.choice(
        (machines.motorcycle, machines.motorcycle, machines.motorcycle, machines.bicycle)
    )
    if dice.chance(0.7):
        wide, deep, _ = sets.walls(dice, near=True)
        for _ in range(dice.randint(2, 6)):
            kind = dice.choice(
                (
                    furniture.shelf,
                    furniture.shelf,
                    furniture.cupboard,
                    furniture.table,
                    furniture.chair,
                    _boxes,
                    _boxes,
                )
            )
            kind(
                dice,
                move(dice.uniform(-0.45, 0.45) * wide, deep - dice.uniform(0.3, 0.7), 0)
                @ turn(dice.gauss(0, 0.15)),
            )
    else:
        sets.open_air(dice, things_too=True)
    machine(dice, turn(dice.choice((0, math.pi)) + dice.gauss(0, 0.4)))
    if dice.chance(0.3):
        machine(dice, move(dice.uniform(-1, 1), 0.9, 0) @ turn(dice.gauss(0, 0.4)))
    target = (dice.gauss(0, 0.25), 0, dice.uniform(0.4, 0.75))
    lens = dice.uniform(28, 50)
    distance = dice.choice((dice.uniform(0.9, 1.4), dice.uniform(1.5, 2.4))) * lens / 36
    return View(
        around(target, distance, dice.gauss(0, 0.5), dice.uniform(0.0, 0.5)), target, lens, 0.15
    )


def street(dice: Dice) -> View:
    """A street with houses on one or both sides."""
    light.daylight(dice)
    ground(move(0, 40, 0), 300, materials.asphalt(dice))
    road = dice.uniform(5, 9)
    for side in (-1, 1):
        pavement = materials.asphalt(dice)
        box(move(side * (road / 2 + 1.5), 50, 0), (3, 120, 0.12), pavement)
        y = dice.uniform(-8, -2)
        built = dice.chance(0.8)
        while y < 70:
            wide, deep = dice.uniform(5, 12), dice.uniform(6, 10)
            front = move(side * (road / 2 + 3 + dice.choice((0, 0, 1.5))), y + wide / 2, 0) @ turn(
                -side * math.pi / 2
            )
            if built and dice.chance(0.9):
                if y < 22:
                    outdoors.house(dice, front, wide, deep, dice.randint(1, 4))
                else:
                    box(
                        front @ move(0, deep / 2, 0),
                        (wide, deep, dice.uniform(4, 14)),
                        materials.brick(dice),
                    )
            elif dice.chance(0.7):
                outdoors.tree(dice, front @ move(0, 3, 0), dice.uniform(4, 10))
            y += wide + dice.choice((0, 0.1, 2, 5))
        _along(dice, side, road)
    target = (dice.uniform(-2.5, 2.5), 18, dice.uniform(0.5, 3))
    eye = (dice.uniform(-0.5, 0.5) * (road + 4), dice.uniform(-8, -5), dice.uniform(1.1, 3.2))
    return View(eye, target, dice.uniform(22, 42), 0.0)


def house_front(dice: Dice) -> View:
    """A house with what stands before it."""
    sets.open_air(dice, things_too=False)
    wide = dice.uniform(6, 13)
    outdoors.house(dice, move(0, 4, 0), wide, dice.uniform(6, 10), dice.randint(1, 3))
    for side in (-1, 1):
        if dice.chance(0.7):
            outdoors.house(
                dice,
                move(side * (wide / 2 + dice.uniform(4, 9)), dice.uniform(3, 9), 0),
                dice.uniform(5, 9),
                7,
                dice.randint(1, 3),
            )
    for _ in range(dice.randint(1, 6)):
        x, y = dice.uniform(-6, 6), dice.uniform(-4, 3)
        sets.outdoor_thing(dice, move(x, y, 0))
    target = (dice.uniform(-2, 2), 4, dice.uniform(1.2, 3))
    return View(
        around(target, dice.uniform(9, 17), dice.gauss(0, 0.45), dice.uniform(-0.02, 0.2)),
        target,
        dice.uniform(24, 40),
        0.0,
    )


def landscape(dice: Dice) -> View:
    """Open country: ground, trees, rocks, water, hills, a path or fence."""
    light.daylight(dice)
    height = outdoors.hills(dice, dice.uniform(0.5, 7), dice.uniform(15, 50))
    soil = materials.earth(dice)
    ground(move(0, 60, 0), 240, soil, lambda p: height(p + np.array((0, 60, 0))), 110)
    if dice.chance(0.7):
        for _ in range(dice.randint(1, 3)):
            far = dice.uniform(120, 500)
            outdoors.mountain_range(
                dice,
                move(dice.uniform(-0.4, 0.4) * far, far, -2),
                far * 2.2,
                far * dice.uniform(0.06, 0.4),
            )
    if dice.chance(0.25):
        water = materials.plain(dice.shade((0.05, 0.09, 0.1)), 0.05)
        ground(
            move(dice.uniform(-30, 30), dice.uniform(20, 60), dice.uniform(-0.4, 0.05)), 90, water
        )

    def on(x: float, y: float) -> Frame:
        return move(x, y, float(height(np.array(((x, y, 0.0),)))[0]))

    for _ in range(dice.randint(2, 14)):
        y = dice.log(3, 80)
        place = on(dice.uniform(-0.6, 0.6) * (y + 3), y)
        kind = dice.random()
        if kind < 0.55:
            outdoors.tree(dice, place, dice.uniform(3, 11))
        elif kind < 0.75:
            outdoors.rock(dice, place, dice.log(0.2, 2))
        else:
            outdoors.bush(dice, place, dice.uniform(0.4, 1.5))
    if dice.chance(0.6):
        outdoors.grass(dice, move(0, 2.5, 0), 3.5, dice.log(0.06, 0.5), height)
    if dice.chance(0.3):
        outdoors.fence(dice, move(0, dice.uniform(3, 12), 0) @ turn(dice.gauss(0, 0.3)), 40)
    if dice.chance(0.25):
        outdoors.wires(dice, move(dice.uniform(-8, 8), 4, 0) @ turn(dice.gauss(0, 0.3)), 90)
    if dice.chance(0.2):
        outdoors.house(
            dice,
            on(dice.uniform(-12, 12), dice.uniform(18, 40)) @ turn(dice.uniform(-0.6, 0.6)),
            8,
            7,
            dice.randint(1, 2),
        )
    if dice.chance(0.3):
        figures.person(
            dice, move(dice.uniform(-1.5, 1.5), dice.uniform(1, 6), 0) @ turn(dice.uniform(-3, 3))
        )
    if dice.chance(0.15):
        animals.pet(
            dice, move(dice.uniform(-1, 1), dice.uniform(0.5, 2), 0) @ turn(dice.uniform(-3, 3))
        )
    eye = (0, -2.5, dice.uniform(0.6, 2.6))
    return View(eye, (dice.gauss(0, 3), 20, dice.uniform(0.3, 4.5)), dice.uniform(22, 45), 0.0)


def launch(dice: Dice) -> View:
    """A rocket beside its tower, lightning masts and tanks; or cranes and pylons alone."""
    dusk = dice.chance(0.4)
    light.sky(dice, dice.uniform(0.4, 1), dice.random(), float(dusk))
    light.sun(
        dice,
        dice.uniform(0.08, 0.3) if dusk else dice.uniform(0.3, 1.2),
        dice.gauss(0, 1.3),
        dice.uniform(1.5, 4),
    )
    ground(move(0, 100, 0), 1500, dice.choice((materials.earth, materials.asphalt))(dice))
    tall = dice.uniform(30, 70)
    if dice.chance(0.85):
        base = dice.uniform(0, 5)
        if base > 1:
            box(HERE, (tall * 0.3, tall * 0.3, base), materials.stone(dice))
        lift = dice.choice((0, 0, 0, dice.uniform(0.1, 0.5))) * tall
        machines.rocket(dice, move(0, 0, base + lift + 1), tall)
        if lift:
            machines.smoke(dice, move(0, 0, 0), tall * 0.12)
    side = dice.choice((-1, 1))
    if dice.chance(0.8):
        machines.lattice(
            dice,
            move(side * tall * dice.uniform(0.13, 0.3), dice.uniform(-0.05, 0.1) * tall, 0),
            tall * dice.uniform(0.06, 0.14),
            tall * dice.uniform(0.7, 1.2),
            tall * dice.uniform(0.003, 0.007),
        )
    for _ in range(dice.randint(1, 4)):
        place = move(dice.uniform(-0.8, 0.8) * tall, dice.uniform(-0.2, 1.0) * tall, 0)
        kind = dice.random()
        if kind < 0.45:
            machines.lattice(dice, place, tall * 0.05, tall * dice.uniform(0.8, 1.4), tall * 0.003)
        elif kind < 0.6:
            machines.crane(dice, place, tall * dice.uniform(0.6, 1.1))
        elif kind < 0.8:
            size = tall * dice.uniform(0.06, 0.12)
            made = materials.plain(dice.shade((0.7, 0.7, 0.68)), 0.4)
            outdoors.lump(dice, place @ move(0, 0, size * 1.2), size, made, 0.0)
            outdoors.rods(
                place,
                [
                    ((x * size * 0.7, y * size * 0.7, 0), (x * size * 0.7, y * size * 0.7, size))
                    for x in (-1, 1)
                    for y in (-1, 1)
                ],
                size * 0.06,
                made,
            )
        else:
            box(
                place,
                (tall * dice.uniform(0.1, 0.4), tall * 0.2, tall * dice.uniform(0.08, 0.3)),
                materials.plaster(dice),
            )
    for _ in range(dice.randint(0, 12)):
        outdoors.tree(
            dice,
            move(dice.uniform(-1, 1) * tall, -tall * dice.uniform(0.3, 1.1), 0),
            dice.uniform(3, 8),
        )
    target = (dice.gauss(0, 0.1) * tall, 0, tall * dice.uniform(0.3, 0.6))
    distance = tall * dice.uniform(1.0, 2.4)
    lens = dice.uniform(26, 60)
    distance *= lens / 36
    eye = around(target, distance, dice.gauss(0, 0.5), 0)
    return View((eye[0], eye[1], dice.uniform(1.5, tall * 0.35)), target, lens, 0.0)


def _along(dice: Dice, side: int, road: float) -> None:
    """Cars, lamps, trees and people along one side of a street."""
    edge = side * (road / 2 + 0.5)
    y = dice.uniform(-3, 3)
    lamps, trees = dice.chance(0.7), dice.chance(0.5)
    while y < 50:
        if lamps:
            outdoors.street_lamp(dice, move(edge, y, 0.1) @ turn(side * math.pi / 2))
        if trees and y > 0 and dice.chance(0.7):
            outdoors.tree(dice, move(edge + side * 0.4, y + 3, 0.1), dice.uniform(3, 7))
        if dice.chance(0.5):
            machines.car(
                dice,
                move(side * (road / 2 - 1.1), y + 5, 0)
                @ turn(math.pi / 2 + dice.choice((0, math.pi))),
            )
        if dice.chance(0.35):
            figures.person(
                dice,
                move(side * (road / 2 + dice.uniform(0.6, 2.4)), y + dice.uniform(1, 6), 0.1)
                @ turn(dice.uniform(0, 6.3)),
            )
        if dice.chance(0.2):
            machines.bicycle(dice, move(side * (road / 2 + 2.4), y + 2, 0.1) @ turn(math.pi / 2))
        y += dice.uniform(8, 14)


def _boxes(dice: Dice, at: Frame) -> None:
    """A stack of boxes, tins and tyres."""
    z = 0.0
    for _ in range(dice.randint(2, 4)):
        size = dice.uniform(0.25, 0.5)
        if dice.chance(0.25):
            rubber = materials.plain((0.02, 0.02, 0.02), 0.8)
            ring(at @ move(0, 0, z + 0.09) @ turn(math.pi / 2, "X"), 0.22, 0.09, rubber)
            z += 0.18
        else:
            tall = size * dice.uniform(0.5, 0.9)
            box(
                at @ move(dice.gauss(0, 0.03), 0, z) @ turn(dice.gauss(0, 0.15)),
                (size, size * 0.8, tall),
                dice.choice((materials.plaster, materials.paint, materials.wood))(dice),
                0.005,
            )
            z += tall
    things.scaled(dice, at @ move(0, 0, z), 1.2)
