"""Scores of estimated depth against the asked-for map: known truth, independent references."""

import math

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize
from scipy.stats import somersd

from sd2_depth2img.depth.convention import normalize
from sd2_depth2img.depth.fidelity import (
    HEAT_END,
    Score,
    Target,
    align,
    best_of,
    heat_map,
    ordinal_accuracy,
)

SAMPLING_ERROR = 0.01  # of 100,000 pairs: more than five standard deviations

VALUES = st.floats(-100, 100, width=32)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9)


def pairs_of_maps():
    """An estimate and an asked-for map of one size, the latter with some depth in it."""

    def two(shape):
        maps = hnp.arrays(np.float32, shape, elements=VALUES).map(torch.from_numpy)
        return st.tuples(maps, maps.filter(lambda depth: depth.max() - depth.min() > 0.1))

    return SHAPES.flatmap(two)


@pytest.fixture(scope="module")
def asked():
    """The Middlebury motorcycle's true disparity, [1, 60, 90], 0..1."""
    disparity = skimage.data.stereo_motorcycle()[2]
    disparity[~np.isfinite(disparity)] = disparity[np.isfinite(disparity)].min()
    small = cv2.resize(disparity, (90, 60), interpolation=cv2.INTER_AREA)
    return normalize(torch.from_numpy(small).unsqueeze(0))


def random_map(seed, size=(60, 90)):
    return torch.rand(1, *size, generator=torch.Generator().manual_seed(seed))


def score(estimate, asked, mask=None):
    (found,) = Target.fitted(asked, (*asked.shape, 3), mask).scores(estimate)
    return found


def lstsq(estimate, asked):
    """Scale and shift by NumPy."""
    matrix = np.stack([estimate.double().numpy().ravel(), np.ones(estimate.numel())], axis=1)
    return np.linalg.lstsq(matrix, asked.double().numpy().ravel(), rcond=None)[0]


def accuracy_over_all_pairs(estimate, asked, threshold):
    """Every pair of pixels, one after the other."""
    estimate, asked = estimate.flatten().tolist(), asked.flatten().tolist()
    agreements = []
    for a, e in zip(asked, estimate, strict=True):
        for b, f in zip(asked, estimate, strict=True):
            if a - b > threshold:
                agreements.append(1.0 if e > f else 0.5 if e == f else 0.0)
    return sum(agreements) / len(agreements)


# --- Known truth ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (0.01, 0.3), (7, -2), (1000, 5000)])
def test_the_same_depth_under_any_positive_scale_and_shift_is_perfect(asked, scale, shift):
    found = score(asked.double() * scale + shift, asked)
    assert found.error < 1e-6
    assert found.ordinal_accuracy == 1
    assert found.error_map.max() < 1e-5
    assert found.flat_error > 0.1


def test_an_inverted_map_is_no_better_than_none_and_in_the_wrong_order(asked):
    found = score(1 - asked, asked)
    assert found.error == pytest.approx(found.flat_error)
    assert found.ordinal_accuracy == 0


def test_a_flat_estimate_has_the_flat_error_and_the_order_of_chance(asked):
    mean_deviation = (asked - asked.mean()).abs().mean().item()
    for depth in (0.0, 0.1, 1e6):
        found = score(torch.full_like(asked, depth), asked)
        assert found.error == found.flat_error == pytest.approx(mean_deviation, rel=1e-5)
        assert found.ordinal_accuracy == 0.5


def test_noise_scores_nearly_like_no_depth(asked):
    found = score(random_map(3), asked)
    assert found.error == pytest.approx(found.flat_error, rel=0.02)
    assert found.ordinal_accuracy == pytest.approx(0.5, abs=0.03)


def test_more_noise_scores_worse(asked):
    noise = random_map(4) - 0.5
    found = [score(asked + amount * noise, asked) for amount in (0, 0.1, 0.3, 1, 3)]
    errors = [one.error for one in found]
    orders = [one.ordinal_accuracy for one in found]
    assert errors == sorted(errors)
    assert len(set(errors)) == 5
    assert orders == sorted(orders, reverse=True)


def test_the_error_is_in_units_of_the_maps_range(asked):
    """Half of the pixels are 0, half 1; a tenth of the near ones are seen as far."""
    halves = torch.zeros(1, 10, 20)
    halves[..., 10:] = 1
    seen = halves.clone()
    seen[:, 0, 10:] = 0
    # Best fit: what is seen far is 10 of 110 times near, what is seen near is near.
    expected = (100 * 10 / 110 + 10 * 100 / 110) / 200
    for stretch in (1, 0.2, 50):
        assert score(seen, halves * stretch - 3).error == pytest.approx(expected, rel=1e-4)


