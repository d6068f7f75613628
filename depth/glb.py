"""GLB files (glTF 2.0, binary), written by trimesh, which is imported when one is."""

import base64
import io
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
        tree["images"] = [{"mimeType": "image/png", "uri": _data_uri(texture)}]
        tree["samplers"] = [{"wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}]
        tree["textures"] = [{"source": 0, "sampler": 0}]
        (material,) = tree["materials"]
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
        # What was photographed has its light already.
        material["extensions"] = {"KHR_materials_unlit": {}}
        tree["extensionsUsed"] = [*tree.get("extensionsUsed", ()), "KHR_materials_unlit"]
        if text:
            tree["asset"]["extras"] = dict(text)

    material = PBRMaterial(metallicFactor=0.0, roughnessFactor=1.0, doubleSided=True)
    places = mesh.places.numpy()
    upright = np.stack([places[:, 0], 1 - places[:, 1]], axis=-1)  # trimesh counts from the bottom
    shape = trimesh.Trimesh(
        vertices=mesh.vertices.numpy(),
        faces=mesh.triangles.numpy(),
        visual=TextureVisuals(uv=upright, material=material),
        process=False,  # every vertex stays
    )
    scene = trimesh.Scene()
    scene.add_geometry(shape, geom_name="depth")
    return scene.export(file_type="glb", include_normals=False, tree_postprocessor=finish)


def _data_uri(image: Image.Image) -> str:
    """As PNG in the JSON, not in the binary part.

    Pages load an image out of there as `blob:`, which those with a strict content security policy
    may not fetch; `data:` they may.
    """
    file = io.BytesIO()
    image.save(file, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


CLAMP_TO_EDGE = 33071  # in WebGL, from which glTF takes its numbers
