"""Letters on paper: texts broken into lines that fit a width, and the room they take."""

from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

MARGIN = 12  # pixels around whatever lies on the paper
PAPER, INK = "white", "black"


class Label(NamedTuple):
    """A text with its line breaks, and its size in pixels."""

    text: str
    width: int
    height: int


class Lettering:
    """Texts in Pillow's own font; ValueError for a size of less than 1 pixel."""

    def __init__(self, font_size: int) -> None:
        if font_size < 1:
            raise ValueError(f"letters of {font_size} pixels cannot be read; expected 1 or more")
        self._font = ImageFont.load_default(font_size)

    def label(self, text: str, width: int) -> Label:
        """The text, broken so that no line of several letters is wider than `width` pixels.

        Its own line breaks stay; a word is broken only where it is wider itself.
        """
        lines = [line for own in text.splitlines() for line in self._lines(own, width)]
        text = "\n".join(lines)
        draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
        right, bottom = draw.multiline_textbbox((0, 0), text, self._font)[2:]
        return Label(text, round(right), round(bottom))

    def write(self, paper: Image.Image, label: Label, left: int, top: int, align: str) -> None:
        """Write a label, its lines aligned left, center or right."""
        place = (left, top)
        ImageDraw.Draw(paper).multiline_text(place, label.text, INK, self._font, align=align)

    def _lines(self, text: str, width: int) -> list[str]:
        lines = [""]
        for piece in (piece for word in text.split() for piece in self._pieces(word, width)):
            longer = f"{lines[-1]} {piece}".lstrip()
            if lines[-1] and self._font.getlength(longer) > width:
                lines.append(piece)
            else:
                lines[-1] = longer
        return lines

    def _pieces(self, word: str, width: int) -> list[str]:
        """The word in one piece, or in as few as fit; each has one letter at least."""
        pieces = [""]
        for letter in word:
            if pieces[-1] and self._font.getlength(pieces[-1] + letter) > width:
                pieces.append("")
            pieces[-1] += letter
        return pieces
