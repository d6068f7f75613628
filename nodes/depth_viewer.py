"""The node that lets one look around in a photo, on the canvas."""

from typing import Any

import torch
from torch import Tensor

from ..depth.fit import check_fits, fit_map
from ..images.batch import check_shares
from ..images.crop import check_image
from ..images.sizes import same_aspect
from . import inputs
from .node import Node, depth_maps
from .page_maps import page_maps
from .thumbnails import evenly


class SD2DepthViewer(Node):
    DISPLAY_NAME = "Parallax Viewer"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Look around in a photo on the node: move the pointer over it, drag, or tilt the device, "
        "and near things shift against far ones. It shows at once whether a depth map fits its "
        "image, compares a source with its result by a slider, and hands its settings to Parallax "
        "Frames."
    )
    SEARCH_ALIASES = [
        *("3d photo", "depth viewer", "parallax", "2.5d", "look around", "stereo viewer"),
        *("before after slider", "anaglyph"),
    ]
    OUTPUT_NODE = True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": inputs.IMAGE.tooltip(
                    "One image or a batch; of a large batch up to 8 are shown, from first to last."
                ),
                "depth": inputs.IMAGE.tooltip(
                    "Its depth map, white = near, of any size with its shape. One for all images, "
                    "or a number that divides them."
                ),
            },
            "optional": {
                "after": inputs.IMAGE.tooltip(
                    "An image to compare with, such as the result made from the first one: a "
                    "slider shows one left of it and the other right of it, over the same depth. "
                    "Of any size with the image's shape; one for all, or a number that divides "
                    "them."
                ),
            },
        }

    def execute(self, image: Tensor, depth: Tensor, after: Tensor | None = None) -> dict[str, Any]:
        image, maps = check_image(image), depth_maps(depth)
        check_fits(maps, image)
        if after is not None:
            after = check_image(after)
            _check_comparable(after, image)
        frames = evenly(len(image))
        shown = torch.cat([_map_of(maps, image, frame) for frame in frames])
        entries, compared = page_maps(shown, image[frames]), []
        if after is not None:
            compared = page_maps(shown, after[[frame % len(after) for frame in frames]])
        for index, entry in enumerate(entries):
            # A full disk may have left fewer.
            other = compared[index]["photo"] if index < len(compared) else None
            entry |= {"frame": frames[index], "frames": len(image), "after": other}
        return {"ui": {"sd2_depth_viewer": entries} if entries else {}, "result": ()}


def _check_comparable(after: Tensor, image: Tensor) -> None:
    check_shares(len(after), "images to compare with", len(image), "images")
    (height, width), (rows, columns) = after.shape[1:3], image.shape[1:3]
    if not same_aspect((height, width), (rows, columns)):
        raise ValueError(
            f"the image to compare with has {width} x {height} pixels, the image {columns} x "
            f"{rows}: they have different shapes; compare with a result made from this very image"
        )


def _map_of(maps: Tensor, image: Tensor, frame: int) -> Tensor:
    """The map of one image at its size, `[1, H, W]`."""
    index = frame % len(maps)
    return fit_map(maps[index : index + 1], image[frame : frame + 1])
