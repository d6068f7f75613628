"""What a mask editor that knows 8 bits only makes of a depth map, and of which map it made it.

ComfyUI's saves a copy into the folder `clipspace`, newer ones as `clipspace-….png`: a PNG of 8 bits
whose transparency is the mask. Of 16 bits it keeps the upper 8, or cuts off all above 255 and
leaves little but black and white, depending on who reduces them.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..images.files import opened
from .files.image_files import read_image
from .thumbnail import MOST

MARK = "clipspace"
TOLERANCE = 2.0  # mean difference of 8-bit values, as JPEG previews have it


def is_copy(path: Path) -> bool:
    """Whether the mask editor saved the file."""
    is_marked = path.parent.name == MARK or path.name.startswith(f"{MARK}-")
    return is_marked and path.suffix.lower() == ".png"


def count_values(path: Path) -> int:
    """How many different depths a copy has."""
    return len(np.unique(_grey(path)))


def find_original(copy: Path, candidates: Iterable[Path]) -> Path | None:
    """The only one of several files of which the mask editor can have made a copy."""
    seen = _grey(copy).astype(int)
    found = [path for path in candidates if not is_copy(path) and _is_original(path, seen)]
    return found[0] if len(found) == 1 else None


def _is_original(path: Path, seen: np.ndarray) -> bool:
    try:
        with opened(path) as image:
            width, height = image.size
        step = -(-max(width, height) // MOST)  # where the editor was opened on a preview
        if seen.shape not in ((height, width), (-(-height // step), -(-width // step))):
            return False
        values = read_image(path)
    except (OSError, ValueError):  # no image; others are looked at
        return False
    depth = (values.pixels[0, ..., 0].numpy() * values.most).round().astype(int)
    if depth.shape != seen.shape:
        depth = depth[::step, ::step]
    upper = depth if values.most <= 255 else depth // 257
    is_upper = bool(np.abs(seen - upper).mean() <= TOLERANCE)
    return is_upper or np.array_equal(seen, depth.clip(0, 255))


def _grey(path: Path) -> np.ndarray:
    """The colours of a copy, which are there below its transparency too: uint8 `[H, W]`."""
    with opened(path) as image:
        return np.asarray(image.convert("RGB"))[..., 0]
