"""A part of an image at the model's size, and the way back into the image.

A box cuts the same place out of image, mask and depth map and brings it to the working size; a
`Stitch` remembers where it was, to put the result back. Coordinates are whole source pixels, and
pixel centres map as with `align_corners=False`, both ways.
"""

import logging
import math
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .counts import counted
from .masks import fade_inward
from .sizes import same_aspect

log = logging.getLogger(__name__)

MULTIPLE = 64  # of the working size: the UNet's coarsest level is 1/64 of the image
LONGEST = 2  # times the short side: beyond it the model repeats itself


class HasAlpha(ValueError):  # noqa: N818 - names what the image has
    """An image with transparency where RGB was expected."""


class OtherImage(ValueError):  # noqa: N818 - names what the result is
    """A result that cannot be what became of a cropped image."""


class Fit(str, Enum):
    """How an image of any shape becomes one whose sides are multiples of 64."""

    CROP = "crop"  # the middle; what does not fit is left out
    PAD = "pad"  # all of it, with its edges continued
    STRETCH = "stretch"  # all of it, a little out of shape


class Box(NamedTuple):
    """A rectangle of an image, in its pixels; it may reach beyond the image."""

    top: int
    left: int
    height: int
    width: int

    def inside(self, height: int, width: int, what: str = "box") -> "Box":
        """What of it lies in an image of this size; `what` it is, for the message.

        Raises ValueError when nothing does.
        """
        part = self.common(Box(0, 0, height, width))
        if part is None:
            raise ValueError(
                f"the {what} of {self.width} x {self.height} pixels at x {self.left}, y {self.top} "
                f"lies outside of the image of {width} x {height}; move it: x from "
                f"{1 - self.width} to {width - 1} and y from {1 - self.height} to {height - 1} "
                "reach into the image"
            )
        return part

    def common(self, other: "Box | None") -> "Box | None":
        """The box that lies in both, if there is one."""
        if other is None:
            return None
        top, left = max(self.top, other.top), max(self.left, other.left)
        rows = min(self.top + self.height, other.top + other.height) - top
        columns = min(self.left + self.width, other.left + other.width) - left
        return Box(top, left, rows, columns) if rows > 0 and columns > 0 else None

    def relative_to(self, box: "Box") -> "Box":
        """The same place, counted from the other box's corner."""
        return self._replace(top=self.top - box.top, left=self.left - box.left)

    def grown(self, pixels: int) -> "Box":
        """A box that reaches that many pixels farther on every side."""
        around = 2 * pixels
        return Box(self.top - pixels, self.left - pixels, self.height + around, self.width + around)

    def of(self, t: Tensor) -> Tensor:
        """This part of t [B, H, W, ...], a view; the box must lie inside."""
        rows, columns = self.slices
        return t[:, rows, columns]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns; the box must lie inside."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )


