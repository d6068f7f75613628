"""ComfyUI's own nodes as the engine has them, against the originals.

Every node of the engine's table is here: bit for bit on values (EXACT) or on files (FILES), or by
relative error where a network computes (NETWORKS), and by what it declares.
"""

import itertools
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.images.resample import CROPS, IMAGE_METHODS, LATENT_METHODS
from sd2_depth2img.tools.make_checkpoint import FULL, MINIATURE, random_weights
from sd2_depth2img.workflows.core_nodes import CORE_NODES
from sd2_depth2img.workflows.graph import Workflow

LIMIT = 1e-4  # relative L2 error of what a network computes


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


IMAGE, SMALL, RGBA = random(2, 13, 17, 3), random(1, 6, 9, 3, seed=1), random(2, 13, 17, 4, seed=2)
MASK, PATCH = random(2, 13, 17, seed=3), random(1, 6, 9, seed=4)
MASK[0, 0, :3] = torch.tensor([0.0, 0.5, 1.0])
SAMPLES = random(3, 4, 8, 6, seed=5) * 4 - 2
SAMPLES[0, :, 0, :2] = 0  # vectors without a direction
SAMPLES[1, :, 0, 1] = -SAMPLES[1, :, 0, 0]  # opposite directions
SAMPLES[2, :, 0, 1] = SAMPLES[2, :, 0, 0]  # the same direction
LATENT = {"samples": SAMPLES, "noise_mask": random(1, 1, 64, 48, seed=6)}
MASKED = {**LATENT, "noise_mask": random(3, 1, 64, 48, seed=7), "batch_index": [2, 3, 7]}
PROMPT = [[random(1, 77, 8), {"strength": 0.5}], [random(1, 77, 8, seed=8), {}]]
AREA = {"width": 128, "height": 72, "x": 8, "y": 16, "strength": 0.7}


def every(inputs, **choices):
    """The inputs with every combination of the choices."""
    names = list(choices)
    return [
        {**inputs, **dict(zip(names, chosen, strict=True))}
        for chosen in itertools.product(*choices.values())
    ]


