"""GLB files: read byte by byte as the format's specification has it, and by the library."""

import base64
import io
import json
import struct

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from sd2_depth2img.depth.glb import encode_glb
from sd2_depth2img.depth.mesh import surface

TYPES = {5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}


def scene(height=6, width=8):
    """A mesh of a slope with a step, and a texture of other size than it."""
    depth = torch.linspace(0, 1, height * width).view(height, width)
    depth[:, width // 2 :] *= 0.2
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return surface(depth, 50.0, 4.0, 0.3, 10**6), Image.fromarray(pixels)


@pytest.fixture(scope="module")
def parts():
    """The JSON of a file, its binary part, and what it was made of."""
    mesh, texture = scene()
    content = encode_glb(mesh, texture, {"prompt": '{"made": "hère"}', "workflow": "{}"})
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON"
    assert size % 4 == 0
    start = 20 + size
    rest, kind = struct.unpack_from("<I4s", content, start)
    assert kind == b"BIN\0"
    assert start + 8 + rest == len(content)
    return json.loads(content[20:start]), content[start + 8 :], mesh, texture


def view_of(tree, binary, index):
    where = tree["bufferViews"][index]
    start = where.get("byteOffset", 0)
    assert start % 4 == 0
    assert start + where["byteLength"] <= tree["buffers"][0]["byteLength"] <= len(binary)
    return binary[start : start + where["byteLength"]]


def values(tree, binary, index):
    """What an accessor says, checked against the ends that it states."""
    accessor = tree["accessors"][index]
    data = view_of(tree, binary, accessor["bufferView"])
    width = WIDTHS[accessor["type"]]
    array = np.frombuffer(data, TYPES[accessor["componentType"]], accessor["count"] * width)
    array = array.reshape(-1, width)
    assert np.array_equal(array.min(axis=0), np.float32(accessor["min"]))
    assert np.array_equal(array.max(axis=0), np.float32(accessor["max"]))
    return array


def test_the_binary_part_holds_the_mesh(parts):
    tree, binary, mesh, _ = parts
    (primitive,) = tree["meshes"][0]["primitives"]
    assert primitive.get("mode", 4) == 4  # triangles
    places = values(tree, binary, primitive["attributes"]["POSITION"])
    assert np.array_equal(places, mesh.vertices.numpy().astype(np.float32))
    # glTF counts v from the top, as the mesh does.
    on_image = values(tree, binary, primitive["attributes"]["TEXCOORD_0"])
    assert np.allclose(on_image, mesh.places.numpy(), atol=1e-6)
    indices = values(tree, binary, primitive["indices"])
    assert np.array_equal(indices.reshape(-1, 3), mesh.triangles.numpy())


def test_the_texture_is_the_image_bit_for_bit(parts):
    tree, _, _, texture = parts
    (image,) = tree["images"]
    assert image["mimeType"] == "image/png"
    start, content = image["uri"].split(",")
    assert start == "data:image/png;base64"  # what a strict page may load, too
    found = Image.open(io.BytesIO(base64.b64decode(content)))
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), np.asarray(texture))
    (material,) = tree["materials"]
    assert material["pbrMetallicRoughness"]["baseColorTexture"]["index"] == 0
    assert tree["textures"][0] == {"source": 0, "sampler": 0}


def test_it_needs_no_light_is_seen_from_both_sides_and_requires_nothing(parts):
    tree = parts[0]
    assert tree["materials"][0]["extensions"] == {"KHR_materials_unlit": {}}
    assert tree["materials"][0]["doubleSided"] is True
    assert tree["extensionsUsed"] == ["KHR_materials_unlit"]
    assert "extensionsRequired" not in tree


def test_the_workflow_lies_where_comfyui_looks_for_it(parts):
    assert parts[0]["asset"]["extras"] == {"prompt": '{"made": "hère"}', "workflow": "{}"}
    assert "extras" not in _tree(encode_glb(*scene(), {}))["asset"]


def _tree(content):
    size = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + size])


def test_the_library_reads_what_was_written():
    mesh, texture = scene()
    found = trimesh.load(io.BytesIO(encode_glb(mesh, texture, {})), file_type="glb", process=False)
    (shape,) = found.geometry.values()
    assert np.allclose(shape.vertices, mesh.vertices.numpy(), atol=1e-6)
    assert np.array_equal(shape.faces, mesh.triangles.numpy())
    # Towards the camera, which is at the origin.
    assert ((shape.face_normals * -shape.triangles_center).sum(axis=1) > 0).all()
