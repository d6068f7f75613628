"""What a depth map is, and the one conversion between images and depth maps.

Outside of `depth/` a depth map is an IMAGE, float32 `[B, H, W, 3]` with three equal channels; in
here it is float32 `[B, H, W]`. In both, 1 = near = white and 0 = far = black, and the quantity is
MiDaS's: relative inverse depth (disparity), not distance.
"""

import logging
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images.counts import how_many, which
from ..images.fill import fill_holes
from ..images.numbers import WORTH_SAYING

log = logging.getLogger(__name__)

# ITU-R BT.709, section 3.2: luma from gamma-encoded R, G, B.
LUMA = (0.2126, 0.7152, 0.0722)

# What resizing with a bicubic kernel may add at a corner of full height (0.222), rounded up.
OVERSHOOT = 0.25


class NoDepthMap(ValueError):  # noqa: N818 - names what is there
    """None where a depth map was expected."""


class OutOfRange(ValueError):  # noqa: N818 - names what the values are
    """Values beyond 0 (far) to 1 (near) where a depth map was expected."""


def from_image(image: Tensor | None) -> Tensor:
    """IMAGE `[B, H, W, C]`, C = 1, 3 or 4, to depth float32 `[B, H, W]`.

    A grey image gives its value unchanged, bit for bit. A coloured one gives its Rec. 709 luma,
    and transparency shows black (= far) behind it; both are warned about. Values are not clipped,
    and non-finite ones stay as they are (see `repair`).
    """
    image = _checked_image(image).float()
    if image.shape[-1] == 4:
        image = _over_black(image)
    grey = image[..., 0]
    if image.shape[-1] == 1:
        return grey
    same = partial(torch.isclose, rtol=0, atol=0, equal_nan=True)
    coloured = torch.stack([~same(one, one[..., :1]).all() for one in image])
    if not coloured.any():
        return grey
    log.warning(
        "%s coloured; brightness (Rec. 709 luma) is used as depth, white = near: is this perhaps "
        "the photograph?",
        how_many(int(coloured.sum()), len(coloured), "depth map"),
    )
    luma = image @ image.new_tensor(LUMA)
    return torch.where(coloured[:, None, None], luma, grey)


def to_image(depth: Tensor) -> Tensor:
    """Depth `[B, H, W]` to IMAGE float32 `[B, H, W, 3]` with three equal channels."""
    check_depth(depth)
    return depth.float().unsqueeze(-1).repeat(1, 1, 1, 3)


def normalize(depth: Tensor) -> Tensor:
    """Stretch every map of `[B, H, W]` to 0..1; ValueError for non-finite values."""
    check_depth(depth)
    check_finite(depth)
    return stretch(depth, *extent(depth))


def extent(depth: Tensor) -> tuple[Tensor, Tensor]:
    """The farthest and the nearest depth of every map of `[B, H, W]`, both `[B, 1, 1]`."""
    return depth.amin(dim=(1, 2), keepdim=True), depth.amax(dim=(1, 2), keepdim=True)


def stretch(depth: Tensor, far: Tensor, near: Tensor) -> Tensor:
    """(d − far) / (near − far). A flat map, which has no depth to show, becomes 0 everywhere."""
    return torch.where(near > far, (depth - far) / (near - far), 0.0)


def repair(depth: Tensor, inside: Tensor | None = None) -> Tensor:
    """Fill the pixels of `[B, H, W]` that are NaN or infinite from their nearest finite neighbours.

    Finite pixels are untouched, the others stay within the finite minimum and maximum of their map.
    With `inside`, bool `[B, H, W]`, pixels are filled, and filled from, there only. A warning says
    how many were filled. See `images.fill.fill_holes`.
    """
    check_depth(depth)
    finite = depth.isfinite()
    if finite.all():
        return depth
    known, holes = (finite, ~finite) if inside is None else (finite & inside, ~finite & inside)
    broken = _check_known(known, holes)
    if not broken.any():
        return depth
    log.warning(
        "%s NaN or infinite, and filled from the nearest others",
        how_many(int(holes.sum()), depth.numel(), "depth pixel"),
    )
    repaired = depth.clone()
    filled = _continued(depth[broken], known[broken])
    repaired[broken] = torch.where(holes[broken], filled, depth[broken])
    return repaired


def check_repairable(depth: Tensor, inside: Tensor | None = None) -> None:
    """Raise ValueError where `repair` would: a map with holes and no pixel to fill them from."""
    finite = depth.isfinite()
    inside = torch.ones_like(finite) if inside is None else inside
    _check_known(finite & inside, ~finite & inside)


