"""Trees, grass, hills, houses and what stands along a street."""

import math
from collections.abc import Callable

import numpy as np

from . import furniture, materials, prints
from .dice import Dice, noise, rough_noise
from .shapes import (
    Frame,
    box,
    ground,
    lathe,
    leaves,
    lump,
    mesh,
    move,
    panel,
    rods,
    strands,
    tube,
    turn,
)


def tree(dice: Dice, at: Frame, tall: float) -> None:
    """A tree with leaves, a bare one, a conifer or a palm."""
    bark = materials.patterned(
        dice, "Noise", [(0.06, 0.04, 0.025), (0.2, 0.15, 0.1)], 8, (3, 3, 1), 0.9, bump=0.6
    )
    kind = dice.choice(("leafy", "leafy", "leafy", "clumps", "bare", "conifer", "palm"))
    thick = tall * dice.uniform(0.015, 0.035)
    if kind == "conifer":
        tube(at, [(0, 0, 0), (0, 0, tall)], [thick, thick * 0.2], bark)
        arrays, count = dice.arrays(), 1500
        high = arrays.random(count) ** 0.7
        out = (
            (1 - high)
            * tall
            * dice.uniform(0.15, 0.28)
            * (0.75 + 0.25 * np.sin(high * 40))
            * arrays.random(count) ** 0.4
        )
        angle = arrays.uniform(0, 6.3, count)
        places = np.stack(
            (out * np.cos(angle), out * np.sin(angle), tall * (0.1 + 0.88 * high) - out * 0.3), 1
        )
        leaves(dice, at, places, tall * 0.03, materials.leaf(dice), 2.5)
        return
    if kind == "palm":
        lean = tall * dice.uniform(-0.15, 0.15)
        top = (lean, 0, tall)
        tube(
            at,
            [(0, 0, 0), (lean * 0.3, 0, tall * 0.5), top],
            [thick, thick * 0.7, thick * 0.6],
            bark,
        )
        arrays, steps = dice.arrays(), np.linspace(0, 1, 9)[None, :, None]
        angle = arrays.uniform(0, 6.3, 26)
        way = (
            np.stack((np.cos(angle), np.sin(angle), arrays.uniform(0.2, 1, 26)), 1)[:, None]
            * tall
            * 0.35
        )
        spines = np.array(top) + way * steps - np.array((0, 0, tall * 0.45)) * steps**2
        fronds = spines.reshape(-1, 3)
        strands(at, spines, tall * 0.006, materials.leaf(dice))
        leaves(dice, at, np.repeat(fronds, 3, 0), tall * 0.015, materials.leaf(dice), 5)
        return
    twigs: list[np.ndarray] = []
    _branch(
        dice,
        at,
        np.zeros(3),
        np.array((dice.gauss(0, 0.06), dice.gauss(0, 0.06), 1.0)),
        tall * 0.45,
        thick,
        3,
        bark,
        twigs,
    )
    if kind == "bare":
        return
    green, ends = materials.leaf(dice), np.array(twigs)
    arrays = dice.arrays()
    if kind == "clumps":
        for end in ends[arrays.permutation(len(ends))[:9]]:
            lump(dice, at @ move(*end), tall * dice.uniform(0.1, 0.2), green, 0.25)
    count = 2600
    places = ends[arrays.integers(0, len(ends), count)] + arrays.normal(0, tall * 0.05, (count, 3))
    leaves(dice, at, places, tall * dice.uniform(0.018, 0.04), green)


def _branch(
    dice: Dice,
    at: Frame,
    start: np.ndarray,
    way: np.ndarray,
    long: float,
    thick: float,
    forks: int,
    bark: materials.Material,
    ends: list[np.ndarray],
) -> None:
    way = way / np.linalg.norm(way)
    side = np.array([dice.gauss(0, 0.12) for _ in range(3)]) * long
    middle, end = start + way * long * 0.5 + side, start + way * long
    tube(at, [tuple(start), tuple(middle), tuple(end)], [thick, thick * 0.8, thick * 0.6], bark)
    if forks == 0:
        ends.append(end)
        return
    for _ in range(dice.randint(2, 4)):
        spread = np.array([dice.gauss(0, 0.6), dice.gauss(0, 0.6), dice.uniform(0, 0.35)])
        part = start + (end - start) * dice.uniform(0.6, 1)
        _branch(
            dice,
            at,
            part,
            way + spread,
            long * dice.uniform(0.5, 0.75),
            thick * 0.55,
            forks - 1,
            bark,
            ends,
        )


