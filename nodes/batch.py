"""How a node works through a batch: one after the other, seen and stopped by the host."""

from collections.abc import Callable

from torch import Tensor

from .. import host
from ..images.batch import check_shares, gather


def one_by_one(description: str, edit: Callable[..., Tensor], **batches: Tensor | None) -> Tensor:
    """A batch, edited one by one under the host's progress bar; between two the user can cancel.

    Whatever depends on the whole batch must be known before.

    Args:
        description: of the progress bar.
        edit: takes one of every batch, `[1, …]`, under its name, or None for one that is not
            there; gives `[1, …]`, every time of the same shape.
        batches: the first one says how many there are; of the others fewer are shared out as a
            whole, again and again.

    Returns: what `edit` gave, as a batch. Memory beside it is that of one edit.

    Raises:
        ValueError: a batch that cannot be shared out.
    """
    (first, batch), *others = batches.items()
    for name, other in others:
        if other is not None:
            check_shares(len(other), f"entries of {name}", len(batch), f"entries of {first}")

    def entry(index: int) -> dict[str, Tensor | None]:
        return {
            name: None if t is None else t[index % len(t)].unsqueeze(0).contiguous()
            for name, t in batches.items()
        }

    indices = host.progress(range(len(batch)), description)
    return gather((edit(**entry(index)) for index in indices), len(batch))
