"""What stands in, in the embedded engine, for files that only users have.

So the examples that need them run for their thumbnails and in the tests: the miniature stands in
for the real checkpoint and for a depth network, a camera move over a photo for a film, its frames
for the film that is saved.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...checkpoints.checkpoint import Checkpoint
from ...engine import host
from ...engine.video import Components, Film
from ...nodes.estimate import SD2DepthEstimate
from ...nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from ...nodes.parallax import SD2DepthParallax
from ...workflows.core_nodes.load import read_image
from ...workflows.core_nodes.node_class import NodeClass, Nodes
from ...workflows.core_nodes.save import preview_image
from ...workflows.graph import Runner, all_nodes
from ...workflows.widgets import Json

FRAMES, FPS = 4, Fraction(8)


def stand_in_runner(photo: Path) -> Runner:
    """A runner that has what stands in for the rest, too."""
    return Runner({**all_nodes(), **_stand_ins(photo)})


def _stand_ins(photo: Path) -> Nodes:
    return {
        "CheckpointLoaderSimple": _node(_miniature, ("MODEL", "CLIP", "VAE"), ckpt_name="STRING"),
        "SD2DepthModelLoader": _node(_depth_model, ("DEPTH_MODEL",), model_name="STRING"),
        "LoadVideo": _node(lambda: (_camera_move(photo),), ("VIDEO",)),
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


def _camera_move(photo: Path) -> Components:
    image = read_image(photo)[0]
    (depth,) = SD2DepthEstimate().execute(image, *_depth_model())
    return Components(SD2DepthParallax().execute(image, depth, frames=FRAMES)[0], FPS)


def _shown(video: Film) -> Json:
    return {"ui": preview_image(video.components().images)[1], "result": ()}