# --- Alignment ------------------------------------------------------------------------------------


@given(pairs_of_maps())
def test_alignment_is_numpys_least_squares_unless_its_scale_is_negative(maps):
    estimate, asked = maps
    if estimate.max() - estimate.min() < 1e-3:
        return
    reference = lstsq(estimate, asked)
    scale, shift = align(estimate, asked)
    if reference[0] > 0:
        assert (scale, shift) == pytest.approx(tuple(reference), rel=1e-5, abs=1e-5)
    elif reference[0] < -1e-6:
        assert (scale, shift) == (0, pytest.approx(asked.double().mean().item()))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("turned", [False, True])
def test_no_scale_from_zero_on_fits_better(asked, seed, turned):
    estimate = (1 - asked if turned else asked) + random_map(seed)
    e, d = estimate.double().numpy(), asked.double().numpy()
    reference = minimize(
        lambda fit: np.square(fit[0] * e + fit[1] - d).mean(),
        x0=(0.5, 0.5),
        bounds=((0, None), (None, None)),
    )
    assert align(estimate, asked) == pytest.approx(tuple(reference.x), abs=1e-3)


@given(pairs_of_maps(), st.floats(0.01, 100), st.floats(-100, 100))
def test_scores_do_not_change_with_scale_and_shift_of_the_estimate(maps, scale, shift):
    estimate, asked = (one.double().unsqueeze(0) for one in maps)
    # Coarse steps: what is tied or apart must stay so under rounding.
    estimate = (estimate * 8).round() / 8
    before, after = score(estimate, asked), score(estimate * scale + shift, asked)
    assert after.error == pytest.approx(before.error, abs=1e-6)
    assert after.ordinal_accuracy == pytest.approx(before.ordinal_accuracy, nan_ok=True)


@given(pairs_of_maps())
def test_scores_stay_in_their_range_and_fit_their_map(maps):
    estimate, asked = (one.unsqueeze(0) for one in maps)
    found = score(estimate, asked)
    assert found.error >= 0
    # A least squares fit of scale ≥ 0 has at most the mean square error of a flat map.
    spread = normalize(asked).double().std(correction=0).item()
    assert found.error_map.double().square().mean().sqrt().item() <= spread + 1e-5
    assert found.error == pytest.approx(found.error_map.double().mean().item(), abs=1e-6)
    assert 0 <= found.ordinal_accuracy <= 1 or math.isnan(found.ordinal_accuracy)


# --- Ordinal accuracy -----------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_ordinal_accuracy_is_that_of_all_pairs(seed, threshold):
    asked = random_map(seed, (12, 16))
    estimate = ((asked + random_map(seed + 100, (12, 16))) * 8).round()  # with ties
    expected = accuracy_over_all_pairs(estimate, asked, threshold)
    found = ordinal_accuracy(estimate, asked, threshold)
    assert found == pytest.approx(expected, abs=SAMPLING_ERROR)
    assert abs(expected - 0.5) > 0.1


def test_without_a_threshold_it_is_somers_d(asked):
    asked = (asked[:, ::4, ::4] * 10).round()
    estimate = (asked + 6 * random_map(8, asked.shape[1:])).round()
    reference = somersd(asked.numpy().ravel(), estimate.numpy().ravel()).statistic
    found = ordinal_accuracy(estimate, asked, threshold=0)
    assert found == pytest.approx((1 + reference) / 2, abs=SAMPLING_ERROR)


def test_pairs_below_the_threshold_do_not_count():
    """Two plates, each with a relief that the estimate has the wrong way round."""
    relief = torch.linspace(0, 0.04, 50)
    asked = torch.stack([relief, 0.9 + relief])
    estimate = torch.stack([relief.flip(0), 0.9 + relief.flip(0)])
    assert ordinal_accuracy(estimate, asked, threshold=0.05) == 1
    assert ordinal_accuracy(estimate, asked, threshold=0.0) < 0.6


def test_the_pairs_are_the_same_every_time_and_others_with_another_seed(asked):
    estimate = asked + random_map(5)
    before = torch.get_rng_state()
    found = [ordinal_accuracy(estimate, asked) for _ in range(2)]
    assert found[0] == found[1]
    assert torch.equal(torch.get_rng_state(), before)
    other = ordinal_accuracy(estimate, asked, seed=1)
    assert other != found[0]
    assert other == pytest.approx(found[0], abs=SAMPLING_ERROR)


