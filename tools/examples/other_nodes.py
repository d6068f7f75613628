"""Nodes that examples use and the embedded engine does not have, as far as a page draws them.

Inputs are those of ComfyUI 0.3.64; newer versions add more and take these.
"""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

from typing import Any

from ...workflows.core_nodes.node_class import Nodes, integer, number, string
from ...workflows.widgets import Json


class _Drawn:
    """A node class without its work."""

    INPUTS: Json = {}
    OPTIONAL: Json = {}
    RETURN_TYPES: tuple[str, ...] = ()
    FUNCTION = ""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": cls.INPUTS, "optional": cls.OPTIONAL}


class MarkdownNote(_Drawn):
    """A note, which only the page has."""

    INPUTS = {"text": ("STRING", {"multiline": True})}


class LoadVideo(_Drawn):
    """A file of the input folder."""

    INPUTS = {"file": ([], {"video_upload": True})}
    RETURN_TYPES = ("VIDEO",)


class GetVideoComponents(_Drawn):
    """Frames, sound, frames a second."""

    INPUTS = {"video": ("VIDEO", {})}
    RETURN_TYPES = ("IMAGE", "AUDIO", "FLOAT")
    RETURN_NAMES = ("images", "audio", "fps")


class CreateVideo(_Drawn):
    """The way back."""

    INPUTS = {"images": ("IMAGE", {}), "fps": number(30.0, 1.0, 120.0, 1.0)}
    OPTIONAL = {"audio": ("AUDIO", {})}
    RETURN_TYPES = ("VIDEO",)


class SaveVideo(_Drawn):
    """To the output folder."""

    INPUTS = {
        "video": ("VIDEO", {}),
        "filename_prefix": string("video/ComfyUI"),
        "format": (["auto", "mp4"], {}),
        "codec": (["auto", "h264"], {}),
    }
    OUTPUT_NODE = True


class ImageFromBatch(_Drawn):
    """Some of many images."""

    INPUTS = {
        "image": ("IMAGE", {}),
        "batch_index": integer(0, 0, 4095),
        "length": integer(1, 1, 4096),
    }
    RETURN_TYPES = ("IMAGE",)


class LatentBatchSeedBehavior(_Drawn):
    """Whether all latents of a batch start from one noise."""

    INPUTS = {"samples": ("LATENT", {}), "seed_behavior": (["random", "fixed"], {})}
    RETURN_TYPES = ("LATENT",)


OTHER_NODES: Nodes = {
    kind.__name__: kind
    for kind in (
        *(MarkdownNote, LoadVideo, GetVideoComponents, CreateVideo, SaveVideo),
        *(ImageFromBatch, LatentBatchSeedBehavior),
    )
}
