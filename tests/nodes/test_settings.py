"""Model Settings: what suits a model, and what the user says instead."""

import pytest
import torch

from sd2_depth2img.checkpoints.architecture import FULL_UNET
from sd2_depth2img.engine.networks import EngineModel
from sd2_depth2img.nodes.settings import SD2DepthSettings


class Opened:
    """A checkpoint as far as widths go: full size takes gigabytes."""

    def __init__(self, unet):
        self.unet = unet


@pytest.fixture
def full_size():
    return EngineModel(Opened(FULL_UNET), torch.device("cpu"))


def test_the_miniature_gets_its_own(miniature):
    assert SD2DepthSettings().execute(miniature[0]) == (256, 20, 3.0)


def test_a_full_size_model_gets_those_of_512_depth_ema(full_size):
    assert SD2DepthSettings().execute(full_size) == (512, 25, 7.0)


def test_what_the_user_says_counts(miniature):
    assert SD2DepthSettings().execute(miniature[0], 384, 7, 1.5) == (384, 7, 1.5)
    assert SD2DepthSettings().execute(miniature[0], steps=7) == (256, 7, 3.0)


def test_a_model_without_depth_is_refused(full_size):
    full_size.in_channels = 4
    with pytest.raises(ValueError, match="4 input channels and takes no depth map"):
        SD2DepthSettings().execute(full_size)
