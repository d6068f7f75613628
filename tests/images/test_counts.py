"""Counted things in sentences."""

import pytest

from sd2_depth2img.images.counts import counted, how_many, which


@pytest.mark.parametrize(("number", "said"), [(0, "0 maps"), (1, "1 map"), (2, "2 maps")])
def test_one_is_no_plural(number, said):
    assert counted(number, "map") == said


@pytest.mark.parametrize(
    ("number", "total", "said"),
    [
        (1, 1, "the depth map is"),
        (0, 1, "0 of 1 depth maps are"),
        (1, 3, "1 of 3 depth maps is"),
        (2, 3, "2 of 3 depth maps are"),
        (3, 3, "all 3 depth maps are"),
    ],
)
def test_the_verb_goes_with_the_number(number, total, said):
    assert how_many(number, total, "depth map") == said


def test_only_of_several_one_is_named_by_its_number():
    assert which(0, 1, "image") == "the image"
    assert which(2, 3, "image") == "image 2 of 3 (counted from 0)"
