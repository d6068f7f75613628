"""What is on a laid table; each thing stands on its frame's origin."""

import math

import numpy as np

from . import materials, prints
from .dice import Dice
from .shapes import Frame, ball, box, lathe, loft, lump, move, tube, turn


def cup(dice: Dice, at: Frame) -> None:
    """A cup or mug with something to drink, often on a saucer with a spoon."""
    china = materials.ceramic(dice)
    radius, tall = dice.uniform(0.035, 0.055), dice.uniform(0.06, 0.11)
    foot, lift = radius * dice.uniform(0.5, 1), 0.0
    if dice.chance(0.6):
        wide = radius * dice.uniform(1.6, 2.2)
        profile = [(0.001, 0.004), (wide * 0.6, 0.004), (wide, 0.016), (wide, 0.02)]
        lathe(at, [*profile, (wide * 0.6, 0.01), (0.001, 0.009)], china)
        lift = 0.01
        if dice.chance(0.6):
            spoon(dice, at @ turn(dice.uniform(0, 6.3)) @ move(radius * 1.5, 0, 0.018))
    up = at @ move(0, 0, lift)
    curve = dice.uniform(-0.3, 0.6) * (radius - foot)
    middle = (radius + foot) / 2 + curve
    outside = [(0.001, 0), (foot, 0), (middle, tall / 2), (radius, tall)]
    inside = [
        (radius - 0.004, tall),
        (middle - 0.004, tall / 2),
        (foot - 0.004, 0.008),
        (0.001, 0.008),
    ]
    lathe(up, outside + inside, china)
    drink = dice.choice(
        ((0.05, 0.02, 0.01), (0.3, 0.16, 0.07), (0.25, 0.08, 0.01), (0.7, 0.6, 0.5))
    )
    level, rim = tall * dice.uniform(0.6, 0.93), radius * 0.985
    surface = materials.plain(drink, 0.08)
    if dice.chance(0.4):  # milk foam
        foam = (dice.shade((0.75, 0.62, 0.48), 0.1), drink, dice.shade((0.5, 0.3, 0.15)))
        surface = materials.patterned(
            dice, "Noise", foam, dice.log(20, 60), roughness=0.3, stains=0
        )
    full = foot + (rim - foot) * min(1.0, level / tall) + curve * 0.7
    lathe(up, [(min(full, rim) - 0.003, level - 0.001), (0.001, level)], surface, along=1)
    if dice.chance(0.8):
        reach, low, high = radius * 0.75, tall * 0.2, tall * 0.85
        bow = [(middle * 0.95, 0, low), (radius + reach, 0, low * 1.4)]
        bow += [(radius + reach, 0, high * 0.9), (radius * 0.95, 0, high)]
        tube(up @ turn(dice.uniform(0, 6.3)), bow, dice.uniform(0.004, 0.007), china)


def spoon(dice: Dice, at: Frame) -> None:
    """A spoon, fork or knife lying along x."""
    steel = materials.metal(dice)
    long = dice.uniform(0.12, 0.2)
    tube(at, [(0, -long / 2, 0.004), (0, 0, 0.01), (0, long / 2, 0.004)], 0.0028, steel)
    kind = dice.choice(("spoon", "fork", "knife"))
    if kind == "spoon":
        ball(at @ move(0, long / 2 + 0.02, 0.006), (0.014, 0.024, 0.005), steel, detail=16)
    elif kind == "fork":
        for x in (-0.008, -0.003, 0.003, 0.008):
            line = [(0, long / 2, 0.004), (x, long / 2 + 0.012, 0.003), (x, long / 2 + 0.05, 0.006)]
            tube(at, line, 0.0014, steel)
    else:
        box(at @ move(0, long / 2 + 0.04, 0.003), (0.014, 0.1, 0.0015), steel)


def plate(dice: Dice, at: Frame) -> None:
    """A plate or bowl, empty or with food."""
    wide, rise = dice.uniform(0.09, 0.14), dice.choice((0.012, 0.02, 0.05, 0.07))
    outside = [(0.001, 0), (wide * 0.6, 0), (wide, rise)]
    inside = [(wide * 0.98, rise + 0.004), (wide * 0.62, 0.006), (0.001, 0.006)]
    lathe(at, outside + inside, materials.ceramic(dice))
    if dice.chance(0.65):
        for _ in range(dice.randint(1, 9)):
            far, angle = wide * 0.5 * dice.random(), dice.uniform(0, 6.3)
            food(dice, at @ move(far * math.cos(angle), far * math.sin(angle), 0.006))


