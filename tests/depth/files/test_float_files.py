"""Depth maps in files of numbers: exact round trips, other writers and readers, damage, ranges."""

import io
import struct
import zipfile

import cv2
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from sd2_depth2img.depth.colormaps import ColourMap, palette
from sd2_depth2img.depth.depth_files import (
    Beyond,
    BeyondStatedRange,
    FileFormat,
    Reading,
    read_depth,
    write_depth,
)
from sd2_depth2img.depth.files.values import UnclearLayer

FLOATS = [kind for kind in FileFormat if kind not in (FileFormat.PNG, FileFormat.TIFF_16)]

UNIT = st.floats(0, 1, width=32)
SIDES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "Tiefe 深度.map"  # the name tells nothing


@pytest.fixture(scope="module")
def values():
    """Slopes and noise, float32 [37, 23]."""
    rows, columns = np.mgrid[:37, :23]
    noise = np.random.default_rng(7).random((37, 23))
    return np.where(rows < 18, (rows + columns) / 60, noise).astype(np.float32)


def bits(array):
    """-0.0 and 0.0 are equal, and not the same."""
    return np.ascontiguousarray(array, np.float32).view(np.uint32)


def assert_reads_as(path, expected, reading=None):
    depth = read_depth(path, reading or Reading())
    assert depth.dtype == torch.float32
    assert np.array_equal(bits(depth[0].numpy()), bits(expected))


# --- round trips ---------------------------------------------------------------------------------


@settings(deadline=None)
@example(np.float32([[0.5]]), FileFormat.PFM)
@given(hnp.arrays(np.float32, SIDES, elements=UNIT), st.sampled_from(FLOATS))
def test_floats_survive_bit_for_bit(tmp_path_factory, array, kind):
    path = tmp_path_factory.getbasetemp() / "floats"
    write_depth(path, torch.from_numpy(array), kind)
    assert_reads_as(path, array)


@settings(deadline=None)
@given(hnp.arrays(np.uint16, SIDES), st.sampled_from([FileFormat.PNG, FileFormat.TIFF_16]))
def test_16_bits_survive_bit_for_bit(tmp_path_factory, array, kind):
    path = tmp_path_factory.getbasetemp() / "integers"
    write_depth(path, torch.from_numpy(array.astype(np.float32) / 65535), kind)
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), array)
    assert_reads_as(path, array.astype(np.float32) / 65535)


@pytest.mark.parametrize("kind", FLOATS)
def test_values_outside_0_to_1_are_kept_with_a_warning_and_read_by_their_range(path, kind, caplog):
    metres = np.float32([[2.5, 40.1], [7.3, 10]])
    write_depth(path, torch.from_numpy(metres), kind)
    assert "from 2.5 to 40.1" in caplog.text
    with pytest.raises(ValueError, match=r"run from 2\.5 to 40\.1, and all 4 values are beyond"):
        read_depth(path)
    depth = read_depth(path, Reading(far=40.1, near=2.5))
    assert depth[0, 0].tolist() == [1, 0]
    assert depth[0, 1].tolist() == pytest.approx([(40.1 - 7.3) / 37.6, (40.1 - 10) / 37.6])


@pytest.mark.parametrize("kind", FileFormat)
def test_nothing_is_left_of_a_failed_write(path, kind):
    path.mkdir()
    with pytest.raises(OSError, match=path.name):
        write_depth(path, torch.ones(2, 2), kind)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", FileFormat)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_map_without_all_its_values_is_not_written(path, kind, value):
    with pytest.raises(ValueError, match="expected finite ones"):
        write_depth(path, torch.tensor([[0.5, value]]), kind)
    assert not list(path.parent.iterdir())


def test_16_bits_hold_0_to_1_only(path):
    with pytest.raises(ValueError, match=r"to 1\.5; a file of 16 bits holds 0 to 1"):
        write_depth(path, torch.tensor([[0.5, 1.5]]), FileFormat.TIFF_16)


# --- other programs' files, and other programs on ours -------------------------------------------


