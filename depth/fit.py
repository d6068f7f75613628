"""Depth maps at the size and number of the images that they belong to."""

from torch import Tensor

from ..images.batch import check_shares
from ..images.crop import resize_image
from ..images.sizes import same_aspect


def fit_map(depth: Tensor, image: Tensor) -> Tensor:
    """Maps `[N, h, w]` at the size and number of their images `[B, H, W, C]`: `[B, H, W]`.

    Bicubic and antialiased, within each map's own range.

    Raises:
        ValueError: another shape than the image's, or an N that does not divide B.
    """
    check_fits(depth, image)
    batch, rows, columns = image.shape[:3]
    whole = resize_image(depth.unsqueeze(-1), rows, columns).squeeze(-1)  # BHW -> BHW1 -> BHW
    return whole if len(depth) == batch else whole.repeat(batch // len(depth), 1, 1)


def check_fits(depth: Tensor, image: Tensor) -> None:
    """Whether maps `[N, h, w]` can belong to images `[B, H, W, C]`.

    Raises:
        ValueError: the map has another shape than the image, or their numbers do not fit.
    """
    batch, rows, columns = image.shape[:3]
    if not same_aspect(*depth.shape[1:], rows, columns):
        raise ValueError(
            f"the depth map has {depth.shape[2]} x {depth.shape[1]} pixels, the image {columns} "
            f"x {rows}: they have different shapes. Estimate the depth on this very image"
        )
    check_shares(len(depth), "depth maps", batch, "images")
