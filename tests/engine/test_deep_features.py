"""The UNet in two parts."""

import pytest
import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine.deep_features import Deep
from sd2_depth2img.engine.networks import load
from sd2_depth2img.sampling.shortcuts import Shortcuts


@pytest.fixture(scope="module")
def model(mini_checkpoint):
    return load(Checkpoint.open(mini_checkpoint), "cpu")[0]


def inputs(model, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 5, height, width, generator=generator)
    context = torch.randn(2, 77, model.checkpoint.unet.context_dim, generator=generator)
    return x, torch.tensor([500, 3]), context


@pytest.mark.parametrize("size", [(8, 8), (12, 20), (9, 7)])
def test_both_parts_together_are_the_whole(model, size):
    """Also for odd sizes, where the UNet's own `forward` gives its blocks a size to go to."""
    given, deep = inputs(model, *size), Deep()
    plain = model.predict_noise(*given)
    assert torch.equal(model.predict_noise(*given, deep), plain)
    assert deep.features.shape == (2, model.model_channels, *size)
    torch.testing.assert_close(model.predict_noise(*given, deep), plain)


def test_only_the_shallow_part_runs_where_there_are_features(model):
    ran = []
    hooks = [
        model.network.mid_block.register_forward_hook(lambda *_: ran.append("deep")),
        model.network.conv_out.register_forward_hook(lambda *_: ran.append("shallow")),
    ]
    deep = Deep()
    first = model.predict_noise(*inputs(model, 8, 8), deep)
    second = model.predict_noise(*inputs(model, 8, 8, seed=1), deep)
    for hook in hooks:
        hook.remove()
    assert ran == ["deep", "shallow", "shallow"]
    assert not torch.allclose(first, second)


def test_models_with_and_without_shortcuts_have_one_network(model):
    faster = model.with_shortcuts(Shortcuts(deep_every=2))
    assert faster.network is model.network
    assert (model.shortcuts, faster.shortcuts) == (Shortcuts(), Shortcuts(deep_every=2))