EXACT = {
    "ImageScale": [
        case
        for width, height in ((7, 21), (40, 25), (0, 9), (30, 0), (0, 0))
        for case in every(
            {"width": width, "height": height},
            image=(IMAGE, RGBA),
            upscale_method=IMAGE_METHODS,
            crop=CROPS,
        )
    ],
    "ImageScaleBy": every(
        {"image": IMAGE}, upscale_method=IMAGE_METHODS, scale_by=(0.4, 1.0, 1.77)
    ),
    "ImageInvert": every({}, image=(IMAGE, RGBA)),
    "ImageBatch": [
        *every({}, image1=(IMAGE, SMALL), image2=(IMAGE, SMALL)),
        {"image1": RGBA, "image2": RGBA},
    ],
    "ImageFromBatch": every({"image": IMAGE}, batch_index=(0, 1, 7), length=(1, 2, 9)),
    "ImageCompositeMasked": [
        *every(
            {"destination": IMAGE},
            source=(IMAGE, SMALL, RGBA),
            x=(0, 5, 30),
            y=(0, 11),
            resize_source=(False, True),
        ),
        *every(
            {"destination": IMAGE, "source": SMALL, "x": 9, "y": 3},
            mask=(MASK, PATCH, MASK[0], random(1, 5, 31)),
            resize_source=(False, True),
        ),
    ],
    "EmptyImage": every({"width": 5, "height": 3}, batch_size=(1, 2), color=(0, 0xFF8001)),
    "GetImageSize": [{"image": IMAGE}],
    "MaskToImage": every({}, mask=(MASK, MASK[0])),
    "ImageToMask": [
        *every({"image": IMAGE}, channel=("red", "green", "blue")),
        {"image": RGBA, "channel": "alpha"},
    ],
    "InvertMask": every({}, mask=(MASK, MASK[0])),
    "SolidMask": every({"width": 5, "height": 3}, value=(0.0, 0.1, 1.0)),
    "ThresholdMask": every({"mask": MASK}, value=(0.0, 0.3, 0.5)),
    "MaskComposite": every(
        {},
        destination=(MASK, MASK[0]),
        source=(PATCH, PATCH[0], random(1, 30, 30)),
        x=(0, 12),
        y=(0, 4),
        operation=("multiply", "add", "subtract", "and", "or", "xor"),
    ),
    "FeatherMask": [
        *every({"right": 0, "bottom": 0}, mask=(MASK, MASK[0]), left=(0, 4, 40), top=(0, 7, 40))
    ],
    "ConditioningCombine": [{"conditioning_1": PROMPT, "conditioning_2": PROMPT[:1]}],
    "ConditioningSetArea": [{"conditioning": PROMPT, **AREA}],
    "ConditioningSetMask": every(
        {"conditioning": PROMPT, "strength": 0.7},
        mask=(MASK, MASK[0]),
        set_cond_area=("default", "mask bounds"),
    ),
    "EmptyLatentImage": every({"width": 72, "height": 136}, batch_size=(1, 3)),
    "SetLatentNoiseMask": every({}, samples=(LATENT, MASKED), mask=(MASK, MASK[0])),
    "GrowMask": every({}, mask=(MASK, MASK[0]), expand=(-2, 0, 3), tapered_corners=(True, False)),
    "LatentUpscale": [
        case
        for width, height in ((40, 72), (104, 0), (0, 200), (0, 0))
        for case in every(
            {"width": width, "height": height},
            samples=(LATENT, MASKED),
            upscale_method=LATENT_METHODS,
            crop=CROPS,
        )
    ],
    "LatentUpscaleBy": every(
        {}, samples=(LATENT, MASKED), upscale_method=LATENT_METHODS, scale_by=(0.6, 1.0, 1.5, 3.3)
    ),
    "RepeatLatentBatch": every(
        {},
        samples=(LATENT, MASKED, {**MASKED, "noise_mask": MASKED["noise_mask"][:2]}),
        amount=(1, 3),
    ),
    "LatentBatchSeedBehavior": every(
        {}, samples=(LATENT, MASKED), seed_behavior=("random", "fixed")
    ),
    "PrimitiveString": [{"value": "a (b:1.2)"}],
    "PrimitiveStringMultiline": [{"value": "a\nb"}],
    "PrimitiveBoolean": [{"value": True}],
    "PrimitiveInt": [{"value": -(2**63) + 1}],
    "PrimitiveFloat": [{"value": 0.1}],
}
FILES = {
    *("LoadImage", "LoadImageMask", "LoadLatent"),
    *("SaveImage", "PreviewImage", "MaskPreview", "SaveLatent", "PreviewAny", "Preview3D"),
}
NETWORKS = {"CheckpointLoaderSimple", "CLIPTextEncode", "VAEEncode", "VAEDecode", "KSampler"}
# In files of their own: test_in_comfyui_loras.py, …_parts.py, …_sampling_nodes.py, …_video.py,
# …_controlnet.py.
ELSEWHERE = {
    *("ControlNetLoader", "ControlNetApply", "ControlNetApplyAdvanced"),
    *("LoadVideo", "GetVideoComponents", "CreateVideo", "SaveVideo"),
    *("LoraLoader", "LoraLoaderModelOnly", "VAELoader", "UNETLoader", "CLIPLoader"),
    *("CLIPSetLastLayer", "VAEEncodeTiled", "VAEDecodeTiled", "KSamplerAdvanced"),
}
LISTS_OF_FILES = {
    *("image", "latent", "ckpt_name", "lora_name", "vae_name", "unet_name", "clip_name", "file"),
    "control_net_name",
}


def test_every_node_is_compared():
    assert set(EXACT) | FILES | NETWORKS | ELSEWHERE == set(CORE_NODES)


# --- running in both hosts -----------------------------------------------------------------------


def source(comfyui, file):
    """The text of a file of ComfyUI's, which tells more than its version."""
    return (comfyui.program / file).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def newer(comfyui):
    """Whether this ComfyUI reads images with PyAV, as versions after 0.3 do."""
    return "VideoFromFile" in source(comfyui, "nodes.py")


@pytest.fixture(scope="module")
def compare(run_both, give):
    """Runs one core node in both hosts: each output, theirs and ours."""

    def run(name, inputs):
        graph = {}
        for key, value in inputs.items():
            if isinstance(value, (torch.Tensor, dict, list)):
                graph[f"give {key}"] = give(value)
                inputs = {**inputs, key: [f"give {key}", 0]}
        graph["node"] = {"class_type": name, "inputs": inputs}
        for slot in range(len(CORE_NODES[name].RETURN_TYPES)):
            graph[f"keep {slot}"] = {"class_type": "TestKeep", "inputs": {"value": ["node", slot]}}
        return run_both(graph)

    return run


