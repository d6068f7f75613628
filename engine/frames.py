"""Folders of frames, and films, where a workflow takes one picture."""

import os
from pathlib import Path

FILMS = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v", ".mpg", ".mpeg", ".wmv")


class ManyPictures(FileNotFoundError):  # noqa: N818 - names what is there
    """A folder or a film where one picture is expected."""

    def __init__(self, path: Path, what: str, one: str) -> None:
        super().__init__(f"{path} is {what}, and one picture at a time is taken: {one}")
        self.path = path


def check_one_picture(path: Path) -> None:
    """Raise ManyPictures for a folder or a film."""
    if os.path.isdir(path):  # which no name, however odd, makes raise
        raise ManyPictures(path, "a folder", "a file in it, for example")
    if path.suffix.lower() in FILMS and os.path.isfile(path):
        raise ManyPictures(path, "a film", "a frame of it, saved as an image")
