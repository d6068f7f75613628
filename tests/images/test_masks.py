"""Masks: fitted to their images, spread outwards, faded inwards."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.images.masks import (
    fade_inward,
    fit_images,
    resize_mask,
    spread,
    way_inward,
)


def images(batch=1, height=20, width=30):
    return torch.zeros(batch, height, width, 3)


# --- fitting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(20, 30), (1, 20, 30), (1, 1, 20, 30), (2, 20, 30)])
def test_every_layout_of_a_mask_becomes_one_for_each_image(shape):
    mask = torch.rand(shape) * 0.9 + 0.1
    fitted = fit_images(mask, images(4))
    assert fitted.shape == (4, 20, 30)
    assert torch.equal(fitted[:1], mask.reshape(-1, 20, 30)[:1])
    assert torch.equal(fitted[-1], mask.reshape(-1, 20, 30)[-1])


def test_a_mask_of_another_shape_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"64 x 48 pixels, what it belongs to 30 x 20"):
        fit_images(torch.ones(1, 48, 64), images())


@pytest.mark.parametrize("size", [(20, 30), (128, 128), (32, 32)])
def test_load_images_empty_mask_is_empty_at_every_size_and_explained(size, caplog):
    fitted = fit_images(torch.zeros(2, 64, 64), images(4, *size))
    assert torch.equal(fitted, torch.zeros(4, *size))
    assert "nothing is painted in it" in caplog.text
    assert "nothing will be changed" in caplog.text


def test_only_an_empty_mask_of_load_images_size_is_one_of_its():
    with pytest.raises(ValueError, match="64 x 64 pixels"):
        fit_images(torch.eye(64), images())
    with pytest.raises(ValueError, match="48 x 48 pixels"):
        fit_images(torch.zeros(1, 48, 48), images())


def test_an_empty_mask_of_the_images_own_size_is_taken_without_a_word(caplog):
    assert not fit_images(torch.zeros(1, 64, 64), images(1, 64, 64)).any()
    assert caplog.text == ""


def test_resizing_is_said_with_both_sizes(caplog):
    fit_images(torch.ones(1, 40, 60), images())
    assert "the mask has 60 x 40 pixels, what it belongs to 30 x 20" in caplog.text


@pytest.mark.parametrize("scale", [1, 2, 5])
def test_a_mask_of_another_size_but_the_same_shape_is_fitted(scale):
    mask = torch.zeros(1, 20 * scale, 30 * scale)
    mask[:, 5 * scale : 10 * scale, 12 * scale : 20 * scale] = 1
    fitted = fit_images(mask, images())
    expected = torch.zeros(1, 20, 30)
    expected[:, 5:10, 12:20] = 1
    assert torch.equal(fitted, expected)


@pytest.mark.parametrize("size", [(20, 30), (256, 384), (37, 55), (400, 601)])
def test_white_stays_white_however_thin(size):
    """A wire of one pixel across a large photograph."""
    mask = torch.zeros(1, 400, 600)
    mask[:, 201] = 1
    small = resize_mask(mask, *size)
    assert (small[0].amax(dim=0) == 1).all()
    assert (small > 0).float().mean() <= 2 / size[0] + 1e-6


def test_a_share_that_rounds_to_nothing_is_black_without_a_word(caplog):
    mask = torch.ones(1, 40, 60)
    mask[0, 0, :2] = 1 / 255
    assert torch.equal(fit_images(mask, torch.rand(1, 40, 60, 3)), (mask == 1).float())
    assert caplog.text == ""


def test_what_is_nearly_black_is_black_and_that_is_said(caplog):
    mask = torch.full((1, 20, 30), 1 / 255)
    mask[:, :10] = 1
    fitted = fit_images(mask, images())
    assert torch.equal(fitted, (mask == 1).float())
    assert "50% of the mask are nearly black" in caplog.text
    caplog.clear()
    assert torch.equal(
        fit_images(torch.full((1, 20, 30), 0.02), images())[0, 0, 0], torch.tensor(0.02)
    )
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(3, 20, 30), "3 masks cannot be shared out to 2"),
        (torch.full((1, 20, 30), 2.0), "from 2 to 2; expected 0"),
        (torch.full((1, 20, 30), float("nan")), "expected 0"),
        (torch.ones(1, 3, 20, 30), "expected"),
        (torch.ones(0, 20, 30), "expected"),
    ],
)
def test_what_is_no_mask_is_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        fit_images(mask, images(2))


@pytest.mark.parametrize("pixels", [-1.0, float("nan"), float("inf")])
def test_pixels_that_are_no_length_are_refused_by_name(pixels):
    mask = torch.ones(1, 4, 4)
    with pytest.raises(ValueError, match=r"grow is .*; expected a finite number, 0 or more"):
        spread(mask, grow=pixels)
    for function in (spread, fade_inward):
        with pytest.raises(ValueError, match="feather is "):
            function(mask, feather=pixels)


# --- spreading ------------------------------------------------------------------------------------


def disc(radius=12, side=81):
    axis = torch.arange(side) - side // 2
    distance = (axis[None] ** 2 + axis[:, None] ** 2).sqrt()
    return (distance <= radius).float()[None], distance


@pytest.mark.parametrize("grow", [1, 5, 20])
def test_a_disc_grows_to_a_disc(grow):
    mask, distance = disc()
    grown = spread(mask, grow)[0]
    assert (grown[distance <= 12 + grow * 0.95 - 1] == 1).all()
    assert (grown[distance > 12 + grow * 1.05 + 1] == 0).all()


def test_feathering_falls_to_nothing_over_its_pixels():
    mask, distance = disc()
    soft = spread(mask, 4, 10)[0]
    middle = soft[40]
    assert (middle[40 - 15 : 40 + 16] == 1).all()
    outside = middle[57:68]
    assert (outside.diff() < 0).all()
    assert (soft[distance > 12 + 4 + 11 * 1.05 + 1] == 0).all()
    assert middle[40 + 12 + 4 + 5] == pytest.approx(0.5, abs=0.08)


@given(seed=st.integers(0, 2**31), grow=st.integers(0, 9), feather=st.integers(0, 9))
def test_spreading_is_a_grey_dilation(seed, grow, feather):
    """Nowhere less than the mask, nowhere more than its largest value, and 0 beyond its reach."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(2, 17, 23, generator=generator)
    mask = mask * (torch.rand(2, 17, 23, generator=generator) < 0.1)
    wide = spread(mask, grow, feather)
    assert (wide >= mask).all()
    for one, result in zip(mask, wide, strict=True):
        assert result.max() <= one.max()
        far = cv2.distanceTransform((one.numpy() == 0).astype(np.uint8), cv2.DIST_L2, 5)
        assert not one.any() or (result[torch.from_numpy(far) > grow + feather + 1] == 0).all()


