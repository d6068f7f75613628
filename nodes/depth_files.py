"""Nodes that make, read and write depth maps.

A depth map on the canvas is an IMAGE, float32 [B, H, W, 3] with three equal channels: 1 = near =
white, 0 = far = black. Inside `depth/` it is float32 [B, H, W].
"""

import hashlib
from functools import partial
from typing import Any

from torch import Tensor

from .. import host
from ..depth.colormaps import TOLERANCE, ColourMap
from ..depth.convention import from_image, repair, to_image
from ..depth.depth_files import SUFFIXES, Beyond, FileFormat, Reading, read_depth, write_depth
from ..depth.estimate import Precision, Scope, Settings, estimate
from ..depth.networks.estimators import DepthModel
from ..depth.networks.network import OWN
from ..images.files import write_image

Input = tuple[Any, dict[str, Any]]


def estimation_inputs() -> dict[str, Input]:
    """How a network looks at images; for every node that estimates their depth."""
    return {
        "resolution": (
            "INT",
            {
                "default": OWN,
                "min": 0,
                "max": 2048,
                "step": 32,
                "tooltip": "Size in pixels at which the network looks at the image. 0: the one "
                "it was trained with (384 for the MiDaS in the checkpoint). More shows finer "
                "detail but can lose the overall depth, and takes longer. MiDaS needs multiples "
                "of 32; networks that know one size only say so.",
            },
        ),
        "precision": (
            [precision.value for precision in Precision],
            {
                "default": Precision.FLOAT32.value,
                "advanced": True,
                "tooltip": "Arithmetic of the network. Half precision is quicker on a GPU and "
                "moves depths by about a thousandth.",
            },
        ),
        "tiles": (
            "INT",
            {
                "default": 1,
                "min": 1,
                "max": 8,
                "tooltip": "1: the network looks at the whole image only. More: also at "
                "overlapping parts, so many along the shorter side, which are fitted to the whole "
                "and blended. Finer detail in large images; 2 takes five times as long, 4 "
                "seventeen times (square images).",
            },
        ),
        "flip": (
            "BOOLEAN",
            {
                "default": False,
                "advanced": True,
                "tooltip": "On: the mean of two looks, one at the mirrored image. A little more "
                "accurate, twice as long.",
            },
        ),
    }


class SD2DepthEstimate:
    """Estimate Depth: images -> depth maps of the same size."""

    DISPLAY_NAME = "Estimate Depth"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Estimates the depth of every image of a batch. The result is a grey IMAGE "
        "of the same size, white = near, black = far, stretched to the full range: each map by "
        "itself, or all of a batch together."
    )
    SEARCH_ALIASES = ["midas", "depth map", "dpt hybrid", "monocular depth", "depth anything"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = ("Depth map, the image's size: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "One image or a batch, any size."}),
                "depth_model": (
                    "DEPTH_MODEL",
                    {
                        "tooltip": "From Load SD2 Depth Checkpoint: the MiDaS the model learnt "
                        "with. Or from Load Depth Model: any other."
                    },
                ),
            },
            "optional": {
                **estimation_inputs(),
                "normalize": (
                    [scope.value for scope in Scope],
                    {
                        "default": Scope.IMAGE.value,
                        "advanced": True,
                        "tooltip": "What shares a nearest (white) and a farthest (black) depth. "
                        "whole batch: for the frames of a video, which would flicker otherwise. "
                        "All frames' maps are then kept in memory at the network's size too, with "
                        "tiles in the place of the result.",
                    },
                ),
                "smooth": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 10.0,
                        "step": 0.5,
                        "advanced": True,
                        "tooltip": "For the frames of a video: every map is averaged with its "
                        "neighbours, over about this many frames before and after, where the "
                        "image stays the same. 0: off. Best with normalize: whole batch.",
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
        normalize: str = Scope.IMAGE.value,
        smooth: float = 0.0,
    ) -> tuple[Tensor]:
        """Estimate one image, or one part of it, after the other."""
        settings = Settings(resolution, Precision(precision), flip, tiles, Scope(normalize), smooth)
        return (to_image(estimate_batch(image, depth_model, settings)),)


class SD2DepthLoad:
    """Load Depth Map: a file -> depth map, every bit kept."""

    DISPLAY_NAME = "Load Depth Map"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Reads a depth map from ComfyUI's input folder: 8- or 16-bit PNG, TIFF and other images, "
        "grey or colour, and the floats of TIFF, EXR, NPY, NPZ and PFM. Every bit is kept, unlike "
        "with Load Image. White = near, black = far. Moving one wire to this node replaces an "
        "estimated map by a hand-edited one."
    )
    SEARCH_ALIASES = ["depth map", "16 bit png", "import depth", "z pass", "exr", "npy", "pfm"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = (
        "Depth map of the file's size: white = near, black = far. A stack of maps in an NPY or "
        "NPZ file gives a batch.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "image": (
                    host.input_names(SUFFIXES),
                    {
                        "image_upload": True,
                        "tooltip": "A file in the input folder; put EXR, NPY, NPZ and PFM there by "
                        "hand. Black pixels are far, white ones near; transparent ones count as "
                        "far. An EXR's Z channel comes before its colours.",
                    },
                ),
            },
            "optional": {
                "invert": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "On for a map in which black is near (many 3D programs). Not "
                        "together with beyond at keep.",
                    },
                ),
                "colours": (
                    [colours.value for colours in ColourMap],
                    {
                        "default": ColourMap.GREY.value,
                        "tooltip": "What a coloured depth image was painted with: its colours "
                        "become depths again, in 256 steps. With grey the brightness is the depth.",
                    },
                ),
                "far": _file_value(
                    0.0,
                    "The file's value that becomes 0 (far). Integers of 8 and 16 bits count as 0 "
                    "to 1. Distances (far larger than near) are turned round, but stay distances, "
                    "no disparity: for that, beyond at keep and Convert Depth.",
                ),
                "near": _file_value(1.0, "The file's value that becomes 1 (near)."),
                "beyond": (
                    [beyond.value for beyond in Beyond],
                    {
                        "default": Beyond.REFUSE.value,
                        "advanced": True,
                        "tooltip": "Values outside far to near. refuse: stop and say which there "
                        "are. clip: make them far or near, infinite ones too. keep: leave them, "
                        "for Convert Depth; with far 0 and near 1 metres and infinite sky stay as "
                        "they are in the file.",
                    },
                ),
                "tolerance": (
                    "FLOAT",
                    {
                        "default": TOLERANCE,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.001,
                        "advanced": True,
                        "tooltip": "How far a pixel may be from the nearest colour of the map (RGB "
                        "0 to 1) before the image is refused. More for a JPEG; then legends and "
                        "edges become wrong depths.",
                    },
                ),
            },
        }

    def execute(
        self,
        image: str,
        invert: bool = False,
        colours: str = ColourMap.GREY.value,
        far: float = 0.0,
        near: float = 1.0,
        beyond: str = Beyond.REFUSE.value,
        tolerance: float = TOLERANCE,
    ) -> tuple[Tensor]:
        """Read the file as it is; nothing is stretched or resized."""
        reading = Reading(far, near, Beyond(beyond), ColourMap(colours), tolerance, invert)
        return (to_image(read_depth(host.input_path(image), reading)),)

    @classmethod
    def IS_CHANGED(cls, image: str, **_: Any) -> str:
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


