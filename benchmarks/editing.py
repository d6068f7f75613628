"""What editing a depth map of 2048×2048 costs, beside the OpenCV or torch calls it consists of.

Float32 on one thread of the CPU, in the processor's time, of which other processes take none. Each
operation runs as in `depth/`, from `[1, H, W]` to the same; the other side makes only the calls
that most of its time goes to, as often as the operation needs them. Both take turns. What a node
pays besides, from the canvas's three channels and back, is printed at the end.
"""

import argparse
import time
from collections.abc import Callable

import cv2
import material
import numpy as np
import torch
import torch.nn.functional as F

from sd2_depth2img.depth.adjust import Adjustment, ClipBy, Smoothing, adjust
from sd2_depth2img.depth.convention import LUMA, from_image, repair, to_image, unit_range
from sd2_depth2img.depth.convert import Range, to_disparity, to_distance
from sd2_depth2img.depth.fill import Geometry, Shape, fill
from sd2_depth2img.depth.masks import Split, limit, range_mask, split_mask
from sd2_depth2img.depth.merge import BORDER, Match, Mode, Placement, merge
from sd2_depth2img.depth.refine import SIGMA, WINDOW, Method, refine
from sd2_depth2img.pictures.fill import SMOOTHING

SIDE = 2048  # pixels
RADIUS = 8  # of the filters, in pixels
TOLERANCE = 0.05

GOAL = 1.5

Call = Callable[[], object]

across = torch.linspace(0.1, 0.9, SIDE).expand(SIDE, SIDE)
DEPTH = (across + across.T)[None] / 2 + (torch.rand(1, SIDE, SIDE) - 0.5) / 50  # BHW
OTHER = 1 - DEPTH
PICTURE = torch.rand(1, SIDE, SIDE, 3)
WEIGHTS = torch.tensor(LUMA)
DISTANCE = 1 + 9 * DEPTH
SMALL = DEPTH[:, ::4, ::4].contiguous()
MASK = torch.zeros(1, SIDE, SIDE)
MASK[:, 500:1500, 500:1500] = 1

MAP = DEPTH[0].numpy()
BYTES = (MAP * 255).astype(np.uint8)
STEPS = (MAP * 65535).astype(np.uint16)
INSIDE = MASK[0].numpy().astype(np.uint8)
RIM = cv2.dilate(INSIDE, np.ones((2 * BORDER + 1, 2 * BORDER + 1), np.uint8))[None] > INSIDE
RIM = torch.from_numpy(RIM)  # what lies around the mask
ENDS = Range(near=1.0, far=20.0)


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


def gaussian(count: int, sigma: float) -> Call:
    """Gaussian blurs."""
    return times(count, lambda: cv2.GaussianBlur(MAP, (0, 0), sigma))


def slopes() -> Call:
    """The nearest and farthest depth around every pixel, which Refine Depth Edges begins with."""
    reach = window(round(RADIUS / WINDOW))
    return times(1, lambda: cv2.dilate(MAP, reach), lambda: cv2.erode(MAP, reach))


def bilateral() -> Call:
    """Two blurs for every level of brightness."""
    levels = int(np.ceil(1 / TOLERANCE)) + 1
    return times(1, lambda: PICTURE @ WEIGHTS, slopes(), gaussian(2 * levels, RADIUS / SIGMA))


def mixture() -> Call:
    """What every limited edit ends with."""
    return times(1, lambda: torch.where(MASK > 0, torch.lerp(DEPTH, OTHER, MASK), DEPTH))


def matching() -> Call:
    """The pixels around a mask, what both maps have there, and the patch fitted by them."""
    return times(
        1,
        lambda: cv2.dilate(INSIDE, window(BORDER)),
        lambda: (DEPTH[RIM], OTHER[RIM]),
        lambda: (OTHER * 0.9).add_(0.05),
        mixture(),
    )


def pulled_and_pushed() -> Call:
    """The averagings of a hole at every size of the pyramid."""
    levels = [DEPTH[None, :, :: 2**n, :: 2**n].contiguous() for n in range(SIDE.bit_length())]
    calls = [
        lambda level=level: F.avg_pool2d(level, 3, 1, 1, count_include_pad=False)
        for level in levels
    ]
    return times(SMOOTHING, *calls)


def outline() -> Call:
    """Distances from a mask's border, and its patches."""
    return times(
        1,
        lambda: cv2.distanceTransform(INSIDE, cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
        lambda: cv2.connectedComponents(INSIDE, connectivity=8),
    )


# --- The operations -------------------------------------------------------------------------------


def adjusted(**how: object) -> Call:
    """Adjust Depth."""
    adjustment = Adjustment(**how)
    return lambda: adjust(DEPTH, adjustment)


def merged(mode: Mode, match: Match = Match.NONE, mask: torch.Tensor | None = MASK) -> Call:
    """Merge Depth."""
    patch = DEPTH * 0.5 + 0.2
    return lambda: merge(DEPTH, patch, mode, Placement(match=match), mask=mask)


def filled(shape: Shape) -> Call:
    """Fill Depth."""
    return lambda: fill(DEPTH, shape, Geometry(), MASK)


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
    "adjust: gaussian": (adjusted(smooth=float(RADIUS)), gaussian(1, RADIUS)),
    "adjust: edge-preserving": (
        adjusted(smooth=float(RADIUS), smoothing=Smoothing.EDGES),
        box(4, RADIUS),
    ),
    "refine: joint bilateral": (lambda: refine(DEPTH, PICTURE, radius=RADIUS), bilateral()),
    "refine: joint bilateral, 8 times the radius": (
        lambda: refine(DEPTH, PICTURE, radius=8 * RADIUS),
        bilateral(),
    ),
    "refine: joint bilateral, 512 to 2048": (
        lambda: refine(SMALL, PICTURE, radius=RADIUS),
        bilateral(),
    ),
    "refine: guided": (
        lambda: refine(DEPTH, PICTURE, Method.GUIDED, RADIUS),
        times(1, lambda: PICTURE @ WEIGHTS, slopes(), box(7, RADIUS // 2)),
    ),
    "merge: nearest wins": (
        merged(Mode.NEAREST, mask=None),
        lambda: torch.maximum(DEPTH, OTHER),
    ),
    "merge: nearest wins, under a mask": (
        merged(Mode.NEAREST),
        times(1, lambda: torch.maximum(DEPTH, OTHER), mixture()),
    ),
    "merge: over, matched, under a mask": (
        merged(Mode.OVER, Match.SCALE),
        matching(),
    ),
    "fill: ramp": (
        filled(Shape.RAMP),
        lambda: torch.lerp(across, across.T, 0.5).clamp(0, 1),
    ),
    "fill: dome": (
        filled(Shape.DOME),
        times(
            1,
            lambda: torch.add(across, across.T).sqrt(),
            lambda: torch.where(MASK > 0, OTHER, DEPTH),
        ),
    ),
    "fill: relief": (filled(Shape.RELIEF), outline()),
    "fill: smooth": (filled(Shape.SMOOTH), pulled_and_pushed()),
    "limit by a mask": (lambda: limit(DEPTH, OTHER, MASK), mixture()),
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


if __name__ == "__main__":
    main()