@pytest.mark.parametrize("writer", ["opencv", "pillow", "tifffile"])
def test_float_tiff_of_others(path, values, writer):
    write = {
        "opencv": lambda: path.write_bytes(cv2.imencode(".tiff", values)[1].tobytes()),
        "pillow": lambda: Image.fromarray(values).save(path, "TIFF", compression="tiff_lzw"),
        "tifffile": lambda: tifffile.imwrite(path, values, byteorder=">"),
    }
    write[writer]()
    assert_reads_as(path, values)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.uint16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_npy_of_any_type_and_order(path, values, dtype, order, layout):
    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    array = np.asarray(values * scale, np.dtype(dtype).newbyteorder(order), layout)
    with path.open("wb") as file:
        np.save(file, array)
    assert_reads_as(path, array.astype(np.float32) / np.float32(scale))


def test_npz_by_name_or_alone_and_a_stack_of_maps(path, values):
    for arrays in ({"depth": values, "other": 1 - values}, {"arr_0": values}):
        with path.open("wb") as file:
            np.savez(file, **arrays)
        assert_reads_as(path, values)
    with path.open("wb") as file:
        np.savez_compressed(file, depth=np.stack([values, 1 - values]))
    assert torch.equal(read_depth(path), torch.from_numpy(np.stack([values, 1 - values])))


@pytest.mark.parametrize(("order", "scale"), [("<", "-1.0"), (">", "1"), (">", "1.000000e+00")])
def test_pfm_of_both_byte_orders_runs_from_bottom_to_top(path, order, scale, caplog):
    pixels = struct.pack(f"{order}6f", 0.5, 0.6, 0.7, 0.1, 0.2, 0.3)  # the lower line first
    path.write_bytes(f"Pf\n3 2\n{scale}\n".encode() + pixels)
    assert_reads_as(path, np.float32([[0.1, 0.2, 0.3], [0.5, 0.6, 0.7]]))
    assert not caplog.records


def test_pfm_in_colour_and_with_a_scale(path, caplog):
    path.write_bytes(b"PF 1 1 -2.5\n" + struct.pack("<3f", 0.25, 0.25, 0.25))
    assert_reads_as(path, np.float32([[0.25]]))
    assert "scale factor of 2.5, which is not applied" in caplog.text


def test_others_read_ours(path, values):
    depth = torch.from_numpy(values)
    readers = {
        FileFormat.TIFF_FLOAT: [tifffile.imread, Image.open],
        FileFormat.PFM: [Image.open, lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED)],
        FileFormat.NPY: [np.load],
        FileFormat.NPZ: [lambda path: np.load(path)["depth"]],
    }
    for kind, ways in readers.items():
        write_depth(path, depth, kind)
        for read in ways:
            assert np.array_equal(np.asarray(read(path)), values), kind
    write_depth(path, depth, FileFormat.TIFF_16)
    assert np.array_equal(tifffile.imread(path), np.rint(values.astype(np.float64) * 65535))


# --- ranges --------------------------------------------------------------------------------------


def write_npy(path, array):
    with path.open("wb") as file:
        np.save(file, np.float32(array))


def test_the_range_is_never_guessed_from_the_maximum(path):
    write_npy(path, [[0.2, 0.4]])
    assert_reads_as(path, np.float32([[0.2, 0.4]]))


@given(
    hnp.arrays(np.float32, (2, 3), elements=st.floats(-100, 100, width=32)),
    st.floats(-100, 100, width=32),
    st.floats(-100, 100, width=32),
)
def test_the_stated_range_becomes_0_to_1(tmp_path_factory, array, far, near):
    path = tmp_path_factory.getbasetemp() / "range.npy"
    if abs(far - near) < 1e-3:
        return
    array = np.clip(array, min(far, near), max(far, near))
    array[0, :2] = far, near
    write_npy(path, array)
    depth = read_depth(path, Reading(far, near))[0].double().numpy()
    assert depth[0, :2].tolist() == [0, 1]
    expected = (array.astype(np.float64) - far) / (near - far)
    assert np.abs(depth - expected).max() < 1e-6


def test_ends_that_float32_rounds_are_inside(path):
    write_npy(path, [[0.1, 7.3]])
    assert_reads_as(path, np.float32([[0, 1]]), Reading(far=0.1, near=7.3))


