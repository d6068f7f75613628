"""ControlNets for SD2 on its depth model, in both hosts: one latent."""

from dataclasses import replace

import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file

from sd2_depth2img.checkpoints.keymaps import controlnet_keys
from sd2_depth2img.engine.diffusers_configs import controlnet_config
from sd2_depth2img.tools.make_checkpoint import MINIATURE, random_weights

LIMIT = 1e-4  # relative L2 error of a latent
UNET = replace(MINIATURE.unet, in_channels=4)
STEPS = 3


def random_controlnet(seed):
    """Tensors under their original names; the last convolutions are not zero, as after training."""
    with torch.device("meta"):
        network = ControlNetModel(**controlnet_config(UNET, 3))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    keys = controlnet_keys(UNET).entries
    assert {entry.diffusers[0] for entry in keys} == shapes.keys()
    return random_weights({entry.ldm: shapes[entry.diffusers[0]] for entry in keys}, seed)


@pytest.fixture(scope="module", autouse=True)
def files(comfyui):
    folder = comfyui.folder("models/controlnet")
    folder.mkdir(exist_ok=True)
    edges, pose = random_controlnet(1), random_controlnet(2)
    save_file({f"control_model.{n}": t for n, t in edges.items()}, folder / "edges.safetensors")
    save_file(pose, folder / "pose.safetensors")
    named = dict(controlnet_keys(UNET).to_diffusers(edges.__getitem__))
    save_file(named, folder / "diffusers.safetensors")


def load(graph, name):
    return graph.add("ControlNetLoader", control_net_name=f"{name}.safetensors")()


def apply(graph, net, positive, negative, image, strength=0.7, start=0.0, end=1.0):
    node = graph.add(
        "ControlNetApplyAdvanced",
        positive=positive,
        negative=negative,
        control_net=net,
        image=image,
        strength=strength,
        start_percent=start,
        end_percent=end,
    )
    return node(0), node(1)


def sample(graph, positive, negative, **changes):
    changes = {"steps": STEPS, "positive": positive, "negative": negative, **changes}
    return graph.save(graph.sample("KSampler", **changes))


def test_controlled_latents_are_the_same(both, depth_graph):
    graph = depth_graph(batch=2, depth_files=depth_graph.DEPTH_FILES[:2])
    edges, pose = load(graph, "edges"), load(graph, "pose")
    hint = graph.load_depth(graph.DEPTH_FILES[2])  # of other proportions than the latent
    hints = graph.load_depth(*graph.DEPTH_FILES[1:3])
    sides = graph.positive, graph.negative
    once = apply(graph, edges, *sides, hint)
    nodes = {
        "plain": sample(graph, *sides),
        "both": sample(graph, *once),
        "a hint for each": sample(graph, *apply(graph, edges, *sides, hints)),
        "part of the steps": sample(graph, *apply(graph, edges, *sides, hint, 0.9, 0.2, 0.6)),
        "two of them": sample(graph, *apply(graph, pose, *once, hint, 0.4, 0.3)),
        "no strength": sample(graph, *apply(graph, edges, *sides, hint, 0.0)),
        "cfg 1": sample(graph, *once, cfg=1.0),
    }
    simple = graph.add(
        "ControlNetApply", conditioning=sides[0], control_net=pose, image=hint, strength=0.6
    )
    nodes["simple"] = sample(graph, simple(), sides[1])
    latents = both(graph)
    for name, node in nodes.items():
        assert latents[node].error < LIMIT, name
    ours = {name: latents[node].engine for name, node in nodes.items()}
    assert torch.equal(ours["plain"], ours["no strength"])
    others = [value for name, value in ours.items() if name not in ("plain", "no strength")]
    assert all((one - ours["plain"]).norm() > 0.01 * one.norm() for one in others)


def test_a_controlled_region_and_the_layout_of_diffusers(comfyui, both, depth_graph):
    """ComfyUI finds the widths of diffusers' layout in a table, which has the real ones only."""
    graph = depth_graph(width=192, encode_depth=False)
    edges = load(graph, "edges")
    hint = graph.load_depth(graph.DEPTH_FILES[2])
    area = {"width": 128, "height": 64, "x": 64, "y": 0, "strength": 1.0}
    half = graph.add("ConditioningSetArea", conditioning=graph.prompt("a tree"), **area)
    controlled = graph.add(
        "ControlNetApply", conditioning=half(), control_net=edges, image=hint, strength=0.8
    )
    regions = graph.add(
        "ConditioningCombine", conditioning_1=graph.prompt("a house"), conditioning_2=controlled()
    )
    positive, negative = graph.encode(regions(), graph.prompt(graph.NEGATIVE))
    node = sample(graph, positive, negative)
    assert both(graph)[node].error < LIMIT


def test_the_layout_of_diffusers_is_the_same_network(engine):
    from sd2_depth2img.engine import folders
    from sd2_depth2img.engine.controlnet import load_controlnet

    (place,) = folders.current().places(folders.CONTROLNETS)
    one, other = (
        load_controlnet(place / f"{name}.safetensors", torch.device("cpu")).network.state_dict()
        for name in ("edges", "diffusers")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
