"""Weights of another type: rounded, and never turned into infinity in silence."""

import torch
from torch import Tensor


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


def _finite(tensor: Tensor) -> Tensor:
    """Where it is neither infinite nor NaN; torch cannot tell for fp8, some of which lack both."""
    return (tensor.float() if tensor.itemsize == 1 else tensor).isfinite()
