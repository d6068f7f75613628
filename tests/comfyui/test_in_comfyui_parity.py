"""The two hosts agree: one workflow, one seed, one checkpoint, one image.

The same workflow is posted to ComfyUI and run by the embedded engine in this process, on the same
input and checkpoint files.
"""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sd2_depth2img.engine import samplers

LIMIT = 1e-4  # relative L2 error of a latent
STEPS = 4

SAMPLERS = ("euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "ddim", "uni_pc")
SCHEDULERS = ("normal", "karras", "exponential", "simple", "sgm_uniform", "ddim_uniform")
PAIRS = tuple(itertools.product(SAMPLERS, SCHEDULERS))


# --- every sampler and scheduler -----------------------------------------------------------------


def test_the_engine_offers_these_pairs():
    assert set(SAMPLERS) == set(samplers.SAMPLERS)
    assert set(SCHEDULERS) == set(samplers.SCHEDULERS)


@pytest.fixture(scope="module")
def every_pair(both, depth_graph):
    """Every pair at full and at part strength, all of them in one workflow."""
    graph = depth_graph()
    start = graph.sample()
    nodes = {}
    for sampler, scheduler in PAIRS:
        names = {"sampler_name": sampler, "scheduler": scheduler, "steps": STEPS}
        nodes[sampler, scheduler, 1.0] = graph.save(graph.sample(**names))
        partly = graph.sample(**names, denoise=0.6, latent_image=start)
        nodes[sampler, scheduler, 0.6] = graph.save(partly)
    latents = both(graph)
    return {key: latents[node] for key, node in nodes.items()}


@pytest.mark.parametrize("denoise", [1.0, 0.6])
@pytest.mark.parametrize(("sampler", "scheduler"), PAIRS)
def test_every_pair_gives_the_same_latent(every_pair, sampler, scheduler, denoise):
    assert every_pair[sampler, scheduler, denoise].error < LIMIT


# --- everything else that a latent depends on ----------------------------------------------------


@pytest.mark.parametrize("strength_rule", ["pure noise at 1.0", "like KSampler"])
@pytest.mark.parametrize("sampler", ["euler", "uni_pc"])
def test_inpainting(comfyui, both, depth_graph, sampler, strength_rule):
    """A soft-edged mask; uni_pc is the sampler for which ComfyUI draws a second noise."""
    ramp = np.clip(np.linspace(-400, 600, 64), 0, 255).astype(np.uint8)
    mask = np.broadcast_to(ramp[None, :, None], (64, 64, 3))
    Image.fromarray(np.ascontiguousarray(mask)).save(comfyui.folder("input") / "ramp.png")
    source = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    save_file(
        {"latent_tensor": source, "latent_format_version_0": torch.tensor([])},
        comfyui.folder("input") / "source.latent",
    )
    graph = depth_graph()
    load = graph.add("LoadLatent", latent="source.latent")
    mask_node = graph.add("LoadImageMask", image="ramp.png", channel="red")
    masked = graph.add("SetLatentNoiseMask", samples=load(), mask=mask_node())
    inputs = {"latent_image": masked(), "sampler_name": sampler, "strength_rule": strength_rule}
    node = graph.save(graph.sample(**inputs, steps=STEPS))
    assert both(graph)[node].error < LIMIT


def test_two_regions(both, depth_graph):
    graph = depth_graph(width=192, encode_depth=False)
    halves = []
    for x, text in ((0, "a red house"), (64, "a green tree")):
        area = {"width": 128, "height": 64, "x": x, "y": 0, "strength": 1.0}
        halves.append(graph.add("ConditioningSetArea", conditioning=graph.prompt(text), **area)())
    regions = graph.add("ConditioningCombine", conditioning_1=halves[0], conditioning_2=halves[1])
    positive, negative = graph.encode(regions(), graph.prompt(graph.NEGATIVE))
    node = graph.save(graph.sample(positive=positive, negative=negative, steps=STEPS))
    assert both(graph)[node].error < LIMIT


def test_a_batch_with_its_own_depth_maps_and_a_second_larger_pass(both, depth_graph):
    graph = depth_graph(batch=2, depth_files=depth_graph.DEPTH_FILES[:2])
    first = graph.sample()
    larger = graph.add(
        "LatentUpscaleBy", samples=first, upscale_method="nearest-exact", scale_by=1.5
    )
    node = graph.save(graph.sample(latent_image=larger(), denoise=0.5, steps=STEPS))
    latents = both(graph)[node]
    assert latents[0].shape == (2, 4, 12, 12)
    assert latents.error < LIMIT


@pytest.mark.parametrize(
    "text",
    ["", "a \\(plain\\) word, ((nested:1.4) brackets), (down:0.6)", "many words " * 60],
    ids=["empty", "weights", "two chunks"],
)
def test_prompts(both, depth_graph, text):
    graph = depth_graph(encode_depth=False)
    positive, negative = graph.encode(graph.prompt(text), graph.prompt(graph.NEGATIVE))
    node = graph.save(graph.sample(positive=positive, negative=negative))
    assert both(graph)[node].error < LIMIT


def test_estimated_depth_and_the_vae(comfyui, both, engine, depth_graph, photo):
    """From a photograph to an image: MiDaS, VAE both ways, sampling from the encoded image."""
    pixels = (photo[0, 64:192, 64:192] * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(comfyui.folder("input") / "photo.png")
    graph = depth_graph(encode_depth=False)
    image = graph.add("LoadImage", image="photo.png")
    graph.depth = graph.add("SD2DepthEstimate", image=image(), depth_model=graph.depth_model)()
    depth = graph.add("SD2DepthSave", depth=graph.depth, filename_prefix="depth")
    encoded = graph.add("VAEEncode", pixels=image(), vae=graph.vae)
    graph.latent = encoded()
    positive, negative = graph.encode(graph.positive, graph.negative)
    node = graph.save(graph.sample(positive=positive, negative=negative, denoise=0.7))
    assert both(graph)[node].error < LIMIT
    theirs = comfyui.images(comfyui.run(graph)[depth])
    (shown,) = engine(graph)[depth]["images"]
    ours = np.asarray(Image.open(engine.output / shown["subfolder"] / shown["filename"]))
    assert theirs[0].dtype == ours.dtype == np.uint16
    assert np.linalg.norm(ours - theirs[0].astype(float)) < LIMIT * np.linalg.norm(theirs[0] / 1.0)


def test_the_example_workflow_gives_the_same_image(comfyui, engine, example):
    """To within the rounding to 8 bits."""
    graph, save = example
    (theirs,) = comfyui.images(comfyui.run(graph)[save])
    (shown,) = engine(graph)[save]["images"]
    ours = np.asarray(Image.open(engine.output / shown["subfolder"] / shown["filename"]))
    assert np.abs(theirs.astype(int) - ours.astype(int)).max() <= 1
