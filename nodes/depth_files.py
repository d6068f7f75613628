"""Nodes that read and write depth maps."""

import hashlib
import logging
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from ..depth.colormaps import TOLERANCE, ColourMap
from ..depth.convention import from_image, repair, to_image
from ..depth.depth_files import (
    BUNDLED,
    SUFFIXES,
    Beyond,
    FileFormat,
    Reading,
    find_file,
    read_depth,
    write_depth,
)
from ..depth.mask_editor import count_values, find_original, is_copy
from ..disk.file_state import FileState
from ..host import host
from . import inputs
from .node import DepthMapNode, Node
from .preview import show
from .remedies import answer

log = logging.getLogger(__name__)

# The value of the upload button, which ComfyUI's canvas saves after all inputs and opens by their
# number: in workflows that were saved before `layer` was there it becomes the layer. A layer of
# that name is written in another case.
UPLOAD_BUTTON = "image"


class SD2DepthLoad(DepthMapNode):
    DISPLAY_NAME = "Depth Map Loader"
    DESCRIPTION = (
        "Reads a depth map from ComfyUI's input folder: 8- or 16-bit PNG, TIFF and other images, "
        "grey or colour, and the floats of TIFF, EXR, NPY, NPZ and PFM. Every bit is kept, unlike "
        "with Load Image. White = near, black = far. Moving one wire to this node replaces an "
        "estimated map by a hand-edited one."
    )
    SEARCH_ALIASES = ["depth map", "16 bit png", "import depth", "z pass", "exr", "npy", "pfm"]
    OUTPUT_TOOLTIPS = (
        "Depth map of the file's size: white = near, black = far. A stack of maps in an NPY or "
        "NPZ file gives a batch.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        def file_value(default: float) -> inputs.Field:
            """In the unit of the file, metres for example."""
            return inputs.number(default, -1e6, 1e6, step=0.001, round=False, advanced=True)

        return {
            "required": {
                "image": inputs.one_of(_file_names(), sd2_depth_upload=SUFFIXES).tooltip(
                    "A file in the input folder; the button uploads EXR, NPY, NPZ and PFM too. "
                    "Black pixels are far, white ones near; transparent ones count as far. Of an "
                    "EXR, the layer that calls itself depth (Z, Depth, VRayZDepth, WorldDepth) is "
                    "taken."
                )
            },
            "optional": {
                "invert": inputs.switch().tooltip(
                    "On for a map in which black is near (many 3D programs). Not together with "
                    "beyond at keep."
                ),
                "colours": inputs.choice(ColourMap.GREY).tooltip(
                    "What a coloured depth image was painted with: its colours become depths "
                    "again, in 256 steps. With grey the brightness is the depth."
                ),
                "far": file_value(0.0).tooltip(
                    "The file's value that becomes 0 (far). Integers of 8 and 16 bits count as 0 "
                    "to 1 (2708 of 65535 as 0.0413). Distances (far larger than near) are turned "
                    "round, but stay distances, no disparity: for that, beyond at keep and Convert "
                    "Depth."
                ),
                "near": file_value(1.0).tooltip("The file's value that becomes 1 (near)."),
                "beyond": inputs.choice(Beyond.REFUSE, advanced=True).tooltip(
                    "Values outside far to near. refuse: stop and say which there are. clip: make "
                    "them far or near, infinite ones too. keep: leave them, for Convert Depth; "
                    "with far 0 and near 1 metres and infinite sky stay as they are in the file."
                ),
                "tolerance": inputs.fraction(TOLERANCE, step=0.001, advanced=True).tooltip(
                    "How far a pixel may be from the nearest colour of the map (RGB 0 to 1) before "
                    "the image is refused. More for a JPEG; then legends and edges become wrong "
                    "depths."
                ),
                "layer": inputs.text("", advanced=True).tooltip(
                    "Which layer or channel of an EXR (ViewLayer.Depth, Fg.Depth.Z), or array of "
                    "an NPZ. Empty: the one that calls itself depth, or the only one; where none "
                    "or several do, the error lists them all."
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
        layer: str = "",
    ) -> tuple[Tensor]:
        layer = "" if layer == UPLOAD_BUTTON else layer.strip()
        reading = Reading(far, near, Beyond(beyond), ColourMap(colours), tolerance, invert, layer)
        path = _file_path(image)
        original = _original(path)
        if is_copy(path):
            log.warning("%s", _about_copy(path, original))
        return (to_image(read_depth(original or path, reading)),)

    @classmethod
    def IS_CHANGED(cls, image: str | None, **_: Any) -> str | float:
        if image is None:  # it comes by a wire: read the file anew every time
            return math.nan
        path = _file_path(image)
        return hashlib.sha256((_original(path) or path).read_bytes()).hexdigest()

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        return answer(_file_path, image)


def _file_names() -> list[str]:
    """The user's files, then the bundled one, unless one of theirs has its name."""
    names = host.input_names(SUFFIXES)
    return names if BUNDLED.name in names else [*names, BUNDLED.name]


def _file_path(name: str) -> Path:
    return find_file(name, host.input_path)


def _original(path: Path) -> Path | None:
    """The file in the input folder that the mask editor made its copy of, where it still is."""
    if not is_copy(path):
        return None
    files = map(host.input_path, host.input_names(SUFFIXES))
    return _found(FileState.of(path), tuple(map(FileState.of, files)))


@lru_cache(maxsize=8)
def _found(copy: FileState, files: tuple[FileState, ...]) -> Path | None:
    """Looked for once in each state of the folder: IS_CHANGED and the run both ask."""
    return find_original(copy.path, (file.path for file in files))


def _about_copy(path: Path, original: Path | None) -> str:
    mask = "Load Image (as Mask) loads the mask that was painted."
    if original is not None:
        return (
            f"{path.name} is the mask editor's copy of {original.name} with 8 bits; the original "
            f"is loaded in its place. {mask}"
        )
    return (
        f"{path.name} is a copy by the mask editor, in which {count_values(path)} different depths "
        f"are left: choose the file again that it was made of. {mask}"
    )


class SD2DepthSave(Node):
    DISPLAY_NAME = "Save Depth Map"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Writes depth maps into ComfyUI's output folder and shows them: as 16-bit grey PNG with "
        "the workflow inside the file, or for other programs as TIFF, EXR, NPY, NPZ or PFM. Depth "
        "Map Loader reads them back bit for bit."
    )
    SEARCH_ALIASES = ["depth map", "16 bit png", "export depth", "exr", "tiff", "npy", "pfm"]
    OUTPUT_NODE = True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "depth": inputs.IMAGE.tooltip("One depth map or a batch, values 0..1."),
                "filename_prefix": inputs.text("depth").tooltip(
                    "Start of the file name; may name a subfolder (maps/depth) and hold %width%, "
                    "%height%, %year%, %month%, %day% and ComfyUI's other marks."
                ),
            },
            "optional": {
                "bits": inputs.one_of(["16", "8"], default="16").tooltip(
                    "Bits a pixel of a PNG: 16 keeps 65,536 depths; 8 keeps 256, for programs that "
                    "cannot read 16, and shows as steps on slopes."
                ),
                "file_format": inputs.choice(FileFormat.PNG).tooltip(
                    "png, tiff 16-bit: for image editors. tiff float, exr, npy, npz, pfm: exact "
                    "float32, for 3D, compositing and Python; they hold values outside 0..1 too. "
                    "Only png carries the workflow."
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
        maps, kind = repair(from_image(depth)), FileFormat(file_format)
        count, height, width = maps.shape
        paths, subfolder = host.output_paths(filename_prefix, count, width, height, kind.suffix)
        text = host.png_text(prompt, extra_pnginfo)
        files = [
            write_depth(path, one, kind, int(bits), text)
            for path, one in zip(paths, maps, strict=True)
        ]
        saved = [{"filename": f.name, "subfolder": subfolder, "type": "output"} for f in files]
        if kind is FileFormat.PNG:
            return {"ui": {"images": saved}}
        # A web page shows none of the others, so it gets images of them.
        return {"ui": {"images": show(to_image(maps.clamp(0, 1))), "files": saved}}
