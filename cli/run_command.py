"""The command `depth2img run`, and what other commands share of it: options and folders."""

import argparse
import logging
import random
import secrets
import sys
from pathlib import Path

from ..batches.words import RANDOM
from ..disk.sentences import in_words
from ..engine import execution, folders
from ..workflows.changes import Changes, apply
from ..workflows.edits import Editor
from ..workflows.graph import Results, Runner, read_workflow
from .console import printable
from .files import as_in_a_shell, picture


def run(options: argparse.Namespace) -> None:
    """Run a workflow once; prints the texts it shows and the files it saves."""
    if options.seed == RANDOM:
        options.seed = secrets.randbelow(2**50)  # as large as the canvas makes them
        print(f"seed {options.seed}", file=sys.stderr)
    editor, runner = prepared(options.workflow, options)
    _show(runner.run(editor.workflow))


def prepared(path: Path, options: argparse.Namespace) -> tuple[Editor, Runner]:
    """A workflow with the options' changes, and what runs it in the options' folders."""
    if options.seed is not None:
        random.seed(options.seed)  # for the choices of {this|or|that}
    folders.use(_folders(options))
    use_execution(options)
    runner = Runner(report=lambda line: print(printable(line), file=sys.stderr))
    editor = Editor(read_workflow(path), runner.nodes)
    apply(editor, changes(options))
    return editor, runner


def use_execution(options: argparse.Namespace) -> None:
    """Have networks run as the options say; what `auto` chooses is told."""
    precision = options.precision and execution.Precision(options.precision)
    logging.getLogger(execution.__name__).setLevel(logging.INFO)
    execution.use(execution.Execution(precision, options.compile))


def changes(options: argparse.Namespace) -> Changes:
    """What the options change in a workflow. Files are looked for in the folders in use."""
    inputs = folders.current().input
    checkpoint = options.checkpoint
    if checkpoint is not None:
        checkpoint = as_in_a_shell(checkpoint, folders.current().checkpoints)
    image, depth, mask = (
        None if file is None else picture(file, inputs)
        for file in (options.image, options.depth, options.mask)
    )
    return Changes(
        checkpoint,
        image,
        depth,
        mask,
        options.prompt,
        options.negative,
        options.seed,
        options.steps,
        tuple(options.set),
    )


def _folders(options: argparse.Namespace) -> folders.Folders:
    below = base_folders(options)
    if options.input is not None:
        check_folder(options.input)
    output = options.output or below.output
    try:  # before the run, whose results would be lost
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"the output folder cannot be made: {in_words(error, output)}") from error
    return folders.Folders(options.input or below.input, output, below.checkpoints)


def base_folders(options: argparse.Namespace) -> folders.Folders:
    """Those below --base. Raises FileNotFoundError where that is none."""
    check_folder(options.base)
    return folders.Folders.below(options.base)


def check_folder(folder: Path) -> None:
    """Raise FileNotFoundError where there is none."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {folder}; make it, or give the path of another one"
        )


def _show(results: Results) -> None:
    for shown in results.ui.values():
        for text in shown.get("text", ()):
            print(printable(text))
    for file in results.files:  # one a line, whatever a workflow's prefix has in it
        print(printable(str(file)).replace("\n", "\\n"))
