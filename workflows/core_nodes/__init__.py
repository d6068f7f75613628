"""`CORE_NODES`: ComfyUI's own nodes that depth workflows use, for the embedded engine.

Class names, inputs, defaults and results are ComfyUI's, so that a workflow file means the same in
both hosts; `tests/comfyui/test_in_comfyui_core_nodes.py` compares each with the original.

load.py          Load Checkpoint, Load Image, Load Image (as Mask), Load Latent
models.py        LoRAs; UNet, VAE, text encoder in files of their own; CLIP Set Last Layer
save.py          Save Image, Preview Image, Preview Mask, Save Latent, Preview as Text, Preview 3D
conditioning.py  CLIP Text Encode, Combine, Set Area, Set Mask
sampling.py      VAE Encode and Decode, KSampler, latents
images.py        scale, invert, batch, composite, size
masks.py         masks from and to images, made, combined
video.py         films: loaded, taken apart, made, saved
values.py        texts and numbers
node_class.py    how a function becomes a node's class
"""

from . import (  # noqa: F401 - their nodes
    conditioning,
    images,
    load,
    masks,
    models,
    sampling,
    save,
    values,
    video,
)
from .node_class import CORE_NODES

__all__ = ["CORE_NODES"]
