"""Noise levels and samplers, against diffusers, closed-form solutions and known values."""

import math

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sd2_depth2img.engine.samplers import (
    SAMPLERS,
    SCHEDULERS,
    SIGMA_MAX,
    SIGMA_MIN,
    SIGMAS,
    initial_noise,
    sigma_at,
    sigma_at_percent,
    sigmas_for,
    timestep_of,
)

TRAINED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
STOCHASTIC = ["euler_ancestral", "dpmpp_2m_sde"]


def run(name, denoise, x, sigmas, seed=0):
    return list(SAMPLERS[name].steps(denoise, x, [float(sigma) for sigma in sigmas], [seed]))


# --- Noise levels and schedules ------------------------------------------------------------------


def test_noise_levels_are_those_of_the_training_schedule():
    alphas = DDIMScheduler(**TRAINED).alphas_cumprod.double()
    torch.testing.assert_close(SIGMAS.double(), ((1 - alphas) / alphas).sqrt(), rtol=2e-5, atol=0)
    assert (len(SIGMAS), SIGMAS.dtype) == (1000, torch.float32)
    assert (SIGMAS[0], SIGMAS[999]) == (SIGMA_MIN, SIGMA_MAX)


def test_timestep_is_the_nearest_level_in_the_logarithm():
    assert [timestep_of(sigma) for sigma in SIGMAS.tolist()] == list(range(1000))
    between = (SIGMAS[:-1].double().log() * 0.6 + SIGMAS[1:].double().log() * 0.4).exp()
    assert [timestep_of(sigma) for sigma in between.tolist()] == list(range(999))
    assert (timestep_of(1000.0), timestep_of(1e-6)) == (999, 0)


def test_levels_between_timesteps_are_interpolated_in_the_logarithm():
    torch.testing.assert_close(sigma_at(torch.arange(1000.0)), SIGMAS)
    quarter = sigma_at(torch.tensor([300.25])).item()
    assert quarter == pytest.approx(SIGMAS[300].item() ** 0.75 * SIGMAS[301].item() ** 0.25)


def test_percent_runs_from_above_all_levels_to_below_them():
    assert sigma_at_percent(0.0) > SIGMA_MAX
    assert sigma_at_percent(1.0) < SIGMA_MIN
    assert sigma_at_percent(0.5) == pytest.approx((SIGMAS[499] * SIGMAS[500]).sqrt().item())


@pytest.mark.parametrize("steps", [2, 4, 10, 28])  # with which "normal" visits whole timesteps
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("normal", {}),
        ("karras", {"use_karras_sigmas": True}),
        ("exponential", {"use_exponential_sigmas": True}),
    ],
)
def test_schedule_equals_diffusers(name, options, steps):
    theirs = EulerDiscreteScheduler(**TRAINED, timestep_spacing="linspace", **options)
    theirs.set_timesteps(steps)
    torch.testing.assert_close(SCHEDULERS[name](steps), theirs.sigmas, rtol=3e-5, atol=0)


@pytest.mark.parametrize("steps", [4, 20, 50])
def test_ddim_uniform_visits_ddims_timesteps(steps):
    theirs = DDIMScheduler(**TRAINED, timestep_spacing="leading", steps_offset=1)
    theirs.set_timesteps(steps)
    sigmas = SCHEDULERS["ddim_uniform"](steps)
    assert [timestep_of(sigma) for sigma in sigmas[:-1].tolist()] == theirs.timesteps.tolist()


def test_ddim_uniform_takes_more_steps_than_asked_where_they_do_not_divide_a_thousand():
    # 1, 48, 95, ... 988: whole distances of 1000 // 21 = 47.
    assert len(SCHEDULERS["ddim_uniform"](21)) == 22 + 1


def test_simple_and_sgm_uniform_by_hand():
    simple = [timestep_of(sigma) for sigma in SCHEDULERS["simple"](7)[:-1].tolist()]
    assert simple == [999, 857, 714, 571, 428, 285, 142]
    sgm = [timestep_of(sigma) for sigma in SCHEDULERS["sgm_uniform"](9)[:-1].tolist()]
    assert sgm == [999, 888, 777, 666, 555, 444, 333, 222, 111]


