"""Depth maps at the size and number of the images that they belong to."""

from torch import Tensor

from ..images.batch import check_shares
from ..images.crop import resize_image
from ..images.sizes import same_aspect


def fit_map(depth: Tensor, image: Tensor) -> Tensor:
    """Maps `[N, h, w]` at the size and number of their images `[B, H, W, C]`: `[B, H, W]`.

    Bicubic and antialiased, within each map's own range. Raises as `check_fits`.
    """
    check_fits(depth, image)
    batch, rows, columns = image.shape[:3]
    whole = resize_image(depth.unsqueeze(-1), rows, columns).squeeze(-1)  # BHW -> BHW1 -> BHW
    return whole if len(depth) == batch else whole.repeat(batch // len(depth), 1, 1)


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
