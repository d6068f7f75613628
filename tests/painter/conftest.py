"""A small random checkpoint of a width that no size is known to suit: all are painted at."""

from dataclasses import replace

import pytest
import torch

from sd2_depth2img import DepthToImage
from sd2_depth2img.cli import main
from sd2_depth2img.tools.make_checkpoint import MINIATURE, make_checkpoint

ANY_SIZE = replace(MINIATURE, unet=replace(MINIATURE.unet, model_channels=128, channel_mult=(1, 1)))


@pytest.fixture(scope="package")
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("painter") / "small.safetensors", ANY_SIZE)


@pytest.fixture(scope="package")
def painter(checkpoint):
    return DepthToImage(checkpoint, device="cpu")


@pytest.fixture(scope="package")
def pixels(photo):
    """uint8 [64, 96, 3] of a photograph."""
    return (photo[0, 40:104, 160:256] * 255).round().to(torch.uint8).numpy()


@pytest.fixture(scope="package")
def folder(checkpoint):
    """The same as diffusers lays it out."""
    target = checkpoint.with_name("folder")
    assert main.main(["convert", str(checkpoint), str(target)]) == 0
    return target
