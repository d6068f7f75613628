"""Zeros where a trained model has none: what a download leaves that reserved the whole file.

Size and header of such a file are right. But weights are rarely zero, and where they are meant to
be, they are so by whole rows and columns: those of tokens that training never saw, of channels that
are off, or all of the last layer of a residual branch. A hole begins and ends in the middle of a
row, at columns that the row beside it has filled.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from ...images.counts import how_many
from .errors import DamagedFile
from .weights import TensorInfo, WeightFile

_BLOCK = 64 * 1024  # bytes; of smaller weights a quarter, but not less than
_SMALL_BLOCK = 4096
_PROBE = 16  # numbers read of a block that does not begin with zeros
_TEAR = 16  # columns at least on either side of where a row is torn
_FILLED = 0.8  # of a row, at least; fp8 rounds some weights to zero


class FileWithHoles(DamagedFile):
    """Weights are zero that no training leaves so: the file did not arrive as a whole."""


def check_holes(
    file: WeightFile,
    names: Iterable[str],
    may_be_off: Sequence[str] = (),
    read: Callable[[str], Tensor] | None = None,
) -> None:
    """Make sure that the weights among these tensors of a trained model have arrived.

    Weights are matrices and kernels. Those whose names end in one of `may_be_off` may be zero as a
    whole. Looks at the beginning of every block, and at all of those that begin with zeros. `read`
    gives tensors that were read before.

    Raises FileWithHoles, with the number of tensors.
    """
    empty, torn = [], []
    read = read or file.read
    for name in names:
        if not _is_weight(name, file.tensors[name]):
            continue
        weight, row = _numbers(read(name)), math.prod(file.tensors[name].shape[1:])
        holes = [*_holes(weight)]
        if holes == [(0, len(weight))]:
            if not name.endswith(tuple(may_be_off)):
                empty.append(name)
        elif any(_is_torn(weight, row, *hole) for hole in holes):
            torn.append(name)
    if empty or torn:
        counted = _counted(file.tensors, read, empty, torn)
        raise FileWithHoles(
            f"{file.path.name}: {counted}: the download is not complete. Copy or download it again."
        )


def _counted(
    names: Collection[str],
    read: Callable[[str], Tensor],
    empty: Collection[str],
    torn: Collection[str],
) -> str:
    total = len(names)
    if not empty:
        return f"{how_many(len(torn), total, 'tensor')} zero in parts ({_some(torn)})"
    zero = sum(_is_zero(_numbers(read(name))) for name in names)
    parts = f", in parts {len(torn)} more" if torn else ""
    return f"{how_many(zero, total, 'tensor')} all zero{parts} ({_some(empty)})"


def _some(names: Collection[str]) -> str:
    return ", ".join([*names][:3]) + ", ..." * (len(names) > 3)


def _is_weight(name: str, info: TensorInfo) -> bool:
    has_rows = sum(size > 1 for size in info.shape) > 1 and 0 not in info.shape
    return name.endswith("weight") and has_rows and info.dtype.is_floating_point


def _numbers(tensor: Tensor) -> np.ndarray:
    """The elements as whole numbers, because NumPy does not know all floating-point types."""
    data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return data.view(f"u{tensor.itemsize}")


def _holes(weight: np.ndarray) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of zeros that fills a block."""
    least, most = _SMALL_BLOCK // weight.itemsize, _BLOCK // weight.itemsize
    size = max(least, min(most, -(-len(weight) // 4)))
    starts = range(0, len(weight), size)
    for is_zero, blocks in groupby(starts, lambda start: _is_zero(weight[start : start + size])):
        if is_zero:
            inside = list(blocks)
            begin, end = inside[0], min(inside[-1] + size, len(weight))
            before, behind = weight[max(0, begin - size) : begin], weight[end : end + size]
            yield begin - _zeros(before[::-1]), end + _zeros(behind)


def _zeros(block: np.ndarray) -> int:
    """How many it begins with; of those beside a hole none is all zero."""
    return int((block != 0).argmax()) if len(block) else 0


def _is_zero(block: np.ndarray) -> bool:
    # As truth values, because NumPy stops at the first one.
    return not block[:_PROBE].any() and not block.view(bool).any()


def _is_torn(weight: np.ndarray, row: int, begin: int, end: int) -> bool:
    """Whether a row was filled up to where these zeros begin, or from where they end."""
    return _is_tear(begin % row, row, weight[max(0, begin - row) : begin]) or _is_tear(
        -end % row, row, weight[end : end + row][::-1]
    )


def _is_tear(column: int, row: int, beside: np.ndarray) -> bool:
    """`beside` are the numbers from the same column of the row before to the tear."""
    is_inside = _TEAR <= column <= row - _TEAR
    return is_inside and all(
        np.mean(part != 0) > _FILLED for part in (beside[:_TEAR], beside[-_BLOCK:])
    )
