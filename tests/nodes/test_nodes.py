"""Every node: its promises on the canvas, and what it does in the embedded engine."""

import inspect
import math

import cv2
import numpy as np
import pytest
import torch

from sd2_depth2img.checkpoints.checkpoint import IncompleteCheckpoint
from sd2_depth2img.checkpoints.files.errors import UnreadableFile
from sd2_depth2img.depth.depth_files import BUNDLED
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from sd2_depth2img.nodes.conditioning import SD2DepthEncode
from sd2_depth2img.nodes.depth_files import SD2DepthLoad, SD2DepthSave
from sd2_depth2img.nodes.estimate import SD2DepthEstimate
from sd2_depth2img.nodes.load import (
    BUNDLED_CHECKPOINT,
    SD2DepthCheckpointLoader,
    SD2DepthModelLoader,
)
from sd2_depth2img.nodes.sample import SD2DepthSampler
from sd2_depth2img.sampling.depth_channel import DEPTH_KEY, MissingDepthError
from sd2_depth2img.sampling.latents import StrengthRule

NODES = list(NODE_CLASS_MAPPINGS.values())

# What other tools may rely on: ids, inputs that must be given, types of the outputs.
INTERFACE = {
    "SD2DepthCheckpointLoader": (["ckpt_name"], ("MODEL", "CLIP", "VAE", "DEPTH_MODEL")),
    "SD2DepthSettings": (["model", "size", "steps", "cfg"], ("INT", "INT", "FLOAT")),
    "SD2DepthEstimate": (["image", "depth_model"], ("IMAGE",)),
    "SD2DepthLoad": (["image"], ("IMAGE",)),
    "SD2DepthSave": (["depth", "filename_prefix"], ()),
    "SD2DepthEditor": (["depth"], ("IMAGE", "MASK")),
    "SD2DepthPreview": (["depth"], ("IMAGE", "STRING")),
    "SD2DepthViewer": (["image", "depth"], ()),
    "SD2DepthParallax": (["image", "depth"], ("IMAGE",)),
    "SD2DepthSave3D": (["image", "depth", "filename_prefix"], ("STRING",)),
    "SD2DepthAdjust": (["depth"], ("IMAGE",)),
    "SD2DepthRefine": (["depth", "image"], ("IMAGE",)),
    "SD2DepthMerge": (["depth", "patch"], ("IMAGE",)),
    "SD2DepthFill": (["depth"], ("IMAGE",)),
    "SD2DepthRangeMask": (["depth", "near", "far"], ("MASK",)),
    "SD2DepthConvert": (["depth"], ("IMAGE",)),
    "SD2DepthPrepare": (["image"], ("IMAGE", "MASK", "IMAGE", "SD2DEPTH_STITCH")),
    "SD2DepthCrop": (["image", "mask", "depth"], ("IMAGE", "MASK", "IMAGE", "SD2DEPTH_STITCH")),
    "SD2DepthInpaintEncode": (["image", "mask", "vae"], ("LATENT",)),
    "SD2DepthStitch": (["stitch", "image"], ("IMAGE",)),
    "SD2DepthStrengthSweep": ([], ("FLOAT", "FLOAT", "STRING", "STRING")),
    "SD2DepthGrid": (["images"], ("IMAGE",)),
    "SD2DepthFidelity": (["image", "depth", "depth_model"], ("IMAGE", "IMAGE", "STRING", "INT")),
    "SD2DepthEncode": (["positive", "negative", "depth"], ("CONDITIONING", "CONDITIONING")),
    "SD2DepthFaster": (["model", "guidance_start", "guidance_end", "deep_every"], ("MODEL",)),
    "SD2DepthSampler": (
        "model seed steps cfg sampler_name scheduler "
        "positive negative latent_image denoise".split(),
        ("LATENT",),
    ),
}


@pytest.fixture(scope="module")
def loaded(mini_checkpoint):
    return SD2DepthCheckpointLoader().execute(str(mini_checkpoint))


@pytest.fixture(scope="module")
def prompts(loaded):
    clip = loaded[1]
    return [
        [[clip.encode(clip.tokenize(text)), {}]] for text in ("a marble statue", "ugly, blurry")
    ]


@pytest.fixture
def depth():
    ramp = torch.linspace(0, 1, 64).expand(64, 64)
    return ramp[None, ..., None].repeat(1, 1, 1, 3)


