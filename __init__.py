"""Stable Diffusion 2 depth-to-image for ComfyUI: the entry point ComfyUI looks for.

The nodes are imported when ComfyUI asks for them, not before: they bring a host with them, which
`depth/`, `sampling/` and `depth2img --help` do without.
"""

from typing import Any

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]

WEB_DIRECTORY = "./web"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import nodes

    return getattr(nodes, name)
