"""What can be wrong with a workflow, said so that a person finds the place on the canvas."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_LINES = 30  # of a message; WorkflowError.problems has all


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    message: str  # what was found, what was expected, what to do
    node: str = ""  # its id; "" when it is about the whole workflow
    place: str = ""  # the node as a person knows it
    input: str = ""  # its name; "" when it is about the whole node

    def __str__(self) -> str:
        name = f"input {shortened(self.input)!r}" if self.input else ""
        place = ", ".join(filter(None, (self.place, name)))
        return f"{place}: {self.message}" if place else self.message


class WorkflowError(ValueError):
    """A workflow that cannot run; `problems` lists everything that is wrong with it."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        lines = [str(problem) for problem in problems[:MOST_LINES]]
        if len(problems) > MOST_LINES:
            lines.append(f"and {len(problems) - MOST_LINES} more")
        if len(lines) > 1:
            lines.insert(0, f"{len(problems)} things are wrong with the workflow:")
        super().__init__("\n  ".join(lines))


class EditError(ValueError):
    """A change that does not fit the workflow; the message says what would."""


def lack_of_memory(error: Exception) -> str:
    """What NumPy's, PyTorch's and CUDA's errors about memory mean; "" for other errors."""
    text = str(error)
    reason = text.rpartition("DefaultCPUAllocator: ")[2] or "no further message"
    is_device = re.match(r"(CUDA|HIP|MPS backend) out of memory", text)
    is_cpu = isinstance(error, MemoryError) or "DefaultCPUAllocator: " in text
    if not (is_device or is_cpu):
        return ""
    return f"there is not enough memory ({reason}); close other programs, or make smaller images"


def describe(prompt: Mapping[str, Any], node: str) -> str:
    """A node by everything a person may know it by: node 3 "Sampler" (KSampler)."""
    return described(node, title_of(prompt[node]), prompt[node]["class_type"])


def described(node: str, title: str, kind: str) -> str:
    """The same of its id, title and class."""
    node, title, kind = (shortened(text) for text in (node, title, kind))
    return f'node {node} "{title}" ({kind})' if title and title != kind else f"node {node} ({kind})"


def shortened(text: str, length: int = 80) -> str:
    """A name as a message shows it: not all of one that no person gave."""
    return text if len(text) <= length else f"{text[:length]}…"


def title_of(entry: Mapping[str, Any]) -> str:
    """The title of a node in the API format; its class when it has none."""
    return (entry.get("_meta") or {}).get("title") or entry.get("class_type", "")
