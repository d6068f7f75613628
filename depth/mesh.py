"""The surface that a depth map shows, as triangles.

The map is taken for a pinhole camera's disparity: where it is 1, things are one unit away, where it
is 0, `far` units, and 1 / distance grows in proportion to it. The camera stands at the origin and
looks along −z, x to the right and y up, as in glTF.
"""

import logging
import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..images.numbers import check_numbers
from .parallax import widen

log = logging.getLogger(__name__)

WINDOW = 0.01  # of the longer side, 2 pixels at least: where a step is told from a slope


class NoSurface(ValueError):  # noqa: N818 - names what is wrong
    """Nothing of a map is left to make triangles of."""


class Mesh(NamedTuple):
    """Triangles, counter-clockwise as the camera sees them."""

    vertices: Tensor  # float64 [N, 3]: x, y, z
    places: Tensor  # float64 [N, 2]: where on the image, x and y from 0 to 1 from its top left
    triangles: Tensor  # int64 [M, 3], of vertices


def surface(depth: Tensor, view_angle: float, far: float, cut: float, most: int) -> Mesh:
    """The surface of a map `[H, W]` in 0..1, with a vertex at the centre of every pixel.

    Args:
        view_angle: degrees that the longer side is seen under.
        far: how many times as far as depth 1 depth 0 is.
        cut: by how much depth may change within `WINDOW`; what changes more is not joined.
        most: vertices, at least 4. Of a map with more pixels, the pixels of a grid are taken that
            is as fine as that allows; a warning says so.
    """
    check_numbers(1.0, 170.0, view_angle=view_angle)
    check_numbers(1.0, far=far)
    check_numbers(0.0, cut=cut)
    rows, columns = _grid(depth.shape[0], depth.shape[1], most)
    depths = depth.double()[rows.unsqueeze(-1), columns]
    x, y = torch.meshgrid(columns.double() + 0.5, rows.double() + 0.5, indexing="xy")
    height, width = depth.shape
    focal = max(height, width) / 2 / math.tan(math.radians(view_angle) / 2)  # pixels
    distance = 1 / (depths + (1 - depths) / far)
    rays = torch.stack([(x - width / 2) / focal, (height / 2 - y) / focal, -torch.ones_like(x)], -1)
    places = torch.stack([x / width, y / height], dim=-1)
    triangles = _triangles(depths)
    keep = ~_steps(depth.double(), rows, columns, triangles, cut)
    return _compact(rays * distance.unsqueeze(-1), places, triangles[keep])


def _grid(height: int, width: int, most: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the pixels that become vertices."""
    if min(height, width) < 2:
        raise NoSurface(
            f"a map of {width} x {height} pixels has no surface; expected 2 x 2 or more"
        )
    if height * width <= most:
        return torch.arange(height), torch.arange(width)
    step = math.sqrt(height * width / most)
    while True:
        sides = [max(2, math.ceil((side - 1) / step)) for side in (height, width)]
        if sides[0] * sides[1] <= max(most, 4) or sides == [2, 2]:
            break
        step *= 1.01
    log.warning(
        "the mesh has %d x %d vertices for %d x %d pixels, to keep to the most of %d; its texture "
        "keeps all pixels",
        *(sides[1], sides[0], width, height, most),
    )
    rows, columns = (
        torch.linspace(0, side - 1, count, dtype=torch.float64).round().long()
        for side, count in zip((height, width), sides, strict=True)
    )
    return rows, columns


def _triangles(depths: Tensor) -> Tensor:
    """The triangles of a grid `[H, W]`, `[M, 3]`."""
    index = torch.arange(depths.numel()).view_as(depths)
    corners = [(slice(None, -1), slice(None, -1)), (slice(None, -1), slice(1, None))]
    corners += [(slice(1, None), slice(None, -1)), (slice(1, None), slice(1, None))]
    left_top, right_top, left_low, right_low = (index[corner].flatten() for corner in corners)
    values = depths.flatten()
    # Each square is divided from corner to corner where these differ less.
    falls = (values[left_top] - values[right_low]).abs() <= (
        values[right_top] - values[left_low]
    ).abs()
    first = torch.stack([left_top, left_low, right_low.where(falls, right_top)], dim=-1)
    second = torch.stack([left_top.where(falls, left_low), right_low, right_top], dim=-1)
    return torch.cat([first, second])


def _steps(depth: Tensor, rows: Tensor, columns: Tensor, triangles: Tensor, cut: float) -> Tensor:
    """Which triangles of a grid in a map reach over a step of it, bool `[M]`.

    Those that share in a change that is too large, of the map around them or of their own. So the
    grid and the map may be fine or coarse, and a step sharp or soft.
    """
    reach = max(1, round(max(depth.shape) * WINDOW / 2))
    around = widen(depth, reach) + widen(-depth, reach)  # the largest less the smallest
    change, depths = (one[rows.unsqueeze(-1), columns].flatten() for one in (around, depth))
    low, high = depths[triangles].aminmax(dim=-1)
    own = high - low
    spacing = float(torch.maximum(rows.diff().max(), columns.diff().max()))
    share = min(1.0, spacing / (2 * reach))
    return (own > cut * share) & (torch.maximum(own, change[triangles].amax(dim=-1)) > cut)


def _compact(vertices: Tensor, places: Tensor, triangles: Tensor) -> Mesh:
    """A mesh of the vertices `[h, w, 3]` that belong to a triangle."""
    if not len(triangles):
        raise NoSurface("the depth map has steps everywhere, so that no two points can be joined")
    used, triangles = triangles.unique(return_inverse=True)
    return Mesh(vertices.flatten(0, 1)[used], places.flatten(0, 1)[used], triangles)
