"""Errors of the algorithms, with what to do about them in the words of the canvas."""

import sys
from inspect import signature
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sd2_depth2img import nodes
from sd2_depth2img.depth.depth_files import FileFormat, write_depth
from sd2_depth2img.nodes.remedies import explanation

IMAGE, WIDE = torch.rand(1, 16, 16, 3), torch.rand(1, 16, 48, 3)
DEPTH = torch.linspace(0, 1, 256).reshape(1, 16, 16, 1).repeat(1, 1, 1, 3)
MASK = torch.ones(1, 16, 16)


@pytest.fixture
def base(base):
    (base / "models" / "depth").mkdir(parents=True)
    return base


def run(name, *arguments, **inputs):
    """As a host does, but that inputs need no names."""
    node = nodes.NODE_CLASS_MAPPINGS[name]()
    return node.run(**signature(node.execute).bind(*arguments, **inputs).arguments)


def checkpoint_as_depth_model(base):
    name = "model.diffusion_model.input_blocks.0.0.weight"
    save_file({name: torch.zeros(1)}, base / "models" / "depth" / "sd.safetensors")
    run("SD2DepthModelLoader", "sd.safetensors")


def another_result(base):
    run("SD2DepthStitch", stitch(), torch.rand(1, 64, 128, 3))


def floats_of_metres(base):
    write_depth(base / "input" / "z.npy", torch.rand(4, 4) + 5, FileFormat.NPY)
    return "z.npy"


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (
            lambda base: run("SD2DepthAdjust", None),
            r"there is no depth map\. Prepare Image .* Use Depth Estimation",
        ),
        (
            lambda base: run("SD2DepthAdjust", DEPTH * 9),
            r"from 0 to 9; expected 0 \(far\) to 1 \(near\)\. Convert Depth",
        ),
        (
            lambda base: run("SD2DepthLoad", floats_of_metres(base)),
            r"all 16 values are beyond the stated range .* Convert Depth makes a depth map",
        ),
        (
            lambda base: run("SD2DepthLoad", floats_of_metres(base), invert=True, beyond="keep"),
            r"turn invert off\. Convert Depth",
        ),
        (
            lambda base: run("SD2DepthLoad", floats_of_metres(base), layer="Z"),
            r"has no layers, .* input `layer` of Depth Map Loader; for a file without any",
        ),
        (
            lambda base: run("SD2DepthConvert", DEPTH + 1, mask=MASK / 2),
            r"all 256 mask pixels are grey.*Threshold Mask.*Merge Depth",
        ),
        (
            lambda base: run("SD2DepthFidelity", WIDE, DEPTH, None),
            r"have different shapes .* as the image was cropped\. .*Crop for Inpainting",
        ),
        (
            lambda base: run("SD2DepthUnderMask", DEPTH, MASK, under_mask="other map"),
            r"there is no other map.* Connect one to the input `other`",
        ),
        (
            lambda base: run("SD2DepthUnderMask", DEPTH, MASK, "other map", DEPTH[:, :8]),
            r"expected the same width and height\. Upscale Image",
        ),
        (
            checkpoint_as_depth_model,
            r"this is a Stable Diffusion checkpoint.* Use Depth Checkpoint Loader",
        ),
        (another_result, r"128 x 64 pixels; expected 64 x 64.*\. Connect what VAE Decode gives"),
        (
            lambda base: run("SD2DepthPrepare", WIDE, MASK),
            r"they have different shapes\. Paint the mask .* mask output of the node",
        ),
    ],
)
def test_a_mistake_is_answered_with_fact_and_remedy(base, mistake, said):
    with pytest.raises(ValueError, match=said) as told:
        mistake(base)
    assert type(told.value) is ValueError  # ComfyUI shows the whole path of any other


# What else each node that takes an image needs before it looks at that.
RGBA = torch.rand(1, 16, 16, 4)


def stitch():
    return nodes.NODE_CLASS_MAPPINGS["SD2DepthCrop"]().execute(IMAGE, MASK, DEPTH, size=64)[-1]


TAKE_IMAGES = {
    "SD2DepthPrepare": lambda: {"image": RGBA},
    "SD2DepthCrop": lambda: {"image": RGBA, "mask": MASK, "depth": RGBA},
    "SD2DepthStitch": lambda: {"image": torch.rand(1, 64, 64, 4), "stitch": stitch()},
    "SD2DepthInpaintEncode": lambda: {"image": RGBA, "mask": MASK, "vae": None},
    "SD2DepthRefine": lambda: {"depth": DEPTH, "image": RGBA},
    "SD2DepthEditor": lambda: {"depth": DEPTH, "image": RGBA},
    "SD2DepthParallax": lambda: {"image": RGBA, "depth": DEPTH},
    "SD2DepthViewer": lambda: {"image": RGBA, "depth": DEPTH},
    "SD2DepthSave3D": lambda: {"image": RGBA, "depth": DEPTH, "filename_prefix": "3d/depth"},
    "SD2DepthEstimate": lambda: {"image": RGBA, "depth_model": miniature()},
    "SD2DepthFidelity": lambda: {"image": RGBA, "depth": DEPTH, "depth_model": miniature()},
    "SD2DepthGrid": lambda: {"images": [IMAGE, RGBA]},
}


def miniature():
    path = Path(nodes.__file__).parents[1] / "models" / "sd2-depth-mini.safetensors"
    return run("SD2DepthCheckpointLoader", str(path))[3]


def test_every_node_that_takes_an_image_is_tried():
    takers = {
        name
        for name, kind in nodes.NODE_CLASS_MAPPINGS.items()
        for group in kind.INPUT_TYPES().values()
        for key, spec in group.items()
        if spec[0] == "IMAGE" and key.startswith("image")
    }
    assert takers == set(TAKE_IMAGES)


@pytest.mark.parametrize("name", TAKE_IMAGES)
def test_an_image_with_alpha_is_refused_with_its_input_and_what_to_wire(base, name):
    inputs = TAKE_IMAGES[name]()
    (key,) = (key for key in inputs if key.startswith("image"))
    shape = r"(\[1, )?\[?\d+, \d+, 4\]; expected .*\]"
    with pytest.raises(
        ValueError, match=rf"^input {key}: .*{shape}.*Split Image with Alpha"
    ) as told:
        run(name, **inputs)
    kind = nodes.NODE_CLASS_MAPPINGS[name]
    has_mask = any("mask" in group for group in kind.INPUT_TYPES().values())
    assert ("to the input mask" in str(told.value)) is has_mask


def test_what_the_system_refuses_is_said_with_the_file(base):
    with pytest.raises(OSError, match=r"/output/a{300}_00001_\.png: the file name is too long"):
        run("SD2DepthSave", DEPTH, "a" * 300)
    assert not list((base / "output").iterdir())


def test_a_missing_package_is_named_with_what_to_do(base, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)  # importing it fails
    with pytest.raises(ImportError, match=r"EXR files need the package OpenEXR.*pip install Ope"):
        run("SD2DepthSave", DEPTH, "a", file_format="exr")
    error = ModuleNotFoundError("No module named 'timm'", name="timm.layers")
    assert explanation(error) == (
        "No module named 'timm'. With the Python that runs this: pip install timm"
    )
