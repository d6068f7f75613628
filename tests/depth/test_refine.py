"""Refining against true depth: the Middlebury motorcycle, and a disc."""

import cv2
import numpy as np
import pytest
import torch

from sd2_depth2img.depth import filters
from sd2_depth2img.depth.filters import guided_filter, joint_bilateral
from sd2_depth2img.depth.refine import Method, fit_map, refine
from sd2_depth2img.images.crop import resize_map

METHODS = list(Method)


def error(depth, motorcycle):
    _, truth, known = motorcycle
    return float((depth - truth).abs()[known].mean())


def smaller(truth, factor):
    height, width = (side // factor for side in truth.shape[1:])
    return resize_map(truth, height, width)


def blurred(truth, sigma):
    return torch.from_numpy(cv2.GaussianBlur(truth[0].numpy(), (0, 0), sigma))[None]


# --- true depth -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "gain"), [(Method.BILATERAL, 0.85), (Method.GUIDED, 0.97)])
@pytest.mark.parametrize("factor", [4, 8])
def test_lowers_the_error_of_an_enlarged_map(motorcycle, method, factor, gain):
    photo, truth, _ = motorcycle
    small = smaller(truth, factor)
    refined = refine(small, photo, method)
    assert refined.shape == truth.shape
    assert error(refined, motorcycle) < gain * error(fit_map(small, photo), motorcycle)


@pytest.mark.parametrize(("method", "gain"), [(Method.BILATERAL, 0.92), (Method.GUIDED, 0.98)])
@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_lowers_the_error_of_a_blurred_map(motorcycle, method, sigma, gain):
    photo, truth, _ = motorcycle
    degraded = blurred(truth, sigma)
    refined = refine(degraded, photo, method)
    assert error(refined, motorcycle) < gain * error(degraded, motorcycle)


@pytest.mark.parametrize("method", METHODS)
def test_lowers_the_error_of_a_noisy_map(motorcycle, method):
    photo, truth, _ = motorcycle
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    degraded = (truth + 0.05 * noise).clamp(0, 1)
    assert error(refine(degraded, photo, method), motorcycle) < 0.3 * error(degraded, motorcycle)


@pytest.fixture
def disc():
    """A bright disc in front of a dark ground: photograph, truth, and the truth blurred."""
    y, x = np.mgrid[:96, :96]
    truth = np.where((x - 48) ** 2 + (y - 44) ** 2 < 27**2, 0.8, 0.2).astype(np.float32)
    photo = torch.from_numpy(truth)[None, ..., None].repeat(1, 1, 1, 3)
    return photo, torch.from_numpy(truth)[None]


def test_the_edge_of_a_disc_snaps_to_the_photographs(disc):
    photo, truth = disc
    soft = blurred(truth, 4.0)
    refined = refine(soft, photo, radius=8.0)
    assert (refined - truth).abs().mean() < 0.2 * (soft - truth).abs().mean()
    assert (refined - truth).abs().max() < 0.1


def test_an_edge_in_the_photograph_alone_does_not_get_into_the_map(disc):
    photo, _ = disc
    flat = torch.full((1, 96, 96), 0.5)
    slope = torch.linspace(0.2, 0.4, 96).expand(1, 96, 96)
    for method in METHODS:
        assert torch.equal(refine(flat, photo, method), flat)
        assert (refine(slope, photo, method) - slope).abs().max() < 0.01


# --- sizes and batches ----------------------------------------------------------------------------


def test_the_result_has_the_photographs_size_and_number():
    photo = torch.rand(4, 60, 90, 3, generator=torch.Generator().manual_seed(1))
    small = torch.rand(2, 20, 30, generator=torch.Generator().manual_seed(2))
    refined = refine(small, photo)
    assert refined.shape == (4, 60, 90)
    assert torch.allclose(refined[2:3], refine(small[:1], photo[2:3]))
    assert refine(torch.rand(1, 120, 180), photo).shape == (4, 60, 90)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (4, 1), (3, 2)])
def test_the_smallest_maps_are_taken(method, size):
    """OpenCV reads arrays of one or four numbers as colours where it can."""
    photo = torch.rand(1, *size, 3)
    for radius in (1.0, 8.0, 40.0):
        refined = refine(torch.full((1, *size), 0.3), photo, method, radius)
        assert torch.equal(refined, torch.full((1, *size), 0.3))


def test_radius_0_only_enlarges_and_leaves_a_map_of_the_same_size_as_it_is():
    photo = torch.rand(1, 20, 30, 3)
    depth = torch.rand(1, 20, 30)
    assert torch.equal(refine(depth, photo, radius=0.0), depth)


@pytest.mark.parametrize(
    ("shape", "message"), [((1, 20, 20), "different shapes"), ((3, 20, 30), "cannot be shared out")]
)
def test_maps_that_do_not_belong_to_the_photographs_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        refine(torch.rand(shape), torch.rand(2, 40, 60, 3))


def test_a_tolerance_of_0_is_refused():
    with pytest.raises(ValueError, match="tolerance is 0"):
        refine(torch.rand(1, 8, 8), torch.rand(1, 8, 8, 3), tolerance=0.0)


