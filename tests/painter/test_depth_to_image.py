"""`DepthToImage` paints what nodes and command line paint, and only where it is asked to.

Most tests use a small random checkpoint: what it paints is of no beauty, but of every width.
"""

import warnings

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.torch import load_file, save_file

from sd2_depth2img import DepthToImage
from sd2_depth2img.cli import main
from sd2_depth2img.engine import folders
from sd2_depth2img.nodes.conditioning import SD2DepthEncode
from sd2_depth2img.nodes.crop import SD2DepthPrepare
from sd2_depth2img.nodes.estimate import SD2DepthEstimate
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from sd2_depth2img.nodes.sample import SD2DepthSampler
from sd2_depth2img.workflows.core_nodes.conditioning import clip_text_encode
from sd2_depth2img.workflows.core_nodes.load import read_image
from sd2_depth2img.workflows.core_nodes.save import to_pil

pytestmark = pytest.mark.usefixtures("one_thread")

EXAMPLE = BUNDLED_CHECKPOINT.parents[1] / "example_workflows" / "Depth to Image.json"
PROMPT, NEGATIVE, SEED = "a red clay statue on a blue background", "blurry", 11
HERE = "the photo"
QUICK = {"steps": 1, "negative": NEGATIVE, "seed": SEED}


def arrays_of(images):
    return [np.asarray(image) for image in images]


def same(found, expected):
    assert len(found) == len(expected)
    return all(map(np.array_equal, arrays_of(found), arrays_of(expected)))


# --- three ways ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick_photo(photo, tmp_path_factory):
    """Half as large as the miniature wants it, [128, 192]."""
    pixels = (photo[0, 40:168, 140:332] * 255).round().to(torch.uint8).numpy()
    path = tmp_path_factory.mktemp("three ways") / "photo.png"
    PIL.Image.fromarray(pixels).save(path)
    return path


def test_python_the_command_and_the_nodes_give_the_same_bits(quick_photo, base, capsys):
    settings = {"steps": 2, "seed": SEED}
    with pytest.warns(UserWarning, match="192 x 128 pixels, and the checkpoint was trained"):
        (ours,) = DepthToImage()(
            PROMPT, image=PIL.Image.open(quick_photo), negative=NEGATIVE, size=128, **settings
        )

    before = folders.current()
    options = ["--image", quick_photo, "--prompt", PROMPT, "--negative", NEGATIVE, "--seed", SEED]
    options += ["--set", "SD2DepthSettings.size=128", "--set", "SD2DepthSettings.steps=2"]
    command = ["run", EXAMPLE, *options, "--base", base]
    assert main.main([str(one) for one in command]) == 0
    folders.use(before)
    (file,) = base.glob("output/*.png")
    with PIL.Image.open(file) as commands:
        assert np.array_equal(np.asarray(ours), np.asarray(commands))

    with torch.inference_mode():
        model, clip, vae, depth_model = SD2DepthCheckpointLoader().execute(BUNDLED_CHECKPOINT.name)
        image = SD2DepthPrepare().execute(read_image(quick_photo)[0], size=128)[0]
        (depth,) = SD2DepthEstimate().execute(image, depth_model)
        prompts = (clip_text_encode(text, clip) for text in (PROMPT, NEGATIVE))
        positive, negative = SD2DepthEncode().execute(*prompts, depth)
        sampling = {"cfg": 3.0, "sampler_name": "dpmpp_2m", "scheduler": "karras", **settings}
        (latent,) = SD2DepthSampler().execute(
            model,
            **sampling,
            positive=positive,
            negative=negative,
            latent_image={"samples": vae.encode(image)},
        )
        nodes = to_pil(vae.decode(latent["samples"])[0])
    assert np.array_equal(np.asarray(ours), np.asarray(nodes))


def test_what_suits_the_model_is_the_default(painter, pixels):
    assert (painter.size, painter.steps, painter.cfg) == (256, 20, 3.0)
    steps = []
    painter(PROMPT, image=pixels[:16, :16], callback=lambda *step: steps.append(step[:2]))
    assert steps == [(n, 20) for n in range(1, 21)]
    assert same(
        painter(PROMPT, image=pixels, **QUICK), painter(PROMPT, image=pixels, cfg=3.0, **QUICK)
    )


