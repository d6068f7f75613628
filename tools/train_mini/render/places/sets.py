"""What places share: walls, backdrops, open air, the light on a table or a face."""

import math

import numpy as np

from .. import figures, furniture, light, machines, materials, outdoors
from ..dice import Dice
from ..shapes import HERE, Frame, box, ground, mesh, move, panel, sheet, turn, wrinkles
from ..view import around


def walls(dice: Dice, near: bool = False) -> tuple[float, float, float]:
    """Floor, walls, ceiling, windows and pictures of a room; its width, depth and height."""
    wide = dice.uniform(3, 5.5)
    deep = 2.2 if near else dice.uniform(2.2, 5)
    tall = dice.uniform(2.4, 3.2)
    floor = dice.choice(
        (
            materials.planks,
            materials.planks,
            materials.wood,
            materials.tiles,
            materials.fabric,
            materials.asphalt,
        )
    )(dice)
    ground(HERE, 16, floor)
    wall = dice.choice(
        (
            materials.plaster,
            materials.plaster,
            materials.plaster,
            materials.brick,
            materials.tiles,
            materials.wood,
        )
    )(dice)
    for place, across in (
        (move(0, deep, 0), wide),
        (move(wide / 2, deep - 5, 0) @ turn(-math.pi / 2), 10),
        (move(-wide / 2, deep - 5, 0) @ turn(math.pi / 2), 10),
    ):
        corners = np.array(
            ((-across / 2, 0, 0), (across / 2, 0, 0), (across / 2, tall, 0), (-across / 2, tall, 0))
        )
        mesh(place @ turn(math.pi / 2, "X"), corners, [(0, 1, 2, 3)], wall, smooth=False)
    white = materials.plain((0.75, 0.74, 0.72), 0.9)
    ground(move(0, 0, tall) @ turn(math.pi, "X"), 16, white)
    skirting = dice.choice((white, materials.wood(dice)))
    box(move(0, deep - 0.01, 0), (wide, 0.02, 0.1), skirting)
    lit = False
    if dice.chance(0.45):
        size = dice.uniform(0.8, 1.6)
        furniture.window(
            dice, move(dice.uniform(-0.3, 0.3) * wide, deep, 1.5), size, dice.uniform(0.9, 1.4)
        )
        lit = True
    for _ in range(dice.randint(0, 4)):
        size = dice.uniform(0.2, 0.8)
        place = move(dice.uniform(-0.42, 0.42) * wide, deep, dice.uniform(1.1, tall - 0.5))
        if dice.chance(0.15):
            furniture.clock(dice, place)
        else:
            furniture.poster(dice, place, size, size * dice.uniform(0.6, 1.5))
    for side in (-1, 1):
        if dice.chance(0.5):
            place = move(side * wide / 2, dice.uniform(0.3, 0.9) * deep, 1.5) @ turn(
                -side * math.pi / 2
            )
            if dice.chance(0.4):
                furniture.window(dice, place, dice.uniform(0.8, 1.4), dice.uniform(0.9, 1.4))
                lit = True
            else:
                furniture.poster(dice, place, dice.uniform(0.3, 0.9), dice.uniform(0.3, 0.8))
    if lit or dice.chance(0.4):
        side = dice.choice((-1, 1))
        light.lamp(
            dice,
            (side * (wide / 2 - 0.1), dice.uniform(-1, deep * 0.7), 1.7),
            (0, deep / 2, 0.6),
            dice.uniform(40, 200),
            1.3,
        )
    if not lit or dice.chance(0.5):
        light.lamp(
            dice,
            (dice.gauss(0, 0.5), dice.uniform(-0.5, 1.2), tall - 0.05),
            (0, 1, 0),
            dice.uniform(20, 100),
            dice.uniform(0.2, 1.5),
        )
    light.ambient(dice, dice.uniform(0.05, 0.35))
    return wide, deep, tall


