"""What an image file means as a mask, above all one with transparency.

Painters export strokes on a clear layer, or the photo with a hole rubbed out, and the colours alone
show neither. What a file means is read off its most visible pixels, for soft rims have colours of
their own: a few flat colours are paint, more are a photo. What may mean two things is refused.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from .files import Frame, read_frames

OPAQUE = 253  # alpha from which on 8 bits count as opaque; what lossy formats leave of 255
SHADES = 64  # steps in which colours are told apart, 4 of 256 each
FLAT, FEW = 0.98, 8  # paint: so much of it in so few colours
BLACK, WHITE = 26, 229  # of 255: paint is black below, white from there on
HUE = 16  # by which the channels of grey may differ
ENOUGH = 1 << 20  # pixels that are looked at
MOST_PAINT = 0.5  # of the image: what covers more may as well be what a hole was rubbed into


class AmbiguousMask(ValueError):  # noqa: N818 - names what the file is
    """An image with transparency that may mean two masks."""


class Meaning(Enum):
    """Where a mask lies in an image."""

    COLOURS = "its colours"  # without transparency, as any mask
    PAINT = "its alpha"  # strokes in one colour
    GREYS = "its colours times its alpha"  # strokes in greys
    HOLE = "1 - alpha"


@dataclass(frozen=True)
class Understood:
    """What a file means as a mask, and the words for it; none for a plain one."""

    meaning: Meaning
    words: str = ""


def understand(path: Path) -> Understood:
    """What an image file (its first frame) means as a mask.

    Raises AmbiguousMask, UnreadableImage.
    """
    frame = next(read_frames(path))
    if frame.alpha is None or frame.alpha.min() >= OPAQUE:
        return Understood(Meaning.COLOURS)
    if frame.alpha.max() == 0:
        raise AmbiguousMask(
            f"{path} is transparent everywhere: either nothing is painted, or everything is rubbed "
            "out; save the mask as a grey image without transparency, white where it is repainted"
        )
    covered = float((frame.alpha > 0).mean())
    colours = _paints(frame)
    if colours is None:
        return _photo(path, covered)
    return _paint(path, colours, covered)


def _photo(path: Path, covered: float) -> Understood:
    if covered < MOST_PAINT:
        raise AmbiguousMask(
            f"{path} is a photo of which only {covered:.0%} can be seen: either that is to be "
            "repainted, or all around it; save the mask as a grey image without transparency, "
            "white where it is repainted"
        )
    return Understood(
        Meaning.HOLE, f"{path.name}: an image with a transparent hole; the hole is the mask"
    )


def _paint(path: Path, colours: np.ndarray, covered: float) -> Understood:
    """Colours `[N, 3]`, 0..255, of the paint, which covers this part of the image."""
    layer = "on a transparent layer"
    if colours.min() >= WHITE:
        words = f"{path.name}: white strokes {layer}; their alpha counts"
        return Understood(Meaning.PAINT, words)
    if covered > MOST_PAINT:
        raise AmbiguousMask(
            f"{path} is {covered:.0%} covered with paint that is not white alone, the rest is "
            "transparent: either the paint is to be repainted, or what is transparent; paint the "
            "mask in white, or save it as a grey image without transparency"
        )
    has_hue = np.ptp(colours, axis=1).max() > HUE
    if has_hue or colours.max() < BLACK:
        name = "coloured" if has_hue else "black"
        return Understood(Meaning.PAINT, f"{path.name}: {name} strokes {layer}; their alpha counts")
    return Understood(
        Meaning.GREYS,
        f"{path.name}: grey strokes {layer}; their brightness times their alpha counts",
    )


def _paints(frame: Frame) -> np.ndarray | None:
    """The colours `[N, 3]` of what is painted; None for a photo, which has many."""
    alpha = np.asarray(frame.alpha)
    visible = frame.colours[alpha >= min(int(alpha.max()), OPAQUE)]
    visible = visible[:: -(-len(visible) // ENOUGH)]
    if visible.dtype != np.uint8:
        visible = (visible // 257).astype(np.uint8)
    visible = np.broadcast_to(visible, (len(visible), 3))
    _, number, counts = np.unique(
        visible // (256 // SHADES) @ np.array([SHADES**2, SHADES, 1]),
        return_index=True,
        return_counts=True,
    )
    common = np.argsort(-counts)[:FEW]
    if counts[common].sum() < FLAT * len(visible):
        return None
    common = common[counts[common] >= (1 - FLAT) * len(visible)]
    return visible[number[common]]
