"""One sheet that shows what the depth-map nodes do, all on the same photo."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ...depth.colormaps import ColourMap, paint
from ...depth.convention import from_image, to_image
from ...nodes.depth_map import SD2DepthEstimate
from ...nodes.edit import (
    SD2DepthAdjust,
    SD2DepthConvert,
    SD2DepthFill,
    SD2DepthMerge,
    SD2DepthRangeMask,
    SD2DepthRefine,
)
from ...nodes.inpaint import SD2DepthUnderMask
from ...nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from ...nodes.picture import SD2DepthPrepare
from ...nodes.preview import SD2DepthParallax
from ...pictures.sheet import contact_sheet
from ...standalone.core_files import read_picture, to_picture

SIZE = 256  # pixels; what the bundled checkpoint was trained at
COLUMNS = 5
FONT_SIZE = 14


def depth_sheet(photo: Path) -> Image.Image:
    """Run every node once on a photo; one captioned picture for each operation."""
    image = SD2DepthPrepare().execute(read_picture(photo)[0], size=SIZE)[0]
    depth_model = SD2DepthCheckpointLoader().execute(str(BUNDLED_CHECKPOINT))[3]
    (depth,) = SD2DepthEstimate().execute(image, depth_model, resolution=SIZE)
    cells = {"photo": image, "Estimate Depth": depth, **_edits(image, depth)}
    pictures = [to_picture(cell[0]) for cell in cells.values()]
    return contact_sheet(pictures, list(cells), COLUMNS, FONT_SIZE)


def _edits(image: Tensor, depth: Tensor) -> dict[str, Tensor]:
    (ball,) = SD2DepthFill().execute(torch.zeros_like(depth), "dome", x1=0.75, y1=0.25, y2=0.43)
    (subject,) = SD2DepthRangeMask().execute(depth, 0.0, 1.0, "foreground")
    hole = torch.zeros(1, SIZE, SIZE)
    hole[:, 160:, 130:] = 1  # the helmet
    (distance,) = SD2DepthConvert().execute(depth, "disparity to distance", near=1.0, far=8.0)
    frames = SD2DepthParallax().execute(image, depth, frames=4, strength=16.0)[0]
    return {
        "Adjust Depth: gamma 0.5": SD2DepthAdjust().execute(depth, gamma=0.5)[0],
        "Adjust Depth: contrast 2": SD2DepthAdjust().execute(depth, contrast=2.0)[0],
        "Adjust Depth: smooth": SD2DepthAdjust().execute(depth, smooth=6.0)[0],
        "Refine Depth Edges": SD2DepthRefine().execute(depth, image, radius=8.0)[0],
        "Fill Depth: dome": ball,
        "Merge Depth: the dome, nearest wins": SD2DepthMerge().execute(depth, ball)[0],
        "Depth Under Mask: smooth fill": SD2DepthUnderMask().execute(depth, hole, "smooth fill")[0],
        "Depth Range Mask: foreground (Otsu)": to_image(subject),
        "Convert Depth: distance, 1 to 8": distance / distance.max(),
        "Preview Depth: turbo": paint(from_image(depth), ColourMap.TURBO),
        "Depth Parallax Frames: one end": frames[1:2],
        "Depth Parallax Frames: the other": frames[3:4],
    }
