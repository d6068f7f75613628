"""One depth map put into another."""

import logging
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from ..images.batch import check_shares
from ..images.crop import Box, bounds, resize_window
from ..images.numbers import check_numbers
from ..images.opencv import cv2
from .convention import clipped
from .filters import TINY, Map
from .masks import limit

log = logging.getLogger(__name__)

BORDER = 8  # pixels on either side of a mask's border over which a patch is matched
ENOUGH = 16  # pixels that make a border: below it, its inner side counts


class Mode(str, Enum):
    """Which of two depths a pixel gets."""

    NEAREST = "nearest wins"
    FARTHEST = "farthest wins"
    OVER = "over"  # the patch's
    UNDER = "under"  # the map's, but where it is black (nothing there) the patch's
    BLEND = "blend"  # a mixture


class Match(str, Enum):
    """What is done to a patch so that it continues its surroundings."""

    NONE = "none"
    SHIFT = "shift"  # a depth added
    SCALE = "scale and shift"  # its relief stretched as well


@dataclass(frozen=True)
class Placement:
    """Where a patch goes, and how it is brought into the map's depth."""

    x: int = 0  # of its left upper corner in pixels of the map; it may hang over the edges
    y: int = 0
    scale: float = 1.0  # factor of its width and height, > 0
    offset: float = 0.0  # added to its depth, after matching
    match: Match = Match.NONE

    def __post_init__(self) -> None:
        check_numbers(offset=self.offset)
        check_numbers(above=0, scale=self.scale)


def merge(
    depth: Tensor,
    patch: Tensor,
    mode: Mode = Mode.NEAREST,
    placement: Placement = Placement(),
    share: float = 0.5,
    patch_mask: Tensor | None = None,
    mask: Tensor | None = None,
    feather: float = 0.0,
) -> Tensor:
    """Put a patch into depth maps: `[B, H, W]` in 0..1.

    What matching and offset push out of the range is clipped; a warning says how many pixels.

    Args:
        depth: `[B, H, W]` in 0..1, finite.
        patch: `[N, h, w]`, N a divisor of B; finite.
        share: of the patch, with BLEND.
        patch_mask: `[N, h, w]` in 0..1: what of the patch is put in. None: all.
        mask: `[B, H, W]` in 0..1: where anything may change. None: everywhere.
        feather: pixels inside the masks' common border over which the patch sets in.
    """
    check_numbers(low=0, high=1, share=share)
    check_shares(len(patch), "patches", len(depth), "depth maps")
    seat = _Seat.of(placement, patch, depth, mask)
    if seat is None:
        return depth.clone()
    ground = seat.room.of(depth)
    laid = seat.lay(patch, ground)
    on: Tensor | None = None
    is_moved = placement.match is not Match.NONE or placement.offset != 0
    # Else the patch ends where it ends, and what is laid around it is the map itself.
    if is_moved or feather or mask is not None or patch_mask is not None:
        covered = seat.covered(ground)
        on = covered if patch_mask is None else seat.lay(patch_mask, torch.zeros_like(ground))
        on = on if mask is None else on * seat.room.of(mask)
        if is_moved:
            laid = match_border(laid, ground, on, covered, placement.match) + placement.offset
            laid = clipped(torch.where(on > 0, laid, ground), "matching and offset")
    merged = limit(ground, _mixed(ground, laid, mode, share), on, feather)
    if merged.shape == depth.shape:
        return merged
    whole = depth.clone()
    seat.room.of(whole)[...] = merged
    return whole


@dataclass(frozen=True)
class _Seat:
    """Where a patch lies in a map."""

    room: Box  # what of the map is worked on: all that may change, and a margin around it
    place: Box  # the patch's part that is needed, in the room
    window: Box  # the same part, in the patch
    size: tuple[int, int]  # height and width of the whole patch

    @classmethod
    def of(
        cls, where: Placement, patch: Tensor, depth: Tensor, mask: Tensor | None
    ) -> "_Seat | None":
        """The seat of patches `[N, h, w]` in maps `[B, H, W]`; None where the mask leaves none."""
        size = depth.shape[1], depth.shape[2]
        rows, columns = (max(1, round(side * where.scale)) for side in patch.shape[1:])
        box = Box(where.y, where.x, rows, columns)
        shown = box.inside(*size, "patch")
        changes = shown if mask is None else shown.common(bounds(mask))
        # Outside of what changes, one pixel shows where it ends; matching needs some more.
        margin = 1 if where.match is Match.NONE else BORDER
        room = changes and changes.grown(margin).inside(*size).common(shown.grown(1))
        place = shown.common(room)
        if room is None or place is None:
            return None
        return cls(room, place.relative_to(room), place.relative_to(box), (rows, columns))

    def lay(self, patch: Tensor, ground: Tensor) -> Tensor:
        """A room's tensor `[B, H, W]` with a patch `[N, h, w]` in its place."""
        shown = resize_window(patch, *self.size, self.window)
        if shown.shape == ground.shape:
            return shown
        laid = ground.clone()
        # BHW -> (B / N)NHW: shared out, patches repeat as a whole.
        self.place.of(laid).unflatten(0, (-1, len(patch)))[...] = shown
        return laid

    def covered(self, ground: Tensor) -> Tensor:
        """1 where in a room's tensor `[B, H, W]` there is a patch, 0 around it."""
        covered = torch.zeros_like(ground[:1])
        self.place.of(covered)[...] = 1
        return covered.expand_as(ground)


