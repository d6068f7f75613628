"""What the command writes to, in any code page and whoever reads it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


@contextmanager
def console() -> Iterator[None]:
    """Let stdout and stderr take every text, and outlive their reader.

    What an encoding cannot say is written with escapes. When a reader has gone (`| head`), the rest
    is dropped, and the command goes on. Raises OSError when what is written to is full.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_patient, before)
    try:
        yield
        _flush(sys.stdout, sys.stderr)
    except BaseException:
        _flush(sys.stderr)
        raise
    finally:
        sys.stdout, sys.stderr = before


def _patient(stream: TextIO | None) -> Any:
    if stream is None:  # it is closed, and nothing is printed
        return None
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return _Patient(stream)


def _flush(*streams: TextIO | None) -> None:
    for stream in streams:
        if stream is not None:
            stream.flush()


class _Patient:
    """A stream whose reader may go."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._dropped():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._dropped():
            self._stream.flush()

    @contextmanager
    def _dropped(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # What is left in the buffer goes nowhere, or Python would complain at its end.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                raise


def printable(text: str) -> str:
    """Without escape codes, which a name in a file could bring to the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t\xa0" else repr(c)[1:-1] for c in text)
