"""KSampler (Advanced) in both hosts: one latent, whichever steps are taken."""

import pytest
import torch
from safetensors.torch import save_file

from sd2_depth2img.engine import samplers

LIMIT = 1e-4  # relative L2 error of a latent
STEPS = 4


def advanced(graph, start=0, end=10000, add_noise="enable", leftover="disable", **changes):
    """A node on what the graph holds; a link to its latent."""
    sampling = {key: graph.SAMPLING[key] for key in ("cfg", "sampler_name", "scheduler")}
    node = graph.add(
        "KSamplerAdvanced",
        **{
            "model": graph.model,
            "positive": graph.positive,
            "negative": graph.negative,
            "latent_image": graph.latent,
            "noise_seed": 7,
            "steps": STEPS,
            "add_noise": add_noise,
            "start_at_step": start,
            "end_at_step": end,
            "return_with_leftover_noise": leftover,
            **sampling,
            **changes,
        },
    )
    return node()


def stretches(graph, sampler):
    """Links to latents by name: whole, divided, ended early, and with nothing to do."""
    only = {"sampler_name": sampler}
    first = advanced(graph, end=2, leftover="enable", **only)
    early = advanced(graph, end=3, **only)
    return {
        "whole": advanced(graph, **only),
        "first": first,
        "second": advanced(graph, start=2, add_noise="disable", latent_image=first, **only),
        "early": early,
        "from the middle": advanced(graph, start=1, latent_image=early, **only),
        "nothing": advanced(graph, start=9, latent_image=early, **only),
        "nothing at all": advanced(graph, end=0, latent_image=early, **only),
    }


@pytest.fixture(scope="module")
def every_sampler(both, depth_graph):
    """Every sampler's latents, all of them in one workflow."""
    graph = depth_graph()
    nodes = {
        (sampler, name): graph.save(link)
        for sampler in samplers.SAMPLERS
        for name, link in stretches(graph, sampler).items()
    }
    latents = both(graph)
    return {key: latents[node] for key, node in nodes.items()}


@pytest.mark.parametrize("sampler", samplers.SAMPLERS)
def test_stretches_give_the_same_latent(every_sampler, sampler):
    errors = {name: pair.error for (of, name), pair in every_sampler.items() if of == sampler}
    assert all(error < LIMIT for error in errors.values()), errors


def test_cfg_1_and_a_mask_in_a_stretch_without_noise_of_its_own(comfyui, both, depth_graph):
    source = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    save_file(
        {"latent_tensor": source, "latent_format_version_0": torch.tensor([])},
        comfyui.folder("input") / "stretch.latent",
    )
    graph = depth_graph()
    load = graph.add("LoadLatent", latent="stretch.latent")
    mask = graph.add("SolidMask", value=0.6, width=64, height=64)
    masked = graph.add("SetLatentNoiseMask", samples=load(), mask=mask())()
    nodes = []
    for sampler in ("euler", "ddim"):
        for add_noise in ("enable", "disable"):
            only = {"cfg": 1.0, "sampler_name": sampler, "latent_image": masked}
            nodes.append(graph.save(advanced(graph, start=1, add_noise=add_noise, **only)))
    latents = both(graph)
    assert all(latents[node].error < LIMIT for node in nodes)
