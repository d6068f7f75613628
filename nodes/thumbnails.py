"""What a node shows of the depth map that it gives."""

import logging
import secrets
from typing import Any

from torch import Tensor

from ..depth.thumbnail import thumbnail
from ..disk.sentences import in_words
from ..host import host

log = logging.getLogger(__name__)

MOST = 8  # of a batch


def thumbnails(depth: Tensor | None) -> list[dict[str, Any]]:
    """Small images of maps `[B, H, W, 3]`: what `ui.images` takes; of a large batch a few."""
    folder = host.preview_folder()
    if folder is None or depth is None:
        return []
    shown = []
    try:
        for index in evenly(len(depth)):
            path = folder / f"sd2_depth_{secrets.token_hex(8)}.jpg"
            path.write_bytes(thumbnail(depth[index, ..., 0]))
            shown.append({"filename": path.name, "subfolder": "", "type": "temp"})
    except OSError as error:
        log.warning("there is no preview, but the depth map is right: %s", in_words(error))
    return shown


def evenly(total: int) -> list[int]:
    """Which entries of a batch are shown: all, or a few from the first to the last."""
    count = min(total, MOST)
    return [round(index * (total - 1) / max(1, count - 1)) for index in range(count)]
