"""GLB files (glTF 2.0, binary), written by the library trimesh; it is imported when one is written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from ..disk.packages import needed
from .mesh import Mesh


def encode_glb(mesh: Mesh, texture: Image.Image, text: Mapping[str, str]) -> bytes:
    """A mesh with an image on it that shines by itself, as PNG, and with text in `asset.extras`.

    It is seen from both sides.
    """
    with needed("trimesh", "GLB files"):
        import trimesh
        from trimesh.visual import TextureVisuals
        from trimesh.visual.material import PBRMaterial

    def finish(tree: dict[str, Any]) -> None:
        # What was photographed has its light already.
        tree["materials"][0]["extensions"] = {"KHR_materials_unlit": {}}
        tree["extensionsUsed"] = [*tree.get("extensionsUsed", ()), "KHR_materials_unlit"]
        tree["samplers"] = [{"wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}]
        tree["textures"][0]["sampler"] = 0
        if text:
            tree["asset"]["extras"] = dict(text)

    material = PBRMaterial(
        baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=1.0, doubleSided=True
    )
    places = mesh.places.numpy()
    upright = np.stack([places[:, 0], 1 - places[:, 1]], axis=-1)  # trimesh counts from the bottom
    shape = trimesh.Trimesh(
        vertices=mesh.vertices.numpy(),
        faces=mesh.triangles.numpy(),
        visual=TextureVisuals(uv=upright, material=material),
        process=False,  # every vertex stays
    )
    scene = trimesh.Scene({"depth": shape})
    return scene.export(file_type="glb", include_normals=False, tree_postprocessor=finish)


CLAMP_TO_EDGE = 33071  # in WebGL, from which glTF takes its numbers
