"""`python -m sd2_depth2img.tools.examples`: write the example workflows, or images of runs."""

import argparse
import json
import sys
from pathlib import Path
from time import monotonic

from ...workflows.graph import Runner
from .depth_sheet import depth_sheet
from .page import Page
from .thumbnails import save, thumbnail
from .workflows import WORKFLOWS, draw

FOLDER = Path(__file__).parents[2] / "example_workflows"
PHOTO = FOLDER / "astronaut.jpg"
DEPTH_SHEET = FOLDER.parent / "docs" / "depth.jpg"


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(prog="examples", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("workflows", "thumbnails", "depth-sheet"),
        default="workflows",
        help="the files for ComfyUI (default), an image of each, which runs it, or the sheet of "
        "all operations on depth maps in docs",
    )
    parser.add_argument(
        "--only", nargs="+", choices=WORKFLOWS, default=list(WORKFLOWS), metavar="NAME"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files go")
    options = parser.parse_args()
    if options.what == "depth-sheet":
        save(depth_sheet(PHOTO), DEPTH_SHEET)
        sys.stdout.write(f"{DEPTH_SHEET}\n")
        return
    runner = Runner()
    for name in options.only:
        page, start = draw(name), monotonic()
        if options.what == "workflows":
            path = options.folder / f"{name}.json"
            path.write_text(text_of(page), encoding="utf-8")
        else:
            path = options.folder / f"{name}.jpg"
            save(thumbnail(page, PHOTO, runner), path)
        sys.stdout.write(f"{path} ({monotonic() - start:.1f} s)\n")


def text_of(page: Page) -> str:
    """The content of a page's file."""
    return json.dumps(page.canvas(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
