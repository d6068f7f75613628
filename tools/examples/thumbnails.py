"""Runs an example workflow in the embedded engine and makes its thumbnail of what came out."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageOps
from torch import Tensor

from ...disk.writing import written_whole
from ...engine import folders
from ...workflows.core_nodes.masks import mask_to_image
from ...workflows.core_nodes.save import to_pil
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
    editor = Editor(parse_workflow(page.canvas()), runner.nodes)
    if any(node.class_type == "LoadImage" for node in page.nodes):
        editor.image(str(photo.resolve()))
    if any("Sampler" in node.class_type for node in page.nodes):
        editor.everywhere(["seed"], SEED)
    results = _run_elsewhere(editor, runner)
    wanted = page.thumbnail
    tiles, small = (
        [image for output in outputs for image in _images(output, results)]
        for outputs in (wanted.outputs, wanted.insets)
    )
    paper = square(tiles, wanted.columns)
    lay_insets(paper, small)
    return paper


def square(images: list[Image.Image], columns: int, side: int = SIDE) -> Image.Image:
    """Tiles that fill a square, each the middle of its image. Raises ValueError for gaps."""
    rows, rest = divmod(len(images), columns)
    if rest:
        raise ValueError(f"{len(images)} images do not fill rows of {columns}")
    paper = Image.new("RGB", (side, side))
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left, top = side * column // columns, side * row // rows
        right, bottom = side * (column + 1) // columns, side * (row + 1) // rows
        tile = ImageOps.fit(image.convert("RGB"), (right - left, bottom - top))
        paper.paste(tile, (left, top))
    return paper


def lay_insets(paper: Image.Image, images: list[Image.Image]) -> None:
    """Images a quarter as wide, in white frames, side by side in the lower left corner."""
    inset = paper.width // 4
    for index, image in enumerate(images):
        small = ImageOps.fit(image.convert("RGB"), (inset, inset))
        framed = ImageOps.expand(small, FRAME, "white")
        gap = 2 * FRAME
        left = gap + index * (framed.width + gap)
        paper.paste(framed, (left, paper.height - framed.height - gap))


def save(image: Image.Image, path: Path) -> None:
    """As JPEG; nothing half-written is left."""
    with written_whole(path) as unfinished:
        image.save(unfinished, format="JPEG", quality=QUALITY, optimize=True)


def _run_elsewhere(editor: Editor, runner: Runner) -> Results:
    """What the workflow saves goes to a folder that is gone afterwards."""
    before = folders.current()
    with TemporaryDirectory() as folder:
        folders.use(folders.Folders.below(Path(folder)))
        try:
            return runner.run(editor.workflow)
        finally:
            folders.use(before)


def _images(output: Output, results: Results) -> list[Image.Image]:
    """All images that came out there, of lists and batches."""
    batches: Iterable[Tensor] = results.outputs[str(output.node.id)][output.slot]
    batches = (mask_to_image(one) if output.type == "MASK" else one for one in batches)
    return [to_pil(image) for batch in batches for image in batch]
