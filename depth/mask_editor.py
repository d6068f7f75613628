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
MOST_CANDIDATES = 100  # files that are read; a folder may hold the frames of a film
TOLERANCE = 2.0  # mean difference of 8-bit values, as JPEG previews have it


def is_copy(path: Path) -> bool:
    """Whether the mask editor saved the file."""
    is_marked = path.parent.name == MARK or path.name.startswith(f"{MARK}-")
    return is_marked and path.suffix.lower() == ".png"


def count_values(path: Path) -> int:
    """How many different depths a copy has."""
    return len(np.unique(_grey(path)))


def find_original(copy: Path, candidates: Iterable[Path]) -> Path | None:
    """The only one of several files of which the mask editor can have made a copy.

    None where more than MOST_CANDIDATES have the size of the original.
    """
    seen = _grey(copy).astype(int)
    steps = {path: _step(path, seen.shape) for path in candidates if not is_copy(path)}
    fitting = {path: step for path, step in steps.items() if step}
    if len(fitting) > MOST_CANDIDATES:
        return None
    found = [path for path, step in fitting.items() if _is_original(path, step, seen)]
    return found[0] if len(found) == 1 else None


def _step(path: Path, shape: tuple[int, ...]) -> int:
    """Every how many-th pixel of an image makes that shape; 0 where none does."""
    try:
        with opened(path) as image:
            width, height = image.size
    except (OSError, ValueError):  # no image
        return 0
    preview = -(-max(width, height) // MOST)  # where the editor was opened on one
    sizes = {step: (-(-height // step), -(-width // step)) for step in (1, preview)}
    return next((step for step, size in sizes.items() if size == shape), 0)


def _is_original(path: Path, step: int, seen: np.ndarray) -> bool:
    try:
        values = read_image(path)
    except (OSError, ValueError):  # a damaged one
        return False
    depth = (values.pixels[0, ::step, ::step, 0].numpy() * values.most).round().astype(int)
    if depth.shape != seen.shape:  # it lay on its side
        return False
    upper = depth if values.most <= 255 else depth // 257
    is_upper = bool(np.abs(seen - upper).mean() <= TOLERANCE)
    return is_upper or np.array_equal(seen, depth.clip(0, 255))


def _grey(path: Path) -> np.ndarray:
    """The colours of a copy, which are there below its transparency too: uint8 `[H, W]`."""
    with opened(path) as image:
        return np.asarray(image.convert("RGB"))[..., 0]
