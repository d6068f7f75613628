"""ComfyUI's web server: what passes between page and pack beside the nodes' results.

- Event `sd2_depth2img.warning`, `{"node": id, "text": …}`: a warning from inside another node that
  runs, a KSampler with the pack's MODEL for example. Nodes of the pack bring theirs in `ui`.
- `GET /sd2_depth2img/preview?filename=…&subfolder=…&type=input`: a JPEG of any depth file; or
  `{"error": …}`.
- `GET /sd2_depth2img/lettering?text=…`: the letters of a text as a stamp, a grey PNG, white on
  black, 128 pixels high; or `{"error": …}`.
- What is queued with names of before gets the current ones, ahead of ComfyUI's check.
"""

import asyncio
import io
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from aiohttp import web
from comfy_execution.utils import get_executing_context
from server import PromptServer

from ..depth.depth_files import Beyond, BeyondStatedRange, Reading, find_file, read_depth
from ..depth.thumbnail import thumbnail
from ..disk.file_state import FileState
from ..disk.sentences import in_words
from ..images.lettering import NoLetters, letters_mask
from .old_names import with_current_names
from .warning_texts import Warnings, listen_otherwise

EVENT = "sd2_depth2img.warning"
PREVIEW = "/sd2_depth2img/preview"
LETTERING = "/sd2_depth2img/lettering"
MOST_BYTES = 1 << 28  # of a file that is shown before anything runs
MOST_SECONDS = 20


class _OtherNodes:
    """Sends what is warned of inside of other nodes, once for each run of one."""

    def __init__(self) -> None:
        self._told = Warnings()
        self._run: tuple[str, str] | None = None

    def __call__(self, record: logging.LogRecord) -> None:
        server, context = PromptServer.instance, get_executing_context()
        if context is None or server.last_node_id is None:
            return
        if self._run != (context.prompt_id, context.node_id):
            self._run, self._told = (context.prompt_id, context.node_id), Warnings()
        if text := self._told.add(record):
            # What the canvas has: a node that another one has put in its place is not on it.
            message = {"node": server.last_node_id, "text": text}
            server.send_sync(EVENT, message, server.client_id)


def connect(input_path: Callable[[str], Path]) -> None:
    """Let the server know of all of it. `input_path` finds a file by the page's name for it."""
    server = getattr(PromptServer, "instance", None)
    # Without one there is no page; with two copies of the pack the first one's route is enough.
    if server is None or any(getattr(one, "path", "") == PREVIEW for one in server.routes):
        return
    listen_otherwise(_OtherNodes())
    server.add_on_prompt_handler(_renamed)
    # One at a time, and beside the server's loop.
    worker = ThreadPoolExecutor(1, "sd2-depth-preview")

    async def preview(request: web.Request) -> web.Response:
        query = request.rel_url.query
        name = "/".join(filter(None, (query.get("subfolder"), query.get("filename"))))
        annotated = f"{name} [{query.get('type', 'input')}]"
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(worker, partial(_jpeg, input_path, annotated))
        try:
            image = await asyncio.wait_for(work, MOST_SECONDS)
        except FileNotFoundError as error:
            return _refused(404, str(error))
        except (asyncio.TimeoutError, TimeoutError):
            return _refused(503, f"{name} takes longer than {MOST_SECONDS} s to read")
        except (ValueError, ImportError) as error:
            return _refused(400, str(error))
        headers = {"Cache-Control": "no-cache"}
        return web.Response(body=image, content_type="image/jpeg", headers=headers)

    server.routes.get(PREVIEW)(preview)
    server.routes.get(LETTERING)(_lettering)


async def _lettering(request: web.Request) -> web.Response:
    """At once: even the longest text takes about a tenth of a second."""
    try:
        mask = letters_mask(request.rel_url.query.get("text", ""))
    except NoLetters as error:
        return _refused(400, str(error))
    file = io.BytesIO()
    mask.save(file, "PNG")
    return web.Response(body=file.getvalue(), content_type="image/png")


def _renamed(sent: dict[str, Any]) -> dict[str, Any]:
    prompt = sent.get("prompt")
    return {**sent, "prompt": with_current_names(prompt)} if isinstance(prompt, dict) else sent


def _refused(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


def _jpeg(input_path: Callable[[str], Path], name: str) -> bytes:
    """Raises FileNotFoundError, and ValueError that tells nobody where the server's folders are."""
    path = find_file(name, input_path)
    try:
        file = FileState.of(path)
        if file.size > MOST_BYTES:
            raise ValueError(
                f"{path} has {file.size >> 20} MB; files of up to {MOST_BYTES >> 20} MB are shown "
                "before they are loaded"
            )
        return _thumbnail(file)
    except (OSError, ValueError) as error:
        said = str(in_words(error) if isinstance(error, OSError) else error)
        raise ValueError(said.replace(str(path), path.name)) from error


@lru_cache(32)
def _thumbnail(file: FileState) -> bytes:
    """Of the first map of a file."""
    try:
        maps = read_depth(file.path)
    except BeyondStatedRange:
        maps = read_depth(file.path, Reading(beyond=Beyond.KEEP))
    return thumbnail(maps[0])
