"""Depth maps in files: EXR, NPY, NPZ, PFM, TIFF and 16-bit PNG."""

import random
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import OpenEXR
import tifffile
import torch

from sd2_depth2img.depth.colormaps import ColourMap
from sd2_depth2img.depth.depth_files import Beyond, FileFormat, Reading, read_depth, write_depth
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS

from . import mutations, pictures
from .mutations import damaged, edge
from .runner import Attempt, Maker

WIDTH, HEIGHT = 12, 9
LAYERS = ("Z", "depth", "ViewLayer", "rgb", "x" * 9_000, "a\0b", "[", "arr_0", "R")


def maker() -> Maker:
    """Whole files of every kind are made once; each input is one of them, damaged."""
    whole = _whole_files()

    def make(rng: random.Random, place: Path) -> Attempt:
        kind = rng.choice(list(_KINDS))
        seed, data = _KINDS[kind](rng, whole)
        suffix = kind if rng.random() < 0.95 else rng.choice(("png", "exr", "npz", "npy", "pfm"))
        path = place / "input" / f"map.{suffix}"
        path.write_bytes(data)
        return Attempt(_call(rng, path), [path.name], f"{kind}: {seed}")

    return make


def _call(rng: random.Random, path: Path) -> Callable[[], object]:
    reading = Reading(
        far=rng.choice((0.0, 0.0, 100.0)),
        near=rng.choice((1.0, 1.0, 0.5, 1e-30)),
        beyond=rng.choice((Beyond.REFUSE, Beyond.CLIP, Beyond.KEEP)),
        colours=rng.choice((ColourMap.GREY, ColourMap.GREY, *ColourMap)),
        layer=rng.choice(("",) * 12 + LAYERS),
    )
    if rng.random() < 0.5:
        return lambda: _sound(read_depth(path, reading))
    node = NODE_CLASS_MAPPINGS["SD2DepthLoad"]()
    return lambda: node.execute(path.name, far=reading.far, near=reading.near, beyond="keep")


def _sound(maps: torch.Tensor) -> None:
    """A damaged file that reads is still a depth map."""
    if maps.dtype != torch.float32 or maps.ndim != 3 or not maps.numel():
        raise AssertionError(f"read {maps.dtype} {list(maps.shape)}")


# --- whole files ---------------------------------------------------------------------------------

Whole = Mapping[str, bytes]


def _whole_files() -> Whole:
    """By name; the part before the dot says what is special."""
    ramp = np.linspace(0, 1, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
    whole = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed"
        for kind in FileFormat:
            write_depth(path, torch.from_numpy(ramp), kind)
            whole[f"{kind.value.replace(' ', '_')}.{kind.suffix[1:]}"] = path.read_bytes()
        for name, header, channels in _exr_kinds(ramp):
            with OpenEXR.File(header, channels) as file:
                file.write(str(path))
            whole[f"{name}.exr"] = path.read_bytes()
        parts = [
            OpenEXR.Part({"name": n, "type": OpenEXR.scanlineimage}, c)
            for n, c in (("rgb", {"RGB": np.stack([ramp] * 3, -1)}), ("depth", {"Z": ramp}))
        ]
        with OpenEXR.File(parts) as file:
            file.write(str(path))
        whole["parts.exr"] = path.read_bytes()
        for name, values, options in _tiff_kinds(ramp):
            tifffile.imwrite(path, values, **options)
            whole[f"{name}.tiff"] = path.read_bytes()
    return whole


def _exr_kinds(ramp: np.ndarray) -> list[tuple]:
    lines = OpenEXR.scanlineimage
    half, wide = ramp.astype(np.float16), np.stack([ramp] * 3, -1)
    layers = dict.fromkeys(("R", "G", "B", "depth.Z", "ViewLayer.Depth.Z", "crypto00.R"), ramp)
    kinds = [
        (
            c.lower(),
            {"type": lines, "compression": getattr(OpenEXR, f"{c}_COMPRESSION")},
            {"Z": ramp},
        )
        for c in ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "DWAA")
    ]
    return [
        *kinds,
        ("half", {"type": lines}, {"Y": half}),
        ("rgb", {"type": lines}, {"RGB": wide}),
        ("layers", {"type": lines}, layers),
        ("whole_numbers", {"type": lines}, {"Z": (ramp * 9).astype(np.uint32)}),
        ("tiles", {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}, {"Z": ramp}),
        ("many", {"type": lines}, {f"layer{i:03}.Z": ramp for i in range(60)}),
    ]


