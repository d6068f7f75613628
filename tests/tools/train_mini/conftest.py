"""A training set of a few scenes, and networks that run on one thread."""

import pytest
import torch

from sd2_depth2img.tools.train_mini.dataset import prepare


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """The networks are tiny: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def data(tmp_path_factory):
    """Three scenes on disk."""
    return prepare(tmp_path_factory.mktemp("train_mini") / "data", scenes=3, seed=11)
