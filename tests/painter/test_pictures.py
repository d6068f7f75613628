"""What programs hold as pictures: every layout means one thing, the rest is refused in words."""

import contextlib

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sd2_depth2img.painter.pictures import depth_maps, images, masks

H, W = 5, 7
BYTES = np.arange(H * W * 3, dtype=np.uint8).reshape(H, W, 3)
GREY = BYTES[..., 0]
FLOATS = BYTES / np.float32(255)


def expected(array=FLOATS):
    return torch.from_numpy(np.array(array, np.float32))


# --- photos --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "photo",
    [
        BYTES,
        FLOATS,
        FLOATS.astype(np.float64),
        torch.from_numpy(BYTES),
        expected(),
        expected().requires_grad_(),
        PIL.Image.fromarray(BYTES),
        PIL.Image.fromarray(BYTES).convert("RGBA"),  # opaque
        BYTES[::-1][::-1],  # negative strides
        FLOATS.astype(">f4"),
        np.asfortranarray(BYTES),
        BYTES[None],
        [BYTES],
    ],
    ids=lambda one: f"{type(one).__name__}-{getattr(one, 'dtype', getattr(one, 'mode', ''))}",
)
def test_a_photo_in_every_form_is_the_same_image(photo):
    (image,) = images(photo)
    assert image.dtype == torch.float32
    assert torch.equal(image[0], expected())


@pytest.mark.parametrize("photo", [GREY, PIL.Image.fromarray(GREY), GREY[..., None]])
def test_grey_photos_become_rgb(photo):
    (image,) = images(photo)
    assert torch.equal(image, expected(GREY / np.float32(255))[None, :, :, None].repeat(1, 1, 1, 3))