def test_without_pairs_far_enough_apart_it_is_unknown():
    assert math.isnan(ordinal_accuracy(torch.rand(8, 8), torch.linspace(0, 0.01, 64).view(8, 8)))


@given(pairs_of_maps())
@settings(max_examples=30)
def test_turning_the_estimate_over_gives_the_complement(maps):
    estimate, asked = maps
    found = ordinal_accuracy(estimate, asked)
    assert ordinal_accuracy(-estimate, asked) == pytest.approx(1 - found, nan_ok=True)


# --- Masks, sizes, batches ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(60, 90), (1, 60, 90), (1, 1, 60, 90)])
def test_only_the_mask_counts(asked, shape):
    mask = torch.zeros(shape)
    mask[..., 45:] = 0.5
    estimate = asked.clone()
    estimate[..., :45] = random_map(6)[..., :45]
    found = score(estimate, asked, mask)
    assert found.error < 1e-6
    assert found.ordinal_accuracy == 1
    assert found.error_map[:, :45].max() > 0.2
    assert score(estimate, asked, 1 - mask).error > 0.05
    assert score(estimate, asked).error > 0.05


def test_the_mask_leaves_the_unit_alone(asked):
    """Of the whole map's range, not of the range inside: else small regions would look worse."""
    mask = ((asked > 0.2) & (asked < 0.4)).float()
    found = score(torch.zeros_like(asked), asked, mask)
    inside = asked[mask == 1]
    assert found.error == pytest.approx((inside - inside.mean()).abs().mean().item(), rel=1e-4)
    assert found.error < 0.1


def test_a_map_of_the_right_size_is_used_without_a_word(asked, caplog):
    target = Target.fitted(asked, (1, 60, 90, 3), torch.ones(60, 90))
    assert torch.equal(target.depth, asked)
    assert caplog.text == ""


def test_a_map_of_another_size_is_fitted_as_the_model_sees_it_with_a_warning(asked, caplog):
    target = Target.fitted(asked * 3 + 1, (1, 30, 45, 3))
    seen = cv2.resize(asked[0].numpy(), (45, 30), interpolation=cv2.INTER_CUBIC)
    seen = (seen - seen.min()) / (seen.max() - seen.min())
    assert np.abs(target.depth[0].numpy() - seen).max() < 1e-5
    assert "depth map is 90 × 60 pixels, the images 45 × 30" in caplog.text


def test_a_mask_of_another_size_is_fitted_with_a_warning(asked, caplog):
    mask = torch.zeros(1, 120, 180)
    mask[..., 90:] = 1
    target = Target.fitted(asked, (1, 60, 90, 3), mask)
    assert target.on[..., 45:].all()
    assert not target.on[..., :45].any()
    assert "mask has 180 x 120 pixels, what it belongs to 90 x 60" in caplog.text


def test_a_thin_mask_that_shrinks_still_counts(asked):
    """As for every other node: the largest value, which a bilinear mean would lose."""
    mask = torch.zeros(1, 300, 450)
    mask[:, :, 220] = 1  # between two samples of a bilinear one
    assert Target.fitted(asked, (1, 60, 90, 3), mask).on.sum() == 60


def test_maps_and_masks_are_shared_out_as_a_whole(asked):
    maps = torch.cat([asked, 1 - asked])
    left, right = torch.zeros(2, 1, 60, 90)
    left[..., :45], right[..., 45:] = 1, 1
    target = Target.fitted(maps, (4, 60, 90, 3), torch.cat([left, right]))
    found = target.scores(torch.cat([asked, asked, 1 - asked, 1 - asked]))
    assert [one.error < 1e-6 for one in found] == [True, False, False, True]
    expected = torch.stack([left[0], right[0]] * 2).bool()
    assert torch.equal(target.on, expected)


@pytest.mark.parametrize("images", [1, 2, 4])
def test_three_maps_are_not_shared_out_to_other_numbers(asked, images):
    with pytest.raises(ValueError, match=f"3 depth maps .* shared out to {images} images"):
        Target.fitted(asked.repeat(3, 1, 1), (images, 60, 90, 3))
    with pytest.raises(ValueError, match=f"3 masks .* shared out to {images} images"):
        Target.fitted(asked, (images, 60, 90, 3), torch.ones(3, 60, 90))


# --- What cannot be scored ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(60, 90), (31, 47)])
def test_a_flat_map_is_refused_with_its_place(asked, size):
    maps = torch.cat([asked, torch.full_like(asked, 0.3)])
    with pytest.raises(ValueError, match=r"image 1 of 2 .* is flat.*made from"):
        Target.fitted(maps, (2, *size, 3))


