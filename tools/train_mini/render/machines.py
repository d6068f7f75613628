"""Machines of wheels and tubes: bicycles, motorcycles, cars, rockets and their towers."""

import math

import numpy as np

from . import materials, prints
from .dice import Dice
from .shapes import Frame, Point, ball, box, lathe, loft, lump, move, panel, ring, rods, tube, turn


def wheel(dice: Dice, at: Frame, size: float, tyre: float, spokes: int) -> None:
    """A wheel around the y axis, standing on the frame's origin."""
    hub = at @ move(0, 0, size)
    rubber = materials.plain(dice.shade((0.025, 0.025, 0.027)), 0.8)
    steel = materials.metal(dice)
    ring(hub, size - tyre, tyre, rubber, 1.1)
    ring(hub, size - 2 * tyre, tyre * 0.4, steel, 2)
    lathe(hub @ turn(math.pi / 2, "X"), [(0.03, -0.05), (0.03, 0.05)], steel, 1)
    rim = size - 2.2 * tyre
    if spokes > 12:
        lines = []
        for index in range(spokes):
            angle, off = index / spokes * 2 * math.pi, 0.35 * (-1) ** index
            end = (rim * math.cos(angle), 0, rim * math.sin(angle))
            start = (
                0.03 * math.cos(angle + off),
                0.03 * (-1) ** (index // 2),
                0.03 * math.sin(angle + off),
            )
            lines.append((start, end))
        rods(hub, lines, dice.uniform(0.0012, 0.003), steel)
    else:
        for index in range(spokes):
            angle = index / spokes * 2 * math.pi
            tube(
                hub,
                [(0, 0, 0), (rim * math.cos(angle), 0, rim * math.sin(angle))],
                [0.03, 0.018],
                steel,
            )


def bicycle(dice: Dice, at: Frame) -> None:
    """A bicycle along x."""
    made, dark, steel = (
        materials.paint(dice),
        materials.plain((0.02, 0.02, 0.02), 0.6),
        materials.metal(dice),
    )
    size, half = 0.34, dice.uniform(0.48, 0.55)
    for x in (-half, half):
        wheel(dice, at @ move(x, 0, 0), size, dice.uniform(0.014, 0.028), dice.choice((24, 32)))
    pedal, seat, fork = (-0.05, 0, 0.3), (-0.2, 0, 0.78), (half - 0.17, 0, 0.82)
    low = (half - 0.14, 0, 0.7)
    rear, front = (-half, 0, size), (half, 0, size)
    thick = dice.uniform(0.012, 0.02)
    for a, b in (
        (pedal, seat),
        (seat, low if dice.chance(0.4) else fork),
        (pedal, low),
        (fork, low),
    ):
        tube(at, [a, b], thick, made)
    for side in (-0.05, 0.05):
        tube(at, [(pedal[0], side * 0.5, pedal[2]), (rear[0], side, rear[2])], 0.009, made)
        tube(at, [(seat[0], side * 0.3, seat[2]), (rear[0], side, rear[2])], 0.008, made)
        tube(
            at,
            [(low[0], side, low[2]), (half - 0.03, side, 0.5), (front[0], side, front[2])],
            0.01,
            made,
        )
    tube(at, [seat, (-0.23, 0, 0.95)], 0.012, steel)
    ball(at @ move(-0.23, 0, 0.97), (0.13, 0.06, 0.03), dark, detail=16)
    bar = [
        (half - 0.1, -0.3, 0.98),
        (half - 0.2, -0.15, 1.0),
        (half - 0.2, 0.15, 1.0),
        (half - 0.1, 0.3, 0.98),
    ]
    tube(at, [fork, (half - 0.2, 0, 1.0)], 0.012, steel)
    tube(at, bar, 0.012, steel)
    ring(at @ move(-0.05, -0.05, 0.3), 0.09, 0.006, steel)
    for side in (-1, 1):
        tube(
            at, [(-0.05, side * 0.06, 0.3), (-0.05 + side * 0.14, side * 0.07, 0.22)], 0.009, steel
        )
        box(at @ move(-0.05 + side * 0.14, side * 0.11, 0.21), (0.08, 0.08, 0.02), dark)
    if dice.chance(0.35):
        carrier = at @ move(half - 0.02, 0, 0.75)
        lines = [
            ((x / 10 - 0.15, s * 0.15, 0), (x / 10 - 0.15, s * 0.17, 0.2))
            for x in range(4)
            for s in (-1, 1)
        ]
        rods(carrier, lines, 0.005, steel)
        box(carrier, (0.34, 0.32, 0.01), steel)


def motorcycle(dice: Dice, at: Frame) -> None:
    """A motorcycle along x, with all that hangs on one."""
    made, steel, chrome = (
        materials.paint(dice),
        materials.metal(dice),
        materials.plain((0.7, 0.7, 0.72), 0.12, 1.0),
    )
    dark = materials.plain((0.02, 0.02, 0.022), 0.5)
    size, half = dice.uniform(0.28, 0.34), dice.uniform(0.65, 0.78)
    spokes = dice.choice((5, 7, 10, 36, 40))
    for x in (-half, half):
        wheel(dice, at @ move(x, 0, 0), size, dice.uniform(0.05, 0.08), spokes)
        tall = at @ move(x, 0, size)
        lathe(
            tall @ turn(math.pi / 2, "X") @ move(0, 0, 0.05),
            [(0.13, 0), (0.13, 0.006), (0.05, 0.006)],
            steel,
            1,
        )
        ring_part = [
            (math.cos(a) * (size + 0.03), 0, math.sin(a) * (size + 0.03))
            for a in np.linspace(0.4, 2.6, 7)
        ]
        tube(tall, ring_part, 0.055, made)
    head: Point = (half - 0.25, 0, 0.9)
    for side in (-0.09, 0.09):
        tube(at, [(half, side, size), (head[0] - 0.02, side, head[2] + 0.04)], 0.025, chrome)
        tube(at, [(-half, side * 1.3, size), (-half + 0.3, side * 1.3, 0.72)], 0.02, steel)
        tube(at, [(-half, side, size), (-0.1, side, 0.42)], 0.025, dark)
        tube(
            at,
            [head, (-0.05, side * 1.1, 0.66), (-0.1, side, 0.35), (0.25, side, 0.24), head],
            0.02,
            dark,
        )
    # Engine: cases, cylinders with fins, pipes.
    box(at @ move(0.05, 0, 0.24), (0.45, 0.3, 0.26), steel, bevel=0.05)
    for x in (-0.06, 0.22) if dice.chance(0.5) else (0.1,):
        lean = at @ move(x, 0, 0.45) @ turn(dice.uniform(-0.4, 0.5), "Y")
        for index in range(9):
            box(lean @ move(0, 0, index * 0.024), (0.17, 0.22, 0.009), steel)
        box(lean, (0.12, 0.17, 0.24), dark)
    for side in (-1, 1):
        lathe(
            at @ move(0.05, side * 0.16, 0.36) @ turn(-side * math.pi / 2, "X"),
            [(0.11, 0), (0.1, 0.04), (0.001, 0.05)],
            chrome,
            1,
        )
    for y in (-0.2, -0.14):
        bend = [
            (0.25, y * 0.7, 0.5),
            (0.38, y, 0.36),
            (0.2, y, 0.2),
            (-0.3, y, 0.2),
            (-half - 0.1, y * 1.2, 0.3),
        ]
        tube(at, bend, [0.025, 0.027, 0.028, 0.04, 0.045], chrome)
    tank = at @ move(0.18, 0, 0.82)
    ball(
        tank,
        (0.32, 0.15, 0.13),
        made,
        lambda p: np.sign(p) * np.abs(p) ** np.array((0.8, 0.9, 0.8)),
    )
    if dice.chance(0.6):
        badge = materials.printed(prints.label(dice, 64, 24), 0.2)
        panel(tank @ move(0.02, -0.151, 0.0), 0.2, 0.07, badge)
    seat = [(-0.1, 0, 0.82), (-0.35, 0, 0.78), (-0.65, 0, 0.85), (-0.8, 0, 0.88)]
    tube(at, seat, [0.1, 0.13, 0.12, 0.05], materials.leather(dice))
    ball(at @ move(half - 0.12, 0, 0.93), (0.09, 0.1, 0.1), chrome, detail=20)
    glass = materials.plain((0.8, 0.8, 0.75), 0.05)
    ball(at @ move(half - 0.05, 0, 0.93), (0.03, 0.085, 0.085), glass, detail=16)
    high = dice.uniform(0.02, 0.3)
    bar = [
        (head[0] - 0.25, -0.38, 1.0 + high),
        (head[0] - 0.05, -0.22, 1.02 + high),
        (head[0], -0.05, 0.98),
    ]
    bar += [
        (head[0], 0.05, 0.98),
        (head[0] - 0.05, 0.22, 1.02 + high),
        (head[0] - 0.25, 0.38, 1.0 + high),
    ]
    tube(at, bar, 0.014, chrome)
    for side in (-1, 1):
        tube(
            at,
            [(bar[0][0], side * 0.38, 1.0 + high), (head[0] - 0.12, side * 0.26, 1.02 + high)],
            0.022,
            dark,
        )
        if dice.chance(0.7):
            rods(
                at,
                [
                    (
                        (head[0] - 0.1, side * 0.25, 1.02 + high),
                        (head[0] - 0.05, side * 0.33, 1.2 + high),
                    )
                ],
                0.006,
                dark,
            )
            ball(
                at @ move(head[0] - 0.05, side * 0.33, 1.22 + high),
                (0.015, 0.06, 0.04),
                dark,
                detail=12,
            )
    for _ in range(dice.randint(3, 9)):  # cables
        a = (head[0] - 0.1 + dice.uniform(-0.05, 0.1), dice.uniform(-0.2, 0.2), 1.0)
        b = (dice.uniform(-0.2, 0.5), dice.uniform(-0.18, 0.18), dice.uniform(0.3, 0.7))
        x, y, z = ((p + q) / 2 + dice.uniform(-0.1, 0.15) for p, q in zip(a, b, strict=True))
        tube(at, [a, (x, y, z), b], 0.006, dark)
    if dice.chance(0.4):
        lump(
            dice,
            at @ move(-half + 0.05, -0.25, 0.62),
            (0.2, 0.1, 0.15),
            materials.leather(dice),
            0.06,
        )
    tube(at, [(0, -0.1, 0.25), (0.02, -0.28, 0.01)], 0.012, dark)


def car(dice: Dice, at: Frame) -> None:
    """A car or van along x."""
    made, black = materials.paint(dice), materials.plain((0.015, 0.017, 0.02), 0.08)
    long, tall = dice.uniform(3.6, 4.8), dice.uniform(1.35, 1.9)
    wide, belt = 1.75, tall * dice.uniform(0.52, 0.6)
    box(at @ move(0, 0, 0.28), (long, wide, belt - 0.25), made, bevel=0.16)
    rear, front = dice.uniform(-0.48, -0.3) * long, dice.uniform(0.15, 0.32) * long
    rings = [
        (belt - 0.05, (front - rear) / 2 + 0.3, wide / 2 - 0.06, (front + rear) / 2, 0),
        (tall * 0.96, (front - rear) / 2 - 0.12, wide / 2 - 0.2, (front + rear) / 2, 0),
        (tall, (front - rear) / 2 - 0.3, wide / 2 - 0.3, (front + rear) / 2, 0),
    ]
    loft(at, rings, black, around=32, square=7)
    loft(at @ move(0, 0, 0.02), [rings[1], rings[2]], made, around=32, square=7)
    for x in (0.3 * long, -0.3 * long):
        for side in (-1, 1):
            wheel(dice, at @ move(x, side * (wide / 2 - 0.08), 0), 0.32, 0.09, 5)
    for end in (-1, 1):
        shine = materials.glowing((0.5, 0.02, 0.02) if end < 0 else (0.8, 0.8, 0.75), 0.3)
        for side in (-1, 1):
            ball(
                at @ move(end * (long / 2 - 0.05), side * 0.6, belt - 0.18),
                (0.08, 0.17, 0.08),
                shine,
                detail=12,
            )
        box(at @ move(end * (long / 2 - 0.02), 0, 0.3), (0.1, wide - 0.1, 0.15), black, bevel=0.03)
        plate = materials.printed(prints.label(dice, 64, 16))
        panel(
            at @ move(end * (long / 2 + 0.04), 0, 0.5) @ turn(end * math.pi / 2), 0.5, 0.12, plate
        )


def rocket(dice: Dice, at: Frame, tall: float) -> None:
    """A rocket of a given height, standing."""
    wide = tall * dice.uniform(0.03, 0.07)
    skin = materials.plain(dice.shade((0.72, 0.72, 0.7), 0.1), 0.5)
    dark = materials.plain(
        dice.shade(dice.choice(((0.03, 0.03, 0.03), (0.5, 0.2, 0.05), (0.3, 0.3, 0.32)))), 0.5
    )
    nose = dice.uniform(0.06, 0.16) * tall
    bulge = dice.choice((1.0, 1.0, 1.35))
    body = [
        (wide * 0.9, 0.02 * tall),
        (wide, 0.03 * tall),
        (wide, 0.6 * tall),
        (wide * 0.98, 0.62 * tall),
    ]
    top = tall - nose
    body += [
        (wide * bulge, 0.66 * tall),
        (wide * bulge, top),
        (wide * bulge * 0.7, top + nose * 0.55),
        (0.001, tall),
    ]
    lathe(at, body, skin, along=3)
    for low in (dice.uniform(0.05, 0.3), dice.uniform(0.4, 0.6)):
        band = [(wide * 1.01, low * tall), (wide * 1.01, (low + dice.uniform(0.01, 0.12)) * tall)]
        lathe(at, band, dark, 1)
    if dice.chance(0.6):
        text = materials.printed(np.rot90(prints.label(dice, 128, 24)))
        panel(at @ move(0, -wide * 1.03, 0.45 * tall), wide, 0.2 * tall, text)
    for index in range(dice.choice((0, 0, 2, 2, 4))):
        angle = index * math.pi / 2 + dice.uniform(0, 0.2) if index > 1 else index * math.pi
        place = at @ move(wide * 1.7 * math.cos(angle), wide * 1.7 * math.sin(angle), 0)
        high = dice.uniform(0.4, 0.7) * tall
        lathe(
            place,
            [
                (wide * 0.6, 0.02 * tall),
                (wide * 0.6, high),
                (wide * 0.35, high * 1.06),
                (0.001, high * 1.12),
            ],
            dice.choice((skin, skin, dark)),
        )
    for index in range(4):
        fin = at @ turn(index * math.pi / 2 + 0.5) @ move(wide, 0, 0.01 * tall)
        box(fin @ turn(0.3, "Y"), (wide * dice.uniform(0.3, 1.2), wide * 0.08, 0.06 * tall), dark)
        lathe(
            at @ turn(index * math.pi / 2) @ move(wide * 0.5, 0, -0.01 * tall),
            [(wide * 0.4, 0), (wide * 0.2, 0.03 * tall)],
            dark,
            1,
        )


def lattice(dice: Dice, at: Frame, wide: float, tall: float, thick: float) -> None:
    """A tower of posts, bars and braces; some bays have a floor."""
    steel = dice.choice((materials.metal, materials.paint, materials.stone))(dice)
    bays = max(3, int(tall / wide / dice.uniform(0.8, 1.5)))
    taper = dice.choice((1.0, 1.0, 0.6, 0.25))
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]

    def knot(bay: int, corner: int) -> Point:
        share = bay / bays
        half = wide / 2 * (1 - (1 - taper) * share)
        x, y = corners[corner % 4]
        return x * half, y * half, tall * share

    lines = []
    for bay in range(bays):
        for corner in range(4):
            lines.append((knot(bay, corner), knot(bay + 1, corner)))
            lines.append((knot(bay + 1, corner), knot(bay + 1, corner + 1)))
            lines.append((knot(bay, corner + bay % 2), knot(bay + 1, corner + 1 - bay % 2)))
        if dice.chance(0.25):
            size = 2 * abs(knot(bay + 1, 0)[0]) * 1.15
            box(at @ move(0, 0, tall * (bay + 1) / bays), (size, size, thick * 2), steel)
    rods(at, lines, thick, steel)
    if dice.chance(0.6):
        tube(at, [(0, 0, tall), (0, 0, tall * dice.uniform(1.1, 1.4))], thick * 0.7, steel)


