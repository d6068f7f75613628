"""What editing a depth map of 2048×2048 costs, beside the OpenCV or torch calls it consists of.

Float32 on one thread of the CPU, in the processor's time. Each operation runs as in `depth/`, from
`[1, H, W]` to the same; the other side makes only the calls that most of its time goes to, as often
as the operation needs them. Both take turns. The conversion from three channels and back, which
every node pays besides, is printed at the end.
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
from sd2_depth2img.depth.fill import Shape, fill
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
IMAGE = to_image(DEPTH)
SMALL = DEPTH[:, ::4, ::4].contiguous()
PATCH = DEPTH * 0.5 + 0.2
DISTANCE = 1 + 9 * DEPTH
ENDS = Range(near=1.0, far=20.0)
MAP = DEPTH[0].numpy()
STEPS = (MAP * 65535).astype(np.uint16)


class Area:
    """A mask, and the part of the maps in which an operation limited by it has to work."""

    def __init__(self, rim: int) -> None:
        self.mask = torch.zeros(1, SIDE, SIDE)
        self.mask[:, rim:-rim, rim:-rim] = 1  # 0 on a rim of so many pixels
        outer = slice(max(rim - BORDER, 0), SIDE - max(rim - BORDER, 0))
        self.box = (slice(None), outer, outer)  # with the pixels beside it, for matching
        self.inside = np.ascontiguousarray(self.cut(self.mask)[0].numpy().astype(np.uint8))

    def cut(self, t: torch.Tensor) -> torch.Tensor:
        """What of `[1, H, W]` lies in the box."""
        return t[self.box]


# A quarter of the maps, and all of them but a rim of 4 pixels: work that stays in a mask's box is
# the cheaper the smaller it is, and its reference must be so too.
AREAS = {"quarter mask": Area(512), "full mask": Area(4)}
QUARTER, FULL = AREAS.values()
OUTSIDE = 1 - QUARTER.mask[0].numpy().astype(np.uint8)


def main() -> None:
    """Run every operation against its calls and print the ratios."""
    parser = argparse.ArgumentParser(description="speed of editing depth maps")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    material.say(f"{SIDE}×{SIDE} pixels, radius {RADIUS}, one thread")
    operations = WHOLE | {
        f"{name}, {where}": sides
        for where, area in AREAS.items()
        for name, sides in limited(area).items()
    }
    for name, (ours, theirs) in operations.items():
        for side in (ours, theirs):
            side()  # the first call of each side also fills caches
        ratio = material.take_turns(name, ours, theirs, rounds, time.process_time)
        material.verdict(name, ratio, GOAL)
    material.take_turns(
        "image to map, map to image",
        lambda: unit_range(repair(from_image(IMAGE))),
        lambda: to_image(DEPTH),
        rounds,
        time.process_time,
    )


# --- The calls that dominate ----------------------------------------------------------------------


def calls(*each: Call, count: int = 1) -> Call:
    """Calls, one after the other, again and again."""

    def side() -> None:
        for _ in range(count):
            for call in each:
                call()

    return side


def window(radius: int) -> np.ndarray:
    """A square of ones for dilation and erosion."""
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def box(count: int, radius: int) -> Call:
    """Box filters: 4 in a guided filter of a map by itself, 6 of two maps, 1 more with weights."""
    return calls(lambda: cv2.blur(MAP, (2 * radius + 1, 2 * radius + 1)), count=count)


def blurs(count: int, sigma: float) -> Call:
    """Gaussian blurs."""
    return calls(lambda: cv2.GaussianBlur(MAP, (0, 0), sigma), count=count)


def slopes() -> Call:
    """Brightness, and the nearest and farthest depth around every pixel, which refining needs."""
    reach, luma = window(round(RADIUS / WINDOW)), torch.tensor(LUMA)
    return calls(
        lambda: PHOTO @ luma, lambda: cv2.dilate(MAP, reach), lambda: cv2.erode(MAP, reach)
    )


def bilateral() -> Call:
    """Two blurs for every level of brightness."""
    levels = int(np.ceil(1 / TOLERANCE)) + 1
    return calls(slopes(), blurs(2 * levels, RADIUS / SIGMA))


def mixture(mask: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> Call:
    """What every limited edit ends with."""
    return lambda: torch.where(mask > 0, torch.lerp(before, after, mask), before)


def in_its_box(area: Area, *each: Call) -> Call:
    """Calls that work in a mask's box: which must be found, and put into a copy of the map."""
    mask, depth, part = area.mask, DEPTH, area.cut(OTHER)
    return calls(
        lambda: (mask.amax(dim=2), mask.amax(dim=1)),
        *each,
        mixture(area.cut(mask), area.cut(depth), part),
        lambda: area.cut(depth.clone()).copy_(part),
    )


