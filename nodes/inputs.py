"""The inputs that nodes declare, each as V1's pair of a type and its options.

`options` are ComfyUI's own, `advanced=True` for example, which hides an expert's input.
"""

from enum import Enum
from typing import Any

from ..depth.networks.estimators import Precision
from ..depth.networks.network import OWN

Input = tuple[Any, dict[str, Any]]


# --- widgets -------------------------------------------------------------------------------------


def number(
    default: float, limits: tuple[float, float], tooltip: str, step: float = 0.01, **options: Any
) -> Input:
    """A float within its limits."""
    low, high = limits
    widget = {"default": default, "min": low, "max": high, "step": step}
    return ("FLOAT", {**widget, **options, "tooltip": tooltip})


def fraction(default: float, tooltip: str, **options: Any) -> Input:
    """A float in 0..1."""
    return number(default, (0.0, 1.0), tooltip, **options)


def integer(default: int, limits: tuple[int, int], tooltip: str, **options: Any) -> Input:
    """A whole number within its limits."""
    low, high = limits
    return ("INT", {"default": default, "min": low, "max": high, **options, "tooltip": tooltip})


def pixels(default: int, tooltip: str, most: int = 512, **options: Any) -> Input:
    """A length in pixels, from 0 on."""
    return integer(default, (0, most), tooltip, **options)


def seed(tooltip: str, **options: Any) -> Input:
    """What noise is drawn from."""
    return integer(0, (0, 0xFFFFFFFFFFFFFFFF), tooltip, **options)


def switch(tooltip: str, **options: Any) -> Input:
    """On or off; off by default."""
    return ("BOOLEAN", {"default": False, **options, "tooltip": tooltip})


def text(default: str, tooltip: str, **options: Any) -> Input:
    """A string."""
    return ("STRING", {"default": default, **options, "tooltip": tooltip})


def choice(default: Enum, tooltip: str, **options: Any) -> Input:
    """One of an Enum's values."""
    values = [kind.value for kind in type(default)]
    return (values, {"default": default.value, **options, "tooltip": tooltip})


def one_of(names: list[str], tooltip: str, **options: Any) -> Input:
    """One of several names, of files for example."""
    return (names, {**options, "tooltip": tooltip})


# --- sockets -------------------------------------------------------------------------------------


def socket(kind: str, tooltip: str) -> Input:
    """What another node gives: MODEL, CONDITIONING, LATENT, DEPTH_MODEL …"""
    return (kind, {"tooltip": tooltip})


def image(tooltip: str) -> Input:
    """An IMAGE; a depth map is one, too."""
    return socket("IMAGE", tooltip)


def mask(tooltip: str) -> Input:
    """A MASK."""
    return socket("MASK", tooltip)


# --- what several nodes ask alike ----------------------------------------------------------------


def depth() -> Input:
    """The depth map to edit."""
    return image("Depth map or a batch of them: white = near, black = far.")


def mask_and_feather(changed: str = "changed", owner: str = "map") -> dict[str, Input]:
    """Where a depth map may be edited."""
    return {
        "mask": mask(
            f"Of the {owner}'s size: where the depth may be {changed}. Black stays as it is, bit "
            "for bit, grey mixes. One for all, or a number that divides the maps. Without it, "
            "everywhere."
        ),
        "feather": pixels(
            0,
            "Pixels inside the mask's border over which the change sets in; 0 is a hard edge. "
            "Fewer where the mask is narrow.",
        ),
    }


def size() -> Input:
    """The size that the model works at."""
    return integer(
        512,
        (64, 4096),
        "Short side of the result in pixels: 512 for 512-depth-ema, 256 for the miniature. The "
        "long side is a multiple of 64, at most twice as long.",
        step=64,
    )


def fixed_range() -> dict[str, Input]:
    """The ends that `normalize` takes for a fixed range."""
    tooltip = "With normalize = fixed range: the depth that counts as {}."
    ends = {"low": (0.0, "far"), "high": (1.0, "near")}
    return {
        end: number(value, (-10.0, 10.0), tooltip.format(what), step=0.001, advanced=True)
        for end, (value, what) in ends.items()
    }


def resolution() -> Input:
    """The size at which a depth network looks."""
    return integer(
        OWN,
        (0, 2048),
        "Size in pixels at which the network looks at the image. 0: the one it was trained with "
        "(384 for the MiDaS in the checkpoint). More shows finer detail but can lose the overall "
        "depth, and takes longer. MiDaS needs multiples of 32; networks that know one size only "
        "say so.",
        step=32,
    )


def estimation() -> dict[str, Input]:
    """How else a depth network looks at images."""
    return {
        "precision": choice(
            Precision.FLOAT32,
            "Arithmetic of the network. Half precision is quicker on a GPU and moves depths by "
            "about a thousandth.",
            advanced=True,
        ),
        "tiles": integer(
            1,
            (1, 8),
            "1: the network looks at the whole image only. More: also at overlapping parts, this "
            "many along the shorter side, which are fitted to the whole and blended. Finer detail "
            "in large images; 2 takes five times as long, 4 seventeen times (square images).",
        ),
        "flip": switch(
            "On: the mean of two looks, one at the mirrored image. A little more accurate, twice "
            "as long.",
            advanced=True,
        ),
    }
