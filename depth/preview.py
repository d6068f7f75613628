"""A depth map as a person can judge it: in colours, a histogram, the UNet's channel; in words.

The words are hints, not verdicts. The thresholds behind them are our own choice, made so that maps
from MiDaS and careful paintings raise none.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ..images.counts import how_many
from ..images.crop import resize_image
from ..images.lettering import INK, MARGIN, PAPER, Lettering
from ..images.numbers import percent
from ..images.sheet import contact_sheet
from .colormaps import ColourMap, paint

END_SHARE = 0.05  # pixels at exactly the nearest or farthest depth; MiDaS leaves one or a few
NARROW = 0.05  # range of depths, of 0..1
CROWDED = 0.1  # part of its own range that all but the outermost hundredths of a map lie in
TILT = 0.15  # by which the bottom third is farther than the top third, in the map's own range
BEYOND = (0.05, 0.01)  # how far the channel goes beyond -1..1, and in which share of its pixels

BINS = 128
HISTOGRAM_HEIGHT = 96  # pixels
LEGEND_HEIGHT = 16
BAR = "#505050"
FONT_SIZE = 14


def examine(depth: Tensor) -> list[str]:
    """What is conspicuous about a map `[H, W]`, a sentence each.

    Pixels without a value and values outside 0..1; flatness; ends that many pixels share, as
    clipping leaves them; a bottom that is farther than the top, as in an inverted map.
    """
    if depth.ndim != 2 or not depth.numel() or not depth.isfinite().any():
        raise ValueError(
            f"the depth map has shape {tuple(depth.shape)} and {int(depth.isfinite().sum())} "
            "finite pixels; expected [height, width] with one or more"
        )
    known = _known(depth)
    low, high = known.min().item(), known.max().item()
    notes = _strange_values(depth, low, high)
    if low == high:
        return [*notes, f"flat: every pixel has the depth {low:.3g}, so the model sees no depth."]
    ends = (_shared_end(known, high, "nearest"), _shared_end(known, low, "farthest"))
    found = (_flatness(known, low, high), *ends, _inversion(depth, low, high))
    return [*notes, *(note for note in found if note)]


def examine_channel(channel: Tensor) -> list[str]:
    """What is conspicuous about the model's view of a map, `[h, w]`, -1..1."""
    distance, least = BEYOND
    share = int((channel.abs() > 1 + distance).sum()) / channel.numel()
    if share < least:
        return []
    return [
        f"{share:.0%} of what the model sees goes beyond -1 to 1 (it runs from "
        f"{channel.min():.2f} to {channel.max():.2f}), where it was not trained: widen the range "
        "of normalize, or choose per image."
    ]


def sheet(depth: Tensor, channel: Tensor, colours: ColourMap, size: int) -> Tensor:
    """One page: the map in colours, the UNet's fifth channel, histogram with legend.

    Args:
        depth: `[H, W]`, finite; what is outside 0..1 gets the end's colour.
        channel: `[h, w]`, -1..1; shown from black to white.
        size: of the longer side of both images, in pixels.

    Returns: float32 `[H', W', 3]`, 0..1; how large depends on the captions, too.
    """
    factor = size / max(depth.shape)
    height, width = (max(1, round(side * factor)) for side in depth.shape)
    images = [
        _fitted(paint(depth, colours), height, width),
        _fitted(paint((channel + 1) / 2, ColourMap.GREY), height, width),
    ]
    captions = [
        f"{depth.shape[1]} x {depth.shape[0]} pixels, depth {depth.min():.3g} to {depth.max():.3g}",
        f"what the UNet sees: {channel.shape[1]} x {channel.shape[0]} pixels, "
        f"{channel.min():.2f} to {channel.max():.2f}",
    ]
    top = contact_sheet([_pillow(image) for image in images], captions, 2, FONT_SIZE)
    page = _below(top, _histogram(depth, colours, top.width - 2 * MARGIN))
    return torch.from_numpy(np.array(page)).float() / 255


def same_size(pages: Sequence[Tensor]) -> Tensor:
    """Pages `[H, W, 3]` as a batch; smaller ones get more white paper, on the right and below."""
    height, width = (max(page.shape[side] for page in pages) for side in (0, 1))
    more = ((0, 0, 0, width - page.shape[1], 0, height - page.shape[0]) for page in pages)
    return torch.stack([F.pad(page, by, value=1.0) for page, by in zip(pages, more, strict=True)])


# --- hints ---------------------------------------------------------------------------------------


def _known(depth: Tensor) -> Tensor:
    """The values of the pixels that have one."""
    finite = depth.isfinite()
    return depth.flatten() if finite.all() else depth[finite]  # which is slow


