"""What processes leave on a disk."""

import subprocess
import sys

import pytest

from sd2_depth2img.disk import processes
from sd2_depth2img.disk.processes import is_running, scratch_folder


@pytest.fixture
def temp(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_process_runs_until_it_is_waited_for():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_running(process.pid)
    process.kill()
    process.wait()
    assert not is_running(process.pid)


def test_a_scratch_folder_is_gone_in_the_end(temp):
    with scratch_folder("work") as folder:
        (folder / "file").touch()
        assert folder.parent == temp
        with scratch_folder("work") as other:  # that of a running process stays
            assert folder.is_dir()
            assert other != folder
    assert list(temp.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_else(temp):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left = temp / f"work-{processes.MACHINE}-{process.pid}-abc"
    others = [temp / f"work-00000000-{process.pid}-abc", temp / f"{left.name[1:]}"]
    for folder in (left, *others):
        folder.mkdir()
    with scratch_folder("work"):
        assert not left.exists()
        assert all(folder.exists() for folder in others)
