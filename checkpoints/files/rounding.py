"""Weights of another type: rounded, and never turned into infinity in silence."""

import torch
from torch import Tensor

from .weights import WeightFile


class DtypeOverflow(ValueError):  # noqa: N818 - names what is not possible
    """A weight is too large for the type that it is to have."""


def rounded(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """A tensor in another floating-point type. Raises DtypeOverflow, which names the tensor."""
    if tensor.dtype == dtype:
        return tensor
    converted = tensor.to(dtype)
    if not _finite(converted).all():
        lost = tensor[_finite(tensor) & ~_finite(converted)]
        if lost.numel():
            raise DtypeOverflow(
                f"{name} has values up to {lost.double().abs().max():g}, and "
                f"{str(dtype).removeprefix('torch.')} ends at {torch.finfo(dtype).max:g}; a wider "
                "type holds them"
            )
    return converted


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
