"""What editing a depth map of 2048×2048 costs, beside the OpenCV or torch calls it consists of.

Float32 on one thread of the CPU, in the processor's time, of which other processes take none. Each
operation runs as in `depth/`, from `[1, H, W]` to the same; the other side makes only the calls
that most of its time goes to, as often as the operation needs them. Both take turns. What a node
pays besides, from the canvas's three channels and back, is printed at the end.
"""

import argparse
import math
import time
from collections.abc import Callable

import cv2
import material
import numpy as np
import torch
import torch.nn.functional as F

from sd2_depth2img.depth.adjust import Adjustment, ClipBy, Smoothing, adjust
from sd2_depth2img.depth.colormaps import ColourMap
from sd2_depth2img.depth.convention import LUMA, from_image, repair, to_image, unit_range
from sd2_depth2img.depth.convert import Range, to_disparity, to_distance
from sd2_depth2img.depth.fill import Geometry, Shape, fill
from sd2_depth2img.depth.filters import gaussian
from sd2_depth2img.depth.masks import Split, limit, range_mask, split_mask
from sd2_depth2img.depth.merge import BORDER, Match, Mode, Placement, merge
from sd2_depth2img.depth.parallax import BISECTIONS, STEPS_A_PIXEL, Camera, view, widen
from sd2_depth2img.depth.preview import examine, sheet
from sd2_depth2img.depth.refine import SIGMA, WINDOW, Method, refine
from sd2_depth2img.depth.tiles import COARSE, LEVEL, Mosaic, tiles_of
from sd2_depth2img.images.fill import SMOOTHING, neighbourhood
from sd2_depth2img.images.masks import spread
from sd2_depth2img.sampling.depth_channel import DepthCondition

SIDE = 2048  # pixels
RADIUS = 8  # of the filters, in pixels
TOLERANCE = 0.05
STRENGTH = 12.0  # pixels that the camera's move shifts what is near
TILES = 4

GOAL = 1.5

Call = Callable[[], object]

across = torch.linspace(0.1, 0.9, SIDE).expand(SIDE, SIDE)
DEPTH = (across + across.T)[None] / 2 + (torch.rand(1, SIDE, SIDE) - 0.5) / 50  # BHW
OTHER = 1 - DEPTH
PHOTO = torch.rand(1, SIDE, SIDE, 3)
WEIGHTS = torch.tensor(LUMA)
DISTANCE = 1 + 9 * DEPTH
SMALL = DEPTH[:, ::4, ::4].contiguous()
PATCH = DEPTH * 0.5 + 0.2

MAP = DEPTH[0].numpy()
BYTES = (MAP * 255).astype(np.uint8)
STEPS = (MAP * 65535).astype(np.uint16)
ENDS = Range(near=1.0, far=20.0)


class Area:
    """A mask, and the part of the maps in which an operation limited by it has to work.

    Attributes:
        mask: `[1, H, W]`, 1 inside of a rim of so many pixels.
        box: the mask with the pixels beside it, which matching looks at.
    """

    def __init__(self, rim: int) -> None:
        self.mask = torch.zeros(1, SIDE, SIDE)
        self.mask[:, rim:-rim, rim:-rim] = 1
        outer = slice(max(rim - BORDER, 0), SIDE - max(rim - BORDER, 0))
        self.box = (slice(None), outer, outer)

    def cut(self, t: torch.Tensor) -> torch.Tensor:
        """What of `[1, H, W]` lies in the box."""
        return t[self.box]


# A quarter of the maps, and all of them but a rim of 4 pixels: work that stays in a mask's box is
# the cheaper the smaller it is, and its reference must be so too.
AREAS = {"quarter mask": Area(512), "full mask": Area(4)}


def main() -> None:
    """Run every operation against its calls and print the ratios."""
    parser = argparse.ArgumentParser(description="speed of editing depth maps")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    material.say(f"{SIDE}×{SIDE} pixels, radius {RADIUS}, one thread")
    for name, (ours, theirs) in OPERATIONS.items():
        for side in (ours, theirs):
            side()  # the first call of each side also fills caches
        ratio = material.take_turns(name, ours, theirs, rounds, time.process_time)
        material.verdict(name, ratio, GOAL)
    both = "canvas to map, map to canvas"
    material.take_turns(both, to_map, to_canvas, rounds, time.process_time)


# --- The calls that dominate ----------------------------------------------------------------------


def times(count: int, *calls: Call) -> Call:
    """The same calls again and again."""

    def side() -> None:
        for _ in range(count):
            for call in calls:
                call()

    return side


def window(radius: int) -> np.ndarray:
    """A square of ones for dilation and erosion."""
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def stretched() -> None:
    """What lies between two depths, to the full range."""
    (DEPTH - 0.2).div_(0.6).clamp_(0, 1)


