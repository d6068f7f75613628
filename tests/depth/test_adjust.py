"""Adjusting depth maps, against values known beforehand."""

import time

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.depth.adjust import Adjustment, ClipBy, Smoothing, adjust, percentiles

RAMP = torch.linspace(0, 1, 101).expand(1, 3, 101)
NOISE = torch.rand(2, 40, 50, generator=torch.Generator().manual_seed(2))


def adjusted(depth=RAMP, **how):
    return adjust(depth, Adjustment(**how))


def at(depth, value):
    """What became of a depth of the ramp."""
    return depth[0, 1, round(value * 100)].item()


def test_as_it_comes_it_changes_no_bit():
    assert torch.equal(adjusted(NOISE), NOISE)


@pytest.mark.parametrize(
    ("how", "pairs"),
    [
        ({"invert": True}, {0.0: 1.0, 0.3: 0.7}),
        ({"near": 0.8, "far": 0.2}, {0.1: 0.0, 0.2: 0.0, 0.5: 0.5, 0.65: 0.75, 0.9: 1.0}),
        ({"gamma": 2.0}, {0.0: 0.0, 0.25: 0.5, 0.81: 0.9, 1.0: 1.0}),
        ({"contrast": 0.5, "plane": 0.2}, {0.2: 0.2, 0.6: 0.4, 1.0: 0.6}),
        ({"contrast": 2.0}, {0.5: 0.5, 0.6: 0.7, 0.9: 1.0, 0.1: 0.0}),
        ({"offset": -0.2}, {0.1: 0.0, 0.5: 0.3}),
        ({"invert": True, "near": 0.8, "far": 0.2}, {0.35: 0.75}),
        ({"near": 0.8, "far": 0.2, "gamma": 2.0, "offset": 0.1}, {0.35: 0.6}),
    ],
)
def test_known_values_in_the_order_of_the_fields(how, pairs):
    result = adjusted(**how)
    for before, after in pairs.items():
        assert at(result, before) == pytest.approx(after, abs=1e-6)


def test_percentiles_cut_off_shares_of_every_map_by_itself():
    depth = torch.cat([RAMP, RAMP * 0.5 + 0.25])
    result = adjusted(depth, near=0.9, far=0.1, clip_by=ClipBy.PERCENTILE)
    assert torch.allclose(result[0], result[1], atol=1e-5)
    assert at(result, 0.5) == pytest.approx(0.5, abs=1e-5)
    assert (result[0, 0] == 0).sum() == 11
    assert (result[0, 0] == 1).sum() == 11


def test_percentiles_of_whole_maps_normalise_them_and_do_nothing_twice():
    once = adjusted(NOISE * 0.4 + 0.1, clip_by=ClipBy.PERCENTILE)
    assert torch.allclose(once.amin((1, 2)), torch.zeros(2))
    assert torch.allclose(once.amax((1, 2)), torch.ones(2))
    assert torch.equal(adjusted(once, clip_by=ClipBy.PERCENTILE), once)


def test_percentiles_that_coincide_leave_what_is_nearer():
    depth = torch.zeros(1, 10, 10)
    depth[0, 0, 0] = 0.5
    result = adjusted(depth, near=0.9, far=0.1, clip_by=ClipBy.PERCENTILE)
    assert torch.equal(result, (depth > 0).float())
    flat = adjusted(torch.full((1, 4, 4), 0.7), clip_by=ClipBy.PERCENTILE)
    assert (flat == 0).all()


@given(st.floats(0, 1))
def test_percentile_is_torchs_quantile(share):
    expected = torch.quantile(NOISE.flatten(1), share, dim=1)
    result = percentiles(NOISE, share, 0.5)
    assert result.shape == (2, 2, 1, 1)
    assert torch.allclose(result[0].flatten(), expected, atol=1e-5)


def test_clipping_says_how_many_pixels(caplog):
    adjusted(offset=0.5)
    assert "150 of 303 depth pixels" in caplog.text
    caplog.clear()
    adjusted(near=0.8, gamma=3.0)  # clipped because asked to
    assert not caplog.records


