"""The nodes that estimate, edit and show depth maps give the same in ComfyUI and in the engine.

One workflow holds all of them, with other values than the defaults, masks and feathers. Maps and
masks are compared as float32, bit for bit: the same PyTorch and OpenCV compute them in either host.
Only the relief may differ by a rounding: OpenCV's precise distances depend on the place in memory.
Where ComfyUI runs with another PyTorch than the tests, so may what the depth network computes.
"""

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.depth.camera import Move
from sd2_depth2img.depth.stereo import Show

pytestmark = pytest.mark.usefixtures("one_thread")

NEAR_AND_FAR = {"near": 0.8, "far": 0.1}
ESTIMATES = {
    "tiles": {"tiles": 2},
    "flip": {"flip": True},
    "whole batch": {"normalize": "whole batch"},
    "smooth": {"smooth": 1.0, "normalize": "whole batch"},
    "all": {"tiles": 2, "flip": True, "normalize": "whole batch", "smooth": 0.5},
}
EDITS = {
    "levels": ("Adjust", {**NEAR_AND_FAR, "gamma": 1.6, "contrast": 1.3, "offset": 0.05}),
    "percentiles": ("Adjust", {"clip_by": "percentile", "near": 0.95, "far": 0.04, "smooth": 2.0}),
    "edge-preserving": (
        "Adjust",
        {"invert": True, "smooth": 4.0, "smoothing": "edge-preserving", "edge": 0.1},
    ),
    "joint bilateral": ("Refine", {"radius": 6.0, "tolerance": 0.1}),
    "guided": ("Refine", {"method": "guided", "radius": 3.0}),
    "nearest": ("Merge", {"x": 9, "y": -5, "scale": 0.7, "depth_offset": 0.1}),
    "matched": ("Merge", {"mode": "over", "match": "scale and shift", "x": 3}),
    "blend": ("Merge", {"mode": "blend", "blend": 0.3, "match": "shift"}),
    "plane": ("Fill", {"near": 0.6}),
    "ramp": ("Fill", {"shape": "ramp", **NEAR_AND_FAR, "x1": 0.1, "y1": 0.2, "x2": 0.9}),
    "dome": ("Fill", {"shape": "dome", **NEAR_AND_FAR, "y2": 0.8}),
    "relief": ("Fill", {"shape": "relief of the mask", **NEAR_AND_FAR}),
    "smooth fill": ("Fill", {"shape": "smooth fill"}),
    "distance": ("Convert", {"direction": "disparity to distance", "near": 0.5, "far": 9.0}),
    "disparity": ("Convert", {"near": 0.1, "far": 0.9, "sky": 0.97}),
}
MASKS = {
    "interval": {**NEAR_AND_FAR, "softness": 0.2, "feather": 4},
    "foreground": {**NEAR_AND_FAR, "split": "foreground", "softness": 0.1},
    "background": {**NEAR_AND_FAR, "split": "background", "feather": 3},
}


