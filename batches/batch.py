"""A batch: which items are still to be done, and what is kept of those that are.

    with OutputFolder.opened(folder) as output:
        for step in Batch(items, workflow, common, output).run(back_end):
            ...

An item is done when its last record says so, its results are there, and its sources, settings,
workflow, seed and precision are those of the record. All others are done again.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from ..disk.sentences import in_words
from ..workflows.changes import FILES, Changes
from .items import Item, Items, Source, settings
from .manifest import DONE, FAILED, Record
from .results import OutputFolder
from .tasks import BackEnd, Outcome, Task, WorkflowFile

_MOST_SEEDS = 2**50  # as large as the canvas makes them


class Step(NamedTuple):
    """What became of an item."""

    record: Record
    is_new: bool  # whether it was worked on now, and not in an earlier run


@dataclass
class Batch:
    """Items through one workflow, into one folder."""

    items: Items
    workflow: WorkflowFile
    common: Changes  # for all items; their own override
    output: OutputFolder
    draws_seeds: bool = False  # a seed of its own for each item that has none
    precision: str | None = None  # that was asked for
    _drawn: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256(self.workflow.content).hexdigest()
        values = self.common.given()
        self._files = {role: Path(values[role]) for role in FILES if role in values}

    def first(self) -> Task | None:
        """A task to see by, before all others, whether the workflow fits."""
        return next((self._task(item, None) for item in self.items if not item.problem), None)

    def run(self, back_end: BackEnd) -> Iterator[Step]:
        """What becomes of each item, as they finish; first those that need no work.

        Raises what the back end raises, and OSError where nothing can be written.
        """
        waiting = []
        for item in self.items:
            record = self.output.manifest.find(item.name)
            task = self._task(item, record)
            if record is not None and self._is_done(task, record):
                yield Step(record, is_new=False)
            elif problem := item.problem or self.output.taken(item.name, record):
                yield Step(self._failed(item.name, problem, record), is_new=True)
            else:
                waiting.append(task)
        for outcome in back_end.run(iter(waiting)):
            yield Step(self._kept(outcome), is_new=True)

    def _task(self, item: Item, former: Record | None) -> Task:
        common, own = self.common, item.changes
        if item.draws_seed:
            own = replace(own, seed=self._seed(item, former))
        elif self.draws_seeds and own.seed is None:
            common = replace(common, seed=self._seed(item, former))
        files = {**self._files, **item.files}
        return Task(item.name, (common, own), {role: str(file) for role, file in files.items()})

    def _seed(self, item: Item, former: Record | None) -> int:
        """Drawn once: a rerun takes what the manifest has."""
        if former is not None and former.drawn_seed is not None:
            self._drawn[item.name] = former.drawn_seed
        return self._drawn.setdefault(item.name, secrets.randbelow(_MOST_SEEDS))

    def _is_done(self, task: Task, record: Record) -> bool:
        if record.status != DONE or not self.output.has(record):
            return False
        try:
            sources = {
                role: Source.of(Path(file), record.sources.get(role))
                for role, file in task.files.items()
            }
        except OSError:  # whoever works on it will say what is wrong
            return False
        return self._identity(task, sources) == record.identity

    def _identity(self, task: Task, sources: Mapping[str, Source]) -> str:
        parts = [self._digest, settings(task.layers, sources)]
        if self.precision:
            parts.append(self.precision)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _kept(self, outcome: Outcome) -> Record:
        """Put the results in their places, then say so in the manifest."""
        task = outcome.task
        former = self.output.manifest.find(task.name)
        record = Record(
            task.name,
            FAILED,
            identity=self._identity(task, outcome.sources),
            workflow=self._digest,
            sources=outcome.sources,
            settings=settings(task.layers, outcome.sources),
            seed=outcome.seed,
            drawn_seed=self._drawn.get(task.name),
            results=former.results if former is not None else (),  # they are still there
            seconds=outcome.seconds,
            processor_seconds=outcome.processor_seconds,
            warnings=tuple(outcome.warnings),
            error=outcome.error,
            worker=outcome.worker,
            finished=_now(),
        )
        if not outcome.error:
            try:
                results = self.output.put(task.name, outcome.files, former)
                record = replace(record, status=DONE, results=results)
            except OSError as error:
                self.output.check_room(outcome.files)
                record = replace(record, error=str(in_words(error)))
        self.output.manifest.append(record)
        return record

    def _failed(self, item: str, problem: str, former: Record | None) -> Record:
        """A failure that needed no work; said once in the manifest."""
        if former is not None and (former.status, former.error) == (FAILED, problem):
            return former
        results = former.results if former is not None else ()
        record = Record(
            item, FAILED, workflow=self._digest, results=results, error=problem, finished=_now()
        )
        self.output.manifest.append(record)
        return record


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
