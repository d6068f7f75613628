"""Picture files of every kind that Pillow and OpenCV read, and EPS by a false name."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from sd2_depth2img.depth.depth_files import read_depth
from sd2_depth2img.images.mask_files import understand
from sd2_depth2img.workflows.core_nodes import CORE_NODES
from sd2_depth2img.workflows.graph import read_workflow

from .mutations import damaged, edge, json_bytes, packed
from .runner import Attempt, Maker

SIDE = 12


def maker() -> Maker:
    """Whole pictures of every kind are made once; each input is one of them, damaged."""
    whole = _whole_files()

    def make(rng: random.Random, place: Path) -> Attempt:
        name = rng.choice(list(whole))
        suffix = name.rpartition(".")[2]
        data = _DAMAGES.get(suffix, _plain)(rng, whole[name])
        if rng.random() < 0.05:
            suffix = rng.choice(("png", "jpg", "webp", "tiff"))
        path = place / "input" / f"photo.{suffix}"
        path.write_bytes(data)
        how, call = _call(rng, path)
        return Attempt(call, [path.name], f"{name}, {how}")

    return make


def _call(rng: random.Random, path: Path) -> tuple[str, Callable[[], object]]:
    """A picture goes into every door that takes one."""
    load, mask = CORE_NODES["LoadImage"](), CORE_NODES["LoadImageMask"]()
    channel = rng.choice(("alpha", "red", "green", "blue"))
    doors: Mapping[str, Callable[[], object]] = {
        "LoadImage": lambda: load.load(image=path.name),
        "LoadImageMask": lambda: mask.load(image=path.name, channel=channel),
        "mask": lambda: understand(path),
        "depth": lambda: read_depth(path),
        "workflow": lambda: read_workflow(path),
    }
    takes_workflow = path.suffix == ".png"
    how = rng.choice([one for one in doors if takes_workflow or one != "workflow"])
    return how, doors[how]


# --- whole files ---------------------------------------------------------------------------------


def _whole_files() -> dict[str, bytes]:
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 4), np.uint8)
    rgba = Image.fromarray(pixels)
    rgb, grey = rgba.convert("RGB"), rgba.convert("L")
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", '{"1": {"class_type": "EmptyImage", "inputs": {}}}')
    text.add_text("workflow", '{"nodes": [], "links": []}', zip=True)
    text.add_itxt("note", "é")
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = {"save_all": True, "append_images": [rgba.rotate(90), rgba.rotate(180)]}
    pages = {"save_all": True, "append_images": [rgb.rotate(90)]}
    kinds: list[tuple[str, Image.Image, dict]] = [
        ("rgb.png", rgb, {"pnginfo": text, "exif": exif}),
        ("rgba.png", rgba, {}),
        ("grey.png", grey, {"transparency": 7}),
        ("deep.png", deep, {}),
        ("palette.png", rgb.quantize(8), {"transparency": b"\0\x80\xff"}),
        ("bits.png", grey.convert("1"), {}),
        ("grey_alpha.png", rgba.convert("LA"), {}),
        ("frames.apng.png", rgba, frames),
        ("rgb.jpg", rgb, {"exif": exif, "comment": "x"}),
        ("progressive.jpg", rgb, {"progressive": True}),
        ("cmyk.jpg", rgb.convert("CMYK"), {}),
        ("grey.jpg", grey, {}),
        ("views.mpo", rgb, {**pages, "format": "MPO"}),
        ("lossy.webp", rgb, {"exif": exif}),
        ("lossless.webp", rgba, {"lossless": True}),
        ("frames.webp", rgba, frames),
        ("one.gif", rgb, {}),
        ("frames.gif", rgba, {**frames, "disposal": 2, "transparency": 0}),
        ("rgb.bmp", rgb, {}),
        ("bits.bmp", grey.convert("1"), {}),
        ("palette.bmp", rgb.quantize(16), {}),
        ("rgba.tiff", rgba, {"compression": "tiff_lzw"}),
        ("jpeg.tiff", rgb, {"compression": "jpeg"}),
        ("pages.tiff", rgb, {"save_all": True, "append_images": [rgba]}),
        ("float.tiff", grey.convert("F"), {}),
        ("rgb.ppm", rgb, {}),
        ("deep.pgm", deep, {"format": "PPM"}),
        ("bits.pbm", grey.convert("1"), {"format": "PPM"}),
        ("rgba.jp2", rgba, {}),
        ("rgb.ico", rgb, {}),
        ("rgb.tga", rgb, {}),
    ]
    whole = {name: _saved(name, image, options) for name, image, options in kinds}
    whole["script.eps.png"] = whole["script.eps.jpg"] = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n%%EOF\n"
    )
    whole["large.png"] = flat_png(13_000, 13_000)
    whole["many.gif"] = _gif_of(100, 2_000)
    return whole


def _saved(name: str, image: Image.Image, options: dict) -> bytes:
    file = io.BytesIO()
    kinds = {"jpg": "JPEG", "jp2": "JPEG2000", "mpo": "MPO"}
    suffix = name.rpartition(".")[2]
    image.copy().save(file, **{"format": kinds.get(suffix, suffix.upper()), **options})
    return file.getvalue()


def _gif_of(frames: int, side: int) -> bytes:
    """Frames of one pixel each on a large screen."""
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    return head + frame * frames + b";"


# --- PNG -----------------------------------------------------------------------------------------

Chunks = list[tuple[bytes, bytes]]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def flat_png(width: int, height: int) -> bytes:
    """A black picture of any size, of 8 bits grey."""
    packer = zlib.compressobj(9)
    lines = [packer.compress(bytes((width + 1) * 100)) for _ in range(height // 100)]
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return png([(b"IHDR", header), (b"IDAT", b"".join(lines) + packer.flush()), (b"IEND", b"")])


def png(chunks: Chunks) -> bytes:
    """A file of chunks, with the checksums that they should have."""
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return _SIGNATURE + b"".join(parts)


def png_chunks(data: bytes) -> Chunks:
    """What a whole file is made of."""
    chunks, at = [], len(_SIGNATURE)
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    return chunks


def odd_png(rng: random.Random, data: bytes) -> bytes:
    """One chunk changed, its checksum right again."""
    chunks = png_chunks(data)
    at = rng.randrange(len(chunks))
    name, content = chunks[at]
    match rng.randrange(9):
        case 0:
            sides = [rng.choice((0, 1, 12, 13, 5_000, 20_000, 65_536, (1 << 31) - 1)) for _ in "12"]
            bits = [rng.choice((1, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 5)), 0, 0]
            chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *sides, *bits, rng.choice((0, 1))))
        case 1:
            chunks[at] = (name, damaged(rng, content))
        case 2:
            chunks.insert(rng.randrange(len(chunks) + 1), chunks[at])
        case 3:
            del chunks[at]
        case 4:
            rng.shuffle(chunks)
        case 5:
            chunks.insert(1, _odd_text(rng))
        case 6:
            inner = rng.choice(
                (b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT")
            )
            chunks.insert(
                rng.randrange(1, len(chunks) + 1), (inner, rng.randbytes(rng.choice((0, 8, 26))))
            )
        case 7:
            zeros = zlib.compress(bytes(rng.choice((0, 100, 5 << 20))), 9)
            chunks = [(n, zeros if n == b"IDAT" else d) for n, d in chunks]
        case _:
            return damaged(rng, data, header=60)
    return png(chunks)


def _odd_text(rng: random.Random) -> tuple[bytes, bytes]:
    """A text entry; those of workflows have these names."""
    key = rng.choice((b"prompt", b"workflow", b"", b"x" * 80))
    text = rng.choice(
        (
            *(b"[" * 100_000, b"null", b"\xff\xfe", b"{}", b"5", b'"x"', b"[1e999]", b"NaN", b""),
            json_bytes(rng, {"1": {"class_type": "EmptyImage", "inputs": {"width": edge(rng)}}}),
            json_bytes(rng, {"nodes": [{"id": 1, "type": "Note"}], "links": [edge(rng)]}),
        )
    )
    squeezed = zlib.compress(rng.choice((text, bytes(70 << 20), text * 100)), 1)
    return rng.choice(
        (
            (b"tEXt", key + b"\0" + text),
            (b"zTXt", key + b"\0\0" + squeezed),
            (b"zTXt", key + b"\0\0" + squeezed[:-5]),
            (b"zTXt", key + b"\0\7" + squeezed),
            (b"iTXt", key + b"\0\0\0\0\0" + text),
            (b"iTXt", key + b"\0\1\0\0\0" + squeezed),
            (b"tEXt", key),
        )
    )


# --- the others ----------------------------------------------------------------------------------


def odd_tiff(rng: random.Random, data: bytes) -> bytes:
    """One tag of the first directory changed, or bytes of the file."""
    order = "<" if data[:2] == b"II" else ">"
    if rng.random() < 0.3 or data[2:4] in (b"\x2b\0", b"\0\x2b"):
        return damaged(rng, data, header=300)
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    at = start + 2 + 12 * rng.randrange(count)
    tag, kind, number, value = struct.unpack_from(f"{order}HHII", data, at)
    match rng.randrange(6):
        case 0:
            number = edge(rng)
        case 1:
            kind = rng.choice((0, 1, 2, 3, 4, 5, 7, 11, 12, 13, 16, 99))
        case 2:
            tag = rng.choice((256, 257, 258, 259, 262, 273, 277, 279, 317, 322, 330, 339, 34665))
        case 3:
            at_next = start + 2 + 12 * count
            offset = rng.choice((start, 0, 8, len(data), edge(rng)))
            return data[:at_next] + packed(offset, 4, order == "<") + data[at_next + 4 :]
        case _:
            value = rng.choice((edge(rng), 20_000, 60_000, 1, 7, 8, 50_000 << 16))
    entry = struct.pack(f"{order}HHII", tag, kind, number % (1 << 32), value % (1 << 32))
    return data[:at] + entry + data[at + 12 :]


def _jpeg(rng: random.Random, data: bytes) -> bytes:
    """A segment's length or numbers changed, or bytes of the file."""
    at, segments = 2, []
    while at + 4 < len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        segments.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if not segments or rng.random() < 0.3:
        return damaged(rng, data, header=700)
    at = rng.choice(segments)
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if rng.random() < 0.3:
        return data[: at + 2] + packed(edge(rng), 2, little=False) + data[at + 4 :]
    if rng.random() < 0.2:
        return data[:at] + data[at:end] * rng.choice((0, 2, 500)) + data[end:]
    if data[at + 1] in (0xC0, 0xC2):
        sides = [packed(rng.choice((0, 1, 65_500, 30_000, 13)), 2, little=False) for _ in "12"]
        return data[: at + 5] + b"".join(sides) + data[at + 9 :]
    return data[: at + 4] + damaged(rng, data[at + 4 : end]) + data[end:]


