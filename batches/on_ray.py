"""Work on a cluster, or on the cores or GPUs of one computer: by Ray Data.

Each actor has an engine of its own, on a GPU or on some cores. Ray Data hands out the tasks, holds
back those for which there is no room, and gives the task of an actor that died to another one. All
results come back to this process, the only one that writes.
"""

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from ..disk.packages import needed
from ..disk.processes import scratch_folder
from ..engine.folders import Folders
from .engine import Engine
from .problems import NobodyWorks
from .tasks import Outcome, Task, WorkflowFile

LOCAL = "local"  # the address of a cluster that is started here
_MOST_BLOCKS = 10_000  # each costs Ray Data some milliseconds and kilobytes
_RETRIES = 3  # of a block whose actor died
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
        self._engine = (workflow, places)
        self._address, self._workers, self._cores = address, workers, cores

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """In the order in which they finish. Raises NobodyWorks."""
        waiting = {task.name: task for task in tasks}
        if not waiting:
            return
        self._connect()
        try:
            # A block whose actors died too often is left out; then its tasks come one by one.
            for most_blocks in (_MOST_BLOCKS, len(waiting)):
                for outcome in self._outcomes(list(waiting.values()), most_blocks):
                    if waiting.pop(outcome.task.name, None):
                        yield outcome
            for task in waiting.values():
                yield Outcome(
                    task,
                    error=f"{_RETRIES + 1} workers died while they worked on it; there may be too "
                    "little memory for it",
                )
        except self._ray.exceptions.RayError as error:
            raise NobodyWorks(f"Ray gave up: {_last_line(error)}; what is done is kept") from error
        finally:
            self._ray.shutdown()

    def _connect(self) -> None:
        try:
            self._ray.init(
                address=self._address,
                include_dashboard=False if self._address == LOCAL else None,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise NobodyWorks(
                f"there is no Ray cluster at {self._address} ({error}); give the address of one, "
                "or leave it out to start one on this computer"
            ) from error

    def _outcomes(self, tasks: Sequence[Task], most_blocks: int) -> Iterator[Outcome]:
        if not tasks:
            return
        data = self._ray.data
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is told below
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # they do not end the batch
        context.target_max_block_size = 1  # byte: each outcome comes as soon as it is there
        rows = [{"task": pickle.dumps(task)} for task in tasks]
        share = self._share()
        outcomes = data.from_items(rows, override_num_blocks=min(len(rows), most_blocks)).map(
            _Worker,
            fn_constructor_args=(*self._engine, int(share.get("num_cpus", 0))),
            compute=data.ActorPoolStrategy(
                min_size=1,
                initial_size=min(self._room(share), len(rows)),
                max_size=self._workers or self._room(share),
                max_tasks_in_flight_per_actor=2,
            ),
            ray_remote_args_fn=_remote_args,
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


def _last_line(error: Exception) -> str:
    """The cause, below the traceback of another computer."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _remote_args() -> dict[str, int]:
    return {"max_task_retries": _RETRIES}


class _Worker:
    """An actor's engine."""

    def __init__(self, workflow: WorkflowFile, places: Folders, cores: int) -> None:
        self._scratch = ExitStack()  # as long as the actor
        folder = self._scratch.enter_context(scratch_folder("depth2img-worker"))
        self._engine = Engine(workflow, places, folder, cores)

    def __call__(self, row: Row) -> Row:
        return {"outcome": pickle.dumps(self._engine.work(pickle.loads(row["task"])))}
