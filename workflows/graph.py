"""Read, check and run a workflow file, in the canvas format or in the API format.

    runner = Runner()
    results = runner.run(read_workflow("Depth to Image.json"))
    results.files  # what was saved

A `Runner` keeps what the nodes gave. When a workflow is run again, only nodes whose inputs, or
whose files on disk, have changed since run again, as in ComfyUI. Seeds are used as they stand in
the file: `control_after_generate` is about the run after this one.
"""

import hashlib
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..disk.sentences import in_words
from ..engine import folders
from ..host.old_names import with_current_names
from ..host.warning_texts import collected
from ..images.files import UnreadableImage, read_text
from ..nodes import NODE_CLASS_MAPPINGS
from .canvas import is_canvas, to_prompt
from .checks import check, is_link, needed, output_nodes, unwrapped
from .core_nodes import CORE_NODES
from .core_nodes.node_class import NodeClass, Nodes
from .damage import damage, is_shaped, prompt_damage
from .documents import parse_json, read_json
from .kept import Done, recent
from .problems import Problem, WorkflowError, describe, lack_of_memory
from .texts import constant_texts, fill_in, wired_texts
from .widgets import Json, declared_inputs

log = logging.getLogger(__name__)


class NodeError(RuntimeError):
    """A node failed while it ran; the cause is the node's own exception."""


@dataclass(eq=False)
class Workflow:
    """A workflow, ready to be checked and run."""

    prompt: Json  # the API format: {node id: {"class_type", "inputs", "_meta"}}
    canvas: Json | None = None  # that it was drawn on; saved images carry it along
    problems: list[Problem] = field(default_factory=list)  # what is wrong with the canvas


@dataclass(frozen=True)
class Results:
    """What a run gave, by node id."""

    outputs: dict[str, list[list[Any]]]  # of each output a list; one value, unless it gives lists
    ui: dict[str, Json]  # what nodes show: "images", "latents", "text" or "warnings"
    executed: list[str]  # the nodes that ran, in order; the others' results were known

    @property
    def files(self) -> list[Path]:
        """The files that output nodes saved, previews included."""
        places = {"output": folders.current().output, "temp": folders.current().temp}
        entries = (one for shown in self.ui.values() for ones in shown.values() for one in ones)
        return [
            places[entry["type"]] / entry["subfolder"] / entry["filename"]
            for entry in entries
            if isinstance(entry, dict) and "filename" in entry
        ]


def all_nodes() -> Nodes:
    """Every node the engine has: ComfyUI's that it knows, and this pack's."""
    return {**CORE_NODES, **NODE_CLASS_MAPPINGS}


# --- reading -------------------------------------------------------------------------------------


def read_workflow(path: Path | str) -> Workflow:
    """Read a workflow from a JSON file, or from a PNG that ComfyUI or this engine saved.

    Raises FileNotFoundError, and WorkflowError when the file holds no workflow.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no workflow {path}; give the path of a .json or .png")
    if path.suffix.lower() == ".png":
        return _from_image(path)
    document = read_json(path)
    with _named(path):
        return parse_workflow(document)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file where a problem is at no node."""
    try:
        yield
    except WorkflowError as error:
        problems = (replace(one, place=one.place or str(path)) for one in error.problems)
        raise WorkflowError(*problems) from error


def parse_workflow(data: Any, has_run: bool = False) -> Workflow:
    """A workflow from a JSON document in either format. Raises WorkflowError.

    In the API format, too, texts are filled in as the canvas does it; not in one that `has_run`,
    whose texts are already what was meant.
    """
    nodes = all_nodes()
    if is_canvas(data):
        if found := damage(data):
            raise WorkflowError(*found)
        prompt, problems = to_prompt(data, nodes)
        prompt = with_current_names(prompt)
        fill_in(prompt, wired_texts(prompt, nodes))
        return Workflow(prompt, data, problems)
    if isinstance(data, dict) and any(
        is_shaped(entry, class_type=str, inputs=dict) for entry in data.values()
    ):
        if found := prompt_damage(data):
            raise WorkflowError(*found)
        data = with_current_names(data)
        if not has_run:
            fill_in(data, [*constant_texts(data, nodes), *wired_texts(data, nodes)])
        return Workflow(data)
    raise WorkflowError(
        Problem(
            "this is no workflow: expected the canvas format (with nodes and links) or the API "
            "format (node id: class_type and inputs); save or export it in ComfyUI"
        )
    )


