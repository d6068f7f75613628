"""The progress bar of the command line."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def progress(items: Sequence[T], description: str) -> Iterator[T]:
    """A bar where there is a terminal; Ctrl-C ends the loop."""
    from tqdm import tqdm  # here, because only the engine needs it

    yield from tqdm(items, desc=description, leave=False, disable=None)
