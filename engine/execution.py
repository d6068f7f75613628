"""How the engine runs its networks: in which type of numbers, compiled or not.

Whatever runs workflows sets it with `use`, before models are loaded.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum

import torch
import torch.nn.functional as F

log = logging.getLogger(__name__)


class Precision(str, Enum):
    """Type of a network's weights and arithmetic; latents, noise levels, samplers: float32."""

    AUTO = "auto"  # half precision where it is faster
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


_TYPES = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}


@dataclass(frozen=True)
class Execution:
    """Without a precision the UNet runs in fp32 on a CPU and in fp16 on a GPU, the VAE in fp32."""

    precision: Precision | None = None
    compiles: bool = False  # the UNet


_current = Execution()


def current() -> Execution:
    """What models are loaded with from now on."""
    return _current


def use(execution: Execution) -> None:
    """Set it."""
    global _current
    _current = execution


@contextmanager
def in_precision(name: str | None) -> Iterator[None]:
    """Within the block models are loaded to run in this one; None leaves it. Raises ValueError."""
    before = _current
    if name is not None:
        use(replace(before, precision=_precision(name)))
    try:
        yield
    finally:
        use(before)


def _precision(name: str) -> Precision:
    names = [one.value for one in Precision]
    if name not in names:
        raise ValueError(f"the precision is {name!r}; expected one of {', '.join(names)}")
    return Precision(name)


# --- types ---------------------------------------------------------------------------------------


@functools.cache
def unet_type(precision: Precision | None, device: torch.device, width: int) -> torch.dtype:
    """The type for a UNet of this width, which is that of its finest level."""
    if precision is None:
        precision = Precision.FP32 if device.type == "cpu" else Precision.FP16
    if precision is Precision.AUTO:
        return _fastest(device, width)
    if precision is Precision.FP16 and device.type == "cpu":
        log.warning("fp16 is slow on a CPU; bf16 or fp32 is meant for it")
    return _TYPES[precision]


def vae_type(precision: Precision | None, device: torch.device, width: int) -> torch.dtype:
    """The type for the VAE beside such a UNet: never fp16, beyond which its activations may go."""
    if precision is None or unet_type(precision, device, width) is torch.float32:
        return torch.float32
    if device.type == "cpu":
        fast = precision is not Precision.FP16
    else:
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float32


# Below this factor rounding is not worth it, and a busy machine could decide it either way.
WORTHWHILE = 1.2


def _fastest(device: torch.device, width: int) -> torch.dtype:
    """fp16 on a GPU; on a CPU what a probe says, because its flags do not tell how fast it is."""
    if device.type != "cpu":
        log.info("precision auto: fp16, on a GPU")
        return torch.float16
    gain = bfloat16_gain(2 * width)
    faster = gain >= WORTHWHILE
    chosen, factor = ("bf16", gain) if faster else ("fp32", 1 / gain)
    other = "fp32" if faster else "bf16"
    log.info("precision auto: %s, %.1f times as fast as %s in a probe", chosen, factor, other)
    return torch.bfloat16 if faster else torch.float32


@torch.inference_mode()
def bfloat16_gain(width: int, rounds: int = 3) -> float:
    """How many times as fast a convolution and a linear layer of this width are in bfloat16."""
    sides = {dtype: _layers(width, dtype) for dtype in (torch.float32, torch.bfloat16)}
    for layers in sides.values():
        layers()  # the first call also chooses kernels
    seconds: dict[torch.dtype, list[float]] = {dtype: [] for dtype in sides}
    for _ in range(rounds):
        for dtype, layers in sides.items():
            start = time.process_time()
            layers()
            seconds[dtype].append(time.process_time() - start)
    return min(seconds[torch.float32]) / max(min(seconds[torch.bfloat16]), 1e-9)


def _layers(width: int, dtype: torch.dtype) -> Callable[[], object]:
    """A part of a UNet's second level, for two images of 256 pixels."""
    x = torch.randn(2, width, 16, 16).to(dtype)
    kernel = torch.randn(width, width, 3, 3).to(dtype)
    matrix = torch.randn(4 * width, width).to(dtype)

    def run() -> None:
        F.linear(F.silu(F.conv2d(x, kernel, padding=1)).flatten(2).mT, matrix)

    return run
