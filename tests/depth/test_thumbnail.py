"""A depth map as a small image."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.ExifTags import IFD, Base

from sd2_depth2img.depth.thumbnail import MOST, thumbnail


def opened(depth):
    return Image.open(io.BytesIO(thumbnail(depth)))


def ramp(height, width):
    return torch.linspace(0, 1, height * width).reshape(height, width)


@pytest.mark.parametrize("size", [(1, 1), (96, 80), (512, 512), (513, 40), (3000, 7), (1080, 1920)])
def test_it_is_the_map_with_8_bits_and_the_shape_of_it(size):
    depth = ramp(*size)
    image = opened(depth)
    assert image.mode == "L"
    assert max(image.size) <= MOST
    step = -(-max(size) // MOST)
    seen = depth[::step, ::step].numpy()
    assert np.asarray(image).shape == seen.shape
    assert np.abs(np.asarray(image) / 255 - seen).mean() < 0.01


@pytest.mark.parametrize("size", [(1024, 1024), (1080, 1920), (385, 7)])
def test_it_says_the_size_of_the_map_as_browsers_read_it(size):
    image = opened(ramp(*size))
    exif = image.getexif()
    stated = exif.get_ifd(IFD.Exif)
    dots = [float(exif[tag]) for tag in (Base.XResolution, Base.YResolution)]
    assert exif[Base.ResolutionUnit] == 2
    assert (stated[Base.ExifImageHeight], stated[Base.ExifImageWidth]) == size
    shown = [
        pixels * 72 / float(per_inch) for pixels, per_inch in zip(image.size, dots, strict=True)
    ]
    assert shown == pytest.approx(size[::-1], abs=0.01)


def test_distances_and_holes_are_shown_within_black_and_white():
    depth = 2 + 78 * ramp(64, 64)
    depth[0, :8], depth[-1, -8:] = torch.nan, torch.inf
    seen = np.asarray(opened(depth))
    assert seen[0, 0] < 10
    assert seen[-1, -1] > 245
    assert np.all(np.diff(seen[8:56].mean(axis=1)) > 0)


@pytest.mark.parametrize("value", [0.0, 1.0, -5.0, torch.nan, torch.inf])
def test_a_map_of_one_value_is_an_image_too(value):
    assert opened(torch.full((9, 9), value)).size == (9, 9)
