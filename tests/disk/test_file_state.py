"""What tells that a file has changed."""

import os

import pytest

from sd2_depth2img.disk.file_state import FileState


def test_a_file_has_one_state_until_it_is_written_anew(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    before = FileState.of(file)
    assert FileState.of(file) == before
    file.write_text("longer")
    assert FileState.of(file) != before


def test_one_that_was_written_later_is_another_at_the_same_size(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    before = FileState.of(file)
    file.write_text("two")
    os.utime(file, ns=(0, before.modified + 1))
    assert FileState.of(file) != before


def test_a_missing_one_has_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        FileState.of(tmp_path / "a")
