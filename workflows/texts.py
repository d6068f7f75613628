"""Texts as ComfyUI's frontend fills them in: dynamic prompts, marks in file names."""

import random
import re
import time
from collections.abc import Callable
from typing import Any

_NOT_IN_FILES = r'[/?<>\\:*|"\x00-\x1f\x7f]'


def one_prompt(text: str) -> str:
    r"""One prompt out of a dynamic one: comments gone, one choice of every {this|or|that} made.

    // and /* */ are comments; \{ \| \} stand for the characters themselves.
    """
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    return re.sub(r"\\([{}|])", r"\1", _choose(text))


def _choose(text: str) -> str:
    result, rest = "", text
    while match := re.search(r"\\.|\{", rest, flags=re.DOTALL):
        result += rest[: match.start()]
        rest = rest[match.end() :]
        if match.group() != "{":
            result += match.group()
            continue
        options, rest = _options(rest)
        result += _choose(random.choice(options))
    return result + rest


def _options(text: str) -> tuple[list[str], str]:
    """The choices up to the closing bracket, and what follows it."""
    options, depth = [""], 0
    for match in re.finditer(r"\\.|.", text, flags=re.DOTALL):
        character = match.group()
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return options, text[match.end() :]
        if character == "|" and depth == 0:
            options.append("")
        else:
            options[-1] += character
    return options, ""


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