def opencv_gaussian(depth, sigma):
    return np.stack(
        [cv2.GaussianBlur(one.numpy(), (0, 0), sigma, None, 0, cv2.BORDER_REFLECT) for one in depth]
    )


def test_gaussian_smoothing_is_opencvs():
    assert np.allclose(adjusted(NOISE, smooth=2.5).numpy(), opencv_gaussian(NOISE, 2.5), atol=1e-6)


@pytest.mark.parametrize("sigma", [8, 15.9, 16, 100, 256])
@pytest.mark.parametrize("size", [(301, 455), (300, 40), (9, 200)])
def test_wide_gaussians_are_opencvs_to_half_a_hundredth(sigma, size):
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(*size, generator=generator)
    step = (torch.arange(size[1]) > 0.43 * size[1]).float().expand(size)
    box = torch.zeros(size)
    box[: size[0] // 3, :20] = 1
    maps = torch.stack([noise, step, box, torch.linspace(0, 1, size[1]).expand(size)])
    found = adjusted(maps, smooth=float(sigma)).numpy()
    assert np.abs(found - opencv_gaussian(maps, sigma)).max() < 0.005


def test_a_wider_gaussian_takes_no_longer():
    maps = torch.rand(1, 1024, 1024)
    seconds = {}
    for sigma in (8.0, 256.0):
        start = time.process_time()
        adjusted(maps, smooth=sigma)
        seconds[sigma] = time.process_time() - start
    assert seconds[256.0] < 3 * seconds[8.0]


def test_edge_preserving_smoothing_keeps_a_step_and_loses_noise():
    step = torch.zeros(1, 64, 64)
    step[:, :, 32:] = 0.8
    noisy = step + 0.1 + 0.02 * (NOISE[:1].repeat(1, 2, 2)[:, :64, :64] - 0.5)
    kept = adjusted(noisy, smooth=6.0, smoothing=Smoothing.EDGES, edge=0.05)
    blurred = adjusted(noisy, smooth=6.0)
    assert (kept - step - 0.1).abs().max() < 0.04
    away = (kept - noisy.mean())[:, :, :18]  # two windows from the step
    assert away.std() < 0.3 * noisy[:, :, :18].std()
    assert (blurred - step - 0.1).abs().max() > 0.3


def test_edge_preserving_smoothing_takes_what_is_below_the_edge():
    step = torch.full((1, 64, 64), 0.4)
    step[:, :, 32:] = 0.45
    result = adjusted(step, smooth=8.0, smoothing=Smoothing.EDGES, edge=0.5)
    assert result.diff(dim=2).abs().max() < 0.01


@settings(deadline=None)
@given(st.sampled_from(Smoothing), st.floats(0.5, 40), st.floats(0, 1))
def test_smoothing_leaves_a_flat_map_flat(kind, radius, value):
    for size in ((16, 24), (1, 1), (4, 1)):
        flat = torch.full((1, *size), value)
        assert torch.allclose(adjusted(flat, smooth=radius, smoothing=kind), flat, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"near": 0.3, "far": 0.6}, "near is 0.3 and far 0.6"),
        ({"near": 0.5, "far": 0.5}, "near must be above far"),
        ({"near": 98.0, "clip_by": ClipBy.PERCENTILE}, "0 to 1"),
        ({"gamma": 0.0}, "gamma is 0"),
        ({"edge": 0.0}, "edge is 0"),
        ({"contrast": -1.0}, "contrast is -1"),
        ({"smooth": -2.0}, "smooth is -2"),
        *(
            ({name: value}, f"{name} is {value}; expected a finite number")
            for name in ("near", "far", "gamma", "contrast", "plane", "offset", "smooth", "edge")
            for value in (float("nan"), float("inf"))
        ),
    ],
)
def test_numbers_that_make_no_sense_are_refused(how, message):
    with pytest.raises(ValueError, match=message):
        Adjustment(**how)