def test_the_largest_value_that_reaches_a_pixel_counts():
    mask = torch.zeros(1, 1, 41)
    mask[..., 10], mask[..., 20] = 0.5, 1.0
    row = spread(mask, 3)[0, 0]
    assert row[7:14].tolist() == pytest.approx([0.5] * 7)
    assert row[17:24].tolist() == pytest.approx([1.0] * 7)
    assert spread(mask, 9)[0, 0, 12] == 1.0


def test_a_soft_rim_does_not_stop_what_is_inside():
    """As resizing leaves one: the ring of `grow` pixels must be white, not the rim's grey."""
    mask = torch.zeros(1, 60, 60)
    mask[:, 20:40, 20:40] = 1
    mask[:, 19, 20:40] = 0.002
    grown = spread(mask, 8)
    assert (grown[:, 12:20, 25:35] == 1).all()


def test_an_empty_mask_stays_empty_and_a_full_one_full():
    assert not spread(torch.zeros(1, 9, 9), 3, 3).any()
    assert (spread(torch.ones(1, 9, 9), 3, 3) == 1).all()


# --- fading ---------------------------------------------------------------------------------------


def test_fading_is_the_distance_to_the_border():
    mask, _ = disc(radius=30)
    exact = cv2.distanceTransform(
        mask[0].numpy().astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    faded = fade_inward(mask, 9)[0].numpy()
    np.testing.assert_allclose(faded, np.minimum(exact / 10, 1), atol=0.03)


def test_the_border_of_the_image_is_no_border_of_the_mask():
    mask = torch.zeros(1, 20, 20)
    mask[:, :10] = 1
    faded = fade_inward(mask, 4)[0]
    assert (faded[:5] == 1).all()
    assert torch.equal(faded[:, 0], faded[:, 10])


def test_a_patch_that_is_too_narrow_for_the_ramp_reaches_its_full_value():
    mask = torch.zeros(1, 40, 80)
    mask[:, 10:18, 10:18] = 1
    mask[:, 4:36, 40:72] = 1
    faded = fade_inward(mask, 9)[0]
    assert faded[10:18, 10:18].max() == 1
    assert faded[20, 40:52].tolist() == pytest.approx([*(n / 10 for n in range(1, 11)), 1, 1])


@given(seed=st.integers(0, 2**31), feather=st.integers(0, 9))
def test_nothing_outside_comes_alive_and_nothing_inside_dies(seed, feather):
    mask = (torch.rand(1, 15, 15, generator=torch.Generator().manual_seed(seed)) < 0.7).float()
    faded = fade_inward(mask, feather)
    assert torch.equal(faded > 0, mask > 0)
    assert (faded <= mask).all()


@pytest.mark.parametrize("kind", [cv2.DIST_MASK_5, cv2.DIST_MASK_PRECISE])
def test_the_way_inward_is_the_distance_in_units_of_each_patchs_widest(kind):
    """Against the distances in whole masks, patch by patch; some patches touch the frame."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(4, 1, 5, 7, generator=generator)
    masks = (F.interpolate(noise, (40, 56), mode="bicubic")[:, 0] > 0.6).float()
    masks[0, :12], masks[0, -9:] = 0, 0  # a box that ends before the frame
    for longest in (1, 3.5, 1000):
        for mask, way in zip(masks, way_inward(masks, longest, kind), strict=True):
            inside = mask.numpy().astype(np.uint8)
            distance = cv2.distanceTransform(inside, cv2.DIST_L2, kind)
            count, patch = cv2.connectedComponents(inside, connectivity=8)
            expected = np.zeros_like(distance)
            for number in range(1, count):
                here = patch == number
                expected[here] = distance[here] / min(max(distance[here].max(), 1), longest)
            assert np.allclose(way, expected, atol=1e-6)
    assert (way_inward(torch.zeros(1, 9, 9), 5, kind) == 0).all()
