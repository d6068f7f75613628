"""The command `depth2img batch`: one workflow, many pictures."""

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..batches.batch import Batch
from ..batches.manifest import DONE
from ..batches.problems import UnusableInput
from ..batches.results import OutputFolder
from ..batches.sources import read_items
from ..batches.tasks import BackEnd, Task, WorkflowFile
from ..batches.words import RANDOM
from ..engine import folders
from ..images.counts import counted
from ..workflows.changes import FILES, Changes
from ..workflows.graph import read_workflow
from .console import printable
from .progress import Progress
from .run_command import base_folders, changes, use_execution

_MOST_LINES = 20  # of failures, and of warnings


def batch(options: argparse.Namespace) -> bool:
    """Run a workflow on all items that are not done; whether all of them are done now."""
    _check(options)
    folders.use(base_folders(options))
    use_execution(options)
    depths, masks = _taken_folder(options, "depth"), _taken_folder(options, "mask")
    items = read_items(options.input, depths, masks)
    for note in items.notes:
        _say(note)
    workflow = _workflow(options)
    draws = options.seed == RANDOM
    if draws:
        options.seed = None
    common = _with_whole_paths(changes(options))
    with _errors_alone(), OutputFolder.opened(options.output) as output:
        work = Batch(items, workflow, common, output, draws, options.precision)
        return _run(work, _back_end(options, workflow, output, work.first()))


@contextmanager
def _errors_alone() -> Iterator[None]:
    """Log no warnings: what items are warned of goes into the manifest."""
    levels = [(handler, handler.level) for handler in logging.root.handlers]
    for handler, _ in levels:
        handler.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for handler, level in levels:
            handler.setLevel(level)


def _run(work: Batch, back_end: BackEnd) -> bool:
    progress = Progress(len(work.items))
    failures: list[str] = []
    warnings: Counter[str] = Counter()
    try:
        for record, is_new in work.run(back_end):
            failed = record.status != DONE
            if is_new:
                progress.step(failed)
            else:
                progress.skip()
            if failed:
                failures.append(f"{record.item}: {record.error}")
            warnings.update(record.warnings)
    finally:
        progress.end()
        _say_lines("warning", [_times(*one) for one in warnings.items()])
        _say_lines("failed", failures)
        done, left = progress.finished - len(failures), progress.total - progress.finished
        _say(
            f"{done} of {counted(progress.total, 'item')} done, {len(failures)} failed"
            + (f", {left} left: run it again to go on" if left else "")
        )
        print(printable(str(work.output.manifest.path)))
    return not failures


# --- before the run ------------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> None:
    if options.ray is not None and options.comfyui is not None:
        raise UnusableInput("--ray and --comfyui are two ways to do the work; choose one")
    if options.workers is not None and options.ray is None:
        raise UnusableInput("--workers is for --ray; leave it out")
    if options.cores_per_worker is not None and options.comfyui is not None:
        raise UnusableInput("--cores-per-worker is not for --comfyui; leave it out")
    if (options.precision or options.compile) and options.comfyui is not None:
        raise UnusableInput(
            "--precision and --compile are not for --comfyui, whose servers decide; leave them out"
        )
    if options.input.is_dir() and options.output.resolve().is_relative_to(options.input.resolve()):
        raise UnusableInput(
            f"the output folder {options.output} is the input folder or in it, and results would "
            "become sources; name another one"
        )


def _taken_folder(options: argparse.Namespace, role: str) -> Path | None:
    """A folder given as --depth or --mask: it has a file for each picture, by its name."""
    given = getattr(options, role)
    if given is None or not Path(given).is_dir():
        return None
    setattr(options, role, None)
    return Path(given)


def _workflow(options: argparse.Namespace) -> WorkflowFile:
    if not options.workflow.is_file():
        read_workflow(options.workflow)  # says what is wrong
    return WorkflowFile.of(options.workflow)


def _with_whole_paths(common: Changes) -> Changes:
    """Files as every worker finds them."""
    files = {role: getattr(common, role) for role in FILES}
    found: dict[str, Any] = {
        role: str(folders.input_path(file).absolute()) for role, file in files.items() if file
    }
    return replace(common, **found)


def _back_end(
    options: argparse.Namespace, workflow: WorkflowFile, output: OutputFolder, first: Task | None
) -> BackEnd:
    """Who does the work. Raises EditError or WorkflowError where the workflow does not fit."""
    if options.comfyui is not None:
        from ..batches.servers import Servers

        return Servers(options.comfyui, workflow, output.scratch, first)
    from ..batches.engine import Engine

    engine = Engine(workflow, _whole_folders(), output.scratch, options.cores_per_worker)
    if first is not None:
        engine.check(first)
    if options.ray is None:
        return engine
    from ..batches.on_ray import Ray

    return Ray(workflow, _whole_folders(), options.ray, options.workers, options.cores_per_worker)


def _whole_folders() -> folders.Folders:
    used = folders.current()
    places = (used.input, used.output, used.checkpoints)
    return folders.Folders(*(path.absolute() for path in places))


# --- what is said --------------------------------------------------------------------------------


def _say_lines(kind: str, lines: list[str]) -> None:
    for line in lines[:_MOST_LINES]:
        _say(f"{kind}: {line}")
    if len(lines) > _MOST_LINES:
        _say(f"and {len(lines) - _MOST_LINES} more, in the manifest")


def _times(text: str, number: int) -> str:
    return text if number == 1 else f"{text} ({number} items)"


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)
