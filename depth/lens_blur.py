"""The blur of a lens that is focused at one depth.

The disc that a point is blurred to grows with the distance of its disparity from that of the focus,
as behind a thin lens (Potmesil and Chakravarty 1981, "A Lens and Aperture Camera Model for
Synthetic Image Generation"). The image is taken apart into layers of about one radius, each is
spread by its own disc, and they are put together from far to near. So what is sharp gives nothing
to what is blurred behind it, and what is blurred in front of the focus reaches over what is sharp.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images.crop import Box, bounds
from ..images.fill import fill_holes
from ..images.numbers import check_numbers

SHARP = 0.5  # radius in pixels below which a disc is its own pixel
GROWTH = 1 / 8  # of the radius from one layer to the next; a pixel at least
SLOPE = 1 / 4  # of a disc's radius: how much the radii on one slanted surface may differ within it
LEAST = 1e-4  # of a pixel; covered less, it is not covered: rounding of the Fourier transform


def lens_blur(image: Tensor, depth: Tensor, focus: float, radius: float) -> Tensor:
    """An image `[H, W, 3]` through a lens focused at one depth of its map `[H, W]`, 0..1.

    `radius` is that of the disc, in pixels, for the depth that is farthest from the focus, 0 or 1.
    What is in focus stays bit for bit, unless something blurred in front of it reaches over it.
    """
    check_numbers(0.0, 1.0, focus=focus)
    check_numbers(0.0, radius=radius)
    if not radius:
        return image
    discs = (depth.to(image) - focus) * (radius / max(focus, 1 - focus))  # nearer: above 0
    low, high = image.amin(), image.amax()
    image = image.movedim(-1, 0)  # HWC -> CHW
    levels = list(_levels(radius))
    behind, before = _Stack(image), _Stack(image)
    for least, most, disc in reversed(levels):
        behind.put(image, (discs <= -least) & (discs > -most), disc)
    behind.put(image, discs.abs() < SHARP, 0.0)
    for least, most, disc in levels:
        where = (discs >= least) & (discs < most)
        before.put(image, where, disc)
        slack = max(1.0, least * SLOPE)
        before.close(where, (discs >= least - slack) & (discs < most + slack), disc)
    return _over(before, behind).movedim(0, -1).clamp(low, high)


def _levels(radius: float) -> Iterator[tuple[float, float, float]]:
    """The least and most radius in each layer of what is blurred, and the one it is spread by."""
    least = SHARP
    while least <= radius:
        most = least + max(1.0, least * GROWTH)
        yield least, most, (least + most) / 2
        least = most


class _Stack:
    """Layers that were put one over the other."""

    def __init__(self, image: Tensor) -> None:
        self.light = torch.zeros_like(image)  # colour times alpha, [3, H, W]
        self.alpha = torch.zeros_like(image[:1])  # [1, H, W]
        self.cover = torch.zeros_like(self.alpha)  # by surfaces that go on through them

    def put(self, image: Tensor, where: Tensor, disc: float) -> None:
        """Put the pixels of an image `[3, H, W]` that are `where` over it, spread by a disc."""
        place = _around(where, disc)
        if place is None:
            return
        alpha = place.of(where.unsqueeze(0)).to(image)
        layer = torch.cat([place.of(image) * alpha, alpha])
        if disc:
            layer = _spread(layer, disc)
            layer *= layer[-1] >= LEAST
        for below, above in ((self.light, layer[:-1]), (self.alpha, layer[-1:])):
            part = place.of(below)
            part.mul_(1 - layer[-1]).add_(above)

    def close(self, where: Tensor, goes_on: Tensor, disc: float) -> None:
        """Let the pixels `where` cover as much of their disc as what `goes_on` from them does.

        Else a slanted surface, which lies in several layers, would be seen through.
        """
        place = _around(where, disc)
        if place is None:
            return
        planes = place.of(torch.stack([goes_on, where])).to(self.cover)
        whole, own = _spread(planes[:1], disc), planes[1:]
        cover = place.of(self.cover)
        cover.copy_(torch.where(own > 0, whole, cover))

    def colour(self) -> Tensor:
        """Of what is covered, `[3, H, W]`; elsewhere black."""
        return self.light / self.alpha.where(self.alpha > 0, 1.0)


def _around(where: Tensor, disc: float) -> Box | None:
    """The box of all that the pixels `where` can reach."""
    place = bounds(where.unsqueeze(0))
    return place and place.grown(math.ceil(disc)).inside(*where.shape)


def _spread(planes: Tensor, disc: float) -> Tensor:
    """Planes `[C, H, W]` as their means over a disc of that radius; their edges go on outside."""
    margin = math.ceil(disc)
    axis = torch.arange(-margin, margin + 1, dtype=planes.dtype, device=planes.device)
    away = torch.hypot(axis, axis.unsqueeze(-1))
    kernel = (disc + 0.5 - away).clamp(0, 1)  # the share of each pixel that lies in it
    height, width = planes.shape[-2:]
    wide = F.pad(planes.unsqueeze(0), (margin,) * 4, mode="replicate")[0]
    # Transforms are quick for sizes with small factors; the added zeros meet no pixel that stays.
    size = [-(-side // 32) * 32 for side in wide.shape[-2:]]
    product = torch.fft.rfft2(wide, size) * torch.fft.rfft2(kernel / kernel.sum(), size)
    return torch.fft.irfft2(product, size)[
        :, 2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width
    ]


def _over(before: _Stack, behind: _Stack) -> Tensor:
    """What lies before the focus over the rest, `[3, H, W]`.

    Behind its soft outlines the rest goes on as it is around them.
    """
    cover = torch.maximum(before.cover, before.alpha).clamp(max=1)
    known = behind.alpha > 0
    if not known.any():
        return before.colour()
    if not cover.any():
        return behind.colour()
    rest = fill_holes(behind.colour().unsqueeze(0), known.unsqueeze(0))[0]
    return torch.where(cover > 0, torch.lerp(rest, before.colour(), cover), rest)
