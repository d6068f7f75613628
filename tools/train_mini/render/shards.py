"""Frames on disk: shards of 256, each written whole; needs neither Blender nor torch."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Raise it when what is rendered changes: the trained file's metadata names it.
FRAMES_VERSION = 1

SIDE = 160
SHARD = 256  # frames


@dataclass(frozen=True)
class Shard:
    """Frames `number · SHARD` and on: images uint8 [n, side, side, 3], disparity float16."""

    images: np.ndarray
    disparity: np.ndarray


def path(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return folder / f"shard-{number:04d}.npz"


def frame_path(folder: Path, index: int) -> Path:
    """The file of a frame whose shard is not full yet."""
    return folder / f"frame-{index:06d}.npz"


def save(file: Path, images: np.ndarray, disparity: np.ndarray) -> None:
    """Write frames; a file of that name holds all of them, or is not there."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    with unfinished.open("wb") as opened:
        np.savez_compressed(opened, images=images, disparity=disparity)
    unfinished.replace(file)


def load(file: Path) -> Shard:
    """The frames of a file."""
    with np.load(file) as arrays:
        return Shard(arrays["images"], arrays["disparity"])


def whole(folder: Path) -> list[Path]:
    """The full shards of a folder, in the order of their numbers."""
    return sorted(folder.glob("shard-*.npz"))


def pack(folder: Path, number: int) -> bool:
    """Make a shard of its frames if all of them are there."""
    frames = [frame_path(folder, index) for index in indices(number)]
    if not all(file.exists() for file in frames):
        return False
    loaded = [load(file) for file in frames]
    images = np.concatenate([one.images for one in loaded])
    save(path(folder, number), images, np.concatenate([one.disparity for one in loaded]))
    for file in frames:
        file.unlink()
    return True


def indices(number: int) -> range:
    """The frames of a shard."""
    return range(number * SHARD, (number + 1) * SHARD)


def missing(folder: Path, first: int, count: int) -> list[int]:
    """Frames of the range that are on disk in neither form."""
    return [
        index
        for index in range(first, first + count)
        if not path(folder, index // SHARD).exists() and not frame_path(folder, index).exists()
    ]
