"""A part of a depth map, as a part of its picture is cut out."""

from enum import Enum

from torch import Tensor

from ..pictures.batch import check_shares
from ..pictures.crop import Box, cut, resize_map
from ..pictures.sizes import same_aspect
from .convention import normalize


class DepthRange(str, Enum):
    """Which depths a cropped map calls 0 and 1."""

    CROP = "crop"  # its own, as the model was trained
    WHOLE = "whole map"  # those of the map that it was cut out of
    AS_IT_IS = "as it is"  # nothing is stretched


def crop_depth(
    depth: Tensor,
    picture: Tensor,
    box: Box,
    height: int,
    width: int,
    kind: DepthRange = DepthRange.AS_IT_IS,
) -> Tensor:
    """The box of a picture, out of the picture's depth map.

    Args:
        depth: `[N, h, w]`, finite, of any size with the picture's shape; N = 1 or as many as
            divide the pictures.
        picture: `[B, H, W, C]`, in whose pixels the box counts.
        box, height, width: what to cut out, and the size to bring it to.
        kind: which depths become 0 and 1.

    Returns: `[N, height, width]`.

    Raises:
        ValueError: the map has another shape than the picture, or their numbers do not fit.
    """
    check_fits(depth, picture)
    rows, columns = picture.shape[1:3]
    if kind is DepthRange.WHOLE:
        depth = normalize(depth)
    part = resize_map(cut(resize_map(depth, rows, columns), box), height, width)
    return normalize(part) if kind is DepthRange.CROP else part


def check_fits(depth: Tensor, picture: Tensor) -> None:
    """Whether maps `[N, h, w]` can belong to pictures `[B, H, W, C]`.

    Raises:
        ValueError: the map has another shape than the picture, or their numbers do not fit.
    """
    batch, rows, columns = picture.shape[:3]
    if not same_aspect(*depth.shape[1:], rows, columns):
        raise ValueError(
            f"the depth map has {depth.shape[2]} x {depth.shape[1]} pixels, the picture {columns} "
            f"x {rows}: they have different shapes. Estimate the depth on this very picture"
        )
    check_shares(len(depth), "depth maps", batch, "pictures")
