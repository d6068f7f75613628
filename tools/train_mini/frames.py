"""Rendered frames, read from their shards and given the accidents of a camera."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

from .render import shards
from .scenes import stretched

SMALLEST = 0.45  # side of a crop, as a share of the frame's
OUTLIERS = 0.01  # share of the nearest and of the farthest pixels that the range leaves out


class Frames:
    """All frames of a folder's first `count` full shards (all of them if None), in memory.

    Images uint8 `[frames, side, side, 3]`, disparity float16 `[frames, side, side]`, 0 = sky.
    Raises ValueError when the folder has fewer.
    """

    def __init__(self, folder: Path, count: int | None = None) -> None:
        found = shards.whole(folder)
        self.shards = len(found) if count is None else count
        if not 0 < self.shards <= len(found):
            raise ValueError(
                f"{folder} has {len(found)} full shards of rendered frames, not {count or 'one'}; "
                "render more: see tools/train_mini/render/README.md"
            )
        loaded = [shards.load(file) for file in found[: self.shards]]
        self.images = np.concatenate([shard.images for shard in loaded])
        self.disparity = np.concatenate([shard.disparity for shard in loaded])

    def __len__(self) -> int:
        return len(self.images)

    def pair(self, random: Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        """A photograph float32 `[size, size, 3]` in 0..1 and its depth `[size, size]` in 0..1."""
        frame = random.integers(len(self))
        image, disparity = self.images[frame], self.disparity[frame].astype(np.float32)
        image, disparity = _cropped(random, size, image, disparity)
        low, high = np.quantile(disparity, (OUTLIERS, 1 - OUTLIERS))
        depth = stretched(np.clip(disparity, low, high))
        return photographed(random, image), depth.astype(np.float32)


def _cropped(random: Generator, size: int, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same part of each array, at `size` pixels, half of them mirrored.

    Depth is resampled without mixing near and far.
    """
    side = arrays[0].shape[0]
    crop = side if random.random() < 0.4 else round(side * random.uniform(SMALLEST, 1))
    top, left = random.integers(side - crop + 1, size=2)
    mirrored = random.random() < 0.5
    parts = []
    for array in arrays:
        part = array[top : top + crop, left : left + crop]
        part = part[:, ::-1] if mirrored else part
        smooth = cv2.INTER_AREA if size < crop else cv2.INTER_CUBIC
        how = smooth if array.ndim == 3 else cv2.INTER_NEAREST
        parts.append(cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=how))
    return tuple(parts)


def photographed(random: Generator, image: np.ndarray) -> np.ndarray:
    """The uint8 image as other cameras would have taken it, float32 in 0..1."""
    changed: np.ndarray = image.astype(np.float32) / 255
    if random.random() < 0.8:
        white = np.exp(random.normal(0, 0.08, 3) + random.normal(0, 0.15))
        changed = np.clip(changed * white, 0, 1) ** np.exp(random.normal(0, 0.2))
        grey = changed.mean(-1, keepdims=True)
        changed = grey + (changed - grey) * random.uniform(0.3, 1.4)
    if random.random() < 0.1:
        changed = np.repeat(changed.mean(-1, keepdims=True), 3, -1)
    elif random.random() < 0.15:  # no colour means a distance
        changed = changed[..., random.permutation(3)]
    if random.random() < 0.3:
        changed = cv2.GaussianBlur(changed, (0, 0), random.uniform(0.3, 1.2))
    if random.random() < 0.4:
        changed = changed + random.normal(0, random.uniform(0.005, 0.04), changed.shape)
    changed = np.clip(changed, 0, 1)
    if random.random() < 0.5:
        changed = _compressed(changed, quality=int(random.integers(35, 96)))
    return changed.astype(np.float32)


def _compressed(image: np.ndarray, quality: int) -> np.ndarray:
    """Through a JPEG file."""
    file = BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32) / 255
