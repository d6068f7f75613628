"""Runs an example workflow in the embedded engine and makes its thumbnail of what came out."""

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageOps
from torch import Tensor

from ...disk import written_whole
from ...engine import folders
from ...workflows.core_nodes.files import to_picture
from ...workflows.core_nodes.images import mask_to_image
from ...workflows.edits import Editor
from ...workflows.graph import Results, Runner, parse_workflow
from .page import Output, Page

SIDE = 512  # pixels of the square
SEED = 0
FRAME = 3  # pixels around an inset
QUALITY = 88  # of the JPEG: 30 to 90 KB


def thumbnail(page: Page, photo: Path, runner: Runner) -> Image.Image:
    """Run a page with a photo in its Load Image, with seed 0; what it wants to show, as a square.

    Raises what Runner.run and Editor raise.
    """
    editor = Editor(parse_workflow(page.canvas(), runner.nodes), runner.nodes)
    if any(node.type == "LoadImage" for node in page.nodes):
        editor.image(str(photo.resolve()))
    editor.everywhere(["seed"], SEED)
    results = _run_elsewhere(editor, runner)
    wanted = page.thumbnail
    tiles, small = (
        [picture for output in outputs for picture in _pictures(output, results)]
        for outputs in (wanted.outputs, wanted.insets)
    )
    paper = square(tiles, wanted.columns)
    lay_insets(paper, small)
    return paper


def square(pictures: list[Image.Image], columns: int, side: int = SIDE) -> Image.Image:
    """Tiles that fill a square, each the middle of its picture. Raises ValueError for gaps."""
    rows, rest = divmod(len(pictures), columns)
    if rest:
        raise ValueError(f"{len(pictures)} pictures do not fill rows of {columns}")
    paper = Image.new("RGB", (side, side))
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        left, top = side * column // columns, side * row // rows
        right, bottom = side * (column + 1) // columns, side * (row + 1) // rows
        tile = ImageOps.fit(picture.convert("RGB"), (right - left, bottom - top))
        paper.paste(tile, (left, top))
    return paper


def lay_insets(paper: Image.Image, pictures: list[Image.Image]) -> None:
    """Pictures a quarter as wide, in white frames, side by side in the lower left corner."""
    inset = paper.width // 4
    for index, picture in enumerate(pictures):
        small = ImageOps.fit(picture.convert("RGB"), (inset, inset))
        framed = ImageOps.expand(small, FRAME, "white")
        gap = 2 * FRAME
        left = gap + index * (framed.width + gap)
        paper.paste(framed, (left, paper.height - framed.height - gap))


def save(picture: Image.Image, path: Path) -> None:
    """As JPEG; nothing half-written is left."""
    with written_whole(path) as unfinished:
        picture.save(unfinished, format="JPEG", quality=QUALITY, optimize=True)


def _run_elsewhere(editor: Editor, runner: Runner) -> Results:
    """What the workflow saves goes to a folder that is gone afterwards."""
    before = folders.current()
    with TemporaryDirectory() as folder:
        folders.use(folders.Folders.below(Path(folder)))
        try:
            return runner.run(editor.workflow)
        finally:
            folders.use(before)


def _pictures(output: Output, results: Results) -> list[Image.Image]:
    """All pictures that came out there, of lists and batches."""
    batches: list[Tensor] = results.outputs[str(output.node.id)][output.slot]
    images = (mask_to_image(one) if output.type == "MASK" else one for one in batches)
    return [to_picture(picture) for image in images for picture in image]