def test_black_and_white_and_palettes_keep_their_colours():
    bits = PIL.Image.fromarray(GREY > 20)
    assert bits.mode == "1"
    assert torch.equal(images(bits)[0][0, ..., 0], expected(GREY > 20))
    palette = PIL.Image.fromarray(BYTES // 128 * 255).convert("P")
    assert torch.equal(images(palette)[0][0], expected(np.asarray(palette.convert("RGB")) / 255))


def test_batches_and_lists_are_taken_apart():
    batch = np.stack([BYTES, BYTES // 2])
    first, second = images(batch)
    assert torch.equal(first[0], expected())
    assert torch.equal(second[0], expected(BYTES // 2 / np.float32(255)))
    assert len(images([batch, BYTES, PIL.Image.fromarray(GREY)])) == 4


def test_every_byte_comes_back_from_the_floats():
    """So that what is not repainted is the same, bit for bit."""
    from sd2_depth2img.workflows.core_nodes.save import to_pil

    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    (image,) = images(every)
    assert np.array_equal(np.asarray(to_pil(image[0]))[..., 0], every)


def test_a_photo_is_turned_as_its_exif_says(caplog):
    photo = PIL.Image.fromarray(BYTES)
    photo.getexif()[0x0112] = 6  # 90 degrees clockwise
    (image,) = images(photo)
    assert torch.equal(image[0], expected(np.rot90(FLOATS, -1)))
    assert f"from {W} x {H} to {H} x {W}" in caplog.text


class Unknown:
    pass


@pytest.mark.parametrize(
    ("photo", "said"),
    [
        ("photo.jpg", "image is of type str; .*PIL.Image.open opens a file"),
        (
            Unknown(),
            "image is of type Unknown; expected an image of Pillow, a NumPy array or a tensor",
        ),
        ([None], "image is of type NoneType"),
        ([], "image is an empty list"),
        (BYTES.tolist(), "image is of type list"),
        (FLOATS[0, 0], r"image has shape \[3\]"),
        (np.zeros((0, 4, 3)), "no pixels"),
        (np.zeros((2, 0, 3), np.uint8), "no pixels"),
        (BYTES.transpose(2, 0, 1), r"image\.transpose\(1, 2, 0\)"),
        (torch.zeros(1, 3, 8, 8), r"image\.movedim\(-3, -1\)"),
        (np.zeros((4, 4, 4), np.uint8), r"image\[\.\.\., :3\]"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \[4, 4, 2\]"),
        (np.zeros((2, 2, 4, 4, 3), np.uint8), "expected"),
        (BYTES.astype(np.int64), r"type int64; expected uint8 from 0 to 255, or floats"),
        (BYTES.astype(np.uint16), "type uint16"),
        (BYTES > 3, "type bool"),
        (FLOATS + 1j, "type complex"),
        (BYTES.astype(str), "image has type <U"),
        (BYTES.astype(object), "type object"),
        (BYTES.astype(np.float32), r"goes from 0 to 104; expected 0 to 1: image / 255"),
        (FLOATS * 2 - 1, r"goes from -1 to .*image / 2 \+ 0\.5"),
        (FLOATS + 0.8, r"numpy\.clip\(image, 0, 1\)"),
        (np.where(BYTES == 3, np.nan, FLOATS), "holds 1 NaN or infinite value"),
        (np.where(BYTES < 3, np.inf, FLOATS), "holds 3 NaN or infinite values"),
        (np.ma.masked_less(FLOATS, 0.1), r"masked array; .*filled\(0\)"),
        (torch.zeros(4, 4, 3, device="meta"), "NumPy cannot hold"),
        (torch.zeros(4, 4, 3).to_sparse(), "NumPy cannot hold"),
        (
            PIL.Image.new("RGBA", (4, 4), (0, 0, 0, 9)),
            r"partly transparent; image\.convert\('RGB'\)",
        ),
        (PIL.Image.new("LA", (4, 4), (0, 9)), "partly transparent"),
        (PIL.Image.new("CMYK", (4, 4)), r"mode CMYK; .*image\.convert\('RGB'\)"),
        (PIL.Image.new("F", (4, 4)), "mode F"),
        (PIL.Image.new("I;16", (4, 4)), "mode I;16"),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_what_could_mean_something_else_is_refused(photo, said):
    with pytest.raises((ValueError, TypeError), match=said):
        images(photo)


# --- masks and depth maps ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mask",
    [
        GREY > 20,
        (GREY > 20) * np.uint8(255),
        (GREY > 20).astype(float),
        torch.from_numpy(GREY > 20),
        torch.from_numpy(GREY > 20)[None].float(),
        PIL.Image.fromarray(GREY > 20),
        PIL.Image.fromarray(GREY > 20).convert("RGB"),
    ],
    ids=lambda one: f"{type(one).__name__}-{getattr(one, 'dtype', getattr(one, 'mode', ''))}",
)
def test_a_mask_in_every_form_is_the_same(mask):
    (found,) = masks(mask)
    assert torch.equal(found[0], expected(GREY > 20))


def test_coloured_and_transparent_masks_are_refused():
    with pytest.raises(ValueError, match=r"coloured; .*mask\.convert\('L'\)"):
        masks(BYTES)
    with pytest.raises(ValueError, match=r"mask is partly transparent; .*getchannel\('A'\)"):
        masks(PIL.Image.new("RGBA", (4, 4), (0, 0, 0, 9)))


def test_sixteen_bits_of_depth_are_kept():
    depth = (np.arange(H * W) * 1800).astype(np.uint16).reshape(H, W)
    for form in (depth, PIL.Image.fromarray(depth), PIL.Image.fromarray(depth.astype(np.int32))):
        (found,) = depth_maps(form)
        assert torch.equal(found[0, ..., 0], expected(depth / np.float32(65535)))
    with pytest.raises(ValueError, match="mode I"):
        depth_maps(PIL.Image.fromarray(depth.astype(np.int32) * 9))


def test_depth_maps_of_any_range_are_left_to_the_nodes():
    depth = np.where(GREY == 3, np.nan, GREY.astype(np.float32))
    (found,) = depth_maps(depth)
    assert torch.equal(found[0, ..., 0].nan_to_num(-1), expected(depth).nan_to_num(-1))


# --- anything ------------------------------------------------------------------------------------

ANY = arrays.arrays(
    st.one_of(
        arrays.boolean_dtypes(),
        arrays.integer_dtypes(),
        arrays.unsigned_integer_dtypes(),
        arrays.floating_dtypes(),
        arrays.complex_number_dtypes(),
        arrays.byte_string_dtypes(),
        arrays.datetime64_dtypes(),
    ),
    arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
)


@given(ANY, st.sampled_from([images, masks, depth_maps]))
def test_any_array_is_a_picture_or_is_refused_in_a_sentence(array, read):
    found = []
    with contextlib.suppress(ValueError, TypeError):
        found = read(array)
    for one in found:
        assert one.dtype == torch.float32
        assert len(one) == 1
        if read is not depth_maps:
            assert one.min() >= 0
            assert one.max() <= 1
        assert one.ndim == (3 if read is masks else 4)


@given(arrays.arrays(np.float32, (2, 3, 3), elements=st.floats(0, 1, width=32)))
def test_no_accepted_value_is_changed(array):
    with contextlib.suppress(ValueError):
        assert np.array_equal(images(array)[0][0].numpy(), array)
