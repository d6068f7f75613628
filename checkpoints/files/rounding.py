"""Weights of another type: rounded, and never turned into infinity in silence."""

import torch
from torch import Tensor


def rounded(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """A tensor in another floating-point type.

    Args:
        name: the tensor's, for the message.

    Raises ValueError when a finite value is beyond the type's range.
    """
    if tensor.dtype == dtype:
        return tensor
    converted = tensor.to(dtype)
    if not _finite(converted).all():
        lost = tensor[_finite(tensor) & ~_finite(converted)]
        if lost.numel():
            raise ValueError(
                f"{name} has values up to {lost.double().abs().max():g}, and "
                f"{str(dtype).removeprefix('torch.')} ends at {torch.finfo(dtype).max:g}; a wider "
                "type holds them (--dtype bf16 or fp32)"
            )
    return converted


def _finite(tensor: Tensor) -> Tensor:
    """Where it is neither infinite nor NaN; torch cannot tell for fp8, some of which lack both."""
    return (tensor.float() if tensor.itemsize == 1 else tensor).isfinite()
