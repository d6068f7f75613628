"""Whether a PNG is complete, as W3C's specification (Third Edition) has it in sections 5, 7 and 8.

Where the compressed stream ends well before the last row, Pillow shows the missing ones as black.
Where a chunk claims to be longer than the file, OpenCV takes that much memory for it.
"""

import os
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
    """Raise ValueError for a PNG with fewer bytes than its rows need, or than a chunk claims."""
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
    """The kind and the data of those that matter; large ones come in pieces."""
    size = os.fstat(file.fileno()).st_size
    while len(start := file.read(8)) == 8:
        left, kind = struct.unpack(">I4s", start)
        if kind == b"IEND":  # some programs put more behind it
            return
        if left > size - file.tell():
            raise ValueError(f"truncated: a chunk claims {left} bytes, more than follow")
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
