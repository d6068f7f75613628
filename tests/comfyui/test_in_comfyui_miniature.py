"""The bundled miniature in a real ComfyUI: what a newcomer runs first."""

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

pytest.importorskip("diffusers", reason="the measures need the embedded engine's packages")

from sd2_depth2img.tools.train_mini import measure

SIDE = 256
SAMPLING = {"steps": 12, "cfg": 3.0, "sampler_name": "dpmpp_2m", "scheduler": "karras"}


@pytest.fixture(scope="module")
def scene():
    return measure.held_out_scenes(1, SIDE)[0]


@pytest.fixture(scope="module")
def painted(comfyui, depth_graph, scene):
    """A held-out scene in white on black and in red on blue, seed 0; then without a depth map."""
    pixels = np.round(scene.depth * 255).astype(np.uint8)
    Image.fromarray(pixels).save(comfyui.folder("input") / "scene.png")
    graph = depth_graph(
        checkpoint=BUNDLED_CHECKPOINT.name,
        width=SIDE,
        height=SIDE,
        depth_files=["scene.png"],
        encode_depth=False,
    )
    negative = graph.prompt("")
    saved = []
    for colours, strength in (("white black", 1.0), ("red blue", 1.0), ("white black", 0.0)):
        foreground, background = colours.split()
        prompt = f"a {foreground} clay thing on a {background} background, light from the left"
        encode = graph.add(
            "SD2DepthEncode",
            positive=graph.prompt(prompt),
            negative=negative,
            depth=graph.depth,
            strength=strength,
        )
        latent = graph.sample(seed=0, positive=encode(0), negative=encode(1), **SAMPLING)
        image = graph.add("VAEDecode", samples=latent, vae=graph.vae)
        saved.append(graph.add("SaveImage", images=image(), filename_prefix="miniature"))
    outputs = comfyui.run(graph)
    return [np.asarray(comfyui.images(outputs[node])[0], np.float32) / 255 for node in saved]


def test_the_image_keeps_the_structure(painted, scene):
    white, _, flat = painted
    score = measure.structure_score(white, scene.depth)
    assert score >= 0.6
    assert score >= measure.structure_score(flat, scene.depth) + 0.35


def test_the_prompt_names_the_colours(painted, scene):
    for image, named in zip(painted[:2], (("white", "black"), ("red", "blue")), strict=True):
        look = measure.Appearance("clay", *named, light="left")
        assert measure.nearest_colours(image, scene.depth, look) == named


def test_the_engine_paints_the_same_image(painted, scene):
    """Within 8 bits of the saved file and half precision where ComfyUI uses it."""
    depth = np.round(scene.depth * 255).astype(np.float32) / 255
    prompt = "a white clay thing on a black background, light from the left"
    (ours,) = measure.Miniature().paint(prompt, [depth])
    assert np.abs(ours - painted[0]).mean() < 0.01
