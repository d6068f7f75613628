"""How far long work is: on one line of a terminal, elsewhere on a line now and then."""

import sys
import time
from collections import deque

_WINDOW = 50  # of the last that were finished, for the rate
_REDRAW = 0.2  # seconds, on a terminal
_PAUSE = 30.0  # elsewhere


class Progress:
    """Counts what is finished, and says so on stderr."""

    def __init__(self, total: int) -> None:
        self.total, self.finished, self.failed = total, 0, 0
        self._times: deque[float] = deque([time.monotonic()], maxlen=_WINDOW)
        self._on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._said = time.monotonic()
        self._length = 0

    def skip(self) -> None:
        """One was finished before."""
        self.finished += 1

    def step(self, failed: bool) -> None:
        """One more is finished."""
        self.finished += 1
        self.failed += failed
        self._times.append(time.monotonic())
        if self._times[-1] - self._said >= (_REDRAW if self._on_terminal else _PAUSE):
            self._said = self._times[-1]
            self._show()

    def end(self) -> None:
        """Leave the line of the terminal empty."""
        if self._length:
            print(f"\r{' ' * self._length}\r", end="", file=sys.stderr, flush=True)
            self._length = 0

    def __str__(self) -> str:
        rate = (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-6)
        speed = f"{rate:.2f} a second" if rate >= 1 else f"{1 / rate:.1f} s each"
        rest = _duration((self.total - self.finished) / rate)
        return f"{self.finished}/{self.total}, {speed}, {rest} left, {self.failed} failed"

    def _show(self) -> None:
        line = str(self)
        if self._on_terminal:
            print(f"\r{line.ljust(self._length)}", end="", file=sys.stderr, flush=True)
            self._length = len(line)
        else:
            print(line, file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    """1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
