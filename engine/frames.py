"""Folders of frames, and films, where a workflow takes one picture."""

import os
import shlex
from pathlib import Path

FILMS = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v", ".mpg", ".mpeg", ".wmv")


def check_one_picture(path: Path) -> None:
    """Raise FileNotFoundError for a folder or a film; it says how the frames are run in turn."""
    if os.path.isdir(path):  # which no name, however odd, makes raise
        what, first, frames = "a folder", "", path
    elif path.suffix.lower() in FILMS and os.path.isfile(path):
        frames = path.with_suffix("")
        what = "a film"
        names = shlex.join([str(path), f"{frames}/%05d.png"])
        first = f"make pictures of it (ffmpeg -i {names}), and "
    else:
        return
    here = shlex.quote(str(frames))
    raise FileNotFoundError(
        f"{path} is {what}, and one picture at a time is taken; {first}run them in turn, in a "
        f"shell for example: for frame in {here}/*; do depth2img run WORKFLOW --image "
        '"$frame"; done (with a depth map for each: --depth DEPTHS/"$(basename "$frame")" too)'
    )