def sample(loaded, prompts, depth, latent, **options):
    settings = {"seed": 5, "steps": 2, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal"}
    positive, negative = SD2DepthEncode().execute(*prompts, depth)
    settings |= {"positive": positive, "negative": negative, "latent_image": latent, **options}
    return SD2DepthSampler().execute(loaded[0], **settings)[0]["samples"]


# --- on the canvas -------------------------------------------------------------------------------


def test_the_promised_nodes_are_there():
    assert {
        name: (list(node.INPUT_TYPES()["required"]), node.RETURN_TYPES)
        for name, node in NODE_CLASS_MAPPINGS.items()
        if name in INTERFACE
    } == INTERFACE
    assert set(NODE_DISPLAY_NAME_MAPPINGS) == set(NODE_CLASS_MAPPINGS)


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_every_node_explains_itself(node):
    assert node.__name__.startswith("SD2Depth")
    assert node.CATEGORY.startswith("SD2 Depth/")
    assert len(node.DESCRIPTION) > 40
    assert len(node.SEARCH_ALIASES) >= 3
    inputs = node.INPUT_TYPES()
    for kind in ("required", "optional"):
        for name, spec in inputs.get(kind, {}).items():
            assert len(spec[1]["tooltip"]) > 20, name
    assert len(node.RETURN_TYPES) == len(getattr(node, "OUTPUT_TOOLTIPS", ()))


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_inputs_and_execute_agree(node):
    inputs = node.INPUT_TYPES()
    names = [name for kind in ("required", "optional", "hidden") for name in inputs.get(kind, {})]
    parameters = inspect.signature(node.execute).parameters
    assert names == [name for name in parameters if name != "self"]
    for name, spec in inputs.get("optional", {}).items():
        # A socket that may stay empty has no default of its own.
        assert parameters[name].default == spec[1].get("default")


# --- loading -------------------------------------------------------------------------------------


def listed_checkpoints():
    return SD2DepthCheckpointLoader.INPUT_TYPES()["required"]["ckpt_name"][0]


def test_the_bundled_checkpoint_is_listed_after_the_users(base):
    name = BUNDLED_CHECKPOINT.name
    assert listed_checkpoints() == [name]
    place = base / "models" / "checkpoints"
    place.mkdir(parents=True)
    (place / "z.ckpt").touch()
    assert listed_checkpoints() == ["z.ckpt", name]
    (place / name).touch()
    assert listed_checkpoints() == [name, "z.ckpt"]


def test_the_bundled_checkpoint_is_complete(base):
    assert SD2DepthCheckpointLoader.VALIDATE_INPUTS(BUNDLED_CHECKPOINT.name) is True
    model, _, _, depth_model = SD2DepthCheckpointLoader().execute(BUNDLED_CHECKPOINT.name)
    assert model.in_channels == 5
    (depth,) = SD2DepthEstimate().execute(torch.rand(1, 64, 64, 3), depth_model, resolution=64)
    assert depth.max() > depth.min()


def test_a_users_file_with_the_name_of_the_bundled_one_wins(base):
    place = base / "models" / "checkpoints"
    place.mkdir(parents=True)
    (place / BUNDLED_CHECKPOINT.name).write_bytes(b"no weights")
    with pytest.raises(UnreadableFile, match="is not a weight file"):
        SD2DepthCheckpointLoader().execute(BUNDLED_CHECKPOINT.name)


def test_a_missing_checkpoint_says_where_it_was_looked_for(base):
    with pytest.raises(FileNotFoundError, match=r"512-depth\.safetensors.*models/checkpoints"):
        SD2DepthCheckpointLoader().execute("512-depth.safetensors")


def test_another_kind_of_file_is_named(base):
    from safetensors.torch import save_file

    save_file({"a.lora_up.weight": torch.zeros(2, 2)}, base / "style.safetensors")
    with pytest.raises(ValueError, match=r"This is a LoRA.* Load LoRA behind"):
        SD2DepthCheckpointLoader().run(ckpt_name=str(base / "style.safetensors"))


def test_a_checkpoint_without_midas_loads_and_complains_when_midas_is_used(base, mini_checkpoint):
    from safetensors.torch import load_file, save_file

    weights = {n: t for n, t in load_file(mini_checkpoint).items() if not n.startswith("depth_")}
    save_file(weights, base / "pruned.safetensors")
    depth_model = SD2DepthCheckpointLoader().execute(str(base / "pruned.safetensors"))[3]
    with pytest.raises(IncompleteCheckpoint, match=r"no MiDaS.* \(Depth Map Loader\)"):
        SD2DepthEstimate().execute(torch.rand(1, 64, 64, 3), depth_model)


@pytest.mark.parametrize(
    ("prefix", "place", "says"),
    [
        ("first_stage_model.", 2, r"no VAE inside\. Connect the VAE .* Load VAE"),
        ("cond_stage_model.", 1, r"no text encoder inside\. Connect the CLIP .* Load CLIP"),
    ],
)
def test_a_part_that_is_missing_says_what_to_connect(base, mini_checkpoint, prefix, place, says):
    from safetensors.torch import load_file, save_file

    weights = {n: t for n, t in load_file(mini_checkpoint).items() if not n.startswith(prefix)}
    save_file(weights, base / "pruned.safetensors")
    part = SD2DepthCheckpointLoader().execute(str(base / "pruned.safetensors"))[place]
    with pytest.raises(AttributeError, match=says) as refusal:
        part.encode("anything")
    # ComfyUI's own nodes do this, and the dialog shows the full name of any other class.
    assert refusal.type.__module__ == "builtins"


def test_an_incomplete_midas_says_how_to_write_the_file_without_it(base, mini_checkpoint):
    from safetensors.torch import load_file, save_file

    lost = "depth_model.model.scratch.layer1_rn.weight"
    save_file({n: t for n, t in load_file(mini_checkpoint).items() if n != lost}, base / "cut.ckpt")
    with pytest.raises(ValueError, match=r"1 are missing .*convert --without-midas`"):
        SD2DepthCheckpointLoader().run(ckpt_name=str(base / "cut.ckpt"))


# --- depth maps ----------------------------------------------------------------------------------


def test_estimates_a_batch_of_real_photographs_at_their_own_size(loaded, photo):
    images = torch.cat([photo[:, :200, :312], photo[:, 200:400, 200:512]])
    (maps,) = SD2DepthEstimate().execute(images, loaded[3], resolution=128)
    assert maps.shape == images.shape
    assert maps.dtype == torch.float32
    assert torch.equal(maps[..., 0], maps[..., 2])
    assert [maps[i].min().item() for i in (0, 1)] == [0.0, 0.0]
    assert [maps[i].max().item() for i in (0, 1)] == [1.0, 1.0]
    (first,) = SD2DepthEstimate().execute(images[:1], loaded[3], resolution=128)
    assert torch.equal(maps[:1], first)


def test_saved_maps_come_back_bit_for_bit(base):
    steps = torch.randint(0, 65536, (2, 33, 47), generator=torch.Generator().manual_seed(1))
    maps = (steps / 65535.0)[..., None].repeat(1, 1, 1, 3)
    saved = SD2DepthSave().execute(maps, "maps/scan", prompt={"1": {}})["ui"]["images"]
    assert [entry["filename"] for entry in saved] == ["scan_00001_.png", "scan_00002_.png"]
    assert saved[0]["subfolder"] == "maps"
    for entry, expected in zip(saved, steps, strict=True):
        path = base / "output" / "maps" / entry["filename"]
        written = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert written.dtype == np.uint16
        assert np.array_equal(written, expected.numpy())
        (back,) = SD2DepthLoad().execute(str(path))
        assert torch.equal((back[0, ..., 0] * 65535).round().long(), expected)


def test_load_reads_the_input_folder_inverts_and_notices_edits(base):
    path = base / "input" / "hand.png"
    cv2.imwrite(str(path), np.array([[0, 255], [51, 204]], np.uint8))
    (depth,) = SD2DepthLoad().execute("hand.png")
    assert torch.allclose(depth[0, ..., 1], torch.tensor([[0.0, 1.0], [0.2, 0.8]]))
    (inverted,) = SD2DepthLoad().execute("hand.png", invert=True)
    assert torch.allclose(inverted, 1 - depth)
    before = SD2DepthLoad.IS_CHANGED("hand.png")
    cv2.imwrite(str(path), np.zeros((2, 2), np.uint8))
    assert SD2DepthLoad.IS_CHANGED("hand.png") != before


def test_load_takes_the_layer_that_is_asked_for(base):
    near, far = np.full((2, 2), 0.75, np.float32), np.full((2, 2), 0.25, np.float32)
    np.savez(base / "input" / "two.npz", left=near, right=far)
    (depth,) = SD2DepthLoad().execute("two.npz", layer=" right ")
    assert (depth == 0.25).all()
    np.savez(base / "input" / "one.npz", image=near)
    # Workflows from before this input have the upload button's value in its place.
    (depth,) = SD2DepthLoad().execute("one.npz", layer="image")
    assert (depth == 0.75).all()


@pytest.mark.parametrize("file_format", ["tiff float", "exr", "npy", "npz", "pfm"])
def test_floats_come_back_exactly_and_are_shown_as_images(base, file_format):
    maps = torch.rand(2, 17, 9, 1).repeat(1, 1, 1, 3)
    shown = SD2DepthSave().execute(maps, "scan", file_format=file_format)["ui"]
    for entry, image, expected in zip(shown["files"], shown["images"], maps, strict=True):
        (back,) = SD2DepthLoad().execute(f"{entry['filename']} [output]")
        assert torch.equal(back[0], expected)
        assert image["type"] == "temp"
        seen = cv2.imread(str(base / "output" / "temp" / image["filename"]))
        assert np.abs(seen / 255 - expected.numpy()).max() <= 0.5 / 255 + 1e-6


def test_load_lists_images_and_files_of_numbers(base):
    for name in ("a.png", "b.exr", "c.NPY", "d.npz", "e.pfm", "f.tiff", "g.txt", "h.latent"):
        (base / "input" / name).touch()
    listed = SD2DepthLoad.INPUT_TYPES()["required"]["image"][0]
    assert listed == ["a.png", "b.exr", "c.NPY", "d.npz", "e.pfm", "f.tiff", BUNDLED.name]


def test_load_reads_metres_by_their_stated_range(base):
    np.save(base / "input" / "z.npy", np.float32([[2, 4], [6, 12]]))
    (depth,) = SD2DepthLoad().execute("z.npy", far=12.0, near=2.0)
    assert torch.allclose(depth[0, ..., 0], torch.tensor([[1.0, 0.8], [0.6, 0.0]]))
    (clipped,) = SD2DepthLoad().execute("z.npy", far=6.0, near=4.0, beyond="clip")
    assert clipped[0, ..., 0].tolist() == [[1, 1], [0, 0]]
    with pytest.raises(ValueError, match="run from 2 to 12"):
        SD2DepthLoad().execute("z.npy")


def test_load_says_before_the_run_that_a_file_is_missing(base):
    assert "gone.png" in SD2DepthLoad.VALIDATE_INPUTS("gone.png")


def test_load_waits_for_a_name_that_comes_by_a_wire_and_then_reads_anew(base):
    assert SD2DepthLoad.VALIDATE_INPUTS(None) is True
    assert math.isnan(SD2DepthLoad.IS_CHANGED(None))


@pytest.mark.parametrize("name", [None, 5, True])
@pytest.mark.parametrize("node", [SD2DepthLoad, SD2DepthCheckpointLoader, SD2DepthModelLoader])
def test_what_is_no_name_is_told_with_its_input(base, node, name):
    (of_name,) = node.INPUT_TYPES()["required"]
    with pytest.raises(ValueError, match=f"input {of_name}: {name} is no text; expected one"):
        node().run(**{of_name: name})
    if name is not None:
        assert node.VALIDATE_INPUTS(name) == f"{name} is no text; expected one"


# --- conditioning --------------------------------------------------------------------------------


def channel_of(depth, prompts, **options):
    positive, negative = SD2DepthEncode().execute(*prompts, depth, **options)
    assert positive[0][1][DEPTH_KEY] is negative[0][1][DEPTH_KEY]
    return positive[0][1][DEPTH_KEY].channel(1, 8, 8)


def test_encode_leaves_the_prompts_as_they_were(prompts, depth):
    channel_of(depth, prompts)
    assert DEPTH_KEY not in prompts[0][0][1]


def test_encode_takes_maps_of_every_make(prompts, depth, caplog):
    expected = channel_of(depth, prompts)
    assert torch.allclose(channel_of(depth.half(), prompts), expected, atol=2e-3)
    opaque = torch.cat([depth, torch.ones(1, 64, 64, 1)], dim=-1)
    assert torch.equal(channel_of(opaque, prompts), expected)
    assert caplog.text == ""
    assert (channel_of(torch.full_like(depth, 0.3), prompts) == -1).all()


def test_encode_repairs_broken_pixels_and_says_how_many(prompts, depth, caplog):
    broken = depth.clone()
    broken[0, 10, 10:13] = float("nan")
    broken[0, 20, 20] = float("inf")
    assert torch.allclose(channel_of(broken, prompts), channel_of(depth, prompts), atol=0.05)
    assert "4" in caplog.text


def test_encode_refuses_what_is_no_map(prompts):
    with pytest.raises(ValueError, match="64"):
        SD2DepthEncode().execute(*prompts, torch.rand(64, 64))
    with pytest.raises(ValueError, match="finite"):
        SD2DepthEncode().execute(*prompts, torch.full((1, 8, 8, 3), float("nan")))


# --- sampling ------------------------------------------------------------------------------------


def latent(seed, batch=1, size=(8, 8)):
    generator = torch.Generator().manual_seed(seed)
    return {"samples": 5 * torch.randn(batch, 4, *size, generator=generator)}


def test_at_full_strength_the_sources_colours_do_not_matter(loaded, prompts, depth):
    ours = [sample(loaded, prompts, depth, latent(seed)) for seed in (1, 2)]
    assert torch.equal(*ours)
    rule = StrengthRule.KSAMPLER.value
    theirs = [sample(loaded, prompts, depth, latent(seed), strength_rule=rule) for seed in (1, 2)]
    assert not torch.allclose(*theirs, atol=1e-3)


def test_below_full_strength_the_source_matters(loaded, prompts, depth):
    results = [sample(loaded, prompts, depth, latent(seed), denoise=0.6) for seed in (1, 2)]
    assert not torch.allclose(*results, atol=1e-2)


def test_the_depth_map_matters_and_strength_zero_switches_it_off(loaded, prompts, depth):
    maps = (depth, depth.flip(2))
    assert not torch.allclose(*(sample(loaded, prompts, one, latent(1)) for one in maps), atol=1e-3)
    flat = []
    for one in maps:
        positive, negative = SD2DepthEncode().execute(*prompts, one, strength=0.0)
        flat.append(sample(loaded, prompts, one, latent(1), positive=positive, negative=negative))
    assert torch.equal(*flat)


@pytest.mark.parametrize("denoise", [1.0, 0.5])
def test_outside_the_mask_the_latent_stays(loaded, prompts, depth, denoise):
    source = latent(1)
    source["noise_mask"] = torch.zeros(1, 64, 64)
    source["noise_mask"][:, :, 32:] = 1.0
    result = sample(loaded, prompts, depth, source, denoise=denoise)
    assert torch.allclose(result[..., :4], source["samples"][..., :4], atol=1e-4)
    assert not torch.allclose(result[..., 4:], source["samples"][..., 4:], atol=0.5)


def test_inside_the_mask_the_source_does_not_matter_at_full_strength(loaded, prompts, depth):
    mask = torch.zeros(1, 8, 8)
    mask[:, :, 4:] = 1.0
    first, second = latent(1), latent(2)
    second["samples"][..., :4] = first["samples"][..., :4]
    results = [
        sample(loaded, prompts, depth, {**source, "noise_mask": mask}) for source in (first, second)
    ]
    assert torch.equal(*results)


def test_batches_and_their_maps(loaded, prompts, depth):
    batch = latent(1, batch=4)
    one = sample(loaded, prompts, depth, batch)
    assert one.shape == (4, 4, 8, 8)
    four = sample(loaded, prompts, depth.repeat(4, 1, 1, 1), batch)
    assert torch.allclose(one, four, atol=1e-5)
    with pytest.raises(ValueError, match="3 depth maps cannot be shared out"):
        sample(loaded, prompts, depth.repeat(3, 1, 1, 1), batch)


def test_one_conditioning_serves_passes_of_any_size_odd_ones_too(loaded, prompts, depth):
    positive, negative = SD2DepthEncode().execute(*prompts, depth)
    for size in ((8, 8), (12, 12), (9, 13)):
        result = sample(
            loaded, prompts, depth, latent(1, size=size), positive=positive, negative=negative
        )
        assert result.shape == (1, 4, *size)
        assert torch.isfinite(result).all()


def test_without_depth_one_sentence_names_the_missing_node(loaded, prompts, depth):
    with pytest.raises(MissingDepthError, match='"Depth Encode"'):
        sample(loaded, prompts, depth, latent(1), positive=prompts[0], negative=prompts[1])
