"""Compiling the UNet with torch.compile, for long batches: the first call takes minutes."""

import functools
import importlib.util
import os
import shutil
from collections.abc import Callable
from typing import Any

import torch


class CannotCompile(RuntimeError):  # noqa: N818 - says what is wrong, like LookupError
    """There is no compiler, or it failed; the message says what is needed."""


def compiled(run: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """A function of tensors, compiled at its first call and once more for each new shape.

    On a GPU as CUDA graphs, whose results are copied, because the next call overwrites them.
    Raises CannotCompile, here or at a first call.
    """
    _check_compiler(device)
    graphs = device.type == "cuda"
    fast = torch.compile(run, dynamic=False, mode="reduce-overhead" if graphs else None)
    known: set[tuple] = set()

    @functools.wraps(run)
    def call(*inputs: torch.Tensor) -> Any:
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()
        shapes = tuple(one.shape for one in inputs)
        if shapes in known:
            result = fast(*inputs)
        else:
            result = _first(fast, inputs)
            known.add(shapes)
        return _copied(result) if graphs else result

    return call


def _first(fast: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> Any:
    from torch._dynamo.exc import TorchDynamoException

    try:
        return fast(*inputs)
    except (TorchDynamoException, AssertionError) as error:  # older CUDA graphs assert
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CannotCompile(
            f"the UNet cannot be compiled: {reason}; run it without compiling"
        ) from error


def _copied(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(one.clone() for one in result)
    return result.clone()


def _check_compiler(device: torch.device) -> None:
    if device.type == "cuda":
        missing = "" if importlib.util.find_spec("triton") else "the package triton"
    else:
        asked = os.environ.get("CXX")
        names = [asked] if asked else ["g++", "clang++", "cl"]
        missing = "" if any(map(shutil.which, names)) else f"a C++ compiler ({', '.join(names)})"
    if missing:
        raise CannotCompile(
            f"the UNet cannot be compiled: {missing} is not installed; install it, or run the UNet "
            "without compiling"
        )
