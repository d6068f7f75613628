"""What goes to those who do the work, and what comes back; small, and sent between computers."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..disk.sentences import in_words
from ..workflows.changes import Changes, apply
from ..workflows.core_nodes.node_class import Nodes
from ..workflows.edits import Editor
from ..workflows.graph import Workflow, read_workflow
from .items import Source
from .results import Saved


@dataclass(frozen=True)
class Task:
    """An item, ready to be worked on."""

    name: str
    layers: tuple[Changes, ...]  # what changes in the workflow; later ones override
    files: Mapping[str, str]  # what it reads, by its role


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    task: Task
    sources: Mapping[str, Source] = field(default_factory=dict)
    files: Sequence[Saved] = ()
    seed: Any = None
    seconds: float = 0.0
    processor_seconds: float | None = None  # of the process that worked, where it worked alone
    warnings: Sequence[str] = ()
    error: str = ""  # why it failed
    worker: str = ""


class BackEnd(Protocol):
    """Those who do the work."""

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """One outcome for each task, in any order. A task that fails has an outcome, too.

        Tasks are taken when there is somebody to work on them. Raises NobodyWorks.
        """
        ...


@dataclass(frozen=True)
class WorkflowFile:
    """A workflow file as it was when the batch began; it is read again for each item."""

    name: str
    content: bytes

    @classmethod
    def of(cls, path: Path) -> "WorkflowFile":
        """Raises OSError."""
        return cls(path.name, path.read_bytes())

    def put(self, folder: Path) -> Path:
        """Write it where it can be read."""
        path = folder / f"workflow{Path(self.name).suffix}"
        path.write_bytes(self.content)
        return path


def edited(path: Path, task: Task, nodes: Nodes) -> Workflow:
    """The workflow as a task changes it. Raises EditError, WorkflowError, OSError.

    The seed and the item's name decide the choices of {this|or|that}, wherever it is done.
    """
    random.seed(f"{seed_of(task)} {task.name}")
    editor = Editor(read_workflow(path, nodes), nodes)
    apply(editor, *task.layers)
    return editor.workflow


def seed_of(task: Task) -> int | None:
    """The seed that a task sets, None where it is the workflow's own."""
    return next((one.seed for one in reversed(task.layers) if one.seed is not None), None)


def seeds_in(prompt: Mapping[str, Any]) -> Any:
    """The seed of a workflow as it runs; where its nodes have several, each by its node."""
    found = {
        node: entry["inputs"][name]
        for node, entry in prompt.items()
        for name in ("seed", "noise_seed")
        if isinstance(entry["inputs"].get(name), int)
    }
    return next(iter(found.values())) if len(set(found.values())) == 1 else found or None


def sources_of(task: Task) -> dict[str, Source]:
    """The files of a task as they are now. Raises OSError."""
    return {role: Source.of(Path(file)) for role, file in task.files.items()}


def check_unchanged(outcome: Outcome) -> None:
    """Raise ValueError where a file of its task is not what it was when the work began."""
    if sources_of(outcome.task) != outcome.sources:
        raise ValueError("a file that it is made of was changed meanwhile; run it again")


def sentence(error: Exception) -> str:
    """What went wrong, for a person."""
    said = in_words(error) if isinstance(error, OSError) else error
    return str(said) or type(error).__name__


NOTHING_SAVED = "the workflow saves nothing; it needs a Save Image or another such"
