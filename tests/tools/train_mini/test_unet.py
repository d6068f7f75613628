"""Training of UNet and text tower: where it begins, what it is fed, what it must leave alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sd2_depth2img.engine import prompt
from sd2_depth2img.engine.networks import text_tower
from sd2_depth2img.engine.samplers import sigma_at
from sd2_depth2img.sampling.depth_channel import DepthCondition
from sd2_depth2img.tools.train_mini.captions import FILLERS, vocabulary
from sd2_depth2img.tools.train_mini.dataset import PAINTINGS
from sd2_depth2img.tools.train_mini.trainer import Schedule, train
from sd2_depth2img.tools.train_mini.unet import (
    NO_DEPTH,
    PromptToNoise,
    UNetStage,
    depth_channel,
    new_network,
    token_numbers,
)

CPU = torch.device("cpu")


@pytest.fixture
def network():
    return new_network(seed=0)


def words(network):
    return text_tower(network.text).embeddings.token_embedding.weight


def random_latents(size):
    shape = (3, PAINTINGS, 4, size // 8, size // 8)
    return np.random.default_rng(size).standard_normal(shape).astype(np.float16)


def zero_latents(size):
    return np.zeros_like(random_latents(size))


def stage_of(network, data, latents=random_latents, small_steps=10**6, batch=2):
    return UNetStage(network, data, latents, small_steps, 1, batch, CPU)


# --- Where it begins ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "a red clay vase on a blue background"])
def test_a_new_network_takes_its_input_for_noise(network, text):
    generator = torch.Generator().manual_seed(0)
    noise, depth = (torch.randn(2, count, 16, 16, generator=generator) for count in (4, 1))
    clean = torch.randn(2, 4, 16, 16, generator=generator)
    sigma = sigma_at(torch.tensor([999.0]))
    x = (clean + sigma * noise) / (1 + sigma**2).sqrt()
    tokens = token_numbers(text).expand(2, -1)
    with torch.no_grad():
        found = network(torch.cat([x, depth], 1), torch.tensor([999, 999]), tokens)
    assert ((found - noise).norm() / noise.norm()) < 0.15


# --- Words ----------------------------------------------------------------------------------------


def test_only_known_words_have_a_vector(network):
    sizes = words(network).detach().norm(dim=1)
    known = {int(number) for word in vocabulary() for number in token_numbers(word)}
    assert set(sizes.nonzero().flatten().tolist()) == known
    assert {prompt.START, prompt.END, prompt.PAD} <= known


def test_words_that_mean_nothing_stay_zero_while_others_learn(network, data, tmp_path):
    before = words(network).detach().clone()
    train(stage_of(network, data), Schedule(steps=2, rate=1e-2), tmp_path / "unet.pt")
    after = words(network).detach()
    unknown = before.norm(dim=1) == 0
    assert unknown.sum() > 49000
    assert (after[unknown] == 0).all()
    assert not torch.equal(after[~unknown], before[~unknown])


def test_an_unknown_word_reads_like_any_other(network):
    """Also in the places after it: the network cannot tell fillers apart."""
    with torch.no_grad():
        contexts = [
            network.text(token_numbers(f"a red vase {word} in fog")[None]).last_hidden_state
            for word in ("photograph", "famous", "museum")
        ]
    assert all(word in FILLERS for word in ("photograph", "famous", "museum"))
    assert torch.equal(contexts[0], contexts[1])
    assert torch.equal(contexts[0], contexts[2])


def test_a_caption_is_77_token_numbers():
    numbers = token_numbers("a red vase")
    assert numbers.shape == (77,)
    assert numbers.dtype == torch.int64
    assert numbers[0] == prompt.START
    assert numbers[4] == prompt.END
    assert (numbers[5:] == prompt.PAD).all()


# --- Depth ----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([128, 256]))
def test_a_depth_channel_is_the_map_a_little_damaged_or_none(data, seed, size):
    depth = data.depth[size][0]
    channel = depth_channel(np.random.default_rng(seed), depth, size // 8)
    assert channel.shape == (1, 1, size // 8, size // 8)
    assert channel.dtype == torch.float32
    if channel.min() == channel.max():
        assert channel[0, 0, 0, 0] in (0, -1)
        return
    assert (channel.min(), channel.max()) == (-1, 1)
    whole = DepthCondition(torch.from_numpy(depth.astype(np.float32))[None])
    truth = whole.channel(1, size // 8, size // 8)
    assert torch.stack([channel.flatten(), truth.flatten()]).corrcoef()[0, 1] > 0.97


def test_how_often_depth_is_left_out(data):
    random = np.random.default_rng(0)
    channels = [depth_channel(random, data.depth[128][0], 16) for _ in range(1500)]
    flat = [channel[0, 0, 0, 0].item() for channel in channels if channel.min() == channel.max()]
    assert len(flat) / len(channels) == pytest.approx(NO_DEPTH, abs=0.025)
    assert np.mean([value == 0 for value in flat]) == pytest.approx(0.5, abs=0.2)


# --- The loss -------------------------------------------------------------------------------------


class Guess(nn.Module):
    """In the UNet's place: the noise of clean latents that are all zero, times a factor.

    Attributes:
        calls: x and timesteps of each call.
    """

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.calls = []

    def forward(self, x, timesteps, context, return_dict):
        self.calls.append((x, timesteps))
        sigma = sigma_at(timesteps.float())[:, None, None, None]
        return (self.factor * x[:, :4] * (1 + sigma**2).sqrt() / sigma,)


def guessing(network, factor):
    return PromptToNoise(Guess(factor), network.text)


def test_the_right_noise_costs_nothing(network, data):
    stage = stage_of(guessing(network, 1.0), data, zero_latents, batch=8)
    assert stage.loss(0) < 1e-8


def test_the_cost_is_the_error_of_noise_and_clean_latent_together(network, data):
    wrong = guessing(network, 0.5)
    loss = stage_of(wrong, data, zero_latents, batch=8).loss(0)
    ((x, timesteps),) = wrong.unet.calls
    sigma = sigma_at(timesteps.float())[:, None, None, None]
    scaled = x[:, :4] * (1 + sigma**2).sqrt()  # the clean latent, 0, plus sigma times the noise
    noise = 0.5 * scaled / sigma
    clean = scaled - sigma * noise
    torch.testing.assert_close(loss, ((scaled / sigma - noise).square() + clean.square()).mean())


def test_every_batch_sees_the_whole_range_of_noise_levels(network, data):
    guess = guessing(network, 1.0)
    stage = stage_of(guess, data, batch=10)
    for step in range(5):
        stage.loss(step)
    for _, timesteps in guess.unet.calls:
        assert (timesteps // 100).tolist() == list(range(10))


def test_large_images_come_late_and_in_batches_half_as_large(network, data):
    guess = guessing(network, 1.0)
    stage = stage_of(guess, data, small_steps=10, batch=4)
    for step in range(30):
        stage.loss(step)
    shapes = [tuple(x.shape) for x, _ in guess.unet.calls]
    assert set(shapes[:10]) == {(4, 5, 16, 16)}
    assert set(shapes[10:]) == {(4, 5, 16, 16), (2, 5, 32, 32)}


def test_a_steps_loss_depends_on_the_step_alone(network, data):
    stage = stage_of(network, data)
    with torch.no_grad():
        first, second = stage.loss(0), stage.loss(1)
        assert stage.loss(0) == first
    assert first != second
