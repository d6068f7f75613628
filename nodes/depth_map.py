"""Nodes that make, read and write depth maps.

A depth map on the canvas is an IMAGE, float32 [B, H, W, 3] with three equal channels: 1 = near =
white, 0 = far = black. Inside `depth/` it is float32 [B, H, W].
"""

import hashlib
from functools import partial
from typing import Any

from torch import Tensor

from .. import host
from ..depth.batch import Scope, Settings, estimate_all
from ..depth.convention import from_image, repair, to_image
from ..depth.estimators import DepthModel, Precision
from ..depth.files import read_depth, write_png
from ..depth.network import OWN


class SD2DepthEstimate:
    """Estimate Depth: pictures -> depth maps of the same size."""

    DISPLAY_NAME = "Estimate Depth"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Estimates the depth of every picture of a batch. The result is a grey IMAGE "
        "of the same size, white = near, black = far, each map stretched to the full range."
    )
    SEARCH_ALIASES = ["midas", "depth map", "dpt hybrid", "monocular depth", "depth anything"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = ("Depth map, the picture's size: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "One picture or a batch, any size."}),
                "depth_model": (
                    "DEPTH_MODEL",
                    {
                        "tooltip": "From Load SD2 Depth Checkpoint: the MiDaS the model learnt "
                        "with. Or from Load Depth Model: any other."
                    },
                ),
            },
            "optional": {
                "resolution": (
                    "INT",
                    {
                        "default": OWN,
                        "min": 0,
                        "max": 2048,
                        "step": 32,
                        "tooltip": "Size in pixels at which the network looks at the picture. 0: "
                        "the one it was trained with (384 for the MiDaS in the checkpoint). More "
                        "shows finer detail but can lose the overall depth, and takes longer. "
                        "MiDaS needs multiples of 32; networks that know one size only say so.",
                    },
                ),
                "precision": (
                    [precision.value for precision in Precision],
                    {
                        "default": Precision.FLOAT32.value,
                        "advanced": True,
                        "tooltip": "Arithmetic of the network. Half precision is quicker on a GPU "
                        "and moves depths by about a thousandth.",
                    },
                ),
                "tiles": (
                    "INT",
                    {
                        "default": 1,
                        "min": 1,
                        "max": 8,
                        "tooltip": "1: the network looks at the whole picture only. More: also at "
                        "overlapping parts, so many along the shorter side, which are fitted to "
                        "the whole and blended. Finer detail in large pictures; 2 takes five times "
                        "as long, 4 seventeen times (square pictures).",
                    },
                ),
                "flip": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "advanced": True,
                        "tooltip": "On: the mean of two looks, one at the mirrored picture. A "
                        "little more accurate, twice as long.",
                    },
                ),
                "normalize": (
                    [scope.value for scope in Scope],
                    {
                        "default": Scope.PICTURE.value,
                        "advanced": True,
                        "tooltip": "What shares a nearest (white) and a farthest (black) depth. "
                        "Whole batch: for the frames of a video, which would flicker otherwise. "
                        "All frames' maps are then kept in memory, at the network's size.",
                    },
                ),
                "smoothing": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 10.0,
                        "step": 0.5,
                        "advanced": True,
                        "tooltip": "For the frames of a video: every map is averaged with its "
                        "neighbours, over about this many frames before and after, where the "
                        "picture stays the same. 0: off. Best with normalize: whole batch.",
                    },
                ),
            },
        }

    def execute(
        self,
        image: Tensor,
        depth_model: DepthModel,
        resolution: int = OWN,
        precision: str = Precision.FLOAT32.value,
        tiles: int = 1,
        flip: bool = False,
        normalize: str = Scope.PICTURE.value,
        smoothing: float = 0.0,
    ) -> tuple[Tensor]:
        """Estimate one picture, or one part of it, after the other."""
        settings = Settings(
            resolution, Precision(precision), flip, tiles, Scope(normalize), smoothing
        )
        return (to_image(estimate_batch(image, depth_model, settings)),)


