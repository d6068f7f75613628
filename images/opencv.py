"""OpenCV, imported at the first use of it: `from .opencv import cv2`.

Its packages are easily broken: several hold the same folder `cv2`, and whichever is installed or
removed last takes files from the others. What needs no OpenCV has to work then nevertheless.
"""

import importlib.metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..disk.packages import UnusablePackage

PACKAGES = (
    *("opencv-python", "opencv-python-headless"),
    *("opencv-contrib-python", "opencv-contrib-python-headless"),
)


class BrokenOpenCV(UnusablePackage):
    """OpenCV is missing or cannot be used; the message says which packages of it there are."""


class _Later:
    """Stands for the module; what was asked for once is found without it."""

    def __getattr__(self, name: str) -> Any:
        module = _imported()
        try:
            value = getattr(module, name)
        except AttributeError as error:  # a folder with what another package has left
            raise _broken(error) from error
        setattr(self, name, value)
        return value


def _imported() -> ModuleType:
    try:
        import cv2
    except Exception as error:  # a broken library and its scripts raise whatever they like
        raise _broken(error) from error
    return cv2


def _broken(error: Exception) -> BrokenOpenCV:
    found = [f"{package} {version}" for package in PACKAGES if (version := _version(package))]
    reason = " ".join(str(error).split()) or type(error).__name__
    return BrokenOpenCV(
        f"OpenCV cannot be imported ({reason}; installed: {' and '.join(found) or 'none'}). With "
        "the Python that runs this: pip uninstall "
        f"{' '.join(PACKAGES)}, then install one: pip install opencv-python-headless",
        name="cv2",
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if TYPE_CHECKING:
    import cv2 as cv2
else:
    cv2 = _Later()
