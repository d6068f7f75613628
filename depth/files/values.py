"""What every reader of depth files gives, and which of several layers or arrays that is."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...images.counts import how_many

log = logging.getLogger(__name__)

MOST_NAMES = 30  # in a message

# Of a map; 8192 × 8192. A few bytes can claim, and some truly unpack to, as much as they like.
MOST_VALUES = 1 << 26
MOST_A_BYTE = 4  # values that a byte of a file may unpack to where there are more


@dataclass(frozen=True)
class Values:
    """float32 `[N, H, W, channels]`: floats as they are, integers of 8 and 16 bits as 0..1."""

    pixels: Tensor
    most: int = 1  # the file's integer that became 1; of floats 1

    @classmethod
    def of(cls, array: np.ndarray) -> "Values":
        """Floats, uint8 or uint16 `[N, H, W, channels]`.

        Floats of 64 bits are rounded; those beyond 3.4e38 become that, with a warning.
        """
        with np.errstate(over="ignore"):
            floats = array.astype(np.float32, order="C")
        if array.dtype.itemsize > floats.dtype.itemsize:
            large = np.isinf(floats) & np.isfinite(array)
            if large.any():
                count = how_many(int(large.sum()), large.size, "value")
                log.warning("%s beyond 3.4e38, the largest that is kept, and set to it", count)
                floats[large] = np.copysign(np.finfo(np.float32).max, floats[large])
        most = int(np.iinfo(array.dtype).max) if array.dtype.kind == "u" else 1
        if most > 1:
            floats /= most
        return cls(torch.from_numpy(floats), most)


def check_size(values: int, path: Path, most: int = MOST_VALUES) -> None:
    """Raise ValueError for a file of more values than `most`, unless it is as large itself."""
    most = max(most, MOST_A_BYTE * path.stat().st_size)
    if values > most:
        raise ValueError(
            f"{path} is too large: it claims {values:,} values, and of a file of its size at most "
            f"{most:,} are read; save the depth alone, or smaller"
        )


class UnclearLayer(ValueError):  # noqa: N818 - names what is wrong
    """Several layers or arrays that could be meant, or none; the message lists what there is."""


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, the first ones when there are many, on one line."""
    shown = ["".join(c if c.isprintable() else "?" for c in name[:100]) for name in names]
    more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
    return ", ".join(shown[:MOST_NAMES]) + more or "none"
