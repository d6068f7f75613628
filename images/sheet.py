"""Images on one sheet, each with its caption below it."""

from collections.abc import Sequence

from PIL import Image

from .lettering import MARGIN, PAPER, Lettering
from .sizes import common_size


def contact_sheet(
    images: Sequence[Image.Image], captions: Sequence[str], columns: int, font_size: int = 16
) -> Image.Image:
    """Lay images out in rows of up to `columns`, from left to right, on a sheet in RGB.

    The images are RGB or 8-bit grey; each has a caption, wrapped to its width.
    """
    height, width = common_size((image.height, image.width) for image in images)
    if len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images; expected one each")
    if columns < 1:
        raise ValueError(f"a sheet of {columns} columns; expected 1 or more")
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
