"""ComfyUI's own nodes in the embedded engine: results against known truth.

`tests/comfyui/test_in_comfyui_core_nodes.py` compares every node with ComfyUI's own.
"""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.checkpoints.files.errors import UnreadableFile
from sd2_depth2img.engine import folders
from sd2_depth2img.images.files import UnreadableImage
from sd2_depth2img.images.resample import IMAGE_METHODS, LATENT_METHODS
from sd2_depth2img.workflows.core_nodes import CORE_NODES
from sd2_depth2img.workflows.core_nodes.load import NoLatent
from sd2_depth2img.workflows.widgets import stored_values


def run(name, **inputs):
    """The outputs of a node, as a tuple."""
    kind = CORE_NODES[name]
    result = getattr(kind(), kind.FUNCTION)(**inputs)
    return result["result"] if isinstance(result, dict) and "result" in result else result


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def place(tmp_path):
    """Empty input and output folders in use."""
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    folders.current().input.mkdir()
    yield folders.current()
    folders.use(before)


# --- the table -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CORE_NODES))
def test_every_node_is_a_complete_v1_class(name):
    kind = CORE_NODES[name]
    inputs = kind.INPUT_TYPES()
    assert callable(getattr(kind, kind.FUNCTION))
    assert kind.RETURN_TYPES or kind.OUTPUT_NODE
    assert kind.DISPLAY_NAME
    for group in ("required", "optional"):
        for spec in inputs.get(group, {}).values():
            assert isinstance(spec[0], (str, list))
            options = spec[1] if len(spec) > 1 else {}
            if spec[0] in ("INT", "FLOAT"):
                assert options["min"] <= options["default"] <= options["max"]


# --- images ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", IMAGE_METHODS)
def test_scaling_keeps_a_flat_image_flat(method):
    (result,) = run(
        "ImageScale",
        image=torch.full((2, 10, 14, 3), 0.6),
        upscale_method=method,
        width=7,
        height=21,
        crop="disabled",
    )
    assert result.shape == (2, 21, 7, 3)
    assert torch.allclose(result, torch.tensor(0.6), atol=1e-6)


def test_scale_area_is_the_mean_and_nearest_takes_the_middle():
    image = random(1, 6, 6, 3)
    (area,) = run(
        "ImageScale", image=image, upscale_method="area", width=2, height=3, crop="disabled"
    )
    assert torch.allclose(area, image.reshape(1, 3, 2, 2, 3, 3).mean((2, 4)))
    (near,) = run(
        "ImageScale",
        image=image,
        upscale_method="nearest-exact",
        width=2,
        height=2,
        crop="disabled",
    )
    assert torch.equal(near, image[:, 1::3, 1::3])


def test_scale_lanczos_is_pillows_on_8_bits():
    image = random(1, 20, 30, 3)
    (result,) = run("ImageScaleBy", image=image, upscale_method="lanczos", scale_by=1.5)
    pixels = Image.fromarray((image[0] * 255).numpy().astype(np.uint8))
    expected = np.asarray(pixels.resize((45, 30), Image.Resampling.LANCZOS)) / np.float32(255)
    assert np.array_equal(result[0].numpy(), expected)


def test_scale_with_crop_takes_the_middle():
    ramp = torch.arange(40.0)[None, None, :, None].expand(1, 20, 40, 3)
    (result,) = run(
        "ImageScale",
        image=ramp,
        upscale_method="nearest-exact",
        width=20,
        height=20,
        crop="center",
    )
    assert torch.equal(result[0, 0, :, 0], torch.arange(10.0, 30.0))


@pytest.mark.parametrize(
    ("width", "height", "size"), [(0, 0, (20, 40)), (60, 0, (30, 60)), (0, 5, (5, 10))]
)
def test_a_side_of_zero_follows_from_the_other(width, height, size):
    (result,) = run(
        "ImageScale",
        image=random(1, 20, 40, 3),
        upscale_method="bilinear",
        width=width,
        height=height,
        crop="disabled",
    )
    assert result.shape[1:3] == size


