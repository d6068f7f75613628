"""How well an image keeps the depth that was asked for.

The depth of the finished image is estimated again and compared with the map that it was made from
(the target). Both are relative inverse depth, known but for a scale and a shift, so the estimate is
fitted to the target first. Depths are in units of the target's range: 0 its farthest pixel, 1 its
nearest.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images.batch import check_shares
from ..images.counts import which
from ..images.masks import fit_size
from ..images.sizes import same_aspect
from .colormaps import ColourMap, paint
from .convention import check_finite, normalize, resize

log = logging.getLogger(__name__)

# Our own choices. With 100,000 pairs the accuracy of another draw differs by about 0.002; 0.05 is
# well above the steps of an 8-bit map (0.004) and well below the height of a thing in an image.
PAIRS = 100_000
THRESHOLD = 0.05
SEED = 0

# A range of depths below this is rounding, not depth: a 16-bit map has steps of 0.000015.
FLAT = 1e-4

ON = 0.5  # mask values from here on count

HEAT_END = 0.5  # error at the bright end of a heat map
HEAT_OUTSIDE = 0.5  # grey of what a heat map leaves out; the palette has no grey


class AnotherSection(ValueError):  # noqa: N818 - names what the map shows
    """A depth map of another shape than the images it is compared with."""


@dataclass(frozen=True, eq=False)
class Score:
    """How far the depth of one image is from the depth that was asked for.

    `flat_error` is the error of an image without any depth, which `error` is to be measured by; an
    inverted estimate scores the same.
    """

    error: float  # mean absolute, over the pixels that count, after `align`
    flat_error: float
    ordinal_accuracy: float  # 0..1
    error_map: Tensor  # float32 [H, W], absolute, also of pixels that do not count


@dataclass(frozen=True, eq=False)
class Target:
    """What estimates are scored against."""

    depth: Tensor  # float32 [B, H, W], 0..1 over every map; one for every image
    on: Tensor  # bool [B, H, W], the pixels that count

    def __post_init__(self) -> None:
        for index, (depth, on) in enumerate(zip(self.depth, self.on, strict=True)):
            _check_target(depth[on], which(index, len(self.depth), "image"))

    @classmethod
    def fitted(cls, depth: Tensor, images: Sequence[int], mask: Tensor | None = None) -> "Target":
        """Fit maps and masks to images; a map or mask of another size is warned about.

        Maps are resized as for the model (`convention.resize`), then stretched to 0..1, over the
        whole map whatever the mask. Masks are fitted as everywhere (`masks.fit_size`). A batch of
        either repeats as a whole.

        Args:
            depth: [N, h, w], finite, larger is nearer; N divides B.
            images: the shape of the images, [B, H, W, channels].
            mask: [h, w], [N, h, w] or [N, 1, h, w], 0..1; from 0.5 on a pixel counts. None: all do.
        """
        if len(images) != 4:
            raise ValueError(
                f"the images have shape {list(images)}; expected [batch, height, width, channels]"
            )
        batch, height, width = images[:3]
        depth = _fitted_depth(depth, batch, height, width)
        if mask is None:
            return cls(depth, torch.ones_like(depth, dtype=torch.bool))
        return cls(depth, fit_size(mask.cpu(), batch, height, width) >= ON)

    def scores(self, estimates: Tensor) -> list[Score]:
        """Score estimated depth maps: [B, H, W] as the target, finite, of any scale and shift."""
        if estimates.shape != self.depth.shape:
            raise ValueError(
                f"the estimates have shape {tuple(estimates.shape)}, the target "
                f"{tuple(self.depth.shape)}; expected the same, fit the target to the images"
            )
        check_finite(estimates, "estimated depth maps")
        triples = zip(estimates.cpu(), self.depth, self.on, strict=True)
        return [_score(*triple) for triple in triples]


def align(estimate: Tensor, asked: Tensor) -> tuple[float, float]:
    """Scale s ≥ 0 and shift t that bring `s · estimate + t` nearest to `asked`, both finite.

    Least squares: Ranftl et al. 2020, "Towards Robust Monocular Depth Estimation: Mixing Datasets
    for Zero-shot Cross-dataset Transfer" (arXiv:1907.01341), section 5, the alignment of the
    scale- and shift-invariant loss; solved here with the means taken out first. There s may be
    negative, and near and far exchanged would be no fault. Here an inverted estimate gets what a
    flat one gets: s = 0 and the mean of `asked`.
    """
    estimate, asked = estimate.double(), asked.double()
    mean = estimate.mean()
    apart = estimate - mean
    # By the ends: the variance of a flat map need not be exactly 0.
    is_flat = bool(estimate.amin() == estimate.amax())
    slope = 0.0 if is_flat else float((apart * asked).sum() / apart.square().sum())
    scale = max(slope, 0.0)
    return scale, float(asked.mean() - scale * mean)


def ordinal_accuracy(
    estimate: Tensor, asked: Tensor, threshold: float = THRESHOLD, seed: int = SEED
) -> float:
    """Share of pixel pairs, 0..1, in which the estimate has the nearer pixel nearer too.

    In the manner of Chen et al. 2016, "Single-Image Depth Perception in the Wild"
    (arXiv:1604.03901), whose pairs people had put in order. Pairs are drawn at random, and those
    count whose asked-for depths differ by more than `threshold`. A tie in the estimate counts half,
    so that guessing and a flat estimate both come to 0.5. The same pairs are drawn for every
    estimate of as many pixels; NaN when none of them differs enough.
    """
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randint(asked.numel(), (2, PAIRS), generator=generator)
    asked, estimate = asked.flatten(), estimate.flatten()
    wanted = asked[first] - asked[second]
    found = estimate[first] - estimate[second]
    agreement = (wanted.sign() * found.sign())[wanted.abs() > threshold]  # -1, 0 or 1
    return float((1 + agreement.double().mean()) / 2)


def best_of(scores: Sequence[Score]) -> int:
    """Index of the smallest error; of equal ones the first."""
    return min(range(len(scores)), key=lambda index: scores[index].error)


def heat_map(errors: Tensor, on: Tensor) -> Tensor:
    """Colour errors [B, H, W], grey where `on` is not: float32 [B, H, W, 3], RGB, 0..1.

    Black is 0, then purple and orange, pale yellow `HEAT_END` or more: always on this one scale, so
    that images can be compared.
    """
    heat = paint(errors / HEAT_END, ColourMap.INFERNO)
    return torch.where(on.unsqueeze(-1), heat, HEAT_OUTSIDE)


def _score(estimate: Tensor, asked: Tensor, on: Tensor) -> Score:
    """One image's; all `[H, W]`."""
    estimate, asked = estimate.double(), asked.double()
    scale, shift = align(estimate[on], asked[on])
    error_map = (scale * estimate + shift - asked).abs()
    return Score(
        error=float(error_map[on].mean()),
        flat_error=float((asked[on] - asked[on].mean()).abs().mean()),
        ordinal_accuracy=ordinal_accuracy(estimate[on], asked[on]),
        error_map=error_map.float(),
    )


