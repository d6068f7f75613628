"""Checks of a workflow in the API format before anything runs: all that is wrong, at once.

The rules are ComfyUI's (`execution.py`, validate_prompt), with these differences: nothing is
converted in silence (20.7 is no INT), and one bad output node refuses the whole workflow, where
ComfyUI would run the others. Only unknown nodes are left out when known ones do not need them.
"""

import difflib
import inspect
import logging
import math
import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..images.counts import counted
from ..nodes.inputs import out_of_range
from .core_nodes.node_class import Nodes
from .problems import MOST_LINES, Problem, describe
from .widgets import Json, Widget, declared_inputs

log = logging.getLogger(__name__)

MAX_TEXT = 100_000  # characters of an input; a novel's chapter, some 300 chunks of tokens
_MOST_CYCLES = 10
_LONGEST_NUMBER = 400  # characters; the largest float has 309 digits
_CONSTANTS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "*"}  # types that a value may have


def output_nodes(prompt: Json, nodes: Nodes) -> list[str]:
    """The nodes that save or show something: what a run is for."""
    return [
        node
        for node, entry in prompt.items()
        if getattr(nodes.get(entry["class_type"]), "OUTPUT_NODE", False)
    ]


def is_link(value: Any) -> bool:
    """Whether an input's value is [node id, output]; lists are nothing else in the API format."""
    return isinstance(value, list)


def unwrapped(value: Any) -> Any:
    """A constant as a node takes it: lists come as {"__value__": [...]}."""
    return value["__value__"] if isinstance(value, dict) and "__value__" in value else value


def needed(prompt: Json, nodes: Nodes) -> list[str]:
    """The nodes that the output nodes depend on, sources before what they feed.

    A cycle is cut where it closes; `check` reports it.
    """
    return _walk(prompt, nodes)[0]


def _walk(prompt: Json, nodes: Nodes) -> tuple[list[str], list[list[str]]]:
    """The needed nodes in order, and a way round for each of the first cycles among them."""
    order: dict[str, None] = {}
    cycles: list[list[str]] = []
    for output in output_nodes(prompt, nodes):
        way = {} if output in order else {output: _sources(prompt, output)}
        while way:
            node, sources = next(reversed(way.items()))
            source = next(sources, None)
            if source is None:
                order[node] = None
                del way[node]
            elif source in way:
                if len(cycles) < _MOST_CYCLES:
                    names = list(way)
                    cycles.append([*names[names.index(source) :], source])
            elif source in prompt and source not in order:
                way[source] = _sources(prompt, source)
    return list(order), cycles


def _sources(prompt: Json, node: str) -> Iterator[str]:
    """The nodes that feed a node, in or missing from the workflow."""
    return (str(value[0]) for value in prompt[node]["inputs"].values() if is_link(value) and value)


def check(prompt: Json, nodes: Nodes, known: Iterable[Problem] = ()) -> list[Problem]:
    """Everything that is wrong with a workflow; constants are brought to their type in place.

    The inputs of problems `known` before are not reported a second time.
    """
    reported = {(problem.node, problem.input) for problem in known}
    order, cycles = _walk(prompt, nodes)
    unknown = {node for node, entry in prompt.items() if entry["class_type"] not in nodes}
    # Another pack's display at the end of a line stops no run that is for something else, too.
    left_out = [node for node in prompt if node in unknown - set(order)] if order else []
    for node in left_out[:MOST_LINES]:
        log.warning(
            "%s is left out: the embedded engine has no such node. What it may show or save is not "
            "made; the other results do not need it",
            describe(prompt, node),
        )
    if len(left_out) > MOST_LINES:
        log.warning("also left out: %s", counted(len(left_out) - MOST_LINES, "more unknown node"))
    refused = [node for node in prompt if node in unknown.difference(left_out)]
    found = [_unknown_class(prompt, one, nodes, at < MOST_LINES) for at, one in enumerate(refused)]
    for node in order:
        if node not in unknown:
            found += _NodeCheck(prompt, node, nodes).run()
    problems = [*known, *(one for one in found if (one.node, one.input) not in reported)]
    if not output_nodes(prompt, nodes):
        problems.append(Problem("no node saves or shows anything; add Save Image or Preview Image"))
    for cycle in cycles:
        names = [describe(prompt, node) for node in (*cycle[:10], *cycle[10:][-10:])]
        if len(cycle) > len(names):
            names.insert(10, "…")
        named = " <- ".join(names)
        problems.append(Problem(f"the links go round in a circle: {named}"))
    return problems


