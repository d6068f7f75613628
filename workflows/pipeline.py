"""Many workflows through one runner: sampled together, decoded while the next ones are sampled.

    runner = Runner(memory=2**30)
    for results in run_all(runner, workflows, at_once=4):
        ...  # in the order of the workflows; an exception for one that failed

Each workflow has a thread. Nodes run one at a time, but for samplers: these wait for each other and
go through the UNet in common (`engine.joint_sampling`). Meanwhile the threads of the group before
decode and save, those of the group behind load and estimate depth. What is sampled together does
not depend on who is faster, so a batch gives the same bits again.
"""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from ..engine.joint_sampling import Joint, member_of
from .graph import NodeError, Results, Runner, Workflow
from .problems import WorkflowError

T = TypeVar("T")
R = TypeVar("R")
Outcome = Results | WorkflowError | NodeError


def run_all(
    runner: Runner, workflows: Iterable[Workflow], at_once: int = 1, memory: int | None = None
) -> Iterator[Outcome]:
    """The outcome of each workflow, in their order; see `in_groups`.

    A workflow object may be changed and given again only after its outcome was received, so give
    copies.
    """

    def work(workflow: Workflow) -> Outcome:
        try:
            return runner.run(workflow)
        except (WorkflowError, NodeError) as error:
            return error

    return in_groups(work, workflows, runner.turn, at_once, memory)


def in_groups(
    work: Callable[[T], R],
    items: Iterable[T],
    turn: threading.Lock,
    at_once: int = 1,
    memory: int | None = None,
) -> Iterator[R]:
    """What `work` makes of each item, in their order, two groups of threads at work at most.

    Args:
        work: called in a thread for each item; it runs a workflow on the runner of this `turn`.
        items: taken as they are needed.
        turn: the runner's, see `Runner`.
        at_once: items that are sampled together.
        memory: what a call of the UNet may take in bytes, beside the weights; more items than fit
            take several calls a step.

    Raises what `work` raises, and KeyboardInterrupt on Ctrl-C, when all threads have ended.
    """
    sampling = ThreadPoolExecutor(1, "sampling")
    source = iter(items)
    groups: list[_Group[T, R]] = []  # at work, the older one first
    try:
        while members := list(itertools.islice(source, at_once)):
            groups.append(_Group(work, members, Joint(len(members), turn, sampling, memory)))
            groups[-1].start()
            if len(groups) > 1:
                yield from groups[0].results()
                del groups[0]
            groups[-1].until_sampling()
        for group in groups:
            yield from group.results()
    finally:
        for group in groups:
            group.stop()
        sampling.shutdown()


# Seconds between looks at signals: on Windows a wait without end is not interrupted by Ctrl-C.
_GLANCE = 0.5


class _Group(Generic[T, R]):
    """Items that are sampled together, a thread each."""

    def __init__(self, work: Callable[[T], R], items: Sequence[T], joint: Joint) -> None:
        self._work, self._joint = work, joint
        self._done: dict[int, R] = {}
        self._errors: dict[int, BaseException] = {}
        self._threads = [
            threading.Thread(target=self._run, args=one, name="workflow", daemon=True)
            for one in enumerate(items)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def until_sampling(self) -> None:
        """Wait until the group samples for the first time, or has ended."""
        while not self._joint.begun.wait(_GLANCE):
            pass

    def results(self) -> Iterator[R]:
        """Each as soon as it is there and those before it are."""
        for number, thread in enumerate(self._threads):
            while thread.is_alive():
                thread.join(_GLANCE)
            if number in self._errors:
                raise self._errors[number]
            yield self._done[number]

    def stop(self) -> None:
        """End every thread, at its next step or node."""
        self._joint.cancel()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _run(self, number: int, item: T) -> None:
        try:
            with member_of(self._joint, number):
                self._done[number] = self._work(item)
        except BaseException as error:  # for the thread that asks for the result
            self._errors[number] = error