def test_composite_lays_the_source_where_the_mask_is():
    destination, source = torch.zeros(1, 8, 8, 3), torch.ones(1, 4, 4, 3)
    mask = torch.zeros(1, 4, 4)
    mask[:, :2] = 1
    (result,) = run(
        "ImageCompositeMasked",
        destination=destination,
        source=source,
        x=6,
        y=3,
        resize_source=False,
        mask=mask,
    )
    expected = torch.zeros(8, 8)
    expected[3:5, 6:8] = 1  # the half under the mask, cut at the right border
    assert torch.equal(result[0, ..., 0], expected)
    assert destination.sum() == 0


def test_batches_of_images():
    a, b = random(2, 8, 8, 3), random(1, 4, 16, 3, seed=1)
    (both,) = run("ImageBatch", image1=a, image2=b)
    assert both.shape == (3, 8, 8, 3)
    assert torch.equal(both[:2], a)
    assert run("GetImageSize", image=both) == (8, 8, 3)


def test_small_image_nodes():
    image = random(1, 6, 8, 3)
    assert torch.equal(run("ImageInvert", image=image)[0], 1 - image)
    (red,) = run("EmptyImage", width=2, height=3, batch_size=1, color=0xFF8000)
    assert red[0, 0, 0].tolist() == pytest.approx([1.0, 128 / 255, 0.0])


# --- masks ---------------------------------------------------------------------------------------


def test_mask_and_image_are_two_views_of_the_same():
    mask = random(2, 5, 7)
    (image,) = run("MaskToImage", mask=mask)
    assert image.shape == (2, 5, 7, 3)
    for channel in ("red", "green", "blue"):
        assert torch.equal(run("ImageToMask", image=image, channel=channel)[0], mask)
    with pytest.raises(ValueError, match="3 channels and no alpha"):
        run("ImageToMask", image=image, channel="alpha")
    assert torch.equal(run("InvertMask", mask=mask)[0], 1 - mask)
    assert torch.equal(run("ThresholdMask", mask=mask, value=0.5)[0], (mask > 0.5).float())
    assert (run("SolidMask", value=0.25, width=4, height=3)[0] == torch.full((1, 3, 4), 0.25)).all()


def test_feather_mask_rises_from_every_border_named():
    (result,) = run("FeatherMask", mask=torch.ones(6, 8), left=4, top=0, right=0, bottom=2)
    assert result[0, 0].tolist() == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert result[0, :, -1].tolist() == [1, 1, 1, 1, 1, 0.5]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [0.0, 0.0, 1.0]),
        ("add", [0.0, 1.0, 1.0]),
        ("subtract", [0.0, 1.0, 0.0]),
        ("and", [0.0, 0.0, 1.0]),
        ("or", [0.0, 1.0, 1.0]),
        ("xor", [0.0, 1.0, 0.0]),
    ],
)
def test_mask_composite(operation, expected):
    destination = torch.tensor([[[0.0, 1.0, 1.0]]])
    source = torch.tensor([[[0.0, 1.0, 9.0]]])
    (result,) = run(
        "MaskComposite", destination=destination, source=source, x=1, y=0, operation=operation
    )
    assert result[0, 0].tolist() == expected


# --- latents -------------------------------------------------------------------------------------


def test_empty_latent_is_an_eighth_of_the_image():
    (latent,) = run("EmptyLatentImage", width=512, height=64, batch_size=3)
    assert latent["samples"].shape == (3, 4, 8, 64)
    assert not latent["samples"].any()


@pytest.mark.parametrize("method", LATENT_METHODS)
def test_latent_upscale(method):
    latent = {"samples": torch.randn(2, 4, 8, 12), "noise_mask": torch.ones(1, 1, 64, 96)}
    (result,) = run("LatentUpscaleBy", samples=latent, upscale_method=method, scale_by=1.5)
    assert result["samples"].shape == (2, 4, 12, 18)
    assert result["noise_mask"] is latent["noise_mask"]


