"""Places: each builds a whole scene and says where the camera stands in it."""

import math
from collections.abc import Callable

import numpy as np
from mathutils import Matrix

from . import animals, figures, furniture, light, machines, materials, outdoors, things
from .dice import Dice
from .shapes import Frame, box, ground, mesh, move, panel, ring, sheet, turn, wrinkles
from .view import View, around

HERE = Matrix.Identity(4)


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
    _surroundings(dice, -0.75)
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
    _room_light(dice, target, 0.9)
    return View(around(target, distance, dice.gauss(0, 0.5), elevation), target, lens, 0.45)


def room(dice: Dice) -> View:
    """A furnished room."""
    wide, deep, tall = _walls(dice)
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
    _walls(dice)
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


def portrait(dice: Dice) -> View:
    """A person, from head and shoulders to half length, before whatever hangs or stands behind."""
    _behind(dice)
    seated = dice.chance(0.25)
    suit = dice.chance(0.35)
    if seated:
        furniture.chair(dice, move(0, 0.02, 0))
    x, y, high = figures.person(dice, HERE, seated, suit)
    shot = dice.choice(("head", "bust", "half", "half", "half"))
    tall = {
        "head": dice.uniform(0.36, 0.55),
        "bust": dice.uniform(0.55, 0.8),
        "half": dice.uniform(0.7, 1.05),
    }[shot]
    lens = dice.uniform(45, 85)
    target = (x + dice.gauss(0, 0.08) * tall, y, high + 0.13 - tall * dice.uniform(0.3, 0.45))
    distance = tall * lens / 36
    _portrait_light(dice, high)
    return View(
        around(target, distance, dice.gauss(0, 0.3), dice.gauss(0.03, 0.12)), target, lens, 0.4
    )


def people(dice: Dice) -> View:
    """One to four people at full length or cut off, indoors or out."""
    inside = dice.chance(0.5)
    if inside:
        _behind(dice)
    else:
        _open_air(dice, things_too=True)
    count = dice.choice((1, 1, 2, 2, 3, 4))
    for index in range(count):
        place = move((index - (count - 1) / 2) * dice.uniform(0.6, 0.9), dice.uniform(-0.4, 0.6), 0)
        figures.person(dice, place @ turn(dice.gauss(0, 0.4)))
    if dice.chance(0.2):
        animals.pet(dice, move(dice.uniform(-0.8, 0.8), -0.5, 0) @ turn(dice.uniform(-0.8, 0.8)))
    if dice.chance(0.15):
        machines.bicycle(dice, move(dice.uniform(-0.6, 0.6), dice.choice((-0.6, 0.7)), 0))
    tall = dice.uniform(1.3, 2.6)
    target = (dice.gauss(0, 0.15), 0, dice.uniform(0.85, 1.35))
    lens = dice.uniform(30, 60)
    if inside:
        _portrait_light(dice, 1.6)
    return View(
        around(target, tall * lens / 36, dice.gauss(0, 0.35), dice.gauss(0.03, 0.1)),
        target,
        lens,
        0.25,
    )


def pet_face(dice: Dice) -> View:
    """A cat's or dog's face that fills the frame."""
    _behind(dice, z=-0.4)
    if dice.chance(0.5):
        floor = dice.choice((materials.fabric, materials.wood, materials.tiles))(dice)
        box(move(0, 0.4, -0.34), (2, 1.6, 0.12), floor, bevel=0.03)
    animals.face(dice, HERE)
    size = dice.uniform(0.13, 0.3)
    lens = dice.uniform(40, 80)
    target = (dice.gauss(0, 0.015), 0, dice.gauss(0, 0.015))
    _portrait_light(dice, 0, 0.3)
    return View(
        around(target, size * lens / 36 + 0.05, dice.gauss(0, 0.3), dice.gauss(0.1, 0.2)),
        target,
        lens,
        0.5,
    )


def pet(dice: Dice) -> View:
    """A whole cat or dog on a floor, a sofa, in the grass."""
    if dice.chance(0.6):
        _behind(dice)
        lift = 0.0
        if dice.chance(0.4):
            furniture.sofa(dice, move(0, 0.1, 0))
            lift = 0.4
        _portrait_light(dice, 0.4 + lift, 0.8)
    else:
        _open_air(dice, things_too=dice.chance(0.5))
        lift = 0.0
        if dice.chance(0.6):
            outdoors.grass(dice, HERE, 0.8, dice.uniform(0.03, 0.1))
    animals.pet(dice, move(0, -0.05, lift) @ turn(dice.gauss(0, 0.7)))
    target = (dice.gauss(0, 0.05), 0, lift + dice.uniform(0.12, 0.28))
    lens = dice.uniform(35, 60)
    return View(
        around(
            target, dice.uniform(0.6, 1.4) * lens / 36, dice.gauss(0, 0.4), dice.uniform(-0.05, 0.7)
        ),
        target,
        lens,
        0.4,
    )


