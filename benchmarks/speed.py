"""What the engine takes beyond the UNet itself, beside diffusers' own pipeline, and for inpainting.

On the CPU, random weights: the time does not depend on their values. The two sides of a comparison
take turns, so that whatever else the machine does falls on both, and the median of the turns'
ratios is judged. All in float32, but for "batch / diffusers": there the engine does what a batch
with `--precision auto` does, and diffusers what it does by default.
"""

import copy
import functools
import logging
from pathlib import Path
from typing import cast

import material
import torch
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_depth2img as peer
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from material import Comparison
from torch import Tensor
from transformers import CLIPTokenizer

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.engine import execution, prompt
from sd2_depth2img.engine.execution import Execution, Precision
from sd2_depth2img.engine.guidance import Request, sample_together
from sd2_depth2img.engine.networks import EngineCLIP, EngineModel, load
from sd2_depth2img.nodes.crop import SD2DepthCrop, SD2DepthStitch
from sd2_depth2img.nodes.inpaint import SD2DepthInpaintEncode
from sd2_depth2img.nodes.sample import SD2DepthSampler
from sd2_depth2img.sampling.depth_channel import DepthCondition, attach_depth
from sd2_depth2img.sampling.latents import Latent

PIXELS = 256
LATENT = PIXELS // 8
REGION, WHOLE = 512, 2048  # pixels, when inpainting
STEPS = 4
CFG = 7.5
TEXT = "a watercolour painting of a motorcycle in a garage"
NEGATIVE = "blurry, deformed, ugly, bad anatomy"

GOAL_SAMPLING = 1.02
GOAL_END_TO_END = 0.92
GOAL_INPAINTING = 1.15
GOAL_BATCH = 0.45

BATCH = 2  # images
BATCH_STEPS = 20


def main() -> None:
    """Run the comparisons and print their ratios."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger(execution.__name__).setLevel(logging.INFO)  # which precision it takes
    material.compare(
        "speed of the embedded engine",
        f"{PIXELS}×{PIXELS} pixels, {REGION}×{REGION} of {WHOLE}×{WHOLE} when inpainting, {STEPS} "
        f"steps of Euler, guidance {CFG}, {torch.get_num_threads()} threads",
        Comparison("sampling / bare UNet forwards", sampling_sides, GOAL_SAMPLING, STEPS),
        Comparison("prompt to image / diffusers", image_sides, GOAL_END_TO_END, STEPS),
        Comparison("inpainting / plain image", inpainting_sides, GOAL_INPAINTING, STEPS),
        Comparison("batch / diffusers", batch_sides, GOAL_BATCH, BATCH_STEPS, rounds=1),
    )


# --- The sides -----------------------------------------------------------------------------------


def sampling_sides(parts: material.Parts, steps: int) -> tuple[material.Side, material.Side]:
    """The sampler with guidance, and as many bare forwards of the same batch."""
    model, clip, _ = parts
    positive, negative = conditionings(clip, slope(PIXELS))
    latent = {"samples": torch.zeros(1, 4, LATENT, LATENT)}
    x = torch.randn(2, 5, LATENT, LATENT)
    context = torch.cat([positive[0][0], negative[0][0]])
    timesteps = torch.tensor([999, 999])

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(steps):
            model.network(x, timesteps, context, return_dict=False)

    return (lambda: sample(model, steps, positive, negative, latent)), bare


def image_sides(parts: material.Parts, steps: int) -> tuple[material.Side, material.Side]:
    """From prompts and a depth map to an image at strength 1.0, here and in diffusers."""
    model, clip, vae = parts
    latent, depth = {"samples": torch.zeros(1, 4, LATENT, LATENT)}, slope(PIXELS)

    def ours() -> None:
        vae.decode(sample(model, steps, *conditionings(clip, depth), latent))

    return ours, diffusers_side(parts, steps)


def batch_sides(parts: material.Parts, steps: int) -> tuple[material.Side, material.Side]:
    """Images of one prompt: half precision where it is faster, prompt and UNet calls shared."""
    model, _, vae = half_precision(parts[0].checkpoint.path)
    clip, depth = parts[1], slope(PIXELS)
    one = diffusers_side(parts, steps)

    def ours() -> None:
        prompts = conditionings(clip, depth)
        latent = {"samples": torch.zeros(1, 4, LATENT, LATENT)}
        requests = [Request(seed, *prompts, latent) for seed in range(BATCH)]
        for sampled in sample_together(model, requests, steps, CFG, "euler", "normal"):
            vae.decode(sampled["samples"])

    def theirs() -> None:
        for _ in range(BATCH):
            one()

    return ours, theirs


@functools.cache
def half_precision(path: Path) -> material.Parts:
    """The engine as `--precision auto` loads it."""
    loaded = load(Checkpoint.open(path), "cpu", Execution(Precision.AUTO))
    return cast(material.Parts, loaded)


def diffusers_side(parts: material.Parts, steps: int, pixels: int = PIXELS) -> material.Side:
    """From prompts and a depth map to an image with diffusers' pipeline, at strength 1.0."""
    model, clip, vae = parts
    model.network.register_to_config(sample_size=64)  # the pipeline asks for it
    pipeline = peer.StableDiffusionDepth2ImgPipeline(
        vae=vae.network,
        text_encoder=clip.network,
        tokenizer=diffusers_tokenizer(),
        unet=model.network,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
        ),
        depth_estimator=None,  # type: ignore[arg-type] # neither is used: the depth map is given
        feature_extractor=None,  # type: ignore[arg-type]
    )
    pipeline.set_progress_bar_config(disable=True)
    source = torch.zeros(1, 3, pixels, pixels)  # diffusers encodes it even where nothing is kept
    depth = slope(pixels)

    def theirs() -> None:
        pipeline(
            TEXT,
            source,
            depth,
            strength=1.0,
            num_inference_steps=steps,
            guidance_scale=CFG,
            negative_prompt=NEGATIVE,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        )

    return theirs


