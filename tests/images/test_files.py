"""The one door for image files: what comes in, what does not, and at what cost."""

import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, features

from sd2_depth2img.images import files
from sd2_depth2img.images.files import (
    NoImage,
    TooLarge,
    UnreadableImage,
    opened,
    read_frames,
    read_text,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 4), dtype=np.uint8)
COLOUR = Image.fromarray(PIXELS[..., :3])

WRITTEN = {
    "png": {},
    "jpg": {},
    "webp": {"lossless": True},
    "bmp": {},
    "gif": {},
    "tif": {"compression": "tiff_lzw"},
    "ppm": {},
    "jp2": {},
    "tga": {"compression": "tga_rle"},
}
if features.check("avif"):
    WRITTEN["avif"] = {}


def written(tmp_path, kind, image=COLOUR):
    path = tmp_path / f"image.{kind}"
    image.save(path, **WRITTEN[kind])
    return path


def only(path):
    (frame,) = read_frames(path)
    return frame


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_people_have_is_read(tmp_path, kind):
    path = written(tmp_path, kind)
    with Image.open(path) as image:
        assert np.array_equal(only(path).colours, np.asarray(image.convert("RGB")))
    assert only(path).alpha is None


@pytest.mark.parametrize("kind", sorted(set(WRITTEN) - {"avif"}))
def test_a_truncated_image_is_refused(tmp_path, kind):
    path = written(tmp_path, kind)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UnreadableImage, match=rf"image\.{kind} .* damaged"):
        list(read_frames(path))


def test_what_other_programs_set_does_not_fill_images_up(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = written(tmp_path, "jpg")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnreadableImage, match="truncated"):
        list(read_frames(path))
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"\xc5\xd0\xd3\xc6" + bytes(60), "PostScript"),
        (b"%PDF-1.7", "PDF"),
        (b"\xd7\xcd\xc6\x9a" + bytes(80), "none of PNG"),  # WMF
        (b"SIMPLE  =                    T", "none of PNG"),  # FITS
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"HEIC photo; export it as JPEG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"", "it is empty"),
        (b"hello", "none of PNG, JPEG"),
    ],
)
def test_what_is_no_image_is_named_and_not_opened(tmp_path, data, said):
    path = tmp_path / "image.png"
    path.write_bytes(data)
    with pytest.raises(NoImage, match=rf"image\.png is not an image that can be read: .*{said}"):
        list(read_frames(path))


# --- what a file would unpack to -----------------------------------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data, bits=8, colour=2, interlaced=0, before=b""):
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    body = chunk(b"IHDR", header) + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def refusal(path):
    """The message of a TooLarge; it may not take memory or unpack anything."""
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=path.name) as told:
            list(read_frames(path))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    return str(told.value)


