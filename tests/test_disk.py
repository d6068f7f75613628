"""Files that appear whole, and who may read them."""

import os
import stat

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.depth.depth_files import FileFormat, write_depth
from sd2_depth2img.disk import written_whole
from sd2_depth2img.images.files import write_image


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    with written_whole(path) as unfinished:
        unfinished.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(ZeroDivisionError):
        fail_half_way(path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "new")]


def fail_half_way(path):
    with written_whole(path) as unfinished:
        unfinished.write_text("half")
        raise ZeroDivisionError


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
def test_files_follow_the_umask_whatever_wrote_them(tmp_path, umask):
    with written_whole(tmp_path / "a.safetensors") as unfinished:
        save_file({"a": torch.ones(3)}, unfinished)
    with written_whole(tmp_path / "a.pt") as unfinished:
        torch.save({"a": torch.ones(3)}, unfinished)
    write_image(tmp_path / "a.png", torch.zeros(2, 2, 3))
    for kind in FileFormat:
        write_depth(tmp_path / f"map.{kind.name}", torch.zeros(2, 2), kind)
    written = list(tmp_path.iterdir())
    assert len(written) == 3 + len(FileFormat)
    assert {mode(path) for path in written} == {0o666 & ~umask}
    assert torch.equal(load_file(tmp_path / "a.safetensors")["a"], torch.ones(3))


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
def test_a_replaced_file_follows_it_too(tmp_path, umask):
    path = tmp_path / "a.png"
    path.touch(0o600)
    write_image(path, torch.zeros(2, 2, 3))
    assert mode(path) == 0o666 & ~umask
