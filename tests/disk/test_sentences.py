"""What the system says, in words."""

import errno
import os
from pathlib import Path

import pytest

from sd2_depth2img.disk.sentences import in_words


@pytest.mark.parametrize("number", [number for number in errno.errorcode if number < 200])
def test_every_error_of_the_system_names_the_file_and_keeps_its_kind(number):
    error = OSError(number, os.strerror(number), "/a/b")
    said = in_words(error)
    assert str(said).startswith("/a/b: ")
    assert "; " in str(said)
    assert "[Errno" not in str(said)
    assert type(said) is type(error)
    assert in_words(said) is said  # a sentence stays as it is
    assert str(in_words(OSError(number, os.strerror(number)), Path("c"))).startswith("c: ")