# --- the model -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the image has")
def test_a_file_a_folder_and_a_name_give_the_same_bits(
    mini_checkpoint, diffusers_folder, base, pixels
):
    place = base / "models" / "checkpoints"
    place.mkdir(parents=True)
    (place / "mine.safetensors").symlink_to(mini_checkpoint)
    paint = {"depth": pixels[..., 0], "size": 64, **QUICK}
    expected = DepthToImage(mini_checkpoint, device="cpu")(PROMPT, **paint)
    for model in (
        str(mini_checkpoint),
        f"{diffusers_folder}/",
        diffusers_folder,
        "mine.safetensors",
    ):
        assert same(DepthToImage(model)(PROMPT, **paint), expected)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_loras_are_those_of_load_lora(checkpoint, base, pixels, strength):
    path = base / "models" / "loras" / "style.safetensors"
    path.parent.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    stem = "diffusion_model.input_blocks.0.0"
    up, down = (
        torch.randn(*shape, generator=generator) for shape in ((128, 2, 1, 1), (2, 5, 3, 3))
    )
    save_file({f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}, path)
    merged = load_file(checkpoint)
    weight = merged["model.diffusion_model.input_blocks.0.0.weight"]
    weight += strength * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
    save_file(merged, base / "merged.safetensors")

    lora = path.name if strength == 1.0 else {path: strength}
    changed = DepthToImage(checkpoint, lora=lora)(PROMPT, image=pixels, **QUICK)
    expected = DepthToImage(base / "merged.safetensors")(PROMPT, image=pixels, **QUICK)
    plain = DepthToImage(checkpoint)(PROMPT, image=pixels, **QUICK)
    assert same(changed, expected)
    assert not same(changed, plain)


def test_models_that_are_missing_or_something_else_are_named(tmp_path, checkpoint):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint 'nowhere\.safetensors'"):
        DepthToImage("nowhere.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no LoRA 'nowhere\.safetensors'"):
        DepthToImage(checkpoint, lora="nowhere.safetensors")
    with pytest.raises(TypeError, match="lora strength is 'much'"):
        DepthToImage(checkpoint, lora={"a.safetensors": "much"})
    weights = load_file(checkpoint)
    first = "model.diffusion_model.input_blocks.0.0.weight"
    weights[first] = weights[first][:, :4].clone()
    save_file(weights, tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match=r"depth2img convert --fine-tune"):
        DepthToImage(tmp_path / "plain.safetensors")


def test_without_midas_a_depth_map_is_asked_for(tmp_path, checkpoint, pixels):
    weights = load_file(checkpoint)
    pruned = {name: one for name, one in weights.items() if not name.startswith("depth_model.")}
    assert len(pruned) < len(weights)
    save_file(pruned, tmp_path / "pruned.safetensors")
    painter = DepthToImage(tmp_path / "pruned.safetensors")
    with pytest.raises(ValueError, match=r"no MiDaS depth network.*Give a depth map.*`depth`"):
        painter(PROMPT, image=pixels, **QUICK)
    assert painter(PROMPT, depth=pixels[..., 0], **QUICK)[0].size == (96, 64)


# --- sizes ---------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 50), width=st.integers(1, 50))
def test_the_result_has_the_photos_size(painter, pixels, height, width):
    photo = pixels[:height, :width]
    (image,) = painter(PROMPT, image=photo, strength=0.5, **QUICK)
    assert image.size == (width, height)


def test_sides_that_are_no_multiples_of_8_are_continued_and_cut_off(painter, pixels):
    photo = pixels[:61, :93]
    padded = np.pad(photo, ((2, 1), (2, 1), (0, 0)), mode="edge")
    depth = painter.estimate(photo)
    common = {"strength": 0.6, **QUICK}
    (image,) = painter(PROMPT, image=photo, **common)
    around = np.pad(depth, ((2, 1), (2, 1)), mode="edge")
    (expected,) = painter(PROMPT, image=padded, depth=around, **common)
    assert np.array_equal(np.asarray(image), np.asarray(expected)[2:-1, 2:-1])


def test_a_photo_far_from_the_trained_size_is_painted_at_that_with_a_warning(pixels):
    photo = PIL.Image.fromarray(pixels)
    with pytest.warns(UserWarning, match="96 x 64 pixels: it is painted with a short side of 256"):
        (image,) = DepthToImage()(PROMPT, image=photo, steps=1)
    assert image.size == photo.size


def test_a_size_is_painted_at_and_brought_back(painter, pixels):
    sizes = []
    (image,) = painter(
        PROMPT, image=pixels, size=128, callback=lambda *step: sizes.append(step[2].shape), **QUICK
    )
    assert sizes == [(1, 4, 16, 24)]
    assert image.size == (96, 64)


# --- masks ---------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    mask=arrays.arrays(np.uint8, (6, 8), elements=st.sampled_from([0, 0, 90, 255])),
    crop=st.booleans(),
)
@pytest.mark.filterwarnings("ignore")
def test_outside_of_the_mask_every_pixel_stays(painter, pixels, mask, crop):
    photo, mask = pixels[:54, :72], mask.repeat(9, axis=0).repeat(9, axis=1)
    (image,) = painter(
        PROMPT, image=photo, mask=mask, crop=crop, size=64 if crop else None, **QUICK
    )
    differs = (np.asarray(image) != photo).any(axis=-1)
    assert not differs[mask == 0].any()
    if (mask == 255).sum() > 200:
        assert differs[mask > 0].any()


