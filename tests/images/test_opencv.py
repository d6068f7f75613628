"""What is said where OpenCV is broken; what works without it stands in tests/disk."""

import sys

import cv2
import pytest

from sd2_depth2img.images import opencv


@pytest.fixture
def with_broken(tmp_path, monkeypatch):
    """OpenCV as it is imported at its first use, where its package has another content."""

    def opened(content):
        (tmp_path / "cv2").mkdir()
        (tmp_path / "cv2" / "__init__.py").write_text(content)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "cv2")
        return type(opencv.cv2)()

    return opened


def test_two_packages_on_top_of_each_other_are_to_be_replaced_by_one(with_broken):
    broken = with_broken('raise ImportError("numpy.core.multiarray failed to import")')
    with pytest.raises(opencv.BrokenOpenCV) as told:
        _ = broken.resize
    assert str(told.value).startswith("OpenCV cannot be imported (numpy.core.multiarray failed to")
    assert "pip uninstall opencv-python opencv-python-headless" in str(told.value)
    assert str(told.value).endswith("pip install opencv-python-headless")
    assert told.value.name == "cv2"


def test_what_an_uninstalled_package_left_of_it_is_told_as_well(with_broken):
    """The folder is there, and imports, but nothing is in it."""
    empty = with_broken("")
    with pytest.raises(opencv.BrokenOpenCV, match=r"imported \(module 'cv2' has no attribute"):
        _ = empty.resize


def test_what_was_asked_for_once_is_kept():
    later = type(opencv.cv2)()
    assert later.resize is cv2.resize
    assert vars(later) == {"resize": cv2.resize}
