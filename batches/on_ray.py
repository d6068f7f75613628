"""Work on a cluster, or on the cores or GPUs of one computer: by Ray Data.

Each actor has an engine of its own, on a GPU or on some cores. Ray Data hands out the tasks, holds
back those for which there is no room, and gives the tasks of an actor that died to another one. All
results come back to this process, the only one that writes.
"""

import logging
import os
import pickle
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from ..disk.packages import needed
from ..disk.processes import scratch_folder
from ..engine import execution
from ..engine.folders import Folders
from .engine import Engine
from .problems import NobodyWorks
from .tasks import Outcome, Task, WorkflowFile
from .words import LOCAL

_MOST_BLOCKS = 10_000  # each costs Ray Data some milliseconds and kilobytes
_TRIES = 4  # of a task whose actor died
_KNOCK = 10.0  # seconds
_CORES = 4  # of an actor without a GPU, unless the computers have fewer

Row = dict[str, bytes]


class Ray:
    """A back end."""

    def __init__(
        self,
        workflow: WorkflowFile,
        places: Folders,
        address: str = LOCAL,
        workers: int | None = None,
        cores: int | None = None,
    ) -> None:
        """`workers` are the most there may be, `cores` those of each without a GPU.

        Raises UnusablePackage.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or Ray would report on the user
        with needed("ray", "batches with --ray", requirement='"ray[data]"'):
            import ray
            import ray.data
        self._ray: Any = ray
        self._engine = (workflow, places, execution.current())
        self._address, self._workers, self._cores = address, workers, cores

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """In the order in which they finish. Raises NobodyWorks."""
        waiting = {task.name: task for task in tasks}
        if not waiting:
            return
        self._connect()
        try:
            for outcome in self._outcomes(list(waiting.values())):
                if waiting.pop(outcome.task.name, None):  # a block of a dead actor comes again
                    yield outcome
        except self._ray.exceptions.RayError as error:
            raise NobodyWorks(f"Ray gave up: {_last_line(error)}; what is done is kept") from error
        finally:
            self._ray.shutdown()

    def _connect(self) -> None:
        try:
            _knock(self._address)
            self._ray.init(
                address=self._address,
                include_dashboard=False if self._address == LOCAL else None,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise NobodyWorks(
                f"there is no Ray cluster at {self._address} ({error}); give the address of one, "
                "or leave it out to start one on this computer"
            ) from error

    def _outcomes(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        data = self._ray.data
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # the rest is told here
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.target_max_block_size = 1  # byte: each outcome comes as soon as it is there
        share = self._share()
        room = self._room(share)
        tries = self._ray.remote(num_cpus=0)(_Tries).remote()
        rows = [{"task": pickle.dumps(task)} for task in tasks]
        outcomes = data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS)).map(
            _Worker,
            fn_constructor_args=(*self._engine, int(share.get("num_cpus", 0)), tries),
            compute=data.ActorPoolStrategy(
                min_size=1,
                initial_size=min(room, len(rows)),
                max_size=self._workers or room,
                max_tasks_in_flight_per_actor=2,
            ),
            **share,
        )
        for row in outcomes.iter_rows():
            yield pickle.loads(row["outcome"])

    def _share(self) -> dict[str, float]:
        """What an actor takes: a GPU where there are any, or else cores."""
        if self._ray.cluster_resources().get("GPU", 0) >= 1:
            return {"num_gpus": 1}
        smallest = min(int(node["Resources"].get("CPU", 1)) for node in self._nodes())
        return {"num_cpus": self._cores or min(_CORES, smallest)}

    def _room(self, share: dict[str, float]) -> int:
        """How many actors there is room for now, as far as there may be so many."""
        name, each = ("GPU", 1) if "num_gpus" in share else ("CPU", share["num_cpus"])
        room = sum(int(node["Resources"].get(name, 0) // each) for node in self._nodes())
        if room == 0:
            raise NobodyWorks(
                f"no computer of the cluster has {each:g} cores; give a smaller --cores-per-worker"
            )
        return min(room, self._workers or room)

    def _nodes(self) -> list[Any]:
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        return [node for node in nodes if node["Resources"].get("CPU")] or nodes


def _knock(address: str) -> None:
    """Raise OSError where nobody listens, of which Ray itself is sure after minutes only."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK).close()


def _last_line(error: Exception) -> str:
    """The cause, below the traceback of another computer."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


class _Tries:
    """Counts how often tasks were begun; an actor that all workers ask, and that needs no core.

    Ray Data goes on for ever with a task of which its actors die.
    """

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, task: str) -> bool:
        """Whether it may be tried once more."""
        self._begun[task] += 1
        return self._begun[task] <= _TRIES


class _Worker:
    """An actor's engine."""

    def __init__(
        self,
        workflow: WorkflowFile,
        places: Folders,
        how: execution.Execution,
        cores: int,
        tries: Any,
    ) -> None:
        execution.use(how)
        self._scratch = ExitStack()  # as long as the actor
        folder = self._scratch.enter_context(scratch_folder("depth2img-worker"))
        self._engine = Engine(workflow, places, folder, cores)
        self._tries = tries

    def __call__(self, row: Row) -> Row:
        import ray

        task = pickle.loads(row["task"])
        if ray.get(self._tries.begin.remote(task.name)):
            outcome = self._engine.work(task)
        else:
            outcome = Outcome(task, error=_GIVEN_UP)
        return {"outcome": pickle.dumps(outcome)}


_GIVEN_UP = f"{_TRIES} workers died while they worked on it; there may be too little memory for it"
