"""OpenEXR files: scan lines without compression or with the lossless RLE, ZIPS and ZIP.

The wheels of OpenCV 5 have no OpenEXR in them, and this much of the format is numpy and zlib. The
layout is that of "OpenEXR File Layout" (openexr.com, Technical Documentation); byte predictor and
interleaving are those of its `ImfZip.cpp`, run lengths those of `ImfRle.cpp`. Everything in a file
is little-endian.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MAGIC = b"\x76\x2f\x31\x01"

# Flags in the version field, from bit 9 on, for what is not read here. 0x400 (long names) is.
NOT_READ = {0x200: "tiles", 0x800: "deep pixels", 0x1000: "several parts"}

PIXEL_TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
FLOAT = 2

NONE, RLE, ZIPS, ZIP = range(4)
LINES = {NONE: 1, RLE: 1, ZIPS: 1, ZIP: 16}  # scan lines in a chunk
OTHERS = {4: "PIZ", 5: "PXR24", 6: "B44", 7: "B44A", 8: "DWAA", 9: "DWAB", 10: "HTJ2K", 11: "HTJ2K"}

LARGEST_RATIO = 1032  # deflate packs no more bytes than that into one


class UnreadableEXR(ValueError):  # noqa: N818 - names what the file is
    """The file is damaged, or of a kind that is not read here; the message is half a sentence."""


class _Channel(NamedTuple):
    name: str
    dtype: np.dtype


@dataclass(frozen=True)
class _Header:
    channels: tuple[_Channel, ...]  # in the file's order
    compression: int
    first_line: int  # y of the topmost scan line
    height: int
    width: int
    end: int  # where the table of offsets begins


def read_exr(data: bytes) -> dict[str, np.ndarray]:
    """All channels of a file by name: float16, float32 or uint32 `[H, W]`.

    Raises:
        UnreadableEXR: a damaged file, or one with tiles, several parts, another compression,
            subsampled channels, or pixels for a part of its frame only.
    """
    try:
        header = _header(data)
        planes = _planes(data, header)
    except (struct.error, zlib.error, UnicodeDecodeError, IndexError) as error:
        raise UnreadableEXR(f"is damaged ({error})") from error
    return {channel.name: plane for channel, plane in zip(header.channels, planes, strict=True)}


def write_exr(values: np.ndarray, channel: str = "Y") -> bytes:
    """A file of one float32 channel `[H, W]`, ZIPped. Y is luminance: programs show it as grey."""
    height, width = values.shape
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = {
        "channels": (
            "chlist",
            f"{channel}\0".encode() + struct.pack("<4i", FLOAT, 0, 1, 1) + b"\0",
        ),
        "compression": ("compression", bytes([ZIP])),
        "dataWindow": ("box2i", window),
        "displayWindow": ("box2i", window),
        "lineOrder": ("lineOrder", b"\0"),
        "pixelAspectRatio": ("float", struct.pack("<f", 1)),
        "screenWindowCenter": ("v2f", struct.pack("<2f", 0, 0)),
        "screenWindowWidth": ("float", struct.pack("<f", 1)),
    }
    head = MAGIC + struct.pack("<I", 2) + _attributes(attributes)
    rows = values.astype("<f4")
    starts = range(0, height, LINES[ZIP])
    chunks = [_chunk(start, rows[start : start + LINES[ZIP]].tobytes()) for start in starts]
    first = len(head) + 8 * len(chunks)
    offsets = first + np.cumsum([0, *map(len, chunks)])[:-1]
    return head + offsets.astype("<u8").tobytes() + b"".join(chunks)


# --- reading -------------------------------------------------------------------------------------


def _header(data: bytes) -> _Header:
    (version,) = struct.unpack_from("<I", data, len(MAGIC))
    for flag, what in NOT_READ.items():
        if version & flag:
            raise UnreadableEXR(f"has {what}, which are not read")
    place, values = len(MAGIC) + 4, {}
    while data[place]:
        name, place = _text(data, place)
        _, place = _text(data, place)  # the type follows from the name
        (size,) = struct.unpack_from("<I", data, place)
        place += 4
        values[name] = data[place : place + size]
        place += size
    missing = [n for n in ("channels", "compression", "dataWindow") if not values.get(n)]
    if missing:
        raise UnreadableEXR(f"is damaged (its header lacks {', '.join(missing)})")
    return _checked(values, end=place + 1, size=len(data))


def _checked(values: Mapping[str, bytes], end: int, size: int) -> _Header:
    compression = values["compression"][0]
    if compression not in LINES:
        name = OTHERS.get(compression, f"number {compression}")
        raise UnreadableEXR(f"is compressed with {name}; none, RLE, ZIPS and ZIP are read")
    window = struct.unpack("<4i", values["dataWindow"])
    if values.get("displayWindow", values["dataWindow"]) != values["dataWindow"]:
        raise UnreadableEXR("has pixels for a part of its frame only, or beyond it (data window)")
    left, top, right, bottom = window
    height, width = bottom - top + 1, right - left + 1
    channels = _channels(values["channels"])
    stored = height * width * sum(channel.dtype.itemsize for channel in channels)
    if height < 1 or width < 1 or not channels or stored > LARGEST_RATIO * size:
        raise UnreadableEXR(
            f"is damaged (it claims {width} × {height} pixels and {len(channels)} channels)"
        )
    return _Header(channels, compression, top, height, width, end)


def _channels(data: bytes) -> tuple[_Channel, ...]:
    channels, place = [], 0
    while data[place]:
        name, place = _text(data, place)
        kind, _, *sampling = struct.unpack_from("<4i", data, place)
        place += 16
        if kind not in PIXEL_TYPES:
            raise UnreadableEXR(f"is damaged (pixels of type {kind})")
        if sampling != [1, 1]:
            raise UnreadableEXR(f"has a subsampled channel {name}, which is not read")
        channels.append(_Channel(name, PIXEL_TYPES[kind]))
    return tuple(channels)


def _planes(data: bytes, header: _Header) -> list[np.ndarray]:
    """The channels' pixels, in the order of the header."""
    step = LINES[header.compression]
    count = -(-header.height // step)
    offsets = struct.unpack_from(f"<{count}Q", data, header.end)
    planes = [np.empty((header.height, header.width), channel.dtype) for channel in header.channels]
    line_size = sum(header.width * channel.dtype.itemsize for channel in header.channels)
    seen = set()
    for offset in offsets:
        if offset > len(data):
            raise UnreadableEXR("is damaged (it ends too early)")
        y, size = struct.unpack_from("<2i", data, offset)
        first = y - header.first_line
        if first in seen or first % step or not 0 <= first < header.height:
            raise UnreadableEXR(f"is damaged (scan line {y} where it does not belong)")
        seen.add(first)
        lines = min(step, header.height - first)
        packed = data[offset + 8 : offset + 8 + size]
        pixels = _unpacked(packed, size, lines * line_size, header.compression)
        _spread_out(pixels, planes, first, lines)
    return planes


def _spread_out(pixels: bytes, planes: list[np.ndarray], first: int, lines: int) -> None:
    """A chunk holds line after line, and in a line channel after channel."""
    place = 0
    for line in range(first, first + lines):
        for plane in planes:
            width = plane.shape[1]
            plane[line] = np.frombuffer(pixels, plane.dtype, width, place)
            place += width * plane.itemsize


def _unpacked(packed: bytes, size: int, expected: int, compression: int) -> bytes:
    if size < 0 or len(packed) != size:
        raise UnreadableEXR("is damaged (it ends too early)")
    if size == expected:  # also what would have grown by compression
        return packed
    if compression == NONE:
        raise UnreadableEXR(f"is damaged ({size} bytes of pixels, expected {expected})")
    unpack = _unpack_runs if compression == RLE else _inflate
    scrambled = np.frombuffer(unpack(packed, expected), np.uint8)
    if len(scrambled) != expected:
        raise UnreadableEXR(f"is damaged ({len(scrambled)} bytes of pixels, expected {expected})")
    return _unscrambled(scrambled)


def _inflate(packed: bytes, expected: int) -> bytes:
    return zlib.decompressobj().decompress(packed, expected)


def _unpack_runs(packed: bytes, expected: int) -> bytes:
    result, place = bytearray(), 0
    while place < len(packed) and len(result) < expected:
        count = packed[place] - 256 if packed[place] > 127 else packed[place]
        if count < 0:  # that many bytes as they are
            result += packed[place + 1 : place + 1 - count]
            place += 1 - count
        else:  # one byte, over and over
            result += packed[place + 1 : place + 2] * (count + 1)
            place += 2
    return bytes(result)


def _unscrambled(scrambled: np.ndarray) -> bytes:
    """Undo the predictor (each byte is a difference to the one before it, plus 128) and put the
    two halves, bytes of even and of odd places, together again.
    """
    shifted = scrambled.astype(np.int64)
    shifted[1:] -= 128
    ordered = np.cumsum(shifted).astype(np.uint8)
    half = (len(ordered) + 1) // 2
    result = np.empty_like(ordered)
    result[0::2], result[1::2] = ordered[:half], ordered[half:]
    return result.tobytes()


def _text(data: bytes, place: int) -> tuple[str, int]:
    """A text that ends with a zero byte, and where the next thing begins."""
    end = data.find(b"\0", place)
    if end < 0:
        raise UnreadableEXR("is damaged (it ends too early)")
    return data[place:end].decode(), end + 1


# --- writing -------------------------------------------------------------------------------------


def _attributes(attributes: Mapping[str, tuple[str, bytes]]) -> bytes:
    """The header's entries, and the zero byte that ends them."""
    entries = (
        f"{name}\0{kind}\0".encode() + struct.pack("<I", len(value)) + value
        for name, (kind, value) in attributes.items()
    )
    return b"".join(entries) + b"\0"


def _chunk(first_line: int, pixels: bytes) -> bytes:
    packed = zlib.compress(_scrambled(np.frombuffer(pixels, np.uint8)))
    if len(packed) >= len(pixels):
        packed = pixels
    return struct.pack("<2i", first_line, len(packed)) + packed


def _scrambled(pixels: np.ndarray) -> bytes:
    ordered = np.concatenate([pixels[0::2], pixels[1::2]])
    differences = ordered.copy()
    differences[1:] = ordered[1:] - ordered[:-1] + np.uint8(128)  # modulo 256
    return differences.tobytes()