def _file_value(default: float, tooltip: str) -> tuple[str, dict[str, Any]]:
    """An expert input for a value in the unit of the file, metres for example."""
    limits = {"min": -1e6, "max": 1e6, "step": 0.001, "round": False}
    return ("FLOAT", {"default": default, **limits, "advanced": True, "tooltip": tooltip})


class SD2DepthSave:
    """Save Depth Map: depth maps -> files in the output folder."""

    DISPLAY_NAME = "Save Depth Map"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Writes depth maps into ComfyUI's output folder and shows them: as 16-bit grey PNG with "
        "the workflow inside the file, or for other programs as TIFF, EXR, NPY, NPZ or PFM. Load "
        "Depth Map reads them back bit for bit."
    )
    SEARCH_ALIASES = ["depth map", "16 bit png", "export depth", "exr", "tiff", "npy", "pfm"]
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
                        "tooltip": "Bits a pixel of a PNG: 16 keeps 65,536 depths; 8 keeps 256, "
                        "for programs that cannot read 16, and shows as steps on slopes.",
                    },
                ),
                "file_format": (
                    [kind.value for kind in FileFormat],
                    {
                        "default": FileFormat.PNG.value,
                        "tooltip": "png, tiff 16-bit: for image editors. tiff float, exr, npy, "
                        "npz, pfm: exact float32, for 3D, compositing and Python; they hold values "
                        "outside 0..1 too. Only png carries the workflow.",
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
        file_format: str = FileFormat.PNG.value,
        prompt: Any = None,
        extra_pnginfo: Any = None,
    ) -> dict[str, Any]:
        """Write one file a map; nothing half-written is left behind."""
        maps, kind = repair(from_image(depth)), FileFormat(file_format)
        count, height, width = maps.shape
        paths, subfolder = host.output_paths(filename_prefix, count, width, height, kind.suffix)
        text = host.png_text(prompt, extra_pnginfo)
        for path, one in zip(paths, maps, strict=True):
            write_depth(path, one, kind, int(bits), text)
        saved = [{"filename": p.name, "subfolder": subfolder, "type": "output"} for p in paths]
        if kind is FileFormat.PNG:
            return {"ui": {"images": saved}}
        # A web page shows none of the others, so it gets images of them.
        return {"ui": {"images": show(to_image(maps.clamp(0, 1))), "files": saved}}


def show(images: Tensor, prefix: str = "depth_preview") -> list[dict[str, str]]:
    """Write IMAGE `[B, H, W, 3]`, 0..1, to the folder of previews: what `ui.images` takes."""
    count, height, width = images.shape[:3]
    paths, subfolder = host.preview_paths(prefix, count, width, height)
    for path, image in zip(paths, images, strict=True):
        write_image(path, image)
    return [{"filename": path.name, "subfolder": subfolder, "type": "temp"} for path in paths]


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
    return estimate(network, image, settings, device, each)
