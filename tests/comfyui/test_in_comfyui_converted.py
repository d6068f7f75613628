"""What `depth2img convert` writes samples in a real ComfyUI as what it was made of."""

import shutil

import pytest
import torch

from sd2_depth2img.cli import main


def _convert(source, target, *options: str) -> None:
    assert main.main(["convert", str(source), str(target), *options]) == 0


def _latent(comfyui, graph) -> torch.Tensor:
    graph.save(graph.sample("KSampler"))
    return comfyui.latent(graph)


def _relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.fixture
def checkpoints(comfyui, mini_checkpoint):
    """ComfyUI's folder of checkpoints, with peer.safetensors in it."""
    folder = comfyui.folder("models/checkpoints")
    shutil.copy(mini_checkpoint, folder / "peer.safetensors")
    return folder


@pytest.fixture
def reference(comfyui, depth_graph, checkpoints) -> torch.Tensor:
    return _latent(comfyui, depth_graph("peer.safetensors"))


def test_a_folder_that_diffusers_wrote_becomes_a_file_that_samples(
    comfyui, depth_graph, diffusers_folder, checkpoints, reference
):
    _convert(diffusers_folder, checkpoints / "of a folder.safetensors")
    graph = depth_graph("of a folder.safetensors")
    assert torch.equal(_latent(comfyui, graph), reference)
    estimates = []
    for name in ("peer.safetensors", "of a folder.safetensors"):
        graph = depth_graph(name)
        depth = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=graph.depth_model)
        shown = graph.add("PreviewImage", images=depth())
        (image,) = comfyui.images(comfyui.run(graph)[shown])
        estimates.append(torch.from_numpy(image.copy()))
    assert torch.equal(*estimates)


def test_a_file_becomes_a_folder_that_samples_and_a_file_again(
    comfyui, depth_graph, checkpoints, reference
):
    folder = comfyui.folder("models/diffusers")
    folder.mkdir(exist_ok=True)
    _convert(checkpoints / "peer.safetensors", folder / "converted")
    assert torch.equal(_latent(comfyui, depth_graph("converted/")), reference)
    _convert(folder / "converted", checkpoints / "there and back.safetensors")
    assert torch.equal(_latent(comfyui, depth_graph("there and back.safetensors")), reference)


@pytest.mark.parametrize(("dtype", "bound"), [("fp16", 2e-3), ("bf16", 2e-2)])
def test_a_file_in_half_precision_samples_nearly_the_same(
    comfyui, depth_graph, checkpoints, reference, dtype, bound
):
    name = f"{dtype}.safetensors"
    _convert(checkpoints / "peer.safetensors", checkpoints / name, "--dtype", dtype)
    assert 0 < _relative_error(_latent(comfyui, depth_graph(name)), reference) < bound
