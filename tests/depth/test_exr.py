"""OpenEXR: files of the reference library, kinds that are not read, what we write ourselves."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from sd2_depth2img.depth.exr import UnreadableEXR, read_exr, write_exr
from sd2_depth2img.depth.files import read_depth

DATA = Path(__file__).parents[1] / "data"


def load_recorder():
    spec = importlib.util.spec_from_file_location("record_exr", DATA / "record_exr.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recorder = load_recorder()


@pytest.mark.parametrize("dtype", ["float", "half"])
@pytest.mark.parametrize("compression", ["none", "rle", "zips", "zip"])
def test_the_reference_librarys_files_read_exactly(dtype, compression):
    expected = recorder.values(np.float32 if dtype == "float" else np.float16)
    file = DATA / "exr" / f"{dtype}_{compression}.exr"
    (pixels,) = read_exr(file.read_bytes()).values()
    assert pixels.dtype == expected.dtype
    assert np.array_equal(pixels, expected)
    assert torch.equal(read_depth(file)[0], torch.from_numpy(expected.astype(np.float32)))


def test_some_of_these_files_are_really_compressed():
    sizes = {
        name: (DATA / "exr" / f"half_{name}.exr").stat().st_size
        for name in ("none", "rle", "zips", "zip")
    }
    assert sizes["none"] > sizes["rle"] > sizes["zips"] > sizes["zip"]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("colours_and_z", np.float32), ("blender", np.float32), ("colours", np.half)],
)
def test_the_depth_channel_comes_before_the_colours(name, dtype):
    expected = torch.from_numpy(recorder.values(dtype).astype(np.float32))
    assert torch.equal(read_depth(DATA / "exr" / f"{name}.exr")[0], expected)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("float_piz", "compressed with PIZ; none, RLE, ZIPS and ZIP are read. Save it as"),
        ("tiles", "has tiles, which are not read"),
        ("part_of_frame", "pixels for a part of its frame only"),
        ("unclear", "the channels left, right; expected one alone"),
        ("integers", "32-bit integers, whose range is not stated"),
    ],
)
def test_what_is_not_read_is_named(name, said):
    with pytest.raises(ValueError, match=said):
        read_depth(DATA / "exr" / f"{name}.exr")


@pytest.mark.parametrize("shape", [(1, 1), (16, 3), (17, 1), (15, 40), (33, 2)])
def test_what_is_written_reads_back(shape):
    for pixels in (np.random.default_rng(1).random(shape), np.full(shape, 0.25)):
        pixels = pixels.astype(np.float32)
        assert np.array_equal(read_exr(write_exr(pixels))["Y"], pixels)
        assert np.array_equal(read_exr(write_exr(pixels, "Z"))["Z"], pixels)


def test_the_reference_library_reads_ours(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    (tmp_path / "ours.exr").write_bytes(write_exr(recorder.values()))
    with openexr.File(str(tmp_path / "ours.exr")) as file:
        assert np.array_equal(file.channels()["Y"].pixels, recorder.values())


def test_a_window_larger_than_the_file_could_hold_is_refused():
    data = write_exr(np.zeros((4, 4), np.float32))
    window = np.array([0, 0, 3, 3], "<i4").tobytes()
    huge = np.array([0, 0, 2**30, 2**30], "<i4").tobytes()
    with pytest.raises(UnreadableEXR, match="it claims 1073741825"):
        read_exr(data.replace(window, huge))


def test_twice_the_same_scan_lines_are_refused():
    """The second chunk then never came, and its pixels would be whatever was in memory."""
    data = write_exr(np.zeros((32, 4), np.float32))
    last = b"screenWindowWidth\0float\0"
    at = data.index(last) + len(last) + 4 + 4 + 1  # its size, its value, the end of the header
    offsets = np.frombuffer(data, "<u8", 2, at)
    assert offsets[0] == at + 16
    twice = data[:at] + offsets[:1].tobytes() * 2 + data[at + 16 :]
    with pytest.raises(UnreadableEXR, match="scan line 0 where it does not belong"):
        read_exr(twice)
