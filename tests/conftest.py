"""Fixtures that several folders of tests share."""

import numpy as np
import pytest
import skimage.data
import torch

from sd2_depth2img.standalone.make_checkpoint import make_checkpoint


@pytest.fixture(scope="session")
def mini_checkpoint(tmp_path_factory):
    """A small random checkpoint with the structure of the real one, MiDaS included."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "mini.safetensors")


@pytest.fixture(scope="session")
def photo():
    """A real photograph as IMAGE, float32 [1, 512, 512, 3] in 0..1: an astronaut (NASA)."""
    pixels = skimage.data.astronaut().astype(np.float32) / 255.0
    return torch.from_numpy(pixels).unsqueeze(0)


@pytest.fixture(scope="module")
def one_thread():
    """For tiny networks: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
