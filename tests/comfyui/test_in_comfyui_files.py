"""Depth maps of other formats, their preview and their parallax, in a real ComfyUI."""

import json

import numpy as np
import pytest
import trimesh
from PIL import Image

FORMATS = ["tiff 16-bit", "tiff float", "exr", "npy", "npz", "pfm"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_saved_map_is_listed_loads_back_and_is_shown(comfyui, depth_graph, file_format):
    graph = depth_graph()
    prefix = f"floats {file_format}"
    save = graph.add(
        "SD2DepthSave", depth=graph.depth, filename_prefix=prefix, file_format=file_format
    )
    shown = comfyui.run(graph)[save]
    (saved,), (image,) = shown["files"], shown["images"]
    assert comfyui.file(saved).is_file()
    pixels = comfyui.images({"images": [image]})[0]

    name = comfyui.file(saved).name
    comfyui.folder("input").joinpath(name).write_bytes(comfyui.file(saved).read_bytes())
    listed = comfyui.get("/object_info/SD2DepthLoad")["SD2DepthLoad"]["input"]["required"]
    assert name in listed["image"][0]
    back = depth_graph()
    loaded = back.add("SD2DepthLoad", image=name)
    again = back.add("SD2DepthSave", depth=loaded(), filename_prefix="back", bits="8")
    (entry,) = comfyui.run(back)[again]["images"]
    assert np.array_equal(np.asarray(Image.open(comfyui.file(entry))), pixels[..., 0])


def test_the_preview_is_shown_on_its_node_and_says_what_is_wrong(comfyui, depth_graph):
    graph = depth_graph()
    inverted = graph.add("ImageInvert", image=graph.depth)
    preview = graph.add("SD2DepthPreview", depth=inverted())
    shown = comfyui.run(graph)[preview]
    assert shown["images"][0]["type"] == "temp"
    assert comfyui.images(shown)[0].ndim == 3
    assert shown["text"][0].startswith("map 0: ")


def test_parallax_frames_come_as_a_batch_and_start_with_the_image(comfyui, depth_graph):
    graph = depth_graph()
    frames = graph.add("SD2DepthParallax", image=graph.depth, depth=graph.depth, frames=3)
    both = graph.add("PreviewImage", images=frames())
    source = graph.add("PreviewImage", images=graph.depth)
    results = comfyui.run(graph)
    images, (original,) = comfyui.images(results[both]), comfyui.images(results[source])
    assert len(images) == 3
    assert np.array_equal(images[0], original)
    assert not np.array_equal(images[1], original)


def test_a_scene_is_saved_as_3d_as_in_the_engine_and_handed_to_the_viewer(
    comfyui, engine, depth_graph
):
    graph = depth_graph()
    scene = {"image": graph.depth, "depth": graph.depth, "filename_prefix": "3d/scene"}
    saved = graph.add("SD2DepthSave3D", **scene)
    viewer = graph.add("Preview3D", model_file=saved())
    results = comfyui.run(graph)
    (entry,) = results[saved]["3d"]
    assert (entry["subfolder"], entry["type"]) == ("3d", "output")
    assert results[viewer]["result"][0] == f"3d/{entry['filename']}"
    theirs, ours = (
        comfyui.file(entry),
        engine.output / "3d" / engine(graph)[saved]["3d"][0]["filename"],
    )
    (shape,) = trimesh.load(theirs, process=False).geometry.values()
    (same,) = trimesh.load(ours, process=False).geometry.values()
    assert len(shape.faces) > 1000
    assert np.array_equal(shape.faces, same.faces)
    assert np.allclose(shape.vertices, same.vertices, atol=1e-5)
    texture, as_well = (one.visual.material.baseColorTexture for one in (shape, same))
    assert np.abs(np.asarray(texture, int) - np.asarray(as_well, int)).max() <= 1
    size = int.from_bytes(theirs.read_bytes()[12:16], "little")
    extras = json.loads(theirs.read_bytes()[20 : 20 + size])["asset"]["extras"]
    assert json.loads(extras["prompt"])[saved]["class_type"] == "SD2DepthSave3D"


@pytest.mark.parametrize(
    "name", ["../output/secret.png", "/etc/passwd", "C:\\x.png", "..\\x.png", "../x.png [output]"]
)
def test_depth_maps_outside_the_input_folder_are_refused_in_words(comfyui, depth_graph, name):
    """Old versions of ComfyUI have no check of their own."""
    graph = depth_graph()
    loaded = graph.add("SD2DepthLoad", image=name)
    graph.add("SD2DepthSave", depth=loaded(), filename_prefix="never")
    with pytest.raises(Exception, match="leads out of the folder"):
        comfyui.submit(graph)


@pytest.mark.parametrize("prefix", ["../x", "/x", "C:\\x", "a\\..\\..\\x"])
def test_prefixes_that_lead_out_are_refused_in_words(comfyui, depth_graph, prefix):
    graph = depth_graph()
    graph.add("SD2DepthSave", depth=graph.depth, filename_prefix=prefix)
    assert "leads outside the output folder" in comfyui.failure(graph).message


def test_names_from_windows_are_found(comfyui, depth_graph):
    graph = depth_graph()
    saved = graph.add("SD2DepthSave", depth=graph.depth, filename_prefix="maps\\windows")
    (entry,) = comfyui.run(graph)[saved]["images"]
    assert entry["subfolder"] == "maps"
    folder = comfyui.folder("input") / "sub"
    folder.mkdir(exist_ok=True)
    (folder / "a.png").write_bytes(comfyui.file(entry).read_bytes())
    back = depth_graph()
    loaded = back.add("SD2DepthLoad", image="sub\\a.png")
    again = back.add("SD2DepthSave", depth=loaded(), filename_prefix="windows")
    assert comfyui.run(back)[again]["images"]
