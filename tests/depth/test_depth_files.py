"""Depth maps in files: every bit of 8 and 16, kinds of PNG, bad files, writing."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from sd2_depth2img.depth.depth_files import read_depth, write_depth

GREY, PALETTE, GREY_ALPHA = 0, 3, 4  # PNG's colour types


@pytest.fixture
def path(tmp_path):
    return tmp_path / "Tiefe 深度.png"


@pytest.fixture(scope="module")
def gradient():
    """Every 16-bit value once, [256, 256]."""
    return np.arange(65536, dtype=np.uint16).reshape(256, 256)


def write_opencv(path, pixels, kind=".png"):
    path.write_bytes(cv2.imencode(kind, pixels)[1].tobytes())


def raw_png(rows, width, bits, colour_type, **chunks):
    """A PNG from bare rows, for the kinds that no library here writes."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour_type, 0, 0, 0)
    body = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + body + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def assert_reads_as(path, expected):
    depth = read_depth(path)
    assert depth.dtype == torch.float32
    assert depth.shape == (1, *np.shape(expected))
    assert torch.equal(depth[0], torch.tensor(expected, dtype=torch.float32))


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_16_bits_survive_writing_and_reading(tmp_path_factory, pixels):
    path = tmp_path_factory.getbasetemp() / "roundtrip.png"
    depth = torch.from_numpy(pixels.astype(np.float32) / 65535)
    write_depth(path, depth)
    assert np.array_equal(np.asarray(Image.open(path)), pixels)
    assert torch.equal(read_depth(path)[0], depth)


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)), st.sampled_from([8, 16]))
def test_any_depth_is_stored_to_half_a_step(tmp_path_factory, values, bits):
    path = tmp_path_factory.getbasetemp() / "halfstep.png"
    write_depth(path, torch.from_numpy(values), bits=bits)
    step = 1 / (2**bits - 1)
    assert np.abs(read_depth(path)[0].double().numpy() - values).max() <= step / 2 + 1e-7


def test_all_65536_values(path, gradient):
    Image.fromarray(gradient).save(path)
    assert np.array_equal((read_depth(path)[0].double() * 65535).round().numpy(), gradient)
    assert read_depth(path).unique().numel() == 65536


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bits_of_a_grey_image_stored_in_colour(path, gradient, channels, caplog):
    pixels = np.dstack([gradient] * 3 + [np.full_like(gradient, 65535)] * (channels - 3))
    write_opencv(path, pixels)
    assert_reads_as(path, gradient.astype(np.float32) / 65535)
    assert not caplog.records


def test_16_bit_colour_order_is_rgb_not_bgr(path, caplog):
    bgr = np.zeros((1, 3, 3), np.uint16)
    bgr[0, [0, 1, 2], [0, 1, 2]] = 65535  # blue, green, red
    write_opencv(path, bgr)
    assert read_depth(path)[0, 0].tolist() == pytest.approx([0.0722, 0.7152, 0.2126])
    assert "coloured" in caplog.text


def test_8_bit_transparency_is_far(path, caplog):
    rgba = np.full((1, 3, 4), 255, np.uint8)
    rgba[0, :, 3] = [255, 51, 0]
    Image.fromarray(rgba).save(path)
    assert read_depth(path)[0, 0].tolist() == pytest.approx([1, 0.2, 0])
    assert "2 of 3 depth pixels are transparent" in caplog.text


def test_grey_and_alpha_of_8_bits(path):
    Image.fromarray(np.array([[[200, 255], [200, 0]]], np.uint8), "LA").save(path)
    assert_reads_as(path, [[200 / 255, 0]])


def test_grey_and_alpha_of_16_bits(path):
    path.write_bytes(raw_png([struct.pack(">4H", 1234, 65535, 1234, 0)], 2, 16, GREY_ALPHA))
    assert_reads_as(path, [[1234 / 65535, 0]])


@pytest.mark.parametrize(("bits", "row"), [(1, 0b01_000000), (2, 0b00_11_0000), (4, 0b0000_1111)])
def test_grey_of_few_bits_fills_the_whole_range(path, bits, row):
    path.write_bytes(raw_png([bytes([row])], 2, bits, GREY))
    assert_reads_as(path, [[0, 1]])


