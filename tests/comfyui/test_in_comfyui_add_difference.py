"""Give Depth to SD2 Model in ComfyUI: against the file's arithmetic, the engine, LoRAs, saving."""

import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.add_difference import AddedDifference
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.tools.make_checkpoint import MINIATURE, random_weights

LIMIT = 1e-4  # relative L2 error of a latent between the hosts
FIRST = Part.UNET.value + "input_blocks.0.0.weight"
BASE, FINE_TUNE = "sd2 base.safetensors", "sd2 fine-tune.safetensors"


@pytest.fixture(scope="module", autouse=True)
def sd2(comfyui):
    """A base and a fine-tune of it, each a UNet alone: paths by name."""
    unet = replace(MINIATURE.unet, in_channels=4)
    shapes = {Part.UNET.value + name: shape for name, shape in unet.tensors().items()}
    base, other = (random_weights(shapes, seed) for seed in (1, 2))
    folder = comfyui.folder("models/checkpoints")
    save_file(base, folder / BASE)
    save_file({k: v + 0.1 * other[k] for k, v in base.items()}, folder / FINE_TUNE)
    return {name: folder / name for name in (BASE, FINE_TUNE)}


def _load(graph, name: str) -> list:
    return graph.add("CheckpointLoaderSimple", ckpt_name=name)()


def _add_difference(
    graph, fine_tune: list | None = None, base: list | None = None, **changes
) -> list:
    """A link to the depth model with the difference in it."""
    inputs = {
        "model": graph.model,
        "fine_tune": fine_tune or _load(graph, FINE_TUNE),
        "base": base or _load(graph, BASE),
        "strength": 1.0,
    }
    return graph.add("SD2DepthTransplant", **{**inputs, **changes})()


def _save_checkpoint(comfyui, graph, model: list, name: str) -> str:
    """What Save Checkpoint makes of a MODEL, as a name for the loaders.

    ComfyUI lists the folder that it saves to among those of the checkpoints.
    """
    parts = {"model": model, "clip": graph.clip, "vae": graph.vae}
    graph.add("CheckpointSave", **parts, filename_prefix=f"checkpoints/{name}")
    comfyui.run(graph)
    return f"{name}_00001_.safetensors"


def _unet(comfyui, name: str) -> dict[str, torch.Tensor]:
    folders = (comfyui.folder(name) for name in ("models/checkpoints", "output/checkpoints"))
    (file,) = (folder / name for folder in folders if (folder / name).is_file())
    weights = load_file(file)
    return {key: tensor for key, tensor in weights.items() if key.startswith(Part.UNET)}


def _expected(comfyui, depth_graph, sd2, strength: float = 1.0) -> dict[str, torch.Tensor]:
    depth = comfyui.folder("models/checkpoints") / depth_graph.CHECKPOINT
    files = (open_weights(path) for path in (depth, sd2[FINE_TUNE], sd2[BASE]))
    file = AddedDifference(*files, strength, parts=(Part.UNET,))
    return {name: file.read(name) for name in file.tensors if name.startswith(Part.UNET)}