def _check_known(known: Tensor, holes: Tensor) -> Tensor:
    """Which maps of `[B, H, W]` have holes, bool `[B]`; they all must have known pixels too."""
    broken = holes.flatten(1).any(dim=1)
    hopeless = (broken & ~known.flatten(1).any(dim=1)).nonzero().flatten().tolist()
    if hopeless:
        raise ValueError(
            f"{which(hopeless[0], len(known), 'depth map')} has no finite pixel: all "
            f"{int(holes[hopeless[0]].sum())} are NaN or infinite; check where it comes from"
        )
    return broken


def _continued(depth: Tensor, known: Tensor) -> Tensor:
    """Maps whose pixels that are not known are filled within the ends of those that are."""
    far = depth.where(known, torch.inf).amin(dim=(1, 2), keepdim=True)
    near = depth.where(known, -torch.inf).amax(dim=(1, 2), keepdim=True)
    values = depth.where(known, 0.0).unsqueeze(1)  # BHW -> B1HW
    filled = fill_holes(values, known.unsqueeze(1)).squeeze(1)
    return filled.clamp(far, near)  # rounding may pass the ends by 1 ulp


def resize(depth: Tensor, height: int, width: int) -> Tensor:
    """Resize `[B, H, W]` to `[B, height, width]`: bicubic, `align_corners=False`, no antialiasing.

    This is how SD2's depth model got its maps in training. Edges overshoot a little, so the result
    may leave the range of the input.
    """
    check_depth(depth)
    if height < 1 or width < 1:
        raise ValueError(f"a depth map cannot be resized to {width} × {height} pixels")
    size = (height, width)
    # BHW -> B1HW -> BHW
    return F.interpolate(depth.unsqueeze(1), size, mode="bicubic", align_corners=False).squeeze(1)


def unit_range(depth: Tensor) -> Tensor:
    """A map `[B, H, W]` that has values from 0 to 1, as every editing step expects and returns.

    Values that pass the ends a little, as resizing leaves them at edges, are clipped; a warning
    says how many. Raises OutOfRange for NaN, and values beyond the range by more than 0.25.
    """
    check_depth(depth)
    low, high = (float(end) for end in depth.aminmax())
    if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):  # also true of NaN
        raise OutOfRange(
            f"the depth map goes from {low:.4g} to {high:.4g}; expected 0 (far) to 1 (near)"
        )
    return clipped(depth, "the input")


def clipped(depth: Tensor, where: str) -> Tensor:
    """Clip `[B, H, W]` to 0..1; a warning says how many pixels, and `where` it happened."""
    low, high = depth.aminmax()
    if low >= 0 and high <= 1:
        return depth
    outside = int(((depth < 0) | (depth > 1)).sum())
    if outside >= WORTH_SAYING * depth.numel():
        log.warning(
            "%s: %s outside of 0..1, and clipped",
            *(where, how_many(outside, depth.numel(), "depth pixel")),
        )
    return depth.clamp(0, 1)


def _checked_image(image: Tensor | None) -> Tensor:
    if image is None:
        raise NoDepthMap("there is no depth map")
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or image.numel() == 0:
        raise ValueError(
            f"the depth map has shape {tuple(image.shape)}; expected [batch, height, width, "
            "channels] with 1, 3 or 4 channels"
        )
    if not image.is_floating_point():
        raise ValueError(f"the depth map has type {image.dtype}; expected floats from 0 to 1")
    return image


def check_depth(depth: Tensor) -> None:
    """Raise ValueError for another rank than `[B, H, W]`, or an empty map."""
    if depth.ndim != 3 or depth.numel() == 0:
        raise ValueError(
            f"the depth map has shape {tuple(depth.shape)}; expected [batch, height, width]"
        )


def check_finite(depth: Tensor, what: str = "depth map") -> None:
    """Raise ValueError for a map with pixels that are NaN or infinite."""
    bad = int((~depth.isfinite()).sum())
    if bad:
        raise ValueError(
            f"the {what}: {how_many(bad, depth.numel(), 'value')} NaN or infinite; repair it first"
        )


def _over_black(image: Tensor) -> Tensor:
    """RGBA `[B, H, W, 4]`, straight alpha, laid over black: `[B, H, W, 3]`."""
    colour, alpha = image[..., :3], image[..., 3:]
    seen_through = int((alpha < 1).sum())
    if seen_through >= max(1, WORTH_SAYING * alpha.numel()):
        log.warning(
            "%s transparent; black (= far) is put behind",
            how_many(seen_through, alpha.numel(), "depth pixel"),
        )
    return colour * alpha
