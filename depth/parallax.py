"""A small move of the camera, from one image and its depth map.

A point of depth d (disparity) moves across the image in proportion to d when the camera moves
sideways, and away from the middle when it moves forward. The far (0) stands still, or the camera
and its lens turn so that a plane of another depth does.

The point that a pixel of a new view shows is searched as in relief mapping: along the line on which
it must lie, from near to far, until the line meets the surface (Policarpo et al. 2005, "Real-Time
Relief Mapping on Arbitrary Polygonal Surfaces", section 4). The first hit is the nearest one, so it
hides what is behind it. Where the surface would be drawn out, between a near thing and what it hid,
is a hole, filled from the farther side. Beyond the image its edge goes on.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images.fill import fill_holes
from ..images.numbers import check_numbers
from .camera import Camera

STEPS_A_PIXEL = 2  # of the search, so that nothing wider than half a pixel is jumped over
BISECTIONS = 6  # that then narrow the hit to 1/128 pixel
SURROUNDINGS = 4  # times the widest hole there can be: what lies around a hole
FARTHER = 0.25  # part of the depths around a hole that counts as its farther side
STRETCH = 1.6  # more than that many times its width, a surface is torn, not slanted


def widen(depth: Tensor, pixels: int) -> Tensor:
    """Near things widened by that many pixels on every side, `[H, W]`.

    An estimated map's soft edges run inside of the image's outlines; widened, the outline moves
    with its thing, and nothing of it stays behind to be smeared into the hole.
    """
    return _largest(depth, pixels) if pixels else depth


def view(
    image: Tensor, depth: Tensor, camera: Camera, strength: float, plane: float = 0.0
) -> Tensor:
    """The moved camera's view of an image `[H, W, C]` and its depth `[H, W]` in 0..1, float32.

    `strength` is by how many pixels a point of depth 1 moves against one of depth 0 for a camera
    at 1; forward or by its zoom, that is at the ends of the longer sides. `plane` is the depth
    that stands still, and when the camera moves forward keeps its size; a zoom enlarges all depths
    alike. Without a move the image comes back bit for bit.
    """
    check_numbers(strength=strength, plane=plane, **camera._asdict())
    if not strength or not any(camera):
        return image.clone()
    motion, depth = _motion(depth, camera, strength, plane), depth.to(image)
    # How far depths move against each other, in pixels.
    reach = abs(strength * math.hypot(camera.right, camera.up, camera.forward))
    met = _meet(depth, motion.source, steps=max(1, math.ceil(reach * STEPS_A_PIXEL)))
    source = motion.source(met)
    seen = _sample(image.movedim(-1, 0), source).movedim(0, -1)  # HWC -> CHW -> HWC
    ends = _ends(depth, motion.shift)
    known = ~_torn(depth, motion.shift, ends, source)
    _put_ends(image, depth, ends, motion, seen, met, known)
    low, high = image.amin(), image.amax()
    return _filled(seen, known, met, math.ceil(reach)).clamp(low, high)


class _Motion(NamedTuple):
    """How points move: against each other by `shift` · their depth, before the lens enlarges it.

    `source` gives for depths `[H, W]`, or one for all pixels, where points of such depths come
    from: `[H, W, 2]`, x, y, each from -1 to 1 across the image. `target` gives for some pixels,
    bool `[H, W]`, and their depths `[N]` where they come to: `[N, 2]`, x, y in pixels.
    """

    source: Callable[[Tensor], Tensor]
    target: Callable[[Tensor, Tensor], Tensor]
    shift: Tensor  # [H, W, 2] at every pixel, for depth 1


def _motion(depth: Tensor, camera: Camera, strength: float, plane: float) -> _Motion:
    height, width = depth.shape
    rows = torch.arange(height, dtype=torch.float32, device=depth.device)
    columns = torch.arange(width, dtype=torch.float32, device=depth.device)
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)  # HW2
    middle = here.new_tensor([(width - 1) / 2, (height - 1) / 2])
    # Things move against the camera; y counts downwards.
    from_middle = here - middle
    across = here.new_tensor([-camera.right, camera.up]) * strength
    half = max(height, width) / 2
    zoom = camera.forward * strength / half
    lens = (1 + camera.zoom * strength / half) / (1 + zoom * plane)
    # In the units of grid_sample the middle is 0, and the image's outer edges are -1 and 1.
    units = 2 / here.new_tensor([width, height])
    step = across * units
    place = (from_middle * (units / lens)).add_(step * plane)
    shift = across + zoom * from_middle

    def source(depths: Tensor) -> Tensor:
        depths = depths.unsqueeze(-1)
        return (place - step * depths).div_(1 + zoom * depths)

    def target(where: Tensor, depths: Tensor) -> Tensor:
        start = (from_middle[where] - across * plane) * lens + middle  # if they are far
        return start + shift[where] * depths.unsqueeze(-1) * lens

    return _Motion(source, target, shift)


def _meet(depth: Tensor, source: Callable[[Tensor], Tensor], steps: int) -> Tensor:
    """Depth of the nearest point that every pixel of the view meets, `[H, W]`."""

    def is_above(depths: Tensor) -> Tensor:
        """Whether a point of such a depth would hover nearer than the surface."""
        return _sample(depth.unsqueeze(0), source(depths))[0] < depths

    searching = torch.ones_like(depth, dtype=torch.bool)
    jumped = torch.zeros_like(depth)  # steps before the one that met the surface
    for index in range(steps, -1, -1):
        searching &= is_above(depth.new_tensor(index / steps))  # one depth for all pixels
        jumped += searching
    below = ((steps - jumped) / steps).clamp_(min=0)
    above = ((steps + 1 - jumped) / steps).clamp_(max=1)
    for _ in range(BISECTIONS):
        between = (above + below) / 2
        hovers = is_above(between)
        above, below = torch.where(hovers, between, above), torch.where(hovers, below, between)
    return (above + below) / 2


def _ends(depth: Tensor, shift: Tensor) -> Tensor:
    """The pixels that near things end with, bool `[H, W]`: of a torn slope only the near end."""
    length, torn = shift.abs().amax(dim=-1), STRETCH - 1
    is_near = (_largest(depth, 1) - depth) * length <= torn
    return is_near & ((depth + _largest(-depth, 1)) * length > torn)


def _torn(depth: Tensor, shift: Tensor, ends: Tensor, source: Tensor) -> Tensor:
    """Where neighbours come to lie over `STRETCH` pixels apart, bool `[H, W]`; not at `ends`."""
    padded = F.pad(depth[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    across = torch.maximum(
        (padded[1:-1, 2:] - depth) * shift[..., 0], (depth - padded[1:-1, :-2]) * shift[..., 0]
    )
    down = torch.maximum(
        (padded[2:, 1:-1] - depth) * shift[..., 1], (depth - padded[:-2, 1:-1]) * shift[..., 1]
    )
    stretch = 1 + across.clamp(min=0) + down.clamp(min=0)
    stretch = stretch.masked_fill(ends, 1.0)
    return _sample(stretch.unsqueeze(0), source)[0] > STRETCH


def _put_ends(
    image: Tensor,
    depth: Tensor,
    ends: Tensor,
    motion: _Motion,
    seen: Tensor,
    met: Tensor,
    known: Tensor,
) -> None:
    """Put the pixels that near things end with to where they move, into the last three.

    They are moved one by one, as the search may step over what is one pixel wide.
    """
    depths = depth[ends]
    column, row = (motion.target(ends, depths) + 0.5).floor().long().unbind(-1)
    height, width = depth.shape
    place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    nearest = met.flatten().scatter_reduce(0, place, depths, "amax")
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    shown = inside & (depths >= nearest[place] - 1 / 256)
    place = place[shown]
    seen.view(-1, seen.shape[-1])[place] = image[ends][shown]
    met.view(-1)[place] = depths[shown]
    known.view(-1)[place] = True


def _filled(seen: Tensor, known: Tensor, depth: Tensor, reach: int) -> Tensor:
    """Holes of `[H, W, C]` filled from what is known and on the farther side of them."""
    if known.all() or not known.any():
        return seen
    radius = SURROUNDINGS * reach + 2
    far = -_largest_around((-depth).where(known, -1.0), radius)
    near = _largest_around(depth.where(known, 0.0), radius)
    is_far = depth <= far + FARTHER * (near - far)
    # At the rim of a tear near and far are mixed: its colours fill nothing, and are not kept on the
    # far side.
    rim = _largest((~known).to(depth), 1) > 0
    beside = _largest_around((~known).to(depth), radius) > 0
    lends = known & ~rim & (is_far | ~beside)
    keeps = known & ~(rim & is_far)
    if not lends.any():
        lends = keeps = known
    # HWC -> 1CHW, HW -> 11HW
    filled = fill_holes(seen.movedim(-1, 0).unsqueeze(0), lends[None, None])[0].movedim(0, -1)
    return torch.where(keeps.unsqueeze(-1), seen, filled)


def _largest(values: Tensor, radius: int) -> Tensor:
    """The largest value within a square around every pixel of `[H, W]`."""
    side = 2 * radius + 1
    rows = F.max_pool2d(values[None, None], (side, 1), stride=1, padding=(radius, 0))
    return F.max_pool2d(rows, (1, side), stride=1, padding=(0, radius))[0, 0]


def _largest_around(values: Tensor, radius: int) -> Tensor:
    """As `_largest`, in a square that may be larger by an eighth, at a cost that does not grow."""
    block = max(1, radius // 8)
    blocks = F.max_pool2d(values[None, None], block, ceil_mode=True)[0, 0]
    blocks = _largest(blocks, -(-radius // block))
    spread = blocks.repeat_interleave(block, 0).repeat_interleave(block, 1)
    return spread[: values.shape[0], : values.shape[1]]


def _sample(planes: Tensor, source: Tensor) -> Tensor:
    """Planes `[C, H, W]` at places `[H, W, 2]`, bilinearly; their edges go on outside."""
    return F.grid_sample(
        *(planes.unsqueeze(0), source.unsqueeze(0)),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )[0]
