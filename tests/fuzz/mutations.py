"""Damage that knows a structure: bytes, numbers, JSON, zip archives."""

import copy
import json
import random
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Bytes = Callable[[random.Random, bytes], bytes]

EDGES = (
    *(0, 1, 2, 3, 7, 16, 127, 128, 255, 256, 4096, 32767, 32768, 65535, 65536, 100_000),
    *(1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40),
    *((1 << 62), (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -1, -2, -(1 << 31), -(1 << 63)),
)


def edge(rng: random.Random) -> int:
    """A number near which programs go wrong."""
    return rng.choice(EDGES) + rng.choice((0, 0, 0, 1, -1))


def packed(number: int, width: int, little: bool = True) -> bytes:
    """A number in so many bytes; what does not fit is cut off."""
    return (number % (1 << 8 * width)).to_bytes(width, "little" if little else "big")


# --- bytes ---------------------------------------------------------------------------------------


def damaged(rng: random.Random, data: bytes, header: int = 0) -> bytes:
    """One to three blows; with `header` mostly within so many bytes from the start."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not data:
            return data
        end = min(len(data), header) if header and rng.random() < 0.8 else len(data)
        data = rng.choice(_BLOWS)(rng, data, rng.randrange(end))
    return data


def _flip(rng: random.Random, data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _byte(rng: random.Random, data: bytes, at: int) -> bytes:
    return data[:at] + bytes([rng.choice((0, 1, 127, 128, 254, 255))]) + data[at + 1 :]


def _number(rng: random.Random, data: bytes, at: int) -> bytes:
    width = rng.choice((2, 4, 8))
    return data[:at] + packed(edge(rng), width, rng.random() < 0.5) + data[at + width :]


def _cut(rng: random.Random, data: bytes, at: int) -> bytes:
    return data[:at]


def _without(rng: random.Random, data: bytes, at: int) -> bytes:
    return data[:at] + data[at + rng.choice((1, 2, 4, 16, 100)) :]


def _twice(rng: random.Random, data: bytes, at: int) -> bytes:
    length = rng.choice((1, 4, 16, 64, len(data)))
    return (
        data[: at + length] + data[at : at + length] * rng.choice((1, 1, 10)) + data[at + length :]
    )


def _noise(rng: random.Random, data: bytes, at: int) -> bytes:
    length = rng.choice((1, 2, 4, 8, 64))
    return data[:at] + rng.randbytes(length) + data[at + length :]


def _zeros(rng: random.Random, data: bytes, at: int) -> bytes:
    length = rng.choice((4, 64, len(data)))
    return (data[:at] + bytes(length) + data[at + length :])[: len(data)]


_BLOWS = (_flip, _byte, _number, _number, _cut, _without, _twice, _noise, _zeros)


# --- JSON ----------------------------------------------------------------------------------------


def odd_value(rng: random.Random) -> Any:
    """What JSON can hold and nobody expects."""
    return rng.choice(
        (
            *(None, True, False, 0, -1, 1.5, 1e308, float("nan"), float("inf"), -0.0, 10**30),
            *(
                "",
                "x",
                "0",
                "../../x",
                "/etc/passwd",
                "a\0b",
                "\ud800",
                "x" * 300,
                "{a|b",
                "%date:",
            ),
            *([], {}, [[]], {"": None}, [None] * 3, [1, 2, 3], ["1", 0], {"a": [1]}, [[["1"]]]),
            *(
                edge(rng),
                str(edge(rng)),
                [edge(rng)],
                float(edge(rng)),
                "é\u202e\x1b[31m",
                10**5000,
            ),
        )
    )


def odd_json(rng: random.Random, document: Any) -> Any:
    """A document with one to three places changed; what it was made of stays as it is."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 3))):
        parents = list(_parents(document))
        if not parents:
            return odd_value(rng)
        parent = rng.choice(parents)
        key = rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        match rng.randrange(6):
            case 0:
                del parent[key]
            case 1:
                other = rng.choice(parents)
                parent[key] = copy.deepcopy(other)  # a copy: no circle
            case 2 if isinstance(parent, dict):
                name = odd_value(rng)
                parent[name if isinstance(name, str) else json.dumps(key)] = parent.pop(key)
            case 2:
                parent.append(copy.deepcopy(parent[key]))
            case 3 if isinstance(parent[key], int) and not isinstance(parent[key], bool):
                parent[key] = edge(rng)
            case 4 if isinstance(parent[key], str):
                parent[key] = rng.choice((parent[key] * 2, parent[key][:-1], parent[key].upper()))
            case _:
                parent[key] = odd_value(rng)
    return document


def _parents(document: Any) -> Any:
    """Every list and object of a document that is not empty."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (dict, list)) and one:
            yield one
            waiting += one.values() if isinstance(one, dict) else one


def json_bytes(rng: random.Random, document: Any) -> bytes:
    """A document as text, now and then as no text that a parser likes."""
    if rng.random() < 0.8:
        return dumped(document)
    text = dumped(document)
    at = rng.randrange(len(text) + 1)
    deep = rng.choice((100, 2_000, 100_000))
    return rng.choice(
        (
            text[:at],
            b"\xef\xbb\xbf" + text,
            text.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass"),
            text[:at] + b"\xff" + text[at:],
            b"[" * deep,
            b'{"a":' * deep,
            b"[" * deep + b"]" * deep,
            text.replace(b":", b":" + b"[" * deep + b"]" * deep + b",", 1),
            text.replace(b"1", b"9" * 5_000, 1),
            text.replace(b"0", b"1e999", 1),
            text + text,
            b"",
            b"null",
        )
    )


def dumped(document: Any) -> bytes:
    """Compact JSON; a number of any length, and half of a surrogate pair as it is escaped."""
    limit = _long_numbers()
    try:
        return json.dumps(document, separators=(",", ":")).encode()
    finally:
        limit()


def _long_numbers() -> Callable[[], None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    return lambda: sys.set_int_max_str_digits(before)


# --- zip -----------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A file in an archive: what it holds and what the archive claims of it."""

    name: bytes
    data: bytes  # as stored
    method: int = 0
    size: int | None = None  # unpacked
    crc: int | None = None
    flags: int = 0
    stored: int | None = None


def deflated(name: bytes, data: bytes) -> Entry:
    """A compressed entry."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return Entry(name, packer.compress(data) + packer.flush(), 8, len(data), zlib.crc32(data))


def bomb(name: bytes, start: bytes, megabytes: int) -> Entry:
    """An entry that unpacks to so many megabytes of zeros behind its start, in a kilobyte each."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = zlib.crc32(start)
    for _ in range(megabytes):
        crc = zlib.crc32(bytes(1 << 20), crc)
    size = len(start) + (megabytes << 20)
    return Entry(name, head + block * megabytes + packer.flush(), 8, size, crc)


def zipped(entries: Sequence[Entry]) -> bytes:
    """An archive, as its entries claim to be."""
    files, index, start = [], [], 0
    for entry in entries:
        size = len(entry.data) if entry.size is None else entry.size
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        stored = len(entry.data) if entry.stored is None else entry.stored
        common = struct.pack("<HHHHH", 20, entry.flags, entry.method, 0, 33)
        common += packed(crc, 4) + packed(stored, 4) + packed(size, 4)
        common += struct.pack("<HH", len(entry.name), 0)
        listed = b"PK\1\2" + struct.pack("<H", 20) + common + bytes(10)
        index.append(listed + struct.pack("<I", start) + entry.name)
        files.append(b"PK\3\4" + common + entry.name + entry.data)
        start += len(files[-1])
    count, size = len(entries), sum(map(len, index))
    end = struct.pack("<HHHHIIH", 0, 0, count, count, size, start, 0)
    return b"".join((*files, *index, b"PK\5\6", end))


def odd_zip(rng: random.Random, entries: Sequence[Entry]) -> bytes:
    """An archive with one of its entries not as it should be."""
    entries = list(entries)
    at = rng.randrange(len(entries))
    one = entries[at]
    match rng.randrange(10):
        case 0:
            entries.append(one)
        case 1:
            del entries[at]
        case 2:
            names = (b"../x", b"/x", b"", b"a" * 70_00, b"\xff\xfe", one.name + b"/", b"a\0b")
            entries[at] = one._replace(name=rng.choice(names))
        case 3:
            entries[at] = one._replace(method=rng.choice((0, 8, 9, 12, 14, 93, 99)))
        case 4:
            entries[at] = one._replace(size=edge(rng))
        case 5:
            entries[at] = one._replace(crc=edge(rng))
        case 6:
            entries[at] = one._replace(flags=rng.choice((1, 8, 64, 0x800, 0xFFFF)))
        case 7:
            entries[at] = one._replace(stored=edge(rng))
        case 8:
            small = min(entries, key=lambda entry: len(entry.data))
            entries += [small._replace(name=b"%d" % i) for i in range(2_000)]
        case _:
            return damaged(rng, zipped(entries))
    return zipped(entries)
