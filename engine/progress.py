"""The progress bar of the command line."""

import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

# Ctrl-C reaches the main thread only; other threads look here between two items.
stopped: ContextVar[threading.Event | None] = ContextVar("stopped", default=None)


def progress(items: Sequence[T], description: str) -> Iterator[T]:
    """A bar where there is a terminal; Ctrl-C ends the loop."""
    from tqdm import tqdm  # here, because only the engine needs it

    stop = stopped.get()
    for item in tqdm(items, desc=description, leave=False, disable=None):
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt
        yield item
