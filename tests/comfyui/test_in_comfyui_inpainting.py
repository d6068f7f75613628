"""Inpainting, strength and depth guidance in ComfyUI, and the same in the embedded engine."""

import numpy as np
import pytest
import torch
from PIL import Image

LIMIT = 1e-4  # relative L2 error of a latent, as for all that both hosts compute


@pytest.fixture
def painted(comfyui, photo):
    """A photograph of 160 x 128 pixels and a mask with a soft edge in the input folder."""
    pixels = (photo[0, 60:188, 150:310] * 255).round().to(torch.uint8).numpy()
    y, x = np.mgrid[0:128, 0:160]
    mask = np.clip((36 - np.hypot(y - 60, x - 84)) * 20, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(comfyui.folder("input") / "to inpaint.png")
    Image.fromarray(np.dstack([mask] * 3)).save(comfyui.folder("input") / "mask.png")
    return pixels, mask


@pytest.fixture
def inpaint(depth_graph, painted):
    """A graph from photo and mask to a sampled crop; its attributes hold the links."""

    def build(encode=None, crop=None, **sampling):
        graph = depth_graph(encode_depth=False)
        graph.photo = graph.add("LoadImage", image="to inpaint.png")()
        graph.mask = graph.add("LoadImageMask", image="mask.png", channel="red")()
        estimate = graph.add(
            "SD2DepthEstimate", image=graph.photo, depth_model=graph.depth_model, resolution=128
        )
        crop_node = graph.add(
            "SD2DepthCrop",
            image=graph.photo,
            mask=graph.mask,
            depth=estimate(),
            size=64,
            **(crop or {}),
        )
        part, mask, graph.depth, graph.stitch = (crop_node(slot) for slot in range(4))
        encode_node = graph.add(
            "SD2DepthInpaintEncode", image=part, mask=mask, vae=graph.vae, **(encode or {})
        )
        graph.latent = encode_node()
        graph.positive, graph.negative = graph.encode(graph.positive, graph.negative)
        graph.sampled = graph.sample(**{"steps": 4, **sampling})
        return graph

    return build


@pytest.mark.parametrize("content", ["original", "fill", "noise", "empty"])
def test_every_pixel_outside_of_the_mask_is_the_photos(comfyui, inpaint, painted, content):
    graph = inpaint({"content": content}, denoise=0.7)
    decoded = graph.add("VAEDecode", samples=graph.sampled, vae=graph.vae)
    stitched = graph.add("SD2DepthStitch", stitch=graph.stitch, image=decoded())
    save = graph.add("SaveImage", images=stitched(), filename_prefix="inpainted")
    (image,) = comfyui.images(comfyui.run(graph)[save])
    pixels, mask = painted
    assert np.array_equal(image[mask == 0], pixels[mask == 0])
    changed = np.abs(image.astype(int) - pixels)[mask == 255]
    assert changed.mean() > 5


@pytest.mark.parametrize("mask_rule", ["differential", "like KSampler"])
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "uni_pc"])
def test_both_hosts_repaint_the_same(both, inpaint, sampler, mask_rule):
    graph = inpaint(
        {"feather": 24, "content": "noise"}, sampler_name=sampler, mask_rule=mask_rule, denoise=0.8
    )
    node = graph.save(graph.sampled)
    assert both(graph)[node].error < LIMIT


def test_the_two_mask_rules_differ(comfyui, inpaint):
    first, second = (
        comfyui.latent(saved(inpaint({"feather": 24}, mask_rule=rule)))
        for rule in ("differential", "like KSampler")
    )
    assert not torch.allclose(first, second, atol=0.1)


@pytest.mark.parametrize("cfg", [1.0, 5.0])
@pytest.mark.parametrize("scale", [0.5, 2.5])
def test_both_hosts_guide_by_depth_the_same(both, depth_graph, cfg, scale):
    graph = depth_graph(batch=2)
    node = graph.save(graph.sample(cfg=cfg, depth_guidance=scale, steps=4))
    plain = graph.save(graph.sample(cfg=cfg, steps=4))
    latents = both(graph)
    assert latents[node].error < LIMIT
    assert not torch.allclose(latents[node].comfyui, latents[plain].comfyui, atol=0.1)


def test_depth_guidance_of_two_regions(both, depth_graph):
    graph = depth_graph(encode_depth=False, width=128)
    regions = [
        graph.add(
            "ConditioningSetArea",
            conditioning=graph.prompt(text),
            width=64,
            height=64,
            x=x,
            y=0,
            strength=1.0,
        )()
        for text, x in (("a red ball", 0), ("a blue box", 64))
    ]
    regions.append(graph.positive)
    positive = regions[0]
    for region in regions[1:]:
        positive = graph.add(
            "ConditioningCombine", conditioning_1=positive, conditioning_2=region
        )()
    graph.positive, graph.negative = graph.encode(positive, graph.negative)
    node = graph.save(graph.sample(depth_guidance=2.0, steps=3))
    assert both(graph)[node].error < LIMIT


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.4), (0.3, 1.0), (0.2, 0.6)])
def test_both_hosts_see_the_depth_map_for_the_same_part_of_the_way(both, depth_graph, start, end):
    graph = depth_graph(encode_depth=False)
    encode = graph.add(
        "SD2DepthEncode",
        positive=graph.positive,
        negative=graph.negative,
        depth=graph.depth,
        start_percent=start,
        end_percent=end,
    )
    graph.positive, graph.negative = encode(0), encode(1)
    node = graph.save(graph.sample(steps=8))
    assert both(graph)[node].error < LIMIT


def test_a_sweep_of_strengths_becomes_one_labelled_image(comfyui, depth_graph):
    graph = depth_graph(encode_depth=False)
    sweep = graph.add("SD2DepthStrengthSweep", strengths="0.5, 1.0", depth_strengths="0, 1")
    encode = graph.add(
        "SD2DepthEncode",
        positive=graph.positive,
        negative=graph.negative,
        depth=graph.depth,
        strength=sweep(1),
    )
    graph.positive, graph.negative = encode(0), encode(1)
    sampled = graph.sample(denoise=sweep(0))
    decoded = graph.add("VAEDecode", samples=sampled, vae=graph.vae)
    grid = graph.add("SD2DepthGrid", images=decoded(), column_labels=sweep(2), row_labels=sweep(3))
    save = graph.add("SaveImage", images=grid(), filename_prefix="grid")
    (image,) = comfyui.images(comfyui.run(graph)[save])
    assert image.shape[0] > 2 * 64
    assert image.shape[1] > 2 * 64


def test_a_mask_of_another_shape_is_told_in_one_sentence(comfyui, inpaint):
    graph = inpaint()
    graph["mask"] = {
        "class_type": "SolidMask",
        "inputs": {"value": 1.0, "width": 64, "height": 64},
    }
    for node in graph.values():
        if node["class_type"] == "SD2DepthCrop":
            node["inputs"]["mask"] = ["mask", 0]
    graph.add("PreviewImage", images=graph.add("VAEDecode", samples=graph.sampled, vae=graph.vae)())
    failure = comfyui.failure(graph)
    assert failure.node == "SD2DepthCrop"
    assert "the mask has 64 x 64 pixels, what it belongs to 160 x 128" in failure.message


def saved(graph):
    graph.save(graph.sampled)
    return graph
