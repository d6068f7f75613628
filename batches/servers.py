"""Work on running ComfyUI servers.

Each server has two lines: while one's prompt runs, the other brings its files and fetches its
results. What a server that stops was working on goes to the others; it is asked from time to time
whether it is back.
"""

import asyncio
import itertools
import logging
import time
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..images.files import read_frames
from ..workflows.core_nodes.node_class import Nodes
from ..workflows.graph import Workflow
from ..workflows.problems import WorkflowError, describe
from .comfyui_server import TEMPORARY, ComfyUIServer, Refused, ServerGone
from .problems import NobodyWorks
from .results import Saved
from .tasks import (
    NOTHING_SAVED,
    Outcome,
    Task,
    WorkflowFile,
    check_unchanged,
    edited,
    seeds_in,
    sentence,
    sources_of,
)

log = logging.getLogger(__name__)

_LINES = 2  # of a server
_TRIES = 3  # of a task whose server stopped
_PATIENCE = 60.0  # seconds in which no server answers, then the batch ends
_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before a server is asked again


class Servers:
    """A back end."""

    def __init__(
        self,
        urls: Sequence[str],
        workflow: WorkflowFile,
        scratch: Path,
        first: Task | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        """Raises NobodyWorks where no server answers, EditError where `first` cannot be."""
        self._urls, self._patience = urls, patience
        scratch.mkdir(parents=True, exist_ok=True)
        self._workflow = workflow.put(scratch)
        self._nodes = asyncio.run(self._first_nodes())
        if first is not None:
            self._edited(first)

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """In the order in which they finish. Raises NobodyWorks."""
        loop = asyncio.new_event_loop()
        lines = _Lines(self._urls, self._patience, self._work, tasks)
        step = None
        try:
            lines.begin(loop)
            while True:
                step = loop.create_task(lines.next())
                outcome = loop.run_until_complete(step)
                if outcome is None:
                    return
                yield outcome
        finally:
            loop.run_until_complete(lines.end(step))
            loop.close()

    async def _first_nodes(self) -> Nodes:
        """Of the first server that answers; one of those that do not may be back later."""
        gone = []
        for url in self._urls:
            try:
                async with ComfyUIServer.connected(url) as server:
                    return await server.nodes()
            except ServerGone as error:
                gone.append(str(error))
        raise NobodyWorks(f"{'; '.join(gone)}; start ComfyUI there, or give other addresses")

    def _edited(self, task: Task) -> Workflow:
        workflow = edited(self._workflow, task, self._nodes)
        if workflow.problems:
            raise WorkflowError(*workflow.problems)
        return workflow

    async def _work(self, server: ComfyUIServer, line: str, task: Task) -> Outcome:
        """Raises ServerGone."""
        start = time.perf_counter()
        outcome = Outcome(task, worker=server.name)
        try:
            outcome = replace(outcome, sources=sources_of(task))
            outcome = await self._finished(server, line, outcome)
        except ServerGone:
            raise
        except Exception as error:  # as in the engine
            outcome = replace(outcome, error=sentence(error))
        return replace(outcome, seconds=round(time.perf_counter() - start, 4))

    async def _finished(self, server: ComfyUIServer, line: str, begun: Outcome) -> Outcome:
        workflow = self._edited(begun.task)
        for role in ("image", "mask"):  # ComfyUI fills up with grey what is missing of a file
            if file := begun.task.files.get(role):
                for _ in read_frames(Path(file)):
                    pass
        # The line's next files take the place of these, as the server keeps what it is given.
        names = {
            file: await server.upload(f"{line}-{number}{Path(file).suffix}", Path(file))
            for number, file in enumerate(begun.task.files.values())
        }
        check_unchanged(begun)
        prompt, canvas = (_renamed(one, names) for one in (workflow.prompt, workflow.canvas))
        try:
            shown = await server.run(prompt, canvas)
        except Refused as error:
            raise Refused(_as_known_here(str(error), names)) from error
        ordered = {node: shown[node] for node in workflow.prompt if node in shown}
        entries = [entry for one in ordered.values() for entry in _files(one)]
        if not entries:
            raise Refused(NOTHING_SAVED)
        return replace(
            begun,
            files=[Saved(one["filename"], await server.download(one)) for one in entries],
            seed=seeds_in(workflow.prompt),
            warnings=[
                f"{describe(workflow.prompt, node)}: {text}"
                for node, one in ordered.items()
                for text in one.get("warnings", ())
            ],
        )


def _files(shown: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The files that a node has saved, previews left out."""
    entries = (entry for ones in shown.values() if isinstance(ones, list) for entry in ones)
    return [
        entry
        for entry in entries
        if isinstance(entry, dict) and "filename" in entry and entry.get("type") == "output"
    ]


def _as_known_here(text: str, names: Mapping[str, str]) -> str:
    """A message of the server with the names of files that they have here."""
    for file, name in names.items():
        text = text.replace(name.removesuffix(TEMPORARY), Path(file).name)
    return text


def _renamed(document: Any, names: Mapping[str, str]) -> Any:
    """A JSON document with other names for files."""
    if isinstance(document, dict):
        return {key: _renamed(value, names) for key, value in document.items()}
    if isinstance(document, list):
        return [_renamed(value, names) for value in document]
    return names.get(document, document) if isinstance(document, str) else document


Work = Callable[[ComfyUIServer, str, Task], Awaitable[Outcome]]


class _Lines:
    """Tasks on their way to servers, and outcomes on their way back."""

    def __init__(
        self, urls: Sequence[str], patience: float, work: Work, tasks: Iterator[Task]
    ) -> None:
        self._urls, self._patience, self._work = urls, patience, work
        self._waiting = deque(tasks)
        self._tries: Counter[str] = Counter()
        self._in_work = 0
        self._connected = 0
        self._gone: set[str] = set()
        self._last_connected = time.monotonic()
        self._changed = asyncio.Event()  # set and renewed whenever a task is finished or returned
        self._outcomes: asyncio.Queue[Outcome | Exception | None] = asyncio.Queue(2 * len(urls))
        self._lines: list[asyncio.Task[None]] = []

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let all lines work."""
        own = uuid.uuid4().hex[:8]  # several batches may use a server
        self._lines = [
            loop.create_task(self._line(url, f"depth2img-{own}-{number}"))
            for url in self._urls
            for number in range(_LINES)
        ]
        self._left = len(self._lines)

    async def next(self) -> Outcome | None:
        """The next outcome; None when all are there. Raises NobodyWorks."""
        while self._left:
            outcome = await self._outcomes.get()
            if isinstance(outcome, Exception):
                raise outcome
            if outcome is not None:
                return outcome
            self._left -= 1
        return None

    async def end(self, step: "asyncio.Task[Outcome | None] | None") -> None:
        """Cancel what is still on its way."""
        tasks = [*self._lines, *([step] if step is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _line(self, url: str, name: str) -> None:
        try:
            for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
                try:
                    await self._serve(url, name)
                    break
                except ServerGone as error:
                    self._check_patience(error)
                    self._say_gone(url, error)
                    with suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._all_done(), pause)
                        break
        except Exception as error:  # NobodyWorks, or whatever would otherwise be lost in here
            await self._outcomes.put(error)
        else:
            await self._outcomes.put(None)

    async def _serve(self, url: str, name: str) -> None:
        """Until nothing is left to do. Raises ServerGone."""
        async with ComfyUIServer.connected(url) as server:
            self._connected += 1
            self._gone.discard(url)
            try:
                while (task := await self._take()) is not None:
                    try:
                        outcome = await self._work(server, name, task)
                    except ServerGone as error:
                        await self._give_back(task, error)
                        raise
                    await self._outcomes.put(outcome)
                    self._finish()
            finally:
                self._connected -= 1
                self._last_connected = time.monotonic()

    async def _take(self) -> Task | None:
        """The next task; None when all are finished, as one in work may still come back."""
        while not self._waiting:
            if not self._in_work:
                return None
            await self._changed.wait()
        self._in_work += 1
        return self._waiting.popleft()

    async def _give_back(self, task: Task, error: ServerGone) -> None:
        self._tries[task.name] += 1
        if self._tries[task.name] < _TRIES:
            self._waiting.appendleft(task)
        else:
            said = f"{_TRIES} servers stopped while they worked on it; the last: {error}"
            await self._outcomes.put(Outcome(task, error=said))
        self._finish()

    def _finish(self) -> None:
        """A task is in work no longer."""
        self._in_work -= 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def _all_done(self) -> None:
        while self._waiting or self._in_work:
            await self._changed.wait()

    def _say_gone(self, url: str, error: ServerGone) -> None:
        """Once, although several lines find out."""
        if url not in self._gone:
            self._gone.add(url)
            log.error("%s; the others do its work, and it is asked again now and then", error)

    def _check_patience(self, error: ServerGone) -> None:
        if not self._connected and time.monotonic() - self._last_connected > self._patience:
            raise NobodyWorks(
                f"{error}, nor does another server; what is done is kept, so run this again when "
                "one does"
            )
