"""One sheet that shows what the depth-map nodes do, all on the same photo."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...depth.colormaps import ColourMap
from ...depth.convention import from_image, to_image
from ...depth.preview import sheet
from ...images.lettering import PAPER
from ...images.sheet import contact_sheet
from ...nodes.crop import SD2DepthPrepare
from ...nodes.depth_convert import SD2DepthConvert
from ...nodes.depth_edit import (
    SD2DepthAdjust,
    SD2DepthFill,
    SD2DepthMerge,
    SD2DepthRangeMask,
    SD2DepthRefine,
)
from ...nodes.estimate import SD2DepthEstimate
from ...nodes.inpaint import SD2DepthUnderMask
from ...nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from ...nodes.parallax import SD2DepthParallax
from ...sampling.depth_channel import DepthCondition
from ...workflows.core_nodes.load import read_image
from ...workflows.core_nodes.save import to_pil

SIZE = 256  # pixels; what the bundled checkpoint was trained at
COLUMNS = 6
FONT_SIZE = 14

ADJUSTMENTS: dict[str, dict[str, Any]] = {
    "invert": {"invert": True},
    "near 0.8, far 0.2": {"near": 0.8, "far": 0.2},
    "gamma 0.5": {"gamma": 0.5},
    "contrast 0.5": {"contrast": 0.5},
    "contrast 0.5, offset 0.25": {"contrast": 0.5, "offset": 0.25},
    "gaussian, 6": {"smooth": 6.0},
    "edge-preserving, 12": {"smooth": 12.0, "smoothing": "edge-preserving", "edge": 0.2},
}
SHAPES: dict[str, dict[str, Any]] = {
    "flat plane": {"near": 0.6},
    "ramp": {"near": 1.0, "far": 0.0},
    "dome": {"near": 1.0, "far": 0.0, "x1": 0.75, "y1": 0.81, "x2": 0.75, "y2": 0.99},
    "relief of the mask": {"near": 1.0, "far": 0.5},
}
MASKS: dict[str, dict[str, Any]] = {
    "0.5 to 0.8": {"near": 0.8, "far": 0.5, "softness": 0.1},
    "foreground": {"near": 0.0, "far": 1.0, "split": "foreground"},
    "foreground, feather 24": {"near": 0.0, "far": 1.0, "split": "foreground", "feather": 24},
}


def depth_sheet(photo: Path) -> Image.Image:
    """Run every operation once on a photo; one captioned image for each, then Preview's page."""
    image = SD2DepthPrepare().execute(read_image(photo)[0], size=SIZE)[0]
    depth_model = SD2DepthCheckpointLoader().execute(str(BUNDLED_CHECKPOINT))[3]
    (depth,) = SD2DepthEstimate().execute(image, depth_model, resolution=SIZE)
    (distance,) = SD2DepthConvert().execute(depth, "disparity to distance", near=1.0, far=8.0)
    (back,) = SD2DepthConvert().execute(distance, near=1.0, far=8.0)
    frames = SD2DepthParallax().execute(image, depth, frames=4, strength=8.0)[0]
    cells = {
        "photo": image,
        "Depth Estimation": depth,
        **{
            f"Adjust: {name}": SD2DepthAdjust().execute(depth, **change)[0]
            for name, change in ADJUSTMENTS.items()
        },
        **{
            f"Refine Edges: {method}": SD2DepthRefine().execute(depth, image, method, radius=8.0)[0]
            for method in ("joint bilateral", "guided")
        },
        **{
            f"Fill: {shape}": SD2DepthFill().execute(depth, shape, mask=_helmet(), **where)[0]
            for shape, where in SHAPES.items()
        },
        "Fill, Under Mask: smooth fill": SD2DepthUnderMask().execute(
            depth, _helmet(), "smooth fill"
        )[0],
        **_merged(depth),
        **{
            f"Range Mask: {name}": to_image(SD2DepthRangeMask().execute(depth, **limits)[0])
            for name, limits in MASKS.items()
        },
        "Convert: to distance, 1 to 8": distance / 8,
        "Convert: back to disparity": back,
        "Parallax Frames: one end": frames[1:2],
        "Parallax Frames: the other": frames[3:4],
    }
    images = [to_pil(cell[0]) for cell in cells.values()]
    top = contact_sheet(images, list(cells), COLUMNS, FONT_SIZE)
    return _above(top, _preview(depth))


def _merged(depth: Tensor) -> dict[str, Tensor]:
    (ball,) = SD2DepthFill().execute(
        torch.zeros_like(depth), "dome", 0.7, 0.3, x1=0.75, y1=0.3, x2=0.43, y2=0.3
    )
    outline = (ball[..., 0] > 0).float()
    cells = {
        f"Merge a ball: {mode}": SD2DepthMerge().execute(depth, ball, mode, patch_mask=outline)[0]
        for mode in ("nearest wins", "farthest wins", "over", "blend")
    }
    # Black is where a map shows nothing.
    cells["Merge under the ball: under"] = SD2DepthMerge().execute(ball, depth, "under")[0]
    # The same map, flatter and farther, as another estimate might be.
    (other,) = SD2DepthAdjust().execute(depth, contrast=0.4, offset=-0.25)
    for match in ("none", "scale and shift"):
        (result,) = SD2DepthMerge().execute(depth, other, "over", match=match, mask=_helmet())
        cells[f"Merge a flatter map: {match}"] = result
    return cells


def _helmet() -> Tensor:
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 160:, 130:] = 1
    return mask


def _preview(depth: Tensor) -> Image.Image:
    """The node's page without the node, which would leave it in a folder too."""
    (shown,) = from_image(depth)
    channel = DepthCondition(shown[None]).channel(1, SIZE // 8, SIZE // 8)[0, 0]
    page = to_pil(sheet(shown, channel, ColourMap.TURBO, SIZE))
    caption = "Preview Depth: legend, histogram, the UNet's view"
    return contact_sheet([page], [caption], 1, FONT_SIZE)


def _above(top: Image.Image, bottom: Image.Image) -> Image.Image:
    width = max(top.width, bottom.width)
    both = Image.new("RGB", (width, top.height + bottom.height), PAPER)
    both.paste(top, (0, 0))
    both.paste(bottom, ((width - bottom.width) // 2, top.height))
    return both
