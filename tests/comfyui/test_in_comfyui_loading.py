"""Checkpoints through ComfyUI: ours, its own loaders, pickles, and files that are refused."""

import os
import shutil
import sys
import types

import pytest
import torch
from safetensors.torch import load_file, save_file

UNET = "model.diffusion_model."
BUNDLED_CHECKPOINT = "sd2-depth-mini.safetensors"


def _weights(comfyui, depth_graph) -> dict[str, torch.Tensor]:
    return load_file(comfyui.folder("models/checkpoints") / depth_graph.CHECKPOINT)


@pytest.fixture
def reference(comfyui, depth_graph) -> torch.Tensor:
    """What the small checkpoint samples when our loader loads it."""
    graph = depth_graph()
    graph.save(graph.sample("KSampler"))
    return comfyui.latent(graph)


@pytest.mark.parametrize("prefix", ["", UNET], ids=["bare", "prefixed"])
def test_load_diffusion_model_takes_the_unet_alone(comfyui, depth_graph, reference, prefix):
    weights = _weights(comfyui, depth_graph)
    unet = {prefix + k[len(UNET) :]: v for k, v in weights.items() if k.startswith(UNET)}
    name = f"unet {prefix}.safetensors"
    save_file(unet, comfyui.folder("models/diffusion_models") / name)
    graph = depth_graph()
    loader = graph.add("UNETLoader", unet_name=name, weight_dtype="default")
    graph.save(graph.sample("KSampler", model=loader()))
    assert torch.equal(comfyui.latent(graph), reference)


def test_a_saved_checkpoint_is_a_depth_checkpoint_again(comfyui, depth_graph, reference):
    """ComfyUI lists what CheckpointSave writes among its checkpoints; MiDaS is not in it."""
    graph = depth_graph()
    inputs = {"model": graph.model, "clip": graph.clip, "vae": graph.vae}
    graph.add("CheckpointSave", **inputs, filename_prefix="checkpoints/saved")
    comfyui.run(graph)
    graph = depth_graph(checkpoint="saved_00001_.safetensors")
    graph.save(graph.sample("KSampler"))
    assert torch.equal(comfyui.latent(graph), reference)


def test_a_checkpoint_without_midas_says_so_only_when_it_is_asked_for_depth(
    comfyui, depth_graph, reference
):
    weights = _weights(comfyui, depth_graph)
    name = "without midas.safetensors"
    pruned = {k: v for k, v in weights.items() if not k.startswith("depth_model.")}
    save_file(pruned, comfyui.folder("models/checkpoints") / name)
    graph = depth_graph(checkpoint=name)
    graph.save(graph.sample("KSampler"))
    assert torch.equal(comfyui.latent(graph), reference)
    estimate = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=graph.depth_model)
    graph.add("PreviewImage", images=estimate())
    failure = comfyui.failure(graph)
    assert failure.kind == "ValueError"
    assert "no MiDaS" in failure.message


def test_the_stock_loader_does_not_take_reduced_widths(comfyui, depth_graph):
    """It assumes ViT-H and the stock VAE; that the full width works stands in its own test."""
    graph = depth_graph()
    loader = graph.add("CheckpointLoaderSimple", ckpt_name=graph.CHECKPOINT)
    graph.save(graph.sample("KSampler", model=loader()))
    assert comfyui.failure(graph).node == "CheckpointLoaderSimple"


def _offered(comfyui, loader: str) -> list[str]:
    return comfyui.get(f"/object_info/{loader}")[loader]["input"]["required"]["ckpt_name"][0]


def test_the_bundled_checkpoint_is_offered_by_our_loader_alone(comfyui, depth_graph):
    assert _offered(comfyui, "SD2DepthCheckpointLoader")[-1] == BUNDLED_CHECKPOINT
    assert BUNDLED_CHECKPOINT not in _offered(comfyui, "CheckpointLoaderSimple")
    graph = depth_graph(checkpoint=BUNDLED_CHECKPOINT)
    graph.save(graph.sample("KSampler"))
    assert comfyui.latent(graph).shape == (1, 4, 8, 8)