def test_a_mask_over_one_depth_is_refused(asked):
    steps = (asked > 0.4).float()
    with pytest.raises(ValueError, match=r"flat: where it counts, it runs from 1 to 1 "):
        Target.fitted(steps, (1, 60, 90, 3), steps)


@pytest.mark.parametrize("mask", [torch.zeros(1, 20, 30), torch.full((60, 90), 0.49)])
def test_a_mask_that_is_off_everywhere_is_refused(asked, mask):
    with pytest.raises(ValueError, match=r"mask is off everywhere .* for the image: nothing"):
        Target.fitted(asked, (1, 60, 90, 3), mask)


def test_maps_and_masks_of_another_shape_show_another_section(asked):
    with pytest.raises(ValueError, match=r"depth map has 90 x 60 pixels, the images 60 x 60"):
        Target.fitted(asked, (1, 60, 60, 3))
    with pytest.raises(ValueError, match=r"mask has 64 x 64 pixels, what it belongs to 90 x 60"):
        Target.fitted(asked, (1, 60, 90, 3), torch.ones(64, 64))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_not_finite_are_refused_and_counted(asked, value):
    broken = asked.clone()
    broken[0, 5, 5:8] = value
    with pytest.raises(ValueError, match="the depth map: 3 of 5400 values are NaN"):
        Target.fitted(broken, (1, 60, 90, 3))
    with pytest.raises(ValueError, match="the estimated depth maps: 3 of 5400 values"):
        Target.fitted(asked, (1, 60, 90, 3)).scores(broken)


@pytest.mark.parametrize("value", [255.0, -1.0, torch.nan])
def test_masks_that_other_nodes_refuse_are_refused(asked, value):
    with pytest.raises(ValueError, match="the mask goes from"):
        Target.fitted(asked, (1, 60, 90, 3), torch.full((1, 60, 90), value))


def test_other_shapes_are_refused_with_theirs(asked):
    with pytest.raises(ValueError, match=r"\[60, 90, 3\]; expected \[batch"):
        Target.fitted(asked, (60, 90, 3))
    with pytest.raises(ValueError, match=r"mask has shape \[1, 2, 60, 90\]"):
        Target.fitted(asked, (1, 60, 90, 3), torch.ones(1, 2, 60, 90))
    with pytest.raises(ValueError, match=r"shape \(60, 90\); expected \[batch, height, width\]"):
        Target.fitted(asked[0], (1, 60, 90, 3))
    with pytest.raises(ValueError, match=r"\(1, 60, 80\), the target \(1, 60, 90\)"):
        Target.fitted(asked, (1, 60, 90, 3)).scores(asked[..., :80])


# --- The best, and the heat map -------------------------------------------------------------------


@pytest.mark.parametrize(("errors", "best"), [([0.3, 0.1, 0.2], 1), ([0.2, 0.1, 0.1], 1), ([1], 0)])
def test_the_best_has_the_smallest_error_of_equals_the_first(errors, best):
    # The best order belongs to the worst error, and must not decide.
    scores = [Score(error, 0.5, error, torch.zeros(1, 1)) for error in errors]
    assert best_of(scores) == best


def test_the_heat_map_is_opencvs_inferno_on_one_scale():
    errors = torch.linspace(0, HEAT_END, 256).view(1, 16, 16)
    found = heat_map(errors, torch.ones(1, 16, 16, dtype=torch.bool))
    steps = np.arange(256, dtype=np.uint8).reshape(16, 16)
    reference = cv2.cvtColor(cv2.applyColorMap(steps, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    assert found.shape == (1, 16, 16, 3)
    assert found.dtype == torch.float32
    assert np.array_equal((found[0] * 255).round().numpy(), reference)
    brightness = found[0].reshape(-1, 3) @ torch.tensor([0.2126, 0.7152, 0.0722])
    assert brightness[0] < 0.02
    assert brightness[-1] > 0.9


def test_the_heat_map_ends_at_half_the_range_and_is_grey_outside_the_mask():
    errors = torch.tensor([[[0.0, HEAT_END, 0.9, 5.0, 0.2]]])
    found = heat_map(errors, torch.tensor([[[True, True, True, True, False]]]))[0, 0]
    assert torch.equal(found[1], found[2])
    assert torch.equal(found[1], found[3])
    assert found[4].tolist() == [0.5, 0.5, 0.5]
    palette = heat_map(torch.linspace(0, HEAT_END, 256).view(1, 1, 256), torch.ones(1, 1, 256) > 0)[
        0, 0
    ]
    assert (palette - 0.5).abs().amax(dim=1).min() > 0.1  # grey is no error's colour