def _from_image(path: Path) -> Workflow:
    """Its "prompt" is what ran, its "workflow" the canvas; other programs' images have neither."""
    try:
        texts = read_text(path)
    except UnreadableImage as error:
        raise WorkflowError(Problem(f"{error}; expected a PNG saved by ComfyUI")) from error
    entries = {key: parse_json(texts[key], path) for key in ("prompt", "workflow") if key in texts}
    if not entries:
        raise WorkflowError(Problem(f"{path} carries no workflow; expected a PNG saved by ComfyUI"))
    canvas = entries.get("workflow")
    with _named(path):
        if "prompt" not in entries:
            return parse_workflow(canvas)
        workflow = parse_workflow(entries["prompt"], has_run=True)
    if canvas is None:
        return workflow
    if is_canvas(canvas) and not damage(canvas):
        workflow.canvas = canvas
    else:
        log.warning("%s carries a damaged canvas; what ran is taken without it", path)
    return workflow


# --- running -------------------------------------------------------------------------------------


class Runner:
    """Runs workflows; keeps results and node objects from one run to the next.

    `nodes` are all that the engine has by default; `report` gets a line of text before each runs.
    `memory` is for results of runs before the last one, in bytes: prompts, depth maps, latents and
    images that several items of a batch share are computed once. Several threads may call `run`;
    one node runs at a time, beside another thread's sampling (`pipeline.run_all`).
    """

    def __init__(
        self,
        nodes: Nodes | None = None,
        report: Callable[[str], None] = log.info,
        memory: int = 0,
    ) -> None:
        self.nodes = all_nodes() if nodes is None else nodes
        self.report = report
        self.turn = threading.Lock()  # held while a node runs
        self._memory = memory
        self._done: dict[str, Done] = {}  # by signature, the last used ones at the end
        self._objects: dict[tuple[str, str], Any] = {}  # by node id and class
        self._running: list[_Run] = []

    def run(self, workflow: Workflow) -> Results:
        """Run what the output nodes need.

        Raises WorkflowError before anything runs when something is wrong, NodeError when a node
        fails, KeyboardInterrupt on Ctrl-C; finished nodes' results are kept in any case.
        """
        if problems := check(workflow.prompt, self.nodes, workflow.problems):
            raise WorkflowError(*problems)
        run = _Run(workflow, self.nodes)
        with self.turn, torch.inference_mode():
            self._running.append(run)
            try:
                self._forget()
                return self._results(run, self._executed(run))
            finally:
                self._running.remove(run)

    def _executed(self, run: "_Run") -> list[str]:
        """Run what is not known; the nodes that ran. Meanwhile other threads have their turns."""
        executed = []
        todo = run.unknown(self._done)
        for number, node in enumerate(todo, start=1):
            sign = run.signatures[node]
            if sign not in self._done:  # by another thread, meanwhile
                self.report(f"[{number}/{len(todo)}] {describe(run.prompt, node)}")
                self._done[sign] = self._execute(run, node)
                executed.append(node)
            self._yield_turn()
        return executed

    def _yield_turn(self) -> None:
        if len(self._running) > 1:
            self.turn.release()
            time.sleep(0)
            self.turn.acquire()

    def _forget(self) -> None:
        """All results but those that a run in progress may need, and recent ones in `memory`."""
        known = set().union(*(run.known for run in self._running))
        used = {sign: one for sign, one in self._done.items() if sign in known}
        self._done = {**recent(self._done, known, self._memory), **used}

    def _results(self, run: "_Run", executed: list[str]) -> Results:
        # A result that nothing needed any more is not there: what it fed was known.
        signs = run.signatures.items()
        done = {node: self._done[sign] for node, sign in signs if sign in self._done}
        showing = [node for node, one in done.items() if one.ui]
        outputs = output_nodes(run.prompt, self.nodes)
        return Results(
            outputs={node: one.outputs for node, one in done.items()},
            ui={node: done[node].ui for node in (*outputs, *showing)},
            executed=executed,
        )

    def _execute(self, run: "_Run", node: str) -> Done:
        kind = run.kind(node)
        key = (node, kind.__name__)
        if key not in self._objects:
            self._objects[key] = kind()
        inputs = run.inputs(node, self._done)
        try:
            with collected() as warnings:
                done = _call(self._objects[key], kind, inputs)
            # ComfyUI's nodes, and all values of a list together.
            shown = {"warnings": warnings.texts} if warnings.texts else {}
            others = {key: more for key, more in done.ui.items() if key != "warnings"}
            saves = getattr(kind, "OUTPUT_NODE", False)
            return replace(done, ui={**others, **shown}, saves=saves)
        except Exception as error:
            said = in_words(error) if isinstance(error, OSError) else error
            reason = lack_of_memory(error) or str(said) or type(error).__name__
            raise NodeError(f"{describe(run.prompt, node)} failed: {reason}") from error


