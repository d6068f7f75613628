"""Sizes and numbers of images, compared."""

ASPECT_TOLERANCE = 0.02  # what rounding sides to multiples of 8 can do to a small image


def same_aspect(height: int, width: int, other_height: int, other_width: int) -> bool:
    """Whether two sizes have one shape, but for what rounding does to sides."""
    return abs(width * other_height / (height * other_width) - 1.0) <= ASPECT_TOLERANCE
