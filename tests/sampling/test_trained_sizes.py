"""Sizes far from those of the training are told."""

import pytest
import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.sampling.trained_sizes import TRAINED, is_far, warn_of_size


@pytest.mark.parametrize(
    ("width", "size", "is_told"),
    [
        (320, (512, 512), False),
        (320, (512, 768), False),
        (320, (384, 640), False),
        (320, (256, 256), True),
        (320, (256, 512), True),
        (320, (1024, 1024), True),
        (64, (256, 256), False),
        (64, (256, 512), False),
        (64, (512, 512), True),
        (64, (64, 64), True),
        (192, (64, 64), False),  # of another UNet nothing is known
    ],
)
def test_what_is_far_from_the_training_is_told(width, size, is_told, caplog):
    warn_of_size(width, torch.zeros(1, 4, *(side // 8 for side in size)))
    assert bool(caplog.text) is is_told
    assert is_far(width, *size) is is_told
    if is_told:
        assert f"{size[1]} x {size[0]} pixels" in caplog.text
        assert f"short side of {TRAINED[width]}" in caplog.text


def test_a_second_pass_over_an_enlarged_image_is_none(caplog):
    warn_of_size(320, torch.rand(1, 4, 128, 128))
    assert not caplog.text
    warn_of_size(320, torch.rand(1, 4, 32, 32))
    assert caplog.text


def test_the_bundled_checkpoint_is_known():
    assert TRAINED[Checkpoint.open(BUNDLED_CHECKPOINT).unet.model_channels] == 256