def same(theirs, ours):
    """Whether two values are equal to the bit; theirs may have entries that older ones lack."""
    if isinstance(ours, torch.Tensor):
        return theirs.dtype == ours.dtype and torch.equal(theirs, ours)
    if isinstance(ours, dict):
        return ours.keys() <= theirs.keys() and all(same(theirs[k], ours[k]) for k in ours)
    if isinstance(ours, (list, tuple)):
        return len(theirs) == len(ours) and all(map(same, theirs, ours))
    return type(theirs) is type(ours) and theirs == ours


@pytest.mark.parametrize("name", EXACT)
def test_gives_what_the_original_gives(compare, name):
    for inputs in EXACT[name]:
        for theirs, ours in compare(name, inputs):
            assert same(theirs, ours), inputs


@pytest.mark.parametrize("mask", [MASK, MASK[0]])
def test_feather_mask_at_the_other_sides(compare, mask):
    """By reflection: ComfyUI 0.3 was one pixel off at the right and at the bottom."""
    for size in (3, 5, 40):
        ((_, ours),) = compare(
            "FeatherMask", {"mask": mask, "left": 0, "top": 0, "right": size, "bottom": size}
        )
        reflected = {"mask": mask.flip(-1, -2), "left": size, "top": size, "right": 0, "bottom": 0}
        ((theirs, _),) = compare("FeatherMask", reflected)
        assert same(theirs.flip(-1, -2), ours)


@pytest.mark.parametrize("image", [IMAGE, SMALL])
@pytest.mark.parametrize("first", ["image1", "image2"])
def test_a_batch_of_images_with_and_without_alpha(comfyui, compare, image, first):
    if "image1.shape[-1] != image2.shape[-1]" not in source(comfyui, "nodes.py"):
        pytest.skip("older versions of ComfyUI fail on it")
    inputs = {"image1": image, "image2": image, first: RGBA}
    ((theirs, ours),) = compare("ImageBatch", inputs)
    assert same(theirs, ours)


def test_composite_onto_an_image_with_alpha(compare, newer):
    if not newer:
        pytest.skip("ComfyUI 0.3 fails on it")
    inputs = {"destination": RGBA, "source": SMALL, "x": 2, "y": 1, "resize_source": False}
    ((theirs, ours),) = compare("ImageCompositeMasked", inputs)
    assert same(theirs, ours)


# --- files ---------------------------------------------------------------------------------------

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 4), dtype=np.uint8)
COLOUR = Image.fromarray(PIXELS[..., :3])
GREY = Image.fromarray(PIXELS[..., 0])
FRAMES = [Image.fromarray(np.roll(PIXELS, shift, 0)) for shift in range(3)]