def test_clipping_says_how_much_and_takes_infinity_with_it(path, caplog):
    write_npy(path, [[1, 5, 50], [np.inf, 3, np.nan]])
    depth = read_depth(path, Reading(far=10, near=1, beyond=Beyond.CLIP))
    assert depth[0, :, :2].tolist() == [[1, pytest.approx(5 / 9)], [0, pytest.approx(7 / 9)]]
    assert depth[0, 0, 2] == 0
    assert depth[0, 1, 2].isnan()
    assert "2 of 6 values are beyond the range, and clipped" in caplog.text
    assert "1 of 6 pixels is NaN" in caplog.text


def test_kept_values_are_the_files_own_or_go_on_beyond_the_range(path, caplog):
    metres = np.float32([[1.5, 5, -np.inf], [np.inf, 3e8, np.nan]])
    write_npy(path, metres)
    assert_reads_as(path, metres, Reading(beyond=Beyond.KEEP))
    assert "2 of 6 pixels are NaN or infinite" in caplog.text
    assert_reads_as(path, metres / 1000, Reading(near=1000, beyond=Beyond.KEEP))


def test_inverting_is_exact_and_not_for_kept_values(path):
    write_npy(path, [[0, 0.25, 1]])
    assert_reads_as(path, np.float32([[1, 0.75, 0]]), Reading(invert=True))
    with pytest.raises(ValueError, match="invert is on and values beyond the range are kept"):
        Reading(invert=True, beyond=Beyond.KEEP)


def test_pixels_without_a_value_stay_without_one(path, caplog):
    write_npy(path, [[0, np.nan, np.inf, 1]])
    assert_reads_as(path, np.float32([[0, np.nan, np.inf, 1]]))
    assert "2 of 4 pixels are NaN or infinite" in caplog.text


@pytest.mark.parametrize(("far", "near"), [(1, 1), (0, np.nan), (np.inf, 0)])
def test_a_range_that_is_none_is_refused(far, near):
    with pytest.raises(ValueError, match="two different numbers"):
        Reading(far, near)


# --- what is not read ----------------------------------------------------------------------------


def saved(write, *args, **options):
    file = io.BytesIO()
    write(file, *args, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (saved(np.save, np.zeros((2, 2), np.int32)), "values of type int32"),
        (saved(np.save, np.zeros((2, 2), complex)), "values of type complex128"),
        (saved(np.save, np.zeros(4, np.float32)), r"shape \[4\]; expected \[height, width\]"),
        (saved(np.save, np.zeros((8, 8, 3), np.float32)), r"shape \[8, 8, 3\]"),
        (saved(np.save, np.zeros((0, 8), np.float32)), r"shape \[0, 8\]"),
        (saved(np.save, np.array([[{}]]), allow_pickle=True), "Python objects"),
        (saved(np.save, np.zeros((2, 2))) + b"more", "36 bytes of values, expected 32"),
        (saved(np.savez, a=np.zeros((2, 2)), b=np.zeros((2, 2))), "these arrays: a, b; expected"),
        (saved(np.savez, depth=np.zeros((2, 2), int)), "values of type int64"),
        (b"Pf\n4 4\n0\n" + bytes(64), "PFM header is incomplete"),
        (b"Pf\n0 4\n-1\n", "0 bytes of pixels"),
        (b"Pf\n4 4\n-1\n" + bytes(68), "68 bytes of pixels, expected 64"),
        (b"Pf of something else", "PFM header is incomplete"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(path, data, said):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=said) as caught:
        read_depth(path)
    assert str(caught.value).startswith(str(path))


def test_a_header_that_claims_more_than_any_memory_is_refused(path, values):
    data = saved(np.save, values).replace(b"(37, 23), }", b"(37000000000, 23), }")
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged"):
        read_depth(path)


def npy(descr="<f4", shape=(2, 2), content=bytes(16), header=None):
    """An NPY whose header may say anything."""
    header = header or f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n"
    data = header.encode()
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(data)) + data + content


