"""The node that saves a scene for 3D programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from ..depth.fit import fit_map
from ..depth.glb import encode_glb
from ..depth.mesh import surface
from ..disk.writing import write_whole
from ..host import host
from ..images.crop import check_image
from ..images.files import to_8_bits
from . import inputs
from .node import Node, depth_maps

SUFFIX = ".glb"


class SD2DepthSave3D(Node):
    DISPLAY_NAME = "Save Depth as 3D"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Writes the scene as a mesh with the image on it: a GLB file in ComfyUI's output folder, "
        "which Preview 3D, Blender and most 3D programs open. It is cut where the depth jumps, and "
        "empty behind what is near."
    )
    SEARCH_ALIASES = ["glb", "gltf", "mesh", "3d model", "export 3d", "blender", "depth to mesh"]
    OUTPUT_NODE = True
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("model_file",)
    OUTPUT_IS_LIST = (True,)
    OUTPUT_TOOLTIPS = (
        "The file's name in the output folder, one for every image. Connect it to Preview 3D.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": inputs.IMAGE.tooltip("One image or a batch; each gets a file."),
                "depth": inputs.IMAGE.tooltip(
                    "Its depth map, white = near, of any size with its shape. One for all images, "
                    "or a number that divides them."
                ),
                "filename_prefix": inputs.text("3d/depth").tooltip(
                    "Start of the file name; may name a subfolder (3d/depth) and hold %width%, "
                    "%height%, %year%, %month%, %day% and ComfyUI's other marks."
                ),
            },
            "optional": {
                "view_angle": inputs.number(50.0, 10.0, 120.0, step=1.0).tooltip(
                    "Degrees that the image's longer side is seen under: 50 for a usual photo, 75 "
                    "for a phone's wide lens, 20 for a portrait taken from far away. Wider makes "
                    "the scene shallower against its width."
                ),
                "far": inputs.number(3.0, 1.0, 1000.0, step=0.1).tooltip(
                    "How many times as far away as white (1 unit) black in the depth map is. More "
                    "makes the scene deeper. A depth map alone does not tell it."
                ),
                "cut": inputs.fraction(0.1).tooltip(
                    "By how much depth may change within 1% of the longer side. Where it changes "
                    "more, the mesh is cut, so that near things do not hang together with what is "
                    "behind them. 1: nothing is cut. Refine Depth Edges before makes clean cuts."
                ),
                "vertices": inputs.integer(300_000, 4, 4_000_000, advanced=True).tooltip(
                    "Most points of the mesh; an image with more pixels gets an evenly coarser "
                    "grid. The image on it keeps all pixels. A million takes about 45 MB and "
                    "seconds to open."
                ),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def execute(
        self,
        image: Tensor,
        depth: Tensor,
        filename_prefix: str,
        view_angle: float = 50.0,
        far: float = 3.0,
        cut: float = 0.1,
        vertices: int = 300_000,
        prompt: Any = None,
        extra_pnginfo: Any = None,
    ) -> dict[str, Any]:
        """Write one file after the other, each with the workflow inside."""
        image = check_image(image).cpu()
        maps = fit_map(depth_maps(depth).cpu(), image)
        count, height, width = maps.shape
        paths, subfolder = host.output_paths(filename_prefix, count, width, height, SUFFIX)
        text = host.png_text(prompt, extra_pnginfo)
        jobs = list(zip(paths, image, maps, strict=True))
        files = []
        for path, one, its_map in host.progress(jobs, self.DISPLAY_NAME):
            mesh = surface(its_map, view_angle, far, cut, vertices)
            files.append(_write(path, encode_glb(mesh, to_8_bits(one), text)))
        saved = [{"filename": f.name, "subfolder": subfolder, "type": "output"} for f in files]
        return {
            "ui": {"3d": saved},
            "result": ([Path(subfolder, f.name).as_posix() for f in files],),
        }


def _write(path: Iterator[Path], content: bytes) -> Path:
    return write_whole(path, lambda part: part.write_bytes(content))
