"""Files that appear complete or not at all, and pictures in them."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor


@contextmanager
def written_whole(path: Path, replace: bool = True) -> Iterator[Path]:
    """A name to write to that becomes `path` when all went well; otherwise nothing is left.

    It may become a folder as well, where `path` is none yet. Who may read a file is what the
    user's umask says, whatever the writer makes of it: safetensors' are for their owner alone.

    Args:
        replace: False raises FileExistsError where `path` is taken, also by a link to nothing,
            or was taken by another program meanwhile.
    """
    if not replace:
        _refuse_taken(path)
    # The number keeps two programs that write the same file apart.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        unfinished.unlink()  # the writer makes it, as a file or a folder
        yield unfinished
        if unfinished.is_file():
            unfinished.chmod(mode)
        if replace:
            os.replace(unfinished, path)
        else:
            _put(unfinished, path)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        unfinished.unlink(missing_ok=True)


def _put(unfinished: Path, path: Path) -> None:
    """Rename, but onto nothing that is there."""
    if unfinished.is_file():
        try:
            os.link(unfinished, path)  # of one step, so that no other program comes between
            return  # the first name goes with what is left over
        except OSError:
            pass  # the name is taken, or the disk has no links
    _refuse_taken(path)
    os.rename(unfinished, path)


def _refuse_taken(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(
            f"{path} exists, and nothing is overwritten; give another name, or delete it first"
        )


def write_picture(path: Path, picture: Tensor, text: Mapping[str, str] | None = None) -> None:
    """Write `[H, W, 3]`, 0..1, to an RGB PNG of 8 bits, with `text` entries inside.

    Raises:
        ValueError: another shape, or values outside 0..1.
        OSError: the folder is missing or cannot be written.
    """
    if picture.ndim != 3 or picture.shape[-1] != 3 or picture.numel() == 0:
        raise ValueError(
            f"the picture has shape {list(picture.shape)}; expected [height, width, 3]"
        )
    low, high = (end.item() for end in picture.aminmax())
    if not (low >= 0 and high <= 1):  # put this way round, NaN is refused as well
        raise ValueError(f"the picture's values run from {low:g} to {high:g}; expected 0 to 1")
    pixels = (picture.detach().cpu().double() * 255).round().to(torch.uint8).numpy()
    with written_whole(path) as unfinished:
        Image.fromarray(pixels).save(unfinished, format="PNG", pnginfo=png_info(text))


def png_info(text: Mapping[str, str] | None) -> PngInfo:
    """Entries of text as Pillow takes them."""
    entries = PngInfo()
    for key, value in (text or {}).items():
        entries.add_text(key, value)
    return entries
