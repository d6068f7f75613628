"""KSampler's rules, with a small network and the depth channel of the real package.

Most tests take a single Euler step from the highest noise level. Its result is the guess itself,
so what prompts, areas and masks do to the guess can be written down and compared.
"""

import itertools
import logging
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sd2_depth2img.engine import guidance
from sd2_depth2img.engine.conditioning import Area
from sd2_depth2img.engine.guidance import Request, sample, sample_together
from sd2_depth2img.engine.samplers import (
    SAMPLERS,
    SCHEDULERS,
    SIGMA_MAX,
    initial_noise,
    sigma_at,
    sigmas_for,
    timestep_of,
)
from sd2_depth2img.sampling.depth_channel import DepthCondition, MissingDepthError, attach_depth
from sd2_depth2img.sampling.latents import MaskRule
from sd2_depth2img.sampling.shortcuts import Shortcuts

SEED, SCALE, TOKENS, WIDTH = 7, 0.18215, 6, 12
H, W = 24, 20


class TinyUNet(nn.Module):
    """Two convolutions that know the time and attend to the text, behind the engine's interface.

    With `reach` 1 it looks at single pixels: what it says does not depend on an area's edges.
    """

    device = torch.device("cpu")
    latent_scale = SCALE
    in_channels = 5
    model_channels = 16
    shortcuts = Shortcuts()

    def __init__(self, reach=3):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first = nn.Conv2d(5, 16, reach, padding=reach // 2)
        self.last = nn.Conv2d(16, 4, reach, padding=reach // 2)
        self.text = nn.Linear(WIDTH, 16)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        self.calls = []  # (x, timesteps, context) of each call
        self.fresh = []  # of calls with features: whether these were still to be made

    def predict_noise(self, x, timesteps, context, deep=None):
        self.calls.append((x.clone(), timesteps, context.clone()))
        if deep is not None:
            self.fresh.append(deep.features is None)
            if deep.features is None:
                deep.features = x[:, :1].clone()
            x = torch.cat([x[:, :4] + deep.features, x[:, 4:]], dim=1)
        hidden = self.first(x) + (timesteps / 1000)[:, None, None, None]
        keys = self.text(context)  # [N, T, 16]
        attention = torch.einsum("nchw,ntc->nthw", hidden, keys).softmax(dim=1)
        hidden = hidden + torch.einsum("nthw,ntc->nchw", attention, keys)
        return 0.8 * x[:, :4] + 0.3 * self.last(torch.tanh(hidden))


@pytest.fixture
def model():
    return TinyUNet()


def prompt(number, tokens=TOKENS, depth=None, **values):
    """A conditioning of one entry; the number decides its text."""
    context = torch.randn(1, tokens, WIDTH, generator=torch.Generator().manual_seed(number))
    return attach_depth([[context, values]], depth or DEPTH)


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


DEPTH = DepthCondition(random(1, 50, 70))
LATENT = {"samples": torch.randn(1, 4, H, W, generator=torch.Generator().manual_seed(2)) * 5}
NEGATIVE = prompt(100)


def guess(model, positive, negative=NEGATIVE, cfg=1.0, latent=LATENT, **options):
    """The clean latent that is guessed from the noise of SEED, in the UNet's units."""
    result = sample(model, SEED, 1, cfg, "euler", "normal", positive, negative, latent, **options)
    return result["samples"] * SCALE


def guess_by_hand(model, conditioning, area=None, latent=LATENT):
    """The same for one prompt, from the definition, in the whole latent or in a piece of it."""
    ((context, values),) = conditioning
    samples = latent["samples"]
    sigma = SIGMA_MAX
    x = samples * SCALE + initial_noise(samples.shape, SEED) * math.sqrt(1 + sigma**2)
    depth = values["sd2_depth"].channel(len(samples), *samples.shape[-2:])
    unet_input = torch.cat([x / math.sqrt(1 + sigma**2), depth], dim=1)
    if area is not None:
        height, width, top, left = area
        x = x[..., top : top + height, left : left + width]
        unet_input = unet_input[..., top : top + height, left : left + width]
    timesteps = torch.full((len(samples),), 999)
    noise = model.predict_noise(unet_input, timesteps, context.expand(len(samples), -1, -1))
    return x - sigma * noise


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


# --- Guidance ------------------------------------------------------------------------------------


def test_the_guess_is_the_definition(model):
    assert_same(guess(model, prompt(1)), guess_by_hand(model, prompt(1)))


@pytest.mark.parametrize("cfg", [0.0, 1.0, 1.5, 7.5])
def test_guidance_formula(model, cfg):
    positive = guess_by_hand(model, prompt(1))
    negative = guess_by_hand(model, NEGATIVE)
    found = guess(model, prompt(1), cfg=cfg)
    assert_same(found, negative + cfg * (positive - negative))


@pytest.mark.parametrize("cfg", [1.0, 4.0])
@pytest.mark.parametrize("scale", [0.0, 0.5, 2.5])
def test_depth_guidance_is_instructpix2pixs_formula(model, cfg, scale):
    """Prompts that cfg starts from, with and without depth, and the positive one with depth."""
    start = NEGATIVE if cfg != 1.0 else prompt(1)
    without = prompt(100 if cfg != 1.0 else 1, depth=DepthCondition(DEPTH.depth, strength=0.0))
    flat, low, high = (guess_by_hand(model, side) for side in (without, start, prompt(1)))
    model.calls.clear()
    found = guess(model, prompt(1), cfg=cfg, depth_guidance=scale)
    assert_same(found, flat + scale * (low - flat) + cfg * (high - low))
    assert [len(x) for x, _, _ in model.calls] == [2 if cfg == 1.0 else 3]


def test_depth_guidance_switched_off_costs_nothing(model):
    plain = guess(model, prompt(1), cfg=4.0)
    assert torch.equal(guess(model, prompt(1), cfg=4.0, depth_guidance=1.0), plain)
    assert [len(x) for x, _, _ in model.calls] == [2, 2]


def test_without_depth_depth_guidance_changes_nothing(model):
    flat = DepthCondition(DEPTH.depth, strength=0.0)
    sides = prompt(1, depth=flat), prompt(100, depth=flat)
    assert_same(guess(model, *sides, cfg=4.0, depth_guidance=3.0), guess(model, *sides, cfg=4.0))


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_depth_guidance_that_is_no_number_is_refused(model, scale):
    with pytest.raises(ValueError, match="depth guidance"):
        guess(model, prompt(1), depth_guidance=scale)


@pytest.mark.parametrize("tokens", [TOKENS, 2 * TOKENS, 3 * TOKENS])
def test_both_prompts_share_a_call_whatever_their_lengths(model, tokens):
    negative = prompt(100, tokens=2 * TOKENS)
    positive = prompt(1, tokens=tokens)
    found = guess(model, positive, negative, cfg=3.0)
    assert [len(x) for x, _, _ in model.calls] == [2]
    apart = [guess_by_hand(model, side) for side in (positive, negative)]
    assert_same(found, apart[1] + 3.0 * (apart[0] - apart[1]))


def test_very_different_lengths_are_not_repeated_to_fit(model):
    guess(model, prompt(1, tokens=7), prompt(100, tokens=9), cfg=3.0)
    assert [len(x) for x, _, _ in model.calls] == [1, 1]


def test_at_scale_1_the_negative_prompt_is_not_asked(model):
    assert torch.equal(guess(model, prompt(1)), guess(model, prompt(1), prompt(101)))
    assert all(len(x) == 1 for x, _, _ in model.calls)


def test_a_whole_sampling_equals_a_loop_written_by_hand(model):
    steps, cfg, denoise = 6, 4.0, 0.6
    samples = torch.cat([LATENT["samples"], -0.5 * LATENT["samples"]])
    maps = DepthCondition(random(2, 33, 31, seed=5))
    positive, negative = prompt(1, depth=maps), prompt(2, depth=maps)
    found = sample(
        model, 3, steps, cfg, "euler", "karras", positive, negative, {"samples": samples}, denoise
    )["samples"]

    sigmas = sigmas_for("karras", "euler", steps, denoise).tolist()
    x = samples * SCALE + torch.randn(2, 4, H, W, generator=torch.manual_seed(3)) * sigmas[0]
    depth = maps.channel(2, H, W)
    for sigma, following in itertools.pairwise(sigmas):
        scaled = torch.cat([x / math.sqrt(1 + sigma**2), depth], dim=1)
        timesteps = torch.full((2,), timestep_of(sigma))
        with_text, without = (
            x - sigma * model.predict_noise(scaled, timesteps, side[0][0].expand(2, -1, -1))
            for side in (positive, negative)
        )
        denoised = without + cfg * (with_text - without)
        x = x + (x - denoised) / sigma * (following - sigma)
    assert_same(found, x / SCALE)


# --- Several prompts -----------------------------------------------------------------------------


def test_combined_prompts_are_averaged_by_strength(model):
    found = guess(model, prompt(1, strength=0.5) + prompt(2) + prompt(3, strength=2.5))
    guesses = [guess_by_hand(model, prompt(number)) for number in (1, 2, 3)]
    assert_same(found, (0.5 * guesses[0] + guesses[1] + 2.5 * guesses[2]) / 4.0)


def test_a_single_prompts_strength_cancels_out(model):
    assert_same(guess(model, prompt(1, strength=0.3)), guess_by_hand(model, prompt(1)))


def test_each_prompt_has_its_own_depth(model):
    other = DepthCondition(random(1, 9, 9, seed=3))
    found = guess(model, prompt(1) + prompt(2, depth=other))
    both = guess_by_hand(model, prompt(1)), guess_by_hand(model, prompt(2, depth=other))
    assert_same(found, (both[0] + both[1]) / 2)


# --- Areas ---------------------------------------------------------------------------------------


def fade(length, at_start, at_end):
    """Weights along one side: a ramp of 8 latent pixels, or a quarter of the side if less."""
    edge = min(8, length // 4)
    ramp = [min(1.0, (step + 1) / edge) for step in range(length)]
    flat = [1.0] * length
    pairs = zip(ramp if at_start else flat, reversed(ramp) if at_end else flat, strict=True)
    return torch.tensor([start * end for start, end in pairs])


def mixed_in(whole, piece, area, weight):
    """The average of a guess of weight 1 and one of a piece."""
    inside = Area(*area).of(whole)
    inside.copy_((inside + weight * piece) / (1 + weight))
    return whole


def test_an_area_is_guessed_from_its_own_piece_and_fades_at_inner_edges(model):
    area = (16, 12, 0, 8)  # touches the upper and the right edge of the latent
    found = guess(model, prompt(1) + prompt(2, area=area, strength=3.0))
    weight = 3.0 * fade(16, False, True)[:, None] * fade(12, True, False)
    whole, piece = guess_by_hand(model, prompt(1)), guess_by_hand(model, prompt(2), area)
    assert_same(found, mixed_in(whole, piece, area, weight))


def test_wide_areas_fade_over_8_latent_pixels(model):
    latent, area = {"samples": torch.zeros(1, 4, 8, 64)}, (8, 48, 0, 16)
    found = guess(model, prompt(1) + prompt(2, area=area), latent=latent)
    weight = torch.cat([torch.arange(1, 9) / 8, torch.ones(40)])
    whole = guess_by_hand(model, prompt(1), latent=latent)
    piece = guess_by_hand(model, prompt(2), area, latent)
    assert_same(found, mixed_in(whole, piece, area, weight))


def test_a_percentage_is_the_same_area_in_parts_of_the_latent(model):
    fraction = guess(model, prompt(1) + prompt(2, area=("percentage", 0.5, 0.4, 0.25, 0.6)))
    pixels = guess(model, prompt(1) + prompt(2, area=(12, 8, 6, 12)))
    assert torch.equal(fraction, pixels)


def test_depth_is_cropped_with_the_area(model):
    guess(model, prompt(1) + prompt(2, area=(10, 9, 3, 5)))
    piece = next(x for x, _, _ in model.calls if x.shape[-2:] == (10, 9))
    torch.testing.assert_close(piece[:, 4:], DEPTH.channel(1, H, W)[..., 3:13, 5:14])


def test_the_negative_prompt_is_asked_in_the_same_area(model):
    area = (16, 12, 4, 4)
    found = guess(model, prompt(1) + prompt(2, area=area, strength=2.0), cfg=5.0)
    assert sorted(tuple(x.shape) for x, _, _ in model.calls) == [(2, 5, 16, 12), (2, 5, H, W)]

    weight = 2.0 * fade(16, True, True)[:, None] * fade(12, True, True)
    positive, negative = (
        mixed_in(guess_by_hand(model, base), guess_by_hand(model, local, area), area, weight)
        for base, local in ((prompt(1), prompt(2)), (NEGATIVE, NEGATIVE))
    )
    assert_same(found, negative + 5.0 * (positive - negative))


def test_areas_of_one_size_share_a_call(model):
    guess(model, prompt(1, area=(12, 20, 0, 0)) + prompt(2, area=(12, 20, 12, 0)), cfg=2.0)
    # Two areas on either side, and the negative prompt's own whole latent.
    assert sorted(tuple(x.shape) for x, _, _ in model.calls) == [(1, 5, H, W), (4, 5, 12, 20)]


def test_an_area_that_reaches_beyond_the_latent_is_cut_and_reported(model, caplog):
    with caplog.at_level(logging.WARNING):
        found = guess(model, prompt(1) + prompt(2, area=(16, 16, 14, 9)))
    assert "reaches beyond the latent of 24 x 20" in caplog.text
    assert torch.equal(found, guess(model, prompt(1) + prompt(2, area=(10, 11, 14, 9))))


def test_an_area_outside_of_the_latent_is_refused(model):
    with pytest.raises(
        ValueError, match=r"negative conditioning.*outside of the latent of 24 x 20"
    ):
        guess(model, prompt(1), NEGATIVE + prompt(2, area=(8, 8, 24, 0)))


# --- Masks of prompts ----------------------------------------------------------------------------


def test_a_masked_prompt_counts_by_its_mask(model):
    mask = random(1, H, W, seed=4)
    mask[..., :5] = 0
    found = guess(model, prompt(1) + prompt(2, mask=mask, mask_strength=1.5, strength=2.0))
    base, masked = guess_by_hand(model, prompt(1)), guess_by_hand(model, prompt(2))
    assert_same(found, (base + 3.0 * mask * masked) / (1 + 3.0 * mask))
    assert_same(found[..., :5], base[..., :5])


@pytest.mark.parametrize("shape", [(H, W), (1, H, W), (1, 8 * H, 8 * W)])
def test_masks_of_any_size_and_without_batch_are_taken(model, shape):
    mask = torch.zeros(shape)
    mask[..., : shape[-1] // 2] = 1
    left, right = prompt(1, mask=mask), prompt(2, mask=1 - mask)
    found = guess(model, left + right)
    assert_same(found[..., : W // 2 - 1], guess_by_hand(model, prompt(1))[..., : W // 2 - 1])
    assert_same(found[..., W // 2 + 1 :], guess_by_hand(model, prompt(2))[..., W // 2 + 1 :])


def test_a_masks_bounds_can_be_the_area(model):
    mask = torch.zeros(1, H, W)
    mask[:, 5:17, 9:11] = 1
    found = guess(model, prompt(1) + prompt(2, mask=mask, set_area_to_bounds=True))
    assert {tuple(x.shape[-2:]) for x, _, _ in model.calls} == {(H, W), (12, 8)}
    expected = guess_by_hand(model, prompt(1))
    piece = guess_by_hand(model, prompt(2), (12, 8, 5, 9))
    expected[..., 5:17, 9:11] = (expected[..., 5:17, 9:11] + piece[..., :2]) / 2
    assert_same(found, expected)


def test_the_bounds_of_an_empty_mask_change_nothing(model):
    empty = prompt(2, mask=torch.zeros(1, H, W), set_area_to_bounds=True)
    assert_same(guess(model, prompt(1) + empty), guess_by_hand(model, prompt(1)))


sides = st.integers(4, 12)
regions = st.fixed_dictionaries(
    {},
    optional={
        "area": st.tuples(sides, sides, st.integers(0, 12), st.integers(0, 8)),
        "strength": st.floats(0.01, 10.0),
        "mask": st.integers(0, 99).map(lambda seed: random(1, H, W, seed=seed)),
        "mask_strength": st.floats(0.0, 5.0),
        "set_area_to_bounds": st.booleans(),
    },
)


@settings(max_examples=40, deadline=None)
@given(ours=st.lists(regions, max_size=3), theirs=st.lists(regions, max_size=3))
def test_regions_of_the_same_prompt_change_nothing(ours, theirs):
    """Shares add up to 1 everywhere: what all regions agree on is the result."""
    model = TinyUNet(reach=1)
    positive = sum((prompt(1, **region) for region in ours), prompt(1))
    negative = sum((prompt(2, **region) for region in theirs), prompt(2))
    plain = guess(model, prompt(1), prompt(2), cfg=3.0)
    torch.testing.assert_close(guess(model, positive, negative, cfg=3.0), plain, rtol=0, atol=2e-3)


@given(
    outer=st.tuples(sides, sides, sides, sides).map(lambda values: Area(*values)),
    inner=st.tuples(sides, sides, sides, sides).map(lambda values: Area(*values)),
)
def test_an_area_contains_another_when_it_covers_its_pixels(outer, inner):
    canvas = torch.zeros(24, 24)
    inner.of(canvas).fill_(1)
    outer.of(canvas).fill_(0)
    assert outer.contains(inner) == (canvas.sum() == 0)


# --- Part of the steps ---------------------------------------------------------------------------


def test_prompts_hold_in_their_part_of_the_steps(model):
    early, late = prompt(1, end_percent=0.5), prompt(2, start_percent=0.5)
    sample(model, SEED, 10, 1.0, "euler", "normal", early + late, NEGATIVE, LATENT)
    texts = [context[:1] for _, _, context in model.calls]
    expected = [early if timesteps[0] > 499.5 else late for _, timesteps, _ in model.calls]
    assert all(torch.equal(text, side[0][0]) for text, side in zip(texts, expected, strict=True))
    assert 0 < sum(side is early for side in expected) < 10


def test_a_place_without_any_prompt_is_reported(model, caplog):
    positive = prompt(1, end_percent=0.5)
    with caplog.at_level(logging.WARNING):
        sample(model, SEED, 6, 2.0, "euler", "normal", positive, NEGATIVE, LATENT)
    assert "no positive prompt holds in 100% of the image" in caplog.text


# --- Repainting ----------------------------------------------------------------------------------


@pytest.fixture
def noise_mask():
    mask = torch.zeros(1, 8 * H, 8 * W)
    mask[:, 40:120, 40:120] = 1
    return mask


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_lies_outside_of_the_noise_mask_stays(model, noise_mask, sampler):
    latent = {**LATENT, "noise_mask": noise_mask}
    found = sample(model, SEED, 8, 5.0, sampler, "karras", prompt(1), NEGATIVE, latent)["samples"]
    change = (found - LATENT["samples"]).abs()
    # uni_pc ends at sigma 0.001, with that much of the noise.
    limit = 0.03 if sampler == "uni_pc" else 1e-4
    outside = torch.ones(H, W, dtype=torch.bool)
    outside[4:16, 4:16] = False
    assert change[..., outside].max() < limit
    assert change[..., 6:14, 6:14].mean() > 0.5


@pytest.mark.parametrize(("sampler", "noise_seed"), [("euler", SEED), ("ddim", SEED + 1)])
def test_the_model_sees_the_kept_part_with_noise(model, noise_mask, sampler, noise_seed):
    latent = {**LATENT, "noise_mask": noise_mask}
    sample(model, SEED, 4, 1.0, sampler, "normal", prompt(1), NEGATIVE, latent)
    noise = initial_noise((1, 4, H, W), noise_seed)
    # Not strict: the model is not asked at the last sigma, 0.
    for (x, _, _), sigma in zip(
        model.calls, sigmas_for("normal", sampler, 4).tolist(), strict=False
    ):
        shown = (LATENT["samples"] * SCALE + noise * sigma) / math.sqrt(1 + sigma**2)
        assert_same(x[..., :4, :, :4], shown[..., :4])


def test_a_soft_mask_mixes_old_and_new(model):
    half = {**LATENT, "noise_mask": torch.full((1, H, W), 0.5)}
    found = sample(model, SEED, 1, 1.0, "ddim", "normal", prompt(1), NEGATIVE, half)["samples"]
    clean = LATENT["samples"] * SCALE
    sigma = SIGMA_MAX
    x = clean + initial_noise(clean.shape, SEED) * math.sqrt(1 + sigma**2)
    x = (x + clean + initial_noise(clean.shape, SEED + 1) * sigma) / 2
    unet_input = torch.cat([x / math.sqrt(1 + sigma**2), DEPTH.channel(1, H, W)], dim=1)
    new = x - sigma * model.predict_noise(unet_input, torch.tensor([999]), prompt(1)[0][0])
    assert_same(found * SCALE, (clean + new) / 2)


class GaussianPrior(TinyUNet):
    """The exact denoiser of latents that are all spread by 1 around a mean of 5, pixel by pixel."""

    def predict_noise(self, x, timesteps, context):
        sigma = sigma_at(timesteps.float())[:, None, None, None]
        noisy = x[:, :4] * (1 + sigma**2).sqrt()
        clean = (noisy + 5.0 * sigma**2) / (1 + sigma**2)
        return (noisy - clean) / sigma


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_the_lighter_the_mask_the_more_is_changed(sampler):
    """Differential strength: bands of rising grey over a latent of zeros."""
    latent = {"samples": torch.zeros(1, 4, 8, 88)}
    latent["noise_mask"] = (torch.arange(88) // 8 / 10).expand(1, 8, 88)
    sides, rule = (prompt(1), NEGATIVE), MaskRule.DIFFERENTIAL
    found = sample(
        GaussianPrior(), SEED, 40, 1.0, sampler, "normal", *sides, latent, mask_rule=rule
    )["samples"]
    bands = (found * SCALE).unfold(3, 8, 8).mean(dim=(0, 1, 2, 4))
    assert abs(bands[0]) < 0.01
    assert (bands.diff() > -0.1).all()
    assert (bands[2:8].diff() > 0).all()
    # It starts from noise without a mean of its own, from which the way to 5 is not quite whole.
    assert bands[-1] == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_black_and_white_masks_mean_the_same_under_both_rules(model, noise_mask, sampler):
    hard = noise_mask[:, ::8, ::8]  # at the latent's size: fitting a larger one makes grey edges
    latent = {**LATENT, "noise_mask": hard}
    sides = (prompt(1), NEGATIVE)
    results = [
        sample(model, SEED, 3, 2.0, sampler, "normal", *sides, latent, 0.7, mask_rule=rule)
        for rule in MaskRule
    ]
    torch.testing.assert_close(results[0]["samples"], results[1]["samples"], rtol=0, atol=1e-5)


def test_a_full_mask_is_no_mask(model):
    """Bit for bit, under either rule."""
    sides = (prompt(1), NEGATIVE)
    free = sample(model, SEED, 3, 2.0, "euler", "normal", *sides, LATENT)["samples"]
    full = {**LATENT, "noise_mask": torch.ones(1, 8 * H, 8 * W)}
    for rule in MaskRule:
        masked = sample(model, SEED, 3, 2.0, "euler", "normal", *sides, full, mask_rule=rule)
        assert torch.equal(masked["samples"], free)


# --- The latent and its seed ---------------------------------------------------------------------


def test_full_denoise_starts_from_latent_and_all_of_the_noise(model):
    sample(model, SEED, 1, 1.0, "euler", "normal", prompt(1), NEGATIVE, LATENT)
    shown = model.calls[0][0][:, :4] * math.sqrt(1 + SIGMA_MAX**2)
    noise = initial_noise((1, 4, H, W), SEED)
    assert_same(shown, LATENT["samples"] * SCALE + noise * math.sqrt(1 + SIGMA_MAX**2))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_decides_the_result(model, sampler):
    def run(seed):
        return sample(model, seed, 3, 2.0, sampler, "karras", prompt(1), NEGATIVE, LATENT)

    one, again, other = (run(seed)["samples"] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other, atol=0.1)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_pair_runs_with_any_strength(model, sampler, scheduler):
    for steps, denoise in ((2, 1.0), (3, 0.4)):
        found = sample(
            model, 1, steps, 2.0, sampler, scheduler, prompt(1), NEGATIVE, LATENT, denoise
        )["samples"]
        assert found.shape == (1, 4, H, W)
        assert torch.isfinite(found).all()


def test_an_image_of_a_batch_can_be_made_alone(model):
    batch = {"samples": LATENT["samples"].repeat(3, 1, 1, 1)}
    one = {"samples": LATENT["samples"], "batch_index": [2]}
    both = [
        sample(model, SEED, 4, 3.0, "dpmpp_2m", "karras", prompt(1), NEGATIVE, latent)["samples"]
        for latent in (batch, one)
    ]
    assert_same(both[0][2:], both[1])


def test_the_caller_gets_a_new_latent_and_keeps_the_old(model):
    latent = {"samples": LATENT["samples"].clone(), "mark": "kept"}
    found = sample(model, SEED, 2, 2.0, "heun", "karras", prompt(1), NEGATIVE, latent)
    assert torch.equal(latent["samples"], LATENT["samples"])
    assert found["mark"] == "kept"
    assert found["samples"].dtype == torch.float32
    assert not found["samples"].is_inference()


def test_without_denoise_the_latent_stays_as_it_is(model):
    found = sample(model, SEED, 5, 2.0, "euler", "karras", prompt(1), NEGATIVE, LATENT, 0.0)
    assert found["samples"] is LATENT["samples"]
    assert model.calls == []


# --- Progress ------------------------------------------------------------------------------------


def test_progress_is_told_the_real_number_of_steps(model, monkeypatch):
    asked = []

    def progress(items, description):
        asked.append((len(items), description))
        return items

    monkeypatch.setattr(guidance, "progress", progress)
    sample(model, 1, 21, 1.0, "euler", "ddim_uniform", prompt(1), NEGATIVE, LATENT)
    assert asked == [(22, "Sampling")]
    assert len(model.calls) == 22


def test_what_progress_raises_ends_the_sampling(model, monkeypatch):
    class Cancelled(Exception):  # noqa: N818
        pass

    def progress(items, description):
        yield from items[:2]
        raise Cancelled

    monkeypatch.setattr(guidance, "progress", progress)
    with pytest.raises(Cancelled):
        sample(model, 1, 9, 1.0, "euler", "karras", prompt(1), NEGATIVE, LATENT)
    assert len(model.calls) == 2


# --- Unusable input ------------------------------------------------------------------------------


def refuse(model, message, error=ValueError, **changes):
    arguments = {
        "seed": 0,
        "steps": 2,
        "cfg": 2.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "positive": prompt(1),
        "negative": NEGATIVE,
        "latent": LATENT,
        **changes,
    }
    with pytest.raises(error, match=message):
        sample(model, **arguments)


def test_conditioning_without_depth_is_refused_by_name_of_the_node(model):
    bare = [[torch.zeros(1, TOKENS, WIDTH), {}]]
    refuse(
        model, "negative conditioning has no depth.*Depth Encode", MissingDepthError, negative=bare
    )
    refuse(
        model, "positive conditioning has no depth.*Depth Encode", MissingDepthError, positive=bare
    )


def test_an_empty_conditioning_is_refused(model):
    refuse(model, "negative conditioning is empty", negative=[])


def test_prompts_of_different_widths_are_refused(model):
    foreign = attach_depth([[torch.zeros(1, TOKENS, 768), {}]], DEPTH)
    refuse(model, "12 and 768 numbers wide.*CLIP of this checkpoint", negative=foreign)


@pytest.mark.parametrize("shape", [(1, 16, H, W), (4, H, W), (1, 4, 3, H, W), (0, 4, H, W)])
def test_a_latent_of_another_shape_is_refused(model, shape):
    refuse(
        model, r"latent has shape .*needs \[B, 4, h, w\]", latent={"samples": torch.zeros(shape)}
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_latent_that_is_not_finite_is_refused(model, value):
    samples = LATENT["samples"].clone()
    samples[0, 0, 0, :3] = value
    refuse(model, "latent has 3 NaN or infinite values", latent={"samples": samples})
    refuse(model, "cfg is", cfg=value)


def test_settings_are_checked_before_the_model_runs(model):
    refuse(model, "unknown sampler 'plms'", sampler_name="plms")
    refuse(model, "unknown scheduler 'linear'", scheduler="linear")
    refuse(model, "steps is -1", steps=-1)
    refuse(model, "batch_index is .* for 1 images", latent={**LATENT, "batch_index": [0, 1]})
    assert model.calls == []


def test_a_model_that_fails_is_reported(model):
    nn.init.constant_(model.last.bias, math.nan)
    refuse(model, "NaN or infinite values.*euler, normal, 2 steps, cfg 2.0", FloatingPointError)


# --- Shortcuts -----------------------------------------------------------------------------------


def shortened(model, *shortcuts, steps=10, **options):
    model.shortcuts = Shortcuts(*shortcuts)
    settings = {"cfg": 4.0, **options}
    cfg = settings.pop("cfg")
    arguments = ("euler", "normal", prompt(1), NEGATIVE, LATENT)
    return sample(model, SEED, steps, cfg, *arguments, **settings)["samples"]


def rows(model):
    return [len(x) for x, _, _ in model.calls]


def test_cfg_1_makes_one_call_of_one_row_a_step(model):
    shortened(model, cfg=1.0)
    assert rows(model) == [1] * 10


def test_guidance_holds_in_its_interval(model):
    """The normal schedule's ten levels lie at 0, 1/9, 2/9, ... of the way."""
    shortened(model, 0.2, 0.7)
    assert rows(model) == [1, 1, 2, 2, 2, 2, 2, 1, 1, 1]


def test_depth_guidance_holds_in_the_same_interval(model):
    shortened(model, 0.2, 0.7, depth_guidance=2.0)
    assert rows(model) == [1, 1, 3, 3, 3, 3, 3, 1, 1, 1]


def test_outside_of_the_interval_the_positive_prompt_stands_alone():
    found = shortened(TinyUNet(), 1.0, 1.0, depth_guidance=3.0)
    assert torch.equal(found, shortened(TinyUNet(), cfg=1.0))


def test_inside_of_the_interval_nothing_changes():
    assert torch.equal(shortened(TinyUNet(), 0.0, 1.0, 1), shortened(TinyUNet()))


@pytest.mark.parametrize("every", [2, 3])
def test_deep_layers_run_at_every_nth_step(model, every):
    shortened(model, 0.0, 1.0, every)
    assert model.fresh == [index % every == 0 for index in range(10)]


def test_features_are_kept_for_each_prompt_when_the_negative_one_leaves(model):
    """From the last guided step the positive prompt's features serve the next one, too."""
    shortened(model, 0.0, 0.6, 4)
    assert rows(model) == [2] * 6 + [1] * 4
    assert model.fresh == [index % 4 == 0 for index in range(10)]


def test_a_prompt_without_features_gets_fresh_ones(model):
    shortened(model, 0.5, 1.0, 10)  # the negative prompt enters at the sixth level
    assert model.fresh == [index in (0, 5) for index in range(10)]


def test_every_run_begins_with_fresh_features(model):
    first, second = (shortened(model, 0.0, 1.0, 3, steps=4) for _ in range(2))
    assert model.fresh == [True, False, False, True] * 2
    assert torch.equal(first, second)


# --- Several at once -----------------------------------------------------------------------------


def latent(number, **more):
    generator = torch.Generator().manual_seed(number)
    return {"samples": torch.randn(2, 4, H, W, generator=generator), **more}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_together_each_request_gets_what_it_gets_alone(sampler):
    """With batches, masks, areas, texts of other lengths, and random noise of its own."""
    area = (H, 8, 0, 4)
    requests = [
        Request(1, prompt(1), NEGATIVE, latent(1)),
        Request(2, prompt(2, tokens=2 * TOKENS), NEGATIVE, latent(2, batch_index=[3, 0])),
        Request(3, [*prompt(3), *prompt(4, area=area)], NEGATIVE, latent(3)),
        Request(4, prompt(5), prompt(6), latent(4, noise_mask=random(1, H, W, seed=1))),
    ]
    settings = (4, 3.0, sampler, "karras", 0.8, MaskRule.DIFFERENTIAL, 1.5)
    together = sample_together(TinyUNet(), requests, *settings)
    for request, found in zip(requests, together, strict=True):
        (alone,) = sample_together(TinyUNet(), [request], *settings)
        assert (found["samples"] - alone["samples"]).norm() <= 1e-5 * alone["samples"].norm()
        assert found.keys() == alone.keys()


@pytest.mark.parametrize(
    ("most", "expected"), [(None, [12]), (8, [8, 4]), (4, [4] * 3), (1, [2] * 6)]
)
def test_a_call_has_no_more_latents_than_asked_for(model, most, expected):
    requests = [Request(seed, prompt(seed), NEGATIVE, latent(seed)) for seed in range(3)]
    sample_together(model, requests, 1, 3.0, "euler", "normal", most=most)
    assert rows(model) == expected


def test_other_shapes_are_not_sampled_together(model):
    wide = {"samples": torch.zeros(1, 4, H, 2 * W)}
    requests = [Request(0, prompt(1), NEGATIVE, one) for one in (LATENT, wide)]
    with pytest.raises(ValueError, match="cannot be sampled together"):
        sample_together(model, requests, 1, 3.0, "euler", "normal")