def crane(dice: Dice, at: Frame, tall: float) -> None:
    """A tower crane."""
    lattice(dice, at, tall * 0.05, tall, tall * 0.004)
    way = at @ move(0, 0, tall * 0.95) @ turn(dice.uniform(0, 6.3))
    lattice(dice, way @ turn(math.pi / 2, "Y"), tall * 0.035, tall * 0.7, tall * 0.003)
    lattice(dice, way @ turn(-math.pi / 2, "Y"), tall * 0.035, tall * 0.2, tall * 0.003)
    steel = materials.metal(dice)
    rods(
        way,
        [((0, 0, tall * 0.15), (tall * 0.6, 0, 0)), ((0, 0, tall * 0.15), (-tall * 0.2, 0, 0))],
        tall * 0.002,
        steel,
    )
    reach = dice.uniform(0.2, 0.6) * tall
    rods(way, [((reach, 0, 0), (reach, 0, -dice.uniform(0.2, 0.8) * tall))], tall * 0.0015, steel)


def smoke(dice: Dice, at: Frame, size: float) -> None:
    """Clouds of exhaust at the foot of a rocket: solid, pale lumps."""
    made = materials.plain(dice.shade((0.75, 0.72, 0.7), 0.05), 1.0)
    for _ in range(dice.randint(5, 12)):
        far, angle = size * 1.6 * dice.random(), dice.uniform(0, 6.3)
        part = size * dice.uniform(0.3, 0.8)
        place = at @ move(far * math.cos(angle), far * math.sin(angle), part * 0.4)
        lump(dice, place, (part, part, part * dice.uniform(0.5, 1)), made, 0.2)
