"""Meshes and strands: everything that scenes are built of, as objects of the open Blender scene.

A shape is built in a frame `at` (a 4×4 matrix): x to the right, y away from the viewer, z up.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .dice import Dice, noise, rough_noise

Point = tuple[float, float, float]
Frame: TypeAlias = Matrix
Material: TypeAlias = bpy.types.Material

HERE = Matrix.Identity(4)


def move(x: float, y: float, z: float) -> Frame:
    """The frame moved."""
    return Matrix.Translation((x, y, z))


def turn(angle: float, axis: str = "Z") -> Frame:
    """The frame turned by `angle` radians."""
    return Matrix.Rotation(angle, 4, axis)


def grow(x: float, y: float | None = None, z: float | None = None) -> Frame:
    """The frame scaled, evenly or along each axis."""
    return Matrix.Diagonal((x, x if y is None else y, x if z is None else z, 1))


def mesh(
    at: Frame,
    vertices: np.ndarray,
    faces: np.ndarray | Sequence[Sequence[int]],
    material: Material,
    smooth: bool = True,
    uv: np.ndarray | None = None,
    colours: np.ndarray | None = None,
) -> bpy.types.Object:
    """An object of `vertices` `[n, 3]`; `uv` `[n, 2]` and `colours` `[n, 3]` are optional."""
    data = bpy.data.meshes.new("mesh")
    listed = faces.tolist() if isinstance(faces, np.ndarray) else faces
    data.from_pydata(np.asarray(vertices, float).tolist(), [], listed)
    if smooth:
        data.polygons.foreach_set("use_smooth", np.ones(len(data.polygons), bool))
    if uv is not None:
        corners = np.empty(len(data.loops), np.int32)
        data.loops.foreach_get("vertex_index", corners)
        data.uv_layers.new().data.foreach_set("uv", uv[corners].astype(np.float32).ravel())
    if colours is not None:
        filled = np.c_[colours, np.ones(len(colours))].astype(np.float32)
        paint = data.color_attributes.new("paint", "FLOAT_COLOR", "POINT")
        paint.data.foreach_set("color", filled.ravel())
    return _placed(at, data, material)


def _placed(at: Frame, data: bpy.types.ID, material: Material) -> bpy.types.Object:
    data.materials.append(material)
    thing = bpy.data.objects.new("thing", data)
    thing.matrix_world = at
    bpy.context.scene.collection.objects.link(thing)
    return thing


def _grid(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Faces of a grid of vertices, row by row; `closed` joins the last column to the first."""
    row, column = np.mgrid[: rows - 1, : columns - (not closed)].reshape(2, -1)
    after = (column + 1) % columns
    low, high = row * columns, (row + 1) * columns
    return np.stack((low + column, low + after, high + after, high + column), 1)


def box(at: Frame, size: Point, material: Material, bevel: float = 0.0) -> bpy.types.Object:
    """A box that stands on the frame's origin."""
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    corners = [(sx * x, sy * y, sz * z) for sz in (0, 1) for sy in (-1, 1) for sx in (-1, 1)]
    sides = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6)]
    made = mesh(at, np.array(corners), sides, material, smooth=False)
    if bevel:
        edge = made.modifiers.new("edge", "BEVEL")
        edge.width, edge.segments = min(bevel, 0.45 * min(size)), 2
    return made


def panel(at: Frame, width: float, height: float, material: Material) -> bpy.types.Object:
    """A flat rectangle around the origin, in x and z, seen from −y."""
    return sheet(at, width, height, material, cells=1)


def sheet(
    at: Frame,
    width: float,
    height: float,
    material: Material,
    folds: Callable[[np.ndarray], np.ndarray] | None = None,
    cells: int = 24,
) -> bpy.types.Object:
    """A rectangle in x and z, pushed along y by `folds` (of points `[n, 3]`)."""
    v, u = np.mgrid[: cells + 1, : cells + 1].reshape(2, -1) / cells
    points = np.stack(((u - 0.5) * width, 0 * u, (v - 0.5) * height), 1)
    if folds:
        points[:, 1] = folds(points)
    return mesh(at, points, _grid(cells + 1, cells + 1), material, uv=np.stack((u, v), 1))


def ground(
    at: Frame,
    size: float,
    material: Material,
    height: Callable[[np.ndarray], np.ndarray] | None = None,
    cells: int = 80,
) -> bpy.types.Object:
    """A square in x and y, raised by `height` (of points `[n, 3]`)."""
    cells = cells if height else 1
    v, u = np.mgrid[: cells + 1, : cells + 1].reshape(2, -1) / cells - 0.5
    points = np.stack((u * size, v * size, 0 * u), 1)
    if height:
        points[:, 2] = height(points)
    return mesh(at, points, _grid(cells + 1, cells + 1), material, uv=np.stack((u, v), 1) + 0.5)