class SD2DepthLoad:
    """Load Depth Map: a picture file -> depth map, 16 bits kept."""

    DISPLAY_NAME = "Load Depth Map"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Reads a depth map from ComfyUI's input folder: 8- or 16-bit PNG and other pictures, grey "
        "or colour. All 16 bits are kept, unlike with Load Image. White = near, black = far. "
        "Moving one wire to this node replaces an estimated map by a hand-edited one."
    )
    SEARCH_ALIASES = ["depth map", "16 bit png", "import depth", "z pass"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = ("Depth map of the file's size: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "image": (
                    host.input_names(),
                    {
                        "image_upload": True,
                        "tooltip": "A file in the input folder. Black pixels are far, white ones "
                        "near; transparent ones count as far.",
                    },
                ),
            },
            "optional": {
                "invert": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "On for a map in which black is near (many 3D programs).",
                    },
                ),
            },
        }

    def execute(self, image: str, invert: bool = False) -> tuple[Tensor]:
        """Read the file as it is; nothing is stretched or resized."""
        depth = read_depth(host.input_path(image))
        return (to_image(1.0 - depth if invert else depth),)

    @classmethod
    def IS_CHANGED(cls, image: str, invert: bool = False) -> str:
        """A file edited on disk is read again."""
        return hashlib.sha256(host.input_path(image).read_bytes()).hexdigest()

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        """Tell before anything runs that a file is missing."""
        try:
            host.input_path(image)
        except FileNotFoundError as error:
            return str(error)
        return True


class SD2DepthSave:
    """Save Depth Map: depth maps -> PNG files in the output folder."""

    DISPLAY_NAME = "Save Depth Map"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Writes depth maps as 16-bit grey PNG into ComfyUI's output folder, with the workflow "
        "inside the file, and shows them. Load Depth Map reads them back bit for bit."
    )
    SEARCH_ALIASES = ["depth map", "16 bit png", "export depth"]
    FUNCTION = "execute"
    OUTPUT_NODE = True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "depth": ("IMAGE", {"tooltip": "One depth map or a batch, values 0..1."}),
                "filename_prefix": (
                    "STRING",
                    {
                        "default": "depth",
                        "tooltip": "Start of the file name; may name a subfolder (maps/depth) and "
                        "hold %width%, %height%, %year%, %month%, %day% and ComfyUI's other marks.",
                    },
                ),
            },
            "optional": {
                "bits": (
                    ["16", "8"],
                    {
                        "default": "16",
                        "tooltip": "Bits a pixel: 16 keeps 65,536 depths; 8 keeps 256, for "
                        "programs that cannot read 16, and shows as steps on slopes.",
                    },
                ),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def execute(
        self,
        depth: Tensor,
        filename_prefix: str,
        bits: str = "16",
        prompt: Any = None,
        extra_pnginfo: Any = None,
    ) -> dict[str, Any]:
        """Write one file a map; nothing half-written is left behind."""
        maps = repair(from_image(depth))
        count, height, width = maps.shape
        paths, subfolder = host.output_paths(filename_prefix, count, width, height)
        text = host.png_text(prompt, extra_pnginfo)
        for path, one in zip(paths, maps, strict=True):
            write_png(path, one, bits=int(bits), text=text)
        saved = [{"filename": p.name, "subfolder": subfolder, "type": "output"} for p in paths]
        return {"ui": {"images": saved}}


def estimate_batch(
    image: Tensor,
    depth_model: DepthModel,
    settings: Settings,
    description: str = "Estimate Depth",
) -> Tensor:
    """Depth `[B, H, W]` of IMAGE `[B, H, W, 3]`, under a progress bar of this description."""
    network = depth_model.network
    device = host.on_device(network)
    each = partial(host.progress, description=description)
    return estimate_all(network, image, settings, device, each)