@pytest.mark.parametrize("limit", [None, 89_478_485])
def test_a_claim_of_more_than_any_memory_is_refused(path, limit, monkeypatch):
    """Other packs switch Pillow's own limit off."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    path.write_bytes(raw_png([b""] * 100_000, 100_000, 8, GREY))
    with pytest.raises(ValueError, match="is too large") as told:
        read_depth(path)
    assert str(told.value).startswith(str(path))


@pytest.mark.parametrize("data", [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"8BPS\0\1"])
def test_kinds_that_start_other_programs_are_not_even_opened(path, data):
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is not an image"):
        read_depth(path)


def test_cmyk_is_read_as_it_looks(tmp_path):
    Image.new("CMYK", (16, 16), (0, 0, 0, 102)).save(tmp_path / "print.jpg", quality=95)
    assert (read_depth(tmp_path / "print.jpg") - 0.6).abs().max() < 0.02


def test_a_link_is_followed(tmp_path, path):
    write_depth(path, torch.ones(2, 3))
    (tmp_path / "link").symlink_to(path)
    assert_reads_as(tmp_path / "link", np.ones((2, 3)))


def test_palette_with_and_without_transparency(path):
    palette = bytes([10, 10, 10, 90, 90, 90])
    path.write_bytes(raw_png([b"\0\1"], 2, 8, PALETTE, PLTE=palette))
    assert_reads_as(path, [[10 / 255, 90 / 255]])
    path.write_bytes(raw_png([b"\0\1"], 2, 8, PALETTE, PLTE=palette, tRNS=bytes([0, 255])))
    assert_reads_as(path, [[0, 90 / 255]])


def test_a_transparent_grey_value_is_refused(path):
    rows = [struct.pack(">2H", 1000, 2000)]
    path.write_bytes(raw_png(rows, 2, 16, GREY, tRNS=struct.pack(">H", 1000)))
    with pytest.raises(ValueError, match="marks one of its grey values as transparent"):
        read_depth(path)


@pytest.mark.parametrize("kind", [".jpg", ".bmp", ".webp", ".tiff"])
def test_other_8_bit_images(tmp_path, kind):
    grey = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    path = tmp_path / f"map{kind}"
    write_opencv(path, np.dstack([grey] * 3), kind)
    assert (read_depth(path)[0] - torch.from_numpy(grey) / 255).abs().max() < 0.03


def test_16_bit_tiff(tmp_path, gradient):
    write_opencv(tmp_path / "map.tif", gradient, ".tiff")
    assert_reads_as(tmp_path / "map.tif", gradient.astype(np.float32) / 65535)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_orientation_is_obeyed_as_for_the_photograph(tmp_path, orientation, kind, caplog):
    pixels = skimage.data.camera()[::16, ::8]  # 32 × 64
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned"
    Image.fromarray(pixels).save(path, kind, exif=exif)
    reference = np.asarray(ImageOps.exif_transpose(Image.open(path)), dtype=np.float32) / 255
    depth = read_depth(path)[0].numpy()
    assert depth.shape == reference.shape
    assert np.abs(depth - reference).max() < 0.02
    assert ("is turned upright" in caplog.text) == (orientation != 1)


def test_orientation_and_16_bits_together(path, gradient):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient).save(path, exif=exif)
    assert_reads_as(path, np.rot90(gradient, -1).astype(np.float32) / 65535)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        read_depth(tmp_path / "nowhere.png")
    with pytest.raises(FileNotFoundError, match="that is no file"):
        read_depth(tmp_path)


@pytest.mark.parametrize("data", [b"", b"not an image at all" * 50])
def test_what_is_not_an_image_is_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is not an image"):
        read_depth(path)


@pytest.mark.parametrize("kind", [".png", ".jpg", ".webp", ".bmp"])
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_truncated_image_is_refused(tmp_path, kind, part):
    path = tmp_path / f"half{kind}"
    write_opencv(path, skimage.data.astronaut(), kind)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"is damaged \("):
        read_depth(path)


def test_a_flipped_bit_is_noticed(path, gradient):
    write_depth(path, torch.from_numpy(gradient.astype(np.float32)) / 65535)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged"):
        read_depth(path)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF"])
def test_more_than_one_frame_is_refused(tmp_path, kind):
    frames = [Image.fromarray(skimage.data.camera()[i : i + 32, :32]) for i in (0, 200)]
    frames[0].save(tmp_path / "film", kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"has 2 frames|has several pages"):
        read_depth(tmp_path / "film")


def test_a_cameras_mpo_is_its_first_image(tmp_path):
    frames = [Image.fromarray(np.full((16, 16, 3), value, np.uint8)) for value in (200, 20)]
    frames[0].save(tmp_path / "camera.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert (read_depth(tmp_path / "camera.jpg") - 200 / 255).abs().max() < 0.02


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_other_pixel_types_are_refused(tmp_path, dtype):
    write_opencv(tmp_path / "map.tiff", np.ones((4, 4), dtype), ".tiff")
    with pytest.raises(ValueError, match=np.dtype(dtype).name):
        read_depth(tmp_path / "map.tiff")


@pytest.mark.parametrize(("bits", "mode"), [(8, "L"), (16, "I;16")])
def test_written_file_has_the_bits_and_the_text(path, bits, mode):
    text = {"prompt": '{"1": {"class_type": "KSampler"}}', "workflow": "Größe 深度"}
    write_depth(path, torch.rand(5, 7), bits=bits, text=text)
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("PNG", mode, (7, 5))
        assert image.text == text
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_existing_file_is_replaced(path):
    write_depth(path, torch.zeros(2, 2))
    write_depth(path, torch.ones(3, 2))
    assert torch.equal(read_depth(path), torch.ones(1, 3, 2))


def test_nothing_is_left_of_a_failed_write(path):
    """The last step fails, because a folder stands where the file should go."""
    path.mkdir()
    with pytest.raises(OSError, match=path.name):
        write_depth(path, torch.ones(2, 2))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.is_dir()


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.5, "to 1.5"), (-0.25, "from -0.25"), (torch.nan, "nan"), (torch.inf, "inf")],
)
def test_values_that_a_file_cannot_hold_are_refused_with_their_range(path, value, said):
    depth = torch.full((4, 4), 0.5)
    depth[1, 2] = value
    with pytest.raises(ValueError, match=said):
        write_depth(path, depth)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("shape", [(1, 4, 4), (4,), (0, 4)])
def test_depth_of_another_shape_is_not_written(path, shape):
    with pytest.raises(ValueError, match=r"\[height, width\]"):
        write_depth(path, torch.zeros(shape))


def test_another_number_of_bits_is_refused(path):
    with pytest.raises(ValueError, match="32 bits"):
        write_depth(path, torch.zeros(2, 2), bits=32)


def test_half_precision_depth_can_be_written(path):
    write_depth(path, torch.tensor([[0, 0.5, 1]], dtype=torch.bfloat16))
    assert_reads_as(path, [[0, 32768 / 65535, 1]])