def test_a_crop_sees_the_part_under_the_mask_alone(painter, pixels):
    """What is far from the mask has no influence; without a crop it has."""
    mask = np.zeros((64, 96), np.uint8)
    mask[20:40, 10:30] = 255
    depth = np.linspace(0, 1, 64 * 96, dtype=np.float32).reshape(64, 96)
    other = pixels.copy()
    other[:, 70:] = 255 - other[:, 70:]
    for crop in (True, False):
        settings = {"mask": mask, "depth": depth, "crop": crop, "size": 64, "padding": 8, **QUICK}
        one, two = (painter(PROMPT, image=photo, **settings)[0] for photo in (pixels, other))
        part = np.asarray(one)[:, :64], np.asarray(two)[:, :64]
        assert np.array_equal(*part) == crop


def test_an_empty_mask_gives_the_photo_back_and_says_so(painter, pixels):
    with pytest.warns(UserWarning, match="the mask is empty"):
        (image,) = painter(PROMPT, image=pixels, mask=np.zeros((64, 96), bool), **QUICK)
    assert np.array_equal(np.asarray(image), pixels)


# --- depth ---------------------------------------------------------------------------------------


def test_the_estimated_map_is_the_one_that_is_painted_from(painter, pixels):
    depth = painter.estimate(PIL.Image.fromarray(pixels))
    assert (depth.dtype, depth.shape) == (np.float32, (64, 96))
    assert (depth.min(), depth.max()) == (0.0, 1.0)
    without = painter(PROMPT, image=pixels, **QUICK)
    assert same(painter(PROMPT, image=pixels, depth=depth, **QUICK), without)
    assert not same(painter(PROMPT, image=pixels, depth=1 - depth, **QUICK), without)


def test_a_depth_map_alone_is_enough(painter, pixels):
    depth = PIL.Image.fromarray(pixels[..., 1])
    expected = painter(PROMPT, depth=depth, **QUICK)
    assert expected[0].size == depth.size
    assert same(painter(PROMPT, image=pixels, depth=depth, **QUICK), expected)


def test_holes_in_a_depth_map_are_filled_with_a_warning(painter, pixels):
    depth = pixels[..., 1] / np.float32(255)
    depth[5, 5:9] = np.nan
    with pytest.warns(UserWarning, match="4 of 6144 depth pixels are NaN or infinite"):
        painter(PROMPT, depth=depth, **QUICK)


def test_distances_are_refused(painter, pixels):
    with pytest.raises(ValueError, match=r"expected 0 \(far\) to 1 \(near\).*1 / d"):
        painter(PROMPT, depth=pixels[..., 1] / np.float32(20), **QUICK)


# --- several at once -----------------------------------------------------------------------------


def test_lists_give_what_as_many_calls_give(painter, pixels):
    photos = [pixels, PIL.Image.fromarray(pixels[:40, :40])]
    prompts, seeds = ["a castle", "a forest"], [3, 4]
    found = painter(prompts, image=photos, seed=seeds, steps=1)
    expected = [
        painter(prompt, image=photo, seed=seed, steps=1)[0]
        for prompt, photo, seed in zip(prompts, photos, seeds, strict=True)
    ]
    assert same(found, expected)
    assert same(
        painter(prompts, image=pixels, steps=1),
        painter("a castle", image=pixels, steps=1) + painter("a forest", image=pixels, steps=1),
    )
    batch = np.stack([pixels, pixels[::-1]])
    assert same(painter("x", image=batch, steps=1), painter("x", image=list(batch), steps=1))


def test_a_count_is_a_batch_with_noise_of_its_own(painter, pixels):
    shapes = []
    images = painter(
        PROMPT, image=pixels, count=3, callback=lambda *step: shapes.append(step[2].shape), **QUICK
    )
    assert shapes == [(3, 4, 8, 12)]
    assert len(images) == 3
    assert len({image.tobytes() for image in images}) == 3


# --- each step -----------------------------------------------------------------------------------


def test_the_last_steps_latent_is_the_result(painter, pixels):
    seen = []
    (image,) = painter(
        PROMPT, image=pixels, steps=3, callback=lambda *step: seen.append(step) or True
    )
    assert [step[:2] for step in seen] == [(1, 3), (2, 3), (3, 3)]
    assert same(painter.decode(seen[-1][2]), [image])
    assert not same(painter.decode(seen[0][2]), [image])


def test_false_ends_the_run(painter, pixels):
    steps = []

    def callback(step, steps_, latent):
        steps.append(step)
        return step < 2

    with pytest.raises(DepthToImage.Cancelled, match="returned False at step 2 of 5"):
        painter(PROMPT, image=pixels, steps=5, callback=callback)
    assert steps == [1, 2]
    assert painter(PROMPT, image=pixels, steps=1)  # and the next one knows nothing of it