def _unknown_class(prompt: Json, node: str, nodes: Nodes, with_alike: bool) -> Problem:
    name = prompt[node]["class_type"]
    alike = difflib.get_close_matches(name, nodes) if with_alike and len(name) < 100 else []
    has = f" (it has {', '.join(alike)})" if alike else ""
    return Problem(
        f"the embedded engine has no such node{has}; mute or remove it, or run the workflow in "
        "ComfyUI",
        node,
        describe(prompt, node),
    )


class _NodeCheck:
    """The checks of one node."""

    def __init__(self, prompt: Json, node: str, nodes: Nodes) -> None:
        self.prompt, self.node, self.nodes = prompt, node, nodes
        self.place = describe(prompt, node)
        self.inputs: Json = prompt[node]["inputs"]
        self.kind = nodes[prompt[node]["class_type"]]
        self.problems: list[Problem] = []
        self.received: dict[str, Any] = {}  # types that come in by link
        self.validate = getattr(self.kind, "VALIDATE_INPUTS", None)
        self.parameters: Mapping[str, inspect.Parameter] = (
            inspect.signature(self.validate).parameters if self.validate else {}
        )

    def run(self) -> list[Problem]:
        declared = self.kind.INPUT_TYPES()
        required = declared.get("required", {})
        takes = declared_inputs(self.kind)
        for name, (kind, options) in takes.items():
            if name in self.inputs:
                self._check_input(name, kind, options)
            elif name in required:
                self._report(name, f"is missing; connect or give it {_shown(kind)}")
        known = {*takes, *declared.get("hidden", {}), "upload"}
        for name in sorted(self.inputs.keys() - known):
            log.warning("%s has no input %r; its value is ignored", self.place, name)
        if not self.problems:
            self._ask_the_node()
        return self.problems

    def _report(self, name: str, message: str) -> None:
        self.problems.append(Problem(message, self.node, self.place, name))

    def _check_input(self, name: str, kind: Any, options: Json) -> None:
        value = self.inputs[name]
        if is_link(value):
            self._check_link(name, kind, value)
            return
        try:
            constant = _converted(kind, options, unwrapped(value))
        except ValueError as error:
            self._report(name, str(error))
            return
        if not isinstance(constant, list):
            self.inputs[name] = constant
        if name not in self._judged_by_the_node():
            self._check_value(Widget(name, kind, options), constant)
        elif isinstance(kind, list) and not isinstance(constant, str):
            self._report(name, f"expected a name, found {_found(constant)}")

    def _check_link(self, name: str, kind: Any, link: list[Any]) -> None:
        if len(link) != 2 or not isinstance(link[1], int) or isinstance(link[1], bool):
            self._report(
                name, f"{_found(link)} is no link; expected [node id, number of its output]"
            )
            return
        source, slot = str(link[0]), link[1]
        if source not in self.prompt:
            self._report(
                name, f"is linked to node {_found(source)[1:-1]}, which is not in the workflow"
            )
            return
        source_kind = self.nodes.get(self.prompt[source]["class_type"])
        if source_kind is None:
            return  # reported as an unknown class
        place, outputs = describe(self.prompt, source), source_kind.RETURN_TYPES
        if not 0 <= slot < len(outputs):
            has = f"{len(outputs)} ({', '.join(map(str, outputs))})" if outputs else "none"
            self._report(name, f"is linked to output {slot} of {place}, which has {has}")
            return
        self.received[name] = outputs[slot]
        if "input_types" not in self.parameters and not _fits(outputs[slot], kind):
            self._report(
                name, f"expected {_shown(kind)}, but {place} gives {_shown(outputs[slot])}"
            )

    def _check_value(self, widget: Widget, value: Any) -> None:
        options = widget.options
        if widget.type in ("INT", "FLOAT"):
            reason = out_of_range(value, options)
            if reason:
                self._report(widget.name, reason)
        elif isinstance(widget.type, (list, tuple)) or "options" in options:
            chosen = value if options.get("multiselect") and isinstance(value, list) else [value]
            for one in chosen:
                if one not in widget.choices and not _is_file(one):
                    choices = _choices(widget.choices)
                    self._report(widget.name, f"{_found(one)} is not a choice; {choices}")

    def _judged_by_the_node(self) -> set[str]:
        """The inputs whose values VALIDATE_INPUTS judges, instead of the checks here."""
        kinds = {one.kind for one in self.parameters.values()}
        takes_all = inspect.Parameter.VAR_KEYWORD in kinds
        return set(self.inputs if takes_all else self.parameters)

    def _ask_the_node(self) -> None:
        judged = self._judged_by_the_node()
        given = {n: unwrapped(value) for n, value in self.inputs.items() if n in judged}
        if any(is_link(self.inputs[name]) for name in given):
            return  # its value is not known yet; the node will see it when it runs
        if "input_types" in self.parameters:
            given["input_types"] = self.received
        if self.validate is None or not given:
            return
        answer = self.validate(**given)
        if answer is not True:
            reason = answer if isinstance(answer, str) else "the node refuses its values"
            only_one = next(iter(given)) if len(given) == 1 else ""
            self._report(only_one, reason)