@pytest.mark.parametrize("side", [8193, 13_000, 60_000])
def test_a_png_of_more_pixels_than_are_read(tmp_path, side):
    path = tmp_path / "image.png"
    path.write_bytes(png(side, side, zlib.compress(bytes(1000))))
    assert "8192 x 6144 of any, or 192 frames of 512 x 512" in refusal(path)


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tif"])
def test_frames_count_together(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(files, "MOST_PIXELS", 40 * 24 * 5)
    monkeypatch.setattr(files, "MOST_A_BYTE", 0)
    path = tmp_path / f"image.{kind}"
    frames = [Image.fromarray(np.roll(PIXELS[..., :3], shift, 0)) for shift in range(6)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert "6 frames of 960 pixels" in refusal(path)
    frames[0].save(path, save_all=True, append_images=frames[1:5])
    assert len(list(read_frames(path))) == 5


def test_a_photograph_may_be_larger_as_its_file_is(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_PIXELS", 100)
    path = written(tmp_path, "jpg")
    assert len(list(read_frames(path))) == 1
    monkeypatch.setattr(files, "MOST_A_BYTE", 1 / path.stat().st_size)
    assert "960 pixels" in refusal(path)


def test_a_png_that_claims_frames(tmp_path):
    path = tmp_path / "image.png"
    control = chunk(b"acTL", struct.pack(">II", 2_000_000, 0))
    path.write_bytes(png(1, 1, zlib.compress(bytes(4)), before=control))
    assert "2000001 frames" in refusal(path)


def test_a_page_with_a_huge_tile(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros((32, 32, 3), np.uint8), tile=(16, 16), photometric="rgb")
    data = bytearray(path.read_bytes())
    for tag in (322, 323):  # TileWidth, TileLength
        place = data.index(struct.pack("<HHII", tag, 4, 1, 16))
        struct.pack_into("<I", data, place + 8, 60_000)
    path.write_bytes(data)
    assert "3,600,000,000 pixels" in refusal(path)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_text_that_unpacks_to_more_than_a_mebibyte(tmp_path, kind):
    path = tmp_path / "image.png"
    middle = b"\0\0" if kind == b"zTXt" else b"\0\1\0\0\0"
    text = chunk(kind, b"prompt" + middle + zlib.compress(bytes(200_000_000)))
    path.write_bytes(png(1, 1, zlib.compress(bytes(4)), before=text))
    for read in (read_text, lambda path: list(read_frames(path))):
        with pytest.raises(UnreadableImage, match=r"image\.png .*[Tt]oo large"):
            read(path)


def test_a_jpeg_of_endless_scans(tmp_path):
    path = written(tmp_path, "jpg")
    COLOUR.save(path, progressive=True)
    assert only(path).colours.shape == (24, 40, 3)
    data = path.read_bytes()
    scan = data[data.rindex(b"\xff\xda") : -2]
    path.write_bytes(data[:-2] + scan * 2000 + data[-2:])
    assert "scans" in refusal(path)


def test_a_parser_that_is_kept_busy(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_READS", 5000)
    path = tmp_path / "image.png"
    path.write_bytes(png(1, 1, zlib.compress(bytes(4)), before=chunk(b"prIv", b"") * 5000))
    assert "too many parts" in refusal(path)


# --- images with less than they claim ------------------------------------------------------------


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (13, 9), (40, 24)])
def test_a_png_whose_data_ends_early_is_no_black_image(tmp_path, mode, size, interlaced):
    bits, colour, channels = {
        "1": (1, 0, 1),
        "L": (8, 0, 1),
        "P": (4, 3, 1),
        "LA": (8, 4, 2),
        "RGB": (8, 2, 3),
        "RGBA": (8, 6, 4),
        "I;16": (16, 0, 1),
    }[mode]
    # The rows of every pass of Adam7, counted pixel by pixel.
    columns = [[0, 4, 0, 2, 0, 1, 0], [8, 8, 4, 4, 2, 2, 1]]
    rows = [[0, 0, 4, 0, 2, 0, 1], [8, 8, 8, 4, 4, 2, 2]]
    passes = list(zip(*columns, *rows, strict=True)) if interlaced else [(0, 1, 0, 1)]
    needed = 0
    for x, dx, y, dy in passes:
        wide, high = len(range(x, size[0], dx)), len(range(y, size[1], dy))
        needed += high * (1 + (wide * bits * channels + 7) // 8) if wide else 0
    palette = chunk(b"PLTE", bytes(48)) if mode == "P" else b""
    path = tmp_path / "image.png"
    for missing in (0, 1):
        data = zlib.compress(bytes(needed - missing))
        path.write_bytes(png(*size, data, bits, colour, interlaced, palette))
        if not missing:
            assert only(path).colours.shape[:2] == size[::-1]
            continue
        with pytest.raises(UnreadableImage, match=r"image\.png .*truncated"):
            only(path)


def test_a_png_with_a_chunk_that_claims_more_than_the_file(tmp_path):
    """OpenCV would take 4 GB for it."""
    path = written(tmp_path, "png")
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, data.index(b"IDAT") - 4, 0xF0000000)
    path.write_bytes(data)
    with pytest.raises(UnreadableImage, match="claims 4026531840 bytes"):
        only(path)


def test_what_follows_the_end_of_a_png_does_not_matter(tmp_path):
    path = written(tmp_path, "png")
    path.write_bytes(path.read_bytes() + b"\xff" * 100)
    assert np.array_equal(only(path).colours, PIXELS[..., :3])


def test_grey_of_16_bits_with_a_transparent_value(tmp_path):
    values = np.array([[0, 1, 256, 65535]], np.uint16)
    path = tmp_path / "image.png"
    Image.fromarray(values).save(path, transparency=256)
    frame = only(path)
    assert np.array_equal(frame.colours[..., 0], values)
    assert frame.alpha.tolist() == [[255, 255, 0, 255]]


# --- anything at all -----------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(WRITTEN)),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 10_000),
)
def test_damage_of_any_kind_is_one_error_with_the_files_name(tmp_path_factory, kind, edits, cut):
    path = written(tmp_path_factory.mktemp("damaged"), kind)
    data = bytearray(path.read_bytes())
    for place, value in edits:
        data[place % min(len(data), 400)] = value
    path.write_bytes(data[: max(1, len(data) - cut)] if cut % 2 else data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in (read_text, lambda path: list(read_frames(path))):
            told = str(path)
            try:
                read(path)
            except UnreadableImage as error:
                told = str(error)
            assert str(path) in told


def test_what_goes_wrong_with_an_opened_file_names_it(tmp_path):
    path = written(tmp_path, "png")
    said = r"image\.png cannot be read: it is damaged \(so\)"
    with pytest.raises(UnreadableImage, match=said), opened(path):
        raise IndexError("so")


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_whose_white_nobody_knows_are_no_image(tmp_path, kind):
    Image.fromarray(np.full((4, 4), 1, kind)).save(tmp_path / "z.tif")
    with pytest.raises(UnreadableImage, match=r"z\.tif has numbers of 32 bits.* 8 or 16 bits"):
        list(read_frames(tmp_path / "z.tif"))
