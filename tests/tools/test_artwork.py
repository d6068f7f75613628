"""The icon and the banner: what the registry asks of the files, and how they are put together."""

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.tools.artwork import BANNER, BANNER_SIZE, ICON, ICON_SIDE, banner, icon, stripes

COLOURS = ("red", "blue", "lime")


def colour(name):
    return Image.new("RGB", (1, 1), name).getpixel((0, 0))


def test_the_icon_is_a_small_square():
    with Image.open(ICON) as image:
        assert image.format == "PNG"
        assert image.size == (ICON_SIDE, ICON_SIDE)
    assert ICON_SIDE <= 400
    assert ICON.stat().st_size < 100_000


def test_the_banner_is_21_to_9():
    with Image.open(BANNER) as image:
        assert image.format == "JPEG"
        assert image.size == BANNER_SIZE
    assert BANNER_SIZE[0] * 9 == BANNER_SIZE[1] * 21
    assert BANNER.stat().st_size < 200_000


@pytest.mark.parametrize("path", [ICON, BANNER], ids=lambda path: path.name)
def test_no_stripe_is_empty(path):
    """Each of the thirds or fifths shows something, in the colours of its own image."""
    image = np.asarray(Image.open(path).convert("RGB")).astype(float)
    count = {ICON: 3, BANNER: 5}[path]
    middle = image[image.shape[0] // 3 : 2 * image.shape[0] // 3]
    parts = np.array_split(middle, count, axis=1)
    assert all(part.std() > 20 for part in parts)
    grey = [np.ptp(part, axis=2).mean() for part in parts]
    assert min(grey) == grey[1], "the second is the depth map"


def test_stripes_lean_to_the_right_between_white_lines():
    paper = stripes([Image.new("RGB", (100, 50), name) for name in COLOURS], (0.3, 0.6))
    middle = [paper.getpixel((x, 25)) for x in (10, 45, 90)]
    assert middle == [colour(name) for name in COLOURS]
    assert paper.getpixel((32, 0)) == colour("red"), "the top of an edge is further right"
    assert paper.getpixel((28, 49)) == colour("blue"), "and its foot further left"
    assert min(paper.getpixel((30, 25))) > 100, "a white line lies between"


def test_icon_and_banner_show_the_images_from_left_to_right():
    images = [Image.new("RGB", (512, 512), name) for name in COLOURS]
    small, wide = icon(images), banner(images)
    assert small.size == (ICON_SIDE, ICON_SIDE)
    assert wide.size == BANNER_SIZE
    for paper in (small, wide):
        width, height = paper.size
        seen = [paper.getpixel((int(width * x), height // 2)) for x in (0.15, 0.5, 0.85)]
        assert seen == [colour(name) for name in COLOURS]
