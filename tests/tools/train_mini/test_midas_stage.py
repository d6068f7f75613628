"""Training of the depth network: paintings roughened, their depth left true."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.tools.train_mini.midas import RANKS, MiDaSStage, new_midas, ranks, roughen


@pytest.fixture(scope="module")
def painting(data):
    return data.images[128][0, 0] / np.float32(255), data.depth[128][0].astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_roughened_painting_is_an_image(painting, seed):
    image, depth = painting
    before = image.copy(), depth.copy()
    rough = roughen(np.random.default_rng(seed), image, depth)
    assert rough.shape == image.shape
    assert rough.dtype == np.float32
    assert 0 <= rough.min() <= rough.max() <= 1
    assert np.array_equal(rough, roughen(np.random.default_rng(seed), image, depth))
    assert np.array_equal(image, before[0])
    assert np.array_equal(depth, before[1])


def test_every_other_painting_is_roughened_each_in_its_own_way(painting):
    image, depth = painting
    rough = [roughen(np.random.default_rng(seed), image, depth) for seed in range(40)]
    changed = [one for one in rough if not np.array_equal(one, image)]
    assert 12 <= len(changed) <= 28
    assert len({one.tobytes() for one in changed}) == len(changed)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), power=st.floats(0.3, 4))
def test_a_rank_is_the_share_of_the_map_that_is_farther(seed, power):
    truth, values = np.random.default_rng(seed).random((2, 3, 24, 24), np.float32) ** power
    found = ranks(torch.tensor(values), torch.tensor(truth))
    for one, pixels, depth in zip(found.numpy(), values, truth, strict=True):
        share = (depth < pixels[..., None, None]).mean((-2, -1))
        assert np.abs(one - share).max() <= 1.2 / RANKS
        assert (np.diff(one.flatten()[pixels.flatten().argsort()]) >= 0).all()


def test_ranks_pull_towards_the_truth_even_where_depths_hardly_differ():
    truth = torch.linspace(0.1, 0.11, 1024).view(1, 32, 32)
    off = (truth.flip(1) + 0.002).requires_grad_()
    (ranks(off, truth) - ranks(truth, truth)).abs().sum().backward()
    wrong = (off - truth).detach().abs() > 0.002
    assert (off.grad.sign() == (off - truth).detach().sign())[wrong].all()
    flat = ranks(torch.zeros(1, 8, 8), torch.zeros(1, 8, 8))
    assert flat.isfinite().all()


def test_a_new_depth_network_is_not_in_the_dark():
    network = new_midas(seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        depth = network(torch.rand(1, 3, 64, 64, generator=generator) * 2 - 1)
    assert (depth > 0).float().mean() > 0.9
    assert depth.std() > 0


def test_a_steps_loss_depends_on_the_step_alone(data):
    stage = MiDaSStage(new_midas(0), data, 1, 1, torch.device("cpu"))
    with torch.no_grad():
        first, second = stage.loss(0), stage.loss(1)
        assert stage.loss(0) == first
    assert first != second