def _lora(comfyui, name: str, *shapes: tuple[str, tuple[int, ...], tuple[int, ...]]) -> str:
    """A random LoRA of rank 4 in kohya's names: of each layer its shapes down and up."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for layer, down, up in shapes:
        weights[f"lora_unet_{layer}.lora_down.weight"] = torch.randn(down, generator=generator)
        weights[f"lora_unet_{layer}.lora_up.weight"] = 0.1 * torch.randn(up, generator=generator)
        weights[f"lora_unet_{layer}.alpha"] = torch.tensor(4.0)
    save_file(weights, comfyui.folder("models/loras") / name)
    return name


def _with_lora(graph, model: list, name: str) -> list:
    lora = {"lora_name": name, "strength_model": 1.0}
    return graph.add("LoraLoaderModelOnly", model=model, **lora)()


QUERY = "down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_q"


# --- weights and images --------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_saved_it_is_what_the_file_arithmetic_gives(comfyui, depth_graph, sd2, strength):
    graph = depth_graph()
    model = _add_difference(graph, strength=strength)
    saved = _unet(comfyui, _save_checkpoint(comfyui, graph, model, f"with_difference {strength}"))
    expected = _expected(comfyui, depth_graph, sd2, strength)
    assert saved.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(saved[name], tensor, rtol=1e-6, atol=1e-6, msg=name)
    before = _unet(comfyui, depth_graph.CHECKPOINT)[FIRST]
    assert torch.equal(saved[FIRST][:, 4], before[:, 4])


def test_saved_and_loaded_again_it_samples_the_same(comfyui, depth_graph):
    graph = depth_graph()
    model = _add_difference(graph)
    node, before = graph.save(graph.sample(model=model)), graph.save(graph.sample())
    found = comfyui.latents(graph)
    assert not torch.allclose(found[node], found[before], rtol=0.01)
    name = _save_checkpoint(comfyui, graph, model, "again")
    graph = depth_graph(checkpoint=name)
    graph.save(graph.sample())
    torch.testing.assert_close(comfyui.latent(graph), found[node], rtol=1e-5, atol=1e-5)


def test_the_converted_file_samples_the_same(comfyui, depth_graph, sd2):
    from sd2_depth2img.cli import main

    folder = comfyui.folder("models/checkpoints")
    files = [str(folder / depth_graph.CHECKPOINT), str(folder / "converted.safetensors")]
    options = ["--fine-tune", str(sd2[FINE_TUNE]), "--base", str(sd2[BASE])]
    assert main.main(["convert", *files, *options]) == main.OK
    graph = depth_graph()
    graph.save(graph.sample(model=_add_difference(graph)))
    of_node = comfyui.latent(graph)
    graph = depth_graph(checkpoint="converted.safetensors")
    graph.save(graph.sample())
    torch.testing.assert_close(comfyui.latent(graph), of_node, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sampler", ["KSampler", "SD2DepthSampler"])
def test_both_hosts_give_the_same_latent(both, depth_graph, sampler):
    graph = depth_graph()
    node = graph.save(graph.sample(sampler, model=_add_difference(graph, strength=0.8)))
    assert both(graph)[node].error < LIMIT


def test_the_base_alone_changes_nothing_and_says_so(comfyui, depth_graph):
    graph = depth_graph()
    base = _load(graph, BASE)
    same = graph.save(graph.sample(model=_add_difference(graph, base, base)))
    none = graph.save(graph.sample(model=_add_difference(graph, strength=0.0)))
    before = graph.save(graph.sample())
    logged = comfyui.log.stat().st_size
    found = comfyui.latents(graph)
    assert torch.equal(found[same], found[before])
    assert torch.equal(found[none], found[before])
    said = comfyui.log.read_bytes()[logged:].decode()
    assert said.count("there is nothing to add") == 1


def test_it_stays_the_same_when_models_are_unloaded(comfyui, depth_graph):
    """The patches refer to weights of the other models, whatever ComfyUI does with these."""
    graph = depth_graph()
    graph.save(graph.sample(model=_add_difference(graph)))
    before = comfyui.latent(graph)
    comfyui.post("/free", {"unload_models": True, "free_memory": True})
    time.sleep(1.5)  # ComfyUI frees between two workflows and gives no sign of it
    assert torch.equal(comfyui.latent(graph), before)


# --- LoRAs ---------------------------------------------------------------------------------------


def test_a_lora_made_for_sd2_applies_behind_it(comfyui, depth_graph, sd2):
    lora = _lora(comfyui, "behind.safetensors", (QUERY, (4, 64), (64, 4)))
    graph = depth_graph()
    model = _add_difference(graph)
    changed = _with_lora(graph, model, lora)
    with_lora, without = (
        graph.save(graph.sample(model=changed)),
        graph.save(graph.sample(model=model)),
    )
    found = comfyui.latents(graph)
    assert not torch.allclose(found[with_lora], found[without], rtol=0.01)
    saved = _unet(comfyui, _save_checkpoint(comfyui, graph, changed, "with lora"))
    expected = _expected(comfyui, depth_graph, sd2)
    weights = load_file(comfyui.folder("models/loras") / lora)
    query = Part.UNET.value + "input_blocks.1.1.transformer_blocks.0.attn2.to_q.weight"
    up, down = (weights[f"lora_unet_{QUERY}.lora_{side}.weight"] for side in ("up", "down"))
    expected[query] = expected[query] + up @ down
    for name, tensor in expected.items():
        torch.testing.assert_close(saved[name], tensor, rtol=1e-5, atol=1e-5, msg=name)


def test_loras_on_the_fine_tune_and_on_the_depth_model_count(comfyui, depth_graph):
    """A fine-tune that is the base with a LoRA: its difference is the LoRA, first layer included.

    In the first layer the LoRA has four channels, the model five.
    """
    first = ("input_blocks_0_0", (4, 4, 3, 3), (64, 4, 1, 1))
    lora = _lora(comfyui, "on it.safetensors", first)
    other = _lora(comfyui, "on depth.safetensors", (QUERY, (4, 64), (64, 4)))
    graph = depth_graph()
    graph.model = _with_lora(graph, graph.model, other)
    base = _load(graph, BASE)
    model = _add_difference(graph, _with_lora(graph, base, lora), base)
    saved = _unet(comfyui, _save_checkpoint(comfyui, graph, model, "lora on fine-tune"))
    before = _unet(comfyui, depth_graph.CHECKPOINT)
    weights = load_file(comfyui.folder("models/loras") / lora)
    up, down = (
        weights[f"lora_unet_input_blocks_0_0.lora_{side}.weight"] for side in ("up", "down")
    )
    difference = torch.einsum("ar,rbij->abij", up[:, :, 0, 0], down)
    assert difference.abs().max() > 0.1
    torch.testing.assert_close(saved[FIRST][:, :4] - before[FIRST][:, :4], difference)
    assert torch.equal(saved[FIRST][:, 4], before[FIRST][:, 4])
    assert [name for name in before if not torch.equal(saved[name], before[name])] == [
        FIRST,
        Part.UNET.value + "input_blocks.1.1.transformer_blocks.0.attn2.to_q.weight",
    ]


# --- what does not fit ---------------------------------------------------------------------------


def test_a_model_without_depth_cannot_be_added_to(comfyui, depth_graph):
    graph = depth_graph()
    graph.save(graph.sample(model=_add_difference(graph, model=_load(graph, BASE))))
    failure = comfyui.failure(graph)
    assert failure.node == "SD2DepthTransplant"
    assert "4 input channels, which takes no depth map" in failure.message


def test_a_depth_model_is_no_fine_tune(comfyui, depth_graph):
    graph = depth_graph()
    graph.save(graph.sample(model=_add_difference(graph, graph.model)))
    failure = comfyui.failure(graph)
    assert failure.kind == "ValueError"
    assert "the MODEL at fine_tune" in failure.message
    assert "input_blocks.0.0.weight is [64, 5, 3, 3] instead of [64, 4, 3, 3]" in failure.message


@pytest.mark.parametrize("socket", ["fine_tune", "base"])
def test_a_model_that_predicts_v_is_refused(comfyui, depth_graph, socket):
    graph = depth_graph()
    v = graph.add(
        "ModelSamplingDiscrete", model=_load(graph, BASE), sampling="v_prediction", zsnr=False
    )
    graph.save(graph.sample(model=_add_difference(graph, **{socket: v()})))
    failure = comfyui.failure(graph)
    assert failure.kind == "ValueError"
    assert f"the MODEL at {socket} predicts v" in failure.message
