"""Pictures on one sheet, each with its caption below it."""

from collections.abc import Sequence

from PIL import Image

from .lettering import MARGIN, PAPER, Lettering


def contact_sheet(
    pictures: Sequence[Image.Image], captions: Sequence[str], columns: int, font_size: int = 16
) -> Image.Image:
    """Lay pictures out in rows, from left to right; nothing is resized.

    Args:
        pictures: all of one size in pixels, RGB or 8-bit grey.
        captions: one for each picture; wrapped to the picture's width, and at its own line breaks.
        columns: pictures in a row, 1 or more; the last row may be shorter.
        font_size: of the captions, in pixels.

    Returns: the sheet in RGB.

    Raises ValueError for pictures of several sizes, for none at all, for another number of
    captions, for less than one column and for a font size below 1.
    """
    width, height = _common_size(pictures)
    if len(captions) != len(pictures):
        raise ValueError(f"{len(captions)} captions for {len(pictures)} pictures; give each one")
    if columns < 1:
        raise ValueError(f"a sheet of {columns} columns has no place for a picture; expected 1 up")
    letters = Lettering(font_size)
    labels = [letters.label(caption, width) for caption in captions]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    cell_width = max(width, *(label.width for label in labels)) + MARGIN
    cell_height = height + MARGIN // 2 + max(label.height for label in labels) + MARGIN
    size = (columns * cell_width + MARGIN, rows * cell_height + MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        row, column = divmod(index, columns)
        left, top = MARGIN + column * cell_width, MARGIN + row * cell_height
        sheet.paste(picture, (left, top))
        letters.write(sheet, label, left, top + height + MARGIN // 2, "left")
    return sheet


def _common_size(pictures: Sequence[Image.Image]) -> tuple[int, int]:
    sizes = sorted({picture.size for picture in pictures})
    if len(sizes) != 1:
        found = ", ".join(f"{width} x {height}" for width, height in sizes) or "no pictures"
        raise ValueError(f"a sheet takes pictures of one size; found {found}")
    return sizes[0]
