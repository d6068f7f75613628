"""Sizes of images, compared."""

from collections.abc import Sequence

ASPECT_TOLERANCE = 0.02  # what rounding sides to multiples of 8 can do to a small image


def same_aspect(size: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two sizes (height, width) have one shape, but for what rounding does to sides."""
    (height, width), (other_height, other_width) = size, other
    return abs(width * other_height / (height * other_width) - 1.0) <= ASPECT_TOLERANCE
