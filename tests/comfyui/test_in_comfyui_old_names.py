"""Workflows with the names of earlier versions, sent to a real ComfyUI."""

import numpy as np


def estimating(depth_graph, **names):
    """A workflow that estimates the depth of two different frames, and its Save Image."""
    graph = depth_graph()
    frames = graph.load_depth(*depth_graph.DEPTH_FILES[:2])
    links = {"image": frames, "depth_model": graph.depth_model, "resolution": 64}
    depth = graph.add("SD2DepthEstimate", **links, **names)
    return graph, graph.add("SaveImage", images=depth(), filename_prefix="old names")


def maps(comfyui, graph, save):
    return np.stack(comfyui.images(comfyui.run(graph)[save]))


def test_former_inputs_and_options_do_what_current_ones_do(comfyui, depth_graph):
    old = maps(comfyui, *estimating(depth_graph, smoothing=5.0, normalize="each picture"))
    new = maps(comfyui, *estimating(depth_graph, smooth=5.0, normalize="per image"))
    plain = maps(comfyui, *estimating(depth_graph))
    assert (old == new).all()
    assert (old != plain).any(), "the former input was passed over"