@settings(max_examples=200, deadline=None)
@given(
    scheduler=st.sampled_from(list(SCHEDULERS)),
    sampler=st.sampled_from(list(SAMPLERS)),
    steps=st.integers(1, 60),
    denoise=st.floats(0.07, 1.0),
)
def test_levels_fall_to_zero(scheduler, sampler, steps, denoise):
    assume(steps >= SAMPLERS[sampler].fewest_steps)
    sigmas = sigmas_for(scheduler, sampler, steps, denoise)
    assert sigmas.dtype == torch.float32
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()
    assert sigmas[0] <= SIGMA_MAX * (1 + 1e-6)
    if scheduler == "ddim_uniform":
        assert len(sigmas) >= min(steps, 2)
    else:
        assert len(sigmas) == steps + 1


def test_less_denoise_is_the_end_of_a_longer_schedule():
    whole = sigmas_for("karras", "euler", 40)
    assert torch.equal(sigmas_for("karras", "euler", 20, 0.5), whole[-21:])
    assert torch.equal(sigmas_for("karras", "euler", 40, 0.99995), whole)
    assert len(sigmas_for("karras", "euler", 20, 0.0)) == 0
    assert len(sigmas_for("karras", "euler", 20, -1.0)) == 0


def test_uni_pc_leaves_out_the_last_level_before_zero():
    longer = sigmas_for("normal", "euler", 11)
    assert torch.equal(sigmas_for("normal", "uni_pc", 10), torch.cat([longer[:-2], longer[-1:]]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("beta", "euler", 20, 1.0), "unknown scheduler 'beta'.*simple, sgm_uniform"),
        (("normal", "lms", 20, 1.0), "unknown sampler 'lms'.*euler, euler_ancestral"),
        (("normal", "euler", 0, 1.0), "steps is 0; euler takes at least 1"),
        (("normal", "uni_pc", 1, 1.0), "steps is 1; uni_pc takes at least 2"),
        (("normal", "euler", 20, math.nan), "denoise is not a number"),
        (("simple", "euler", 20, 0.01), "2000 steps.*repeats noise levels"),
    ],
)
def test_unusable_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sigmas_for(*arguments)


# --- Initial noise -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 42, 2**64 - 1])
def test_initial_noise_is_torchs_cpu_noise_for_the_seed(seed):
    torch.manual_seed(seed)
    assert torch.equal(initial_noise((2, 4, 9, 7), seed), torch.randn(2, 4, 9, 7))


def test_batch_index_makes_an_image_of_a_batch_again():
    batch = initial_noise((4, 4, 8, 8), 5)
    assert torch.equal(initial_noise((3, 4, 8, 8), 5, [2, 0, 2]), batch[[2, 0, 2]])


@pytest.mark.parametrize("batch_index", [[0], [0, 1, 2], [0, -1]])
def test_batch_index_must_fit_the_batch(batch_index):
    with pytest.raises(ValueError, match=r"batch_index is .* for 2 images"):
        initial_noise((2, 4, 8, 8), 0, batch_index)


# --- Samplers against diffusers ------------------------------------------------------------------


