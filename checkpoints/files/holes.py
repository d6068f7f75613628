"""Zeros where a trained model has none: what a download leaves that reserved the whole file.

Size and header of such a file are right. But weights are rarely zero, and where they are meant to
be, they are so by whole rows: those of tokens that training never saw, of channels that are off, or
all of the last layer of a residual branch. A hole begins and ends in the middle of a row.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from .errors import DamagedFile
from .weights import TensorInfo, WeightFile

_BLOCK = 512 * 1024  # bytes; of smaller weights a quarter, but not less than
_SMALL_BLOCK = 4096
_PROBE = 64  # bytes read of a block that does not begin with zeros
_TEAR = 16  # zeros at the end of a row that is torn; beyond them it has hardly any


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
    whole. Looks at 64 bytes of every block, and at all of those that begin with zeros. `read` gives
    tensors that were read before.

    Raises FileWithHoles, with the number of tensors.
    """
    empty, torn = [], []
    read = read or file.read
    for name in names:
        if not _is_weight(name, file.tensors[name]):
            continue
        tensor = read(name)
        blocks = [_is_zero(block) for block in _blocks(tensor)]
        if all(blocks):
            if not name.endswith(tuple(may_be_off)):
                empty.append(name)
        elif any(blocks) and _is_torn(tensor):
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
        return f"parts of {len(torn)} of {total} tensors are zero ({_some(torn)})"
    zero = sum(all(map(_is_zero, _blocks(read(name)))) for name in names)
    parts = f" and parts of {len(torn)} more" if torn else ""
    return f"{zero} of {total} tensors are all zero{parts} ({_some(empty)})"


def _some(names: Collection[str]) -> str:
    return ", ".join([*names][:3]) + ", ..." * (len(names) > 3)


def _is_weight(name: str, info: TensorInfo) -> bool:
    has_rows = sum(size > 1 for size in info.shape) > 1
    return name.endswith("weight") and has_rows and info.dtype.is_floating_point


def _blocks(tensor: Tensor) -> Iterable[np.ndarray]:
    data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    size = max(_SMALL_BLOCK, min(_BLOCK, -(-len(data) // 4)))
    return (data[start : start + size] for start in range(0, len(data), size))


def _is_zero(block: np.ndarray) -> bool:
    # As truth values, because numpy stops at the first one.
    return not block[:_PROBE].view(bool).any() and not block.view(bool).any()


def _is_torn(tensor: Tensor) -> bool:
    """Whether zero rows end in the middle of a row, on either side."""
    filled = (tensor if tensor.itemsize > 1 else tensor.view(torch.uint8)).flatten(1) != 0
    is_zero = ~filled.any(1)
    before = filled[:-1][~is_zero[:-1] & is_zero[1:]]  # rows with a zero row behind them
    behind = filled[1:][~is_zero[1:] & is_zero[:-1]]
    return any(_ends_in_zeros(row) for row in (*before, *behind.flip(1)))


def _ends_in_zeros(filled: Tensor) -> bool:
    last = int(filled.nonzero()[-1]) + 1
    zeros = len(filled) - last
    return zeros >= _TEAR and int(filled[:last].sum()) > 0.9 * last
