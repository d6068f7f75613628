"""What runs the nodes: ComfyUI when we are inside it, otherwise the embedded engine.

Nodes say `from .. import host` and `host.sample(…)`. Both hosts define the functions below, with
the same parameters; this page is their contract. MODEL, CLIP, VAE are the host's own objects.
IMAGE is float32 [B, H, W, 3], 0..1; LATENT a dict with `samples` [B, 4, h, w].

Files:

    checkpoint_names() -> list[str]
        Names for a dropdown: weight files, and diffusers folders as `NAME/`.
    checkpoint_path(name) -> Path
        FileNotFoundError says where it was looked for and what to do.
    depth_model_names() -> list[str], depth_model_path(name) -> Path
        Depth networks: weight files, and folders that transformers wrote. As above.
    input_names(suffixes=()) -> list[str]
        Names of the images in the input folder, and of the files with one of the suffixes.
    input_path(name) -> Path
        The engine also takes a path. FileNotFoundError when there is no such image.
    output_paths(prefix, count, width, height, suffix=".png") -> (list[Path], str)
        Free paths numbered as ComfyUI does, and the subfolder of the output folder they lie in.
    preview_paths(prefix, count, width, height, suffix=".png") -> (list[Path], str)
        The same in the folder of previews, which the host empties when it likes.
    png_text(prompt, extra_pnginfo) -> dict[str, str]
        PNG text entries that carry the workflow; {} when the host writes no metadata.

Models:

    load_checkpoint(checkpoint) -> (MODEL, CLIP, VAE)
        Of a sampling.checkpoint.Checkpoint. In place of a CLIP or VAE that it lacks stands a
        sampling.checkpoint.Absent, which says so when it is used.
    add_difference(model, fine_tune, base, strength) -> MODEL
        model + strength * (fine_tune - base), for a depth MODEL and two of SD2 without depth.
        CannotAddDifference (a ValueError) when they do not belong together.
    on_device(network) -> torch.device
        Makes a depth network ready to run and says where its input belongs.

Sampling:

    sampler_names() -> list[str], scheduler_names() -> list[str]
    sample(model, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent, denoise,
           mask_rule=MaskRule.KSAMPLER, depth_guidance=1.0)
        -> LATENT. KSampler's rule; `mask_rule` says what grey in its noise mask means (see
        sampling.latents), `depth_guidance` scales the depth map's influence beside cfg, 1 = off.
        ValueError for a MODEL that takes no depth map.
    progress(items, description) -> Iterator
        The same items under a progress bar; raises the host's interrupt between two of them.
"""

import sys

if "comfy" in sys.modules and "folder_paths" in sys.modules:
    from .comfyui import (
        add_difference,
        checkpoint_names,
        checkpoint_path,
        depth_model_names,
        depth_model_path,
        input_names,
        input_path,
        load_checkpoint,
        on_device,
        output_paths,
        png_text,
        preview_paths,
        progress,
        sample,
        sampler_names,
        scheduler_names,
    )
else:
    from ..engine.host import (
        add_difference,
        checkpoint_names,
        checkpoint_path,
        depth_model_names,
        depth_model_path,
        input_names,
        input_path,
        load_checkpoint,
        on_device,
        output_paths,
        png_text,
        preview_paths,
        progress,
        sample,
        sampler_names,
        scheduler_names,
    )

__all__ = [
    "add_difference",
    "checkpoint_names",
    "checkpoint_path",
    "depth_model_names",
    "depth_model_path",
    "input_names",
    "input_path",
    "load_checkpoint",
    "on_device",
    "output_paths",
    "png_text",
    "preview_paths",
    "progress",
    "sample",
    "sampler_names",
    "scheduler_names",
]
