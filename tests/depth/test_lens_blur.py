"""The focus of a lens: what stays, how wide the rest is spread, what may reach over what."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.lens_blur import lens_blur

RED, BLUE = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
BOX = slice(20, 44), slice(28, 52)


def noise(height=64, width=80, seed=0):
    return torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed))


def box_scene(inside, outside):
    """A red box in a blue wall, at two depths; where the box is, too."""
    image, depth = BLUE.expand(64, 80, 3).clone(), torch.full((64, 80), outside)
    image[BOX], depth[BOX] = RED, inside
    box = torch.zeros(64, 80, dtype=torch.bool)
    box[BOX] = True
    return image, depth, box


# --- what stays ----------------------------------------------------------------------------------


def test_without_a_radius_the_image_stays_bit_for_bit():
    image = noise()
    assert torch.equal(lens_blur(image, torch.rand(64, 80), 0.3, 0.0), image)


@pytest.mark.parametrize("focus", [0.0, 0.4, 1.0])
def test_a_map_that_is_in_focus_everywhere_keeps_every_bit(focus):
    image = noise()
    assert torch.equal(lens_blur(image, torch.full((64, 80), focus), focus, 20.0), image)


@pytest.mark.parametrize("colour", [0.0, 0.3, 1.0])
def test_an_image_of_one_colour_stays_so_exactly(colour):
    image = torch.full((64, 80, 3), colour)
    depth = torch.rand(64, 80, generator=torch.Generator().manual_seed(1))
    assert torch.equal(lens_blur(image, depth, 0.5, 9.0), image)


def test_what_is_in_focus_stays_bit_for_bit_before_what_is_blurred():
    image, depth, box = box_scene(1.0, 0.1)
    image = torch.where(box.unsqueeze(-1), noise(), image)
    found = lens_blur(image, depth, 1.0, 12.0)
    assert torch.equal(found[box], image[box])


def test_what_is_in_focus_stays_bit_for_bit_out_of_reach_of_what_is_before_it():
    image, depth, _ = box_scene(1.0, 0.0)
    image = noise()
    found = lens_blur(image, depth, 0.0, 6.0)
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(80), indexing="ij")
    away = torch.hypot(
        (rows - 31.5).abs().sub(11.5).clamp(min=0), (columns - 39.5).abs().sub(11.5).clamp(min=0)
    )
    assert torch.equal(found[away > 7.5], image[away > 7.5])
    assert not torch.equal(found[away < 4], image[away < 4])


# --- what reaches over what ----------------------------------------------------------------------


@pytest.mark.parametrize("radius", [2.0, 7.0, 20.0])
def test_what_is_sharp_gives_no_colour_to_what_is_blurred_behind_it(radius):
    image, depth, box = box_scene(1.0, 0.0)
    found = lens_blur(image, depth, 1.0, radius)
    assert found[~box][:, 0].max() < 1e-5
    assert found[~box][:, 2].min() > 1 - 1e-5


def test_what_is_blurred_before_the_focus_reaches_over_what_is_sharp():
    """Half of it at its outline, nothing of it from the radius on, and it gets no hard edge."""
    image, depth, _ = box_scene(1.0, 0.0)
    line = lens_blur(image, depth, 0.0, 8.0)[32, :, 0]
    assert (line[27] + line[28]) / 2 == pytest.approx(0.5, abs=0.04)
    assert line[: 28 - 9].max() == 0
    assert line[28 + 9] > 0.98
    steps = line[18:40].diff()
    assert steps.min() > -1e-4
    assert steps.max() < 0.12


def test_a_slanted_surface_is_not_seen_through():
    """Two walls: a slope of one colour in front of the focus hides what is behind it."""
    image, depth = BLUE.expand(96, 120, 3).clone(), torch.zeros(96, 120)
    image[:, 30:], depth[:, 30:] = RED, torch.linspace(0.3, 1.0, 90)
    found = lens_blur(image, depth, 0.0, 16.0)
    assert found[:, 48:, 0].min() > 0.97


# --- how wide ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("depth", "focus", "radius"), [(0.0, 1.0, 5.0), (1.0, 0.0, 9.0), (0.6, 0.2, 12.0)]
)
def test_a_point_becomes_a_disc_of_the_radius_for_its_depth(depth, focus, radius):
    image = torch.zeros(81, 81, 3)
    image[40, 40] = 1.0
    spot = lens_blur(image, torch.full((81, 81), depth), focus, radius)[..., 0].double()
    expected = radius * abs(depth - focus) / max(focus, 1 - focus)
    rows, columns = torch.meshgrid(torch.arange(81.0), torch.arange(81.0), indexing="ij")
    away = torch.hypot(rows - 40, columns - 40)
    assert float(spot.sum()) == pytest.approx(1, abs=1e-3)
    # The mean square of the distance from the middle of a disc is half of its radius'.
    found = math.sqrt(2 * float((spot * away**2).sum() / spot.sum()))
    assert found == pytest.approx(expected, rel=0.12)
    assert spot[away > expected * 1.15 + 1].max() < 1e-6
    inner = spot[away < expected * 0.8]
    assert inner.min() > 0.95 * inner.max()


# --- properties ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 24),
    st.integers(1, 24),
    st.floats(0, 1),
    st.floats(0, 30),
    st.integers(0, 99),
)
def test_any_blur_is_finite_of_the_same_size_and_within_the_images_values(
    height, width, focus, radius, seed
):
    image = noise(height, width, seed) * 0.6 + 0.2
    depth = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    before = image.clone(), depth.clone()
    found = lens_blur(image, depth, focus, radius)
    assert found.shape == image.shape
    assert found.isfinite().all()
    assert image.min() <= found.min()
    assert found.max() <= image.max()
    assert torch.equal(image, before[0])
    assert torch.equal(depth, before[1])


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="focus is 2; expected 0 to 1"):
        lens_blur(noise(), torch.rand(64, 80), 2.0, 3.0)
    with pytest.raises(ValueError, match="radius is -1"):
        lens_blur(noise(), torch.rand(64, 80), 0.5, -1.0)
