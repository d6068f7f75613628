"""Work on the embedded engine, in this process."""

import os
import platform
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from ..engine import folders
from ..host.warning_texts import collected
from ..workflows.checks import check
from ..workflows.graph import Results, Runner, Workflow
from ..workflows.problems import WorkflowError, describe
from .results import Saved
from .tasks import (
    NOTHING_SAVED,
    Outcome,
    Task,
    WorkflowFile,
    check_unchanged,
    edited,
    seeds_in,
    sentence,
    sources_of,
)


class Engine:
    """Runs tasks one after the other. What does not change between them is computed once."""

    def __init__(
        self,
        workflow: WorkflowFile,
        places: folders.Folders,
        scratch: Path,
        cores: int | None = None,
    ) -> None:
        """Models and inputs are looked for in `places`; `scratch` is the engine's alone.

        With another number of cores sums are rounded otherwise; None is what PyTorch takes.
        """
        if cores:
            torch.set_num_threads(cores)
        self._places = folders.Folders(places.input, scratch / "results", places.checkpoints)
        scratch.mkdir(parents=True, exist_ok=True)
        self._workflow = workflow.put(scratch)
        self._runner = Runner()

    def check(self, task: Task) -> None:
        """Raise EditError or WorkflowError where the workflow could not even begin."""
        folders.use(self._places)
        workflow = edited(self._workflow, task, self._runner.nodes)
        if problems := check(workflow.prompt, self._runner.nodes, workflow.problems):
            raise WorkflowError(*problems)

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """One after the other."""
        return map(self.work, tasks)

    def work(self, task: Task) -> Outcome:
        """Run the workflow as a task changes it; whatever goes wrong is the outcome's error."""
        folders.use(self._places)
        start, processor = time.perf_counter(), time.process_time()
        outcome = Outcome(task)
        try:
            outcome = replace(outcome, sources=sources_of(task))
            outcome = self._finished(outcome)
        except Exception as error:  # nodes raise whatever they like
            outcome = replace(outcome, error=sentence(error))
        finally:
            self._tidy_up()
        return replace(
            outcome,
            seconds=round(time.perf_counter() - start, 4),
            processor_seconds=round(time.process_time() - processor, 4),
            worker=f"{platform.node()}:{os.getpid()}",
        )

    def _finished(self, begun: Outcome) -> Outcome:
        with collected() as heard:
            workflow = edited(self._workflow, begun.task, self._runner.nodes)
            results = self._runner.run(workflow)
        check_unchanged(begun)
        return replace(
            begun,
            files=self._saved(results),
            seed=seeds_in(workflow.prompt),
            warnings=_warnings(results, workflow, heard.texts),
        )

    def _saved(self, results: Results) -> list[Saved]:
        """What was saved, previews left out."""
        temp = self._places.temp
        files = [file for file in dict.fromkeys(results.files) if temp not in file.parents]
        if not files:
            raise ValueError(NOTHING_SAVED)
        return [Saved(file.name, file.read_bytes()) for file in files]

    def _tidy_up(self) -> None:
        """What was saved is handed on, and the next task saves its own."""
        self._runner.forget_outputs()
        shutil.rmtree(self._places.output, ignore_errors=True)


def _warnings(results: Results, workflow: Workflow, heard: list[str]) -> list[str]:
    """Those on nodes, also on those that an earlier task has run, then the others."""
    on_nodes = {node: shown.get("warnings", ()) for node, shown in results.ui.items()}
    known = {text for texts in on_nodes.values() for text in texts}
    return [
        *(
            f"{describe(workflow.prompt, node)}: {text}"
            for node, texts in on_nodes.items()
            for text in texts
        ),
        *(text for text in heard if text not in known),
    ]