@dataclass(frozen=True, eq=False)
class Stitch:
    """Where a cropped image came from."""

    source: Tensor  # [B, H, W, C], the image as it was
    mask: Tensor  # [B, H, W] in 0..1, 0 where the source stays as it is
    box: Box  # the part that was cut out
    cropped: Tensor  # [B, h, w, C], what was cut out, at the working size

    def paste(self, result: Tensor, feather: float = 0.0) -> Tensor:
        """Put results back into their images.

        Outside of the mask, and wherever the result is still what was cut out, every pixel of the
        source stays bit for bit. Inside, over `feather` pixels from the mask's border, the source
        gives way to the result.

        Args:
            result: [N, h', w', C], N a multiple of the sources; of the working size, or of any
                other size of the same shape, as a second pass gives.
            feather: pixels of the source; fewer in a patch of the mask that is too small.

        Returns: [N, H, W, C], float32.
        """
        self._check(result)
        result = result.to(self.source)
        repeats = len(result) // len(self.source)
        whole = self.source.repeat(repeats, 1, 1, 1)
        if not self.mask.any():
            log.warning("the mask is empty: the source image comes back unchanged")
            return whole
        place = self.box.inside(whole.shape[1], whole.shape[2])
        window = place.relative_to(self.box)
        painted = window.of(resize_image(result, self.box.height, self.box.width))
        # How much grey changes is the sampler's matter; here it is inside the mask like white.
        alpha = place.of(fade_inward((self.mask > 0).to(whole), feather)).repeat(repeats, 1, 1)
        worked_on = (alpha > 0) & window.of(self._changed(result))
        before = place.of(whole)
        mixed = torch.lerp(before, painted, alpha.unsqueeze(-1))
        place.of(whole)[...] = torch.where(worked_on.unsqueeze(-1), mixed, before)
        return whole

    def _check(self, result: Tensor) -> None:
        height, width, channels = self.cropped.shape[1:]
        if result.ndim != 4 or result.shape[3] != channels or result.numel() == 0:
            expected = f"expected [batch, {height}, {width}, {channels}], as the cropped image"
            check_opaque(result, expected, "the result")
            raise OtherImage(f"the result has shape {list(result.shape)}; {expected}")
        if not same_aspect(result.shape[1:3], (height, width)):
            raise OtherImage(
                f"the result has {result.shape[2]} x {result.shape[1]} pixels; expected {width} x "
                f"{height}, or that enlarged in both directions alike"
            )
        check_finite(result)
        if len(result) % len(self.source):
            raise ValueError(
                f"{len(result)} results cannot be shared out to {len(self.source)} source "
                "images; give one for each, or a multiple of that"
            )

    def _changed(self, result: Tensor) -> Tensor:
        """Where the box differs from what was cut out: bool [N, box height, box width]."""
        size = (self.box.height, self.box.width)
        if result.shape[1:] != self.cropped.shape[1:]:
            return torch.ones(len(result), *size, dtype=torch.bool, device=result.device)
        cropped = self.cropped.repeat(len(result) // len(self.source), 1, 1, 1)
        differs = (result != cropped).any(dim=-1).to(result)
        # A bicubic kernel reaches two pixels far, of the coarser of the two sizes.
        reach = 2 * max(1, math.ceil(result.shape[1] / self.box.height))
        differs = F.max_pool2d(differs.unsqueeze(1), 2 * reach + 1, stride=1, padding=reach)
        return _resize(differs, *size, "bilinear")[:, 0] > 0


def crop(image: Tensor, mask: Tensor, box: Box, height: int, width: int) -> tuple[Tensor, Stitch]:
    """Cut a box out of images at a working size; where it reaches beyond, edges go on.

    Of the image [B, H, W, C] and the mask [B, H, W] only what lies in the box counts.

    Returns: [B, height, width, C], and the way back.
    """
    cropped = resize_image(cut(image, box), height, width)
    place = box.inside(image.shape[1], image.shape[2])
    only_here = torch.zeros_like(mask)
    place.of(only_here)[...] = place.of(mask)
    return cropped, Stitch(image, only_here, box, cropped)


def cut(t: Tensor, box: Box) -> Tensor:
    """A box of [B, H, W, ...] at its own size; where it reaches beyond, the edge goes on."""
    height, width = t.shape[1:3]
    if box.inside(height, width) == box:
        return box.of(t)
    rows = torch.arange(box.top, box.top + box.height, device=t.device).clamp(0, height - 1)
    columns = torch.arange(box.left, box.left + box.width, device=t.device).clamp(0, width - 1)
    return t[:, rows][:, :, columns]


def check_image(image: Tensor) -> Tensor:
    """The images in float32; raises ValueError for another layout than [B, H, W, 3]."""
    if image.ndim != 4 or image.shape[3] != 3 or image.numel() == 0:
        expected = "expected RGB, [batch, height, width, 3]"
        check_opaque(image, expected)
        raise ValueError(f"the image has shape {list(image.shape)}; {expected}")
    if not image.is_floating_point():
        raise ValueError(f"the image has type {image.dtype}; expected floats from 0 to 1")
    check_finite(image)
    return image.float()


def check_opaque(image: Tensor, expected: str, what: str = "the image") -> None:
    """Raises HasAlpha for an image [..., H, W, 4], which has an alpha channel."""
    if image.ndim >= 3 and image.shape[-1] == 4:
        raise HasAlpha(f"{what} has shape {list(image.shape)}; {expected}")


def check_finite(image: Tensor) -> None:
    """Raises ValueError for images with NaN or infinite pixels."""
    bad = int((~image.isfinite()).sum())
    if bad:
        raise ValueError(
            f"the image holds {counted(bad, 'NaN or infinite value')}; check what made it, e.g. a "
            "VAE or a model that ran in half precision"
        )


def resize_image(image: Tensor, height: int, width: int) -> Tensor:
    """[B, H, W, C] to another size: bicubic, antialiased, within each image's own values."""
    if image.shape[1:3] == (height, width):
        return image
    resized = _resize(image.movedim(-1, 1), height, width, "bicubic").movedim(1, -1)
    low, high = (end(dim=(1, 2, 3), keepdim=True) for end in (image.amin, image.amax))
    return resized.clamp(low, high)


def resize_map(t: Tensor, height: int, width: int) -> Tensor:
    """A depth map [B, H, W] to another size: bilinear, antialiased, without overshoot."""
    if t.shape[1:] == (height, width):
        return t
    resized = _resize(t.unsqueeze(1), height, width, "bilinear")[:, 0]
    low, high = (end(dim=(1, 2), keepdim=True) for end in (t.amin, t.amax))
    return resized.clamp(low, high)  # rounding may pass the ends


def resize_window(t: Tensor, height: int, width: int, window: Box) -> Tensor:
    """The window of `resize_map(t, height, width)`, [B, window height, window width].

    Where the map [B, H, W] grows, memory goes with the window, not with the size that the whole
    would have. The window counts in pixels of the whole and lies inside.
    """
    if t.shape[1:] == (height, width):
        return window.of(t)
    if height < t.shape[1] or width < t.shape[2]:
        return window.of(resize_map(t, height, width))
    row, next_row, down = _between(t.shape[1], height, window.top, window.height)
    column, next_column, across = _between(t.shape[2], width, window.left, window.width)
    first = int(column[0])
    part = t[:, :, first : int(next_column[-1]) + 1]
    part = torch.lerp(part[:, row], part[:, next_row], down.to(t).unsqueeze(1))
    return torch.lerp(part[..., column - first], part[..., next_column - first], across.to(t))


def _between(size: int, enlarged: int, start: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Between which two pixels those of an enlarged side lie, and how far from the first."""
    places = (torch.arange(start, start + count, dtype=torch.float64) + 0.5) * (size / enlarged)
    places = (places - 0.5).clamp(0, size - 1)
    before = places.long()
    return before, (before + 1).clamp(max=size - 1), places - before


def _resize(t: Tensor, height: int, width: int, mode: str) -> Tensor:
    if t.shape[-2:] == (height, width):
        return t
    if t.shape[-1] == width == 1:  # PyTorch 2.11 repeats the first pixel of a single column
        return _resize(t.mT, width, height, mode).mT
    return F.interpolate(t, (height, width), mode=mode, align_corners=False, antialias=True)


# --- Which box ------------------------------------------------------------------------------------


def working_size(height: int, width: int, short: int) -> tuple[int, int]:
    """Height and width in multiples of 64 for a part of this shape: the short side is `short`.

    The long side is at most twice as long; a warning says so. Raises ValueError when `short` is not
    a multiple of 64.
    """
    if short < MULTIPLE or short % MULTIPLE:
        raise ValueError(f"the size is {short} pixels; expected a multiple of {MULTIPLE}")
    ratio = min(max(height, width) / min(height, width), LONGEST)
    long = round(short * ratio / MULTIPLE) * MULTIPLE
    rows, columns = (short, long) if width > height else (long, short)
    if max(height, width) > LONGEST * min(height, width):
        log.warning(
            "a part of %d x %d pixels becomes %d x %d: the long side is at most %d times the "
            "short one",
            *(width, height, columns, rows, LONGEST),
        )
    return rows, columns


def mask_box(mask: Tensor, padding: int, short: int) -> tuple[Box, int, int]:
    """The box around what a mask covers in any image of a batch, and its working size.

    The box gets `padding` pixels on every side, and more in one direction until its shape is that
    of the working size. It stays inside the image where it can. An empty mask [B, H, W] gives the
    whole image; a warning says so.

    Returns: box, height and width of the working size, whose short side is `short`.
    """
    height, width = mask.shape[1:]
    part = bounds(mask)
    if part is None:
        log.warning("the mask is empty: nothing will be repainted")
        part = Box(0, 0, height, width)
    elif mask.all():
        log.warning("the mask covers everything: nothing is cut off, all will be repainted")
    part = part.grown(padding).inside(height, width)
    work = working_size(part.height, part.width, short)
    return _moved_inside(_grown(part, *work), height, width), *work


def bounds(mask: Tensor) -> Box | None:
    """The smallest box with all that any mask [B, H, W] covers in it; None for empty ones."""
    rows, columns = (mask.amax(dim=dims).nonzero() for dims in ((0, 2), (0, 1)))
    if len(rows) == 0:
        return None
    top, left = int(rows[0]), int(columns[0])
    return Box(top, left, int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left)


def frame_box(height: int, width: int, short: int, fit: Fit) -> tuple[Box, int, int]:
    """The box that makes a whole image the model's size, and that size; see `mask_box`."""
    work = working_size(height, width, short)
    whole = Box(0, 0, height, width)
    if fit is Fit.STRETCH:
        return whole, *work
    if fit is Fit.PAD:
        return _grown(whole, *work), *work
    rows = min(height, round(width * work[0] / work[1]))
    columns = min(width, round(height * work[1] / work[0]))
    return Box((height - rows) // 2, (width - columns) // 2, rows, columns), *work


def own_size_box(height: int, width: int, multiple: int) -> tuple[Box, int, int]:
    """The box that holds a whole image at its own scale, with sides that are multiples.

    It reaches as far beyond the image on either side, to a pixel; see `mask_box`.
    """
    rows, columns = (-(-side // multiple) * multiple for side in (height, width))
    return Box((height - rows) // 2, (width - columns) // 2, rows, columns), rows, columns


def _grown(box: Box, height: int, width: int) -> Box:
    """The smallest box of the shape height : width with this one in its middle."""
    rows = max(box.height, round(box.width * height / width))
    columns = max(box.width, round(box.height * width / height))
    top, left = box.top - (rows - box.height) // 2, box.left - (columns - box.width) // 2
    return Box(top, left, rows, columns)


def _moved_inside(box: Box, height: int, width: int) -> Box:
    """Moved as little as possible; a box larger than the image hangs over on both sides."""

    def moved(start: int, length: int, limit: int) -> int:
        if length > limit:
            return (limit - length) // 2
        return min(max(start, 0), limit - length)

    return box._replace(
        top=moved(box.top, box.height, height), left=moved(box.left, box.width, width)
    )
