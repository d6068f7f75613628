"""How much time the engine takes beyond the UNet itself, and beside diffusers' own pipeline.

Float32 on the CPU, 256×256 pixels, random weights: the time does not depend on their values. The
two sides of a comparison take turns, so that whatever else the machine does falls on both, and the
median of the turns' ratios is judged.
"""

import copy
from typing import cast

import material
import torch
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_depth2img as peer
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from torch import Tensor
from transformers import CLIPTokenizer

from sd2_depth2img.engine import guidance, prompt
from sd2_depth2img.engine.networks import EngineCLIP, EngineModel
from sd2_depth2img.sampling.depth_channel import DepthCondition, attach_depth

PIXELS = 256
LATENT = PIXELS // 8
STEPS = 4
CFG = 7.5
TEXT = "a watercolour painting of a motorcycle in a garage"
NEGATIVE = "blurry, deformed, ugly, bad anatomy"

DEPTH = torch.linspace(0, 1, PIXELS).expand(1, PIXELS, PIXELS)  # BHW, nearer to the right

GOAL_SAMPLING = 1.02
GOAL_END_TO_END = 0.92


def main() -> None:
    """Run both comparisons and print their ratios."""
    material.compare(
        "speed of the embedded engine",
        f"{PIXELS}×{PIXELS} pixels, {STEPS} steps of Euler, guidance {CFG}, "
        f"{torch.get_num_threads()} threads",
        ("sampling / bare UNet forwards", sampling_sides, GOAL_SAMPLING),
        ("prompt to image / diffusers", image_sides, GOAL_END_TO_END),
    )


# --- The sides -----------------------------------------------------------------------------------


def sampling_sides(parts: material.Parts) -> tuple[material.Side, material.Side]:
    """The sampler with guidance, and as many bare forwards of the same batch."""
    model, clip, _ = parts
    positive, negative = conditionings(clip)
    x = torch.randn(2, 5, LATENT, LATENT)
    context = torch.cat([positive[0][0], negative[0][0]])
    timesteps = torch.tensor([999, 999])

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(STEPS):
            model.network(x, timesteps, context, return_dict=False)

    return (lambda: sample(model, positive, negative)), bare


def image_sides(parts: material.Parts) -> tuple[material.Side, material.Side]:
    """From prompts and a depth map to an image at strength 1.0, here and in diffusers."""
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
    source = torch.zeros(1, 3, PIXELS, PIXELS)  # diffusers encodes it even where nothing is kept

    def ours() -> None:
        vae.decode(sample(model, *conditionings(clip)))

    def theirs() -> None:
        pipeline(
            TEXT,
            source,
            DEPTH,
            strength=1.0,
            num_inference_steps=STEPS,
            guidance_scale=CFG,
            negative_prompt=NEGATIVE,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        )

    return ours, theirs


def conditionings(clip: EngineCLIP) -> tuple[list, list]:
    """Positive and negative prompt with the depth map."""
    positive, negative = (
        attach_depth([[clip.encode(clip.tokenize(text)), {}]], DepthCondition(DEPTH))
        for text in (TEXT, NEGATIVE)
    )
    return positive, negative


def sample(model: EngineModel, positive: list, negative: list) -> Tensor:
    """The latent after all steps; there is no source image."""
    empty = {"samples": torch.zeros(1, 4, LATENT, LATENT)}
    return guidance.sample(
        model, 0, STEPS, CFG, "euler", "normal", positive, negative, empty, denoise=1.0
    )["samples"]


def diffusers_tokenizer() -> CLIPTokenizer:
    """The engine's tokenizer with the padding of SD2's own tokenizer folder."""
    tokenizer = cast(CLIPTokenizer, copy.deepcopy(prompt.tokenizer()))
    tokenizer.pad_token = "!"
    tokenizer.model_max_length = prompt.CHUNK
    return tokenizer


if __name__ == "__main__":
    main()