def wavy(x, sigma):
    """A smooth denoiser that is neither linear nor the same everywhere."""
    return torch.sin(x / math.sqrt(1 + sigma**2)) * 2 / (1 + 0.3 * sigma) + 0.1


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("euler", EulerDiscreteScheduler(**TRAINED, use_karras_sigmas=True)),
        ("heun", HeunDiscreteScheduler(**TRAINED, use_karras_sigmas=True)),
        (
            "dpmpp_2m",
            DPMSolverMultistepScheduler(
                **TRAINED, use_karras_sigmas=True, algorithm_type="dpmsolver++", solver_order=2
            ),
        ),
        (
            "uni_pc",
            UniPCMultistepScheduler(
                **TRAINED, use_karras_sigmas=True, solver_order=3, solver_type="bh1"
            ),
        ),
    ],
)
@pytest.mark.parametrize("steps", [2, 5, 12])
def test_guesses_equal_diffusers(name, theirs, steps):
    variance_preserving = name in ("dpmpp_2m", "uni_pc")
    theirs.set_timesteps(steps)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * SIGMA_MAX

    expected, latent = [], x
    if variance_preserving:
        latent = x / math.sqrt(1 + theirs.sigmas[0] ** 2)
    for index, timestep in enumerate(theirs.timesteps):
        sigma = float(theirs.sigmas[index])
        scale = math.sqrt(1 + sigma**2) if variance_preserving else 1.0
        theirs.scale_model_input(latent, timestep)
        guess = wavy(latent * scale, sigma)
        expected.append(guess)
        latent = theirs.step((latent * scale - guess) / sigma, timestep, latent).prev_sample

    sigmas = theirs.sigmas
    if name == "heun":  # lists each level twice, and guesses twice in a step
        sigmas, expected = [sigmas[0], *sigmas[1::2]], expected[::2]
    found = run(name, wavy, x, sigmas)
    torch.testing.assert_close(
        torch.cat([step.denoised for step in found]), torch.cat(expected), rtol=0, atol=2e-4
    )
    if name != "uni_pc":  # which ends at sigma 0.001 in ComfyUI
        torch.testing.assert_close(found[-1].x, latent, rtol=0, atol=2e-4)


def test_euler_ancestral_equals_diffusers():
    theirs = EulerAncestralDiscreteScheduler(**TRAINED)
    theirs.set_timesteps(8)
    latent = x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * SIGMA_MAX
    generator = torch.Generator().manual_seed(7 + 1)
    for index, timestep in enumerate(theirs.timesteps):
        sigma = float(theirs.sigmas[index])
        theirs.scale_model_input(latent, timestep)
        slope = (latent - wavy(latent, sigma)) / sigma
        latent = theirs.step(slope, timestep, latent, generator=generator).prev_sample
    found = run("euler_ancestral", wavy, x, theirs.sigmas, seed=7)
    torch.testing.assert_close(found[-1].x, latent, rtol=0, atol=1e-4)


# --- Samplers against the exact solution for Gaussian data ---------------------------------------
#
# For data N(MEAN, SPREAD^2) the optimal denoiser is linear, and the probability flow keeps the
# distance to the mean in proportion to the standard deviation sqrt(SPREAD^2 + sigma^2).

MEAN, SPREAD = 0.7, 0.5


def gaussian(x, sigma):
    return (SPREAD**2 * x + sigma**2 * MEAN) / (SPREAD**2 + sigma**2)


def deviation(sigma):
    return math.hypot(SPREAD, sigma)


def flow_error(name, steps, start=10.0, end=0.1):
    sigmas = torch.linspace(math.log(start), math.log(end), steps + 1, dtype=torch.float64).exp()
    x = torch.tensor([[[[-9.0, 2.0, 12.0]]]], dtype=torch.float64)
    exact = MEAN + (x - MEAN) * deviation(end) / deviation(start)
    return (run(name, gaussian, x, sigmas)[-1].x - exact).abs().max().item()


@pytest.mark.parametrize(
    ("name", "order", "error"),
    [
        ("euler", 1, 0.06),
        ("ddim", 1, 0.06),
        ("heun", 2, 0.006),
        ("dpmpp_2m", 2, 0.004),
        ("uni_pc", 2, 0.0005),  # because of its last step; the diffusers test sees order 3
    ],
)
def test_probability_flow_is_followed_with_the_methods_order(name, order, error):
    assert flow_error(name, 20) < error
    coarse, fine = flow_error(name, 40), flow_error(name, 80)
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize(("name", "steps"), [("euler_ancestral", 400), ("dpmpp_2m_sde", 40)])
def test_samples_have_the_datas_mean_and_spread(name, steps):
    sigmas = sigmas_for("karras", name, steps)
    generator = torch.Generator().manual_seed(3)
    x = MEAN + deviation(SIGMA_MAX) * torch.randn(4, 4, 32, 32, generator=generator)
    samples = run(name, gaussian, x, sigmas, seed=11)[-1].x
    assert samples.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert samples.std().item() == pytest.approx(SPREAD, rel=0.03)