def surroundings(dice: Dice, floor: float) -> None:
    """What is behind and below a table: nothing much, a wall, a whole room."""
    light.ambient(dice, dice.uniform(0.1, 0.6))
    kind = dice.random()
    ground(
        move(0, 0, floor),
        20,
        dice.choice((materials.planks, materials.tiles, materials.fabric, materials.stone))(dice),
    )
    if kind < 0.35:
        sheet(move(0, dice.uniform(0.8, 1.6), 0.5), 8, 5, materials.plaster(dice), cells=1)
    elif kind < 0.8:
        far = dice.uniform(1.2, 3.5)
        panel(move(0, far, 0.8), 10, 5, materials.plaster(dice))
        for _ in range(dice.randint(1, 5)):
            place = move(dice.uniform(-1.8, 1.8), dice.uniform(0.9, far), floor) @ turn(
                dice.gauss(0, 0.4)
            )
            dice.choice(furniture.STANDING)(dice, place)
        if dice.chance(0.4):
            furniture.poster(
                dice,
                move(dice.gauss(0, 0.5), far, 0.7),
                dice.uniform(0.3, 1),
                dice.uniform(0.3, 0.9),
            )
        if dice.chance(0.2):
            figures.person(dice, move(dice.gauss(0, 0.3), 0.95, floor - 0.1))


def behind(dice: Dice, z: float = 0.0) -> None:
    """Behind a portrait: a studio's backdrop, flags and pictures, a room, a garden."""
    kind = dice.choice(("studio", "studio", "office", "office", "room", "garden"))
    if kind == "garden":
        open_air(dice, things_too=True, z=z)
        return
    light.ambient(dice, dice.uniform(0.08, 0.5))
    ground(
        move(0, 0, z),
        20,
        dice.choice((materials.planks, materials.fabric, materials.tiles, materials.stone))(dice),
    )
    far = dice.uniform(0.5, 2.5)
    if kind == "studio":
        backdrop = dice.choice((materials.fabric, materials.plaster, materials.stone))(dice)
        folds = wrinkles(dice, 1.5, 0.05) if dice.chance(0.3) else None
        sheet(
            move(0, far, z + 1.5),
            12,
            6,
            backdrop,
            (lambda p: folds(p + np.array((0, 1, 0)))[:, 1] - 1) if folds else None,
            40,
        )
        if dice.chance(0.4):
            _flags(dice, far, z)
        return
    panel(
        move(0, far, z + 1.5),
        14,
        6,
        dice.choice((materials.plaster, materials.plaster, materials.brick, materials.wood))(dice),
    )
    if dice.chance(0.7):
        _flags(dice, far, z)
    for _ in range(dice.randint(0, 3)):
        furniture.poster(
            dice,
            move(dice.gauss(0, 0.7), far, z + dice.uniform(1.2, 2)),
            dice.uniform(0.3, 1),
            dice.uniform(0.3, 0.9),
        )
    for _ in range(dice.randint(0, 4) if kind == "office" else dice.randint(2, 6)):
        x = dice.choice((-1, 1)) * dice.uniform(0.3, 1.5)
        dice.choice(furniture.STANDING)(
            dice, move(x, far - dice.uniform(0.2, 0.4), z) @ turn(dice.gauss(0, 0.2))
        )


def _flags(dice: Dice, far: float, z: float) -> None:
    for _ in range(dice.randint(1, 2)):
        x = dice.choice((-1, 1)) * dice.uniform(0.15, 0.7)
        furniture.flagpole(dice, move(x, far - dice.uniform(0.15, 0.3), z), dice.uniform(1.7, 2.4))
    if dice.chance(0.4):  # a model on a stand
        x = dice.choice((-1, 1)) * dice.uniform(0.3, 0.7)
        stand = move(x, far - 0.25, z)
        box(stand, (0.35, 0.3, 1.1), materials.wood(dice))
        machines.rocket(dice, stand @ move(0, 0, 1.12), dice.uniform(0.4, 0.9))


