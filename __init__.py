"""Stable Diffusion 2 depth-to-image: the entry point ComfyUI looks for, and that of programs.

What stands here is imported when it is asked for, not before: nodes bring a host with them, which
`depth/`, `sampling/` and `depth2img --help` do without.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .painter.depth_to_image import DepthToImage

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY", "DepthToImage"]

WEB_DIRECTORY = "./web"

_PLACES = {
    "NODE_CLASS_MAPPINGS": ".nodes",
    "NODE_DISPLAY_NAME_MAPPINGS": ".nodes",
    "DepthToImage": ".painter.depth_to_image",
}

# ComfyUI loads the pack under the path of its folder. A program in the same process that imports
# it by its name gets this very package; a second one would register its own model with ComfyUI.
if __name__ in sys.modules:
    sys.modules.setdefault("sd2_depth2img", sys.modules[__name__])


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name], __name__), name)
