"""ComfyUI's queue: what is put into it with names of before gets today's, ahead of the check."""

from typing import Any

from server import PromptServer

from .old_names import with_names_of_today


def connect() -> None:
    """Let the server rename what pages, scripts and other programs send to `/prompt`."""
    if getattr(PromptServer, "instance", None) is not None:  # some run ComfyUI's nodes without it
        PromptServer.instance.add_on_prompt_handler(_renamed)


def _renamed(sent: dict[str, Any]) -> dict[str, Any]:
    prompt = sent.get("prompt")
    return {**sent, "prompt": with_names_of_today(prompt)} if isinstance(prompt, dict) else sent