def test_euler_ancestral_variance_follows_its_recursion():
    sigmas = [14.0, 5.0, 2.0, 0.8]
    generator = torch.Generator().manual_seed(3)
    x = MEAN + deviation(sigmas[0]) * torch.randn(4, 4, 64, 64, generator=generator)
    variance = deviation(sigmas[0]) ** 2
    # Not strict: the last sigma is followed by none.
    for step, sigma, following in zip(
        run("euler_ancestral", gaussian, x, sigmas), sigmas, sigmas[1:], strict=False
    ):
        up = following * math.sqrt(1 - (following / sigma) ** 2)
        down = math.sqrt(following**2 - up**2)
        keep = down / sigma + (1 - down / sigma) * SPREAD**2 / (SPREAD**2 + sigma**2)
        variance = keep**2 * variance + up**2
        assert step.x.var().item() == pytest.approx(variance, rel=0.02)


# --- Noise of the stochastic samplers ------------------------------------------------------------


def nothing(x, sigma):
    return torch.zeros_like(x)


def noises(name, sigmas, seed):
    """The noise that a sampler adds in each step, recovered with a model that guesses 0."""
    previous, found = torch.zeros(1, 4, 8, 8), []
    # Not strict: the last sigma is followed by none.
    for step, sigma, following in zip(
        run(name, nothing, previous, sigmas, seed), sigmas, sigmas[1:], strict=False
    ):
        ratio = following / sigma
        added = step.x - ratio**2 * previous
        found.append(added / (following * math.sqrt(1 - ratio**2)))
        previous = step.x
    return found


def test_euler_ancestral_noise_comes_from_the_next_seed():
    generator = torch.Generator().manual_seed(6)
    for noise in noises("euler_ancestral", [9.0, 4.0, 1.0], seed=5):
        expected = torch.randn(1, 4, 8, 8, generator=generator)
        torch.testing.assert_close(noise, expected, rtol=0, atol=1e-5)


def test_dpmpp_2m_sde_noise_is_one_brownian_path_however_many_steps():
    def walked(sigmas):
        return sum(
            noise * math.sqrt(sigma - following)
            for noise, sigma, following in zip(
                noises("dpmpp_2m_sde", sigmas, 5), sigmas, sigmas[1:], strict=False
            )
        )

    few, many = [9.0, 1.0], [9.0, 7.5, 5.0, 3.0, 2.0, 1.0]
    torch.testing.assert_close(walked(few), walked(many), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_the_seed_decides_the_noise(name):
    x, sigmas = torch.ones(1, 4, 8, 8), [9.0, 4.0, 1.0, 0.0]
    one, again, other = (run(name, wavy, x, sigmas, seed)[-1].x for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other, atol=0.1)


# --- Edges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "uni_pc"])
def test_a_single_step_ends_at_the_guess(name):
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * SIGMA_MAX
    (step,) = run(name, wavy, x, [SIGMA_MAX, 0.0])
    torch.testing.assert_close(step.x, step.denoised, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("sigmas", [[], [3.0]])
def test_without_a_pair_of_levels_nothing_happens(name, sigmas):
    assert run(name, wavy, torch.ones(1, 4, 8, 8), sigmas) == []


@pytest.mark.parametrize("name", SAMPLERS)
def test_there_is_a_step_for_each_pair_of_levels_and_the_start_stays(name):
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    x = start.clone()
    steps = run(name, wavy, x, [9.0, 4.0, 1.0, 0.5])
    assert len(steps) == 3
    assert torch.equal(x, start)
    assert all(step.x.shape == step.denoised.shape == x.shape for step in steps)
