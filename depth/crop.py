"""A part of a depth map, as a part of its image is cut out."""

from enum import Enum

from torch import Tensor

from ..images.crop import Box, cut, resize_map
from .convention import normalize
from .fit import check_fits


class DepthRange(str, Enum):
    """Which depths a cropped map calls 0 and 1."""

    CROP = "crop"  # its own, as the model was trained
    WHOLE = "whole map"  # those of the map that it was cut out of
    AS_IT_IS = "as it is"  # nothing is stretched


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
