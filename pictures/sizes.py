"""Sizes and numbers of pictures, compared."""

ASPECT_TOLERANCE = 0.02  # what rounding sides to multiples of 8 can do to a small picture


def same_aspect(height: int, width: int, other_height: int, other_width: int) -> bool:
    """Whether two sizes have one shape, but for what rounding does to sides."""
    return abs(width * other_height / (height * other_width) - 1.0) <= ASPECT_TOLERANCE


def check_shares(number: int, batch: int, what: str, owners: str = "pictures") -> None:
    """Whether a number of maps, masks or the like can be shared out to a batch of others.

    Shared out, they repeat as a whole: 2 to 4 as 0, 1, 0, 1.

    Args:
        what, owners: what they and the others are called, in the plural.

    Raises:
        ValueError: the number does not divide the batch.
    """
    if batch % number:
        raise ValueError(
            f"{number} {what} cannot be shared out to {batch} {owners}; give one for all, one for "
            "each, or a number that divides them"
        )