class _Run:
    """One run's view of a workflow: which nodes it takes, and what identifies their results."""

    def __init__(self, workflow: Workflow, nodes: Nodes) -> None:
        self.workflow, self.nodes = workflow, nodes
        self.prompt = workflow.prompt
        self.signatures: dict[str, str] = {}
        for node in needed(self.prompt, nodes):  # sources first
            self.signatures[node] = self._signature(node)
        self.known = set(self.signatures.values())

    def kind(self, node: str) -> type[NodeClass]:
        return self.nodes[self.prompt[node]["class_type"]]

    def unknown(self, done: Mapping[str, Done]) -> list[str]:
        """The nodes that have to run, in order: not done, and needed by one that has to run."""
        wanted: set[str] = set()
        for node in reversed(self.signatures):
            output = getattr(self.kind(node), "OUTPUT_NODE", False)
            if self.signatures[node] not in done and (output or node in wanted):
                wanted.add(node)
                wanted.update(source for source, _ in self._links(node).values())
        todo = [n for n in self.signatures if n in wanted and self.signatures[n] not in done]
        first = {self.signatures[node]: node for node in reversed(todo)}
        return [node for node in todo if first[self.signatures[node]] == node]

    def inputs(self, node: str, done: Mapping[str, Done]) -> dict[str, list[Any]]:
        """Every input as a list of values, hidden ones included."""
        links = self._links(node)
        values = {
            name: done[self.signatures[links[name][0]]].outputs[links[name][1]]
            if name in links
            else [unwrapped(self.prompt[node]["inputs"][name])]
            for name in self._declared(node)
        }
        return values | {name: [value] for name, value in self._hidden(node).items()}

    def _links(self, node: str) -> dict[str, tuple[str, int]]:
        inputs = self.prompt[node]["inputs"]
        return {n: (str(v[0]), v[1]) for n, v in inputs.items() if is_link(v)}

    def _declared(self, node: str) -> list[str]:
        names = declared_inputs(self.kind(node))
        return [name for name in self.prompt[node]["inputs"] if name in names]

    def _hidden(self, node: str) -> Json:
        drawn = self.workflow.canvas
        values = {
            "PROMPT": self.prompt,
            "EXTRA_PNGINFO": None if drawn is None else {"workflow": drawn},
            "UNIQUE_ID": node,
        }
        hidden = self.kind(node).INPUT_TYPES().get("hidden", {})
        return {name: values[kind] for name, kind in hidden.items() if kind in values}

    def _signature(self, node: str) -> str:
        """The same for two nodes, or two runs, that must give the same result."""
        kind, links = self.kind(node), self._links(node)
        inputs = {
            name: [self.signatures[links[name][0]], links[name][1]]
            if name in links
            else {"value": self.prompt[node]["inputs"][name]}
            for name in sorted(self._declared(node))
        }
        its_own = getattr(kind, "NOT_IDEMPOTENT", False) or (
            "UNIQUE_ID" in kind.INPUT_TYPES().get("hidden", {}).values()
        )
        parts = [kind.__name__, self._changed(node), node if its_own else "", inputs]
        return hashlib.sha256(json.dumps(parts, default=repr).encode()).hexdigest()

    def _changed(self, node: str) -> Any:
        """What the node's IS_CHANGED says; it sees constants only, None for what is linked."""
        is_changed = getattr(self.kind(node), "IS_CHANGED", None)
        if is_changed is None:
            return None
        links = self._links(node)
        inputs = {
            name: None if name in links else unwrapped(self.prompt[node]["inputs"][name])
            for name in self._declared(node)
        }
        try:
            answer = is_changed(**inputs, **self._hidden(node))
        except Exception as error:
            log.info("%s runs anew: IS_CHANGED failed: %s", describe(self.prompt, node), error)
            answer = float("nan")
        # NaN is a node's way to say "always"; it must never equal the last run's.
        return f"run {next(_NUMBERS)}" if answer != answer else answer


_NUMBERS = itertools.count()


def _call(instance: Any, kind: type[NodeClass], inputs: dict[str, list[Any]]) -> Done:
    """Call a node once, or once for each value when an input is a list of values."""
    function = getattr(instance, kind.FUNCTION)
    if getattr(kind, "INPUT_IS_LIST", False):
        answers = [function(**inputs)]
    else:
        count = max(map(len, inputs.values()), default=1)
        answers = [
            function(**{name: values[min(i, len(values) - 1)] for name, values in inputs.items()})
            for i in range(count)
        ]
    return _merged(answers, kind)


def _merged(answers: list[Any], kind: type[NodeClass]) -> Done:
    shown: dict[str, list[Any]] = {}
    results = []
    for answer in answers:
        if isinstance(answer, dict):
            for key, entries in answer.get("ui", {}).items():
                shown.setdefault(key, []).extend(entries)
            answer = answer.get("result", ())
        results.append(answer or ())
    lists: Sequence[bool] = getattr(kind, "OUTPUT_IS_LIST", (False,) * len(kind.RETURN_TYPES))
    outputs = [
        [value for result in results for value in (result[slot] if lists[slot] else [result[slot]])]
        for slot in range(min(len(result) for result in results))
    ]
    return Done(outputs, shown)
