"""`python -m sd2_depth2img.tools.make_checkpoint`."""

import pytest
import torch
from safetensors import safe_open

from sd2_depth2img.tools import make_checkpoint

FIRST = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.fixture
def command(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["make_checkpoint", *map(str, arguments)])
        make_checkpoint.main()

    return run


def test_writes_what_is_asked_for(command, tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    command(path, "--seed", 4, "--no-midas")
    assert str(path) in capsys.readouterr().out
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        first = file.get_tensor(FIRST)
    assert first.shape == (64, 5, 3, 3)
    assert not any(name.startswith("depth_model.") for name in names)
    command(path, "--seed", 5, "--no-midas")
    with safe_open(path, "pt") as file:
        assert not torch.equal(first, file.get_tensor(FIRST))
