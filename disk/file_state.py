"""The state of a file: what was found in it holds until that changes."""

from pathlib import Path
from typing import NamedTuple


class FileState(NamedTuple):
    """A file, and what is another as soon as it is written anew; a key for `lru_cache`."""

    path: Path
    modified: int  # nanoseconds
    size: int  # bytes

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """As it is now. Raises OSError."""
        facts = path.stat()
        return cls(path, facts.st_mtime_ns, facts.st_size)
