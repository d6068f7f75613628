"""Images on one sheet, each with its caption below it."""

from collections.abc import Sequence

from PIL import Image

from .lettering import MARGIN, PAPER, Lettering


def contact_sheet(
    images: Sequence[Image.Image], captions: Sequence[str], columns: int, font_size: int = 16
) -> Image.Image:
    """Lay images out in rows, from left to right; nothing is resized.

    Args:
        images: all of one size in pixels, RGB or 8-bit grey.
        captions: one for each image; wrapped to the image's width, and at its own line breaks.
        columns: images in a row, 1 or more; the last row may be shorter.
        font_size: of the captions, in pixels.

    Returns: the sheet in RGB.

    Raises ValueError for images of several sizes, for none at all, for another number of
    captions, for less than one column and for a font size below 1.
    """
    width, height = _common_size(images)
    if len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images; give each one")
    if columns < 1:
        raise ValueError(f"a sheet of {columns} columns has no place for an image; expected 1 up")
    letters = Lettering(font_size)
    labels = [letters.label(caption, width) for caption in captions]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    cell_width = max(width, *(label.width for label in labels)) + MARGIN
    cell_height = height + MARGIN // 2 + max(label.height for label in labels) + MARGIN
    size = (columns * cell_width + MARGIN, rows * cell_height + MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(index, columns)
        left, top = MARGIN + column * cell_width, MARGIN + row * cell_height
        sheet.paste(image, (left, top))
        letters.write(sheet, label, left, top + height + MARGIN // 2, "left")
    return sheet


def _common_size(images: Sequence[Image.Image]) -> tuple[int, int]:
    sizes = sorted({image.size for image in images})
    if len(sizes) != 1:
        found = ", ".join(f"{width} x {height}" for width, height in sizes) or "no images"
        raise ValueError(f"a sheet takes images of one size; found {found}")
    return sizes[0]