def _tiff_kinds(ramp: np.ndarray) -> list[tuple]:
    small = (ramp * 65535).astype(np.uint16)
    return [
        ("deflate", ramp, {"compression": "zlib"}),
        ("tiled", small, {"tile": (16, 16)}),
        ("pages", np.stack([small] * 3), {"photometric": "minisblack"}),
        ("rgb", np.stack([small] * 3, -1), {"photometric": "rgb"}),
        ("big", small, {"bigtiff": True}),
        ("white_is_zero", small, {"photometric": "miniswhite"}),
        ("double", ramp.astype(np.float64), {}),
        ("millimetres", (ramp * 9_000).astype(np.uint32), {}),
        ("big_endian", small, {"byteorder": ">"}),
    ]


# --- one input of each kind ----------------------------------------------------------------------

Made = tuple[str, bytes]  # what it is made of, and its bytes


def _any(rng: random.Random, whole: Whole, suffix: str) -> Made:
    name = rng.choice([name for name in whole if name.endswith(f".{suffix}")])
    return name, whole[name]


def _exr(rng: random.Random, whole: Whole) -> Made:
    name, data = _any(rng, whole, "exr")
    if rng.random() < 0.3:
        return f"{name}, damaged", damaged(rng, data, header=400)
    places = _exr_attributes(data)
    what, start, size = rng.choice(places)
    value = bytearray(data[start : start + size])
    match rng.randrange(4):
        case 0:
            data = data[: start - 4] + mutations.packed(edge(rng), 4) + data[start:]
        case 1:
            value = bytearray(damaged(rng, bytes(value)))
        case 2 if size >= 4:
            at = rng.randrange(size // 4) * 4
            value[at : at + 4] = mutations.packed(edge(rng), 4)
        case _ if size >= 16 and what.endswith("Window"):
            window = [rng.choice((0, 8, -5, 1_000, 20_000, 1 << 20, (1 << 31) - 1)) for _ in "1234"]
            value[:16] = struct.pack("<4i", *window)
    return f"{name}, {what} changed", data[:start] + bytes(value) + data[start + size :]


def _exr_attributes(data: bytes) -> list[tuple[str, int, int]]:
    """Name, start and size of the values in the first header."""
    places, at = [], 8
    while at < len(data) and data[at]:
        end = data.index(b"\0", at)
        kind_end = data.index(b"\0", end + 1)
        size = int.from_bytes(data[kind_end + 1 : kind_end + 5], "little")
        places.append((data[at:end].decode("latin1"), kind_end + 5, size))
        at = kind_end + 5 + size
    return places


DESCRIPTIONS = (
    *("<f4", ">f4", "<f2", "<f8", "|u1", "<u2", "<u4", "<i8", "|b1", "<c8", "|O", "|V8", "<U9"),
    *("|S0", "<U1000000", "<M8[ns]", "", "f", "float128", "<f3", (), ("<f4", (2, 2)), None, 5),
    *([("a", "<f4")], [("a", "|O")], [("a", [("b", "<f4")])], {"names": ["a"]}, [()], "<f4" * 99),
)
SHAPES = (
    *((9, 12), (108,), (1, 9, 12), (9, 12, 1), (9, 12, 3), (), (0, 0), (-1, 12), (9, -12)),
    *((1 << 40, 1 << 40), (1 << 63, 1), (9.0, 12), ("9", 12), None, [9, 12], (9, 12, 1, 1)),
    *((True, 108), (10**400, 1), (1,) * 40, (1,) * 3_000, (0, 1 << 62), 108, (100_000, 100_000)),
)


def _npy(rng: random.Random, whole: Whole) -> Made:
    """A header with odd types and shapes, over values that may agree with it."""
    if rng.random() < 0.3:
        return "damaged", damaged(rng, whole["npy.npy"], header=128)
    descr = rng.choice(DESCRIPTIONS) if rng.random() < 0.6 else "<f4"
    shape = rng.choice(SHAPES) if rng.random() < 0.6 else (9, 12)
    fortran = rng.choice((False, False, True, 1, "x"))
    text = repr({"descr": descr, "fortran_order": fortran, "shape": shape})
    if rng.random() < 0.3:
        text = rng.choice(
            (
                text[: rng.randrange(len(text))],
                "(" * 5_000 + ")" * 5_000,
                "-" * 50_000 + "1",
                f"{{{text[1:-1]}, 'more': {'[' * 90 + ']' * 90}}}",
                f"{{{text[1:-1]}, 'more': [{'1,' * 30_000}]}}",
                text.replace("'", '"""'),
                "__import__('os').system('true')",
                text + " " * 70_000,
                "9" * 10_000,
                text + "\0",
            )
        )
    header = text.encode("utf-8") + b"\n"
    version = rng.choice((1, 1, 1, 2, 3, 4, 255))
    length = len(header) if rng.random() < 0.9 else edge(rng)
    packed = mutations.packed(length, 2 if version == 1 else 4)
    values = bytes(rng.choice((432, 432, 216, 864, 0, 100_000)))
    return f"{text[:60]}", b"\x93NUMPY" + bytes([version, 0]) + packed + header + values


def _npz(rng: random.Random, whole: Whole) -> Made:
    if rng.random() < 0.05:
        kind = rng.choice(("u1", "f4", "f8"))
        megabytes = rng.choice((600, 2_000))
        side = (megabytes << 20) // int(kind[1]) // 1024
        header = repr({"descr": f"<{kind}", "fortran_order": False, "shape": (side, 1024)}) + "\n"
        start = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode()
        return f"bomb of {megabytes} MB {kind}", mutations.zipped(
            [mutations.bomb(b"depth.npy", start, megabytes)]
        )
    what, array = _npy(rng, whole)
    name = rng.choice((b"depth.npy", b"depth.npy", b"arr_0.npy", b"x", b"depth"))
    make = rng.choice((mutations.deflated, mutations.Entry))
    entries = [make(name, array)]
    if rng.random() < 0.3:
        entries.append(mutations.deflated(rng.choice((b"arr_1.npy", b"depth.npy")), array))
    whole_zip = rng.random() < 0.4
    data = mutations.zipped(entries) if whole_zip else mutations.odd_zip(rng, entries)
    return f"{what}{'' if whole_zip else ', odd zip'}", data


def _pfm(rng: random.Random, whole: Whole) -> Made:
    if rng.random() < 0.4:
        return "damaged", damaged(rng, whole["pfm.pfm"], header=20)
    number = ("12", "9", "0", "-1", "1e3", "999999999", "9" * 30, "0x10", " ", "\u0661", "1_2")
    scale = ("-1.0", "1.0", "0", "nan", "inf", "-1e400", "1e-400", "-0.0", "1" * 5_000, "abc")
    words = [rng.choice(("Pf", "PF", "Pf4", "pf"))]
    words += [rng.choice(number), rng.choice(number), rng.choice(scale)]
    gap = rng.choice(("\n", " ", "\t\n", "\n# comment\n", "\r\n", " " * 10_000))
    values = rng.choice((bytes(432), b"\xff" * 432, bytes(1296), b"", b"\0\0\x80\x7f" * 108))
    return repr(words), gap.join(words).encode() + b"\n" + values


def _tiff(rng: random.Random, whole: Whole) -> Made:
    name, data = _any(rng, whole, "tiff")
    return f"{name}, tag changed", pictures.odd_tiff(rng, data)


def _png(rng: random.Random, whole: Whole) -> Made:
    return "16 bits", pictures.odd_png(rng, whole["png.png"])


_KINDS: Mapping[str, Callable[[random.Random, Whole], Made]] = {
    "exr": _exr,
    "npy": _npy,
    "npz": _npz,
    "pfm": _pfm,
    "tiff": _tiff,
    "png": _png,
}
