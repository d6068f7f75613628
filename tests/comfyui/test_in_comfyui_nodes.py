"""What ComfyUI tells its web page about the pack."""

import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS


@pytest.mark.parametrize("node", NODE_CLASS_MAPPINGS)
def test_every_node_is_listed_with_its_texts(comfyui, node):
    info = comfyui.get(f"/object_info/{node}")[node]
    assert info["display_name"] == NODE_DISPLAY_NAME_MAPPINGS[node]
    assert info["category"].startswith("SD2 Depth/")
    assert info["description"]
    assert info["python_module"] == "custom_nodes.sd2-depth2img"
    assert len(info.get("output_tooltips") or []) == len(info["output"])
    for kind in ("required", "optional"):
        for name, (_, options) in info["input"].get(kind, {}).items():
            assert options.get("tooltip"), f"{node}.{name} has no tooltip"


def test_the_dropdowns_show_comfyuis_own_lists(comfyui):
    sampler = comfyui.get("/object_info/SD2DepthSampler")["SD2DepthSampler"]["input"]["required"]
    stock = comfyui.get("/object_info/KSampler")["KSampler"]["input"]["required"]
    for name in ("sampler_name", "scheduler"):
        assert sampler[name][0] == stock[name][0]


def test_the_file_dropdowns_show_what_lies_in_the_folders(comfyui, depth_graph):
    loader = comfyui.get("/object_info/SD2DepthCheckpointLoader")["SD2DepthCheckpointLoader"]
    assert depth_graph.CHECKPOINT in loader["input"]["required"]["ckpt_name"][0]
    images = comfyui.get("/object_info/SD2DepthLoad")["SD2DepthLoad"]
    assert set(depth_graph.DEPTH_FILES) <= set(images["input"]["required"]["image"][0])


def test_a_missing_depth_map_file_is_told_before_anything_runs(comfyui, depth_graph):
    graph = depth_graph()
    load = graph.add("SD2DepthLoad", image="no such file.png")
    graph.add("PreviewImage", images=load())
    with pytest.raises(Exception, match=r"no such file\.png"):
        comfyui.submit(graph)


def test_depth_models_are_listed_from_every_folder(comfyui, depth_graph):
    """ComfyUI's own layout, another pack's folder, and one of extra_model_paths.yaml."""
    loader = comfyui.get("/object_info/SD2DepthModelLoader")["SD2DepthModelLoader"]
    assert loader["input"]["required"]["model_name"][0] == sorted(depth_graph.DEPTH_MODELS)


def test_comfyui_knows_the_depth_folder_with_its_files(comfyui):
    assert "depth" in comfyui.get("/models")
    assert {"midas.safetensors", "shared.pt"} <= set(comfyui.get("/models/depth"))


@pytest.mark.parametrize("name", ["midas.safetensors", "shared.pt", "glpn"])
def test_a_loaded_depth_model_estimates_as_in_the_engine(comfyui, engine, depth_graph, photo, name):
    pixels = (photo[0, 64:160, 64:144] * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(comfyui.folder("input") / "part.png")
    graph = depth_graph()
    model = graph.add("SD2DepthModelLoader", model_name=name)
    image = graph.add("LoadImage", image="part.png")
    depth = graph.add("SD2DepthEstimate", image=image(), depth_model=model(), resolution=0)
    save = graph.add("SD2DepthSave", depth=depth(), filename_prefix="estimated")
    (theirs,) = comfyui.images(comfyui.run(graph)[save])
    (shown,) = engine({**graph, model: _by_path(graph, model, comfyui)})[save]["images"]
    ours = np.asarray(Image.open(engine.output / shown["subfolder"] / shown["filename"]))
    assert theirs.shape == (96, 80)
    assert theirs.std() > 100
    assert np.abs(theirs.astype(int) - ours).max() <= 65  # a thousandth of the range


def _by_path(graph, model, comfyui):
    """The engine does not read extra_model_paths.yaml; it takes the path itself."""
    name = graph[model]["inputs"]["model_name"]
    return {**graph[model], "inputs": {"model_name": str(comfyui.folder(graph.DEPTH_MODELS[name]))}}


def test_a_depth_model_of_another_kind_is_named(comfyui, depth_graph):
    graph = depth_graph()
    model = graph.add("SD2DepthModelLoader", model_name="other.safetensors")
    depth = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=model())
    graph.add("PreviewImage", images=depth())
    error = comfyui.failure(graph)
    assert error.node == "SD2DepthModelLoader"
    assert "form no known depth network" in error.message


def test_a_missing_depth_model_is_told_before_anything_runs(comfyui, depth_graph):
    graph = depth_graph()
    model = graph.add("SD2DepthModelLoader", model_name="gone.pt")
    depth = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=model())
    graph.add("PreviewImage", images=depth())
    with pytest.raises(Exception, match=r"gone\.pt"):
        comfyui.submit(graph)


def test_importing_the_pack_is_quick(comfyui):
    """As ComfyUI measures it, on a computer that may have other work; see test_start_up.py."""
    log = comfyui.log.read_text(encoding="utf-8", errors="replace")
    (seconds,) = re.findall(r"([\d.]+) seconds: \S*/sd2-depth2img", log)
    sys.stdout.write(f"ComfyUI imported the pack in {seconds} s\n")
    assert float(seconds) <= 2
