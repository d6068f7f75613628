"""The contact sheet: every image and caption in its place, nothing resized."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sd2_depth2img.images.lettering import MARGIN
from sd2_depth2img.images.sheet import contact_sheet

COLOURS = ["red", "green", "blue", "yellow", "purple", "orange", "cyan"]


def coloured(count, size=(80, 50)):
    return [Image.new("RGB", size, colour) for colour in COLOURS[:count]]


def places(sheet, image):
    """Left and top of a plain image's pixels, and how many there are."""
    rows, columns = np.nonzero((np.asarray(sheet) == image.getpixel((0, 0))).all(-1))
    return columns.min(), rows.min(), len(rows)


def ink(sheet):
    """Rows that hold text: dark pixels that no image has."""
    return np.nonzero((np.asarray(sheet).max(-1) < 40).any(1))[0]


@given(count=st.integers(1, 7), columns=st.integers(1, 8))
@settings(deadline=None)
def test_images_fill_the_rows_from_left_to_right(count, columns):
    images = coloured(count)
    sheet = contact_sheet(images, ["a"] * count, columns)
    found = [places(sheet, image) for image in images]
    assert all(pixels == 80 * 50 for _, _, pixels in found)
    for index, (left, top, _) in enumerate(found):
        row, column = divmod(index, columns)
        assert left == MARGIN + column * (80 + MARGIN)
        assert top == found[row * columns][1]
    tops = [top for _, top, _ in found[::columns]]
    assert all(below - above > 50 for above, below in pairwise(tops))
    assert sheet.width == MARGIN + min(count, columns) * (80 + MARGIN)


def test_captions_are_wrapped_below_their_images():
    (image,) = coloured(1)
    short = contact_sheet([image], ["words"], 1)
    long = contact_sheet([image], ["words and words and more words"], 1)
    broken = contact_sheet([image], ["words\nwords"], 1)
    assert ink(short).min() >= MARGIN + 50
    assert long.width == short.width
    assert long.height > broken.height > short.height
    right = np.asarray(long)[:, MARGIN + 80 :]
    assert (right == 255).all()  # no word runs out of its column


def test_a_word_wider_than_its_image_is_broken():
    (image,) = coloured(1)
    sheet = contact_sheet([image], ["W" * 40], 1)
    assert sheet.width == 80 + 2 * MARGIN
    assert (np.asarray(sheet)[:, MARGIN + 80 :] == 255).all()
    assert len(ink(sheet)) > 4 * len(ink(contact_sheet([image], ["W"], 1)))


def test_the_next_row_begins_below_the_longest_caption():
    images = coloured(3)
    sheet = contact_sheet(images, ["a b", "many words that need several lines", ""], 2)
    text = ink(sheet)
    top = places(sheet, images[2])[1]
    assert text.max() < top


def test_letters_grow_with_the_font_size():
    (image,) = coloured(1, (300, 20))
    heights = [len(ink(contact_sheet([image], ["HHH"], 1, size))) for size in (12, 24)]
    assert heights[1] > 1.5 * heights[0]


def test_a_grey_image_fits_beside_a_coloured_one():
    sheet = contact_sheet([Image.new("L", (8, 8), 128), *coloured(1, (8, 8))], ["", ""], 2)
    assert sheet.getpixel((MARGIN, MARGIN)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("sizes", "captions", "columns", "message"),
    [
        ([(8, 8), (8, 9)], 2, 2, "found 8 x 8, 8 x 9"),
        ([], 0, 2, "found no images"),
        ([(8, 8)], 2, 2, "2 captions for 1 images"),
        ([(8, 8)], 1, 0, "0 columns"),
    ],
)
def test_what_makes_no_sheet_is_refused(sizes, captions, columns, message):
    images = [Image.new("RGB", size) for size in sizes]
    with pytest.raises(ValueError, match=message):
        contact_sheet(images, ["a"] * captions, columns)
