"""Letters on paper: texts broken into lines that fit a width, and the room they take."""

import math
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


# --- Masks of letters ----------------------------------------------------------------------------

MASK_HEIGHT = 128  # pixels
MOST_LETTERS = 200
_LARGEST_FONT = 4 * MASK_HEIGHT  # a full stop alone would need a far larger one


class NoLetters(ValueError):  # noqa: N818 - names what is there
    """A text that nothing can be seen of, or a longer one than is drawn."""


def letters_mask(text: str) -> Image.Image:
    """The letters of a text, white on black, in 8 bits, cut to their own box, 128 pixels high."""
    text = text.strip()
    if len(text) > MOST_LETTERS:
        raise NoLetters(f"the text has {len(text)} characters; expected {MOST_LETTERS} at most")
    text = "".join(letter for letter in text if letter.isprintable() or letter == "\n")
    drawn = _drawn(text, MASK_HEIGHT)
    if drawn is None:
        raise NoLetters("there are no letters to draw; write a text")
    font_size = min(MASK_HEIGHT * MASK_HEIGHT / drawn.height, _LARGEST_FONT)
    fitting = _drawn(text, font_size) or drawn
    return fitting.resize((fitting.width, MASK_HEIGHT), Image.Resampling.BICUBIC)


def letters_without_form(text: str) -> str:
    """Those that the font does not have: a box is drawn for each."""
    font = ImageFont.load_default(MASK_HEIGHT)
    box = bytes(font.getmask("\U0010ffff"))
    seen = dict.fromkeys(letter for letter in text if letter.isprintable())
    return "".join(letter for letter in seen if bytes(font.getmask(letter)) == box)


def _drawn(text: str, font_size: float) -> Image.Image | None:
    """White on black, cut to what is not black."""
    font = ImageFont.load_default(font_size)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox(
        (0, 0), text, font, align="center"
    )
    width, height = math.ceil(right - left) + 2, math.ceil(bottom - top) + 2
    image = Image.new("L", (width, height))
    place = (1 - left, 1 - top)
    ImageDraw.Draw(image).multiline_text(place, text, "white", font, align="center")
    box = image.getbbox()
    return None if box is None else image.crop(box)
