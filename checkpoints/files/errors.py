"""Why a file's tensors cannot be read."""

from collections.abc import Sequence
from pathlib import Path


class UnreadableFile(ValueError):  # noqa: N818 - these name what the file is
    """The file holds no weights that can be read; the message says what was found.

    `foreign` are the names that its pickle asked for.
    """

    foreign: Sequence[str] = ()


class DamagedFile(UnreadableFile):
    """The file is cut off or garbled, or some of its shards are missing."""


def damaged(path: Path, what: str) -> DamagedFile:
    """The error for a file that something is wrong with."""
    return DamagedFile(f"{path.name} is damaged: {what}. Copy or download it again.")


def excessive(file: str, what: str) -> DamagedFile:
    """The error for a file whose pickle goes beyond a limit."""
    return DamagedFile(f"{file} was refused: its pickle {what}, which no checkpoint needs")


class HostileFile(UnreadableFile):
    """The archive carries a program beside its weights; nothing was run."""


class OtherPickle(UnreadableFile):
    """A pickle that PyTorch did not write."""


class TorchScriptFile(UnreadableFile):
    """A TorchScript archive: a program with its weights."""


class GGUFFile(UnreadableFile):
    """A GGUF file: quantised tensors for other loaders."""
