"""Depth maps at the size and number of the pictures that they belong to."""

from torch import Tensor

from ..images.batch import check_shares
from ..images.crop import resize_picture
from ..images.sizes import same_aspect


def fit_map(depth: Tensor, picture: Tensor) -> Tensor:
    """Maps `[N, h, w]` at the size and number of their pictures `[B, H, W, C]`: `[B, H, W]`.

    Bicubic and antialiased, within each map's own range.

    Raises:
        ValueError: another shape than the picture's, or an N that does not divide B.
    """
    check_fits(depth, picture)
    batch, rows, columns = picture.shape[:3]
    whole = resize_picture(depth.unsqueeze(-1), rows, columns).squeeze(-1)  # BHW -> BHW1 -> BHW
    return whole if len(depth) == batch else whole.repeat(batch // len(depth), 1, 1)


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