def box(count: int, radius: int) -> Call:
    """Box filters: 4 in a guided filter of a map by itself, 6 of two maps, 1 more with weights."""
    return times(count, lambda: cv2.blur(MAP, (2 * radius + 1, 2 * radius + 1)))


def blurs(count: int, sigma: float) -> Call:
    """Gaussian blurs."""
    return times(count, lambda: cv2.GaussianBlur(MAP, (0, 0), sigma))


def slopes() -> Call:
    """The nearest and farthest depth around every pixel, which Refine Depth Edges begins with."""
    reach = window(round(RADIUS / WINDOW))
    return times(1, lambda: cv2.dilate(MAP, reach), lambda: cv2.erode(MAP, reach))


def bilateral() -> Call:
    """Two blurs for every level of brightness."""
    levels = int(np.ceil(1 / TOLERANCE)) + 1
    return times(1, lambda: PHOTO @ WEIGHTS, slopes(), blurs(2 * levels, RADIUS / SIGMA))


def mixture(area: Area, cut: bool) -> Call:
    """What every limited edit ends with; in the mask's box only, or of the whole maps."""
    part = area.cut if cut else torch.Tensor.contiguous
    mask, before, after = part(area.mask), part(DEPTH), part(OTHER)
    return lambda: torch.where(mask > 0, torch.lerp(before, after, mask), before)


def in_its_box(area: Area, *calls: Call) -> Call:
    """Calls that work in a mask's box: which must be found, and put into a copy of the map."""
    part = area.cut(OTHER)
    return times(
        1,
        lambda: (area.mask.amax(dim=2), area.mask.amax(dim=1)),
        *calls,
        lambda: area.cut(DEPTH.clone()).copy_(part),
    )


def matching(area: Area) -> Call:
    """The pixels around a mask, their averages in both maps, and the patch fitted by them."""
    inside = np.ascontiguousarray(area.cut(area.mask)[0].numpy().astype(np.uint8))
    rim = cv2.dilate(inside, window(BORDER)) > inside
    size = tuple(side // BORDER for side in inside.shape)
    patch, depth = area.cut(OTHER), area.cut(DEPTH)
    maps = [np.ascontiguousarray(t[0].numpy()) for t in (patch, depth)]
    average = [rim.astype(np.float32), *maps]
    return in_its_box(
        area,
        lambda: cv2.dilate(inside, window(BORDER)),
        lambda: [t * average[0] for t in maps],
        lambda: [cv2.resize(t, size, interpolation=cv2.INTER_AREA) for t in average],
        lambda: cv2.addWeighted(maps[0], -0.9, maps[1], 1, 0),
        lambda: cv2.meanStdDev(maps[0], mask=inside),
        lambda: (patch * 0.9).add_(0.05).clamp_(0, 1),
        mixture(area, cut=True),
    )


def pulled_and_pushed(area: Area) -> Call:
    """A hole at every size of the pyramid: averaged, enlarged, and smoothed where it is."""
    calls = []
    for level in range(SIDE.bit_length() - 1):
        one = DEPTH[None, :, :: 2**level, :: 2**level].contiguous()
        half = one[..., ::2, ::2].contiguous()
        step = slice(area.box[1].start >> level, area.box[1].stop >> level)
        hole = one[..., step, step].contiguous()
        calls += [
            *2 * [lambda one=one: F.avg_pool2d(one, 2)],
            lambda one=one, half=half: F.interpolate(half, one.shape[-2:], mode="bilinear"),
            *SMOOTHING * [lambda hole=hole: neighbourhood(hole)],
        ]
    return times(1, *calls)


def outline(area: Area) -> Call:
    """Distances from a mask's border, its patches, and the widest place of each."""
    inside = np.ascontiguousarray(area.cut(area.mask)[0].numpy().astype(np.uint8))
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / SIDE
    return times(
        1,
        lambda: cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
        lambda: cv2.connectedComponents(inside, connectivity=8),
        lambda: cv2.minMaxLoc(distance, inside),
        lambda: np.sqrt(1 - (1 - distance) ** 2),
        lambda: torch.where(area.mask > 0, OTHER, DEPTH),
    )


def faded(area: Area, reach: int) -> Call:
    """The distances that a mask's border is softened by, and the ramp along them."""
    inside = np.ascontiguousarray(area.cut(area.mask)[0].numpy().astype(np.uint8))
    return times(
        1,
        lambda: cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5),
        lambda: np.clip(MAP / reach, 0, 1),
        lambda: area.mask * DEPTH,
    )


