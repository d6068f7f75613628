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
from collections.abc import Iterable, Iterator, Sequence

from ..engine.joint_sampling import Joint, member_of
from .graph import NodeError, Results, Runner, Workflow
from .problems import WorkflowError

Outcome = Results | WorkflowError | NodeError


def run_all(
    runner: Runner, workflows: Iterable[Workflow], at_once: int = 1, most: int | None = None
) -> Iterator[Outcome]:
    """The outcome of each workflow, in their order, two groups of `at_once` at work at most.

    Args:
        workflows: taken as they are needed. One object may be changed and given again only after
            its outcome was received, so give copies.
        at_once: images that are sampled together.
        most: latents in a call of the UNet, two an image with guidance; see
            `joint_sampling.latents_within`.

    Raises KeyboardInterrupt on Ctrl-C, and what else a thread dies of, when all threads have ended.
    """
    sampling = threading.Lock()
    source = iter(workflows)
    groups: list[_Group] = []  # at work, the older one first
    try:
        while members := list(itertools.islice(source, at_once)):
            groups.append(_Group(runner, members, sampling, most))
            groups[-1].start()
            if len(groups) > 1:
                yield from groups[0].outcomes()
                del groups[0]
            groups[-1].until_sampling()
        for group in groups:
            yield from group.outcomes()
    finally:
        for group in groups:
            group.stop()


# Seconds between looks at signals: on Windows a wait without end is not interrupted by Ctrl-C.
_GLANCE = 0.5


class _Group:
    """Workflows that are sampled together, a thread each."""

    def __init__(
        self,
        runner: Runner,
        workflows: Sequence[Workflow],
        sampling: threading.Lock,
        most: int | None,
    ) -> None:
        self._joint = Joint(len(workflows), runner.turn, sampling, most)
        self._ended: dict[int, Results | BaseException] = {}
        self._threads = [
            threading.Thread(
                target=self._run, args=(runner, number, workflow), name="workflow", daemon=True
            )
            for number, workflow in enumerate(workflows)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def until_sampling(self) -> None:
        """Wait until the group samples for the first time, or has ended."""
        while not self._joint.begun.wait(_GLANCE):
            pass

    def outcomes(self) -> Iterator[Outcome]:
        """Each as soon as it is there and those before it are."""
        for number, thread in enumerate(self._threads):
            while thread.is_alive():
                thread.join(_GLANCE)
            ended = self._ended[number]
            if not isinstance(ended, Outcome):
                raise ended
            yield ended

    def stop(self) -> None:
        """End every thread, at its next step or node."""
        self._joint.cancel()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _run(self, runner: Runner, number: int, workflow: Workflow) -> None:
        try:
            with member_of(self._joint, number):
                self._ended[number] = runner.run(workflow)
        except BaseException as error:  # for the thread that asks for it
            self._ended[number] = error
