"""What a run changes in a workflow file: the named options of the command line, and any input."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any

from .edits import Editor

FILES = ("image", "depth", "mask")  # the changes that name a file


@dataclass(frozen=True)
class Changes:
    """Values for a workflow; None is what stands in the file."""

    checkpoint: str | None = None
    image: str | None = None
    depth: str | None = None
    mask: str | None = None
    prompt: str | None = None
    negative: str | None = None
    seed: int | None = None
    steps: int | None = None
    assignments: tuple[str, ...] = ()  # NODE.INPUT=VALUE

    def overridden_by(self, other: "Changes") -> "Changes":
        """Both, the other's where they disagree."""
        assignments = self.assignments + other.assignments
        return replace(self, **{**other.given(), "assignments": assignments})

    def given(self) -> Mapping[str, Any]:
        """The changes there are, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, ())}

    def connect(self, editor: Editor) -> None:
        """Change what is read; new nodes may come."""
        if self.checkpoint is not None:
            editor.everywhere(["ckpt_name"], self.checkpoint)
        for file, change in (
            (self.image, editor.image),
            (self.depth, editor.depth),
            (self.mask, editor.mask),
        ):
            if file is not None:
                change(file)

    def fill(self, editor: Editor) -> None:
        """Change values, the assignments last."""
        for side, text in (("positive", self.prompt), ("negative", self.negative)):
            if text is not None:
                editor.text(side, text)
        for names, value in ((["seed", "noise_seed"], self.seed), (["steps"], self.steps)):
            if value is not None:
                editor.everywhere(names, value)
        for assignment in self.assignments:
            editor.assign(assignment)


def apply(editor: Editor, *layers: Changes) -> None:
    """Change a workflow; later layers override. Raises EditError.

    Files of all layers come first, so that an assignment finds the nodes that they bring.
    """
    reduce(Changes.overridden_by, layers, Changes()).connect(editor)
    for layer in layers:
        layer.fill(editor)
