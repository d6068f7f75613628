"""What editing a depth map of 2048×2048 costs, beside the OpenCV or torch calls it consists of.

Float32 on one thread of the CPU, in the processor's time. Each operation runs as in `depth/`, from
`[1, H, W]` to the same; the other side makes only the calls that most of its time goes to, as often
as the operation needs them. Both take turns.
"""

import argparse
import math
from collections.abc import Callable

import cv2
import material
import numpy as np
import torch
import torch.nn.functional as F

from sd2_depth2img.depth.adjust import Adjustment, ClipBy, Smoothing, adjust
from sd2_depth2img.depth.camera import Camera
from sd2_depth2img.depth.colormaps import ColourMap
from sd2_depth2img.depth.convention import LUMA
from sd2_depth2img.depth.convert import Range, to_disparity
from sd2_depth2img.depth.fill import Shape, fill
from sd2_depth2img.depth.filters import gaussian
from sd2_depth2img.depth.masks import Split, limit, split_mask
from sd2_depth2img.depth.merge import BORDER, Match, Mode, Placement, merge
from sd2_depth2img.depth.parallax import BISECTIONS, STEPS_A_PIXEL, view, widen
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
PATCH = DEPTH * 0.5 + 0.2
DISTANCE = 1 + 9 * DEPTH
ENDS = Range(near=1.0, far=20.0)
MAP = DEPTH[0].numpy()
STEPS = (MAP * 65535).astype(np.uint16)


# A mask of a quarter of the maps, and the box in which an operation that it limits has to work,
# with the pixels beside the mask, for matching.
RIM = 512
MASK = torch.zeros(1, SIDE, SIDE)
MASK[:, RIM:-RIM, RIM:-RIM] = 1
SPAN = slice(RIM - BORDER, SIDE - RIM + BORDER)
BOX = (slice(None), SPAN, SPAN)
INSIDE = np.ascontiguousarray(MASK[BOX][0].numpy().astype(np.uint8))
OUTSIDE = 1 - MASK[0].numpy().astype(np.uint8)


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
        ratio = material.take_turns(name, ours, theirs, rounds)
        material.verdict(name, ratio, GOAL)


# --- The calls that dominate ----------------------------------------------------------------------


def calls(*each: Call, count: int = 1) -> Call:
    """Calls, one after the other, again and again."""

    def side() -> None:
        for _ in range(count):
            for call in each:
                call()

    return side


def _window(radius: int) -> np.ndarray:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def _boxes(count: int, radius: int) -> Call:
    """Box filters: 4 in a guided filter of a map by itself, 6 of two maps, 1 more with weights."""
    return calls(lambda: cv2.blur(MAP, (2 * radius + 1, 2 * radius + 1)), count=count)


def _blurs(count: int, sigma: float) -> Call:
    return calls(lambda: cv2.GaussianBlur(MAP, (0, 0), sigma), count=count)


def slopes() -> Call:
    """Brightness, and the nearest and farthest depth around every pixel, which refining needs."""
    reach, luma = _window(round(RADIUS / WINDOW)), torch.tensor(LUMA)
    return calls(
        lambda: PHOTO @ luma, lambda: cv2.dilate(MAP, reach), lambda: cv2.erode(MAP, reach)
    )


def bilateral() -> Call:
    """Two blurs for every level of brightness."""
    levels = int(np.ceil(1 / TOLERANCE)) + 1
    return calls(slopes(), _blurs(2 * levels, RADIUS / SIGMA))


