"""Who watches the steps of a run, and may end it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

# Called after every step with its number from 1, the number of steps, and what the model takes the
# finished latent to be, float32 [B, 4, h, w] in the VAE's units. What it raises ends the run.
OnStep = Callable[[int, int, Tensor], object]

_watcher: ContextVar[OnStep | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(on_step: OnStep | None) -> Iterator[None]:
    """Within the block hosts call `on_step` after every step; None: nobody watches."""
    token = _watcher.set(on_step)
    try:
        yield
    finally:
        _watcher.reset(token)


def watcher() -> OnStep | None:
    """Whom to call, for a host that samples."""
    return _watcher.get()
