"""What an image file means as a mask, above all one with transparency.

Painters export strokes on a clear layer, or the photo with a hole rubbed out, and the colours alone
show neither. What a file means is read off its most visible pixels, for soft rims have colours of
their own: a few flat colours are paint, more are a photo. Without transparency it has to be grey.
What may mean two things is refused.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from .files import Frame, read_frames
from .numbers import WORTH_SAYING

OPAQUE = 253  # alpha from which on 8 bits count as opaque; what lossy formats leave of 255
SHADES = 64  # steps in which colours are told apart, 4 of 256 each
FLAT, FEW = 0.98, 8  # paint: so much of it in so few colours
PURE = 1 - WORTH_SAYING  # so much white in what covers most of an image, or it is a drawing
BLACK, WHITE = 26, 229  # of 255: paint is black below, white from there on
HUE = 16  # by which the channels of grey may differ
ENOUGH = 1 << 20  # pixels that are looked at
MOST_PAINT = 0.5  # of the image: what covers more may as well be what a hole was rubbed into

LAYER = "on a transparent layer"


class AmbiguousMask(ValueError):  # noqa: N818 - names what the file is
    """An image that may mean two masks."""


class Meaning(Enum):
    """Where a mask lies in an image."""

    COLOURS = "its red"  # without transparency, as any mask
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
        _check_grey(frame, path)
        _check_white(frame, path)
        return Understood(Meaning.COLOURS)
    if frame.alpha.max() == 0:
        raise AmbiguousMask(
            f"{path} is transparent everywhere: either nothing is painted, or everything is rubbed "
            "out; save the mask as a grey image without transparency, white where it is repainted"
        )
    covered = float((frame.alpha > 0).mean())
    visible = _visible(frame)
    colours = _paints(visible)
    if colours is None:
        return _photo(path, covered)
    if (visible >= WHITE).all(axis=1).mean() >= (FLAT if covered <= MOST_PAINT else PURE):
        return Understood(Meaning.PAINT, f"{path.name}: white strokes {LAYER}; their alpha counts")
    return _paint(path, colours, covered)


def _check_grey(frame: Frame, path: Path) -> None:
    """Red on black is as good as grey, as the red of a mask counts."""
    if frame.colours.shape[2] == 1:
        return
    pixels = _sample(frame.colours.reshape(-1, 3))
    is_coloured = (np.ptp(pixels, axis=1) > HUE).mean() >= WORTH_SAYING
    if is_coloured and pixels[:, 1:].max() >= BLACK:
        raise AmbiguousMask(
            f"{path} is an image in colours without transparency: which of them are to be "
            "repainted does not show; save the mask as a grey image, white where it is repainted, "
            "or paint it on a transparent layer of its own"
        )


def _check_white(frame: Frame, path: Path) -> None:
    """Programs that count pixels save a mask of 0 and 1, which is black to everyone else."""
    most = 255 if frame.colours.dtype == np.uint8 else 65535
    if frame.colours[..., 0].max() == 1:
        raise AmbiguousMask(
            f"{path} has the values 0 and 1 of {most}, all of them black: either 1 means white, or "
            f"nothing is to be repainted; save the mask as a grey image with {most} for white"
        )


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
    """Colours `[N, 3]`, 0..255, of paint that is not white and covers this part of the image."""
    if covered > MOST_PAINT:
        raise AmbiguousMask(
            f"{path} is {covered:.0%} covered with paint that is not white alone, the rest is "
            "transparent: either the paint is to be repainted, or what is transparent; paint the "
            "mask in white, or save it as a grey image without transparency"
        )
    has_hue = np.ptp(colours, axis=1).max() > HUE
    if has_hue or colours.max() < BLACK:
        name = "coloured" if has_hue else "black"
        return Understood(Meaning.PAINT, f"{path.name}: {name} strokes {LAYER}; their alpha counts")
    return Understood(
        Meaning.GREYS,
        f"{path.name}: grey strokes {LAYER}; their brightness times their alpha counts",
    )


def _visible(frame: Frame) -> np.ndarray:
    """The most visible pixels, uint8 `[N, 3]`, or some of very many."""
    alpha = np.asarray(frame.alpha)
    visible = _sample(frame.colours[alpha >= min(int(alpha.max()), OPAQUE)])
    if visible.dtype != np.uint8:
        visible = (visible // 257).astype(np.uint8)
    return np.broadcast_to(visible, (len(visible), 3))


def _sample(pixels: np.ndarray) -> np.ndarray:
    return pixels[:: -(-len(pixels) // ENOUGH)]


def _paints(visible: np.ndarray) -> np.ndarray | None:
    """The colours `[N, 3]` of what is painted; None for a photo, which has many."""
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