@pytest.fixture(scope="module")
def workflow(comfyui, depth_graph, photo):
    """The graph, and its saving nodes by name."""
    pixels = (photo[0, 40:136, 180:260] * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(comfyui.folder("input") / "face.png")
    y, x = np.mgrid[0:96, 0:80]
    spot = 300 - 8 * np.hypot(y - 40, x - 45)
    Image.fromarray(spot.clip(0, 255).astype(np.uint8)).save(comfyui.folder("input") / "spot.png")
    graph = depth_graph(encode_depth=False)
    # Not by Load Image: since it reads through FFmpeg, grey PNG files are off by up to 0.006.
    first, second, patch = (
        graph.add("SD2DepthLoad", image=name)() for name in depth_graph.DEPTH_FILES[:3]
    )
    graph.depth = graph.add("ImageBatch", image1=first, image2=second)()
    face = graph.add("LoadImage", image="face.png")()
    faces = graph.add("ImageBatch", image1=face, image2=graph.add("ImageInvert", image=face)())()
    spot = graph.add("SD2DepthLoad", image="spot.png")()
    mask = graph.add("ImageToMask", image=spot, channel="red")()
    hard = {at: graph.add("ThresholdMask", mask=mask, value=0.1 * at + 0.2)() for at in (0, 5)}
    others = {
        "Refine": {"image": faces},
        "Merge": {"patch": patch, "patch_mask": mask},
    }
    maps = {}
    for name, options in ESTIMATES.items():
        inputs = {"image": faces, "depth_model": graph.depth_model, "resolution": 64}
        maps[name] = graph.add("SD2DepthEstimate", **inputs, **options)()
    for name, (kind, options) in EDITS.items():
        for feather in (0, 5):
            inputs = {"depth": graph.depth, "mask": mask, "feather": feather}
            if kind == "Convert":  # takes masks of black and white only
                inputs = {"depth": graph.depth, "mask": hard[feather]}
            node = graph.add(f"SD2Depth{kind}", **inputs, **others.get(kind, {}), **options)
            maps[name, feather] = node()
    inputs = {"depth": graph.depth, "mask": mask}
    for kind in ("keep", "smooth fill", "other map"):
        other = {"under_mask": kind, "other": patch, "grow": 5}
        maps["under", kind] = graph.add("SD2DepthUnderMask", **inputs, **other)()
    made = {
        name: graph.add("SD2DepthRangeMask", **inputs, **options)()
        for name, options in MASKS.items()
    }
    strengths = {"near_strength": 0.3, "threshold": 0.4, "softness": 0.3}
    made["strengths"] = graph.add("SD2DepthStrengthMap", depth=graph.depth, **strengths)()
    for name, link in made.items():
        maps[name] = graph.add("MaskToImage", mask=link)()
    for move in Move:
        path = {"move": move.value, "frames": 3, "strength": 7.0, "grow": 2, "plane": 0.3}
        maps[move.value] = graph.add("SD2DepthParallax", image=faces, depth=graph.depth, **path)()
    for show in Show:
        path = {"frames": 2, "easing": "ease in", "show": show.value, "blur": 4.0, "focus": 0.6}
        maps[show.value] = graph.add("SD2DepthParallax", image=faces, depth=graph.depth, **path)()
    inputs = {"image": faces, "depth": graph.depth, "depth_model": graph.depth_model}
    looks = {"resolution": 64, "tiles": 2, "flip": True, "mask": mask}
    maps["heat map"] = graph.add("SD2DepthFidelity", **inputs, **looks)(1)
    saved = {
        name: graph.add("SD2DepthSave", depth=link, filename_prefix="each/map", file_format="npy")
        for name, link in maps.items()
    }
    seen = {"colours": "viridis", "size": 120, "normalize": "fixed range", "high": 0.6}
    saved["preview"] = graph.add("SD2DepthPreview", depth=graph.depth, **seen)
    return graph, saved


@pytest.fixture(scope="module")
def results(comfyui, engine, workflow):
    """By name: what both hosts saved."""
    graph, saved = workflow
    theirs, ours = comfyui.run(graph), engine(graph)

    def files(output, folder):
        kind = "files" if "files" in output else "images"
        return [folder(entry) for entry in output[kind]], output.get("text")

    def in_engine(entry):
        folder = "temp" if entry["type"] == "temp" else ""
        return engine.output / folder / entry["subfolder"] / entry["filename"]

    return {
        name: (files(theirs[node], comfyui.file), files(ours[node], in_engine))
        for name, node in saved.items()
    }


@pytest.fixture(scope="module")
def rounding(comfyui):
    """How far the maps of that name may be apart."""
    theirs = comfyui.get("/system_stats")["system"]["pytorch_version"]
    of_network = {**dict.fromkeys(ESTIMATES, 1e-4), "heat map": 0.02}  # a step of its 256 colours
    of_network = {} if theirs == torch.__version__ else of_network
    return lambda name: of_network.get(name, 1e-6 if "relief" in name else 0)


@pytest.mark.parametrize(
    "name",
    [
        *ESTIMATES,
        *((name, feather) for name in EDITS for feather in (0, 5)),
        *(("under", kind) for kind in ("keep", "smooth fill", "other map")),
        *(*MASKS, "strengths"),
        *(*(move.value for move in Move), *(show.value for show in Show)),
        "heat map",
    ],
    ids=str,
)
def test_the_same_bits_in_either_host(results, rounding, name):
    (theirs, _), (ours, _) = results[name]
    assert len(theirs) == len(ours) >= 2
    for one, other in zip(theirs, ours, strict=True):
        found, expected = np.load(one), np.load(other)
        assert found.dtype == expected.dtype == np.float32
        assert found.std() > 0.01
        assert np.abs(found - expected).max() <= rounding(name)


def test_the_same_page_and_words_of_preview(results):
    (theirs, said), (ours, engine_said) = results["preview"]
    assert len(theirs) == 2
    assert said == list(engine_said)
    for one, other in zip(theirs, ours, strict=True):
        assert np.array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))


def test_every_edit_changed_its_map(results):
    before = [np.load(file) for file in results["under", "keep"][0][0]]
    for name, (kind, _) in EDITS.items():
        for feather in (0, 5):
            after = [np.load(file) for file in results[name, feather][0][0]]
            assert not np.array_equal(after, before), (name, kind)


# --- progress and cancelling ----------------------------------------------------------------------


def test_an_edit_shows_its_progress_on_the_page(comfyui, depth_graph):
    graph = depth_graph(encode_depth=False, depth_files=depth_graph.DEPTH_FILES[:4])
    edited = graph.add("SD2DepthAdjust", depth=graph.depth, smooth=3.5)
    graph.add("PreviewImage", images=edited())
    with comfyui.events() as events:
        messages = list(events.until_done(comfyui.submit(graph)))
    steps = [event.data for event in messages if event.type == "progress"]
    assert [(step["value"], step["max"]) for step in steps][-1] == (4, 4)


def test_an_edit_is_cancelled_in_the_middle(comfyui, depth_graph):
    graph = depth_graph(encode_depth=False)
    size = {"width": 640, "height": 768, "upscale_method": "bilinear", "crop": "disabled"}
    large = graph.add("ImageScale", image=graph.depth, **size)
    many = graph.add("RepeatImageBatch", image=large(), amount=100)
    refined = graph.add("SD2DepthRefine", depth=many(), image=many(), tolerance=0.01)
    save = graph.add("PreviewImage", images=refined())
    with comfyui.events() as events:
        prompt_id = comfyui.submit(graph)
        step = next(event.data for event in events if event.type == "progress")
        comfyui.post("/interrupt", {})
        assert comfyui.interrupted(prompt_id)
    assert step["max"] == 100
    assert save not in comfyui.get(f"/history/{prompt_id}")[prompt_id]["outputs"]
