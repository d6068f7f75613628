"""Batches: how fewer serve more, and how results are put together."""

from collections.abc import Iterable

import torch
from torch import Tensor


def check_shares(number: int, what: str, total: int, wholes: str) -> None:
    """Raise ValueError unless a smaller batch divides the one that it serves by repeating."""
    if total % number:
        raise ValueError(
            f"{number} {what} cannot be shared out to {total} {wholes}; give one for all, one for "
            f"each, or a number that divides the {wholes}"
        )


def gather(parts: Iterable[Tensor], count: int) -> Tensor:
    """`count` ≥ 1 parts `[1, …]` of one shape, written into one tensor `[count, …]` as they come.

    Unlike `torch.cat` it never holds two parts beside the result.
    """
    result = torch.empty(0)
    for index, part in zip(range(count), parts, strict=True):
        if index == 0:
            result = part.new_empty(count, *part.shape[1:])
        result[index] = part[0]
    return result