def garage(dice: Dice) -> View:
    """A bicycle or motorcycle among shelves and boxes, or in the open."""
    machine = dice.choice(
        (machines.motorcycle, machines.motorcycle, machines.motorcycle, machines.bicycle)
    )
    if dice.chance(0.7):
        wide, deep, _ = _walls(dice, near=True)
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
        _open_air(dice, things_too=True)
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
    _open_air(dice, things_too=False)
    wide = dice.uniform(6, 13)
    outdoors.house(dice, move(0, 4, 0), wide, dice.uniform(6, 10), dice.randint(1, 3))
    for x in (-1, 1):
        if dice.chance(0.7):
            outdoors.house(
                dice,
                move(x * (wide / 2 + dice.uniform(4, 9)), dice.uniform(3, 9), 0),
                dice.uniform(5, 9),
                7,
                dice.randint(1, 3),
            )
    for _ in range(dice.randint(1, 6)):
        x, y = dice.uniform(-6, 6), dice.uniform(-4, 3)
        _outdoor_thing(dice, move(x, y, 0))
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
    ground(move(0, 60, 0), 240, soil, lambda p: height(p + (0, 60, 0)), 110)
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


def flowers(dice: Dice) -> View:
    """Plants from near by."""
    if dice.chance(0.6):
        _open_air(dice, things_too=True)
    else:
        _behind(dice)
        _room_light(dice, (0, 0, 0.3), 1)
    for _ in range(dice.randint(3, 9)):
        place = move(dice.gauss(0, 0.2), dice.uniform(-0.15, 0.8), 0)
        if dice.chance(0.4):
            things.plant(dice, place)
        else:
            things.bunch(dice, place, dice.uniform(0.2, 0.5), 0.05)
    if dice.chance(0.7):
        outdoors.grass(dice, move(0, 0.25, 0), 0.7, dice.uniform(0.04, 0.15))
    target = (dice.gauss(0, 0.05), 0, dice.uniform(0.1, 0.35))
    return View(
        around(target, dice.uniform(0.3, 1.0), dice.gauss(0, 0.5), dice.uniform(0, 0.9)),
        target,
        dice.uniform(35, 60),
        0.6,
    )


def flat(dice: Dice) -> View:
    """A wall of pictures and prints, with little that is solid before it."""
    _walls(dice, near=True)
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


Place = Callable[[Dice], View]

# What a place is drawn by, and how often.
PLACES: dict[str, tuple[Place, float]] = {
    "table_top": (table_top, 17),
    "room": (room, 12),
    "corner": (corner, 7),
    "flat": (flat, 4),
    "portrait": (portrait, 17),
    "people": (people, 9),
    "pet_face": (pet_face, 7),
    "pet": (pet, 5),
    "garage": (garage, 8),
    "street": (street, 5),
    "house_front": (house_front, 4),
    "landscape": (landscape, 8),
    "launch": (launch, 6),
    "flowers": (flowers, 4),
}


# --- What places share ----------------------------------------------------------------------------


def _walls(dice: Dice, near: bool = False) -> tuple[float, float, float]:
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


def _surroundings(dice: Dice, floor: float) -> None:
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


def _behind(dice: Dice, z: float = 0.0) -> None:
    """What a portrait is taken before: a studio's backdrop, flags and pictures, a room, a garden."""
    kind = dice.choice(("studio", "studio", "office", "office", "room", "garden"))
    if kind == "garden":
        _open_air(dice, things_too=True, z=z)
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
            (lambda p: folds(p + (0, 1, 0))[:, 1] - 1) if folds else None,
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


def _open_air(dice: Dice, things_too: bool, z: float = 0.0) -> None:
    """Ground under a sky, with trees, bushes and houses behind."""
    light.daylight(dice)
    ground(
        move(0, 0, z), 300, dice.choice((materials.earth, materials.earth, materials.asphalt))(dice)
    )
    if not things_too:
        return
    for _ in range(dice.randint(1, 7)):
        y = dice.log(1.5, 25)
        _outdoor_thing(dice, move(dice.uniform(-0.7, 0.7) * (y + 1.5), y, z))
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


def _outdoor_thing(dice: Dice, at: Frame) -> None:
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


def _room_light(dice: Dice, target: tuple[float, float, float], distance: float) -> None:
    """A window's light from one side, perhaps a second lamp."""
    azimuth, elevation = dice.choice((-1, 1)) * dice.uniform(0.4, 2.6), dice.uniform(0.35, 1.3)
    place = around(target, distance * dice.uniform(1.2, 2.5), azimuth, elevation)
    light.lamp(dice, place, target, dice.uniform(15, 60) * distance**2, dice.log(0.08, 1.2))
    if dice.chance(0.4):
        place = around(target, distance * 2, dice.uniform(-3, 3), dice.uniform(0.4, 1.4))
        light.lamp(dice, place, target, dice.uniform(4, 25) * distance**2, 0.6)


def _portrait_light(dice: Dice, high: float, scale: float = 1.0) -> None:
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