def lying():
    """EXIF: the camera was turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


IMAGES = {
    "colour.png": (COLOUR, {}),
    "alpha.png": (Image.fromarray(PIXELS), {}),
    "grey.png": (GREY, {}),
    "grey alpha.png": (Image.fromarray(PIXELS[..., :2], "LA"), {}),
    "one bit.png": (GREY.convert("1"), {}),
    "palette.png": (COLOUR.quantize(8), {}),
    "transparent palette.png": (COLOUR.quantize(8), {"transparency": 2}),
    "lying.png": (COLOUR, {"exif": lying()}),
}
# Versions of ComfyUI decode these in two ways; where they differ, the engine follows the newer.
OLDER = {"photo.jpg": (COLOUR, {"quality": 90}), "lying.jpg": (COLOUR, {"exif": lying()})}
NEWER = {
    "sixteen bits.png": (Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257 + 1), {}),
    "transparent colour.png": (COLOUR, {"transparency": tuple(PIXELS[0, 0, :3].tolist())}),
}
# The newer decoder (PyAV) rounds grey a second time.
ROUNDED = {"grey.png", "grey alpha.png", "one bit.png", "sixteen bits.png"}
CHANNELS = ("alpha", "red", "green", "blue")


@pytest.mark.parametrize("file", [*IMAGES, *OLDER, *NEWER])
def test_load_image(comfyui, compare, newer, file):
    if file in (OLDER if newer else NEWER):
        pytest.skip(f"this ComfyUI reads {file} in another way")
    image, options = {**IMAGES, **OLDER, **NEWER}[file]
    image.save(comfyui.folder("input") / file, **options)
    (theirs, ours), _ = compare("LoadImage", {"image": file})
    if newer and file in ROUNDED:
        assert torch.allclose(theirs, ours, rtol=0, atol=1 / 255)
    else:
        assert same(theirs, ours)
    for channel in CHANNELS:
        ((theirs, ours),) = compare("LoadImageMask", {"image": file, "channel": channel})
        if channel == "alpha" and not ours.any():  # without transparency
            assert not theirs.any()  # zeros as well, in some versions of the image's size
        elif newer and file in ROUNDED:
            assert torch.allclose(theirs, ours, rtol=0, atol=1 / 255)
        else:
            assert same(theirs, ours)


@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_load_image_with_several_frames(comfyui, compare, newer, suffix):
    if newer and suffix == "gif":
        pytest.skip("this ComfyUI reads the first frame only")
    file = f"frames.{suffix}"
    frames = [frame.convert("RGB") if suffix == "gif" else frame for frame in FRAMES]
    path = comfyui.folder("input") / file
    frames[0].save(path, save_all=True, append_images=frames[1:])
    for theirs, ours in compare("LoadImage", {"image": file}):
        assert len(ours) == 3
        assert same(theirs, ours)


@pytest.mark.parametrize("mark", [True, False])
def test_load_latent(comfyui, compare, mark):
    tensors = {"latent_tensor": SAMPLES, "latent_format_version_0": torch.tensor([])}
    tensors = tensors if mark else {"latent_tensor": SAMPLES.half()}
    save_file(tensors, comfyui.folder("input") / f"{mark}.latent")
    ((theirs, ours),) = compare("LoadLatent", {"latent": f"{mark}.latent"})
    assert same(theirs, ours)


@pytest.fixture
def save_both(comfyui, runner, give):
    """Runs an output node in both hosts: what it shows, theirs and ours."""

    def run(name, key, value, **inputs):
        graph = {
            "give": give(value),
            "save": {"class_type": name, "inputs": {key: ["give", 0], **inputs}},
        }
        extra = {"workflow": {"nodes": [], "links": [], "made": "hère"}}
        theirs = comfyui.run(graph, {"extra_pnginfo": extra})["save"]
        return theirs, runner.run(Workflow(graph, extra["workflow"])).ui["save"]

    return run


def our_file(engine, entry):
    folder = engine.output / "temp" if entry["type"] == "temp" else engine.output
    return folder / entry["subfolder"] / entry["filename"]


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("SaveImage", "images", IMAGE * 1.4 - 0.2),
        ("SaveImage", "images", RGBA),
        ("PreviewImage", "images", IMAGE),
        ("MaskPreview", "mask", MASK),
        ("MaskPreview", "mask", MASK[0]),
    ],
)
def test_saved_images(comfyui, engine, newer, save_both, request, name, key, value):
    prefix = f"both/{request.node.name}"[:40].replace("[", " ")
    inputs = {"filename_prefix": prefix} if name == "SaveImage" else {}
    theirs, ours = save_both(name, key, value, **inputs)
    assert len(theirs["images"]) == len(ours["images"])
    for their_entry, our_entry in zip(theirs["images"], ours["images"], strict=True):
        if name == "SaveImage":  # previews have random names
            assert their_entry == our_entry
        assert their_entry["type"] == our_entry["type"]
        with (
            Image.open(comfyui.file(their_entry)) as their_image,
            Image.open(our_file(engine, our_entry)) as our_image,
        ):
            assert their_image.mode == our_image.mode
            assert np.array_equal(np.asarray(their_image), np.asarray(our_image))
            if newer and name == "MaskPreview":  # which no longer carries the workflow
                continue
            assert their_image.text.keys() == our_image.text.keys()
            assert their_image.text["workflow"] == our_image.text["workflow"]
            assert json.loads(their_image.text["prompt"]).keys() == {"give", "save"}


def test_saved_latents(comfyui, engine, save_both):
    theirs, ours = save_both("SaveLatent", "samples", LATENT, filename_prefix="both/latent")
    assert theirs == ours
    (entry,) = ours["latents"]
    saved = [load_file(path) for path in (comfyui.file(entry), our_file(engine, entry))]
    assert same(*saved)
    assert saved[0].keys() == saved[1].keys()


@pytest.mark.parametrize("value", ["text", 7, 0.1, True, [1, "a"], {"a": {"b": [1.5, None]}}])
def test_shown_texts(comfyui, save_both, value):
    theirs, ours = save_both("PreviewAny", "source", value)
    if isinstance(value, (list, dict)) and "indent=4" not in source(
        comfyui, "comfy_extras/nodes_preview_any.py"
    ):  # older versions write it in one line
        assert json.loads(theirs["text"][0]) == json.loads(ours["text"][0])
    else:
        assert theirs["text"] == list(ours["text"])


def test_a_shown_3d_file(save_both):
    theirs, ours = save_both("Preview3D", "model_file", "3d/depth_00001_.glb")
    assert theirs == ours


# --- networks ------------------------------------------------------------------------------------


@pytest.fixture
def unet_and_vae(comfyui):
    """A checkpoint whose VAE has the real widths; Load Checkpoint takes no other."""
    parts = {Part.UNET: (MINIATURE.unet, torch.float32), Part.VAE: (FULL.vae, torch.float16)}
    weights = {}
    for part, (structure, dtype) in parts.items():
        shapes = {part.value + name: shape for name, shape in structure.tensors().items()}
        weights |= random_weights(shapes, 0, dtype)
    path = comfyui.folder("models/checkpoints") / "unet and vae.safetensors"
    save_file(weights, path)
    yield path.name
    path.unlink()


def test_networks(comfyui, run_both, depth_graph, photo, unet_and_vae):
    """From a photograph to an image: prompts, VAE both ways, two samplings."""
    pixels = (photo[0, 64:128, 64:128] * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(comfyui.folder("input") / "core photo.png")
    graph = depth_graph(encode_depth=False)
    loader = graph.add("CheckpointLoaderSimple", ckpt_name=unet_and_vae)
    graph.model, graph.vae = loader(0), loader(2)
    prompt = graph.prompt("a (red:1.3) cottage by the sea")
    graph.positive, graph.negative = graph.encode(prompt, graph.prompt("blurry"))
    image = graph.add("LoadImage", image="core photo.png")
    encoded = graph.add("VAEEncode", pixels=image(), vae=graph.vae)()
    pure = graph.sample("KSampler")
    partly = graph.sample("KSampler", latent_image=encoded, denoise=0.6, sampler_name="heun")
    decoded = graph.add("VAEDecode", samples=partly, vae=graph.vae)()
    for link in (prompt, encoded, pure, partly, decoded):
        graph.add("TestKeep", value=link)
    prompts, *latents, images = run_both(graph)
    contexts = [conditioning[0][0] for conditioning in prompts]
    samples = [[latent["samples"] for latent in pair] for pair in latents]
    for theirs, ours in (contexts, *samples, images):
        assert theirs.shape == ours.shape
        assert (ours - theirs).norm() < LIMIT * theirs.norm()


# --- what nodes declare --------------------------------------------------------------------------

COMPARED = ("default", "min", "max", "step", "round", "multiline", "dynamicPrompts")

OF_THE_PAGE = {("Preview3D", "image")}  # widgets that the server knows nothing of


@pytest.mark.parametrize("name", CORE_NODES)
def test_declares_what_the_original_declares(comfyui, name):
    """The original may have more inputs and choices; the defaults are its own."""
    kind = CORE_NODES[name]
    info = comfyui.get(f"/object_info/{name}")[name]
    if name == "SaveVideo" and "codec" not in info["input"]["required"]:
        pytest.skip("this ComfyUI chooses codecs in another way")
    ours = kind.INPUT_TYPES()
    for group in ("required", "optional"):
        original = info["input"].get(group, {})
        mine = {
            key: spec for key, spec in ours.get(group, {}).items() if (name, key) not in OF_THE_PAGE
        }
        assert list(mine) == [one for one in original if one in mine]
        assert group == "optional" or mine.keys() == original.keys()
        for key, (kind_of_mine, *options) in mine.items():
            kind_of_theirs, *theirs = original[key]
            _compare_types(key, kind_of_mine, kind_of_theirs, *(theirs or [{}]))
            _compare_options(options[0] if options else {}, theirs[0] if theirs else {})
    if info["output"] or not info["output_node"]:  # older output nodes hand nothing on
        count = len(kind.RETURN_TYPES)  # newer ones may give more
        assert info["output"][:count] == list(kind.RETURN_TYPES)
        assert info["output_name"][:count] == list(getattr(kind, "RETURN_NAMES", kind.RETURN_TYPES))
    assert info["output_node"] == getattr(kind, "OUTPUT_NODE", False)


def _compare_types(name, mine, theirs, options):
    if isinstance(mine, str):
        assert mine in theirs.split(",")  # some take other types as well
    elif name not in LISTS_OF_FILES:
        choices = options["options"] if theirs == "COMBO" else theirs
        assert mine == [one for one in choices if one in mine] or set(mine) <= set(choices)


def _compare_options(mine, theirs):
    assert "default" in mine or "default" not in theirs
    for option in mine.keys() & theirs.keys() & set(COMPARED):
        assert mine[option] == theirs[option], option
    assert bool(mine.get("control_after_generate")) == bool(theirs.get("control_after_generate"))
