"""One task through the nodes of a depth-to-image workflow, in the order of the canvas.

They run on whatever runs the nodes: in ComfyUI's process on ComfyUI, otherwise on the engine.
"""

import logging
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..depth.convention import to_image
from ..host import host
from ..images.crop import Fit, Stitch, own_size_box
from ..nodes.conditioning import SD2DepthEncode
from ..nodes.crop import SD2DepthCrop, SD2DepthPrepare, SD2DepthStitch, framed
from ..nodes.estimate import SD2DepthEstimate
from ..nodes.inpaint import SD2DepthInpaintEncode
from ..nodes.node import depth_maps
from ..nodes.sample import SD2DepthSampler
from ..nodes.settings import Suited
from ..sampling.latents import FULL_STRENGTH, LATENT_PIXELS, Latent
from ..sampling.trained_sizes import is_far
from ..workflows.core_nodes import CORE_NODES
from .arguments import Settings, Task

log = logging.getLogger(__name__)


class Parts(NamedTuple):
    """What Depth Checkpoint Loader gives, and Model Settings."""

    model: Any
    clip: Any
    vae: Any
    depth_model: Any
    suited: Suited


def paint(parts: Parts, task: Task, settings: Settings) -> Tensor:
    """What a task asks for, IMAGE [count, H, W, 3] of the size of its image or depth map."""
    image, mask, depth, stitch = _framed(parts, task, settings)
    positive, negative = SD2DepthEncode().execute(
        core("CLIPTextEncode", text=task.prompt, clip=parts.clip),
        core("CLIPTextEncode", text=task.negative, clip=parts.clip),
        depth,
        strength=settings.depth_strength,
    )
    (latent,) = SD2DepthSampler().execute(
        parts.model,
        task.seed,
        settings.steps,
        settings.cfg,
        settings.sampler,
        settings.scheduler,
        positive,
        negative,
        _start(parts, task, settings, image, mask),
        settings.strength,
        depth_guidance=settings.depth_guidance,
    )
    painted = core("VAEDecode", samples=latent, vae=parts.vae)
    feather = 0 if task.mask is None else settings.feather  # without a mask there is no seam
    (whole,) = SD2DepthStitch().execute(stitch, painted, feather)
    return whole


def estimated(parts: Parts, image: Tensor) -> Tensor:
    """The depth map of IMAGE [1, H, W, 3], the same."""
    (depth,) = SD2DepthEstimate().execute(image, parts.depth_model)
    return depth


def core(name: str, /, **inputs: Any) -> Any:
    """The first output of one of ComfyUI's nodes: its own in ComfyUI, else what stands in."""
    return core_outputs(name, **inputs)[0]


def core_outputs(name: str, /, **inputs: Any) -> tuple[Any, ...]:
    """All of them."""
    kind: Any = host.core_nodes().get(name) or CORE_NODES[name]
    return getattr(kind(), kind.FUNCTION)(**inputs)


def _framed(parts: Parts, task: Task, settings: Settings) -> tuple[Any, Any, Any, Stitch]:
    """Image, mask and depth map at the size that is painted at, and the way back."""
    source, image = task.source, task.image
    if image is None:
        image = torch.zeros(*source.shape[:3], 3)  # its size is what counts
    given = task.depth
    depth = estimated(parts, image) if given is None else to_image(depth_maps(given))
    size = settings.size or parts.suited.size
    if settings.crop and task.mask is not None:
        return SD2DepthCrop().execute(image, task.mask, depth, size, settings.padding)
    rows, columns = image.shape[1:3]
    if settings.size is None:
        if not is_far(host.unet_width(parts.model), rows, columns):
            box = own_size_box(rows, columns, LATENT_PIXELS)
            return framed(image, task.mask, depth, *box)
        log.warning(
            "the picture has %d x %d pixels: it is painted with a short side of %d, as the model "
            "was trained, and brought back to its size. Resize it beforehand, or give `size`, for "
            "anything else",
            *(columns, rows, size),
        )
    return SD2DepthPrepare().execute(image, task.mask, depth, size, Fit.PAD.value)


def _start(parts: Parts, task: Task, settings: Settings, image: Tensor, mask: Tensor) -> Latent:
    """The latent to start from, `count` times."""
    if task.mask is not None:
        (latent,) = SD2DepthInpaintEncode().execute(
            image, mask, parts.vae, settings.content, settings.grow, noise_seed=task.seed
        )
    elif settings.strength > FULL_STRENGTH:  # nothing of the image remains
        height, width = image.shape[1:3]
        latent = core("EmptyLatentImage", width=width, height=height, batch_size=1)
    else:
        latent = core("VAEEncode", pixels=image, vae=parts.vae)
    return core("RepeatLatentBatch", samples=latent, amount=settings.count)