def loft(
    at: Frame,
    rings: Sequence[tuple[float, float, float, float, float]],
    material: Material,
    around: int = 24,
    along: int = 1,
    square: float = 2.0,
    change: Callable[[np.ndarray], np.ndarray] | None = None,
    colours: Callable[[np.ndarray], np.ndarray] | None = None,
) -> bpy.types.Object:
    """A skin over rings (z, x radius, y radius, x, y of the middle), with `along` rings a step.

    `square` is the exponent of a superellipse; `change` moves the points `[n, 3]`.
    """
    given = np.array(rings, float)
    steps = np.linspace(0, len(given) - 1, (len(given) - 1) * along + 1)
    if along > 1:
        smooth = np.interp(steps, np.arange(len(given)), np.arange(len(given)))
        low = np.clip(smooth.astype(int), 0, len(given) - 2)
        part = (smooth - low)[:, None]
        ease = part * part * (3 - 2 * part) * 0.6 + part * 0.4
        given = given[low] * (1 - ease) + given[low + 1] * ease
    angle = np.linspace(0, 2 * math.pi, around, endpoint=False)
    power = 2 / square
    cos = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    sin = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    z, rx, ry, x, y = (column[:, None] for column in given.T)
    points = np.stack(np.broadcast_arrays(x + rx * cos, y + ry * sin, z), -1).reshape(-1, 3)
    v, u = np.broadcast_arrays(np.linspace(0, 1, len(given))[:, None], angle / (2 * math.pi))
    faces = [*_grid(len(given), around, closed=True).tolist()]
    faces += [list(range(around))[::-1], list(range(len(points) - around, len(points)))]
    if change:
        points = change(points)
    painted = None if colours is None else colours(points)
    return mesh(
        at, points, faces, material, uv=np.stack((u, v), -1).reshape(-1, 2), colours=painted
    )


def lathe(
    at: Frame, profile: Sequence[tuple[float, float]], material: Material, along: int = 4
) -> bpy.types.Object:
    """A body of revolution from (radius, z)."""
    rings = [(z, max(radius, 1e-4), max(radius, 1e-4), 0, 0) for radius, z in profile]
    return loft(at, rings, material, around=32, along=along)


def tube(
    at: Frame,
    points: Sequence[Point],
    radii: float | Sequence[float],
    material: Material,
    bent: bool = True,
) -> bpy.types.Object:
    """A round tube along points; `bent` rounds its corners."""
    curve = bpy.data.curves.new("tube", "CURVE")
    curve.dimensions, curve.bevel_depth, curve.bevel_resolution = "3D", 1.0, 2
    curve.use_fill_caps, curve.resolution_u = True, 4
    widths = [radii] * len(points) if isinstance(radii, (int, float)) else radii
    if bent and len(points) > 2:
        line = curve.splines.new("BEZIER")
        line.bezier_points.add(len(points) - 1)
        for knot, point, width in zip(line.bezier_points, points, widths, strict=True):
            knot.co, knot.radius = point, width
            knot.handle_left_type = knot.handle_right_type = "AUTO"
    else:
        line = curve.splines.new("POLY")
        line.points.add(len(points) - 1)
        for knot, point, width in zip(line.points, points, widths, strict=True):
            knot.co, knot.radius = (*point, 1), width
    return _placed(at, curve, material)


def rods(
    at: Frame, lines: Sequence[tuple[Point, Point]], radius: float, material: Material
) -> None:
    """Many straight thin rods as one object."""
    curve = bpy.data.curves.new("rods", "CURVE")
    curve.dimensions, curve.bevel_depth, curve.bevel_resolution = "3D", radius, 0
    for start, end in lines:
        line = curve.splines.new("POLY")
        line.points.add(1)
        line.points[0].co, line.points[1].co = (*start, 1), (*end, 1)
    _placed(at, curve, material)


def ring(
    at: Frame, radius: float, thickness: float, material: Material, flat: float = 1.0
) -> bpy.types.Object:
    """A torus around the y axis; `flat` is how much wider than thick it is."""
    a, b = np.mgrid[:48, :12].reshape(2, -1)
    a, b = a / 48 * 2 * math.pi, b / 12 * 2 * math.pi
    out = radius + thickness * np.cos(b)
    points = np.stack((out * np.cos(a), thickness * flat * np.sin(b), out * np.sin(a)), 1)
    row, column = np.mgrid[:48, :12].reshape(2, -1)
    after, beside = (row + 1) % 48, (column + 1) % 12
    faces = np.stack(
        (row * 12 + column, row * 12 + beside, after * 12 + beside, after * 12 + column), 1
    )
    return mesh(at, points, faces, material)


