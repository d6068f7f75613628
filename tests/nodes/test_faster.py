"""Faster Sampling: fewer calls of the UNet, nearly the same image."""

import pytest
import torch

from sd2_depth2img.nodes.conditioning import SD2DepthEncode
from sd2_depth2img.nodes.faster import SD2DepthFaster
from sd2_depth2img.nodes.sample import SD2DepthSampler

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 20


def psnr(found, expected):
    return -10 * torch.log10((found - expected).pow(2).mean()).item()


@pytest.fixture
def work(miniature):
    """How many latents went through the UNet's first and through its deepest layers."""
    rows = {"first": 0, "deep": 0}
    network = miniature[0].network

    def count(name):
        def counting(module, inputs, output):
            rows[name] += len(output)

        return counting

    hooks = [
        network.conv_in.register_forward_hook(count("first")),
        network.mid_block.register_forward_hook(count("deep")),
    ]
    yield rows
    for hook in hooks:
        hook.remove()


def painted(miniature, prompts, depth, **shortcuts):
    model, _, vae, _ = miniature
    if shortcuts:
        (model,) = SD2DepthFaster().run(model=model, **{**DEFAULTS, **shortcuts})
    conditionings = SD2DepthEncode().execute(*prompts, depth)
    latent = {"samples": torch.zeros(1, 4, 32, 32)}
    settings = (1, STEPS, 3.0, "dpmpp_2m", "karras", *conditionings, latent)
    with torch.inference_mode():
        return vae.decode(SD2DepthSampler().execute(model, *settings)[0]["samples"])


DEFAULTS = {
    name: spec[1]["default"]
    for name, spec in SD2DepthFaster.INPUT_TYPES()["required"].items()
    if name != "model"
}


@pytest.fixture
def depth():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 256), torch.linspace(-1, 1, 256), indexing="ij")
    ball = (0.5 - x**2 - y**2).clamp(0).sqrt()
    return (0.2 * (y + 1) / 2 + ball)[None, ..., None].repeat(1, 1, 1, 3)


def test_its_defaults_halve_the_work_and_keep_30_db(miniature, prompts, depth, work):
    plain = painted(miniature, prompts, depth)
    assert work == {"first": 2 * STEPS, "deep": 2 * STEPS}
    work.update(first=0, deep=0)
    fast = painted(miniature, prompts, depth, guidance_end=DEFAULTS["guidance_end"])
    assert work["first"] < 1.7 * STEPS
    assert work["deep"] < 0.9 * STEPS
    assert psnr(fast, plain) > 30


def test_deep_layers_every_other_step_keep_40_db(miniature, prompts, depth, work):
    plain = painted(miniature, prompts, depth)
    work.update(first=0, deep=0)
    fast = painted(miniature, prompts, depth, guidance_end=1.0, deep_every=2)
    assert work == {"first": 2 * STEPS, "deep": STEPS}
    assert psnr(fast, plain) > 40


def test_switched_off_it_changes_nothing(miniature, prompts, depth):
    plain = painted(miniature, prompts, depth)
    assert torch.equal(painted(miniature, prompts, depth, guidance_end=1.0, deep_every=1), plain)


def test_the_models_before_and_behind_it_share_their_weights(miniature):
    (faster,) = SD2DepthFaster().execute(miniature[0], 0.0, 0.7, 2)
    assert faster.network is miniature[0].network
    assert miniature[0].shortcuts.deep_every == 1


def test_an_interval_that_ends_before_it_starts_is_refused(miniature):
    with pytest.raises(ValueError, match="the first one not larger"):
        SD2DepthFaster().run(model=miniature[0], guidance_start=0.8, guidance_end=0.2, deep_every=1)
