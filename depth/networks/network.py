"""What every depth network has in common: preparing its input, loading its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from .kinds import NetworkKind

MULTIPLE = 32  # of the sides of a MiDaS network's input: its coarsest map is 1/32 of that
RESOLUTION = 384  # what MiDaS DPT-Hybrid, the one in the SD2 checkpoint, was trained with
OWN = 0  # as a resolution: the one that the network was trained with


class Fit(Enum):
    """How the sides of an image are brought to a resolution; MiDaS's `transforms.py`."""

    LEAST_CHANGE = "minimal"  # the side that changes least gets there; aspect kept
    WITHIN = "upper bound"  # the longer side gets there; aspect kept
    SQUARE = "square"  # both sides; aspect not kept


@dataclass(frozen=True)
class Preparation:
    """How a network's input is made of an image."""

    resolution: int = RESOLUTION  # pixels to a side, as trained
    fit: Fit = Fit.LEAST_CHANGE
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)  # of R, G, B in 0..1; subtracted ...
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)  # ... and divided by
    fixed: bool = False  # whether it can work at no other resolution


class DepthNetwork(nn.Module):
    """A network whose `forward` takes what `prepare` makes of an image.

    It gives disparity `[B, h, w]`, larger = nearer, of any scale and shift, at the network's size.
    """

    def prepare(self, pixels: Tensor, resolution: int = OWN) -> Tensor:
        """The network's input from RGB `[B, 3, H, W]` in 0..1, at a resolution or its OWN."""
        raise NotImplementedError

    def trim(self, disparity: Tensor, height: int, width: int) -> Tensor:
        """Take off what `prepare` put around an image of `height` × `width` pixels: nothing."""
        return disparity


class MidasNetwork(DepthNetwork):
    """A network of the MiDaS family, whose input is prepared in MiDaS's own way."""

    KIND: ClassVar[NetworkKind]
    PREPARATION: ClassVar[Preparation] = Preparation()

    def prepare(self, pixels: Tensor, resolution: int = OWN) -> Tensor:
        """Resize RGB `[B, 3, H, W]` in 0..1, bicubic; subtract the mean, divide by the std."""
        wanted = self.PREPARATION
        if wanted.fixed and resolution not in (OWN, wanted.resolution):
            raise ValueError(
                f"the resolution is {resolution}; {self.KIND.name} works at "
                f"{wanted.resolution} only: set it to 0, which means that"
            )
        height, width = pixels.shape[-2:]
        size = network_size(height, width, resolution or wanted.resolution, wanted.fit)
        # MiDaS resizes with cv2.INTER_CUBIC: a = -0.75 and no antialiasing, like this.
        pixels = F.interpolate(pixels, size, mode="bicubic", align_corners=False)
        mean, std = (
            pixels.new_tensor(values).view(3, 1, 1) for values in (wanted.mean, wanted.std)
        )
        return (pixels - mean) / std


def network_size(
    height: int, width: int, resolution: int = RESOLUTION, fit: Fit = Fit.LEAST_CHANGE
) -> tuple[int, int]:
    """Height and width of a MiDaS network's input for an image of `height` × `width` pixels.

    MiDaS's "minimal" rule: of the two scales that bring a side to `resolution`, the one nearest 1
    is applied to both; its "upper bound": the smaller of the two. Then each side is rounded to a
    multiple of 32. Unlike there, no side gets shorter than 32.
    """
    if resolution < MULTIPLE or resolution % MULTIPLE:
        nearest = max(round(resolution / MULTIPLE), 1) * MULTIPLE
        raise ValueError(
            f"the resolution is {resolution}; the network needs a multiple of {MULTIPLE}: set it "
            f"to {nearest}, or to 0, which means the one it was trained with"
        )
    if fit is Fit.SQUARE:
        return resolution, resolution
    scales = resolution / height, resolution / width
    # On a tie the height decides, as in MiDaS.
    scale = min(scales) if fit is Fit.WITHIN else min(scales, key=lambda scale: abs(1 - scale))

    def rounded(side: int) -> int:
        return max(round(scale * side / MULTIPLE), 1) * MULTIPLE

    return rounded(height), rounded(width)


def check_pixels(pixels: Tensor, what: Preparation) -> None:
    """Raise ValueError unless the pixels are `[B, 3, H, W]` with sides that a network can take."""
    batch, channels, height, width = pixels.shape if pixels.ndim == 4 else (0, 0, 0, 0)
    is_fitting = not (height % MULTIPLE or width % MULTIPLE)
    if what.fixed:
        is_fitting = height == width == what.resolution
    if batch * height * width == 0 or channels != 3 or not is_fitting:
        sides = what.resolution if what.fixed else f"multiples of {MULTIPLE}"
        raise ValueError(
            f"the input has shape {tuple(pixels.shape)}; MiDaS expects [batch, 3, height, width] "
            f"with height and width {sides}"
        )


@dataclass(frozen=True)
class Shapes:
    """The shapes of a file's tensors, to read the widths of a network called `what` from."""

    shapes: Mapping[str, tuple[int, ...]]
    what: str

    def size(self, name: str, axis: int = 0) -> int:
        """One side of one tensor; ValueError when it is not there."""
        try:
            return self.shapes[name][axis]
        except (KeyError, IndexError):
            raise ValueError(
                f"these are not the weights of a {self.what}: {name} is missing or has no width; "
                "the file is damaged, or its depth network is another one"
            ) from None

    def count(self, pattern: str) -> int:
        """How many of `pattern.format(0)`, `pattern.format(1)`, … are there."""
        number = 0
        while pattern.format(number) in self.shapes:
            number += 1
        return number


def check_fit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], what: str) -> None:
    """Raise ValueError unless weights have the names and shapes that a network expects."""
    problems = {
        "missing": [name for name in expected if name not in found],
        "unknown": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
            for name, tensor in expected.items()
            if name in found and found[name].shape != tensor.shape
        ],
    }
    said = [f"{some(names)} {problem}" for problem, names in problems.items() if names]
    if said:
        raise ValueError(
            f"the weights do not make a {what}: {'; '.join(said)}; the file is damaged, or its "
            "depth network is another one"
        )


def some(names: list[str], limit: int = 8) -> str:
    """The first few of a list of names with their verb: "a, b and 3 more are"."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more + (" are" if len(names) > 1 else " is")
