"""What a depth map is, and the one conversion between the canvas and this package.

On the canvas a depth map is an IMAGE, float32 `[B, H, W, 3]` with three equal channels.
In here it is float32 `[B, H, W]`. In both, 1 = near = white and 0 = far = black, and the quantity
is MiDaS's: relative inverse depth (disparity), not distance.
"""

import logging

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images.fill import fill_holes

log = logging.getLogger(__name__)

# ITU-R BT.709, section 3.2: luma from gamma-encoded R, G, B.
LUMA = (0.2126, 0.7152, 0.0722)

# What resizing with a bicubic kernel may add at a corner of full height (0.222), rounded up.
OVERSHOOT = 0.25


def from_image(image: Tensor | None) -> Tensor:
    """Canvas to depth: IMAGE `[B, H, W, C]`, C = 1, 3 or 4, to float32 `[B, H, W]`.

    A grey image gives its value unchanged, bit for bit. A coloured one gives its Rec. 709 luma,
    and transparency shows black (= far) behind it; both are warned about. Values are not clipped,
    and non-finite ones stay as they are (see `repair`).

    Raises:
        ValueError: nothing at all (None, as Prepare Image gives without a depth map), another rank
            or number of channels, an empty image, or integers.
    """
    _check_image(image)
    image = image.float()
    if image.shape[-1] == 4:
        image = _over_black(image)
    grey = image[..., 0]
    if image.shape[-1] == 1:
        return grey
    coloured = torch.stack([_is_coloured(one) for one in image])
    if not coloured.any():
        return grey
    log.warning(
        "%d of %d depth maps are coloured; their brightness (Rec. 709 luma) is used as depth. "
        "A depth map is a grey image, white = near: is this perhaps the photograph?",
        int(coloured.sum()),
        len(coloured),
    )
    luma = image @ image.new_tensor(LUMA)
    return torch.where(coloured[:, None, None], luma, grey)


def _is_coloured(image: Tensor) -> Tensor:
    """Whether the channels of `[H, W, C]` differ anywhere."""
    grey = image[..., :1]
    return ~torch.isclose(image, grey, rtol=0, atol=0, equal_nan=True).all()


def to_image(depth: Tensor) -> Tensor:
    """Depth to canvas: `[B, H, W]` to IMAGE float32 `[B, H, W, 3]` with three equal channels.

    Raises:
        ValueError: another rank, or an empty map.
    """
    _check_depth(depth)
    return depth.float().unsqueeze(-1).repeat(1, 1, 1, 3)


def normalize(depth: Tensor) -> Tensor:
    """Stretch every map of `[B, H, W]` to 0..1 by (d − min) / (max − min).

    A flat map, which has no depth to show, becomes 0 (far) everywhere.

    Raises:
        ValueError: another rank, an empty map, or non-finite values (see `repair`).
    """
    _check_depth(depth)
    bad = int((~depth.isfinite()).sum())
    if bad:
        raise ValueError(
            f"The depth map has {bad} pixels that are NaN or infinite: it cannot be normalised. "
            "Repair it first."
        )
    near, far = depth.amax(dim=(1, 2), keepdim=True), depth.amin(dim=(1, 2), keepdim=True)
    return torch.where(near > far, (depth - far) / (near - far), 0.0)


def repair(depth: Tensor, inside: Tensor | None = None) -> Tensor:
    """Fill the pixels of `[B, H, W]` that are NaN or infinite from their nearest finite neighbours.

    Finite pixels are untouched, the others stay within the finite minimum and maximum of their map.
    A warning says how many were filled. See `images.fill.fill_holes`.

    Args:
        depth: `[B, H, W]`.
        inside: bool `[B, H, W]`; only there pixels are filled, and filled from. None: everywhere.

    Raises:
        ValueError: another rank, an empty map, or a map with no finite pixel at all.
    """
    _check_depth(depth)
    finite = depth.isfinite()
    if finite.all():
        return depth
    known, holes = (finite, ~finite) if inside is None else (finite & inside, ~finite & inside)
    broken = _check_known(known, holes)
    if not broken.any():
        return depth
    log.warning(
        "%d of %d depth pixels are NaN or infinite; they are filled from their neighbours.",
        int(holes.sum()),
        depth.numel(),
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
            f"Depth map {hopeless[0]} of {len(known)} (counted from 0) has no finite pixel: all "
            f"{int(holes[hopeless[0]].sum())} are NaN or infinite. Check the node or file that it "
            "comes from."
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

    This is how SD2's depth model saw its maps in training. Edges overshoot a little, so the
    result may leave the range of the input.

    Raises:
        ValueError: another rank, an empty map, or a size below 1.
    """
    _check_depth(depth)
    if height < 1 or width < 1:
        raise ValueError(f"A depth map cannot be resized to {width} × {height} pixels.")
    size = (height, width)
    # BHW -> B1HW -> BHW
    return F.interpolate(depth.unsqueeze(1), size, mode="bicubic", align_corners=False).squeeze(1)


def unit_range(depth: Tensor) -> Tensor:
    """A map `[B, H, W]` that has values from 0 to 1, as every editing step expects and returns.

    What lies in the range is untouched. Values that pass its ends a little, as resizing leaves
    them at edges, are clipped; a warning says how many.

    Raises:
        ValueError: another rank, an empty map, values that are NaN, or beyond the range by more
            than 0.25: that is no depth map of this kind.
    """
    _check_depth(depth)
    low, high = (float(end) for end in depth.aminmax())
    if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):  # also true of NaN
        raise ValueError(
            f"The depth map goes from {low:.4g} to {high:.4g}; expected 0 (far) to 1 (near). "
            "Convert Depth makes such a map: of distances, or of disparity with its unit "
            "'disparity, any range'."
        )
    return clipped(depth, "the input")


def clipped(depth: Tensor, where: str) -> Tensor:
    """Clip `[B, H, W]` to 0..1; a warning says of how many pixels, and `where` it happened."""
    low, high = depth.aminmax()
    if low >= 0 and high <= 1:
        return depth
    outside = int(((depth < 0) | (depth > 1)).sum())
    log.warning(
        "%s: %d of %d depth pixels lie outside of 0..1 and are clipped.",
        *(where, outside, depth.numel()),
    )
    return depth.clamp(0, 1)


def _check_image(image: Tensor | None) -> None:
    if image is None:
        raise ValueError(
            "there is no depth map on this wire: Prepare Image passes one on only when its input "
            "`depth` is connected. Use Estimate Depth on its image instead"
        )
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or image.numel() == 0:
        raise ValueError(
            f"The depth map has shape {tuple(image.shape)}; expected [batch, height, width, "
            "channels] with 1, 3 or 4 channels."
        )
    if not image.is_floating_point():
        raise ValueError(f"The depth map has type {image.dtype}; expected floats from 0 to 1.")


def _check_depth(depth: Tensor) -> None:
    if depth.ndim != 3 or depth.numel() == 0:
        raise ValueError(
            f"The depth map has shape {tuple(depth.shape)}; expected [batch, height, width]."
        )


def _over_black(image: Tensor) -> Tensor:
    """RGBA `[B, H, W, 4]`, straight alpha, laid over black: `[B, H, W, 3]`."""
    colour, alpha = image[..., :3], image[..., 3:]
    seen_through = int((alpha < 1).sum())
    if seen_through:
        log.warning(
            "%d of %d depth pixels are transparent; black (= far) is put behind them.",
            seen_through,
            alpha.numel(),
        )
    return colour * alpha
