"""Random states of the depth editor, with maps and photos to put them on."""

from typing import Any, NamedTuple

import numpy as np

DOES = ("nearer", "farther", "set", "scale", "smooth", "sharpen", "flatten", "delete", "erase")
TOOLS = ("stroke", "polygon", "flood", "gradient", "stamp")
TEXTS = ("Hi", "depth 2")


class Scene(NamedTuple):
    """A map of 65,536 steps `[H, W]`, a photo's luma of 256 or None, and a state."""

    steps: np.ndarray
    guide: np.ndarray | None
    state: dict[str, Any]


def scene(seed: int, edges: bool) -> Scene:
    """One of all kinds of edits; with `edges`, most of them keep to the photo's."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 130, 2))
    steps = _map(rng, height, width)
    guide = None
    if edges or rng.random() < 0.5:
        guide = (_map(rng, height, width) >> 8).astype(np.uint8)
    size = [width, height]
    if rng.random() < 0.5:
        size = [round(side * rng.uniform(0.4, 2.5) + 1, 3) for side in size]
    layers = [_layer(rng, *size, edges) for _ in range(rng.integers(1, 4))]
    return Scene(steps, guide, {"version": 1, "size": size, "layers": layers})


ODD = (None, "x", True, [], {}, -1, 1e9, 0.5, [1], [[1, 2]], "nearer", -0.0)


def broken(seed: int) -> dict[str, Any]:
    """A state with some values of another kind, out of range, or missing."""
    rng = np.random.default_rng(seed)
    state = scene(seed, edges=False).state
    for _ in range(rng.integers(0, 4)):
        inner, key = state, None
        while isinstance(inner, (dict, list)) and inner and (key is None or rng.random() < 0.8):
            outer, keys = inner, list(inner) if isinstance(inner, dict) else range(len(inner))
            key = keys[int(rng.integers(len(keys)))]
            inner = outer[key]
        if rng.random() < 0.15:
            del outer[key]
        else:
            outer[key] = ODD[int(rng.integers(len(ODD)))]
    return state


def _map(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Slopes with steps in them, or noise."""
    ys, xs = np.mgrid[:height, :width] / rng.uniform(5, 60, (2, 1, 1))
    smooth = (np.sin(xs + rng.uniform(0, 6)) + np.cos(ys)) / 4 + 0.5
    stepped = (smooth + np.floor(xs + ys) % 2 / 3) / 1.4
    noise = rng.random((height, width))
    return (rng.choice([smooth, stepped, noise, np.round(smooth)]) * 65535).astype(np.uint16)


def _layer(rng: np.random.Generator, width: float, height: float, edges: bool) -> dict[str, Any]:
    layer = {
        "name": "Layer",
        "visible": bool(rng.random() < 0.9),
        "opacity": float(rng.choice([1, 1, 0.37, 0])),
        "edits": [_edit(rng, width, height, edges) for _ in range(rng.integers(0, 5))],
    }
    if rng.random() < 0.2:
        layer["frames"] = [int(rng.integers(0, 2)), 3]
    return layer


def _edit(rng: np.random.Generator, width: float, height: float, edges: bool) -> dict[str, Any]:
    def value(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 3)

    def point() -> list[float]:
        return [value(-0.1 * width, 1.1 * width), value(-0.1 * height, 1.1 * height)]

    def points(least: int) -> list[list[float]]:
        return [point() for _ in range(rng.integers(least, 9))]

    tool = str(rng.choice(TOOLS))
    if tool == "stamp":
        return {
            "tool": tool,
            "shape": str(rng.choice(["ball", "box", "cone", "ramp", "text"])),
            "at": point(),
            "size": [value(1, 80), value(1, 80)],
            "angle": value(-360, 360),
            "depth": value(0, 1),
            "height": value(-1, 1),
            "tilt": [value(-1, 1), value(-1, 1)],
            "mode": str(rng.choice(["nearest", "over", "raise"])),
            "text": str(rng.choice(TEXTS)),
        }
    does = str(rng.choice(DOES))
    edit = {"tool": tool, "amount": value(0, 4 if does == "scale" and tool != "gradient" else 1)}
    if rng.random() < 0.2:
        edit["amount"] = 1
    if edges and rng.random() < 0.8:
        edit["edges"] = True
    if rng.random() < 0.3:
        edit["between"] = [value(0, 1), value(0, 1)]
    feather = value(0, 12) if rng.random() < 0.5 else 0
    if tool == "gradient":
        edit |= {"kind": str(rng.choice(["linear", "radial"])), "from": point(), "to": point()}
        edit["depths"] = [value(0, 1), value(0, 1)]
        if rng.random() < 0.5:
            edit |= {"points": points(3), "feather": feather}
        return edit
    edit |= {"does": does, "depth": value(0, 1), "reach": value(0.5, 40)}
    if tool == "stroke":
        pressures = rng.random() < 0.5
        path = [[*one, value(0, 1)] if pressures else one for one in points(1)]
        edit |= {"points": path, "radius": value(0.5, 40), "hardness": value(0, 1)}
    elif tool == "polygon":
        edit |= {"points": points(3), "feather": feather}
    else:
        edit |= {"at": point(), "tolerance": value(0, 0.4), "edge": value(0, 1)}
        edit["feather"] = feather
    return edit