@pytest.mark.parametrize("name", ["tolerance", "radius"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_numbers_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value:g}"):
        refine(torch.rand(1, 8, 8), torch.rand(1, 8, 8, 3), **{name: value})


# --- the filters, against their definitions -------------------------------------------------------


def random_maps(count, seed):
    return np.random.default_rng(seed).random((count, 24, 20), np.float32)


def windows(t, radius):
    """Every pixel's window, [H, W, (2r + 1)²], the frame mirrored as OpenCV does it."""
    side = 2 * radius + 1
    views = np.lib.stride_tricks.sliding_window_view(
        np.pad(t.astype(float), radius, mode="reflect"), (side, side)
    )
    return views.reshape(*t.shape, side * side)


@pytest.mark.parametrize("weighted", [False, True])
def test_guided_filter_is_the_least_squares_of_every_window(weighted):
    guide, values, weights = random_maps(3, 1)
    radius, eps = 3, 0.01
    w = windows(weights if weighted else np.ones_like(guide), radius)
    w /= w.sum(-1, keepdims=True)
    i, p = windows(guide, radius), windows(values, radius)
    i_mean, p_mean = (w * i).sum(-1), (w * p).sum(-1)
    centred = i - i_mean[..., None]
    slope = (w * centred * p).sum(-1) / ((w * centred**2).sum(-1) + eps)
    shift = p_mean - slope * i_mean
    expected = windows(slope, radius).mean(-1) * guide + windows(shift, radius).mean(-1)
    result = guided_filter(guide, values, radius, eps, weights if weighted else None)
    assert np.allclose(result, expected, atol=1e-4)


def test_guided_filter_of_a_map_by_itself_takes_the_same_way():
    (guide,) = random_maps(1, 5)
    by_itself = guided_filter(guide, guide, 3, 0.01)
    assert np.allclose(by_itself, guided_filter(guide, guide.copy(), 3, 0.01), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_bands_leave_no_seam(method, monkeypatch):
    generator = torch.Generator().manual_seed(4)
    depth, photo = torch.rand(1, 90, 40, generator=generator), torch.rand(1, 90, 40, 3)
    whole = refine(depth, photo, method)
    monkeypatch.setattr(filters, "BAND", 8)
    assert torch.allclose(refine(depth, photo, method), whole, atol=1e-5)


def test_joint_bilateral_is_near_the_sum_over_all_pixels():
    guide, values, weights = random_maps(3, 3)
    guide = cv2.GaussianBlur(guide, (0, 0), 2)
    sigma, tolerance, radius = 2.0, 0.1, 8
    distance = (np.mgrid[-radius : radius + 1, -radius : radius + 1] ** 2).sum(0).ravel()
    unlike = windows(guide, radius) - guide[..., None]
    w = np.exp(-distance / (2 * sigma**2) - unlike**2 / (2 * tolerance**2))
    w *= windows(weights, radius)
    expected = (w * windows(values, radius)).sum(-1) / w.sum(-1)
    result = joint_bilateral(guide, values, sigma, tolerance, weights)
    assert np.abs(result - expected).max() < 0.02  # levels apart by the tolerance


@pytest.mark.parametrize("sigma", [9.0, 20.0, 40.0])
def test_a_wide_joint_bilateral_is_near_the_one_without_cells(motorcycle, sigma, monkeypatch):
    photo, truth, _ = motorcycle
    guide = photo[0, ..., 1].numpy()
    values, (weights,) = truth[0].numpy(), np.random.default_rng(6).random((1, *guide.shape))
    weights = (weights + 0.01).astype(np.float32)
    arguments = guide, values, sigma, 0.05, weights
    result = joint_bilateral(*arguments)
    monkeypatch.setattr(filters, "CELLS", 1000)
    difference = np.abs(result - joint_bilateral(*arguments))
    assert difference.max() > 0  # there are cells
    assert difference.max() < 0.08
    assert difference.mean() < 0.003
    frame = int(sigma)  # four cells at the most
    assert difference[frame:-frame, frame:-frame].max() < 0.02


@pytest.mark.parametrize("shape", [(1, 1), (5, 70), (64, 64), (65, 33)])
def test_a_wide_joint_bilateral_takes_every_size_and_leaves_flat_maps_flat(shape):
    guide = np.random.default_rng(7).random(shape, np.float32)
    flat = np.full(shape, 0.4, np.float32)
    result = joint_bilateral(guide, flat, 30.0, 0.1, np.ones_like(flat))
    assert result.shape == shape
    assert np.allclose(result, 0.4, atol=1e-5)


def test_bands_leave_no_seam_in_a_wide_filter(monkeypatch):
    generator = torch.Generator().manual_seed(8)
    depth, photo = torch.rand(1, 700, 24, generator=generator), torch.rand(1, 700, 24, 3)
    monkeypatch.setattr(filters, "BAND", 1024)
    whole = refine(depth, photo, radius=20.0)
    monkeypatch.setattr(filters, "BAND", 8)
    assert torch.allclose(refine(depth, photo, radius=20.0), whole, atol=1e-5)


@pytest.mark.parametrize("method", Method)
def test_a_radius_that_harms_the_map_is_told(motorcycle, method, caplog):
    photo, truth, _ = motorcycle
    small = resize_map(truth, 83, 123)
    errors = {}
    for radius in (0.0, 8.0, 32.0):
        caplog.clear()
        errors[radius] = (refine(small, photo, method, radius) - truth).abs().mean()
        harms = errors[radius] > 1.1 * errors[0.0]
        assert ("is wide for an image" in caplog.text) == harms
    assert errors[32.0] > 1.1 * errors[0.0]
