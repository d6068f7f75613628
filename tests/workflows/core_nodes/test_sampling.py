"""KSampler (Advanced) on the miniature's networks: which steps are taken, and how many calls.

`tests/comfyui/test_in_comfyui_sampling_nodes.py` compares its latents with ComfyUI's.
"""

import math

import pytest
import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine.networks import load
from sd2_depth2img.engine.samplers import initial_noise, sigmas_for
from sd2_depth2img.engine.stretch import Stretch
from sd2_depth2img.sampling.depth_channel import DepthCondition, attach_depth
from sd2_depth2img.workflows.core_nodes import CORE_NODES

pytestmark = pytest.mark.usefixtures("one_thread")

LATENT = {"samples": torch.zeros(1, 4, 8, 8)}


@pytest.fixture(scope="module")
def networks(mini_checkpoint):
    return load(Checkpoint.open(mini_checkpoint), "cpu")


@pytest.fixture(scope="module")
def sample(networks):
    """Runs a node with the miniature, a depth map and two prompts."""
    model, clip, _ = networks
    depth = DepthCondition(torch.linspace(0, 1, 64).expand(1, 64, 64))
    positive, negative = (
        attach_depth([[clip.encode(clip.tokenize(text)), {}]], depth) for text in ("a house", "")
    )

    def run(name, latent=LATENT, **changes):
        inputs = {"steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal"}
        (result,) = CORE_NODES[name]().execute(
            model=model, positive=positive, negative=negative, latent_image=latent,
            **{**inputs, **changes},
        )  # fmt: skip
        return result

    return run


def advanced(sample, start=0, end=10000, add_noise="enable", leftover="disable", **changes):
    return sample(
        "KSamplerAdvanced",
        noise_seed=7,
        add_noise=add_noise,
        start_at_step=start,
        end_at_step=end,
        return_with_leftover_noise=leftover,
        **changes,
    )


@pytest.mark.parametrize("sampler", ["euler", "heun"])
def test_all_steps_are_ksamplers(sample, sampler):
    theirs = sample("KSampler", seed=7, denoise=1.0, sampler_name=sampler)
    ours = advanced(sample, sampler_name=sampler)
    assert torch.equal(theirs["samples"], ours["samples"])


@pytest.mark.parametrize("sampler", ["euler", "heun", "ddim"])
def test_two_stretches_are_one_run(sample, sampler):
    """For samplers that draw no noise and remember no step."""
    whole = advanced(sample, sampler_name=sampler)
    first = advanced(sample, end=3, leftover="enable", sampler_name=sampler)
    second = advanced(sample, start=3, add_noise="disable", latent=first, sampler_name=sampler)
    assert torch.allclose(whole["samples"], second["samples"], atol=1e-4)
    assert not torch.allclose(first["samples"], second["samples"], atol=0.1)


def test_left_over_noise_is_what_lies_between_the_guess_and_the_start(sample):
    """An Euler step: clean + sigma_next / sigma · (start − clean)."""
    sigma, following = sigmas_for("normal", "euler", 4)[:2].tolist()
    noisy = advanced(sample, end=1, leftover="enable")["samples"]
    clean = advanced(sample, end=1)["samples"]
    start = initial_noise((1, 4, 8, 8), 7) * math.sqrt(1 + sigma**2) / 0.18215
    assert torch.allclose(noisy, torch.lerp(clean, start, following / sigma), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(("start", "end"), [(4, 10000), (2, 2), (3, 1), (0, 0)])
def test_no_step_leaves_the_latent_as_it_is(sample, start, end):
    latent = {"samples": torch.ones(1, 4, 8, 8), "batch_index": [0]}
    result = advanced(sample, start, end, latent=latent)
    assert torch.equal(result["samples"], latent["samples"])
    assert result["batch_index"] == [0]


@pytest.mark.parametrize("name", ["KSampler", "KSamplerAdvanced"])
@pytest.mark.parametrize(("cfg", "images"), [(1.0, 1), (3.0, 2)])
def test_every_step_is_one_call_and_cfg_1_one_image(networks, sample, name, cfg, images):
    calls = []
    hook = networks[0].network.register_forward_pre_hook(
        lambda network, inputs: calls.append(len(inputs[0]))
    )
    try:
        if name == "KSampler":
            sample(name, seed=7, denoise=1.0, cfg=cfg)
            assert calls == [images] * 4
        else:
            advanced(sample, 1, 3, cfg=cfg)
            assert calls == [images] * 2
    finally:
        hook.remove()


def test_the_levels_of_a_stretch():
    sigmas = [9.0, 4.0, 1.0, 0.0]
    assert Stretch().of(sigmas) == sigmas
    assert Stretch(1, 2).of(sigmas) == [4.0, 0.0]
    assert Stretch(1, 2, finishes=False).of(sigmas) == [4.0, 1.0]
    assert Stretch(0, 3, finishes=False).of(sigmas) == sigmas
    assert Stretch(3).of(sigmas) == Stretch(2, 1).of(sigmas) == Stretch().of([]) == []
