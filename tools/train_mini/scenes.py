"""Synthetic scenes as depth maps: what the miniature learns its shapes from.

A scene is relative inverse depth, float32 `[side, side]`, 1 = nearest and 0 = farthest, and a noun
that names it. Everything is drawn over a square from −1 to 1 in both directions, y downwards.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

Map = np.ndarray  # float32 [side, side]

FAR = -10.0  # depth of "nothing here", before the scene is put on a background


@dataclass(frozen=True)
class Scene:
    """A depth map `[side, side]` in 0..1, larger is nearer, and what it shows."""

    depth: Map
    noun: str


def random_scene(random: Generator, side: int) -> Scene:
    """Draw one scene of a random family; it looks alike at every size (`side` in pixels)."""
    families, shares = zip(*FAMILIES.items(), strict=True)
    depth, noun = families[random.choice(len(families), p=shares)](random, *_plane(side))
    return Scene(stretched(depth).astype(np.float32), noun)


def stretched(depth: Map) -> Map:
    """A map over the whole range from 0 to 1; a flat one becomes 0."""
    low, high = depth.min(), depth.max()
    return (depth - low) / max(high - low, 1e-6)


# --- Families -------------------------------------------------------------------------------------


def _still_life(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """One to five solids before a background, the nearer hiding the farther."""
    shapes = tuple(SOLIDS)
    depth, first = np.full_like(x, FAR), ""
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        noun = str(random.choice(shapes))
        scale = random.uniform(0.25, 0.8)
        u, v = _placed(random, x, y, scale, spread=0.8 - scale / 2)
        solid = SOLIDS[noun](random, u, v)
        depth = np.maximum(depth, solid * scale + random.uniform(-0.25, 0.25))
        first = first or noun
    return _before(depth, _background(random, x, y)), first


def _blobs(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """Balls that flow together."""
    field = np.zeros_like(x)
    for _ in range(random.integers(3, 9)):
        cx, cy = random.uniform(-0.6, 0.6, 2)
        field += random.uniform(0.03, 0.12) / ((x - cx) ** 2 + (y - cy) ** 2 + 0.01)
    height = np.sqrt(np.clip(field - 1.0, 0, None) / (1 + field)) * 1.2
    depth = np.where(field > 1.0, height, FAR)
    return _before(depth, _background(random, x, y)), "blob"


def _landscape(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """Ground that rises toward the viewer, and ridges behind one another."""
    depth = np.full_like(x, 0.0)
    for ridge in range(random.integers(2, 6)):
        level = 0.15 + 0.75 * ridge / 5
        line = random.uniform(-0.5, 0.4) + 0.35 * _noise(random, x.shape[0], 4)[0][None, :]
        ridge_depth = level + 0.3 * (y - line) + 0.08 * _noise(random, x.shape[0], 10)
        depth = np.where(y > line, np.maximum(depth, ridge_depth), depth)
    return depth, "landscape"


def _waves(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """A smooth height field."""
    cells = int(random.integers(2, 8))
    return _noise(random, x.shape[0], cells) + random.uniform(-0.5, 0.5) * y, "relief"


def _cutout(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """A flat outline, puffed up from its border by a random amount."""
    noun, mask = _outline(random, x, y)
    side = x.shape[0]
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) / side
    puff = random.uniform(0.0, 1.0)
    body = 0.6 + puff * np.sqrt(np.clip(inside, 0, 0.15) / 0.15) * 0.5
    depth = np.where(mask, body, FAR)
    return _before(depth, _background(random, x, y)), noun


def _emboss(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """An outline raised from a plate or sunk into it, with soft flanks."""
    _, mask = _outline(random, x, y)
    soft = cv2.GaussianBlur(
        mask.astype(np.float32), (0, 0), x.shape[0] * random.uniform(0.01, 0.04)
    )
    sign = random.choice((-1.0, 1.0))
    plate = np.where(np.hypot(x, y) < 0.95, 0.5, 0.0) if random.random() < 0.5 else 0.0
    return plate + sign * 0.35 * soft + 0.1 * _noise(random, x.shape[0], 3), "relief"


def _figure(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """People-like figures of capsules, in any pose."""
    depth = np.full_like(x, FAR)
    count = random.choice((1, 1, 1, 2))
    for _ in range(count):
        size = random.uniform(0.5, 1.0) / (1.2 if count > 1 else 1.0)
        cx = random.uniform(-0.5, 0.5) if count > 1 else random.uniform(-0.25, 0.25)
        u, v = (x - cx) / size, (y - random.uniform(-0.1, 0.2)) / size
        depth = np.maximum(depth, _person(random, u, v) * size + random.uniform(-0.1, 0.1))
    noun = str(random.choice(("statue", "person", "dancer", "astronaut")))
    return _before(depth, _background(random, x, y)), noun


def _bust(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """A head with nose, brow and eye sockets on neck and shoulders."""
    size = random.uniform(0.6, 1.0)
    u, v = _placed(random, x, y, size, spread=0.25, turn=0.25)
    look = random.uniform(-0.35, 0.35)  # the face turns to a side
    head = _ellipsoid(u, v + 0.3, 0.38, 0.5, 0.4)
    w = u - look * 0.4
    face = (
        0.16 * np.exp(-((w / 0.06) ** 2) - ((v + 0.22) / 0.14) ** 2)
        - 0.08 * np.exp(-(((np.abs(w) - 0.15) / 0.07) ** 2) - ((v + 0.36) / 0.05) ** 2)
        - 0.04 * np.exp(-((w / 0.13) ** 2) - ((v + 0.03) / 0.025) ** 2)
    )
    head = np.where(head > FAR / 2, head + face, head)
    neck = _capsule(u, v, (0.0, 0.0), (0.0, 0.45), 0.17) - 0.1
    shoulders = _ellipsoid(u, v - 0.9, 0.85, 0.5, 0.3) - 0.1
    depth = np.maximum.reduce((head, neck, shoulders)) * size
    if random.random() < 0.5:  # hair or a helmet
        hair = _ellipsoid(u, v + 0.38, 0.44, 0.5, 0.36)
        depth = np.where(v < -0.45, np.maximum(depth, hair * size), depth)
    return _before(depth, _background(random, x, y)), str(random.choice(("bust", "portrait")))


def _room(random: Generator, x: Map, y: Map) -> tuple[Map, str]:
    """The inside of a box in perspective, with boxes and pillars standing in it.

    Inverse distance along a ray is linear in the ray's direction for every plane, and the nearest
    plane of a convex room is the one with the largest inverse distance.
    """
    cx, cy = random.uniform(-0.3, 0.3, 2)
    dx, dy = x - cx, y - cy
    wide, high, deep = random.uniform(0.6, 1.4), random.uniform(0.5, 1.0), random.uniform(2.0, 5.0)
    planes = [1.0 / deep, np.abs(dx) / wide, dy / high]
    if random.random() < 0.7:
        planes.append(-dy / high)
    depth = np.maximum.reduce(np.broadcast_arrays(*planes))
    for _ in range(random.integers(0, 4)):
        near = random.uniform(1.0, deep)  # a box on the floor: its front, and its top
        left, width = random.uniform(-wide, wide), random.uniform(0.15, 0.6)
        top = random.uniform(0.2, 0.9) * high
        front = (dx * near > left) & (dx * near < left + width)
        front &= (dy * near > high - top) & (dy * near < high)
        depth = np.where(front, np.maximum(depth, 1.0 / near), depth)
        lid = dy / max(high - top, 0.05)
        back = near + width
        over = (lid > 1.0 / back) & (lid < 1.0 / near) & (dy > 0)
        over &= (dx > left * lid) & (dx < (left + width) * lid)
        depth = np.where(over, np.maximum(depth, lid), depth)
    return depth, "room"


# How often each is drawn.
FAMILIES: dict[Callable[[Generator, Map, Map], tuple[Map, str]], float] = {
    _still_life: 0.24,
    _blobs: 0.08,
    _landscape: 0.1,
    _waves: 0.06,
    _cutout: 0.1,
    _emboss: 0.06,
    _figure: 0.14,
    _bust: 0.1,
    _room: 0.12,
}

NOUNS = (
    "ball,cylinder,cone,box,ring,vase,pyramid,blob,landscape,relief,star,heart,flower,letter,leaf,"
    "statue,person,dancer,astronaut,bust,portrait,room"
).split(",")


# --- Solids: height over the image plane where they are, FAR elsewhere --------------------------


def _ellipsoid(x: Map, y: Map, a: float = 1.0, b: float = 1.0, c: float = 1.0) -> Map:
    inside = 1 - (x / a) ** 2 - (y / b) ** 2
    return np.where(inside > 0, c * np.sqrt(np.clip(inside, 0, None)), FAR)


def _ball(random: Generator, x: Map, y: Map) -> Map:
    return _ellipsoid(x, y)


def _cylinder(random: Generator, x: Map, y: Map) -> Map:
    tall = random.uniform(0.5, 1.0)
    return np.where(np.abs(y) < tall, _ellipsoid(x, np.zeros_like(y), 0.5, 1.0, 0.5), FAR)


def _cone(random: Generator, x: Map, y: Map) -> Map:
    radius = np.clip((y + 1) * random.uniform(0.3, 0.45), 1e-6, None)
    inside = (np.abs(y) < 1) & (np.abs(x) < radius)
    return np.where(inside, np.sqrt(np.clip(radius**2 - x**2, 0, None)), FAR)


def _box(random: Generator, x: Map, y: Map) -> Map:
    """A block whose front, seen slantwise, falls away to both sides of an edge."""
    edge, fall = random.uniform(-0.4, 0.4), random.uniform(0.2, 0.9)
    tall = random.uniform(0.5, 0.9)
    body = 0.5 - fall * np.where(x > edge, x - edge, (edge - x) * random.uniform(0.3, 1.0))
    return np.where((np.abs(x) < 0.75) & (np.abs(y) < tall), body, FAR)


def _ring(random: Generator, x: Map, y: Map) -> Map:
    thick = random.uniform(0.15, 0.3)
    tube = thick**2 - (np.hypot(x, y / random.uniform(0.6, 1.0)) - 0.7) ** 2
    return np.where(tube > 0, np.sqrt(np.clip(tube, 0, None)) + 0.1, FAR)


def _vase(random: Generator, x: Map, y: Map) -> Map:
    """A body of revolution with a random profile."""
    knots = random.uniform(0.15, 0.6, 5)
    profile = np.interp(y[:, 0], np.linspace(-1, 1, 5), knots)
    profile = cv2.GaussianBlur(profile[:, None].astype(np.float32), (0, 0), len(y) * 0.04)
    inside = profile**2 - x**2
    body = np.where(inside > 0, np.sqrt(np.clip(inside, 0, None)), FAR)
    return np.where(np.abs(y) < 0.95, body, FAR)


def _pyramid(random: Generator, x: Map, y: Map) -> Map:
    height = 1 - np.maximum(np.abs(x), np.abs(y))
    return np.where(height > 0, height, FAR)


SOLIDS: dict[str, Callable[[Generator, Map, Map], Map]] = {
    "ball": _ball,
    "cylinder": _cylinder,
    "cone": _cone,
    "box": _box,
    "ring": _ring,
    "vase": _vase,
    "pyramid": _pyramid,
}


def _capsule(
    x: Map, y: Map, start: tuple[float, float], end: tuple[float, float], radius: float
) -> Map:
    """A rod with round ends."""
    (ax, ay), (bx, by) = start, end
    length = max((bx - ax) ** 2 + (by - ay) ** 2, 1e-6)
    along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1)
    apart = (x - ax - along * (bx - ax)) ** 2 + (y - ay - along * (by - ay)) ** 2
    return np.where(apart < radius**2, np.sqrt(np.clip(radius**2 - apart, 0, None)), FAR)


def _person(random: Generator, x: Map, y: Map) -> Map:
    """Head, trunk and jointed limbs, about 1.8 high around the origin."""
    lean = random.uniform(-0.15, 0.15)
    hip, chest = (0.0, 0.1), (lean, -0.35)
    parts = [
        _ellipsoid(x - lean * 1.4, y + 0.72, 0.15, 0.19, 0.17),
        _capsule(x, y, hip, chest, 0.19) + 0.02,
        _capsule(x, y, chest, (lean * 1.3, -0.6), 0.08),
    ]
    for side in (-1, 1):
        shoulder = (lean + 0.2 * side, -0.42)
        parts.append(_limb(random, x, y, shoulder, 0.3, 0.085, random.uniform(-0.6, 2.6) * side))
        joint = (0.11 * side, 0.15)
        parts.append(_limb(random, x, y, joint, 0.4, 0.11, random.uniform(-0.1, 0.7) * side))
    return np.maximum.reduce(parts)


def _limb(
    random: Generator,
    x: Map,
    y: Map,
    start: tuple[float, float],
    length: float,
    radius: float,
    angle: float,
) -> Map:
    """Two rods with a bend between them; the angle is measured from straight down."""
    nearer = random.uniform(-0.1, 0.15)
    bent = angle + random.uniform(-0.7, 0.7)
    knee = (start[0] + length * np.sin(angle), start[1] + length * np.cos(angle))
    end = (knee[0] + length * np.sin(bent), knee[1] + length * np.cos(bent))
    return nearer + np.maximum(
        _capsule(x, y, start, knee, radius), _capsule(x, y, knee, end, radius * 0.85)
    )


# --- Backgrounds, outlines, coordinates, noise ----------------------------------------------------


def _background(random: Generator, x: Map, y: Map) -> Map:
    """A floor before a wall, a slope, or gentle hills: behind the objects, nearer at the bottom.

    Never quite flat, because every depth in the image should have one right order.
    """
    slope = random.uniform(0.1, 0.4) * y + random.uniform(-0.15, 0.15) * x
    kind = random.integers(3)
    if kind == 0:
        horizon = random.uniform(-0.1, 0.6)
        return -1.0 + 0.4 * slope + np.clip(y - horizon, 0, None) * random.uniform(0.3, 0.9)
    if kind == 1:
        return -0.8 + slope
    return -0.8 + slope + 0.15 * _noise(random, x.shape[0], 3)


def _before(depth: Map, background: Map) -> Map:
    return np.where(depth > FAR / 2, np.maximum(depth, background), background)


def _outline(random: Generator, x: Map, y: Map) -> tuple[str, np.ndarray]:
    """A flat shape as a boolean mask, and what it is."""
    noun = str(random.choice(("star", "heart", "flower", "letter", "leaf")))
    u, v = _placed(random, x, y, random.uniform(0.6, 0.95), spread=0.2)
    if noun == "letter":
        return noun, _letter(random, x.shape[0])
    if noun == "heart":
        return noun, (u**2 + (-v * 1.1 - np.abs(u) * 0.7 + 0.1) ** 2) < 0.6
    if noun == "leaf":
        return noun, (u**2 < (0.45 * np.cos(np.clip(v, -1, 1) * np.pi / 2)) ** 2) & (np.abs(v) < 1)
    wave = np.cos(random.integers(4, 8) * np.arctan2(u, -v))
    if noun == "flower":
        return noun, np.hypot(u, v) < 0.65 + 0.25 * wave
    return noun, np.hypot(u, v) < 0.4 + 0.5 * np.abs(np.arcsin(wave) / (np.pi / 2) + 1) / 2


def _letter(random: Generator, side: int) -> np.ndarray:
    letter = str(random.choice(tuple("ABCDEFGHKLMNPRSTXYZ23456789")))
    canvas = np.zeros((side, side), np.uint8)
    scale, thick = side / 36, max(2, round(side * random.uniform(0.07, 0.12)))
    (width, height), _ = cv2.getTextSize(letter, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    at = (
        round(side / 2 - width / 2 + random.uniform(-0.1, 0.1) * side),
        round(side / 2 + height / 2 + random.uniform(-0.1, 0.1) * side),
    )
    cv2.putText(canvas, letter, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 1, thick, cv2.LINE_8)
    return canvas > 0


def _plane(side: int) -> tuple[Map, Map]:
    """x and y of every pixel's centre."""
    axis = ((np.arange(side, dtype=np.float32) + 0.5) / side) * 2 - 1
    x, y = np.meshgrid(axis, axis)
    return x, y


def _placed(
    random: Generator, x: Map, y: Map, scale: float, spread: float, turn: float = 0.6
) -> tuple[Map, Map]:
    """Coordinates of a thing of the given scale, moved and turned a little."""
    cx, cy = random.uniform(-spread, spread, 2)
    angle = random.uniform(-turn, turn)
    cos, sin = np.cos(angle), np.sin(angle)
    dx, dy = (x - cx) / scale, (y - cy) / scale
    return cos * dx + sin * dy, cos * dy - sin * dx


def _noise(random: Generator, side: int, cells: int) -> Map:
    """Smooth noise of about unit size, `(cells + 3) / 2` knots wide, the same at every `side`."""
    grid = random.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    wide = cv2.resize(grid, (side * 2, side * 2), interpolation=cv2.INTER_CUBIC)
    return wide[side // 2 : side // 2 + side, side // 2 : side // 2 + side]