def spread_out(reach: int) -> Call:
    """The same outwards, where all of the map may be reached."""
    outside = 1 - AREAS["quarter mask"].mask[0].numpy().astype(np.uint8)
    return times(
        1,
        lambda: cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5),
        lambda: np.clip(1 - MAP / reach, 0, 1),
        lambda: np.maximum(MAP, MAP),
    )


def searched() -> Call:
    """Looks along the way on which a point must lie, the image seen there, and holes filled."""
    steps = math.ceil(STRENGTH * STEPS_A_PIXEL) + 1
    places = torch.rand(1, SIDE, SIDE, 2) / 100 + F.affine_grid(
        torch.eye(2, 3)[None], (1, 1, SIDE, SIDE), align_corners=False
    )
    options = {"mode": "bilinear", "padding_mode": "border", "align_corners": False}

    def look() -> None:
        F.grid_sample(DEPTH[None], places * 0.99 + 0.01, **options) < DEPTH[None]  # noqa: B015

    return times(
        1,
        *(steps + BISECTIONS) * [look],
        lambda: F.grid_sample(PHOTO.movedim(-1, 1), places, **options),
        lambda: F.grid_sample(DEPTH[None], places, **options),
        *3 * [pulled_and_pushed(AREAS["full mask"])],
    )


