"""Files and folders as they are given to a command."""

import argparse
import os
import shlex
from pathlib import Path


def given_path(text: str) -> Path:
    """An argument's. Path alone would take an empty one, of a variable that is not set, for `.`."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; the current folder is .")
    return Path(text)


def as_in_a_shell(file: str, folder: Path) -> str:
    """A path means that file or folder, also when one below `folder` has the same name."""
    # With os.path, which has no error for names that cannot be; "" would be the current folder.
    isfile = os.path.isfile
    shadowed = os.path.isdir(file) or (isfile(file) and isfile(folder / file))
    return str(Path(file).absolute()) if shadowed else file


def picture(file: str, folder: Path) -> str:
    """The same of a picture; FileNotFoundError for many of them says how to run them all."""
    from ..engine.frames import ManyPictures, check_one_picture

    try:
        for place in (folder / file, Path(file)) if file else ():
            check_one_picture(place)
    except ManyPictures as error:
        raise FileNotFoundError(f"{error}; {_all_of(error.path)}") from error
    return as_in_a_shell(file, folder)


def _all_of(many: Path) -> str:
    first = ""
    if not many.is_dir():
        film, many = many, many.with_suffix("")
        first = (
            f"make pictures of it (ffmpeg -i {shlex.join([str(film), f'{many}/%05d.png'])}), and "
        )
    return (
        f"{first}run all of them: depth2img batch WORKFLOW --input {shlex.quote(str(many))} "
        "--output FOLDER (with a depth map for each: --depth DEPTHS too)"
    )
