"""Folders of frames and films where one picture is expected."""

import pytest

from sd2_depth2img.engine import folders
from sd2_depth2img.engine.frames import ManyPictures
from sd2_depth2img.workflows.core_nodes.load import LoadImage


@pytest.fixture
def base(base):
    (base / "input" / "shots").mkdir(parents=True)
    return base


def test_a_folder_is_no_picture(base):
    for name in ("shots", str(base / "input" / "shots")):
        with pytest.raises(ManyPictures, match="shots is a folder, and one picture") as caught:
            folders.input_path(name)
        assert caught.value.path == base / "input" / "shots"
    assert "is a folder, and one picture at a time" in LoadImage.VALIDATE_INPUTS("shots")


@pytest.mark.parametrize("suffix", [".mp4", ".MOV", ".webm", ".mkv", ".avi"])
def test_a_film_is_no_picture(base, suffix):
    (base / "input" / f"clip{suffix}").write_bytes(b"\0\0\0\x18ftypmp42")
    with pytest.raises(ManyPictures, match=r"clip\S* is a film, .* a frame of it"):
        folders.input_path(f"clip{suffix}")


def test_what_is_not_there_is_no_film(base):
    for name in ("gone.mp4", "gone", ""):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            folders.input_path(name)
