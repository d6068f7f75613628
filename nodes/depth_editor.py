"""The node that edits a depth map by hand: strokes and shapes, drawn on the canvas."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..depth.convention import to_image
from ..depth.editing.painting import paint
from ..depth.editing.state import read_state
from ..depth.fit import check_fits
from ..host import host
from ..images.batch import check_shares
from ..images.crop import check_image
from . import inputs
from .node import Node, depth_maps
from .page_maps import page_maps


class SD2DepthEditor(Node):
    DISPLAY_NAME = "Edit Depth"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Shapes a depth map by hand: paint nearer or farther, smooth, flatten, fill, draw "
        "gradients and put objects in. The edits are kept as strokes over whatever map comes in, "
        "so a new photo keeps them and each can be undone. Without edits the map passes unchanged."
    )
    SEARCH_ALIASES = [
        *("depth editor", "paint depth", "depth brush", "sculpt depth", "draw depth"),
        *("retouch depth", "hand-edited depth map"),
    ]
    OUTPUT_NODE = True
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("depth", "touched")
    OUTPUT_TOOLTIPS = (
        "The edited map, of the size of the input: white = near, black = far.",
        "White where an edit changed the map, black where it is as it came.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"depth": inputs.depth()},
            "optional": {
                "image": inputs.IMAGE.tooltip(
                    "The photo that the map shows: to see while painting, and for edits that keep "
                    "to its edges. Of any size with the map's shape; one for all maps, or a number "
                    "that divides them."
                ),
                "edits": inputs.text("", socketless=True, hidden=True).tooltip(
                    "The layers of edits as JSON, which the editor writes. Empty: none."
                ),
            },
        }

    def execute(
        self, depth: Tensor, image: Tensor | None = None, edits: str = ""
    ) -> dict[str, Any]:
        maps = depth_maps(depth)
        if image is not None:
            image = check_image(image)
            check_shares(len(image), "images", len(maps), "depth maps")
            check_fits(maps[:1], image)
        state = read_state(edits)
        entries = page_maps(maps, image, guide=True)
        edited, touched = maps, torch.zeros_like(maps)
        if state is not None:
            each = partial(host.progress, description=self.DISPLAY_NAME)
            edited, touched = paint(maps, state, image, each)
        shown = {"sd2_depth_editor": entries} if entries else {}
        return {"ui": shown, "result": (to_image(edited), touched)}