def test_bislerp_turns_unit_vectors_on_the_sphere():
    samples = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).T.reshape(1, 2, 1, 2)
    (result,) = run(
        "LatentUpscaleBy", samples={"samples": samples}, upscale_method="bislerp", scale_by=4.0
    )
    row = result["samples"][0, :, 0]
    assert torch.allclose(row.norm(dim=0), torch.ones(8), atol=1e-6)
    angles = torch.atan2(row[1], row[0]) / (math.pi / 2)
    # bilinear positions of 8 samples over 2: 0 at the ends, 1/8 .. 7/8 between
    assert angles.tolist() == pytest.approx([0, 0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 1, 1], abs=1e-5)


def test_repeat_gives_each_copy_its_own_noise_index():
    latent = {"samples": torch.randn(2, 4, 2, 2), "batch_index": [3, 4]}
    (result,) = run("RepeatLatentBatch", samples=latent, amount=3)
    assert result["samples"].shape[0] == 6
    assert result["batch_index"] == [3, 4, 5, 6, 7, 8]


def test_set_latent_noise_mask_gives_it_a_channel():
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    (result,) = run("SetLatentNoiseMask", samples=latent, mask=torch.ones(64, 64))
    assert result["noise_mask"].shape == (1, 1, 64, 64)
    assert "noise_mask" not in latent


# --- conditioning --------------------------------------------------------------------------------


def conditioning(*lengths):
    return [[torch.randn(1, length, 8), {"from": length}] for length in lengths]


def test_conditioning_nodes_leave_their_input_alone():
    given_ = conditioning(77)
    (area,) = run(
        "ConditioningSetArea",
        conditioning=given_,
        width=128,
        height=64,
        x=8,
        y=16,
        strength=0.5,
    )
    assert area[0][1]["area"] == (8, 16, 2, 1)  # height, width, y, x in latent pixels
    (masked,) = run(
        "ConditioningSetMask",
        conditioning=given_,
        mask=torch.ones(4, 4),
        strength=0.7,
        set_cond_area="mask bounds",
    )
    assert masked[0][1]["mask"].shape == (1, 4, 4)
    assert masked[0][1]["set_area_to_bounds"] is True
    assert masked[0][1]["mask_strength"] == 0.7
    assert given_[0][1] == {"from": 77}


def test_combined_prompts_stand_in_one_list():
    a, b = conditioning(77), conditioning(154, 77)
    assert run("ConditioningCombine", conditioning_1=a, conditioning_2=b)[0] == a + b


# --- files ---------------------------------------------------------------------------------------


def test_save_image_cuts_off_to_8_bits_and_carries_the_workflow(place):
    image = torch.tensor([0.0, 0.5, 0.999, 1.0, 1.5, -1.0]).reshape(1, 1, 6, 1).expand(2, 2, 6, 3)
    prompt, canvas = {"1": {"class_type": "SaveImage"}}, {"nodes": [], "ä": "ö"}
    kind = CORE_NODES["SaveImage"]
    result = kind().execute(
        images=image,
        filename_prefix="sub/pic",
        prompt=prompt,
        extra_pnginfo={"workflow": canvas},
    )
    assert result["ui"]["images"] == [
        {"filename": f"pic_0000{n}_.png", "subfolder": "sub", "type": "output"} for n in (1, 2)
    ]
    with Image.open(place.output / "sub" / "pic_00001_.png") as saved:
        assert np.asarray(saved)[0, :, 0].tolist() == [0, 127, 254, 255, 255, 0]
        assert json.loads(saved.text["prompt"]) == prompt
        assert json.loads(saved.text["workflow"]) == canvas
    assert sorted(p.name for p in (place.output / "sub").iterdir()) == [
        "pic_00001_.png",
        "pic_00002_.png",
    ]


def test_an_image_that_fails_to_save_leaves_nothing(place):
    with pytest.raises(TypeError):
        run(
            "SaveImage", images=torch.zeros(1, 4, 4, 7), filename_prefix="x"
        )  # seven channels are no image
    assert list(place.output.iterdir()) == []