@pytest.mark.parametrize(
    "kind", [OSError, ImportError, ValueError, KeyboardInterrupt, RuntimeError]
)
def test_what_a_callback_raises_leaves_as_it_is(painter, pixels, kind):
    mine = kind(28, "mine")

    def callback(*_):
        raise mine

    with pytest.raises(kind) as caught:
        painter(PROMPT, image=pixels, callback=callback, **QUICK)
    assert caught.value is mine


# --- warnings and errors -------------------------------------------------------------------------


def test_warnings_point_to_the_callers_line(painter, pixels):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        painter(PROMPT, image=pixels, mask=np.ones((32, 48)), **QUICK)
    assert any("the mask has 48 x 32 pixels" in str(one.message) for one in found)
    assert {one.filename for one in found} == {__file__}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "neither image nor depth; give a photo"),
        ({"depth": HERE, "strength": 0.5}, "strength 0.5 keeps something of an image"),
        ({"depth": HERE, "mask": np.ones((64, 96))}, "give that image"),
        ({"image": HERE, "crop": True}, "crop cuts out what is under the mask, .*give a mask"),
        ({"image": HERE, "depth": np.zeros((64, 64))}, "96 x 64: they have different shapes"),
        ({"image": HERE, "mask": np.ones((64, 64))}, "Give a mask of the size of the image"),
        ({"image": HERE, "mask": np.full((64, 96), np.nan)}, "mask holds 6144 NaN"),
        ({"image": HERE, "size": 100}, "100 pixels; expected a multiple of 64"),
        ({"image": HERE, "scheduler": "linear"}, "scheduler is 'linear'; expected one of"),
        ({"image": HERE, "negative": ["a", "b", "c"], "seed": [1, 2]}, "negative 3, seed 2"),
        ({"image": HERE, "seed": 2**64}, "seed: 18446744073709551616 is out of range"),
        ({"image": HERE, "crop": 1}, "crop is of type int; expected True or False"),
        ({"image": "photo.jpg"}, "PIL.Image.open"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_what_does_not_go_together_is_said_before_anything_runs(painter, pixels, arguments, said):
    given = {name: pixels if one is HERE else one for name, one in arguments.items()}
    steps = []
    with pytest.raises((ValueError, TypeError), match=said):
        painter(PROMPT, **given, callback=lambda *step: steps.append(step))
    assert not steps


side = st.integers(1, 24)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(photo=st.tuples(side, side), mask=st.tuples(side, side), depth=st.tuples(side, side))
@pytest.mark.filterwarnings("ignore")
def test_sizes_fit_or_are_refused_with_both_named(painter, pixels, photo, mask, depth):
    height, width = photo
    maps = {"mask": np.ones(mask), "depth": np.linspace(0, 1, depth[0] * depth[1]).reshape(depth)}
    try:
        (image,) = painter(PROMPT, image=pixels[:height, :width], **maps, **QUICK)
    except ValueError as refused:
        found, said = photo, str(refused)
        assert (mask, depth) != (photo, photo)
    else:
        found, said = image.size[::-1], f"{width} x {height}"
    assert found == photo
    assert f"{width} x {height}" in said


def test_what_is_no_latent_is_refused(painter, pixels):
    with pytest.raises(TypeError, match="latent is of type ndarray; expected the tensor"):
        painter.decode(pixels)
    with pytest.raises(ValueError, match=r"latent of shape \[1, 3, 8, 8\]"):
        painter.decode(torch.zeros(1, 3, 8, 8))


def test_estimate_takes_one_picture(painter, pixels):
    with pytest.raises(ValueError, match="image holds 2 pictures; give one at a time"):
        painter.estimate([pixels, pixels])


def test_a_precision_is_the_painters_own(checkpoint, painter, pixels):
    half = DepthToImage(checkpoint, device="cpu", precision="bf16")
    exact = painter(PROMPT, image=pixels, **QUICK)
    rounded = half(PROMPT, image=pixels, **QUICK)
    assert not same(rounded, exact)
    error = np.subtract(*(one.astype(float) for one in arrays_of([*rounded, *exact])))
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 25
    assert same(DepthToImage(checkpoint, device="cpu")(PROMPT, image=pixels, **QUICK), exact)
    with pytest.raises(ValueError, match="precision is 'half'; expected one of auto, fp32, bf16"):
        DepthToImage(checkpoint, precision="half")


def test_a_device_that_is_not_there_is_named(checkpoint):
    with pytest.raises(ValueError, match="the device 'teapot' cannot be used"):
        DepthToImage(checkpoint, device="teapot")