def _strange_values(depth: Tensor, low: float, high: float) -> list[str]:
    notes = []
    missing = int((~depth.isfinite()).sum())
    if missing:
        notes.append(
            f"{how_many(missing, depth.numel(), 'pixel')} NaN or infinite, and filled from the "
            "nearest others."
        )
    if low < 0 or high > 1:
        notes.append(
            f"the depths run from {low:.3g} to {high:.3g}, a depth map from 0 to 1: files of 8 and "
            "16 bits cannot hold that. Convert it from 'disparity, any range' to 0..1."
        )
    return notes


def _flatness(known: Tensor, low: float, high: float) -> str:
    span = high - low
    if span < NARROW:
        return (
            f"almost flat: the depths differ by {span:.2g} only. The model sees them stretched to "
            "the full range, and with them every step and all noise."
        )
    # numpy's, because torch.quantile refuses large maps.
    inner = np.subtract(*np.quantile(known.cpu().numpy(), (0.99, 0.01)))
    if inner < CROWDED * span:
        return (
            "almost flat but for a few pixels: 98% of them lie within "
            f"{percent(inner / span)} of the range. Cut off what is extreme, and the rest gets "
            "more depth."
        )
    return ""


def _shared_end(known: Tensor, end: float, name: str) -> str:
    share = int((known == end).sum()) / known.numel()
    if share < END_SHARE:
        return ""
    return (
        f"{share:.0%} of the pixels have exactly the {name} depth ({end:.3g}): either a plane is "
        "there, or shapes were clipped away."
    )


def _inversion(depth: Tensor, low: float, high: float) -> str:
    third = len(depth) // 3
    if not third:
        return ""
    top, bottom = (_known(part) for part in (depth[:third], depth[-third:]))
    if not top.numel() or not bottom.numel():
        return ""
    means = (part.mean(dtype=torch.float64).item() for part in (top, bottom))
    above, below = ((mean - low) / (high - low) for mean in means)
    if above - below < TILT:
        return ""
    return (
        f"the bottom third is farther ({below:.2f}) than the top third ({above:.2f}); in most "
        "images it is nearer. If nearer parts are the darker ones here, invert the map."
    )


# --- drawing -------------------------------------------------------------------------------------


def _fitted(image: Tensor, height: int, width: int) -> Tensor:
    """`[H, W, 3]` to another size: averaged when it shrinks; pixels stay pixels when it grows."""
    if height < image.shape[0]:
        return resize_image(image.unsqueeze(0), height, width)[0]
    enlarged = F.interpolate(image.movedim(-1, 0).unsqueeze(0), (height, width), mode="nearest")
    return enlarged[0].movedim(0, -1)


def _pillow(image: Tensor) -> Image.Image:
    return Image.fromarray((image * 255).round().to(torch.uint8).cpu().numpy())


def _histogram(depth: Tensor, colours: ColourMap, width: int) -> Image.Image:
    """Bars for the depths 0..1, over the map's colours as their axis."""
    counts = torch.histc(depth.float().cpu().clamp(0, 1), BINS, 0, 1)
    heights = (counts / counts.max()).sqrt() * HISTOGRAM_HEIGHT
    image = Image.new("RGB", (width, HISTOGRAM_HEIGHT + LEGEND_HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    for index, tall in enumerate(heights.ceil().int().tolist()):
        left = index * width // BINS
        right = max(left, (index + 1) * width // BINS - 1)  # a page may be narrower than BINS
        if tall:
            draw.rectangle((left, HISTOGRAM_HEIGHT - tall, right, HISTOGRAM_HEIGHT - 1), BAR)
    legend = paint(torch.linspace(0, 1, width).expand(LEGEND_HEIGHT, width), colours)
    image.paste(_pillow(legend), (0, HISTOGRAM_HEIGHT))
    draw.rectangle((0, HISTOGRAM_HEIGHT, width - 1, image.height - 1), outline=INK)
    return image


def _below(top: Image.Image, histogram: Image.Image) -> Image.Image:
    """The page: both images, and the histogram with its two ends named."""
    letters = Lettering(FONT_SIZE)
    far, near = (letters.label(text, histogram.width) for text in ("0 far", "near 1"))
    axis = letters.label("pixels of each depth (square root)", histogram.width)
    names = top.height + histogram.height + MARGIN // 2
    height = names + max(far.height, near.height, axis.height) + MARGIN
    page = Image.new("RGB", (top.width, height), PAPER)
    page.paste(top, (0, 0))
    page.paste(histogram, (MARGIN, top.height))
    right = MARGIN + histogram.width
    letters.write(page, far, MARGIN, names, "left")
    letters.write(page, near, right - near.width, names, "left")
    between = right - MARGIN - far.width - near.width
    if axis.width + 2 * MARGIN < between:  # a narrow page has no place for it
        letters.write(page, axis, (page.width - axis.width) // 2, names, "left")
    return page