def test_previews_go_to_a_folder_of_their_own(place):
    run("PreviewImage", images=random(1, 4, 4, 3))
    run("MaskPreview", mask=random(4, 4))
    names = sorted(path.name for path in place.temp.iterdir())
    assert names == ["ComfyUI_temp_00001_.png", "ComfyUI_temp_00002_.png"]


def test_latents_survive_the_file(place):
    samples = {"samples": torch.randn(2, 4, 8, 8)}
    run("SaveLatent", samples=samples, filename_prefix="latents/x", prompt={"1": {}})
    saved = place.output / "latents" / "x_00001_.latent"
    (loaded,) = run("LoadLatent", latent=str(saved))
    assert torch.equal(loaded["samples"], samples["samples"])
    assert saved.name not in CORE_NODES["LoadLatent"].INPUT_TYPES()["required"]["latent"][0]
    saved.rename(place.input / saved.name)
    assert CORE_NODES["LoadLatent"].INPUT_TYPES()["required"]["latent"][0] == [saved.name]


def test_old_latents_are_scaled(place):
    from safetensors.torch import save_file

    save_file({"latent_tensor": torch.full((1, 4, 2, 2), 0.18215)}, place.input / "old.latent")
    (loaded,) = run("LoadLatent", latent="old.latent")
    assert torch.allclose(loaded["samples"], torch.ones(1, 4, 2, 2))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"unet.weight": torch.ones(2)}, "has 'unet.weight', and no 'latent_tensor'"),
        ({f"{index}": torch.ones(1) for index in range(9)}, "'0', '1', '2' and 6 more"),
        ({}, "no tensors"),
        ({"latent_tensor": torch.ones(4, 2)}, r"shape \[4, 2\]"),
        ({"latent_tensor": torch.ones(1, 4, 0, 2)}, "expected floats"),
        ({"latent_tensor": torch.ones(1, 4, 2, 2, dtype=torch.int32)}, "torch.int32"),
    ],
)
def test_load_latent_says_what_a_foreign_file_holds(place, tensors, said):
    from safetensors.torch import save_file

    save_file(tensors, place.input / "other.latent")
    with pytest.raises(NoLatent, match=rf"other\.latent.*{said}"):
        run("LoadLatent", latent="other.latent")


CLAIM = '{"latent_tensor": {"dtype": "F32", "shape": [1, 4, %d, %d], "data_offsets": [0, %d]}}'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not safetensors",
        b"\x89PNG\r\n\x1a\n" + bytes(90),
        (2**62).to_bytes(8, "little") + b"{}",
        *(
            len(header).to_bytes(8, "little") + header.encode() + bytes(64)
            for header in (
                CLAIM % (100_000, 100_000, 160_000_000_000),
                CLAIM % (2**40, 2**40, 64),
                CLAIM % (2, 2, 64),  # and one byte more or less
                "{" * 1000,
            )
        ),
    ],
)
def test_load_latent_says_that_a_file_is_damaged(place, data):
    (place.input / "a.latent").write_bytes(data[:-1])
    with pytest.raises(UnreadableFile, match=r"a\.latent is (damaged|empty|not a weight)"):
        run("LoadLatent", latent="a.latent")


PIXELS = np.random.default_rng(0).integers(0, 256, (6, 10, 4), dtype=np.uint8)


def load(place, name, source, **options):
    source.save(place.input / name, **options)
    image, mask = run("LoadImage", image=name)
    return image, mask


def test_load_image_rgba(place):
    image, mask = load(place, "a.png", Image.fromarray(PIXELS))
    assert np.array_equal(image[0].numpy(), PIXELS[..., :3] / np.float32(255))
    assert np.allclose(mask[0].numpy(), 1 - PIXELS[..., 3] / 255)
    (red,) = run("LoadImageMask", image="a.png", channel="red")
    assert torch.equal(red, image[..., 0])
    assert torch.equal(run("LoadImageMask", image="a.png", channel="alpha")[0], mask)


def test_load_image_without_transparency_gives_an_empty_mask(place):
    _, mask = load(place, "a.png", Image.fromarray(PIXELS[..., :3]))
    assert mask.shape == (1, 64, 64)
    assert not mask.any()


