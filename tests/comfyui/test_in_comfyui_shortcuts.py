"""Faster Sampling in both hosts, and ComfyUI's own nodes that make a MODEL faster."""

import json

import pytest
import torch

from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

STEPS = 6
SHORT = {"guidance_start": 0.0, "guidance_end": 0.7, "deep_every": 2}
OFF = {"guidance_start": 0.0, "guidance_end": 1.0, "deep_every": 1}


def psnr(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Of latents, by their range."""
    span = expected.max() - expected.min()
    return (20 * torch.log10(span / (found - expected).pow(2).mean().sqrt())).item()


@pytest.fixture
def counted(comfyui, tmp_path):
    """Adds a counter of UNet calls behind a MODEL; call it after the run for the counts."""
    path = tmp_path / "counts.json"

    def count(graph, model):
        return graph.add("TestCount", model=model, path=str(path))()

    count.read = lambda: json.loads(path.read_text(encoding="utf-8"))
    return count


def sampled(graph, model, **changes):
    return graph.save(graph.sample(model=model, **{"steps": STEPS, **changes}))


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m", "euler_ancestral"])
@pytest.mark.parametrize(
    "shortcuts",
    [SHORT, {**OFF, "deep_every": 3}, {**OFF, "guidance_start": 0.2, "guidance_end": 0.6}],
    ids=["both", "deep", "interval"],
)
def test_both_hosts_take_the_same_shortcuts(both, depth_graph, sampler, shortcuts):
    graph = depth_graph()
    faster = graph.add("SD2DepthFaster", model=graph.model, **shortcuts)()
    short = sampled(graph, faster, sampler_name=sampler)
    plain = sampled(graph, graph.model, sampler_name=sampler)
    found = both(graph)
    assert found[short].error <= 1e-5
    assert not torch.allclose(found[short].comfyui, found[plain].comfyui, atol=1e-4)


def test_both_hosts_take_the_same_shortcuts_with_depth_guidance_and_areas(both, depth_graph):
    graph = depth_graph(width=128, encode_depth=False)
    area = {"width": 64, "height": 64, "x": 0, "y": 0, "strength": 1.0}
    left = graph.add("ConditioningSetArea", conditioning=graph.prompt("a tree"), **area)()
    pair = {"conditioning_1": left, "conditioning_2": graph.prompt("a house")}
    positive = graph.add("ConditioningCombine", **pair)()
    graph.positive, graph.negative = graph.encode(positive, graph.prompt(graph.NEGATIVE))
    faster = graph.add("SD2DepthFaster", model=graph.model, **SHORT)()
    short = sampled(graph, faster, depth_guidance=2.0)
    assert both(graph)[short].error <= 1e-5


def test_switched_off_it_changes_nothing(comfyui, depth_graph):
    graph = depth_graph()
    off = sampled(graph, graph.add("SD2DepthFaster", model=graph.model, **OFF)())
    plain = sampled(graph, graph.model)
    found = comfyui.latents(graph)
    assert torch.equal(found[off], found[plain])


@pytest.mark.parametrize("sampler", ["SD2DepthSampler", "KSampler"])
def test_it_saves_calls_of_the_deep_layers_and_of_the_negative_prompt(
    comfyui, depth_graph, counted, sampler
):
    """Of six levels the normal schedule has four at 0.7 of the way or before."""
    graph = depth_graph()
    model = counted(graph, graph.add("SD2DepthFaster", model=graph.model, **SHORT)())
    graph.save(graph.sample(sampler, model=model, steps=STEPS))
    comfyui.run(graph)
    assert counted.read()["deep"] == 3


def test_a_second_one_replaces_the_first(comfyui, depth_graph):
    graph = depth_graph()
    first = graph.add("SD2DepthFaster", model=graph.model, **SHORT)()
    twice = sampled(graph, graph.add("SD2DepthFaster", model=first, **OFF)())
    plain = sampled(graph, graph.model)
    found = comfyui.latents(graph)
    assert torch.equal(found[twice], found[plain])


def test_cfg_1_makes_one_call_of_one_row_a_step(comfyui, depth_graph, counted):
    graph = depth_graph()
    sampled(graph, counted(graph, graph.model), cfg=1.0)
    comfyui.run(graph)
    assert counted.read() == {"calls": STEPS, "rows": STEPS, "deep": STEPS}


def test_guidance_in_an_interval_leaves_one_row_outside_of_it(comfyui, depth_graph, counted):
    graph = depth_graph()
    interval = {**OFF, "guidance_end": 0.7}
    model = graph.add("SD2DepthFaster", model=graph.model, **interval)()
    sampled(graph, counted(graph, model), depth_guidance=2.0)
    comfyui.run(graph)
    guided = 4  # of the normal schedule's levels at 0, 1/5, 2/5, 3/5, 4/5 and 1 of the way
    assert counted.read()["rows"] == 3 * guided + (STEPS - guided)


def test_easycache_skips_calls_of_our_model(comfyui, depth_graph, counted):
    graph = depth_graph(BUNDLED_CHECKPOINT.name, width=128, height=128)
    settings = {"reuse_threshold": 0.2, "start_percent": 0.1, "end_percent": 0.95, "verbose": False}
    model = graph.add("EasyCache", model=graph.model, **settings)()
    cached = sampled(graph, counted(graph, model), steps=12, cfg=3.0)
    plain = sampled(graph, graph.model, steps=12, cfg=3.0)
    found = comfyui.latents(graph)
    assert counted.read()["calls"] < 12
    assert psnr(found[cached], found[plain]) > 22


def test_easycache_and_faster_sampling_go_together(comfyui, depth_graph):
    graph = depth_graph(BUNDLED_CHECKPOINT.name, width=128, height=128)
    settings = {"reuse_threshold": 0.2, "start_percent": 0.1, "end_percent": 0.95, "verbose": False}
    faster = graph.add("SD2DepthFaster", model=graph.model, **SHORT)()
    both = sampled(graph, graph.add("EasyCache", model=faster, **settings)(), steps=12, cfg=3.0)
    plain = sampled(graph, graph.model, steps=12, cfg=3.0)
    found = comfyui.latents(graph)
    assert psnr(found[both], found[plain]) > 20


@pytest.mark.slow  # compiling takes minutes
@pytest.mark.parametrize("shortcuts", [None, SHORT], ids=["plain", "faster"])
def test_torch_compile_model_gives_the_same_latent(comfyui, depth_graph, shortcuts):
    graph = depth_graph()
    model = graph.model
    if shortcuts is not None:
        model = graph.add("SD2DepthFaster", model=model, **shortcuts)()
    plain = sampled(graph, model)
    compiled = graph.add("TorchCompileModel", model=model, backend="inductor")()
    fast = sampled(graph, compiled)
    found = comfyui.latents(graph)
    error = (found[fast] - found[plain]).norm() / found[plain].norm()
    assert 0 < error < 1e-4
