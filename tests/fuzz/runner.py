"""Runs inputs in worker processes, and says which of them broke a promise.

An input is remade from its kind and its number alone. Where a worker dies, hangs or eats memory,
the input that it was at has failed, and another worker goes on behind it.
"""

import multiprocessing
import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch

from .guards import MEMORY, SECONDS, Guards, Outcome

# Forks of a process that has imported everything and done nothing yet: a fork of one in which
# OpenCV's or torch's threads have run would wait for them for ever.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["__main__", "sd2_depth2img.tests.fuzz.kinds"])

SILENCE = 6 * SECONDS  # a worker that hangs; a busy machine gives it a part of a processor


class Attempt(NamedTuple):
    """One input, ready to be given to the package."""

    call: Callable[[], object]
    names: Sequence[str]  # an error has to name one of them
    what: str  # of what the input was made, and how


# Writes an input's files below a folder with input, output and models/checkpoints.
Maker = Callable[[random.Random, Path], Attempt]


@dataclass(frozen=True)
class Failure:
    """An input that broke promises."""

    kind: str
    number: int
    what: str
    broken: Sequence[str]

    @property
    def group(self) -> str:
        """The same for two inputs that fail alike: the first words, and the line of code."""
        place = re.search(r" at ([\w/.]+:\d+)$", self.broken[0])
        words = re.split(r"[\d/'\"\[(]", self.broken[0])[0].split()[:5]
        return " ".join([*words, place[1] if place else ""])

    def __str__(self) -> str:
        return "\n    ".join([f"{self.kind}:{self.number} ({self.what})", *self.broken])


@dataclass
class Report:
    """What came of many inputs."""

    inputs: int = 0
    refused: int = 0  # with an error
    seconds: float = 0.0  # of processor time
    slowest: float = 0.0
    memory: int = 0  # bytes, the most that one took
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Take another report in."""
        self.inputs += other.inputs
        self.refused += other.refused
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        self.memory = max(self.memory, other.memory)
        self.failures += other.failures

    def __str__(self) -> str:
        return (
            f"{self.inputs} inputs, {self.refused} refused, {len(self.failures)} failures; "
            f"{self.seconds:.0f} s, slowest {self.slowest:.1f} s, most {self.memory / 1e6:.0f} MB"
        )


def run(
    kind: str,
    maker: Callable[[], Maker],
    numbers: Iterable[int],
    place: Path,
    keep: Path | None = None,
    silence: float = SILENCE,
) -> Report:
    """Give inputs to the package, one after the other, in a worker that works below `place`.

    `maker` is a function of a module. The inputs' files are copied to a new folder `keep`, if there
    is to be one; a worker that says nothing for `silence` seconds is stopped.
    """
    report, waiting = Report(), list(numbers)
    while waiting:
        with _Worker(kind, maker, tuple(waiting), place, keep) as worker:
            for number, what, outcome in worker.answers(silence):
                waiting.remove(number)
                report.add(Report(1, bool(outcome.error), outcome.seconds, outcome.seconds))
                report.memory = max(report.memory, outcome.memory)
                if outcome.broken:
                    report.failures.append(Failure(kind, number, what, outcome.broken))
    return report


def groups(failures: Iterable[Failure]) -> Mapping[str, list[Failure]]:
    """Failures that are alike, the largest group first."""
    found: dict[str, list[Failure]] = {}
    for failure in failures:
        found.setdefault(failure.group, []).append(failure)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


# --- workers -------------------------------------------------------------------------------------


class _LostError(Exception):
    """A worker has died, or has to be stopped."""


class _Worker:
    """A process that works through inputs, and says of each first what it is."""

    def __init__(self, *work: Any) -> None:
        _, _, self.numbers, self.place, _ = work
        self.pipe, theirs = _PROCESSES.Pipe(duplex=False)
        self.process = _PROCESSES.Process(target=_work, args=(theirs, *work))
        self.process.start()
        theirs.close()
        self.usual = 0  # bytes of memory before an input
        self.lost = False

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.join(0 if self.lost else SILENCE)
        self.process.kill()
        self.process.join()
        shutil.rmtree(self.place, ignore_errors=True)

    def answers(self, silence: float) -> Iterator[tuple[int, str, Outcome]]:
        """Up to the input that the worker does not survive."""
        number, what = self.numbers[0], ""
        try:
            for number in self.numbers:
                what = ""
                what = self._received("the input", silence)
                self.usual = self._memory()
                yield number, what, self._received("an answer", silence)
        except _LostError as lost:
            self.lost = True
            yield number, what, Outcome([str(lost)], "", 0.0, 0)

    def _received(self, what: str, silence: float) -> Any:
        start = time.monotonic()
        while not self.pipe.poll(0.1):
            if not self.process.is_alive() and not self.pipe.poll():
                break
            if self.usual and self._memory() - self.usual > MEMORY:
                raise _LostError(f"stopped: {what} took more than {MEMORY / 1e9:.0f} GB")
            if time.monotonic() - start > silence:
                raise _LostError(f"stopped: no sign of {what} for {silence:.0f} s")
        try:
            return self.pipe.recv()
        except EOFError:
            raise _LostError(f"the worker died over {what}") from None

    def _memory(self) -> int:
        try:
            return psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            return 0  # it has died


def _work(
    answers: Connection,
    kind: str,
    maker: Callable[[], Maker],
    numbers: Sequence[int],
    place: Path,
    keep: Path | None,
) -> None:
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what native libraries say by themselves
    make = maker()
    place.mkdir(parents=True)
    guards = Guards(place)
    for number in numbers:
        attempt = make(random.Random(f"{kind}:{number}"), guards.prepare())
        if keep is not None:
            shutil.copytree(place, keep, symlinks=True)
        answers.send(attempt.what)
        answers.send(guards.watch(attempt.call, attempt.names))
