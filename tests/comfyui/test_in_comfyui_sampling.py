"""The MODEL in ComfyUI's own machinery: samplers, batches, regions, masks, cancel, memory."""

import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def test_ksampler_and_our_sampler_agree_on_an_empty_latent(comfyui, depth_graph):
    """At strength 1.0 an empty latent is noise alone under both rules."""
    graph = depth_graph()
    ours, stock = graph.save(graph.sample()), graph.save(graph.sample("KSampler"))
    found = comfyui.latents(graph)
    assert torch.equal(found[ours], found[stock])
    assert found[ours].shape == (1, 4, 8, 8)
    assert found[ours].std() > 0.1


def test_the_depth_map_matters(comfyui, depth_graph):
    first, second = (depth_graph(depth_files=[name]) for name in depth_graph.DEPTH_FILES[:2])
    results = []
    for graph in (first, second):
        graph.save(graph.sample("KSampler"))
        results.append(comfyui.latent(graph))
    assert relative_error(*results) > 1e-3


@pytest.mark.parametrize("which", ["positive", "negative"])
@pytest.mark.parametrize("sampler", ["KSampler", "SD2DepthSampler"])
def test_conditioning_without_depth_names_the_missing_node(comfyui, depth_graph, sampler, which):
    graph = depth_graph()
    graph.save(graph.sample(sampler, **{which: graph.prompt("no depth here")}))
    failure = comfyui.failure(graph)
    assert failure.kind.endswith("MissingDepthError")
    assert failure.message.startswith(f"the {which} conditioning has no depth map")
    assert "Depth Encode" in failure.message
    assert "\n" not in failure.message


def test_a_model_of_another_kind_is_refused(comfyui, depth_graph):
    """Of a Stable Diffusion 3 UNet ComfyUI needs only these tensors to recognise it."""
    save_file(
        {
            "joint_blocks.0.context_block.attn.qkv.weight": torch.zeros(192, 64),
            "x_embedder.proj.weight": torch.zeros(64, 16, 2, 2),
            "final_layer.linear.weight": torch.zeros(64, 64),
            "context_embedder.weight": torch.zeros(64, 64),
            "y_embedder.mlp.0.weight": torch.zeros(64, 64),
        },
        comfyui.folder("models/diffusion_models") / "sd3.safetensors",
    )
    graph = depth_graph()
    other = graph.add("UNETLoader", unet_name="sd3.safetensors", weight_dtype="default")
    graph.save(graph.sample(model=other()))
    failure = comfyui.failure(graph)
    assert failure.kind == "ValueError"
    assert "this MODEL is SD3 with 16 input channels" in failure.message
    assert "Depth Checkpoint Loader" in failure.message


# --- batches -------------------------------------------------------------------------------------


def test_one_depth_map_serves_a_batch_of_four(comfyui, depth_graph):
    graph = depth_graph(batch=4)
    batch = graph.save(graph.sample())
    third = graph.add("LatentFromBatch", samples=graph.latent, batch_index=2, length=1)
    alone = graph.save(graph.sample(latent_image=third()))
    found = comfyui.latents(graph)
    assert found[batch].shape == (4, 4, 8, 8)
    assert relative_error(found[batch][2:3], found[alone]) < 1e-5


def test_four_depth_maps_go_to_four_latents(comfyui, depth_graph):
    graph = depth_graph(batch=4, depth_files=depth_graph.DEPTH_FILES)
    batch = graph.save(graph.sample())
    third = graph.add("LatentFromBatch", samples=graph.latent, batch_index=2, length=1)
    graph.depth = graph.load_depth(depth_graph.DEPTH_FILES[2])
    positive, negative = graph.encode(graph.prompt(graph.POSITIVE), graph.prompt(graph.NEGATIVE))
    inputs = {"positive": positive, "negative": negative, "latent_image": third()}
    alone = graph.save(graph.sample(**inputs))
    found = comfyui.latents(graph)
    assert relative_error(found[batch][2:3], found[alone]) < 1e-5


def test_three_depth_maps_cannot_be_shared_out_to_four_latents(comfyui, depth_graph):
    graph = depth_graph(batch=4, depth_files=depth_graph.DEPTH_FILES[:3])
    graph.save(graph.sample())
    failure = comfyui.failure(graph)
    assert failure.kind == "ValueError"
    assert "3 depth maps" in failure.message
    assert "4 latents" in failure.message


# --- regions, passes, masks, patches -------------------------------------------------------------


def _two_regions(graph, right_prompt: str) -> list:
    """One prompt for the left half of a 128x64 image, another one for the right half."""
    halves = []
    for x, text in ((0, "a red house"), (64, right_prompt)):
        area = {"width": 64, "height": 64, "x": x, "y": 0, "strength": 1.0}
        halves.append(graph.add("ConditioningSetArea", conditioning=graph.prompt(text), **area)())
    return graph.add("ConditioningCombine", conditioning_1=halves[0], conditioning_2=halves[1])()


def test_each_region_follows_its_own_prompt(comfyui, depth_graph):
    """Without guidance (cfg 1) nothing reaches from one half into the other."""
    results = []
    for right_prompt in ("a green tree", "a blue car"):
        graph = depth_graph(width=128, encode_depth=False)
        regions = _two_regions(graph, right_prompt)
        positive, negative = graph.encode(regions, graph.prompt(graph.NEGATIVE))
        graph.save(graph.sample("KSampler", positive=positive, negative=negative, cfg=1.0))
        results.append(comfyui.latent(graph))
    left, right = zip(*(latent.split(8, dim=-1) for latent in results), strict=True)
    assert torch.equal(*left)
    assert relative_error(*right) > 1e-3


