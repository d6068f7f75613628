"""What tests of several nodes look at: the host's progress bars."""

import signal
from dataclasses import dataclass

import pytest

from sd2_depth2img.host import host


@dataclass
class Bar:
    """One progress bar: of how many items, and after how many it stands."""

    description: str
    total: int
    done: int = 0


class Bars(list):
    """All bars there were; with `cancel_after` the user presses Ctrl-C after so many items."""

    cancel_after: int | None = None


@pytest.fixture
def progress_bars(monkeypatch):
    """The engine's own progress, looked at."""
    bars, progress = Bars(), host.progress

    def watched(items, description):
        bars.append(Bar(description, len(items)))
        for item in progress(items, description):
            yield item
            bars[-1].done += 1
            if bars[-1].done == bars.cancel_after:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(host, "progress", watched)
    return bars
