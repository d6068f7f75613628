"""Sizes of images, compared."""

from collections.abc import Iterable, Sequence

ASPECT_TOLERANCE = 0.02  # what rounding sides to multiples of 8 can do to a small image


def same_aspect(size: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two sizes (height, width) have one shape, but for what rounding does to sides."""
    (height, width), (other_height, other_width) = size, other
    return abs(width * other_height / (height * other_width) - 1.0) <= ASPECT_TOLERANCE


def common_size(sizes: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The (height, width) that all images of a sheet have; ValueError for several, or for none."""
    found = sorted(set(sizes))
    if len(found) != 1:
        named = ", ".join(f"{width} x {height}" for height, width in found) or "no images"
        raise ValueError(
            f"found {named} (width x height); expected images of one size, scale or crop them"
        )
    return found[0]