def bush(dice: Dice, at: Frame, size: float) -> None:
    """A bush or hedge of leaves around a lump."""
    green = materials.leaf(dice)
    lump(dice, at @ move(0, 0, size * 0.5), (size * 0.85, size * 0.85, size * 0.6), green, 0.2)
    arrays = dice.arrays()
    out = arrays.normal(0, 1, (900, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    places = out * size * arrays.uniform(0.8, 1.05, (900, 1)) * (1, 1, 0.75) + (0, 0, size * 0.5)
    leaves(dice, at, places, size * dice.uniform(0.06, 0.14), green)


def grass(
    dice: Dice,
    at: Frame,
    wide: float,
    tall: float,
    height: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Blades over a square, lower at its middle than they are many."""
    arrays, count = dice.arrays(), 4000
    roots = np.stack(
        (arrays.uniform(-wide, wide, count), arrays.uniform(-wide, wide, count), np.zeros(count)), 1
    )
    if height:
        roots[:, 2] = height(roots)
    bend = arrays.normal(0, 0.35, (count, 1, 3)) * (1, 1, 0)
    steps = np.linspace(0, 1, 4)[None, :, None]
    long = tall * arrays.uniform(0.4, 1.2, (count, 1, 1))
    points = roots[:, None] + long * (np.array((0, 0, 1.0)) * steps + bend * steps**2)
    base = np.array(dice.shade(dice.choice(materials.LEAVES[:4]), 0.3))
    shades = base * np.exp(arrays.normal(0, 0.3, (count, 1)))
    strands(at, points, tall * 0.018 + 0.002, materials.painted(0.7), np.clip(shades, 0, 1))


def hills(dice: Dice, tall: float, size: float) -> Callable[[np.ndarray], np.ndarray]:
    """Heights of rolling ground that is level where the viewer stands."""
    own, rough = dice.getrandbits(40), dice.chance(0.4)

    def height(points: np.ndarray) -> np.ndarray:
        made = (rough_noise if rough else noise)(Dice(own), points * (1, 1, 0), size)
        far = np.clip(np.hypot(points[:, 0], points[:, 1]) / (1.2 * size), 0, 1) ** 2
        return tall * made * far

    return height


def mountain_range(dice: Dice, at: Frame, wide: float, tall: float) -> None:
    """A ridge along x, far away."""
    own = dice.getrandbits(40)

    def height(points: np.ndarray) -> np.ndarray:
        x, y, _ = points.T
        ridge = np.exp(-((y / (wide * 0.12)) ** 2)) * np.exp(-((x / (wide * 0.45)) ** 4))
        return (
            tall * ridge * (0.7 + 0.35 * rough_noise(Dice(own), points * (1, 1, 0), wide * 0.25, 5))
        )

    base = dice.choice(((0.2, 0.2, 0.18), (0.12, 0.17, 0.1), (0.25, 0.3, 0.38), (0.6, 0.62, 0.66)))
    colours = [dice.shade(base), dice.shade(base, 0.4)]
    made = materials.patterned(dice, "Noise", colours, 8 / wide, roughness=0.95)
    ground(at, wide, made, height, 100)


def rock(dice: Dice, at: Frame, size: float) -> None:
    """A boulder."""
    radii = (
        size * dice.uniform(0.7, 1.4),
        size * dice.uniform(0.7, 1.2),
        size * dice.uniform(0.4, 1),
    )
    lump(dice, at @ move(0, 0, size * 0.2), radii, materials.stone(dice), 0.18)


def house(dice: Dice, at: Frame, wide: float, deep: float, floors: int) -> None:
    """A house whose front is at y = 0; walls, windows, a door, a roof, perhaps a chimney."""
    tall = floors * dice.uniform(2.6, 3.2)
    wall = dice.choice(
        (materials.brick, materials.brick, materials.plaster, materials.wood, materials.stone)
    )(dice)
    trim = materials.plain(
        dice.shade(dice.choice(((0.75, 0.75, 0.72), (0.1, 0.07, 0.05), (0.3, 0.31, 0.3)))), 0.6
    )
    pane = materials.plain(dice.shade((0.05, 0.07, 0.09)), 0.05)
    middle = at @ move(0, deep / 2, tall / 2)
    for angle, across, far in ((0, wide, deep), (1, deep, wide), (2, wide, deep), (3, deep, wide)):
        side = middle @ turn(angle * math.pi / 2) @ move(0, -far / 2, 0)
        # Patterns lie in x and y, so the wall is made lying and raised.
        half_w, half_t = across / 2, tall / 2
        corners = np.array(
            ((-half_w, -half_t, 0), (half_w, -half_t, 0), (half_w, half_t, 0), (-half_w, half_t, 0))
        )
        mesh(side @ turn(math.pi / 2, "X"), corners, [(0, 1, 2, 3)], wall, smooth=False)
        _windows(
            dice, side @ move(0, 0, -tall / 2), across, tall, floors, trim, pane, door=angle == 0
        )
    _roof(dice, at @ move(0, deep / 2, tall), wide, deep)


def _windows(
    dice: Dice,
    at: Frame,
    wide: float,
    tall: float,
    floors: int,
    trim: materials.Material,
    pane: materials.Material,
    door: bool,
) -> None:
    columns = max(1, int(wide / dice.uniform(1.6, 2.8)))
    high = tall / floors
    size = (dice.uniform(0.7, 1.1), dice.uniform(1.1, 1.7))
    entrance = dice.randrange(columns) if door else -1
    shutters = materials.paint(dice) if dice.chance(0.3) else None
    for floor in range(floors):
        for column in range(columns):
            x = ((column + 0.5) / columns - 0.5) * wide
            if floor == 0 and column == entrance:
                box(at @ move(x, -0.02, 0), (1.1, 0.1, 2.2), trim)
                box(at @ move(x, -0.06, 0), (0.9, 0.06, 2.1), materials.paint(dice), bevel=0.01)
                box(at @ move(x, -0.5, 0), (1.6, 1, 0.15), materials.stone(dice))
                continue
            z = floor * high + high * 0.32
            box(at @ move(x, 0, z - 0.06), (size[0] + 0.16, 0.16, size[1] + 0.12), trim)
            panel(at @ move(x, -0.085, z + size[1] / 2), *size, pane)
            box(at @ move(x, -0.09, z), (0.05, 0.03, size[1]), trim)
            box(at @ move(x, -0.1, z - 0.12), (size[0] + 0.3, 0.3, 0.07), trim)
            if shutters:
                for side in (-1, 1):
                    box(
                        at @ move(x + side * (size[0] * 0.75 + 0.1), -0.05, z),
                        (size[0] * 0.45, 0.05, size[1]),
                        shutters,
                    )


def _roof(dice: Dice, at: Frame, wide: float, deep: float) -> None:
    over = 0.4
    x, y = wide / 2 + over, deep / 2 + over
    base = dice.choice(((0.3, 0.1, 0.05), (0.1, 0.1, 0.11), (0.2, 0.15, 0.11)))
    made = materials.patterned(
        dice,
        "Brick",
        [dice.shade(base), dice.shade(base, 0.3), dice.shade((0.03, 0.03, 0.03))],
        2.5,
        (1, 1, 0.1),
        0.85,
    )
    if dice.chance(0.35):  # flat, with a parapet
        box(at, (2 * x - 0.4, 2 * y - 0.4, dice.uniform(0.2, 0.8)), materials.stone(dice))
        return
    high = deep * dice.uniform(0.3, 0.6)
    along = dice.chance(0.5)
    ridge = (
        [(-x * 0.98, 0, high), (x * 0.98, 0, high)]
        if along
        else [(0, -y * 0.98, high), (0, y * 0.98, high)]
    )
    eaves = [(-x, -y, -0.1), (x, -y, -0.1), (x, y, -0.1), (-x, y, -0.1)]
    faces = (
        [(0, 1, 5, 4), (2, 3, 4, 5), (1, 2, 5), (3, 0, 4)]
        if along
        else [(3, 0, 4, 5), (1, 2, 5, 4), (0, 1, 4), (2, 3, 5)]
    )
    mesh(at, np.array(eaves + ridge), faces, made, smooth=False)
    if dice.chance(0.6):
        place = at @ move(dice.uniform(-0.3, 0.3) * wide, dice.uniform(-0.2, 0.2) * deep, 0)
        box(place, (0.6, 0.6, high + dice.uniform(0.3, 1)), materials.stone(dice))


def street_lamp(dice: Dice, at: Frame) -> None:
    """A lamp post, sign post or traffic light."""
    steel = dice.choice((materials.metal, materials.paint))(dice)
    tall = dice.uniform(2.2, 6)
    if tall < 3.2:
        tube(at, [(0, 0, 0), (0, 0, tall)], 0.03, steel)
        sign = materials.printed(prints.label(dice, 64, 64), 0.4)
        panel(at @ move(0, -0.04, tall - 0.2) @ turn(dice.uniform(-0.6, 0.6)), 0.55, 0.55, sign)
        return
    lathe(at, [(0.12, 0), (0.1, 0.5), (0.05, 0.6), (0.035, tall)], steel, 1)
    arm = dice.choice((-1, 0, 1)) * dice.uniform(0.5, 1.5)
    tube(at, [(0, 0, tall), (arm * 0.4, 0, tall + 0.25), (arm, 0, tall + 0.2)], 0.03, steel)
    box(at @ move(arm, 0, tall + 0.1), (0.5, 0.25, 0.15), steel, bevel=0.04)


def fence(dice: Dice, at: Frame, long: float) -> None:
    """A fence along x: pales, rails or wire."""
    made = dice.choice((materials.wood, materials.paint, materials.metal))(dice)
    tall, kind = dice.uniform(0.7, 1.4), dice.choice(("pales", "rails", "wire"))
    gap = {"pales": 0.14, "rails": 1.8, "wire": 2.2}[kind]
    posts = [(x * gap - long / 2, 0, 0) for x in range(int(long / gap) + 1)]
    thick = 0.03 if kind == "pales" else 0.05
    rods(at, [((x, 0, 0), (x, 0, tall)) for x, _, _ in posts], thick, made)
    rails = {"pales": 2, "rails": 3, "wire": 5}[kind]
    lines = [
        (
            (-long / 2, 0, tall * (i + 0.7) / (rails + 0.4)),
            (long / 2, 0, tall * (i + 0.7) / (rails + 0.4)),
        )
        for i in range(rails)
    ]
    rods(at, lines, 0.006 if kind == "wire" else 0.03, made)


def wires(dice: Dice, at: Frame, long: float) -> None:
    """Poles along y with sagging wires between them."""
    made, dark = materials.wood(dice), materials.plain((0.02, 0.02, 0.02))
    tall, gap = dice.uniform(6, 9), dice.uniform(14, 25)
    count = max(2, int(long / gap))
    for index in range(count):
        pole = at @ move(0, index * gap, 0)
        tube(pole, [(0, 0, 0), (0, 0, tall)], 0.11, made)
        box(pole @ move(0, 0, tall - 0.7), (1.8, 0.1, 0.12), made)
    for x in (-0.8, 0, 0.8):
        line = []
        for step in range((count - 1) * 6 + 1):
            share = step / 6
            line.append((x, share * gap, tall - 0.55 - 2.4 * (share % 1) * (1 - share % 1)))
        tube(at, line, 0.02, dark, bent=False)


def bench(dice: Dice, at: Frame) -> None:
    """A park bench."""
    made, steel = materials.wood(dice), materials.metal(dice)
    wide = dice.uniform(1.2, 1.8)
    for x in (-wide / 2 + 0.1, wide / 2 - 0.1):
        tube(
            at,
            [(x, -0.2, 0), (x, -0.2, 0.42), (x, 0.2, 0.42), (x, 0.3, 0.85)],
            0.025,
            steel,
            bent=False,
        )
        tube(at, [(x, 0.2, 0), (x, 0.2, 0.42)], 0.025, steel)
    for index in range(4):
        box(at @ move(0, -0.18 + index * 0.12, 0.43), (wide, 0.09, 0.03), made)
    for index in range(3):
        box(at @ move(0, 0.22 + index * 0.03, 0.55 + index * 0.12), (wide, 0.03, 0.09), made)


def banner(dice: Dice, at: Frame) -> None:
    """A flag outdoors."""
    furniture.flagpole(dice, at, dice.uniform(3, 8))
