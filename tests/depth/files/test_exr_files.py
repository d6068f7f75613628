"""OpenEXR: kinds of files, which channel is the depth, what is not read, bytes made by hand."""

import struct
import sys

import numpy as np
import OpenEXR
import pytest
import torch

from sd2_depth2img.depth.depth_files import FileFormat, Reading, read_depth, write_depth
from sd2_depth2img.depth.files.values import UnclearLayer

LOSSLESS = ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "HTJ2K256", "HTJ2K32"]
LOSSY = ["B44", "B44A", "DWAA", "DWAB"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "Tiefe 深度.map"


@pytest.fixture(scope="module")
def values():
    """Half slopes and half noise, float32 [37, 23]."""
    rows, columns = np.mgrid[:37, :23]
    noise = np.random.default_rng(7).random((37, 23))
    return np.where(rows < 18, (rows + columns) / 60, noise).astype(np.float32)


def write(path, channels, compression="ZIP", kind=OpenEXR.scanlineimage, **header):
    header = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), "type": kind, **header}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


def write_parts(path, **parts):
    made = [
        OpenEXR.Part({"name": name, "type": OpenEXR.scanlineimage}, channels)
        for name, channels in parts.items()
    ]
    with OpenEXR.File(made) as file:
        file.write(str(path))


