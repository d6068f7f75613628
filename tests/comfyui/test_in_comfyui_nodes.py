"""What ComfyUI tells its web page about the pack."""

import pytest

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
    pictures = comfyui.get("/object_info/SD2DepthLoad")["SD2DepthLoad"]
    assert set(depth_graph.DEPTH_FILES) <= set(pictures["input"]["required"]["image"][0])


def test_a_missing_depth_map_file_is_told_before_anything_runs(comfyui, depth_graph):
    graph = depth_graph()
    load = graph.add("SD2DepthLoad", image="no such file.png")
    graph.add("PreviewImage", images=load())
    with pytest.raises(Exception, match=r"no such file\.png"):
        comfyui.submit(graph)
