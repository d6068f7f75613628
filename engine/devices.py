"""Where the engine's networks run."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

Device = torch.device | str

_chosen: ContextVar[torch.device | None] = ContextVar("device", default=None)


def current() -> torch.device:
    """The device that `on` has chosen, otherwise CUDA where there is one."""
    return _chosen.get() or torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def on(device: Device | None) -> Iterator[None]:
    """Within the block networks are loaded to this device; None chooses nothing.

    Raises ValueError for one that PyTorch cannot use here.
    """
    token = _chosen.set(None if device is None else _usable(device))
    try:
        yield
    finally:
        _chosen.reset(token)


def _usable(device: Device) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(
            f"the device {str(device)!r} cannot be used: {reason}. Give 'cpu', 'cuda' or another "
            "that PyTorch has here"
        ) from error