def test_load_image_with_a_transparent_palette_colour(place):
    palette = Image.fromarray(PIXELS[..., :3]).quantize(8)
    _, mask = load(place, "a.png", palette, transparency=2)
    assert np.array_equal(mask[0].numpy() == 1, np.asarray(palette) == 2)


def test_load_image_keeps_16_bits(place):
    values = np.array([[0, 1, 256, 65535]], dtype=np.uint16)
    image, _ = load(place, "a.png", Image.fromarray(values))
    assert np.allclose(image[0, 0].numpy(), (values[0] / 65535)[:, None], atol=1e-7)


def test_load_image_turns_it_upright(place):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to view
    image, _ = load(place, "a.png", Image.fromarray(PIXELS[..., :3]), exif=exif)
    expected = np.rot90(PIXELS[..., :3], k=3) / np.float32(255)
    assert np.array_equal(image[0].numpy(), expected)


def test_load_image_takes_all_frames(place):
    frames = [Image.fromarray(np.full((4, 5, 3), value, np.uint8)) for value in (0, 100, 200)]
    frames[0].save(place.input / "a.png", save_all=True, append_images=frames[1:])
    image, mask = run("LoadImage", image="a.png")
    assert image.shape == (3, 4, 5, 3)
    assert mask.shape == (3, 64, 64)
    assert image[:, 0, 0, 0].tolist() == pytest.approx([0, 100 / 255, 200 / 255])


def test_frames_of_another_size_are_left_out_with_a_word(place, caplog):
    frames = [Image.new("RGB", size) for size in ((5, 4), (9, 9), (5, 4))]
    frames[0].save(place.input / "a.tif", save_all=True, append_images=frames[1:])
    image, _ = run("LoadImage", image="a.tif")
    assert image.shape[0] == 2
    assert "1 frame of another size" in caplog.text


def test_load_image_says_that_a_file_is_no_image(place):
    (place.input / "a.png").write_bytes(b"not an image")
    with pytest.raises(UnreadableImage, match=r"a\.png is not an image that can be read"):
        run("LoadImage", image="a.png")


def test_a_cut_off_image_is_refused(place):
    Image.fromarray(PIXELS).save(place.input / "a.png")
    whole = (place.input / "a.png").read_bytes()
    (place.input / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableImage, match=r"a\.png cannot be read: it is damaged"):
        run("LoadImage", image="a.png")


def test_file_nodes_notice_missing_and_changed_files(place):
    kind = CORE_NODES["LoadImage"]
    assert "no file 'a.png'" in kind.VALIDATE_INPUTS("a.png")
    (place.input / "a.png").write_bytes(b"one")
    assert kind.VALIDATE_INPUTS("a.png") is True
    before = kind.IS_CHANGED("a.png")
    (place.input / "a.png").write_bytes(b"two")
    assert kind.IS_CHANGED("a.png") != before
    assert "no checkpoint 'x'" in CORE_NODES["CheckpointLoaderSimple"].VALIDATE_INPUTS("x")


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("PrimitiveString", "a"), ("PrimitiveInt", 3), ("PrimitiveFloat", 0.5)],
)
def test_values_pass_through(name, value):
    (key,) = CORE_NODES[name].INPUT_TYPES()["required"]
    assert run(name, **{key: value}) == (value,)


def test_a_3d_file_is_shown_and_the_widget_that_the_page_adds_is_known(caplog):
    kind = CORE_NODES["Preview3D"]
    stored = stored_values(kind, ["3d/a.glb", ""])  # as frontend 1.49 saves it
    assert stored == {"model_file": "3d/a.glb", "image": ""}
    assert not caplog.records
    assert kind().execute(**stored)["ui"] == {"result": ["3d/a.glb", None, None]}


def test_texts():
    assert run("PreviewAny", source={"a": [1]})[0] == '{\n    "a": [\n        1\n    ]\n}'
    assert run("PreviewAny", source=2.5) == ("2.5",)
