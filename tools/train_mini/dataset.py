"""The training set: scenes drawn, painted and captioned once, then read from disk."""

import json
import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.lib.format import open_memmap

from .scenes import Scene, random_scene, stretched
from .shader import Appearance, random_appearance, render

# Raise it when scenes, shader or captions change: the file's metadata names it.
DATA_VERSION = 2

# The seed of scenes that no training sees: measures and tests draw theirs from it.
HELD_OUT = 1_000_000

SIZES = (128, 256)
PAINTINGS = 2  # of every scene, each with an appearance of its own

Arrays = dict[int, np.ndarray]  # by image size

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """A scene and its paintings, by image size."""

    noun: str
    appearances: tuple[Appearance, ...]
    depth: Arrays  # float32 [side, side]
    images: Arrays  # uint8 [PAINTINGS, side, side, 3]


def sample(seed: int, index: int) -> Sample:
    """Sample `index` of the set that `seed` stands for; independent of all others."""
    random = np.random.default_rng((seed, index))
    scene = random_scene(random, SIZES[-1])
    appearances = tuple(random_appearance(random) for _ in range(PAINTINGS))
    depth = {side: _resized(scene, side) for side in SIZES}
    images = {side: _bytes([render(depth[side], look) for look in appearances]) for side in SIZES}
    return Sample(scene.noun, appearances, depth, images)


class Dataset:
    """The set on disk, memory-mapped.

    For every scene a noun and `PAINTINGS` appearances; by image size depth maps, float16
    [scenes, side, side], and images, uint8 [scenes, PAINTINGS, side, side, 3].
    """

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        self.nouns: list[str] = facts["nouns"]
        self.appearances = [
            tuple(Appearance(**look) for look in looks) for looks in facts["appearances"]
        ]
        self.depth, self.images = _arrays(folder, "r")

    def __len__(self) -> int:
        return len(self.nouns)


def prepare(folder: Path, scenes: int, seed: int) -> Dataset:
    """Draw and paint the set, or open it when it is there already."""
    wanted = {"version": DATA_VERSION, "seed": seed, "scenes": scenes}
    done = folder / "done.json"
    if done.exists() and json.loads(done.read_text()) == wanted:
        return Dataset(folder)
    folder.mkdir(parents=True, exist_ok=True)
    done.unlink(missing_ok=True)  # from here on the files are neither the old set nor the new
    _write(folder, scenes, seed)
    done.write_text(json.dumps(wanted))
    return Dataset(folder)


def _write(folder: Path, scenes: int, seed: int) -> None:
    depth, images = _arrays(folder, "w+", scenes)
    nouns, appearances = [], []
    with ProcessPoolExecutor() as pool:
        items = pool.map(sample, [seed] * scenes, range(scenes), chunksize=16)
        for index, item in enumerate(items):
            for side in SIZES:
                depth[side][index] = item.depth[side]
                images[side][index] = item.images[side]
            nouns.append(item.noun)
            appearances.append([asdict(look) for look in item.appearances])
            if index % 500 == 0:
                log.info("scene %d of %d", index, scenes)
    (folder / "facts.json").write_text(json.dumps({"nouns": nouns, "appearances": appearances}))


def _arrays(folder: Path, mode: Literal["r", "w+"], scenes: int = 0) -> tuple[Arrays, Arrays]:
    """Depth maps and images by size; existing files say themselves how many scenes they hold."""

    def array(name: str, side: int, kind: type, shape: tuple[int, ...]) -> np.ndarray:
        return open_memmap(folder / f"{name}-{side}.npy", mode, kind, (scenes, *shape))

    depth = {side: array("depth", side, np.float16, (side, side)) for side in SIZES}
    images = {side: array("pictures", side, np.uint8, (PAINTINGS, side, side, 3)) for side in SIZES}
    return depth, images


def _resized(scene: Scene, side: int) -> np.ndarray:
    return stretched(cv2.resize(scene.depth, (side, side), interpolation=cv2.INTER_AREA))


def _bytes(images: list[np.ndarray]) -> np.ndarray:
    return np.round(np.stack(images) * 255).astype(np.uint8)
