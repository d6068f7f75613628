"""Batches, one after the other: how fewer are shared out, and how results are put together."""

from collections.abc import Iterable

from torch import Tensor


def check_shares(number: int, what: str, total: int, wholes: str) -> None:
    """Whether so many of something can serve a batch: as a whole, again and again.

    Raises:
        ValueError: the number does not divide the batch.
    """
    if total % number:
        raise ValueError(
            f"{number} {what} cannot be shared out to {total} {wholes}; give one for all, one for "
            f"each, or a number that divides the {wholes}"
        )


def gather(parts: Iterable[Tensor], count: int) -> Tensor:
    """`count` parts `[1, …]` of one shape, written into one tensor `[count, …]` as they come.

    Unlike `torch.cat` it never holds two parts beside the result.

    Raises:
        ValueError: there are more or fewer parts.
    """
    result = None
    for index, part in zip(range(count), parts, strict=True):
        if result is None:
            result = part.new_empty(count, *part.shape[1:])
        result[index] = part[0]
    return result