def mixture(mask: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> Call:
    """What every limited edit ends with."""
    return lambda: torch.where(mask > 0, torch.lerp(before, after, mask), before)


def in_the_box(*each: Call) -> Call:
    """Calls that work in the mask's box: which must be found, and put into a copy of the map."""
    part = OTHER[BOX]
    return calls(
        lambda: (MASK.amax(dim=2), MASK.amax(dim=1)),
        *each,
        mixture(MASK[BOX], DEPTH[BOX], part),
        lambda: DEPTH.clone()[BOX].copy_(part),
    )


def matching() -> Call:
    """The pixels around the mask, their averages in both maps, and the patch fitted by them."""
    height, width = (side // BORDER for side in INSIDE.shape)
    patch = OTHER[BOX]
    maps = [np.ascontiguousarray(t[0].numpy()) for t in (patch, DEPTH[BOX])]
    rim = (cv2.dilate(INSIDE, _window(BORDER)) > INSIDE).astype(np.float32)
    return in_the_box(
        lambda: cv2.dilate(INSIDE, _window(BORDER)),
        lambda: [t * rim for t in maps],
        lambda: [
            cv2.resize(t, (width, height), interpolation=cv2.INTER_AREA) for t in (rim, *maps)
        ],
        lambda: cv2.addWeighted(maps[0], -0.9, maps[1], 1, 0),
        lambda: cv2.meanStdDev(maps[0], mask=INSIDE),
        lambda: (patch * 0.9).add_(0.05).clamp_(0, 1),
    )


def pulled_and_pushed(hole: slice) -> Call:
    """A square hole at every size of the pyramid: averaged, enlarged, and smoothed where it is."""

    def level(one: torch.Tensor, half: torch.Tensor, part: torch.Tensor) -> Call:
        return calls(
            *2 * [lambda: F.avg_pool2d(one, 2)],
            lambda: F.interpolate(half, one.shape[-2:], mode="bilinear"),
            *SMOOTHING * [lambda: neighbourhood(part)],
        )

    levels = []
    for index in range(SIDE.bit_length() - 1):
        one = DEPTH[None, :, :: 2**index, :: 2**index].contiguous()
        span = slice(hole.start >> index, hole.stop >> index)
        half, part = (one[..., cut, cut].contiguous() for cut in (slice(None, None, 2), span))
        levels.append(level(one, half, part))
    return calls(*levels)


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
        *3 * [pulled_and_pushed(slice(0, SIDE))],
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


def parallax() -> Call:
    """A frame of a moving camera: a near square before a slope."""
    depth = widen(torch.where(MASK > 0, 1.0, DEPTH * 0.5)[0], 4)
    return lambda: view(PHOTO[0], depth, Camera(1.0, 0.0, 0.0), STRENGTH)


def mosaic() -> None:
    """Tiles put together, without the network."""
    whole = Mosaic(DEPTH)
    for tile in tiles_of(SIDE, SIDE, TILES):
        whole.add(tile, tile.of(DEPTH))
    whole.result()


# What is done, and the calls it is measured by.
OPERATIONS: dict[str, tuple[Call, Call]] = {
    "adjust: levels": (
        lambda: adjust(DEPTH, Adjustment(near=0.8, far=0.2)),
        lambda: (DEPTH - 0.2).div_(0.6).clamp_(0, 1),
    ),
    "adjust: percentiles": (
        lambda: adjust(DEPTH, Adjustment(near=0.98, far=0.02, clip_by=ClipBy.PERCENTILE)),
        calls(lambda: np.quantile(MAP, (0.02, 0.98)), lambda: (DEPTH - 0.2).div_(0.6).clamp_(0, 1)),
    ),
    "adjust: gaussian": (lambda: adjust(DEPTH, Adjustment(smooth=RADIUS)), _blurs(1, RADIUS)),
    "adjust: gaussian, 32 times the radius": (
        lambda: adjust(DEPTH, Adjustment(smooth=32 * RADIUS)),
        _blurs(1, RADIUS),
    ),
    "adjust: edge-preserving": (
        lambda: adjust(DEPTH, Adjustment(smooth=RADIUS, smoothing=Smoothing.EDGES)),
        _boxes(4, RADIUS),
    ),
    "refine: joint bilateral": (lambda: refine(DEPTH, PHOTO, radius=RADIUS), bilateral()),
    "refine: joint bilateral, 8 times the radius": (
        lambda: refine(DEPTH, PHOTO, radius=8 * RADIUS),
        bilateral(),
    ),
    "refine: guided": (
        lambda: refine(DEPTH, PHOTO, Method.GUIDED, RADIUS),
        calls(slopes(), _boxes(7, RADIUS // 2)),
    ),
    "merge: nearest wins": (
        lambda: merge(DEPTH, PATCH),
        lambda: torch.maximum(DEPTH, PATCH),
    ),
    "merge: nearest wins, under a mask": (
        lambda: merge(DEPTH, PATCH, mask=MASK),
        in_the_box(lambda: torch.maximum(DEPTH[BOX], PATCH[BOX])),
    ),
    "merge: over, matched": (
        lambda: merge(DEPTH, PATCH, Mode.OVER, Placement(match=Match.SCALE), mask=MASK),
        matching(),
    ),
    "fill: dome": (
        lambda: fill(DEPTH, Shape.DOME),
        calls(
            lambda: torch.add(across, across.T).sqrt(), lambda: torch.where(DEPTH > 0, OTHER, DEPTH)
        ),
    ),
    "fill: smooth": (lambda: fill(DEPTH, Shape.SMOOTH, mask=MASK), pulled_and_pushed(SPAN)),
    "limit, feathered": (
        lambda: limit(DEPTH, OTHER, MASK, 16),
        calls(
            lambda: cv2.distanceTransform(INSIDE, cv2.DIST_L2, cv2.DIST_MASK_5),
            lambda: cv2.connectedComponents(INSIDE, connectivity=8),
            lambda: np.clip(MAP / 16, 0, 1),
            lambda: MASK * DEPTH,
            mixture(MASK, DEPTH, OTHER),
        ),
    ),
    "spread a mask": (
        lambda: spread(MASK, 0, 16),
        calls(
            lambda: cv2.distanceTransform(OUTSIDE, cv2.DIST_L2, cv2.DIST_MASK_5),
            lambda: np.clip(1 - MAP / 16, 0, 1),
            lambda: np.maximum(MAP, MAP),
        ),
    ),
    "parallax: a frame": (parallax(), searched()),
    "preview: a page": (
        lambda: (examine(DEPTH[0]), sheet(DEPTH[0], channel(), ColourMap.TURBO, 384)),
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
}


if __name__ == "__main__":
    main()
