"""The strength rule and the fitting of masks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.engine.samplers import SCHEDULERS, initial_noise, sigmas_for
from sd2_depth2img.sampling.latents import (
    SCALE_FACTOR,
    MaskedContent,
    StrengthRule,
    fit_mask,
    masked_content,
    repainted_at,
    start_latent,
)

PURE, KSAMPLER = StrengthRule.PURE_NOISE, StrengthRule.KSAMPLER


@pytest.fixture
def samples():
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def test_at_full_strength_nothing_of_the_source_is_left(samples):
    assert (start_latent(samples, 1.0, None, PURE) == 0).all()


@pytest.mark.parametrize("denoise", [0.0, 0.5, 0.99, 0.9999])
def test_below_full_strength_the_source_stays(samples, denoise):
    assert start_latent(samples, denoise, None, PURE) is samples


def test_the_ksampler_rule_changes_nothing(samples):
    assert start_latent(samples, 1.0, None, KSAMPLER) is samples
    assert start_latent(samples, 1.0, torch.ones(64, 64), KSAMPLER) is samples


def test_a_mask_limits_the_noise_to_where_it_is_fully_on(samples):
    mask = torch.zeros(1, 64, 64)
    mask[:, :, 32:] = 1.0
    start = start_latent(samples, 1.0, mask, PURE)
    assert (start[..., 5:] == 0).all()
    assert torch.equal(start[..., :3], samples[..., :3])


def test_a_full_mask_is_no_mask_and_an_empty_one_keeps_everything(samples):
    assert (start_latent(samples, 1.0, torch.ones(64, 64), PURE) == 0).all()
    assert torch.equal(start_latent(samples, 1.0, torch.zeros(64, 64), PURE), samples)


def test_white_of_an_8_bit_grey_image_is_fully_on(samples):
    white = torch.full((64, 64), 255 * 256 / 65535)  # as ComfyUI 0.33 loads it
    assert (start_latent(samples, 1.0, white, PURE) == 0).all()


def test_soft_mask_values_keep_the_source_for_the_blend(samples):
    soft = torch.full((1, 8, 8), 0.5)
    assert torch.equal(start_latent(samples, 1.0, soft, PURE), samples)


def test_the_given_latent_is_never_written_to(samples):
    before = samples.clone()
    start_latent(samples, 1.0, torch.ones(64, 64), PURE)
    assert torch.equal(samples, before)


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 5),
    masks=st.integers(1, 5),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_fit_mask_keeps_range_and_constants_at_any_size(batch, masks, size):
    flat = fit_mask(torch.full((masks, 37, 53), 0.25), batch, *size)
    assert flat.shape == (batch, 1, *size)
    assert torch.allclose(flat, torch.tensor(0.25))
    noise = fit_mask(torch.rand(masks, 37, 53), batch, *size)
    assert noise.min() >= 0.0
    assert noise.max() <= 1.0


def test_fit_mask_takes_every_rank_of_a_mask():
    mask = torch.rand(16, 16)
    expected = fit_mask(mask[None, None], 1, 8, 8)
    assert torch.equal(fit_mask(mask, 1, 8, 8), expected)
    assert torch.equal(fit_mask(mask[None], 1, 8, 8), expected)


# --- Masked content -------------------------------------------------------------------------------


HALF = torch.zeros(1, 1, 8, 8)
HALF[..., 4:] = 1.0


@pytest.mark.parametrize("content", [MaskedContent.ORIGINAL, MaskedContent.FILL])
def test_content_of_the_image_leaves_the_latent_alone(samples, content):
    assert masked_content(samples, HALF, content) is samples


def test_empty_content_is_zero_under_the_mask_only(samples):
    result = masked_content(samples, HALF, MaskedContent.EMPTY)
    assert (result[..., 4:] == 0).all()
    assert torch.equal(result[..., :4], samples[..., :4])


def test_noise_has_the_spread_of_latents_and_follows_its_seed():
    samples = torch.zeros(1, 4, 64, 64)
    one, same, other = (
        masked_content(samples, torch.ones(1, 1, 64, 64), MaskedContent.NOISE, seed)
        for seed in (3, 3, 4)
    )
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1)
    assert one.std() * SCALE_FACTOR == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
def test_noise_content_is_not_the_samplers_own_noise(seed):
    samples = torch.zeros(1, 4, 32, 32)
    found = masked_content(samples, torch.ones(1, 1, 4, 4), MaskedContent.NOISE, seed)
    for other in (seed, (seed + 1) % 2**64):  # the second noise of inpainting has seed + 1
        pair = torch.stack([found.flatten(), initial_noise(samples.shape, other).flatten()])
        assert abs(torch.corrcoef(pair)[0, 1]) < 0.1


# --- Differential strength ------------------------------------------------------------------------


schedules = st.builds(
    lambda scheduler, steps: sigmas_for(scheduler, "euler", steps).tolist(),
    st.sampled_from(sorted(SCHEDULERS)),
    st.integers(1, 60),
)


@given(value=st.floats(0, 1), sigmas=schedules)
def test_a_mask_value_is_the_share_of_the_steps_that_is_free(value, sigmas):
    """Once let go, a pixel stays free."""
    mask, steps = torch.tensor([value]), len(sigmas) - 1
    free = [bool(repainted_at(mask, sigma, sigmas)) for sigma in sigmas[:-1]]
    assert free == sorted(free)
    if value < 0.98:
        assert sum(free) == pytest.approx(value * steps, abs=0.5 + 1e-4)


@given(value=st.sampled_from((0.2, 0.4, 0.6, 0.8)), scheduler=st.sampled_from(sorted(SCHEDULERS)))
def test_grey_is_let_go_where_a_denoise_of_that_value_begins(value, scheduler):
    """KSampler with denoise 0.4 begins at the noise level at which grey 0.4 is let go."""
    sigmas = sigmas_for(scheduler, "euler", 50).tolist()
    partly = sigmas_for(scheduler, "euler", round(50 * value), value).tolist()
    free = [s for s in sigmas[:-1] if repainted_at(torch.tensor([value]), s, sigmas)]
    assert free == pytest.approx(partly[:-1], rel=0.02)


@given(sigmas=schedules, between=st.floats(0, 1), step=st.integers(0, 59))
def test_black_is_never_free_and_white_always(sigmas, between, step):
    """Between two steps too, where Heun looks."""
    step = min(step, len(sigmas) - 2)
    sigma = between * sigmas[step] + (1 - between) * max(sigmas[step + 1], 1e-3)
    assert repainted_at(torch.tensor([0.0, 1.0]), sigma, sigmas).tolist() == [0.0, 1.0]
