"""What every reader of depth files gives, and which of several layers or arrays that is."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MOST_NAMES = 30  # in a message


@dataclass(frozen=True)
class Values:
    """float32 `[N, H, W, channels]`: floats as they are, integers of 8 and 16 bits as 0..1."""

    pixels: Tensor
    most: int = 1  # the file's integer that became 1; of floats 1

    @classmethod
    def of(cls, array: np.ndarray) -> "Values":
        """Floats, uint8 or uint16 `[N, H, W, channels]`.

        Floats of 64 bits are rounded; beyond 3.4e38 they become infinite.
        """
        with np.errstate(over="ignore"):
            floats = array.astype(np.float32, order="C")
        most = int(np.iinfo(array.dtype).max) if array.dtype.kind == "u" else 1
        if most > 1:
            floats /= most
        return cls(torch.from_numpy(floats), most)


class UnclearLayer(ValueError):  # noqa: N818 - names what is wrong
    """Several layers or arrays that could be meant, or none; the message lists what there is."""


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, the first ones when there are many."""
    shown = [name[:100] for name in names]
    more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
    return ", ".join(shown[:MOST_NAMES]) + more or "none"