# --- pickles -------------------------------------------------------------------------------------


@pytest.fixture
def foreign_class(monkeypatch):
    """A class of a training framework that is installed neither here nor there."""
    module = types.ModuleType("pytorch_lightning_of_old")
    callback = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = callback
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return callback


def test_a_lightning_pickle_with_foreign_classes_loads(
    comfyui, depth_graph, reference, foreign_class
):
    callback = foreign_class()
    callback.best = torch.ones(3)
    content = {
        "epoch": 1,
        "global_step": 20,
        "callbacks": {foreign_class: callback},
        "state_dict": _weights(comfyui, depth_graph),
    }
    torch.save(content, comfyui.folder("models/checkpoints") / "lightning.ckpt")
    graph = depth_graph(checkpoint="lightning.ckpt")
    graph.save(graph.sample("KSampler"))
    assert torch.equal(comfyui.latent(graph), reference)
    estimate = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=graph.depth_model)
    preview = graph.add("PreviewImage", images=estimate())
    assert comfyui.images(comfyui.run(graph)[preview])


def test_a_safetensors_file_is_told_by_its_content(comfyui, depth_graph, reference):
    folder = comfyui.folder("models/checkpoints")
    shutil.copy(folder / depth_graph.CHECKPOINT, folder / "misnamed.ckpt")
    graph = depth_graph(checkpoint="misnamed.ckpt")
    graph.save(graph.sample("KSampler"))
    assert torch.equal(comfyui.latent(graph), reference)


class _RunsCode:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


def test_a_pickle_that_would_run_code_loads_and_does_not_run(comfyui, depth_graph, tmp_path):
    canary = tmp_path / "canary"
    content = {
        "state_dict": _weights(comfyui, depth_graph),
        "callbacks": _RunsCode(f"touch '{canary}'"),
    }
    torch.save(content, comfyui.folder("models/checkpoints") / "hostile.ckpt")
    graph = depth_graph(checkpoint="hostile.ckpt")
    graph.save(graph.sample())
    comfyui.run(graph)
    assert not canary.exists()


# --- other files ---------------------------------------------------------------------------------


def _sd15() -> dict[str, torch.Tensor]:
    attention = UNET + "middle_block.1.transformer_blocks.0.attn2.to_k.weight"
    return {
        UNET + "input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3),
        attention: torch.zeros(320, 768),
    }


def _lora() -> dict[str, torch.Tensor]:
    return {"lora_unet_input_blocks_1_1_proj_in.lora_down.weight": torch.zeros(4, 320)}


@pytest.mark.parametrize(
    ("tensors", "kind"),
    [(_sd15, "Stable Diffusion 1.5 checkpoint (4 input channels, context 768)"), (_lora, "LoRA")],
)
def test_a_file_of_another_kind_is_named(comfyui, depth_graph, tensors, kind):
    name = f"{tensors.__name__}.safetensors"
    save_file(tensors(), comfyui.folder("models/checkpoints") / name)
    graph = depth_graph(checkpoint=name)
    graph.save(graph.sample())
    failure = comfyui.failure(graph)
    assert failure.kind == "ValueError"
    assert kind in failure.message
    assert name in failure.message


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_a_download_with_holes_is_refused_before_comfyui_loads_it(comfyui, depth_graph, suffix):
    weights, name = _weights(comfyui, depth_graph), f"half{suffix}"
    holes = {k: torch.zeros_like(v) for k, v in weights.items() if k.startswith(f"{UNET}output")}
    save = save_file if suffix == ".safetensors" else torch.save
    save({**weights, **holes}, comfyui.folder("models/checkpoints") / name)
    graph = depth_graph(checkpoint=name)
    graph.save(graph.sample())
    failure = comfyui.failure(graph)
    assert f"{name}: {len(holes)} of {len(weights)} tensors are all zero" in failure.message
