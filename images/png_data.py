"""Whether a PNG has all its pixels: Pillow shows what is missing as black, and says nothing.

That happens where the compressed stream ends well before the last row; a stream that is cut off is
noticed. W3C, PNG Specification (Third Edition), sections 5, 7 and 8.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SIGNATURE = 8  # bytes
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# Of Adam7: first column and row, then the steps between columns and rows.
PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)
PIECE = 1 << 16


def check_complete(path: Path) -> None:
    """Raise ValueError for a PNG whose data gives fewer bytes than its rows need."""
    with path.open("rb") as file:
        file.seek(SIGNATURE)
        chunks = _chunks(file)
        _, header = next(chunks, (b"", b""))
        needed = _bytes_of_rows(header)
        given, inflate = 0, zlib.decompressobj()
        for kind, data in chunks:
            pixels = data if kind == b"IDAT" else b""
            while pixels and given < needed and not inflate.eof:
                given += len(inflate.decompress(pixels, PIECE))
                pixels = inflate.unconsumed_tail
        given += len(inflate.flush())  # what one piece of input left behind
    if given < needed:
        raise ValueError(f"truncated: it has {given} of {needed} bytes of pixels")


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the data of each; large ones come in pieces."""
    while len(start := file.read(8)) == 8:
        left, kind = struct.unpack(">I4s", start)
        if kind not in (b"IHDR", b"IDAT"):
            file.seek(left + 4, 1)
            continue
        while left and (piece := file.read(min(left, PIECE))):
            left -= len(piece)
            yield kind, piece
        file.seek(4, 1)  # the checksum


def _bytes_of_rows(header: bytes) -> int:
    width, height, bits, colour, *_, interlaced = struct.unpack(">IIBBBBB", header)
    bits *= CHANNELS[colour]
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes)
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0)
