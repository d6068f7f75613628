"""How much memory a call of the UNet takes. What threads do together: tests/workflows."""

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine.joint_sampling import latents_within
from sd2_depth2img.engine.networks import load


class Alive(TorchDispatchMode):
    """The most bytes that results of operations have held at once."""

    def __init__(self, known):
        super().__init__()
        self.known = {tensor.untyped_storage()._cdata for tensor in known}
        self.now = self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage):
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known.add(key)
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key, size):
        self.known.discard(key)
        self.now -= size


@pytest.fixture(scope="module")
def model(mini_checkpoint):
    return load(Checkpoint.open(mini_checkpoint), "cpu")[0]


@pytest.mark.parametrize(("latents", "side"), [(4, 16), (2, 32)])
def test_a_call_takes_no_more_than_reckoned_and_more_than_half(model, latents, side):
    context = torch.zeros(latents, 77, model.checkpoint.unet.context_dim)
    inputs = torch.zeros(latents, 5, side, side), torch.zeros(latents, dtype=torch.int64), context
    model.predict_noise(*inputs)
    with Alive(model.network.parameters()) as alive:
        model.predict_noise(*inputs)
    assert latents_within(alive.most, model, side, side) in range(latents // 2, latents + 1)


def test_one_latent_is_tried_in_any_case(model):
    assert latents_within(0, model, 64, 64) == 1


def test_the_real_model_at_512_pixels():
    class SD2:
        model_channels = 320

    assert latents_within(2**30, SD2, 64, 64) == 6
