"""Depth Anything 3 and MoGe of a new ComfyUI, wired as the advice about their files says."""

import subprocess
from pathlib import Path

import pytest
import torch

from sd2_depth2img.nodes.advice import COMFYUIS_NETWORKS
from sd2_depth2img.tools.comfyui import Program

WRITER = Path(__file__).with_name("write_geometry_networks.py")
FOLDER = "models/geometry_estimation"
NETWORKS = ("da3-sky", "da3-confidence", "moge")
NODES = {
    "Depth Anything 3": ("LoadDA3Model", "DA3Inference", "DA3Render"),
    "MoGe": ("LoadMoGeModel", "MoGeInference", "MoGeRender"),
}


@pytest.fixture(scope="module", autouse=True)
def _networks(comfyui):
    listed = comfyui.get("/object_info")
    if missing := [name for names in NODES.values() for name in names if name not in listed]:
        pytest.skip(f"this ComfyUI has no {', '.join(missing)}")
    program = Program.find()
    command = [program.python, str(WRITER), str(program.folder), str(comfyui.folder(FOLDER))]
    subprocess.run(command, check=True, cwd=comfyui.base)
    yield
    for name in NETWORKS:  # other files of this folder count what lies there
        (comfyui.folder(FOLDER) / f"{name}.safetensors").unlink()


@pytest.fixture
def kept(comfyui, tmp_path):
    """Runs a workflow; the values of the links that are named, bit for bit."""

    def run(graph, **links):
        for name, link in links.items():
            graph.add("TestKeep", value=link, path=str(tmp_path / name))
        comfyui.run(graph)
        return {name: torch.load(tmp_path / name) for name in links}

    return run


def render(graph, network):
    """Load and run Depth Anything 3: what gives one of its outputs."""
    model = graph.add("LoadDA3Model", model_name=network, weight_dtype="fp32")
    geometry = graph.add(
        "DA3Inference",
        **{"da3_model": model(), "image": graph.depth, "resolution": 140, "mode": "mono"},
        resize_method="upper_bound_resize",
    )

    def output(name, **options):
        of_this = {f"output.{key}": value for key, value in options.items()}
        return graph.add("DA3Render", da3_geometry=geometry(), output=name, **of_this)()

    return output


def as_mask(graph, image):
    return graph.add("ImageToMask", image=image, channel="red")()


def disparity(distances, counts):
    """0..1 between the farthest and the nearest pixel that counts."""
    inverse = 1 / distances.double()
    low, high = inverse[counts].aminmax()
    return (inverse - low) / (high - low)


@pytest.mark.parametrize("name", NODES)
def test_the_advice_names_the_nodes_as_they_are_shown(comfyui, name):
    listed = comfyui.get("/object_info")
    for node in (*NODES[name], *(["ImageToMask"] if name == "Depth Anything 3" else [])):
        assert listed[node]["display_name"] in COMFYUIS_NETWORKS[name]
    folder, _, models = FOLDER.partition("/")
    assert f"{folder}/{models}" in COMFYUIS_NETWORKS[name]


def test_the_sky_of_depth_anything_3_becomes_black(depth_graph, kept):
    graph = depth_graph(encode_depth=False)
    output = render(graph, "da3-sky.safetensors")
    raw = output("depth", normalization="raw", apply_sky_clip=False)
    sky = output("sky_mask", colored=False)
    depth = graph.add("SD2DepthConvert", depth=raw, sky_mask=as_mask(graph, sky))()
    graph.depth = depth
    graph.positive, graph.negative = graph.encode(graph.positive, graph.negative)
    latent = graph.sample(steps=1)
    found = kept(graph, raw=raw, sky=sky, depth=depth, latent=latent)
    distances, is_sky = found["raw"][..., 0], found["sky"][..., 0] >= 0.5
    assert 0.05 < is_sky.float().mean() < 0.95
    assert found["sky"].max() > 1  # which the node has to take
    expected = disparity(distances, ~is_sky).where(~is_sky, 0.0)
    assert torch.allclose(found["depth"][..., 0].double(), expected, atol=1e-5)
    assert found["latent"]["samples"].isfinite().all()


def test_what_depth_anything_3_is_unsure_of_is_filled(depth_graph, kept):
    graph = depth_graph(encode_depth=False)
    output = render(graph, "da3-confidence.safetensors")
    raw = output("depth", normalization="raw", apply_sky_clip=False)
    confidence = output("confidence", colored=False)
    depth = graph.add(
        "SD2DepthConvert", depth=raw, confidence=as_mask(graph, confidence), least_confidence=0.3
    )()
    found = kept(graph, raw=raw, confidence=confidence, depth=depth)
    distances, sure = found["raw"][..., 0], found["confidence"][..., 0] >= 0.3
    assert 0.1 < sure.float().mean() < 0.9
    result = found["depth"][..., 0].double()
    assert torch.allclose(result[sure], disparity(distances, sure)[sure], atol=1e-5)
    assert result.aminmax() == (0, 1)


def test_moge_gives_a_depth_map(depth_graph, kept):
    graph = depth_graph(encode_depth=False)
    model = graph.add("LoadMoGeModel", model_name="moge.safetensors")
    geometry = graph.add(
        "MoGeInference",
        **{"moge_model": model(), "image": graph.depth, "resolution_level": 0, "batch_size": 1},
        **{"fov_x_degrees": 60.0, "force_projection": True, "apply_mask": True},
    )
    depth, mask = (
        graph.add("MoGeRender", moge_geometry=geometry(), output=name)()
        for name in ("depth", "mask")
    )
    graph.depth = depth
    graph.positive, graph.negative = graph.encode(graph.positive, graph.negative)
    found = kept(graph, depth=depth, mask=mask, latent=graph.sample(steps=1))
    low, high = found["depth"].aminmax()
    assert (low, high) == (0, 1)
    assert 0.1 < found["mask"].float().mean() < 0.99
    assert not found["depth"][found["mask"] == 0].any()
    assert found["latent"]["samples"].isfinite().all()