def npz(content, name="depth.npy", method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("descr", ["|u1", "<f2"])
def test_an_archive_that_unpacks_to_more_than_is_read_is_refused(path, descr):
    """It claims gigabytes, and is not unpacked to see whether that is true."""
    content = npy(descr, (2**15, 2**15), bytes(77_777))
    claimed = len(content) - 77_777 + np.dtype(descr).itemsize * 2**30
    sizes = (struct.pack("<I", size) for size in (len(content), claimed))
    path.write_bytes(npz(content).replace(*sizes))
    with pytest.raises(
        ValueError, match=r"too large: it claims 1,073,741,824 values.* at most 67,108,864"
    ) as told:
        read_depth(path)
    assert str(told.value).startswith(str(path))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            npy(header="{'descr':'<f4','fortran_order':False,'shape':(" + "1," * 9999 + ")}"),
            "header",
        ),
        (npz(npy(header="{" + " " * 10_000_000)), "header has 10,000,001 bytes"),
        (npy(header="(" * 9999), "is damaged"),
        (npy(header="-" * 9998 + "1"), "is damaged"),
        (npy(header="{'descr': '<f4'}"), "is damaged"),
        (npy(header="[1, 2]"), "is damaged"),
        (npy(()), "records or texts"),
        (npy([("a", "<f4")]), "records or texts"),
        (npy("<f4,<f4"), "records or texts"),
        (npy("|V9999999999"), "records or texts"),
        (npy("<f3"), "is damaged"),
        (npy(shape=(2, -2)), "sides that no array has"),
        (npy(shape=(2, True)), "no tuple of whole numbers"),
        (npy(shape=(2**31, 2**31)), "16 bytes of values, expected"),
        (npy(shape=(10**4000, 2)), "sides that no array has"),
        (npy(shape=(1,) * 3000), r"shape \[1, 1, 1, 1, 1, 1, 1, 1\]"),
        (npz(npy(), method=zipfile.ZIP_LZMA), "a method that numpy does not use"),
        (npz(npy(), method=zipfile.ZIP_BZIP2), "a method that numpy does not use"),
        (npz(npy(), name="../../etc/depth.npy").replace(b"\0\0\x08\0", b"\1\0\x08\0"), "encrypted"),
        (npz(npy())[:-1], "is damaged"),
        (saved(np.savez), "these arrays: none; expected one"),
        (b"Pf\n99999 99999\n-1\n" + bytes(64), "too large|64 bytes of pixels"),
        (b"Pf" + b" " * 2_000_000 + b"4 4\n-1\n" + bytes(64), "header is incomplete"),
    ],
)
def test_what_claims_too_much_or_nonsense_is_refused_by_name(path, data, said):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=said) as caught:
        read_depth(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 1000


def test_of_several_arrays_one_is_named(path, values):
    path.write_bytes(saved(np.savez, left=values, right=1 - values))
    with pytest.raises(UnclearLayer, match="these arrays: left, right; expected one, or one named"):
        read_depth(path)
    assert_reads_as(path, values, Reading(layer="left"))
    with pytest.raises(UnclearLayer, match="left, right; expected one called 'middle'"):
        read_depth(path, Reading(layer="middle"))
    path.write_bytes(saved(np.savez, image=1 - values, depth=values))
    assert_reads_as(path, values)


def test_a_file_without_layers_refuses_the_name_of_one(path, values):
    path.write_bytes(saved(np.save, values))
    with pytest.raises(UnclearLayer, match="has no layers, and the layer 'Z' is asked for"):
        read_depth(path, Reading(layer="Z"))


def test_a_range_is_told_in_the_files_own_integers(path):
    """Of a sensor's millimetres, with the ends given in millimetres too."""
    Image.fromarray(np.uint16([[0, 812], [1500, 2708]])).save(path, "PNG")
    with pytest.raises(BeyondStatedRange) as told:
        read_depth(path, Reading(far=5000, near=400))
    for said in ("run from 0 to 2708", "65535 as 1", "5000 as 0.0762951 and 400 as 0.00610361"):
        assert said in str(told.value)
    depth = read_depth(path, Reading(far=0.0762951, near=0.0, beyond=Beyond.REFUSE))
    assert depth[0, 1, 1] == pytest.approx(1 - 2708 / 5000, abs=1e-5)


def test_integers_that_look_like_millimetres_are_told(path, caplog):
    Image.fromarray(np.uint16([[0, 812], [1500, 2708]])).save(path, "PNG")
    depth = read_depth(path)
    assert "its values run from 0 to 2708 of 65535, like distances in millimetres" in caplog.text
    caplog.clear()
    metres = read_depth(path, Reading(near=0.015259, beyond=Beyond.KEEP))[0]
    assert metres[1].tolist() == pytest.approx([1.5, 2.708], rel=1e-4)
    Image.fromarray(np.uint16([[0, 812], [1500, 62708]])).save(path, "PNG")
    read_depth(path)
    assert "millimetres" not in caplog.text
    assert depth[0, 1, 1] == pytest.approx(2708 / 65535)


def test_a_range_is_told_in_the_files_own_floats(path):
    write_npy(path, [[0.1, 7.3], [np.nan, 5000]])
    with pytest.raises(
        BeyondStatedRange, match=r"run from 0\.1 to 5000, and 3 of 4 values are beyond"
    ):
        read_depth(path, Reading(far=5001, near=5000.5))


def test_larger_numbers_than_float32_holds_become_its_largest_with_a_warning(path, caplog):
    with path.open("wb") as file:
        np.save(file, np.float64([[0.5, 1.7e308, -1.7e308, np.inf]]))
    most = np.finfo(np.float32).max
    kept = np.float32([[0.5, most, -most, np.inf]])
    assert_reads_as(path, kept, Reading(beyond=Beyond.KEEP))
    assert "2 of 4 values are beyond 3.4e38, the largest that is kept" in caplog.text
    assert "NaN" not in caplog.text


@pytest.mark.parametrize("reading", [Reading(), Reading(near=0.001)])
def test_larger_numbers_than_float32_holds_are_beyond_the_range(path, reading):
    with path.open("wb") as file:
        np.save(file, np.float64([[0, 1.7e308]]))
    with pytest.raises(
        BeyondStatedRange, match=r"run from 0 to 3\.40282e\+38, and 1 of 2 values is"
    ):
        read_depth(path, reading)


def test_distances_with_a_sky_are_kept_without_a_warning(path, caplog):
    metres = np.float32([[1.5, 40, np.inf]])
    write_npy(path, metres)
    assert_reads_as(path, metres, Reading(beyond=Beyond.KEEP))
    assert caplog.text == ""


def read_or_be_told(path):
    """The depth, or None where one sentence names the file."""
    try:
        return read_depth(path)
    except ValueError as error:
        message = str(error)
    assert str(path) in message
    assert "\n" not in message
    return None


@pytest.mark.filterwarnings("ignore::Warning:PIL")
@pytest.mark.parametrize("kind", FileFormat)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_truncated_file_is_refused_in_one_sentence(tmp_path_factory, kind, data):
    path = tmp_path_factory.getbasetemp() / "whole"
    noise = np.random.default_rng(3).random((37, 23), np.float32)
    write_depth(path, torch.from_numpy(noise), kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    depth = read_or_be_told(path)
    # A file may end in what nobody needs: then its pixels are all there.
    assert depth is None or np.abs(depth[0].numpy() - noise).max() < 1e-5


@pytest.mark.filterwarnings("ignore::Warning:PIL")
@pytest.mark.parametrize("kind", FileFormat)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_file_gives_depth_or_one_sentence(tmp_path_factory, kind, data):
    path = tmp_path_factory.getbasetemp() / "damaged"
    write_depth(path, torch.linspace(0, 1, 400).view(20, 20), kind)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    depth = read_or_be_told(path)
    assert depth is None or depth.ndim == 3


# --- colours -------------------------------------------------------------------------------------


@pytest.mark.parametrize("colours", [ColourMap.TURBO, ColourMap.INFERNO])
def test_a_painted_png_becomes_depth_again(path, colours):
    steps = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgb = (palette(colours).numpy()[steps] * 255).round().astype(np.uint8)
    Image.fromarray(rgb).save(path, "PNG")
    assert_reads_as(path, steps.astype(np.float32) / 255, Reading(colours=colours))
    opaque = np.dstack([rgb, np.full((16, 16), 255, np.uint8)])
    Image.fromarray(opaque).save(path, "PNG")
    assert_reads_as(path, steps.astype(np.float32) / 255, Reading(colours=colours))


def test_a_photograph_is_no_painted_depth(path, photo):
    Image.fromarray((photo[0].numpy() * 255).astype(np.uint8)).save(path, "PNG")
    with pytest.raises(ValueError, match="are of no colour of the map turbo: the worst is") as told:
        read_depth(path, Reading(colours=ColourMap.TURBO))
    assert str(told.value).startswith(str(path))