def inpainting_sides(parts: material.Parts, steps: int) -> tuple[material.Side, material.Side]:
    """A region of a large image through the nodes, and a plain image of its size."""
    model, clip, vae = parts
    corner = (WHOLE - REGION) // 2
    image, depth = torch.rand(1, WHOLE, WHOLE, 3), to_image(slope(WHOLE))
    mask = torch.zeros(1, WHOLE, WHOLE)
    mask[:, corner : corner + REGION, corner : corner + REGION] = 1
    plain, plain_depth = image[:, :REGION, :REGION], slope(WHOLE)[:, :REGION, :REGION]

    @torch.inference_mode()
    def inpaint() -> None:
        cut = SD2DepthCrop().execute(image, mask, depth, REGION, padding=0)
        part, part_mask, part_depth, stitch = cut
        (latent,) = SD2DepthInpaintEncode().execute(part, part_mask, vae)
        result = sample(model, steps, *conditionings(clip, part_depth[..., 0]), latent)
        SD2DepthStitch().execute(stitch, vae.decode(result))

    @torch.inference_mode()
    def paint() -> None:
        latent = {"samples": vae.encode(plain)}
        vae.decode(sample(model, steps, *conditionings(clip, plain_depth), latent))

    return inpaint, paint


def slope(side: int) -> Tensor:
    """A depth map `[1, H, W]`, nearer to the right."""
    return torch.linspace(0, 1, side).expand(1, side, side)


def conditionings(clip: EngineCLIP, depth: Tensor) -> tuple[list, list]:
    """Positive and negative prompt with the depth map."""
    positive, negative = (
        attach_depth([[clip.encode(clip.tokenize(text)), {}]], DepthCondition(depth))
        for text in (TEXT, NEGATIVE)
    )
    return positive, negative


def sample(
    model: EngineModel, steps: int, positive: list, negative: list, latent: Latent
) -> Tensor:
    """The latent after all steps, at strength 1.0, through the node."""
    settings = (0, steps, CFG, "euler", "normal", positive, negative)
    (sampled,) = SD2DepthSampler().execute(model, *settings, latent)
    return sampled["samples"]


def diffusers_tokenizer() -> CLIPTokenizer:
    """The engine's tokenizer with the padding of SD2's own tokenizer folder."""
    tokenizer = cast(CLIPTokenizer, copy.deepcopy(prompt.tokenizer()))
    tokenizer.pad_token = "!"
    tokenizer.model_max_length = prompt.CHUNK
    return tokenizer


if __name__ == "__main__":
    main()