def food(dice: Dice, at: Frame) -> None:
    """A bun, a biscuit, a slice, a leaf, a lump."""
    colour = dice.choice(
        (
            (0.45, 0.22, 0.07),
            (0.6, 0.4, 0.15),
            (0.5, 0.06, 0.03),
            (0.2, 0.3, 0.05),
            (0.8, 0.7, 0.5),
            (0.15, 0.06, 0.03),
        )
    )
    skin = materials.patterned(
        dice, "Noise", [dice.shade(colour), dice.shade(colour, 0.5)], dice.log(20, 90), bump=0.4
    )
    size = dice.uniform(0.012, 0.04)
    if dice.chance(0.6):
        lump(
            dice, at @ move(0, 0, size * 0.5), (size, size * dice.uniform(0.6, 1), size * 0.6), skin
        )
    else:
        lathe(at, [(0.001, 0), (size, 0), (size, size * 0.4), (0.001, size * 0.5)], skin)


def bottle(dice: Dice, at: Frame) -> None:
    """A bottle, jar, can or carton."""
    shell = materials.glass(dice) if dice.chance(0.45) else materials.anything(dice)
    radius, tall = dice.uniform(0.025, 0.05), dice.uniform(0.1, 0.32)
    neck = radius * dice.choice((0.3, 0.35, 0.5, 0.9))
    shoulder = tall * dice.uniform(0.5, 0.8)
    profile = [(0.001, 0), (radius * 0.95, 0), (radius, 0.01), (radius, shoulder)]
    profile += [(neck, shoulder + (tall - shoulder) * 0.5), (neck, tall), (0.001, tall)]
    lathe(at, profile, shell, along=3)
    if dice.chance(0.6):
        low, high = shoulder * 0.25, shoulder * 0.85
        paper = materials.printed(prints.label(dice, 160, 48))
        rings = [
            (low, radius + 0.001, radius + 0.001, 0, 0),
            (high, radius + 0.001, radius + 0.001, 0, 0),
        ]
        loft(at @ turn(dice.uniform(0, 6.3)), rings, paper)
    if dice.chance(0.6):
        lathe(
            at @ move(0, 0, tall),
            [(neck * 1.1, -0.012), (neck * 1.1, 0.008), (0.001, 0.008)],
            materials.paint(dice),
        )


def fruit(dice: Dice, at: Frame) -> None:
    """An apple, orange, pear, banana or lemon."""
    size = dice.uniform(0.03, 0.045)
    kind = dice.choice(("round", "round", "pear", "banana"))
    colour = dice.choice(
        (
            (0.5, 0.03, 0.02),
            (0.75, 0.28, 0.02),
            (0.3, 0.4, 0.05),
            (0.75, 0.6, 0.05),
            (0.2, 0.03, 0.06),
        )
    )
    skin = materials.patterned(
        dice, "Noise", [dice.shade(colour), dice.shade(colour, 0.3)], dice.log(5, 60), roughness=0.3
    )
    stalk = materials.plain((0.08, 0.05, 0.02))
    if kind == "banana":
        skin = materials.patterned(
            dice, "Noise", [(0.8, 0.58, 0.06), (0.75, 0.5, 0.04), (0.1, 0.06, 0.02)], 20
        )
        line = [
            (-0.08, 0.03, 0.02),
            (-0.05, 0, 0.02),
            (0, -0.015, 0.02),
            (0.05, 0, 0.02),
            (0.09, 0.04, 0.025),
        ]
        tube(at, line, [0.006, 0.016, 0.018, 0.016, 0.004], skin)
        return
    if kind == "pear":
        profile = [
            (0.001, 0),
            (size * 0.8, size * 0.3),
            (size, size),
            (size * 0.5, size * 2),
            (0.001, size * 2.5),
        ]
        lathe(at, profile, skin)
        return
    dent = dice.uniform(0, 0.3)

    def dented(unit: np.ndarray) -> np.ndarray:
        return unit * (1 - dent * np.exp(-((1 - np.abs(unit[:, 2:])) * 12)))

    ball(at @ move(0, 0, size * 0.93), size, skin, dented, detail=24)
    tube(at @ move(0, 0, size * 1.6), [(0, 0, 0), (0.004, 0, 0.018)], 0.002, stalk)


def basket(dice: Dice, at: Frame) -> None:
    """A bowl or basket full of fruit."""
    wide, rise = dice.uniform(0.1, 0.17), dice.uniform(0.05, 0.1)
    weave = materials.patterned(
        dice, "Checker", [(0.35, 0.2, 0.08), (0.5, 0.33, 0.15)], 60, bump=0.5
    )
    made = dice.choice((weave, materials.ceramic(dice), materials.wood(dice)))
    outside = [(0.001, 0), (wide * 0.6, 0), (wide, rise), (wide * 0.95, rise), (wide * 0.6, 0.01)]
    lathe(at, [*outside, (0.001, 0.01)], made)
    for _ in range(dice.randint(4, 10)):
        far, angle = wide * 0.65 * math.sqrt(dice.random()), dice.uniform(0, 6.3)
        fruit(
            dice, at @ move(far * math.cos(angle), far * math.sin(angle), dice.uniform(0.01, rise))
        )
