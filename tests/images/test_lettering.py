"""Texts broken into lines: nothing lost, nothing wider than asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sd2_depth2img.images.lettering import (
    Lettering,
    NoLetters,
    letters_mask,
    letters_without_form,
)

WORDS = st.text("abcdefgh WMil\n", max_size=80)


def ink(label, letters, align="left"):
    """Rows and columns of the dark pixels of a label written at (50, 50)."""
    paper = Image.new("L", (label.width + 100, label.height + 100), "white")
    letters.write(paper, label, 50, 50, align)
    return np.nonzero(np.asarray(paper) < 128)


@given(text=WORDS, width=st.integers(1, 300), font_size=st.integers(8, 30))
@settings(deadline=None, max_examples=60)
def test_no_letter_is_lost_and_no_line_is_too_wide(text, width, font_size):
    letters = Lettering(font_size)
    label = letters.label(text, width)
    assert "".join(label.text.split()) == "".join(text.split())
    for line in label.text.splitlines():
        assert len(line) <= 1 or letters.label(line, 10_000).width <= width + 1


@given(text=WORDS.filter(str.strip), align=st.sampled_from(["left", "center"]))
@settings(deadline=None, max_examples=30)
def test_the_ink_stays_in_the_room_that_was_told(text, align):
    letters = Lettering(16)
    label = letters.label(text, 100)
    rows, columns = ink(label, letters, align)
    assert rows.min() >= 50
    assert rows.max() <= 50 + label.height
    assert columns.min() >= 49
    assert columns.max() <= 50 + label.width + 1


def test_lines_are_broken_between_words_where_words_fit():
    letters = Lettering(16)
    width = letters.label("several words", 1000).width
    assert letters.label("several words and others", width).text == "several words\nand others"
    assert letters.label("own\n\nbreaks", 1000).text == "own\n\nbreaks"
    assert letters.label("  spaces   shrink ", 1000).text == "spaces shrink"


def test_a_word_that_is_too_wide_is_broken_and_its_neighbours_stay_apart():
    letters = Lettering(16)
    width = letters.label("WWW", 1000).width
    assert letters.label("WWWWWWW a", width).text == "WWW\nWWW\nW a"
    assert letters.label("WWW", 1).text == "W\nW\nW"


def test_an_empty_text_takes_no_room():
    assert Lettering(16).label("", 100) == ("", 0, 0)


def test_letters_without_a_size_are_refused():
    with pytest.raises(ValueError, match="letters of 0 pixels"):
        Lettering(0)


# --- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Hi", "a longer one", "gj", "two\nlines", "—", "W" * 200])
def test_a_mask_is_white_letters_cut_to_their_box(text):
    mask = letters_mask(text)
    assert (mask.mode, mask.height) == ("L", 128)
    pixels = np.asarray(mask)
    assert pixels.max() > 250
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert edge.any()


def test_a_mask_keeps_the_letters_proportions():
    assert letters_mask("HH").width == pytest.approx(2.2 * letters_mask("H").width, rel=0.15)
    assert letters_mask("oo\noo").width < letters_mask("oo").width


def test_a_mask_is_of_what_can_be_seen():
    assert letters_mask(" a\0b ").tobytes() == letters_mask("ab").tobytes()
    for text in ("", " \n", "\0", "\ud800"):
        with pytest.raises(NoLetters, match="there are no letters to draw"):
            letters_mask(text)
    with pytest.raises(NoLetters, match="has 201 characters; expected 200 at most"):
        letters_mask("x" * 201)


def test_letters_that_the_font_lacks_are_named():
    assert letters_without_form("a日b日本") == "日本"
    assert letters_without_form("plain text 12") == ""