def made_by_hand(values, left_top=(0, 0)):
    """Uncompressed scan lines of one channel, byte by byte as "OpenEXR File Layout" says."""
    height, width = values.shape
    left, top = left_top
    window = struct.pack("<4i", left, top, left + width - 1, top + height - 1)
    entries = [
        ("channels", "chlist", b"Y\0" + struct.pack("<4i", 2, 0, 1, 1) + b"\0"),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", bytes(8)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    head = b"\x76\x2f\x31\x01" + struct.pack("<I", 2)
    for name, kind, value in entries:
        head += f"{name}\0{kind}\0".encode() + struct.pack("<I", len(value)) + value
    head += b"\0"
    size = 8 + 4 * width
    first = len(head) + 8 * height
    offsets = struct.pack(f"<{height}Q", *(first + size * line for line in range(height)))
    lines = (
        struct.pack("<2i", top + y, 4 * width) + line.tobytes()
        for y, line in enumerate(values.astype("<f4"))
    )
    return head + offsets + b"".join(lines)


def assert_reads_as(path, expected):
    assert torch.equal(read_depth(path)[0], torch.from_numpy(np.float32(expected)))


def test_bytes_by_the_formats_own_description_read_exactly(path, values):
    for left_top in ((0, 0), (-7, 12)):
        path.write_bytes(made_by_hand(values, left_top))
        assert_reads_as(path, values)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("compression", LOSSLESS)
def test_lossless_compressions_read_exactly(path, values, compression, dtype):
    if not hasattr(OpenEXR, f"{compression}_COMPRESSION"):
        pytest.skip("newer than this OpenEXR")
    write(path, {"Y": values.astype(dtype)}, compression)
    assert_reads_as(path, values.astype(dtype))


@pytest.mark.parametrize("compression", LOSSY)
def test_lossy_compressions_are_read(path, compression):
    slope = np.tile(np.linspace(0, 1, 64, dtype=np.float16), (64, 1))
    write(path, {"Y": slope}, compression)
    assert np.abs(read_depth(path)[0].numpy() - slope).max() < 0.02


def test_tiles_are_read(path, values):
    tiles = {"kind": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
    write(path, {"Y": values}, **tiles)
    assert_reads_as(path, values)


@pytest.mark.parametrize(
    ("others", "deep"),
    [
        (["A", "B", "G", "R"], "Z"),
        (["Combined.R", "Combined.G", "Combined.B"], "ViewLayer.Depth.Z"),
        (["R", "G", "B"], "Y"),
    ],
)
def test_the_depth_channel_comes_before_the_colours(path, values, others, deep):
    write(path, {**dict.fromkeys(others, 1 - values), deep: values})
    assert_reads_as(path, values)


def test_equal_colours_are_the_depth(path, values):
    write(path, dict.fromkeys("RGB", values))
    assert_reads_as(path, values)


def test_of_several_parts_one_has_the_depth(path, values):
    write_parts(path, beauty=dict.fromkeys("RGB", 1 - values), depth={"Z": values})
    assert_reads_as(path, values)
    write_parts(path, left={"Z": values}, right={"Z": values})
    with pytest.raises(UnclearLayer, match=r"the layers left\.Z, right\.Z; expected one"):
        read_depth(path)
    assert torch.equal(
        read_depth(path, Reading(layer="left")), torch.from_numpy(values).unsqueeze(0)
    )


def test_deep_pixels_are_refused(path):
    samples = np.empty((2, 2), object)
    for place in np.ndindex(2, 2):
        samples[place] = np.float32([1, 2])
    write(path, {"Z": samples}, "ZIPS", OpenEXR.deepscanline)
    with pytest.raises(ValueError, match="has deep pixels"):
        read_depth(path)


def test_unclear_channels_are_named(path, values):
    write(path, {"left": values, "right": values})
    with pytest.raises(UnclearLayer, match="the layers left, right; expected one that calls"):
        read_depth(path)


def test_integers_are_refused(path):
    write(path, {"Y": np.ones((2, 2), np.uint32)})
    with pytest.raises(ValueError, match="32-bit integers, whose range is not stated"):
        read_depth(path)


# --- windows -------------------------------------------------------------------------------------


def write_window(path, values, left_top, frame):
    """Values from a corner on; the frame is left, top, right, bottom, the ends inside."""
    write(
        path, {"Y": values}, displayWindow=(frame[:2], frame[2:]), dataWindow=at(values, left_top)
    )


def at(values, left_top):
    left, top = left_top
    return ((left, top), (left + values.shape[1] - 1, top + values.shape[0] - 1))


def test_pixels_of_the_frame_that_were_not_rendered_have_no_value(path, values, caplog):
    write_window(path, values, left_top=(5, 2), frame=(0, 0, 49, 59))
    depth = read_depth(path)[0]
    assert depth.shape == (60, 50)
    assert torch.equal(depth[2 : 2 + 37, 5 : 5 + 23], torch.from_numpy(values))
    assert int(depth.isnan().sum()) == 60 * 50 - 37 * 23
    assert (
        f"beyond the frame: 0 of them; pixels of the frame without a value: {60 * 50 - 37 * 23}"
        in caplog.text
    )


def test_overscan_is_cropped_to_the_frame(path, values, caplog):
    write_window(path, values, left_top=(-4, -3), frame=(0, 0, 15, 29))
    assert_reads_as(path, values[3:33, 4:20])
    assert f"left out beyond the frame: {37 * 23 - 16 * 30} of them" in caplog.text


def test_a_frame_need_not_begin_at_0(path, values):
    write_window(path, values, left_top=(98, 200), frame=(100, 203, 130, 210))
    depth = read_depth(path)[0]
    assert depth.shape == (8, 31)
    assert torch.equal(depth[:, :21], torch.from_numpy(values[3:11, 2:]))
    assert depth[:, 21:].isnan().all()


def test_pixels_beside_the_frame_are_refused(path, values):
    write_window(path, values, left_top=(50, 0), frame=(0, 0, 49, 59))
    with pytest.raises(ValueError, match=r"window 50, 0 to 72, 36, frame 0, 0 to 49, 59"):
        read_depth(path)


def test_a_frame_larger_than_any_memory_is_refused(path, values):
    write_window(path, values, left_top=(0, 0), frame=(0, 0, 2**20, 2**20))
    with pytest.raises(ValueError, match="is too large") as told:
        read_depth(path)
    assert str(told.value).startswith(str(path))


@pytest.mark.parametrize("side", [2**14 * 3, 100_000, 2**30])
def test_a_window_larger_than_any_memory_is_refused(path, side):
    data = made_by_hand(np.zeros((4, 4), np.float32))
    window, huge = (struct.pack("<4i", 0, 0, end, end) for end in (3, side))
    path.write_bytes(data.replace(window, huge))
    with pytest.raises(ValueError, match=r"is too large|is damaged") as told:
        read_depth(path)
    assert str(told.value).startswith(str(path))


def test_what_is_written_is_one_zipped_channel(path, values):
    write_depth(path, torch.from_numpy(values), FileFormat.EXR)
    with OpenEXR.File(str(path), separate_channels=True) as file:
        assert file.header()["compression"] == OpenEXR.ZIP_COMPRESSION
        (name,) = file.channels()
        assert (name, file.channels()[name].pixels.dtype) == ("Y", np.float32)
        assert np.array_equal(file.channels()[name].pixels, values)


def test_a_missing_folder_is_an_error_of_the_system(tmp_path, values):
    with pytest.raises(OSError, match="nowhere"):
        write_depth(tmp_path / "nowhere" / "a.exr", torch.from_numpy(values), FileFormat.EXR)


def test_without_the_library_an_exr_says_what_to_install(path, values, monkeypatch):
    write_depth(path, torch.from_numpy(values), FileFormat.EXR)
    monkeypatch.setitem(sys.modules, "OpenEXR", None)  # as Python notes a missing module

    with pytest.raises(ImportError, match="pip install OpenEXR"):
        read_depth(path)