def matching(area: Area) -> Call:
    """The pixels around a mask, their averages in both maps, and the patch fitted by them."""
    inside = area.inside
    height, width = (side // BORDER for side in inside.shape)
    patch = area.cut(OTHER)
    maps = [np.ascontiguousarray(t[0].numpy()) for t in (patch, area.cut(DEPTH))]
    rim = (cv2.dilate(inside, window(BORDER)) > inside).astype(np.float32)
    return in_its_box(
        area,
        lambda: cv2.dilate(inside, window(BORDER)),
        lambda: [t * rim for t in maps],
        lambda: [
            cv2.resize(t, (width, height), interpolation=cv2.INTER_AREA) for t in (rim, *maps)
        ],
        lambda: cv2.addWeighted(maps[0], -0.9, maps[1], 1, 0),
        lambda: cv2.meanStdDev(maps[0], mask=inside),
        lambda: (patch * 0.9).add_(0.05).clamp_(0, 1),
    )


def pulled_and_pushed(area: Area) -> Call:
    """A hole at every size of the pyramid: averaged, enlarged, and smoothed where it is."""

    def level(one: torch.Tensor, half: torch.Tensor, hole: torch.Tensor) -> Call:
        return calls(
            *2 * [lambda: F.avg_pool2d(one, 2)],
            lambda: F.interpolate(half, one.shape[-2:], mode="bilinear"),
            *SMOOTHING * [lambda: neighbourhood(hole)],
        )

    levels = []
    for index in range(SIDE.bit_length() - 1):
        one = DEPTH[None, :, :: 2**index, :: 2**index].contiguous()
        step = slice(area.box[1].start >> index, area.box[1].stop >> index)
        levels.append(
            level(one, one[..., ::2, ::2].contiguous(), one[..., step, step].contiguous())
        )
    return calls(*levels)


def outline(area: Area) -> Call:
    """Distances from a mask's border, its patches, and the widest place of each."""
    inside = area.inside
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / SIDE
    return calls(
        lambda: cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
        lambda: cv2.connectedComponents(inside, connectivity=8),
        lambda: cv2.minMaxLoc(distance, inside),
        lambda: np.sqrt(1 - (1 - distance) ** 2),
        lambda: torch.where(area.mask > 0, OTHER, DEPTH),
    )


def searched() -> Call:
    """Looking up the line on which a point must lie, the image there, and holes filled."""
    steps = math.ceil(STRENGTH * STEPS_A_PIXEL) + 1
    places = torch.rand(1, SIDE, SIDE, 2) / 100 + F.affine_grid(
        torch.eye(2, 3)[None], [1, 1, SIDE, SIDE], align_corners=False
    )

    def sampled(planes: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return F.grid_sample(planes, at, "bilinear", "border", align_corners=False)

    return calls(
        *(steps + BISECTIONS) * [lambda: sampled(DEPTH[None], places * 0.99 + 0.01) < DEPTH[None]],
        lambda: sampled(PHOTO.movedim(-1, 1), places),
        lambda: sampled(DEPTH[None], places),
        *3 * [pulled_and_pushed(FULL)],
    )


def channel() -> torch.Tensor:
    """What the model gets of the map."""
    return DepthCondition(DEPTH).channel(1, SIDE // 8, SIDE // 8)[0, 0]


def put_together() -> Call:
    """Of every tile averages, its difference to the whole, a blur of that, and a weighted sum."""
    parts = [(tile, tile.of(DEPTH), tile.of(OTHER)) for tile in tiles_of(SIDE, SIDE, TILES)]
    total = torch.zeros_like(DEPTH)

    def side() -> None:
        for tile, part, target in parts:
            for one in (part, target):
                F.adaptive_avg_pool2d(one.double(), COARSE)
            change = part * 0.9 + 0.05 - target
            wide = LEVEL * change.shape[1]
            change -= torch.from_numpy(gaussian(change[0].numpy(), wide))
            tile.of(total).addcmul_(part, change)
            tile.of(total).add_(part)

    return side


# --- The operations -------------------------------------------------------------------------------


def merged(mode: Mode, match: Match = Match.NONE, mask: torch.Tensor | None = None) -> Call:
    """A patch put into the map."""
    return lambda: merge(DEPTH, PATCH, mode, Placement(match=match), mask=mask)


def parallax() -> Call:
    """A frame of a moving camera: a near square before a slope."""
    depth = widen(torch.where(QUARTER.mask > 0, 1.0, DEPTH * 0.5)[0], 4)
    return lambda: view(PHOTO[0], depth, Camera(1.0, 0.0, 0.0), STRENGTH)


def mosaic() -> None:
    """Tiles put together, without the network."""
    whole = Mosaic(DEPTH)
    for tile in tiles_of(SIDE, SIDE, TILES):
        whole.add(tile, tile.of(DEPTH))
    whole.result()


def limited(area: Area) -> dict[str, tuple[Call, Call]]:
    """The operations that a mask limits."""
    mask, part, patch = area.mask, area.cut(DEPTH), area.cut(PATCH)
    mixed = mixture(mask, DEPTH, OTHER)
    return {
        "merge: nearest wins": (
            merged(Mode.NEAREST, mask=mask),
            in_its_box(area, lambda: torch.maximum(part, patch)),
        ),
        "merge: over, matched": (merged(Mode.OVER, Match.SCALE, mask), matching(area)),
        "fill: relief": (lambda: fill(DEPTH, Shape.RELIEF, mask=mask), outline(area)),
        "fill: smooth": (lambda: fill(DEPTH, Shape.SMOOTH, mask=mask), pulled_and_pushed(area)),
        "limit": (lambda: limit(DEPTH, OTHER, mask), mixed),
        "limit, feathered": (
            lambda: limit(DEPTH, OTHER, mask, 16),
            calls(
                lambda: cv2.distanceTransform(area.inside, cv2.DIST_L2, cv2.DIST_MASK_5),
                lambda: np.clip(MAP / 16, 0, 1),
                lambda: mask * DEPTH,
                mixed,
            ),
        ),
    }


def adjusted(how: Adjustment) -> Call:
    """The map, adjusted."""
    return lambda: adjust(DEPTH, how)


# What is done, and the calls it is measured by.
WHOLE: dict[str, tuple[Call, Call]] = {
    "adjust: levels": (
        adjusted(Adjustment(near=0.8, far=0.2)),
        lambda: (DEPTH - 0.2).div_(0.6).clamp_(0, 1),
    ),
    "adjust: percentiles": (
        adjusted(Adjustment(near=0.98, far=0.02, clip_by=ClipBy.PERCENTILE)),
        calls(lambda: np.quantile(MAP, (0.02, 0.98)), lambda: (DEPTH - 0.2).div_(0.6).clamp_(0, 1)),
    ),
    "adjust: gamma 1.8": (adjusted(Adjustment(gamma=1.8)), lambda: DEPTH ** (1 / 1.8)),
    "adjust: contrast": (adjusted(Adjustment(contrast=0.9)), lambda: 0.5 + (DEPTH - 0.5) * 0.9),
    "adjust: invert": (adjusted(Adjustment(invert=True)), lambda: 1 - DEPTH),
    "adjust: gaussian": (adjusted(Adjustment(smooth=RADIUS)), blurs(1, RADIUS)),
    "adjust: gaussian, 32 times the radius": (
        adjusted(Adjustment(smooth=32 * RADIUS)),
        blurs(1, RADIUS),
    ),
    "adjust: edge-preserving": (
        adjusted(Adjustment(smooth=RADIUS, smoothing=Smoothing.EDGES)),
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
        calls(slopes(), box(7, RADIUS // 2)),
    ),
    "merge: nearest wins": (merged(Mode.NEAREST), lambda: torch.maximum(DEPTH, PATCH)),
    "merge: farthest wins": (merged(Mode.FARTHEST), lambda: torch.minimum(DEPTH, PATCH)),
    "merge: under": (merged(Mode.UNDER), lambda: torch.where(DEPTH > 0, DEPTH, PATCH)),
    "merge: blend": (merged(Mode.BLEND), lambda: torch.lerp(DEPTH, PATCH, 0.5)),
    "fill: ramp": (
        lambda: fill(DEPTH, Shape.RAMP),
        lambda: torch.lerp(across, across.T, 0.5).clamp(0, 1),
    ),
    "fill: dome": (
        lambda: fill(DEPTH, Shape.DOME),
        calls(
            lambda: torch.add(across, across.T).sqrt(), lambda: torch.where(DEPTH > 0, OTHER, DEPTH)
        ),
    ),
    "spread a mask": (
        lambda: spread(QUARTER.mask, 0, 16),
        calls(
            lambda: cv2.distanceTransform(OUTSIDE, cv2.DIST_L2, cv2.DIST_MASK_5),
            lambda: np.clip(1 - MAP / 16, 0, 1),
            lambda: np.maximum(MAP, MAP),
        ),
    ),
    "parallax: a frame": (parallax(), searched()),
    "preview: a page": (
        lambda: sheet(DEPTH[0], channel(), ColourMap.TURBO, examine(DEPTH[0]), 384),
        calls(
            lambda: np.quantile(MAP, (0.99, 0.01)),
            lambda: torch.histc(DEPTH, 128, 0, 1),
            lambda: DEPTH.isfinite(),
            lambda: cv2.applyColorMap((MAP * 255).astype(np.uint8), cv2.COLORMAP_TURBO),
            lambda: cv2.resize(PHOTO[0].numpy(), (384, 384), interpolation=cv2.INTER_AREA),
            channel,
        ),
    ),
    "tiles: mosaic": (mosaic, put_together()),
    "range mask: interval": (
        lambda: range_mask(DEPTH, 0.8, 0.3, 0.1),
        lambda: (torch.minimum(DEPTH - 0.3, 0.8 - DEPTH) / 0.1).clamp(0, 1),
    ),
    "range mask: split": (
        lambda: split_mask(DEPTH, Split.FOREGROUND),
        calls(
            lambda: (MAP * 65535).astype(np.uint16),
            lambda: cv2.threshold(STEPS, 0, 65535, cv2.THRESH_OTSU),
            lambda: (DEPTH >= 0.5).float(),
        ),
    ),
    "convert: to disparity": (
        lambda: to_disparity(DISTANCE, ENDS),
        lambda: ((20 - DISTANCE) / DISTANCE).clamp(0, 1),
    ),
    "convert: to distance": (lambda: to_distance(DEPTH, ENDS), lambda: 20 / (DEPTH * 19 + 1)),
}


if __name__ == "__main__":
    main()
