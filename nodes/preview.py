"""The node that shows a depth map as a page to judge it by."""

from typing import Any

from torch import Tensor

from ..depth.colormaps import ColourMap
from ..depth.convention import from_image, repair
from ..depth.preview import examine, examine_channel, same_size, sheet
from ..host import host
from ..images.files import write_image
from ..sampling.depth_channel import DepthCondition, Normalize
from ..sampling.latents import LATENT_PIXELS
from . import inputs
from .node import Node


class SD2DepthPreview(Node):
    DISPLAY_NAME = "Preview Depth"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Shows a depth map in colours, with legend and histogram, beside what the model really "
        "sees of it at the latent's size. Points out clipping, flatness and what may be an "
        "inverted map; these are hints, the map is not changed."
    )
    SEARCH_ALIASES = ["depth histogram", "colormap", "turbo", "inspect depth", "false colour"]
    OUTPUT_NODE = True
    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("preview", "report")
    OUTPUT_TOOLTIPS = (
        "A page for every map, as shown on the node. Not a depth map.",
        "A line for every map and for everything that is conspicuous about it.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"depth": inputs.IMAGE.tooltip("One depth map or a batch, white = near.")},
            "optional": {
                "colours": inputs.choice(ColourMap.TURBO).tooltip(
                    "How depths are painted. turbo: blue is far, red near, shows small "
                    "differences. inferno, viridis: brighter is nearer. grey: as it is."
                ),
                "size": inputs.integer(384, 64, 2048, step=8).tooltip(
                    "Longer side of the images on the page, in pixels. A larger map is scaled down "
                    "to it for this page only."
                ),
                "normalize": inputs.choice(Normalize.PER_IMAGE, advanced=True).tooltip(
                    "As set in Depth Encode: decides which depths the model sees as nearest and "
                    "farthest."
                ),
                **inputs.fixed_range(),
            },
        }

    def execute(
        self,
        depth: Tensor,
        colours: str = ColourMap.TURBO.value,
        size: int = 384,
        normalize: str = Normalize.PER_IMAGE.value,
        low: float = 0.0,
        high: float = 1.0,
    ) -> dict[str, Any]:
        """Examine every map as it came, draw it with its missing pixels filled."""
        given = from_image(depth).cpu()  # BHWC -> BHW
        maps = repair(given)
        channels = _channels(DepthCondition(maps, Normalize(normalize), 1.0, low, high))
        notes, drawings = [], []
        rows = list(zip(given, maps, channels, strict=True))
        for one, drawn, channel in host.progress(rows, self.DISPLAY_NAME):
            notes.append(examine(one) + examine_channel(channel))
            drawings.append(sheet(drawn, channel, ColourMap(colours), size))
        pages, report = same_size(drawings), _report(notes)
        return {"ui": {"images": show(pages), "text": [report]}, "result": (pages, report)}


def show(images: Tensor) -> list[dict[str, str]]:
    """Write IMAGE `[B, H, W, 3]`, 0..1, to the folder of previews: what `ui.images` takes."""
    count, height, width = images.shape[:3]
    paths, subfolder = host.output_paths("depth_preview", count, width, height, place="temp")
    files = [write_image(path, image) for path, image in zip(paths, images, strict=True)]
    return [{"filename": file.name, "subfolder": subfolder, "type": "temp"} for file in files]


def _channels(condition: DepthCondition) -> Tensor:
    """The UNet's view of every map, `[B, h, w]`, for images of the maps' size."""
    count, height, width = condition.depth.shape
    # The VAE crops an image to whole latent pixels.
    size = (max(1, side // LATENT_PIXELS) for side in (height, width))
    return condition.channel(count, *size)[:, 0]


def _report(notes: list[list[str]]) -> str:
    lines = [
        f"map {index}: {note}"
        for index, found in enumerate(notes)
        for note in found or ["nothing conspicuous"]
    ]
    return "\n".join(lines)
