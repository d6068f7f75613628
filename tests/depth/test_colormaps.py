"""Depth in colours: the palettes, reading back, and colours that are of no map."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from sd2_depth2img.depth.colormaps import ColourMap, paint, palette, read_back

STEP = 1 / 255
COLOURED = [ColourMap.TURBO, ColourMap.INFERNO, ColourMap.VIRIDIS]


@pytest.mark.parametrize("colours", COLOURED)
def test_opencv_paints_the_same(colours):
    steps = np.arange(256, dtype=np.uint8).reshape(16, 16)
    theirs = cv2.applyColorMap(steps, getattr(cv2, f"COLORMAP_{colours.name}"))[..., ::-1] / 255
    ours = paint(torch.from_numpy(steps / 255), colours)
    assert np.abs(ours.numpy() - theirs).max() < 1e-6


def test_far_is_dark_and_near_is_the_other_end():
    assert palette(ColourMap.TURBO)[255].argmax() == 0  # red
    assert palette(ColourMap.TURBO)[40].argmax() == 2  # blue
    for colours in (ColourMap.INFERNO, ColourMap.VIRIDIS, ColourMap.GREY):
        assert palette(colours)[0].mean() < 0.3 < palette(colours)[255].mean()


@given(
    hnp.arrays(np.float32, (1, 3, 5), elements=st.floats(0, 1, width=32)),
    st.sampled_from([ColourMap.TURBO, ColourMap.INFERNO, ColourMap.GREY]),
)
def test_painted_depth_reads_back_to_half_a_step(values, colours):
    depth = torch.from_numpy(values)
    assert (read_back(paint(depth, colours), colours) - depth).abs().max() <= STEP / 2 + 1e-6


def test_viridis_reads_back_to_half_a_step_but_for_its_double_colours():
    depth = torch.linspace(0, 1, 4081).view(1, 1, -1)
    error = (read_back(paint(depth, ColourMap.VIRIDIS), ColourMap.VIRIDIS) - depth).abs()
    assert error.max() <= STEP + 1e-6
    assert (error > STEP / 2 + 1e-6).float().mean() < 0.02


@pytest.mark.parametrize("colours", COLOURED)
def test_every_pixel_gets_its_nearest_colour(colours):
    """Against the definition, computed by a plain loop."""
    rng = np.random.default_rng(2)
    painted = palette(colours).numpy()[rng.integers(0, 256, 200)]
    pixels = np.clip(painted + rng.normal(0, 0.008, (200, 3)), 0, 1)
    found = read_back(torch.from_numpy(pixels).view(1, 10, 20, 3), colours).flatten().numpy()
    for pixel, depth in zip(pixels, found, strict=True):
        distances = np.linalg.norm(palette(colours).numpy() - pixel, axis=1)
        step = round(float(depth) * 255 - 0.01)
        assert distances[step] == pytest.approx(distances.min(), abs=1e-6)


def test_a_good_jpeg_of_a_slope_reads_back(tmp_path):
    slope = torch.linspace(0, 1, 256).expand(1, 64, 256)
    pixels = (paint(slope, ColourMap.TURBO)[0].numpy() * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    image = torch.from_numpy(np.asarray(Image.open(tmp_path / "a.jpg")) / 255).unsqueeze(0)
    found = read_back(image, ColourMap.TURBO)
    assert (found - slope).abs().mean() < STEP
    assert (found - slope).abs().max() < 6 * STEP


@pytest.mark.parametrize(
    ("colour", "distance"), [([1.0, 1.0, 1.0], None), ([0.5, 0.5, 0.5], None), ([torch.nan] * 3, 0)]
)
def test_other_colours_are_refused_and_counted(colour, distance):
    image = paint(torch.linspace(0, 1, 20).view(1, 4, 5), ColourMap.TURBO)
    image[0, 1, 2] = torch.tensor(colour)
    with pytest.raises(ValueError, match="1 of 20 pixels is of no colour of the map turbo") as told:
        read_back(image, ColourMap.TURBO)
    if distance is None:
        far = (palette(ColourMap.TURBO) - torch.tensor(colour)).norm(dim=1).min()
        assert f"worst is {far:.3f} away" in str(told.value)


def test_another_map_is_refused():
    with pytest.raises(ValueError, match="of no colour of the map inferno"):
        read_back(paint(torch.rand(1, 8, 8), ColourMap.TURBO), ColourMap.INFERNO)


def test_the_tolerance_is_the_users():
    image = paint(torch.full((1, 2, 2), 0.5), ColourMap.TURBO)
    image[0, 0, 0, 2] += 0.06
    with pytest.raises(ValueError, match=r"allowed are 0\.04"):
        read_back(image, ColourMap.TURBO)
    assert read_back(image, ColourMap.TURBO, tolerance=0.1).shape == (1, 2, 2)


def test_the_maps_own_colours_need_no_tolerance():
    depth = torch.linspace(0, 1, 256).view(1, 16, 16)
    assert torch.allclose(
        read_back(paint(depth, ColourMap.TURBO), ColourMap.TURBO, tolerance=0), depth, atol=1e-6
    )


@pytest.mark.parametrize("shape", [(1, 4, 4, 4), (4, 4, 3), (1, 4, 4, 1), (0, 4, 4, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="expected RGB"):
        read_back(torch.zeros(shape), ColourMap.TURBO)


def test_grey_keeps_every_depth_and_ends_where_colours_end():
    depth = torch.tensor([[-1.0, 0.123456, 2.0]])
    assert paint(depth, ColourMap.GREY)[0, :, 1].tolist() == [0, depth[0, 1].item(), 1]
