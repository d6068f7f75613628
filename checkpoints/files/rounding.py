"""Weights of another type: rounded, and never turned into infinity in silence."""

import math

import torch
from torch import Tensor

from .weights import WeightFile


class DtypeOverflow(ValueError):  # noqa: N818 - names what is not possible
    """A weight is too large for the type that it is to have."""


def rounded(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """A tensor in another floating-point type. Raises DtypeOverflow, which names the tensor."""
    if tensor.dtype == dtype:
        return tensor
    # Torch cannot compare fp8, and rounds float64 to float32 first.
    values = tensor.float() if tensor.itemsize in (1, 8) else tensor
    is_lost = (values.abs() >= _end(dtype)) & _finite(tensor)
    if is_lost.any():
        raise DtypeOverflow(
            f"{name} has values up to {tensor[is_lost].double().abs().max():g}, and "
            f"{str(dtype).removeprefix('torch.')} ends at {torch.finfo(dtype).max:g}; a wider "
            "type holds them"
        )
    return tensor.to(dtype)


def _end(dtype: torch.dtype) -> float:
    """Half a step beyond the type's largest number, which is what smaller ones round to.

    What larger ones become depends on torch as well: infinity, NaN, or the largest number.
    """
    limits = torch.finfo(dtype)
    return limits.max + 2.0 ** math.floor(math.log2(limits.max)) * limits.eps / 2


class Rounded(WeightFile):
    """A file with its floating-point tensors in another type; None keeps each one's own."""

    def __init__(self, file: WeightFile, dtype: torch.dtype | None) -> None:
        self.path, self.metadata, self._file = file.path, file.metadata, file
        self.tensors = {
            name: info._replace(dtype=dtype) if dtype and info.dtype.is_floating_point else info
            for name, info in file.tensors.items()
        }

    def read(self, name: str) -> Tensor:
        """One tensor on the CPU. Raises DtypeOverflow."""
        return rounded(self._file.read(name), self.tensors[name].dtype, name)


def _finite(tensor: Tensor) -> Tensor:
    """Where it is neither infinite nor NaN; torch cannot tell for fp8, some of which lack both."""
    return (tensor.float() if tensor.itemsize == 1 else tensor).isfinite()
