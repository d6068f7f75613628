"""Depth maps at full size for the page: what an editor or viewer on the canvas works on.

An entry is `{"frame", "frames", "width", "height", "depth", "guide", "photo"}`, its last three a
file in the host's folder of previews, or None. `depth` is uint16, little-endian, 0 = far and
65535 = near, row by row; `guide` is uint8, the photo's luma; `photo` is a JPEG of the map's size.
"""

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..depth.editing.references import brightness_steps, depth_steps
from ..disk.sentences import in_words
from ..disk.writing import write_whole
from ..host import host
from ..images.crop import resize_image
from .thumbnails import evenly

log = logging.getLogger(__name__)

QUALITY = 92


def page_maps(
    depth: Tensor, image: Tensor | None = None, guide: bool = False
) -> list[dict[str, Any]]:
    """Entries for maps `[B, H, W]` in 0..1 and their images; of a large batch a few.

    `image` is `[N, h, w, 3]`, N a divisor of B. Empty in a host that shows nothing.
    """
    folder = host.preview_folder()
    if folder is None:
        return []
    frames, height, width = depth.shape
    entries = []
    try:
        for frame in evenly(frames):
            photo = None if image is None else _photo(image, frame, height, width)
            entries.append(
                {
                    **{"frame": frame, "frames": frames, "width": width, "height": height},
                    "depth": _depth_file(folder, depth[frame]),
                    "guide": None if photo is None or not guide else _guide_file(folder, photo),
                    "photo": None if photo is None else _photo_file(folder, photo),
                }
            )
    except OSError as error:
        log.warning("the page gets no map, but the result is right: %s", in_words(error))
    return entries


def _photo(image: Tensor, frame: int, height: int, width: int) -> Tensor:
    """Of a map's number, at the map's size: `[H, W, 3]`."""
    index = frame % len(image)
    return resize_image(image[index : index + 1], height, width)[0]


def _depth_file(folder: Path, depth: Tensor) -> dict[str, str]:
    steps = depth_steps(depth.cpu().numpy())
    return _file(folder, "u16", steps.astype("<u2").tobytes())


def _guide_file(folder: Path, photo: Tensor) -> dict[str, str]:
    return _file(folder, "u8", brightness_steps(photo).tobytes())


def _photo_file(folder: Path, photo: Tensor) -> dict[str, str]:
    file = io.BytesIO()
    pixels = (photo.clamp(0, 1) * 255 + 0.5).cpu().numpy().astype(np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return _file(folder, "jpg", file.getvalue())


def _file(folder: Path, suffix: str, content: bytes) -> dict[str, str]:
    """Named by its content: what is shown again is neither written nor fetched again."""
    digest = hashlib.sha256(content).hexdigest()[:32]
    path = folder / f"sd2_depth_{digest}.{suffix}"
    if not path.is_file():
        write_whole(path, lambda unfinished: unfinished.write_bytes(content))
    return {"filename": path.name, "subfolder": "", "type": "temp"}
