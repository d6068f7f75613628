"""Which device networks go to."""

import pytest
import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine import devices, host, networks


def test_a_device_holds_within_its_block_and_none_leaves_the_default(mini_checkpoint):
    default = devices.current()
    with host.running_on("meta"):
        assert devices.current() == torch.device("meta")
        with host.running_on(None):
            assert devices.current() == default
        model, clip, vae = networks.load(Checkpoint.open(mini_checkpoint))
        assert model.device == clip.device == vae.device == torch.device("meta")
        network = torch.nn.Linear(1, 1)
        assert host.on_device(network) == network.weight.device == torch.device("meta")
    assert devices.current() == default


@pytest.mark.parametrize("device", ["teapot", "cuda:9999", "", 1.5])
def test_what_cannot_be_used_is_named(device):
    with (
        pytest.raises(ValueError, match=r"the device '.*' cannot be used: .*'cpu'"),
        devices.on(device),
    ):
        pass
