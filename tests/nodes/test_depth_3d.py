"""Save Depth as 3D in the embedded engine."""

import json
import struct

import numpy as np
import pytest
import torch
import trimesh

from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.nodes.depth_3d import SD2DepthSave3D
from sd2_depth2img.workflows.graph import Runner, Workflow

pytestmark = pytest.mark.usefixtures("base")


def ramp(count=1, height=32, width=48):
    return to_image(torch.linspace(0, 1, width).expand(count, height, width))


def save(image, depth, **options):
    return SD2DepthSave3D().run(image=image, depth=depth, filename_prefix="3d/scene", **options)


def shape_of(path):
    (shape,) = trimesh.load(path, process=False).geometry.values()
    return shape


def test_a_scene_is_written_named_and_shown(base, photo):
    image = photo[:, :32, :48]
    found = save(image, ramp())
    assert found["result"] == (["3d/scene_00001_.glb"],)
    entry = {"filename": "scene_00001_.glb", "subfolder": "3d", "type": "output"}
    assert found["ui"] == {"3d": [entry], "warnings": []}
    shape = shape_of(base / "output" / "3d" / "scene_00001_.glb")
    assert shape.vertices.shape == (32 * 48, 3)
    assert (shape.vertices[:, 2].max(), shape.vertices[:, 2].min()) == pytest.approx((-1, -3))
    texture = np.asarray(shape.visual.material.baseColorTexture)
    assert np.array_equal(texture, (image[0].numpy() * 255).round())
    # A vertex has the colour of its pixel.
    columns, rows = shape.visual.uv[:, 0] * 48 - 0.5, (1 - shape.visual.uv[:, 1]) * 32 - 0.5
    assert np.allclose(columns, np.tile(np.arange(48), 32), atol=1e-3)
    assert np.allclose(rows, np.repeat(np.arange(32), 48), atol=1e-3)


def test_each_image_of_a_batch_gets_a_file_of_its_own(base, photo):
    images = torch.cat([photo[:, :32, :48], photo[:, 32:64, :48]])
    (names,) = save(images, ramp())["result"]
    assert names == ["3d/scene_00001_.glb", "3d/scene_00002_.glb"]
    for name, image in zip(names, images, strict=True):
        texture = np.asarray(shape_of(base / "output" / name).visual.material.baseColorTexture)
        assert np.array_equal(texture, (image.numpy() * 255).round())
    assert save(images[:1], ramp())["result"] == (["3d/scene_00003_.glb"],)


def test_a_map_of_another_size_with_holes_is_fitted_and_filled(base, photo):
    depth = ramp(1, 65, 97)
    depth[0, 10:14, 20:30] = torch.nan
    found = save(photo[:, :33, :49], depth)
    assert any("NaN or infinite" in text for text in found["ui"]["warnings"])
    shape = shape_of(base / "output" / "3d" / "scene_00001_.glb")
    assert len(shape.vertices) == 33 * 49
    assert np.isfinite(shape.vertices).all()


def test_a_limit_of_vertices_is_told(base, photo):
    found = save(photo[:, :32, :48], ramp(), vertices=100)
    assert "to keep to the most of 100" in found["ui"]["warnings"][0]
    shape = shape_of(base / "output" / "3d" / "scene_00001_.glb")
    assert len(shape.vertices) <= 100
    assert shape.visual.material.baseColorTexture.size == (48, 32)


def test_settings_reach_the_mesh(base, photo):
    save(photo[:, :32, :48], ramp(), view_angle=90.0, far=9.0, cut=1.0)
    shape = shape_of(base / "output" / "3d" / "scene_00001_.glb")
    assert shape.vertices[:, 2].min() == pytest.approx(-9)
    assert shape.vertices[:, 0].min() == pytest.approx(-9 * 23.5 / 24)


def test_a_map_that_would_be_cut_to_pieces_is_refused_in_words(photo):
    depth = ramp(1, 8, 8)
    with pytest.raises(ValueError, match=r"steps everywhere, .*\. Raise the input `cut`, or use"):
        save(photo[:, :8, :8], depth)


def test_a_workflow_writes_one_and_shows_it(base):
    """On the engine, as the command line runs it, with the workflow inside the file."""
    prompt = {
        "white": {
            "class_type": "EmptyImage",
            "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0xFFFFFF},
        },
        "save": {
            "class_type": "SD2DepthSave3D",
            "inputs": {
                "image": ["white", 0],
                "depth": ["white", 0],
                "filename_prefix": "3d/flat",
            },
        },
        "show": {"class_type": "Preview3D", "inputs": {"model_file": ["save", 0]}},
    }
    results = Runner().run(Workflow(prompt, {"nodes": []}))
    assert results.ui["show"] == {"result": ["3d/flat_00001_.glb", None, None]}
    assert results.files == [base / "output" / "3d" / "flat_00001_.glb"]
    content = results.files[0].read_bytes()
    tree = json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])
    extras = {key: json.loads(text) for key, text in tree["asset"]["extras"].items()}
    assert extras == {"prompt": prompt, "workflow": {"nodes": []}}
