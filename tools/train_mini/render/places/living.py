"""People and animals, from faces to groups; plants from near by."""

from .. import animals, figures, furniture, machines, materials, outdoors, things
from ..dice import Dice
from ..shapes import HERE, box, move, turn
from ..view import View, around
from . import sets


def portrait(dice: Dice) -> View:
    """A person, from head and shoulders to half length, before whatever hangs or stands behind."""
    sets.behind(dice)
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
    sets.portrait_light(dice, high)
    return View(
        around(target, distance, dice.gauss(0, 0.3), dice.gauss(0.03, 0.12)), target, lens, 0.4
    )


def people(dice: Dice) -> View:
    """One to four people at full length or cut off, indoors or out."""
    inside = dice.chance(0.5)
    if inside:
        sets.behind(dice)
    else:
        sets.open_air(dice, things_too=True)
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
        sets.portrait_light(dice, 1.6)
    return View(
        around(target, tall * lens / 36, dice.gauss(0, 0.35), dice.gauss(0.03, 0.1)),
        target,
        lens,
        0.25,
    )


def pet_face(dice: Dice) -> View:
    """A cat's or dog's face that fills the frame."""
    sets.behind(dice, z=-0.4)
    if dice.chance(0.5):
        floor = dice.choice((materials.fabric, materials.wood, materials.tiles))(dice)
        box(move(0, 0.4, -0.34), (2, 1.6, 0.12), floor, bevel=0.03)
    animals.face(dice, HERE)
    size = dice.uniform(0.13, 0.3)
    lens = dice.uniform(40, 80)
    target = (dice.gauss(0, 0.015), 0, dice.gauss(0, 0.015))
    sets.portrait_light(dice, 0, 0.3)
    return View(
        around(target, size * lens / 36 + 0.05, dice.gauss(0, 0.3), dice.gauss(0.1, 0.2)),
        target,
        lens,
        0.5,
    )


def pet(dice: Dice) -> View:
    """A whole cat or dog on a floor, a sofa, in the grass."""
    if dice.chance(0.6):
        sets.behind(dice)
        lift = 0.0
        if dice.chance(0.4):
            furniture.sofa(dice, move(0, 0.1, 0))
            lift = 0.4
        sets.portrait_light(dice, 0.4 + lift, 0.8)
    else:
        sets.open_air(dice, things_too=dice.chance(0.5))
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


def flowers(dice: Dice) -> View:
    """Plants from near by."""
    if dice.chance(0.6):
        sets.open_air(dice, things_too=True)
    else:
        sets.behind(dice)
        sets.room_light(dice, (0, 0, 0.3), 1)
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
