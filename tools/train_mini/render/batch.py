"""Some frames by one process; Blender keeps memory, so a fresh process takes the next ones."""

import time
from pathlib import Path

from . import shards


def render(indices: list[int], folder: Path, place: str | None) -> float:
    """Render frames into files of their own; seconds for each."""
    from .frame import frame  # brings Blender along, which the process that waits does without

    started = time.monotonic()
    for index in indices:
        image, disparity = frame(index, place)
        shards.save(shards.frame_path(folder, index), image[None], disparity[None])
    return (time.monotonic() - started) / len(indices)