def open_air(dice: Dice, things_too: bool, z: float = 0.0) -> None:
    """Ground under a sky, with trees, bushes and houses behind."""
    light.daylight(dice)
    ground(
        move(0, 0, z), 300, dice.choice((materials.earth, materials.earth, materials.asphalt))(dice)
    )
    if not things_too:
        return
    for _ in range(dice.randint(1, 7)):
        y = dice.log(1.5, 25)
        outdoor_thing(dice, move(dice.uniform(-0.7, 0.7) * (y + 1.5), y, z))
    if dice.chance(0.35):
        outdoors.house(
            dice,
            move(dice.gauss(0, 4), dice.uniform(5, 18), z) @ turn(dice.gauss(0, 0.3)),
            dice.uniform(7, 14),
            8,
            dice.randint(1, 3),
        )
    if dice.chance(0.3):
        outdoors.mountain_range(dice, move(0, 160, z - 2), 400, dice.uniform(10, 70))
    if dice.chance(0.3):
        outdoors.fence(dice, move(0, dice.uniform(1.5, 6), z) @ turn(dice.gauss(0, 0.2)), 20)


def outdoor_thing(dice: Dice, at: Frame) -> None:
    """What stands about outside."""
    kind = dice.random()
    if kind < 0.35:
        outdoors.tree(dice, at, dice.uniform(2.5, 8))
    elif kind < 0.55:
        outdoors.bush(dice, at, dice.uniform(0.3, 1.0))
    elif kind < 0.65:
        outdoors.rock(dice, at, dice.log(0.15, 0.8))
    elif kind < 0.75:
        outdoors.street_lamp(dice, at)
    elif kind < 0.82:
        outdoors.bench(dice, at @ turn(dice.gauss(0, 0.5)))
    elif kind < 0.9:
        machines.car(dice, at @ move(0, 2, 0) @ turn(dice.uniform(0, 6.3)))
    elif kind < 0.95:
        machines.bicycle(dice, at @ turn(dice.uniform(0, 6.3)))
    else:
        outdoors.banner(dice, at)


def room_light(dice: Dice, target: tuple[float, float, float], distance: float) -> None:
    """A window's light from one side, perhaps a second lamp."""
    azimuth, elevation = dice.choice((-1, 1)) * dice.uniform(0.4, 2.6), dice.uniform(0.35, 1.3)
    place = around(target, distance * dice.uniform(1.2, 2.5), azimuth, elevation)
    light.lamp(dice, place, target, dice.uniform(15, 60) * distance**2, dice.log(0.08, 1.2))
    if dice.chance(0.4):
        place = around(target, distance * 2, dice.uniform(-3, 3), dice.uniform(0.4, 1.4))
        light.lamp(dice, place, target, dice.uniform(4, 25) * distance**2, 0.6)


def portrait_light(dice: Dice, high: float, scale: float = 1.0) -> None:
    """A key light, perhaps a fill and a rim."""
    target = (0.0, 0.0, high)
    place = around(
        target, 2.2 * scale, dice.choice((-1, 1)) * dice.uniform(0.2, 1.4), dice.uniform(0.05, 0.9)
    )
    light.lamp(dice, place, target, dice.uniform(40, 140) * scale**2, dice.log(0.15, 1.5) * scale)
    if dice.chance(0.6):
        place = around(target, 3 * scale, dice.uniform(-1.2, 1.2), dice.uniform(0, 0.6))
        light.lamp(dice, place, target, dice.uniform(10, 60) * scale**2, 1.5 * scale)
    if dice.chance(0.4):
        place = around(target, 2.5 * scale, math.pi + dice.uniform(-0.8, 0.8), dice.uniform(0.3, 1))
        light.lamp(dice, place, target, dice.uniform(20, 90) * scale**2, 0.4 * scale)