def sphere_points(rows: int = 32, columns: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Points `[n, 3]` of the unit sphere and faces; the poles are small holes nobody sees."""
    down, along = np.mgrid[:rows, :columns].reshape(2, -1)
    polar = np.clip(down / (rows - 1) * math.pi, 1e-3, math.pi - 1e-3)
    angle = along / columns * 2 * math.pi
    points = (np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar))
    return np.stack(points, 1), _grid(rows, columns, closed=True)


def ball(
    at: Frame,
    radii: Point | float,
    material: Material,
    change: Callable[[np.ndarray], np.ndarray] | None = None,
    keep: Callable[[np.ndarray], np.ndarray] | None = None,
    colours: Callable[[np.ndarray], np.ndarray] | None = None,
    detail: int = 32,
) -> bpy.types.Object:
    """An ellipsoid; `change` takes unit vectors to points of the unit ball, `keep` cuts holes."""
    unit, faces = sphere_points(detail, detail * 3 // 2)
    if keep is not None:
        faces = faces[keep(unit)[faces].all(1)]
    points = unit if change is None else change(unit)
    size = np.array((radii,) * 3 if isinstance(radii, (int, float)) else radii)
    painted = None if colours is None else colours(unit)
    return mesh(at, points * size, faces, material, colours=painted)


def lump(
    dice: Dice, at: Frame, radii: Point | float, material: Material, rough: float = 0.25
) -> None:
    """An uneven ball: a stone, a bush, a loaf."""
    size = dice.log(0.5, 1.5)
    ball(at, radii, material, lambda p: p * (1 + rough * rough_noise(dice, p, size)[:, None]))


def leaves(
    dice: Dice, at: Frame, places: np.ndarray, size: float, material: Material, long: float = 1.6
) -> None:
    """A small bent leaf at each of `places` `[n, 3]`, as one object."""
    arrays, count = dice.arrays(), len(places)
    along = arrays.normal(0, 1, (count, 3))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, arrays.normal(0, 1, (count, 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    length = size * long * arrays.uniform(0.6, 1.3, (count, 1))
    near = (places, places + along * length / 2 + across * size / 2)
    far = (places + along * length, places + along * length / 2 - across * size / 2)
    points = np.stack((*near, *far), 1).reshape(-1, 3)
    mesh(at, points, np.arange(count * 4).reshape(-1, 4), material, smooth=False)


def strands(
    at: Frame,
    points: np.ndarray,
    radius: float,
    material: Material,
    colours: np.ndarray | None = None,
) -> None:
    """Hair, fur or grass: curves `[strands, points, 3]` that taper; `colours` `[strands, 3]`."""
    count, length = points.shape[:2]
    data = bpy.data.hair_curves.new("strands")
    data.add_curves([length] * count)
    data.position_data.foreach_set("vector", points.astype(np.float32).ravel())
    taper = radius * np.linspace(1, 0.25, length, dtype=np.float32)
    data.attributes.new("radius", "FLOAT", "POINT").data.foreach_set("value", np.tile(taper, count))
    if colours is not None:
        filled = np.repeat(np.c_[colours, np.ones(count)], length, 0).astype(np.float32)
        paint = data.attributes.new("paint", "FLOAT_COLOR", "POINT")
        paint.data.foreach_set("color", filled.ravel())
    _placed(at, data, material)


def wrinkles(dice: Dice, size: float, depth: float) -> Callable[[np.ndarray], np.ndarray]:
    """Folds of cloth along no direction in particular, for points `[n, 3]` of a body."""

    def change(points: np.ndarray) -> np.ndarray:
        bent = points + 0.5 * size * noise(dice, points, 2 * size)[:, None]
        folds = 1 - np.abs(noise(dice, bent * (1, 1, 0.5), size, waves=4))
        middle = points * (0, 0, 1)
        out = points - middle
        out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-6
        return points + depth * folds[:, None] * out

    return change


def look(at: Point, target: Point) -> Frame:
    """The frame of a camera or lamp at a point that looks at another."""
    way = Vector(target) - Vector(at)
    return Matrix.Translation(at) @ way.to_track_quat("-Z", "Y").to_matrix().to_4x4()
