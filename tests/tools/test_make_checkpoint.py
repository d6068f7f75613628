"""`python -m sd2_depth2img.tools.make_checkpoint`."""

import pytest
import torch
from safetensors import safe_open

from sd2_depth2img.tools import make_checkpoint

FIRST = "model.diffusion_model.input_blocks.0.0.weight"
SIZES = ["--unet-width", "128", "--text-width", "128", "--text-layers", "2", "--no-midas"]


@pytest.fixture
def command(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["make_checkpoint", *map(str, arguments)])
        make_checkpoint.main()

    return run


def test_writes_the_widths_that_are_asked_for(command, tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    command(path, "--seed", 4, *SIZES)
    assert str(path) in capsys.readouterr().out
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        first = file.get_tensor(FIRST)
    assert first.shape == (128, 5, 3, 3)
    assert not any(name.startswith("depth_model.") for name in names)
    command(path, "--seed", 5, *SIZES)
    with safe_open(path, "pt") as file:
        assert not torch.equal(first, file.get_tensor(FIRST))


def test_refuses_widths_that_do_not_work(command, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command(tmp_path / "a.safetensors", "--unet-width", 100)
    assert "100 does not work; expected a multiple of 64" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
