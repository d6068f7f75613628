"""What the pack warns of while a node runs, as short texts for that node.

Whatever finds something says so with `log.warning`, in its own terms and wherever it is. One
handler, on the logger above all of the pack's, hands it to the node that runs; the console gets it
in any case.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import PurePath

from ..images.counts import counted

MOST = 8  # texts on one node
LONGEST = 300  # characters of one


@dataclass
class Warnings:
    """The warnings of one node, each kind once."""

    _kinds: dict[str, tuple[str, int]] = field(default_factory=dict)  # first text, how many
    _others: int = 0
    records: list[logging.LogRecord] = field(default_factory=list)  # the first of each kind
    quiet: bool = False  # said elsewhere: not printed where nothing is set up to print it

    @property
    def texts(self) -> list[str]:
        """As they are shown: a line for each kind, in the order in which they came."""
        lines = [
            text if count == 1 else f"{text} ({count} times)"
            for text, count in self._kinds.values()
        ]
        more = f"and {counted(self._others, 'more warning')}, in the console"
        return [*lines, more] if self._others else lines

    def add(self, record: logging.LogRecord) -> str:
        """The text, where nothing like it was there; the same with other numbers is like it."""
        text = _text(record)
        kind = text if record.msg == "%s" else str(record.msg)
        if kind in self._kinds:
            first, count = self._kinds[kind]
            self._kinds[kind] = first, count + 1
        elif len(self._kinds) < MOST:
            self._kinds[kind] = text, 1
            self.records.append(record)
            return text
        else:
            self._others += 1
        return ""


def _text(record: logging.LogRecord) -> str:
    """On one line, without the folders that files lie in."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    short = tuple(one.name if isinstance(one, PurePath) else one for one in arguments)
    text = " ".join((str(record.msg) % short if short else record.getMessage()).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


_running: ContextVar[tuple[Warnings, ...]] = ContextVar("running", default=())


@contextmanager
def collected(quiet: bool = False) -> Iterator[Warnings]:
    """The warnings of the block; of one inside of another both get them.

    A block that fails has no result to show them with: they go where those outside of any go.
    """
    warnings = Warnings(quiet=quiet)
    token = _running.set((*_running.get(), warnings))
    failed = True
    try:
        yield warnings
        failed = False
    finally:
        _running.reset(token)
        if failed and not _running.get():
            _listener.pass_on(warnings.records)


class _Listener(logging.Handler):
    """Passes on what it hears and prints nothing."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.otherwise: Callable[[logging.LogRecord], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        running = _running.get()
        for warnings in running:
            warnings.add(record)
        if not running:
            self.pass_on([record])
        # Python prints what has no handler at all; without this one it would have none.
        quiet = any(warnings.quiet for warnings in running)
        if not (quiet or logging.root.handlers) and logging.lastResort is not None:
            logging.lastResort.handle(record)

    def pass_on(self, records: Iterable[logging.LogRecord]) -> None:
        if self.otherwise is not None:
            for record in records:
                self.otherwise(record)


_listener = _Listener()
logging.getLogger(__name__.rsplit(".", 2)[0]).addHandler(_listener)  # ComfyUI's name for the pack


def listen_otherwise(to: Callable[[logging.LogRecord], None]) -> None:
    """What gets the warnings that no result of a node of the pack can show."""
    _listener.otherwise = to
