"""At full width, what ComfyUI saves loads in its stock loader and is a depth model there.

The small checkpoints do not show it, because the stock loader takes ViT-H and the stock VAE only.
"""

import os
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from sd2_depth2img.tools.make_checkpoint import FULL, make_checkpoint

pytestmark = pytest.mark.slow  # gigabytes


@pytest.fixture(scope="module")
def full_size(comfyui):
    """SD2-depth's size, without MiDaS, in half precision."""
    path = comfyui.folder("models/checkpoints") / "full.safetensors"
    yield make_checkpoint(path, replace(FULL, midas=None), dtype=torch.float16)
    path.unlink()


def test_a_saved_checkpoint_loads_in_the_stock_loader(comfyui, depth_graph, full_size):
    graph = depth_graph(full_size.name)
    parts = {"model": graph.model, "clip": graph.clip, "vae": graph.vae}
    graph.add("CheckpointSave", **parts, filename_prefix="checkpoints/full")
    graph.save(graph.sample("KSampler", steps=1))
    before = comfyui.latent(graph)
    saved = comfyui.folder("output/checkpoints") / "full_00001_.safetensors"
    link = full_size.with_name("saved.safetensors")
    os.link(saved, link)
    try:
        with safe_open(saved, framework="pt") as file:
            assert set(file.keys()) >= replace(FULL, midas=None).tensors().keys()
        graph = depth_graph(link.name)
        ours = comfyui.latent(_one_step(graph))
        loader = graph.add("CheckpointLoaderSimple", ckpt_name=link.name)
        for node in list(graph.values()):
            if node["class_type"] == "CLIPTextEncode":
                node["inputs"]["clip"] = loader(1)
            if node["class_type"] == "KSampler":
                node["inputs"]["model"] = loader(0)
        theirs = comfyui.latent(graph)
    finally:
        saved.unlink()
        link.unlink()
    assert torch.equal(ours, before)
    assert torch.equal(theirs, before)


def _one_step(graph):
    graph.save(graph.sample("KSampler", steps=1))
    return graph
