"""JSON documents from files of any origin: decoded, parsed, and bounded before they are used."""

import codecs
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

from .problems import Problem, WorkflowError

log = logging.getLogger(__name__)

MAX_BYTES = 2**25  # of a document, 32 MiB; a canvas of a thousand nodes has one or two
MAX_PARTS = 1_000_000  # lists and objects of a document; they cost more than their bytes
MAX_DEPTH = 100  # of lists and objects in each other; a canvas has about ten

_MARKS = {  # what Windows editors and shells put before a text
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it starts with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises WorkflowError, OSError."""
    if path.stat().st_size > MAX_BYTES:
        raise _refused(
            path, f"has {path.stat().st_size:,} bytes; a workflow has {MAX_BYTES:,} at most"
        )
    return parse_json(decoded(path.read_bytes(), path), path)


def parse_json(text: str, path: Path) -> Any:
    """What a JSON text of a file holds. Raises WorkflowError."""
    if len(text) > MAX_BYTES:
        raise _refused(
            path, f"holds {len(text):,} characters; a workflow has {MAX_BYTES:,} at most"
        )
    parts = text.count("[") + text.count("{")
    if parts > MAX_PARTS:
        reason = f"holds {parts:,} lists and objects; a workflow has {MAX_PARTS:,} at most"
        raise _refused(path, reason)
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise _refused(path, _TOO_DEEP) from None
    except ValueError as error:
        raise _refused(path, f"is not JSON ({error}); save it again") from error
    if _is_deeper(document, MAX_DEPTH):
        raise _refused(path, _TOO_DEEP)
    return document


_TOO_DEEP = (
    f"holds lists and objects more than {MAX_DEPTH} deep in each other, as no workflow does; save "
    "it again"
)


def decoded(data: bytes, path: Path) -> str:
    """A text in UTF-8, in UTF-16 or UTF-32 with their mark, or else in Windows-1252 (a warning)."""
    mark = next((one for one in _MARKS if data.startswith(one)), b"")
    encoding = _MARKS.get(mark) or _UNMARKED.get((data[:1] == b"\0", data[1:2] == b"\0"), "utf-8")
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        if mark or encoding != "utf-8":
            raise _refused(path, f"is damaged: {error}; save it again, as UTF-8") from error
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise _refused(
            path,
            "is no text in UTF-8, UTF-16 or Windows-1252; expected JSON, or a PNG named .png that "
            "carries a workflow",
        ) from None
    log.warning("%s is not in UTF-8; it is read as Windows-1252", path)
    return text


# JSON starts with a character below 128: whether its first and its second byte are zero.
_UNMARKED = {(False, True): "utf-16-le", (True, False): "utf-16-be"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {twice[:40]!r} stands twice in one object")
    return found


def _is_deeper(document: Any, depth: int) -> bool:
    """Whether lists and objects lie deeper in each other."""
    level = [document]
    for _ in range(depth):
        holders = (one for one in level if isinstance(one, (list, dict)))
        level = [
            inner
            for one in holders
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (list, dict))
        ]
        if not level:
            return False
    return True


def _refused(path: Path, reason: str) -> WorkflowError:
    return WorkflowError(Problem(f"{path} {reason}"))