def _fitted_depth(depth: Tensor, batch: int, height: int, width: int) -> Tensor:
    # Before resizing too, so that a flat map stays exactly flat.
    depth = normalize(depth.cpu().float())
    check_shares(len(depth), "depth maps", batch, "images")
    if depth.shape[1:] != (height, width):
        _check_size(depth, height, width)
        depth = normalize(resize(depth, height, width))
    return depth.repeat(batch // len(depth), 1, 1)


def _check_size(maps: Tensor, height: int, width: int) -> None:
    if not same_aspect(maps.shape[1:], (height, width)):
        raise AnotherSection(
            f"the depth map has {maps.shape[2]} x {maps.shape[1]} pixels, the images {width} x "
            f"{height}: they have different shapes and cannot show the same section; crop the "
            "depth map as the image was cropped"
        )
    log.warning(
        "the depth map is %d × %d pixels, the images %d × %d: it is resized to fit; both must show "
        "the same section",
        *(maps.shape[2], maps.shape[1], width, height),
    )


def _check_target(depth: Tensor, image: str) -> None:
    """`depth`: the pixels that count of one map."""
    if depth.numel() == 0:
        raise ValueError(
            f"the mask is off everywhere (below {ON}) for {image}: nothing is left to "
            "score; paint the mask where the depth matters, or use none"
        )
    low, high = depth.amin().item(), depth.amax().item()
    if high - low < FLAT:
        raise ValueError(
            f"the depth map for {image} is flat: where it counts, it runs from {low:g} to "
            f"{high:g} of its range, so every image would fit it; use the depth map that the "
            "images were made from, or a larger mask"
        )
