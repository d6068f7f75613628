"""TIFFs of other writers: which end is white, floats of all sizes and in colour, damage."""

import io
import struct

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from sd2_depth2img.depth.depth_files import Beyond, Reading, read_depth

WRITTEN = {"photometric": "minisblack"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "Tiefe 深度.map"


@pytest.fixture(scope="module")
def values():
    """Slopes and noise, float64 [37, 23]."""
    rows, columns = np.mgrid[:37, :23]
    noise = np.random.default_rng(7).random((37, 23))
    return np.where(rows < 18, (rows + columns) / 60, noise)


def assert_reads_as(path, expected):
    assert torch.equal(read_depth(path)[0], torch.from_numpy(np.float32(expected)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_white_may_be_0(path, values, dtype, order, compression):
    highest = np.iinfo(dtype).max
    pixels = np.rint(values * highest).astype(dtype)
    how = {"byteorder": order, "compression": compression}
    tifffile.imwrite(path, pixels, photometric="minisblack", **how)
    assert_reads_as(path, pixels.astype(np.float32) / np.float32(highest))
    tifffile.imwrite(path, pixels, photometric="miniswhite", **how)
    assert_reads_as(path, (highest - pixels).astype(np.float32) / np.float32(highest))


@pytest.mark.parametrize(("photometric", "first"), [("minisblack", 0), ("miniswhite", 1)])
def test_white_may_be_0_in_one_bit(path, photometric, first):
    pixels = np.zeros((4, 9), bool)
    pixels[:, 3:] = True
    tifffile.imwrite(path, pixels, photometric=photometric)
    assert_reads_as(path, np.where(pixels, 1 - first, first))


def test_floats_of_which_0_is_white_stay_with_a_warning(path, values, caplog):
    tifffile.imwrite(path, np.float32(values), photometric="miniswhite")
    assert_reads_as(path, values)
    assert "says that white is 0; its floats are taken as they are" in caplog.text


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "how", [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"tile": (16, 16)}, {"bigtiff": True}]
)
def test_floats_of_32_and_64_bits(path, values, dtype, how):
    tifffile.imwrite(path, values.astype(dtype), **WRITTEN, **how)
    assert_reads_as(path, values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_in_colour_are_depth_where_all_channels_agree(path, values, dtype, caplog):
    tifffile.imwrite(path, np.dstack([values] * 3).astype(dtype), photometric="rgb")
    assert_reads_as(path, values)
    assert not caplog.records
    tifffile.imwrite(path, np.dstack([values, values, values / 2]).astype(dtype), photometric="rgb")
    expected = values * (0.2126 + 0.7152 + 0.0722 / 2)
    assert np.abs(read_depth(path)[0].numpy() - expected).max() < 1e-6
    assert "is coloured" in caplog.text


def test_kept_metres_may_be_opaque_but_not_transparent(path, values):
    metres = np.float32(values * 40 + 2)
    metres[0, :5] = np.inf
    layers = np.dstack([metres] * 3 + [np.ones_like(metres)])
    tifffile.imwrite(path, layers, photometric="rgb", extrasamples=["unassalpha"])
    kept = read_depth(path, Reading(beyond=Beyond.KEEP))[0]
    assert torch.equal(kept, torch.from_numpy(metres))
    layers[0, :5, 3] = 0
    tifffile.imwrite(path, layers, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(ValueError, match="black behind them is no distance"):
        read_depth(path, Reading(beyond=Beyond.KEEP))


def test_half_floats_are_named_with_a_remedy(path, values):
    tifffile.imwrite(path, np.float16(values), **WRITTEN)
    with pytest.raises(ValueError, match=r"has floats of 16 bits; expected 32 or 64: save it as"):
        read_depth(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_second_channel_is_not_dropped_in_silence(path, values, dtype):
    both = np.dstack([values, values]) * 200
    tifffile.imwrite(
        path, both.astype(dtype), planarconfig="contig", extrasamples=["unassalpha"], **WRITTEN
    )
    with pytest.raises(ValueError, match="has 2 channels; expected 1, 3 or 4"):
        read_depth(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_several_pages_are_refused(path, values, dtype):
    tifffile.imwrite(path, np.stack([values] * 3).astype(dtype), **WRITTEN)
    with pytest.raises(ValueError, match="has several pages; a depth map is one image"):
        read_depth(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_orientation_is_obeyed_once(path, values, orientation, dtype):
    highest = np.float32(np.iinfo(dtype).max if dtype != np.float64 else 1)
    pixels = (values * highest).astype(dtype)
    tifffile.imwrite(path, pixels, **WRITTEN, extratags=[(274, 3, 1, orientation, True)])
    turned = {
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].T,
        8: np.rot90,
    }.get(orientation, np.asarray)
    assert_reads_as(path, turned(pixels).astype(np.float32) / highest)


@pytest.mark.filterwarnings("ignore::Warning:PIL")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_truncated_file_is_refused(path, values, dtype, how, channels):
    pixels = (np.dstack([values] * channels).squeeze() * 200).astype(dtype)
    colour = {"photometric": "rgb" if channels == 3 else "minisblack"}
    tifffile.imwrite(path, pixels, **colour, **how)
    whole = path.read_bytes()
    for length in {4, 7, 8, 20, len(whole) // 2, len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"damaged|not an image") as told:
            read_depth(path)
        assert str(told.value).startswith(str(path))


def claiming(width, height, bits=8, kind=1, samples=1):
    """A little-endian TIFF of one strip, which is not there."""
    tags = [
        *((256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, 1)),
        *((273, 4, 200), (277, 3, samples), (278, 4, height), (279, 4, 16), (339, 3, kind)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, size, 1, value) for tag, size, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(100)


@pytest.mark.parametrize(("bits", "kind"), [(8, 1), (16, 1), (32, 3), (64, 3)])
def test_a_claim_of_more_than_any_memory_is_refused(path, bits, kind):
    path.write_bytes(claiming(100_000, 100_000, bits, kind))
    with pytest.raises(ValueError, match="too large: it claims 10,000,000,000 pixels"):
        read_depth(path)


def test_a_palette_of_16_bits_is_refused(path):
    colours = np.tile(np.arange(65536, dtype=np.uint16), (3, 1))
    pixels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    tifffile.imwrite(path, pixels, photometric="palette", colormap=colours)
    with pytest.raises(ValueError, match="cannot be decoded: it is damaged, or of a rare kind"):
        read_depth(path)


def test_bytes_that_a_decoder_fills_up_are_noticed(path):
    """OpenCV's way for 8 bits says nothing of damaged strips; Pillow does."""
    file = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 99, (64, 64), np.uint8)
    Image.fromarray(noise).save(file, "TIFF", compression="tiff_lzw")
    data = bytearray(file.getvalue())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        read_depth(path)
