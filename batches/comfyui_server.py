"""A running ComfyUI, talked to as its page does: HTTP for files and prompts, a websocket for news.

Both by aiohttp, which ComfyUI itself is made with, so whoever has a ComfyUI has it.
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from ..disk.packages import needed
from ..workflows.core_nodes.node_class import NodeClass, Nodes

with needed("aiohttp", "batches with --comfyui"):
    import aiohttp

TEMPORARY = " [temp]"  # behind a file's name: in the folder of temporary files
_HEARTBEAT = 20.0  # seconds; a server that answers no ping is gone
_QUIET = 30.0  # seconds without news, after which the server is asked
_ANSWER = 120.0  # seconds that an answer may take; loading a model holds the server up
_CANCEL = 5.0  # seconds to take a prompt back in
_LONGEST = 2000  # characters of an answer in a message


class ServerGone(ConnectionError):  # noqa: N818 - names what happened
    """The server does not answer any more; what it was working on is to be done elsewhere."""


class Refused(ValueError):  # noqa: N818 - names what happened
    """The server answers that it does not take something, or that a workflow failed."""


class ComfyUIServer:
    """One connection to a server: a client of its own, with one prompt at a time."""

    def __init__(self, url: str, session: aiohttp.ClientSession, socket: Any, client: str) -> None:
        self.name = _without_password(url)
        self.url, self._session, self._socket, self._client = url, session, socket, client

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator["ComfyUIServer"]:
        """Raises ServerGone where nobody listens, as all methods do when it has stopped."""
        client = uuid.uuid4().hex
        times = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_ANSWER)
        async with aiohttp.ClientSession(timeout=times) as session:
            with _network(url):
                socket = await session.ws_connect(
                    f"{url}/ws?clientId={client}", heartbeat=_HEARTBEAT, max_msg_size=0
                )
            try:
                yield cls(url, session, socket, client)
            finally:
                await socket.close()

    async def nodes(self) -> Nodes:
        """The classes of all nodes it has, as far as they are described."""
        return {name: _class(name, info) for name, info in (await self._get("object_info")).items()}

    async def upload(self, name: str, file: Path) -> str:
        """Put a file among its temporary ones, where one of the name is replaced.

        Returns: what a workflow calls it.
        """
        form = aiohttp.FormData()
        form.add_field("image", file.read_bytes(), filename=name)
        form.add_field("type", "temp")
        form.add_field("overwrite", "true")
        answer = await self._post("upload/image", data=form)
        return f"{answer['name']}{TEMPORARY}"

    async def run(self, prompt: Mapping[str, Any], canvas: Any) -> dict[str, Any]:
        """Run a workflow in the API format; what its nodes show, by node.

        Raises Refused when it does not begin or fails. Where this is cancelled, so is the prompt.
        """
        extra = {} if canvas is None else {"extra_pnginfo": {"workflow": canvas}}
        body = {"prompt": prompt, "client_id": self._client, "extra_data": extra}
        name = (await self._post("prompt", json=body))["prompt_id"]
        try:
            await self._end_of(name)
        except asyncio.CancelledError:
            with suppress(ServerGone, Refused, asyncio.TimeoutError):
                await asyncio.wait_for(self._cancel(name), _CANCEL)
            raise
        return _shown(await self._history(name))

    async def download(self, entry: Mapping[str, str]) -> bytes:
        """A file that a node has saved."""
        place = {key: entry.get(key, "") for key in ("filename", "subfolder", "type")}
        with _network(self.url):
            async with self._session.get(f"{self.url}/view", params=place) as answer:
                if answer.status == 200:
                    return await answer.read()
        raise Refused(f"{self.name} does not give {entry['filename']} ({answer.status})")

    async def _end_of(self, prompt: str) -> None:
        while True:
            try:
                message = await self._socket.receive(timeout=_QUIET)
            except asyncio.TimeoutError:
                if await self._is_over(prompt):
                    return
                continue
            if message.type == aiohttp.WSMsgType.TEXT:
                if _ends(json.loads(message.data), prompt):
                    return
            elif message.type != aiohttp.WSMsgType.BINARY:  # previews
                raise ServerGone(f"{self.name} has closed the connection")

    async def _is_over(self, prompt: str) -> bool:
        """Asked for, as somebody may have taken the prompt from the queue."""
        queue = await self._get("queue")
        waiting = [entry[1] for entries in queue.values() for entry in entries]
        return prompt not in waiting

    async def _history(self, prompt: str) -> Mapping[str, Any]:
        entry = (await self._get(f"history/{prompt}")).get(prompt)
        if entry is None:
            raise Refused(f"somebody took the workflow from the queue of {self.name}")
        return entry

    async def _cancel(self, prompt: str) -> None:
        await self._post("queue", json={"delete": [prompt]})
        await self._post("interrupt", json={"prompt_id": prompt})

    async def _get(self, path: str) -> Any:
        with _network(self.url):
            async with self._session.get(f"{self.url}/{path}") as answer:
                answer.raise_for_status()
                return await answer.json()

    async def _post(self, path: str, **content: Any) -> Any:
        with _network(self.url):
            async with self._session.post(f"{self.url}/{path}", **content) as answer:
                text = await answer.text()
                if answer.status >= 500:
                    answer.raise_for_status()
        if answer.status >= 400:
            raise Refused(_reason(text))
        return json.loads(text) if text else None


@contextmanager
def _network(url: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError) as error:
        reason = str(error) or "timeout"
        raise ServerGone(f"{_without_password(url)} does not answer ({reason})") from error


def _without_password(url: str) -> str:
    return re.sub("//[^/@]*@", "//", url)


def _ends(message: Mapping[str, Any], prompt: str) -> bool:
    """Whether a message is the last one about a prompt."""
    data = message.get("data") or {}
    return (
        message.get("type") == "executing"
        and data.get("node") is None
        and data.get("prompt_id") == prompt
    )


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Refused for a workflow that failed."""
    messages = dict(entry["status"]["messages"])
    if error := messages.get("execution_error"):
        said = str(error.get("exception_message", "")).strip()
        raise Refused(f"node {error.get('node_id')} ({error.get('node_type')}) failed: {said}")
    if entry["status"]["status_str"] != "success":
        raise Refused("somebody cancelled it at the server")
    return entry["outputs"]


def _reason(text: str) -> str:
    """Why a prompt was refused, by node."""
    try:
        answer = json.loads(text)
        nodes = answer.get("node_errors") or {}
        lines = [
            f"node {node} ({error.get('class_type')}): {one['message']}: {one.get('details', '')}"
            for node, error in nodes.items()
            for one in error["errors"]
        ]
        return "; ".join(lines) or str(answer["error"]["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return text[:_LONGEST]


def _class(name: str, info: Mapping[str, Any]) -> type[NodeClass]:
    """A node's class, as far as reading and changing a workflow asks for it."""
    groups = info.get("input") or {}
    inputs = {
        group: {key: tuple(spec) if isinstance(spec, list) else spec for key, spec in ones.items()}
        for group, ones in groups.items()
    }
    outputs = tuple(info.get("output") or ())
    attributes = {
        "DISPLAY_NAME": info.get("display_name") or name,
        "INPUT_TYPES": classmethod(lambda cls: inputs),
        "RETURN_TYPES": outputs,
        "RETURN_NAMES": tuple(info.get("output_name") or outputs),
        "OUTPUT_NODE": bool(info.get("output_node")),
        "FUNCTION": "",  # it runs elsewhere
    }
    return type(name, (), attributes)
