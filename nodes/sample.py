"""Nodes that sample."""

import logging
from typing import Any

from ..host import host
from ..sampling.depth_channel import Conditioning
from ..sampling.latents import Latent, MaskRule, StrengthRule, start_latent
from . import inputs
from .node import Node
from .settings import FULL_SIZE

log = logging.getLogger(__name__)


class SD2DepthSampler(Node):
    DISPLAY_NAME = "Depth2Img Sampler"
    CATEGORY = "SD2 Depth/sampling"
    DESCRIPTION = (
        "KSampler for depth-to-image. At denoise 1.0 it starts from pure noise, as the original "
        "program does: nothing of the source image's colours is left, only its depth. Below 1.0 "
        "it is KSampler, but that grey in a noise mask is a denoising strength of its own."
    )
    SEARCH_ALIASES = ["ksampler", "depth2img", "depth to image", "img2img", "denoising strength"]
    RETURN_TYPES = ("LATENT",)
    RETURN_NAMES = ("latent",)
    OUTPUT_TOOLTIPS = ("The sampled latent, for VAE Decode.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": inputs.MODEL.tooltip("From Depth Checkpoint Loader."),
                "seed": inputs.seed(control_after_generate=True).tooltip(
                    "Number that the noise is drawn from: same seed, same image."
                ),
                "steps": inputs.integer(FULL_SIZE.steps, 1, 10000).tooltip(
                    "Calls of the model. 20 to 50; time grows in proportion."
                ),
                "cfg": inputs.number(FULL_SIZE.cfg, 0.0, 100.0, step=0.1, round=0.01).tooltip(
                    "Classifier-free guidance: how strictly the prompt is followed. Around 7; very "
                    "high values oversaturate. 1 switches the negative prompt off and takes half "
                    "the time."
                ),
                "sampler_name": inputs.one_of(host.sampler_names(), default="dpmpp_2m").tooltip(
                    "How the noise is removed. dpmpp_2m needs few steps; the ancestral and sde "
                    "ones add new noise at every step."
                ),
                "scheduler": inputs.one_of(host.scheduler_names(), default="karras").tooltip(
                    "How much noise is left at each step. karras spends more steps on fine detail."
                ),
                "positive": inputs.CONDITIONING.tooltip(
                    "What to paint, with its depth map: from Depth Encode."
                ),
                "negative": inputs.CONDITIONING.tooltip(
                    "What to avoid, with the same depth map: from Depth Encode."
                ),
                "latent_image": inputs.LATENT.tooltip(
                    "The encoded source image, or an Empty Latent Image at denoise 1.0. Its size "
                    "is the result's, its noise mask is obeyed."
                ),
                "denoise": inputs.fraction(1.0).tooltip(
                    "Denoising strength. 1.0 paints the image anew and keeps only its depth; lower "
                    "values keep more of its colours; 0 changes nothing."
                ),
            },
            "optional": {
                "strength_rule": inputs.choice(StrengthRule.PURE_NOISE, advanced=True).tooltip(
                    "What denoise 1.0 starts from. pure noise: as the original, independent of the "
                    "source's colours. like KSampler: source + noise, through which the source's "
                    "colours shine."
                ),
                "mask_rule": inputs.choice(MaskRule.DIFFERENTIAL, advanced=True).tooltip(
                    "What grey in the noise mask means. differential: a denoising strength of its "
                    "own, times denoise; black stays, white is repainted. like KSampler: how much "
                    "of every step's result is taken, which blurs."
                ),
                "depth_guidance": inputs.number(1.0, 0.0, 10.0, step=0.05, advanced=True).tooltip(
                    "How strictly the depth map is followed, beside cfg. 1 is off and costs "
                    "nothing; 1.5 to 3 holds on to the shape, below 1 lets go of it. Anything but "
                    "1 is one more call of the model a step: half as long again, or twice as long "
                    "at cfg 1."
                ),
            },
        }

    def execute(
        self,
        model: Any,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: Conditioning,
        negative: Conditioning,
        latent_image: Latent,
        denoise: float = 1.0,
        strength_rule: str = StrengthRule.PURE_NOISE.value,
        mask_rule: str = MaskRule.DIFFERENTIAL.value,
        depth_guidance: float = 1.0,
    ) -> tuple[Latent]:
        samples, mask = latent_image["samples"], latent_image.get("noise_mask")
        if mask is not None and not mask.any():
            log.warning("the mask is empty: the latent stays as it is")
            return (latent_image,)
        start = start_latent(samples, denoise, mask, StrengthRule(strength_rule))
        settings = (seed, steps, cfg, sampler_name, scheduler, positive, negative)
        latent = {**latent_image, "samples": start}
        rules = (denoise, MaskRule(mask_rule), depth_guidance)
        return (host.sample(model, *settings, latent, *rules),)
