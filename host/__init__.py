"""What runs the nodes: `from ..host import host` is ComfyUI or the embedded engine."""

import sys
from typing import Any

from .interface import Host

host: Host[Any]  # of the MODEL that this host makes

if "comfy" in sys.modules and "folder_paths" in sys.modules:
    from . import comfyui

    host = comfyui
else:
    from ..engine import host as engine

    host = engine