def page() -> Call:
    """What is told of a map: its quantiles, how many pixels have each depth, and its colours."""
    return times(
        1,
        lambda: np.quantile(MAP, (0.99, 0.01)),
        lambda: torch.histc(DEPTH, 128, 0, 1),
        lambda: DEPTH.isfinite(),
        lambda: cv2.applyColorMap((MAP * 255).astype(np.uint8), cv2.COLORMAP_TURBO),
        lambda: cv2.resize(PHOTO[0].numpy(), (384, 384), interpolation=cv2.INTER_AREA),
        lambda: DepthCondition(DEPTH).channel(1, SIDE // 8, SIDE // 8),
    )


def put_together() -> Call:
    """Of every tile averages, its difference to the whole, a blur of that, and a weighted sum."""
    tiles = tiles_of(SIDE, SIDE, TILES)
    parts = [(tile.cut(DEPTH[0]), tile.cut(OTHER[0])) for tile in tiles]
    total = torch.zeros_like(DEPTH[0])

    def side() -> None:
        for tile, (part, target) in zip(tiles, parts, strict=True):
            for one in (part, target):
                F.adaptive_avg_pool2d(one.double()[None], COARSE)
            change = part * 0.9 + 0.05 - target
            change -= torch.from_numpy(gaussian(change.numpy(), LEVEL * len(change)))
            tile.cut(total).addcmul_(part, change)
            tile.cut(total).add_(part)

    return side


# --- The operations -------------------------------------------------------------------------------


def adjusted(**how: object) -> Call:
    """Adjust Depth."""
    adjustment = Adjustment(**how)
    return lambda: adjust(DEPTH, adjustment)


def merged(mode: Mode, match: Match = Match.NONE, area: Area | None = None) -> Call:
    """Merge Depth."""
    mask = None if area is None else area.mask
    return lambda: merge(DEPTH, PATCH, mode, Placement(match=match), mask=mask)


def filled(shape: Shape, area: Area | None = None) -> Call:
    """Fill Depth."""
    mask = None if area is None else area.mask
    return lambda: fill(DEPTH, shape, Geometry(), mask)


def parallax() -> Call:
    """A frame of Depth Parallax Frames: a near square before a slope."""
    depth = widen(torch.where(AREAS["quarter mask"].mask > 0, 1.0, DEPTH * 0.5)[0], 4)
    return lambda: view(PHOTO[0], depth, Camera(1.0, 0.0, 0.0), STRENGTH)


def previewed() -> None:
    """A page of Preview Depth."""
    channel = DepthCondition(DEPTH).channel(1, SIDE // 8, SIDE // 8)[0, 0]
    sheet(DEPTH[0], channel, ColourMap.TURBO, examine(DEPTH[0]), 384)


def mosaic() -> None:
    """The tiles of Estimate Depth put together, without the network."""
    whole = Mosaic(DEPTH[0])
    for tile in tiles_of(SIDE, SIDE, TILES):
        whole.add(tile, tile.cut(DEPTH[0]))
    whole.result()


IMAGE = to_image(DEPTH)


def to_map() -> None:
    """What every node does before its operation ..."""
    unit_range(repair(from_image(IMAGE)))


def to_canvas() -> None:
    """... and after it."""
    to_image(DEPTH)


# What is done, and the calls it is measured by.
OPERATIONS: dict[str, tuple[Call, Call]] = {
    "adjust: levels": (
        adjusted(near=0.8, far=0.2),
        stretched,
    ),
    "adjust: percentiles": (
        adjusted(near=0.98, far=0.02, clip_by=ClipBy.PERCENTILE),
        times(1, lambda: np.quantile(MAP, (0.02, 0.98)), stretched),
    ),
    "adjust: gamma 1.8": (adjusted(gamma=1.8), lambda: DEPTH ** (1 / 1.8)),
    "adjust: contrast": (adjusted(contrast=0.9), lambda: 0.5 + (DEPTH - 0.5) * 0.9),
    "adjust: invert": (adjusted(invert=True), lambda: 1 - DEPTH),
    "adjust: gaussian": (adjusted(smooth=float(RADIUS)), blurs(1, RADIUS)),
    "adjust: gaussian, 32 times the radius": (
        adjusted(smooth=32.0 * RADIUS),
        blurs(1, RADIUS),
    ),
    "adjust: edge-preserving": (
        adjusted(smooth=float(RADIUS), smoothing=Smoothing.EDGES),
        box(4, RADIUS),
    ),
    "refine: joint bilateral": (lambda: refine(DEPTH, PHOTO, radius=RADIUS), bilateral()),
    "refine: joint bilateral, 8 times the radius": (
        lambda: refine(DEPTH, PHOTO, radius=8 * RADIUS),
        bilateral(),
    ),
    "refine: joint bilateral, 512 to 2048": (
        lambda: refine(SMALL, PHOTO, radius=RADIUS),
        bilateral(),
    ),
    "refine: guided": (
        lambda: refine(DEPTH, PHOTO, Method.GUIDED, RADIUS),
        times(1, lambda: PHOTO @ WEIGHTS, slopes(), box(7, RADIUS // 2)),
    ),
    "merge: nearest wins": (merged(Mode.NEAREST), lambda: torch.maximum(DEPTH, PATCH)),
    "merge: farthest wins": (merged(Mode.FARTHEST), lambda: torch.minimum(DEPTH, PATCH)),
    "merge: under": (merged(Mode.UNDER), lambda: torch.where(DEPTH > 0, DEPTH, PATCH)),
    "merge: blend": (merged(Mode.BLEND), lambda: torch.lerp(DEPTH, PATCH, 0.5)),
    "fill: ramp": (
        filled(Shape.RAMP),
        lambda: torch.lerp(across, across.T, 0.5).clamp(0, 1),
    ),
    "fill: dome": (
        filled(Shape.DOME),
        times(
            1,
            lambda: torch.add(across, across.T).sqrt(),
            lambda: torch.where(DEPTH > 0, OTHER, DEPTH),
        ),
    ),
    "spread a mask": (lambda: spread(AREAS["quarter mask"].mask, 0, 16), spread_out(16)),
    "parallax: a frame": (parallax(), searched()),
    "preview: a page": (previewed, page()),
    "tiles: mosaic": (mosaic, put_together()),
    "range mask: interval": (
        lambda: range_mask(DEPTH, 0.8, 0.3, 0.1),
        lambda: (torch.minimum(DEPTH - 0.3, 0.8 - DEPTH) / 0.1).clamp(0, 1),
    ),
    "range mask: split": (
        lambda: split_mask(DEPTH, Split.FOREGROUND),
        times(
            1,
            lambda: (MAP * 65535).astype(np.uint16),
            lambda: cv2.threshold(STEPS, 0, 65535, cv2.THRESH_OTSU),
            lambda: (DEPTH >= 0.5).float(),
        ),
    ),
    "convert: to disparity": (
        lambda: to_disparity(DISTANCE, ENDS),
        lambda: ((20 - DISTANCE) / DISTANCE).clamp(0, 1),
    ),
    "convert: to distance": (
        lambda: to_distance(DEPTH, ENDS),
        lambda: 20 / (DEPTH * 19 + 1),
    ),
}


def limited(area: Area) -> dict[str, tuple[Call, Call]]:
    """The operations that a mask limits."""
    part, patch = area.cut(DEPTH), area.cut(PATCH)
    return {
        "merge: nearest wins": (
            merged(Mode.NEAREST, area=area),
            in_its_box(area, lambda: torch.maximum(part, patch), mixture(area, cut=True)),
        ),
        "merge: over, matched": (merged(Mode.OVER, Match.SCALE, area), matching(area)),
        "fill: relief": (filled(Shape.RELIEF, area), outline(area)),
        "fill: smooth": (filled(Shape.SMOOTH, area), pulled_and_pushed(area)),
        "limit": (lambda: limit(DEPTH, OTHER, area.mask), mixture(area, cut=False)),
        "limit, feathered": (
            lambda: limit(DEPTH, OTHER, area.mask, 16),
            times(1, faded(area, 16), mixture(area, cut=False)),
        ),
    }


for _name, _area in AREAS.items():
    OPERATIONS |= {f"{name}, {_name}": sides for name, sides in limited(_area).items()}


if __name__ == "__main__":
    main()
