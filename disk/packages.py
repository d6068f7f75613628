"""Packages that only some of the work needs: where one is missing or broken, the rest goes on.

What such a package raises when it is imported becomes a sentence: which work needs it, what is
wrong, what to install.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class UnusablePackage(ImportError):  # noqa: N818 - names what is wrong
    """A package is missing, broken or too old; the message says what to install."""


@contextmanager
def needed(package: str, work: str, instead: str = "", requirement: str = "") -> Iterator[None]:
    """Around the imports of a package: raises UnusablePackage for whatever they raise.

    `work` is what needs it, a plural; `instead` what does without it; `requirement` what is
    installed where that is more than the package.
    """
    try:
        yield
    except Exception as error:  # a broken library and its scripts raise whatever they like
        state, remedy = _found(package, error, requirement or package)
        raise UnusablePackage(
            f"{work} need the package {package}, which {state}. With the Python that runs this: "
            f"{remedy}{instead and f'; or {instead}'}",
            name=package,
        ) from error


def _found(package: str, error: Exception, requirement: str) -> tuple[str, str]:
    """What is wrong with it, and the command."""
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        return "is not installed", f"pip install {requirement}"
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, ModuleNotFoundError) and not (error.name or package).startswith(package):
        missing = str(error.name).split(".")[0]
        return f"cannot be imported ({reason})", f"pip install {missing}"
    # Without --no-deps, pip would exchange PyTorch too.
    return (
        f"cannot be imported ({reason})",
        f"pip install --upgrade --force-reinstall --no-deps {package} (or, instead of {package}, "
        "what the reason names)",
    )