def test_each_region_sees_its_own_piece_of_the_depth_map(comfyui, depth_graph):
    """A change in the right half of the map leaves the left half of the image alone."""
    depth = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[:, None], (1, 128))
    flipped = depth.copy()
    flipped[:, 68:] = flipped[::-1, 68:]  # 4 pixels off the middle: bicubic looks beyond it
    results = []
    for name, pixels in (("region a.png", depth), ("region b.png", flipped)):
        Image.fromarray(pixels).save(comfyui.folder("input") / name)
        graph = depth_graph(width=128, encode_depth=False, depth_files=[name])
        regions = _two_regions(graph, "a green tree")
        positive, negative = graph.encode(regions, graph.prompt(graph.NEGATIVE))
        graph.save(graph.sample(positive=positive, negative=negative, cfg=1.0))
        results.append(comfyui.latent(graph))
    left, right = zip(*(latent.split(8, dim=-1) for latent in results), strict=True)
    assert relative_error(*left) < 1e-2
    assert relative_error(*right) > 10 * relative_error(*left)


@pytest.mark.parametrize("sampler", ["KSampler", "SD2DepthSampler"])
def test_a_second_larger_pass_uses_the_same_conditioning(comfyui, depth_graph, sampler):
    graph = depth_graph()
    first = graph.sample(sampler)
    larger = graph.add(
        "LatentUpscaleBy", samples=first, upscale_method="nearest-exact", scale_by=1.5
    )
    graph.save(graph.sample(sampler, latent_image=larger(), denoise=0.6))
    result = comfyui.latent(graph)
    assert result.shape == (1, 4, 12, 12)
    assert torch.isfinite(result).all()


def _saved_latent(comfyui, name: str, latent: torch.Tensor) -> str:
    save_file(
        {"latent_tensor": latent, "latent_format_version_0": torch.tensor([])},
        comfyui.folder("input") / name,
    )
    return name


def test_inpainting_paints_inside_the_mask_and_keeps_the_rest(comfyui, depth_graph):
    """The right half is repainted, from noise alone: what the source had there is of no account."""
    # In colour: ComfyUI 0.33 reads the white of an 8-bit grey PNG as 256 / 257.
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save(comfyui.folder("input") / "right half.png")
    source = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    other = source.clone()
    other[..., 4:] *= -3
    results = []
    for name, latent in (("source.latent", source), ("other.latent", other)):
        graph = depth_graph()
        load = graph.add("LoadLatent", latent=_saved_latent(comfyui, name, latent))
        half = graph.add("LoadImageMask", image="right half.png", channel="red")
        masked = graph.add("SetLatentNoiseMask", samples=load(), mask=half())
        graph.save(graph.sample(latent_image=masked()))
        results.append(comfyui.latent(graph))
    assert relative_error(results[0][..., :4], source[..., :4]) < 1e-5
    assert relative_error(results[0][..., 4:], source[..., 4:]) > 0.1
    assert torch.equal(*results)


def test_a_lora_changes_the_image_and_strength_0_does_not(comfyui, depth_graph):
    """Names as training programs write them: the UNet's blocks in the diffusers way."""
    generator = torch.Generator().manual_seed(0)
    block = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_q"
    save_file(
        {
            f"{block}.lora_down.weight": torch.randn(4, 64, generator=generator),
            f"{block}.lora_up.weight": torch.randn(64, 4, generator=generator),
            f"{block}.alpha": torch.tensor(4.0),
        },
        comfyui.folder("models/loras") / "test.safetensors",
    )
    graph = depth_graph()
    plain = graph.save(graph.sample())
    saved = {}
    for strength in (0.0, 1.0):
        lora = graph.add(
            "LoraLoader",
            model=graph.model,
            clip=graph.clip,
            lora_name="test.safetensors",
            strength_model=strength,
            strength_clip=strength,
        )
        saved[strength] = graph.save(graph.sample(model=lora()))
    found = comfyui.latents(graph)
    assert torch.equal(found[saved[0.0]], found[plain])
    assert relative_error(found[saved[1.0]], found[plain]) > 1e-3


# --- progress, cancel, memory --------------------------------------------------------------------


def test_previews_and_progress_reach_the_page(comfyui, depth_graph):
    graph = depth_graph()
    graph.save(graph.sample(seed=int(time.time()), steps=3))
    with comfyui.events() as events:
        messages = list(events.until_done(comfyui.submit(graph)))
    steps = [event.data for event in messages if event.type == "progress"]
    assert [(step["value"], step["max"]) for step in steps][-1] == (3, 3)
    assert any(event.type == "preview" for event in messages)


def test_cancel_in_the_middle_leaves_the_server_usable(comfyui, depth_graph):
    graph = depth_graph()
    graph.save(graph.sample(steps=5000))
    with comfyui.events() as events:
        prompt_id = comfyui.submit(graph)
        next(event for event in events if event.type == "progress" and event.data["value"] >= 2)
        comfyui.post("/interrupt", {})
        assert comfyui.interrupted(prompt_id)
    graph = depth_graph()
    graph.save(graph.sample())
    assert torch.isfinite(comfyui.latent(graph)).all()


def test_models_are_unloaded_and_loaded_again(comfyui, depth_graph):
    graph = depth_graph()
    graph.save(graph.sample())
    estimate = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=graph.depth_model)
    graph.add("PreviewImage", images=estimate())
    before = comfyui.latent(graph)
    comfyui.post("/free", {"unload_models": True, "free_memory": True})
    time.sleep(1.5)  # ComfyUI frees between two workflows and gives no sign of it
    assert torch.equal(comfyui.latent(graph), before)