def _mixed(depth: Tensor, laid: Tensor, mode: Mode, share: float) -> Tensor:
    if mode is Mode.NEAREST:
        return torch.maximum(depth, laid)
    if mode is Mode.FARTHEST:
        return torch.minimum(depth, laid)
    if mode is Mode.UNDER:
        return torch.where(depth > 0, depth, laid)
    return laid if mode is Mode.OVER else torch.lerp(depth, laid, share)


# --- Matching -------------------------------------------------------------------------------------


def match_border(
    patch: Tensor, depth: Tensor, mask: Tensor, covered: Tensor, match: Match
) -> Tensor:
    """A patch whose depth continues that of its surroundings.

    Its scale and shift are found along the mask's border: over the 8 pixels outside of it where the
    patch reaches beyond its mask, as both maps show the same there; else over the 8 pixels inside.
    The frame of the map is no border; under a mask that covers all of it, every pixel counts.

    All are `[B, H, W]`; `mask` is not 0 where the patch is put in, `covered` where there is one at
    all. A patch whose border is flat, or runs against the map's, gets a shift only; a warning says
    so, and another where noise hides the relief that the scale is taken from.
    """
    if match is Match.NONE:
        return patch
    rims = [border(on > 0, there > 0) for on, there in zip(mask, covered, strict=True)]
    maps = zip(patch, depth, rims, strict=True)
    fits = [_fit(p.cpu().numpy(), d.cpu().numpy(), r.cpu().numpy(), match) for p, d, r in maps]
    scale, shift = (patch.new_tensor(values)[:, None, None] for values in zip(*fits, strict=True))
    return (patch * scale).add_(shift)


def _fit(patch: Map, depth: Map, rim: np.ndarray, match: Match) -> tuple[float, float]:
    """The scale and shift of a patch `[H, W]` that is matched over its rim.

    Least squares shrink the scale by the patch's own noise. So the rim is averaged to cells, and
    the slope taken with the cells' surroundings as an instrumental variable: they share the
    cells' relief but hardly their noise (Fuller 1987, "Measurement Error Models", section 1.4).
    """
    left, top, width, height = cv2.boundingRect(rim.view(np.uint8))
    if not width:
        return 1.0, 0.0  # the mask is empty: nothing is put in
    # Cells begin where the rim does, so that it does not matter what else the maps show.
    part = slice(top, top + height), slice(left, left + width)
    patch, depth, rim = patch[part], depth[part], rim[part].astype(np.uint8)
    counts = rim.astype(np.float32)
    weight = _cells(counts)
    here, there = (_cells(t * counts) for t in (patch, depth))
    mean, level = here.sum() / weight.sum(), there.sum() / weight.sum()
    if match is Match.SHIFT:
        return 1.0, level - mean
    here -= mean * weight
    there -= level * weight
    around = _surroundings(here) / np.maximum(_surroundings(weight), TINY)
    relief, common = (around * here).sum(), (around * there).sum()
    far, near, *_ = cv2.minMaxLoc(patch, rim)
    if near == far or relief <= 0 or common <= 0:
        log.warning(
            "along its border the patch is flat or runs against the depth map, which says nothing "
            "of its scale; it is only shifted. Is near white in both?"
        )
        return 1.0, level - mean
    scale = common / relief
    _warn_of_noise(patch, depth, rim, scale, np.sqrt(relief / weight.sum()))
    return scale, level - scale * mean


def _cells(t: Map) -> np.ndarray:
    """Averages of cells of 8 x 8 pixels, in float64; of a small map, at least 8 along a side."""
    height, width = (max(-(-side // BORDER), min(side, BORDER)) for side in t.shape)
    return cv2.resize(t, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)


def _surroundings(cells: np.ndarray) -> np.ndarray:
    return cv2.blur(cells, (3, 3), borderType=cv2.BORDER_CONSTANT)


def _warn_of_noise(patch: Map, depth: Map, rim: np.ndarray, scale: float, relief: float) -> None:
    """Warn where the relief that gives the scale is no more than what the two maps do not share."""
    apart = cv2.addWeighted(patch, -scale, depth, 1, 0)
    noise = cv2.meanStdDev(apart, mask=rim)[1].item()
    if scale * relief <= noise:
        log.warning(
            "along its border the patch's depth varies by %.2g, and both maps differ by %.2g there "
            "even when matched: its scale of %.3g is a guess; match the shift alone, or use a mask "
            "whose border lies where the depth varies more",
            scale * relief,
            noise,
            scale,
        )


def border(on: Tensor, covered: Tensor) -> Tensor:
    """The pixels along a mask's border that a patch is matched over; see `match_border`.

    All are bool `[H, W]`: `on` is where the patch is put in, `covered` where there is one.
    """
    window = np.ones((2 * BORDER + 1, 2 * BORDER + 1), np.uint8)
    mask, patch = on.cpu().numpy(), covered.cpu().numpy()
    outside = cv2.dilate(mask.view(np.uint8), window).view(bool) & ~mask & patch
    if np.count_nonzero(outside) >= ENOUGH:
        return torch.from_numpy(outside).to(on.device)
    inside = mask & ~cv2.erode(mask.view(np.uint8), window).view(bool)
    return torch.from_numpy(inside if inside.any() else mask).to(on.device)
