"""Pictures on one sheet, each with its caption below it."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

MARGIN = 12  # pixels around every picture and its caption
PAPER, INK = "white", "black"


def contact_sheet(
    pictures: Sequence[Image.Image], captions: Sequence[str], columns: int, font_size: int = 16
) -> Image.Image:
    """Lay pictures out in rows, from left to right; nothing is resized.

    Args:
        pictures: all of one size in pixels, RGB or 8-bit grey.
        captions: one for each picture; wrapped between words to the picture's width, and at its
            own line breaks.
        columns: pictures in a row, 1 or more; the last row may be shorter.
        font_size: of the captions, in pixels.

    Returns: the sheet in RGB.

    Raises ValueError for pictures of several sizes, for none at all, for another number of
    captions and for less than one column.
    """
    width, height = _common_size(pictures)
    if len(captions) != len(pictures):
        raise ValueError(f"{len(captions)} captions for {len(pictures)} pictures; give each one")
    if columns < 1:
        raise ValueError(f"a sheet of {columns} columns has no place for a picture; expected 1 up")
    font = ImageFont.load_default(font_size)
    wrapped = [_wrapped(caption, font, width) for caption in captions]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    cell_width = width + MARGIN
    cell_height = height + MARGIN // 2 + max(_text_height(text, font) for text in wrapped) + MARGIN
    size = (columns * cell_width + MARGIN, rows * cell_height + MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (picture, text) in enumerate(zip(pictures, wrapped, strict=True)):
        row, column = divmod(index, columns)
        left, top = MARGIN + column * cell_width, MARGIN + row * cell_height
        sheet.paste(picture, (left, top))
        draw.multiline_text((left, top + height + MARGIN // 2), text, INK, font)
    return sheet


def _common_size(pictures: Sequence[Image.Image]) -> tuple[int, int]:
    sizes = sorted({picture.size for picture in pictures})
    if len(sizes) != 1:
        found = ", ".join(f"{width} x {height}" for width, height in sizes) or "no pictures"
        raise ValueError(f"a sheet takes pictures of one size; found {found}")
    return sizes[0]


def _wrapped(caption: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The caption with more line breaks; a word wider than `width` runs over it."""
    lines = []
    for line in caption.splitlines():
        lines.append("")
        for word in line.split():
            longer = f"{lines[-1]} {word}".lstrip()
            if lines[-1] and font.getlength(longer) > width:
                lines.append(word)
            else:
                lines[-1] = longer
    return "\n".join(lines)


def _text_height(text: str, font: ImageFont.FreeTypeFont) -> int:
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    return round(draw.multiline_textbbox((0, 0), text, font=font)[3])
