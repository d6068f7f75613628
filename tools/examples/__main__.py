"""`python -m sd2_depth2img.tools.examples`: write example workflows and blueprints, or images."""

import argparse
import json
import sys
from pathlib import Path
from time import monotonic

from ...depth.depth_files import BUNDLED
from . import blueprints, workflows
from .depth_maps import write_z_pass
from .depth_sheet import depth_sheet
from .page import Page
from .stand_ins import stand_in_runner
from .thumbnails import save, thumbnail

PACK = Path(__file__).parents[2]
WORKFLOWS, BLUEPRINTS = PACK / "example_workflows", PACK / "subgraphs"
PHOTO = WORKFLOWS / "astronaut.jpg"
DEPTH_SHEET = PACK / "docs" / "depth.jpg"


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(prog="examples", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("workflows", "blueprints", "thumbnails", "depth-sheet", "z-pass"),
        default="workflows",
        help="the example workflows for ComfyUI (default), the blueprints of its menu, an image of "
        "each workflow, which runs it, the sheet of all operations on depth maps in docs, or the "
        "file of Rendered Depth",
    )
    names = workflows.WORKFLOWS
    parser.add_argument("--only", nargs="+", choices=names, default=list(names), metavar="NAME")
    parser.add_argument("--folder", type=Path, help="where the files go")
    options = parser.parse_args()
    if options.what == "depth-sheet":
        save(depth_sheet(PHOTO), DEPTH_SHEET)
    elif options.what == "z-pass":
        write_z_pass(BUNDLED)
    elif options.what == "blueprints":
        for name in blueprints.BLUEPRINTS:
            _write(blueprints.draw(name), options.folder or BLUEPRINTS)
    elif options.what == "workflows":
        for name in options.only:
            _write(workflows.draw(name), options.folder or WORKFLOWS)
    else:
        _thumbnails(options.only, options.folder or WORKFLOWS)


def _write(page: Page, folder: Path) -> None:
    path = folder / f"{page.name}.json"
    path.write_text(text_of(page), encoding="utf-8")
    sys.stdout.write(f"{path}\n")


def _thumbnails(names: list[str], folder: Path) -> None:
    runner = stand_in_runner(PHOTO)
    for name in names:
        path, start = folder / f"{name}.jpg", monotonic()
        save(thumbnail(workflows.draw(name), PHOTO, runner), path)
        sys.stdout.write(f"{path} ({monotonic() - start:.1f} s)\n")


def text_of(page: Page) -> str:
    """The content of a page's file."""
    return json.dumps(page.canvas(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
