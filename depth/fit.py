"""Depth maps at the size, the number and the section of the images that they belong to."""

from enum import Enum

from torch import Tensor

from ..images.batch import check_shares
from ..images.crop import Box, cut, resize_image, resize_map
from ..images.sizes import same_aspect
from .convention import normalize


class DepthRange(str, Enum):
    """Which depths a cropped map calls 0 and 1."""

    CROP = "crop"  # its own, as the model was trained
    WHOLE = "whole map"  # those of the map that it was cut out of
    AS_IT_IS = "as it is"  # nothing is stretched


def fit_map(depth: Tensor, image: Tensor) -> Tensor:
    """Maps `[N, h, w]` at the size and number of their images `[B, H, W, C]`: `[B, H, W]`.

    Bicubic and antialiased, within each map's own range. Raises as `check_fits`.
    """
    check_fits(depth, image)
    batch, rows, columns = image.shape[:3]
    whole = resize_image(depth.unsqueeze(-1), rows, columns).squeeze(-1)  # BHW -> BHW1 -> BHW
    return whole if len(depth) == batch else whole.repeat(batch // len(depth), 1, 1)


def crop_depth(
    depth: Tensor,
    image: Tensor,
    box: Box,
    height: int,
    width: int,
    kind: DepthRange = DepthRange.AS_IT_IS,
) -> Tensor:
    """The box of an image `[B, H, W, C]`, out of the image's depth map, at a size.

    From a map `[N, h, w]`, finite and of any size with the image's shape, N a divisor of B, to
    `[N, height, width]`. Raises as `check_fits`.
    """
    check_fits(depth, image)
    rows, columns = image.shape[1:3]
    if kind is DepthRange.WHOLE:
        depth = normalize(depth)
    part = resize_map(cut(resize_map(depth, rows, columns), box), height, width)
    return normalize(part) if kind is DepthRange.CROP else part


def check_fits(depth: Tensor, image: Tensor) -> None:
    """Raise ValueError for maps `[N, h, w]` of another shape than images `[B, H, W, C]`, or an N
    that does not divide B.
    """
    batch, rows, columns = image.shape[:3]
    if not same_aspect(depth.shape[1:], (rows, columns)):
        raise ValueError(
            f"the depth map has {depth.shape[2]} x {depth.shape[1]} pixels, the image {columns} "
            f"x {rows}: they have different shapes; estimate the depth of this very image"
        )
    check_shares(len(depth), "depth maps", batch, "images")
