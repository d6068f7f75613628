"""What image files with transparency mean as masks."""

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.images.files import UnreadableImage
from sd2_depth2img.images.mask_files import AmbiguousMask, Meaning, understand

SIDE = 64
Y, X = np.mgrid[:SIDE, :SIDE]
PHOTO = np.stack([X * 4, Y * 4, (X * 3 + Y * 5) % 256], -1).astype(np.uint8)
PATCH = np.zeros((SIDE, SIDE), np.uint8)
PATCH[20:40, 10:35] = 255
SOFT = np.clip(255 - 12 * np.hypot(X - 30, Y - 30), 0, 255).astype(np.uint8)


def layer(colour, alpha):
    colours = np.broadcast_to(np.asarray(colour, np.uint8), (SIDE, SIDE, 3))
    return Image.fromarray(np.dstack([colours, alpha]))


def meaning(tmp_path, image, name="mask.png", **options):
    image.save(tmp_path / name, **options)
    return understand(tmp_path / name)


GREYS = np.where(X[..., None] < 20, 128, 255).astype(np.uint8)
DRAWING = np.where(X[..., None] == 5, 0, 255).astype(np.uint8)  # on white paper
PREMULTIPLIED = np.repeat(SOFT[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("image", "expected", "words"),
    [
        (Image.fromarray(PATCH), Meaning.COLOURS, ""),
        (Image.fromarray(SOFT), Meaning.COLOURS, ""),
        (Image.fromarray(PATCH * 0), Meaning.COLOURS, ""),
        (Image.fromarray(PATCH // 64), Meaning.COLOURS, ""),
        (Image.fromarray(SOFT.astype(np.uint16) * 257), Meaning.COLOURS, ""),
        (Image.fromarray(np.dstack([SOFT, 0 * SOFT, 0 * SOFT])), Meaning.COLOURS, ""),
        (Image.fromarray(SOFT).convert("P"), Meaning.COLOURS, ""),
        (layer(255, 255 + 0 * PATCH), Meaning.COLOURS, ""),
        (layer(255, PATCH), Meaning.PAINT, "white strokes on a transparent layer; their alpha"),
        (layer(255, SOFT), Meaning.PAINT, "white strokes"),
        (layer(255, SOFT // 2), Meaning.PAINT, "white strokes"),
        (layer(255, 255 - PATCH), Meaning.PAINT, "white strokes"),
        (layer(PREMULTIPLIED, SOFT), Meaning.PAINT, "white strokes"),
        (layer(0, PATCH), Meaning.PAINT, "black strokes"),
        (layer(0, SOFT), Meaning.PAINT, "black strokes"),
        (layer((255, 0, 0), PATCH), Meaning.PAINT, "coloured strokes"),
        (layer(128, PATCH), Meaning.GREYS, "grey strokes"),
        (layer(GREYS, PATCH), Meaning.GREYS, "grey strokes"),
        (layer(PHOTO, 255 - PATCH), Meaning.HOLE, "the hole is the mask"),
        (layer(PHOTO, 255 - SOFT), Meaning.HOLE, "the hole is the mask"),
        (layer(PHOTO[..., :1], 255 - PATCH), Meaning.HOLE, "the hole is the mask"),
    ],
)
def test_what_a_painter_means(tmp_path, image, expected, words):
    found = meaning(tmp_path, image)
    assert found.meaning is expected
    assert words in found.words
    assert bool(found.words) is (expected is not Meaning.COLOURS)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (layer(255, 0 * PATCH), "transparent everywhere"),
        (layer(PHOTO, 0 * PATCH), "transparent everywhere"),
        (layer(PHOTO, PATCH), "only 12% can be seen"),
        (layer(0, 255 - PATCH), "88% covered with paint that is not white alone"),
        (layer((200, 30, 30), 255 - PATCH), "88% covered"),
        (layer(GREYS, 255 - PATCH), "88% covered"),
        (layer(DRAWING, 255 - PATCH), "88% covered"),
        (Image.fromarray(PHOTO), "in colours without transparency"),
        (Image.fromarray(PATCH // 255), "the values 0 and 1 of 255, all of them black"),
        (Image.fromarray(PATCH.astype(np.uint16) // 255), "the values 0 and 1 of 65535"),
        (Image.fromarray(np.dstack([255 + 0 * SOFT, 255 - SOFT, 255 - SOFT])), "in colours"),
        (Image.fromarray(np.dstack([255 - SOFT, 255 - SOFT, 255 + 0 * SOFT])), "in colours"),
    ],
)
def test_what_may_mean_two_things_is_refused(tmp_path, image, reason):
    with pytest.raises(AmbiguousMask, match=r"mask\.png .* as a grey image") as told:
        meaning(tmp_path, image)
    assert reason in str(told.value)


def test_transparency_of_every_kind_is_seen(tmp_path):
    grey = np.where(PATCH, 255, 0).astype(np.uint8)
    palette = Image.fromarray(grey, "P")
    palette.putpalette([value for grey in range(256) for value in (grey, grey, grey)])
    for image, options in (
        (Image.fromarray(np.dstack([255 + 0 * PATCH, PATCH]), "LA"), {}),
        (palette, {"transparency": 0}),
        (Image.fromarray(grey), {"transparency": 0}),
        (Image.fromarray(grey.astype(np.uint16) * 257), {"transparency": 0}),
        (Image.fromarray(np.dstack([grey] * 3)), {"transparency": (0, 0, 0)}),
    ):
        assert meaning(tmp_path, image, **options).meaning is Meaning.PAINT


def test_lossy_paint_is_paint(tmp_path):
    found = meaning(tmp_path, layer(255, PATCH), "mask.webp", quality=60)
    assert found.meaning is Meaning.PAINT


def test_large_layers_are_judged_quickly(tmp_path):
    image = layer(255, PATCH).resize((3000, 3000), Image.Resampling.NEAREST)
    assert meaning(tmp_path, image, compress_level=1).meaning is Meaning.PAINT


def test_a_damaged_mask_is_named(tmp_path):
    (tmp_path / "mask.png").write_bytes(b"%!PS-Adobe")
    with pytest.raises(UnreadableImage, match=r"mask\.png .*PostScript"):
        understand(tmp_path / "mask.png")
