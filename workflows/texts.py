"""Texts as ComfyUI's frontend fills them in: dynamic prompts, marks in file names.

The frontend does so where a value is typed; here also where it comes from a file in the API
format, by a wire from a text node or from the command line.
"""

import functools
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .core_nodes.node_class import Nodes
from .problems import title_of
from .widgets import Json, Widget, declared_inputs, widget_inputs

_NOT_IN_FILES = r'[/?<>\\:*|"\x00-\x1f\x7f]'
_FILE_NAME = "filename_prefix"

Place = tuple[str, str, Widget]  # a node's id, the name of its text, what kind of text it is


def filled_in(widget: Widget, value: Any, value_of: Callable[[str, str], Any]) -> Any:
    """What a widget hands on when this stands in it; `value_of` as in `file_name`."""
    if isinstance(value, str) and widget.options.get("dynamicPrompts"):
        value = one_prompt(value)
    if isinstance(value, str) and widget.name == _FILE_NAME:
        value = file_name(value, value_of)
    return value


def fill_in(prompt: Json, places: Iterable[Place], typed: bool = False) -> None:
    """Fill in texts of the API format, in place.

    Unless they were `typed` just now, {brackets} without a choice stay: ComfyUI exports the API
    format filled in, and such brackets were \\{escaped\\} ones before.
    """

    def value_of(node: str, widget: str) -> Any:
        value = named().get(node, {}).get(widget)
        return None if isinstance(value, list) else value

    @functools.cache
    def named() -> dict[str, Json]:
        """Inputs by the class or else the title of their node; the first of several counts."""
        entries = list(reversed(prompt.values()))
        by_title = {title_of(entry): entry["inputs"] for entry in entries}
        return by_title | {entry["class_type"]: entry["inputs"] for entry in entries}

    for node, name, widget in places:
        inputs = prompt[node]["inputs"]
        if typed or widget.name == _FILE_NAME or _is_unfilled(inputs[name]):
            inputs[name] = filled_in(widget, inputs[name], value_of)


def _is_unfilled(text: str) -> bool:
    """Whether a prompt shows that it was not filled in yet."""
    _, bracket, rest = text.partition("{")
    return bool(
        (bracket and "|" in rest) or re.search(r"//|/\*", text) or re.search(r"\\[{}|]", text)
    )


def constant_texts(prompt: Json, nodes: Nodes) -> Iterator[Place]:
    """The texts that stand in the inputs that are filled in."""
    for node, widget in _filled_inputs(prompt, nodes):
        if isinstance(prompt[node]["inputs"][widget.name], str):
            yield node, widget.name, widget


def wired_texts(prompt: Json, nodes: Nodes) -> Iterator[Place]:
    """The same of nodes that are nothing but a text and feed such inputs."""
    found = {}
    for node, widget in _filled_inputs(prompt, nodes):
        link = prompt[node]["inputs"][widget.name]
        source = prompt.get(str(link[0])) if isinstance(link, list) and link else None
        kind = source and nodes.get(source["class_type"])
        if source and kind:
            declared = declared_inputs(kind)
            name = next(iter(declared), "")
            if len(declared) == 1 and isinstance(source["inputs"].get(name), str):
                key = (str(link[0]), name, widget.name == _FILE_NAME)  # each kind once
                found[key] = (str(link[0]), name, widget)
    yield from found.values()


def _filled_inputs(prompt: Json, nodes: Nodes) -> Iterator[tuple[str, Widget]]:
    for node, entry in prompt.items():
        kind = nodes.get(entry["class_type"])
        for widget in widget_inputs(kind) if kind else ():
            if widget.name in entry["inputs"] and (
                widget.options.get("dynamicPrompts") or widget.name == _FILE_NAME
            ):
                yield node, widget


def one_prompt(text: str) -> str:
    r"""One prompt out of a dynamic one: comments gone, one choice of every {this|or|that} made.

    // and /* */ are comments; \{ \| \} stand for the characters themselves. A bracket that is
    never closed reaches to the end.
    """
    # Of open brackets the choices so far, each a list of texts and chosen lists.
    blocks: list[list[list[Any]]] = [[[]]]

    def close() -> None:
        chosen = random.choice(blocks.pop())
        blocks[-1][-1].append(chosen)

    for match in re.finditer(r"\\.|[{}|]|[^\\{}|]+|\\", _without_comments(text), flags=re.DOTALL):
        part = match.group()
        if part == "{":
            blocks.append([[]])
        elif part == "}" and len(blocks) > 1:
            close()
        elif part == "|" and len(blocks) > 1:
            blocks[-1].append([])
        else:
            blocks[-1][-1].append(part)
    while len(blocks) > 1:
        close()
    return re.sub(r"\\([{}|])", r"\1", "".join(_flat(blocks[0][0])))


def _without_comments(text: str) -> str:
    if "*/" not in text:  # saves a search to the end from every /*
        return re.sub(r"//[^\n]*", "", text)
    kept, at, last = [], 0, text.rindex("*/")
    for match in re.finditer(r"/\*|//[^\n]*", text):
        if match.start() < at:
            continue
        if match.group() != "/*":
            end = match.end()
        elif match.end() <= last:
            end = text.index("*/", match.end()) + 2
        else:
            continue
        kept.append(text[at : match.start()])
        at = end
    return "".join([*kept, text[at:]])


def _flat(parts: list[Any]) -> Iterator[str]:
    """The texts in lists of texts and lists, in order, however deep."""
    waiting = [iter(parts)]
    while waiting:
        for part in waiting[-1]:
            if isinstance(part, list):
                waiting.append(iter(part))
                break
            yield part
        else:
            waiting.pop()


def file_name(text: str, value_of: Callable[[str, str], Any]) -> str:
    """A file name with %date:...% and %Node.widget% replaced; a value of None leaves the mark."""

    def replacement(match: re.Match[str]) -> str:
        mark = match.group(1)
        if mark.startswith("date:"):
            return date(mark.removeprefix("date:"))
        node, dot, widget = mark.partition(".")
        value = value_of(node, widget) if dot else None
        return match.group(0) if value is None else re.sub(_NOT_IN_FILES, "_", str(value))

    return re.sub("%([^%]+)%", replacement, text)


def date(pattern: str) -> str:
    """Now, in the frontend's pattern: yyyy yy MM M dd d hh h mm m ss s."""
    now = time.localtime()
    values = dict(zip("Mdhms", now[1:6], strict=True))

    def part(match: re.Match[str]) -> str:
        mark = match.group()
        if mark[0] == "y":
            return {"yyyy": f"{now.tm_year}", "yy": f"{now.tm_year % 100:02}"}.get(mark, mark)
        return f"{values[mark[0]]:0{len(mark)}}"

    return re.sub("dd?|MM?|hh?|mm?|ss?|yyy?y?", part, pattern)