def _ppm(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.4:
        return damaged(rng, data, header=20)
    numbers = ("12", "0", "-1", "999999", "99999999999999999999", "65535", "65536", "1e3", "#")
    words = [rng.choice(("P1", "P2", "P3", "P4", "P5", "P6", "P7", "Pf", "P0", "Py"))]
    words += [rng.choice(numbers) for _ in range(rng.choice((2, 3, 3, 3)))]
    return rng.choice((" ", "\n", "\n#x\n", " " * 5_000)).join(words).encode() + b"\n" + data[15:]


def _gif(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.1:
        return data
    return damaged(rng, data, header=rng.choice((14, 60, 900)))


def _plain(rng: random.Random, data: bytes) -> bytes:
    if data.startswith(b"%!PS"):
        return data
    return damaged(rng, data, header=rng.choice((30, 80, 300)))


def _png_or_script(rng: random.Random, data: bytes) -> bytes:
    if not data.startswith(_SIGNATURE):
        return data
    return data if len(data) > 50_000 and rng.random() < 0.1 else odd_png(rng, data)


_DAMAGES: Mapping[str, Callable[[random.Random, bytes], bytes]] = {
    "png": _png_or_script,
    "tiff": odd_tiff,
    "jpg": _jpeg,
    "mpo": _jpeg,
    "ppm": _ppm,
    "pgm": _ppm,
    "pbm": _ppm,
    "gif": _gif,
}
