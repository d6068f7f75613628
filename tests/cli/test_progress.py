"""How far long work is, in words."""

import re
import time

import pytest

from sd2_depth2img.cli import progress
from sd2_depth2img.cli.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_rate_and_rest_are_those_of_what_was_done_now(clock):
    shown = Progress(100)
    for _ in range(10):
        shown.skip()  # done before, in no time
    for number in range(20):
        clock[0] += 0.5
        shown.step(failed=number == 3)
    assert str(shown) == "30/100, 2.00 a second, 0:00:35 left, 1 failed"


def test_slow_work_is_told_in_seconds_each(clock):
    shown = Progress(1000)
    clock[0] += 8
    shown.step(failed=False)
    assert str(shown) == "1/1000, 8.0 s each, 2:13:12 left, 0 failed"


def test_without_a_terminal_it_is_a_line_now_and_then(clock, capsys):
    shown = Progress(10)
    for _ in range(10):
        clock[0] += progress._PAUSE / 4
        shown.step(failed=False)
    shown.end()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert re.match(r"4/10, ", lines[0])


def test_on_a_terminal_the_line_is_drawn_over_and_left_empty(clock, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = Progress(2)
    clock[0] += 1
    shown.step(failed=False)
    shown.end()
    first, blank, last = capsys.readouterr().err.split("\r")[1:]
    assert first == "1/2, 1.00 a second, 0:00:01 left, 0 failed"
    assert (blank, last) == (" " * len(first), "")
