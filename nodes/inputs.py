"""The inputs that nodes declare.

What an input takes comes first, then what its tooltip says: `number(1.0, 0.0, 2.0).tooltip("…")`
is V1's pair of a type and its options. `options` are ComfyUI's own; `advanced=True`, for example,
hides an expert's input.
"""

import math
import reprlib
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from ..depth.estimate import Precision
from ..depth.networks.network import OWN

Input = tuple[Any, dict[str, Any]]


class Field(NamedTuple):
    """What an input takes."""

    type: Any  # the name of a socket, or the entries of a dropdown
    options: dict[str, Any]

    def tooltip(self, text: str) -> Input:
        """The input, with its unit and consequence in words."""
        return (self.type, {**self.options, "tooltip": text})


# --- sockets -------------------------------------------------------------------------------------

IMAGE = Field("IMAGE", {})  # float32 [B, H, W, 3] in 0..1; a depth map is one, too
MASK = Field("MASK", {})  # float32 [B, H, W] in 0..1
LATENT = Field("LATENT", {})  # see sampling.latents.Latent
CONDITIONING = Field("CONDITIONING", {})  # see sampling.depth_channel.Conditioning
MODEL = Field("MODEL", {})  # the host's own, as is a VAE
VAE = Field("VAE", {})
DEPTH_MODEL = Field("DEPTH_MODEL", {})  # depth.networks.estimators.DepthModel
STITCH = Field("SD2DEPTH_STITCH", {})  # images.crop.Stitch


# --- widgets -------------------------------------------------------------------------------------


def number(default: float, low: float, high: float, step: float = 0.01, **options: Any) -> Field:
    """A float within its limits."""
    return Field("FLOAT", {"default": default, "min": low, "max": high, "step": step, **options})


def fraction(default: float, **options: Any) -> Field:
    """A float in 0..1."""
    return number(default, 0.0, 1.0, **options)


def integer(default: int, low: int, high: int, **options: Any) -> Field:
    """A whole number within its limits."""
    return Field("INT", {"default": default, "min": low, "max": high, **options})


def pixels(default: int, most: int = 512, **options: Any) -> Field:
    """A length in pixels, from 0 on."""
    return integer(default, 0, most, **options)


def seed(**options: Any) -> Field:
    """What noise is drawn from."""
    return integer(0, 0, 0xFFFFFFFFFFFFFFFF, **options)


def switch(**options: Any) -> Field:
    """On or off; off by default."""
    return Field("BOOLEAN", {"default": False, **options})


def text(default: str, **options: Any) -> Field:
    """A string."""
    return Field("STRING", {"default": default, **options})


def choice(default: Enum, **options: Any) -> Field:
    """One of an Enum's values."""
    return one_of([kind.value for kind in type(default)], default=default.value, **options)


def one_of(names: list[str], **options: Any) -> Field:
    """One of several names, of files for example."""
    return Field(names, options)


# --- limits --------------------------------------------------------------------------------------


def check_limits(node: Any, given: Mapping[str, Any]) -> None:
    """Raise ValueError for a number beyond the limits that its input declares; NaN is, too.

    ComfyUI checks the numbers of widgets alone, not those that come by a wire.
    """
    numbers = [
        (name, one)
        for name, value in given.items()
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, (int, float, np.number))
    ]
    if not numbers:
        return
    options = {name: more for name, (_, more) in declared(node).items()}
    for name, number in numbers:
        reason = out_of_range(number, options.get(name, {}))
        if reason:
            raise ValueError(f"input {name}: {reason}")


def declared(node: Any) -> dict[str, Input]:
    """The inputs of a node that it shows."""
    groups = node.INPUT_TYPES()
    return {**groups["required"], **groups.get("optional", {})}


def out_of_range(number: Any, options: Mapping[str, Any]) -> str:
    """What is wrong with a number for an input with these options; "" where nothing is."""
    low, high = options.get("min", -math.inf), options.get("max", math.inf)
    if low <= number <= high:  # of NaN it is false
        return ""
    expected = f"{low} to {high}"
    if math.isinf(high) or math.isinf(low):
        expected = f"at least {low}" if math.isinf(high) else f"at most {high}"
    return f"{reprlib.repr(number)} is out of range; expected {expected}"


# --- what several nodes ask alike ----------------------------------------------------------------


def depth() -> Input:
    """The depth map to edit."""
    return IMAGE.tooltip("Depth map or a batch of them: white = near, black = far.")


def mask_and_feather(changed: str = "changed", owner: str = "map") -> dict[str, Input]:
    """Where a depth map may be edited."""
    return {
        "mask": MASK.tooltip(
            f"Of the {owner}'s size: where the depth may be {changed}. Black stays as it is, bit "
            "for bit, grey mixes. One for all, or a number that divides the maps. Without it, "
            "everywhere."
        ),
        "feather": pixels(0).tooltip(
            "Pixels inside the mask's border over which the change sets in; 0 is a hard edge. "
            "Fewer where the mask is narrow."
        ),
    }


def size() -> Input:
    """The size that the model works at."""
    return integer(512, 64, 4096, step=64).tooltip(
        "Short side of the result in pixels: 512 for 512-depth-ema, 256 for the miniature. The "
        "long side is a multiple of 64, at most twice as long."
    )


def fixed_range() -> dict[str, Input]:
    """The ends that `normalize` takes for a fixed range."""
    ends = {"low": (0.0, "far"), "high": (1.0, "near")}
    return {
        end: number(value, -10.0, 10.0, step=0.001, advanced=True).tooltip(
            f"With normalize = fixed range: the depth that counts as {what}."
        )
        for end, (value, what) in ends.items()
    }


def resolution() -> Input:
    """The size of a depth network's input."""
    return integer(OWN, 0, 2048, step=32).tooltip(
        "Size in pixels of the network's input. 0: the one it was trained with (384 for the MiDaS "
        "in the checkpoint). More shows finer detail but can lose the overall depth, and takes "
        "longer. MiDaS needs multiples of 32; networks that know one size only say so."
    )


def estimation() -> dict[str, Input]:
    """How else a depth network is run."""
    return {
        "precision": choice(Precision.FLOAT32, advanced=True).tooltip(
            "Arithmetic of the network. Half precision is quicker on a GPU and moves depths by "
            "about a thousandth."
        ),
        "tiles": integer(1, 1, 8).tooltip(
            "1: the network gets the whole image only. More: also overlapping parts of it, this "
            "many along the shorter side, which are fitted to the whole and blended. Finer detail "
            "in large images; 2 takes five times as long, 4 seventeen times (square images)."
        ),
        "flip": switch(advanced=True).tooltip(
            "On: the mean of two passes, one with the mirrored image. A little more accurate, "
            "twice as long."
        ),
    }
