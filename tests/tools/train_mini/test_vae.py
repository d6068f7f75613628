"""The autoencoder begins as a mosaic of 8×8 pixels; what is done to it keeps its images."""

import pytest
import torch
import torch.nn.functional as F

from sd2_depth2img.sampling.latents import SCALE_FACTOR
from sd2_depth2img.tools.train_mini.trainer import Schedule, train
from sd2_depth2img.tools.train_mini.vae import (
    LATENTS,
    VAEStage,
    moments,
    new_vae,
    restore_finest,
    skip_finest,
    whiten,
)

CPU = torch.device("cpu")


@pytest.fixture
def network():
    return new_vae(seed=0).eval()


@pytest.fixture(scope="module")
def images(data):
    """Pieces of paintings, [4, 3, 64, 64] in −1..1."""
    paintings = torch.tensor(data.images[128][:2]).flatten(0, 1).movedim(-1, 1) / 127.5 - 1
    return paintings[..., 32:96, 32:96]


@torch.no_grad()
def latent(network, images):
    return moments(network, images)[:, :LATENTS]


@torch.no_grad()
def through(network, images):
    return network.decode(latent(network, images), return_dict=False)[0]


@torch.no_grad()
def shaken(module, seed=0):
    """Every parameter a little off, as after some learning."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter += 0.02 * torch.randn(parameter.shape, generator=generator)


# --- The mosaic -----------------------------------------------------------------------------------


def test_a_new_autoencoder_is_a_mosaic(network, images):
    mosaic = F.interpolate(F.avg_pool2d(images, 8), scale_factor=8)
    found = through(network, images)
    decibels = [10 * torch.log10(4 / F.mse_loss(one, images)) for one in (found, mosaic)]
    assert decibels[0].item() == pytest.approx(decibels[1].item(), abs=1)
    assert (found - mosaic).abs().max() < 0.25


def test_the_first_latents_are_the_mean_colours(network, images):
    error = latent(network, images)[:, :3] - F.avg_pool2d(images, 8)
    assert error.abs().max() < 0.1


def test_the_latents_have_no_variance_of_their_own(network, images):
    with torch.no_grad():
        assert moments(network, images)[:, LATENTS:].max() <= -30


# --- The finest level -----------------------------------------------------------------------------


def test_leaving_out_the_finest_level_changes_nothing(network, images):
    whole = through(network, images)
    skip_finest(network)
    assert not any("down_blocks.0.resnets" in name for name in network.state_dict())
    torch.testing.assert_close(through(network, images), whole)


def test_the_finest_level_comes_back_as_an_identity_whatever_was_learned(network, images):
    names = list(network.state_dict())
    skip_finest(network)
    shaken(network)
    learned = through(network, images)
    restore_finest(network, seed=0)
    assert list(network.state_dict()) == names
    torch.testing.assert_close(through(network.eval(), images), learned)


# --- Whitening ------------------------------------------------------------------------------------


def test_whitened_latents_are_uncorrelated_and_of_unit_size_after_sd2s_factor(network, images):
    whiten(network, iter(images.split(2)))
    scaled = latent(network, images) * SCALE_FACTOR
    values = scaled.movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(values.T.cov(), torch.eye(LATENTS), atol=1e-4, rtol=0)
    torch.testing.assert_close(values.mean(0), torch.zeros(LATENTS), atol=1e-4, rtol=0)


def test_whitening_leaves_the_images_as_they_were(network, images):
    shaken(network.encoder)
    before = through(network, images)
    whiten(network, iter(images.split(2)))
    torch.testing.assert_close(through(network, images), before, atol=1e-4, rtol=0)


def test_a_whitened_channel_stays_next_to_its_colour(network, images):
    colours = F.avg_pool2d(images, 8).movedim(1, 0).flatten(1)
    whiten(network, iter(images.split(2)))
    whitened = latent(network, images)[:, :3].movedim(1, 0).flatten(1)
    for channel in range(3):
        both = torch.cat([whitened[channel : channel + 1], colours]).corrcoef()[0, 1:]
        assert both.argmax() == channel


# --- Training -------------------------------------------------------------------------------------


def test_a_steps_loss_depends_on_the_step_alone(network, data):
    skip_finest(network)
    stage = VAEStage(network, data, seed=1, batch=1, device=CPU)
    with torch.no_grad():
        first, second = stage.loss(0), stage.loss(1)
        assert stage.loss(0) == first
    assert first != second


def test_a_step_trains_all_but_what_whitening_will_set(network, data, tmp_path):
    skip_finest(network)
    stage = VAEStage(network, data, seed=1, batch=1, device=CPU)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    train(stage, Schedule(steps=1, rate=1e-2), tmp_path / "vae.pt")
    changed = {
        name.split(".")[0]
        for name, value in network.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"encoder", "decoder"}
