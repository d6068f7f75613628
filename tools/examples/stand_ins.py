"""What stands in, in the embedded engine, for files that only users have and for video nodes.

So the examples that need them run for their thumbnails and in the tests: the miniature stands in
for the real checkpoint and for a depth network, a camera move over a photo for a video.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from ...checkpoints.checkpoint import Checkpoint
from ...engine import host
from ...nodes.estimate import SD2DepthEstimate
from ...nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from ...nodes.parallax import SD2DepthParallax
from ...workflows.core_nodes.load import read_image
from ...workflows.core_nodes.node_class import NodeClass, Nodes
from ...workflows.core_nodes.save import preview_image
from ...workflows.graph import Runner, all_nodes
from ...workflows.widgets import Json

FRAMES, FPS = 4, 8.0


def stand_in_runner(photo: Path) -> Runner:
    """A runner that has what stands in for the rest, too."""
    return Runner({**all_nodes(), **_stand_ins(photo)})


def _stand_ins(photo: Path) -> Nodes:
    components = ("IMAGE", "AUDIO", "FLOAT")
    created = {"images": "IMAGE", "fps": "FLOAT", "audio": "AUDIO"}
    return {
        "CheckpointLoaderSimple": _node(_miniature, ("MODEL", "CLIP", "VAE"), ckpt_name="STRING"),
        "SD2DepthModelLoader": _node(_depth_model, ("DEPTH_MODEL",), model_name="STRING"),
        "LoadVideo": _node(lambda: (_camera_move(photo),), ("VIDEO",)),
        "GetVideoComponents": _node(lambda video: (video, None, FPS), components, video="VIDEO"),
        "ImageFromBatch": _node(lambda image: (image[:FRAMES],), ("IMAGE",), image="IMAGE"),
        "LatentBatchSeedBehavior": _node(_one_noise, ("LATENT",), samples="LATENT"),
        "CreateVideo": _node(lambda images, **_: (images,), ("VIDEO",), **created),
        "SaveVideo": _node(_shown, (), video="VIDEO"),
    }


def _node(work: Callable[..., Any], types: tuple[str, ...], **inputs: str) -> type[NodeClass]:
    """A node class of a function, with the types of its inputs."""

    def input_types(cls: Any) -> Json:
        return {"required": {name: (kind, {}) for name, kind in inputs.items()}}

    attributes = {
        "INPUT_TYPES": classmethod(input_types),
        "RETURN_TYPES": types,
        "FUNCTION": "work",
        "OUTPUT_NODE": not types,
        "work": staticmethod(work),
    }
    return type("StandIn", (), attributes)


def _miniature(ckpt_name: str) -> tuple[Any, ...]:
    return host.load_checkpoint(Checkpoint.open(BUNDLED_CHECKPOINT))


def _depth_model(model_name: str = "") -> tuple[Any, ...]:
    return SD2DepthCheckpointLoader().execute(str(BUNDLED_CHECKPOINT))[3:]


def _camera_move(photo: Path) -> Tensor:
    image = read_image(photo)[0]
    (depth,) = SD2DepthEstimate().execute(image, *_depth_model())
    return SD2DepthParallax().execute(image, depth, frames=FRAMES)[0]


def _one_noise(samples: Json) -> tuple[Json]:
    return ({**samples, "batch_index": [0] * len(samples["samples"])},)


def _shown(video: Tensor) -> Json:
    return {"ui": preview_image(video)[1], "result": ()}