# --- values --------------------------------------------------------------------------------------


def _converted(kind: Any, options: Json, value: Any) -> Any:
    """A constant in the type that its input takes; ValueError when it is of another one."""
    conversions = {"INT": _whole, "FLOAT": _number, "STRING": _text, "BOOLEAN": _truth}
    if not isinstance(kind, str) or kind == "COMBO":
        return _chosen(options, value)
    if kind in conversions:
        return conversions[kind](value)
    if not _CONSTANTS & {name.strip() for name in kind.split(",")}:
        raise ValueError(f"expected a link to {kind}, found {_found(value)}")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and "_" not in value:
        with suppress(ValueError):  # a text that is no number
            return int(value)  # not by way of a float, which is too coarse for a seed
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"expected a whole number, found {_found(value)}")


def _number(value: Any) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):  # a text that is no number, too large a one
            if math.isfinite(number := float(value)):
                return number
    raise ValueError(f"expected a number, found {_found(value)}")


def _text(value: Any) -> str:
    if value is None or isinstance(value, (list, dict)):
        raise ValueError(f"expected a text, found {_found(value)}")
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(
            f"expected a text of {MAX_TEXT:,} characters at most, found {len(value):,}"
        )
    return str(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, (bool, int)) or value not in (0, 1):
        raise ValueError(f"expected true or false, found {_found(value)}")
    return bool(value)


def _chosen(options: Json, value: Any) -> Any:
    """A choice; of several where the input takes several."""
    if options.get("multiselect") and isinstance(value, list):
        return [_chosen({}, one) for one in value]
    if value is None or isinstance(value, (list, dict)):
        raise ValueError(f"expected a choice, found {_found(value)}")
    return value


def _found(value: Any) -> str:
    """A value as a message shows it: not all of a long one."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 60


def _fits(given: Any, expected: Any) -> bool:
    """Whether an output of one type may feed an input of another: equal, or one in common."""
    if given == expected or "*" in (given, expected):
        return True
    if isinstance(given, (list, tuple)) and expected == "COMBO":
        return True
    if not isinstance(given, str) or not isinstance(expected, str):
        return False
    names = [{name.strip() for name in kind.split(",")} for kind in (given, expected)]
    return bool(names[0] & names[1]) or "*" in names[0] | names[1]


def _is_file(value: Any) -> bool:
    """In the engine a path serves wherever a list offers files."""
    return isinstance(value, str) and os.path.isfile(value)


def _shown(kind: Any) -> str:
    return kind if isinstance(kind, str) else "a choice"


def _choices(choices: Iterable[Any]) -> str:
    names = [str(choice) for choice in choices]
    if not names:
        return "there is nothing to choose from; put a file into the folder or give its path"
    more = f", … ({len(names)} in all)" if len(names) > 20 else ""
    return f"expected one of {', '.join(names[:20])}{more}"
