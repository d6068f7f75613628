"""Files that one program at a time holds."""

import subprocess
import sys

import pytest

from sd2_depth2img.disk.locks import Locked, locked

HOLD = """
import sys
from pathlib import Path
from sd2_depth2img.disk.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_program_has_to_wait_until_it_is_free_and_a_killed_one_frees_it(tmp_path):
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(Locked, match="held by another program"), locked(path):
            pass
    finally:
        holder.kill()
        holder.wait()
    with locked(path):
        pass
    with locked(path):  # free again after its block
        pass


def test_a_place_that_cannot_be_is_told_in_words(tmp_path):
    lock = tmp_path / "nowhere" / "lock"
    with pytest.raises(FileNotFoundError, match="no such file or folder"), locked(lock):
        pass
