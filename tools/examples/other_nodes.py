"""Nodes that only the page has, as far as examples draw them."""

# ruff: noqa: D102, N802 - INPUT_TYPES is ComfyUI's name

from typing import Any

from ...workflows.core_nodes.node_class import Nodes


class MarkdownNote:
    """A note."""

    RETURN_TYPES: tuple[str, ...] = ()
    FUNCTION = ""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"text": ("STRING", {"multiline": True})}}


OTHER_NODES: Nodes = {"MarkdownNote": MarkdownNote}
