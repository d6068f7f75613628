"""What inpainting a part of a large image costs beside a plain image of the model's size.

Float32 on the CPU, random weights. A region of 512×512 pixels of a 2048×2048 image goes through
the nodes: crop, encode, sample, decode, stitch. The other side encodes, samples and decodes one
image of 512×512 with as many steps. Depth guidance that is switched off is compared with a
sampler that has never heard of it.
"""

from typing import Any

import material
import torch

from sd2_depth2img.depth.convention import to_image
from sd2_depth2img.engine import guidance
from sd2_depth2img.engine.networks import EngineCLIP
from sd2_depth2img.nodes.conditioning import SD2DepthEncode
from sd2_depth2img.nodes.crop import SD2DepthCrop, SD2DepthStitch
from sd2_depth2img.nodes.inpaint import SD2DepthInpaintEncode
from sd2_depth2img.nodes.sample import SD2DepthSampler

REGION, WHOLE = 512, 2048  # pixels
STEPS, CFG = 4, 7.5

GOAL_INPAINTING = 1.15
GOAL_GUIDANCE_OFF = 1.00
NOISE = 0.02  # of the machine: what two runs of the same code may differ by


def main() -> None:
    """Run both comparisons and print their ratios."""
    guidance_off = f"depth guidance off / without (±{NOISE})"
    material.compare(
        "cost of inpainting and of depth guidance that is off",
        f"{REGION}×{REGION} of {WHOLE}×{WHOLE} pixels, {STEPS} steps of Euler, cfg {CFG}",
        ("inpainting / plain image", inpainting_sides, GOAL_INPAINTING),
        (guidance_off, guidance_sides, GOAL_GUIDANCE_OFF + NOISE),
    )


def inpainting_sides(parts: material.Parts) -> tuple[material.Side, material.Side]:
    """A region of a large image through all nodes, and a plain image of its size."""
    _, _, vae = parts
    corner = (WHOLE - REGION) // 2
    image = torch.rand(1, WHOLE, WHOLE, 3)
    depth = to_image(torch.linspace(0, 1, WHOLE).expand(1, WHOLE, WHOLE))
    mask = torch.zeros(1, WHOLE, WHOLE)
    mask[:, corner : corner + REGION, corner : corner + REGION] = 1
    plain, plain_depth = image[:, :REGION, :REGION], depth[:, :REGION, :REGION]

    @torch.inference_mode()
    def inpaint() -> None:
        part, part_mask, part_depth, stitch = SD2DepthCrop().execute(
            image, mask, depth, REGION, padding=0
        )
        (latent,) = SD2DepthInpaintEncode().execute(part, part_mask, vae)
        result = vae.decode(sample(parts, part_depth, latent)["samples"])
        SD2DepthStitch().execute(stitch, result)

    @torch.inference_mode()
    def paint() -> None:
        latent = {"samples": vae.encode(plain)}
        vae.decode(sample(parts, plain_depth, latent)["samples"])

    return inpaint, paint


def guidance_sides(parts: material.Parts) -> tuple[material.Side, material.Side]:
    """Sampling through the node, whose depth guidance is 1, and without that argument."""
    side = REGION // 2
    depth = to_image(torch.linspace(0, 1, side).expand(1, side, side))
    latent = {"samples": torch.zeros(1, 4, side // 8, side // 8)}

    def without() -> None:
        positive, negative = conditionings(parts[1], depth)
        guidance.sample(parts[0], 0, STEPS, CFG, "euler", "normal", positive, negative, latent, 1.0)

    return (lambda: sample(parts, depth, latent)), without


def conditionings(clip: EngineCLIP, depth: torch.Tensor) -> tuple[Any, Any]:
    """Positive and negative prompt with the depth map."""
    texts = ("a bronze lion in front of a library", "blurry, deformed, ugly")
    positive, negative = ([[clip.encode(clip.tokenize(text)), {}]] for text in texts)
    return SD2DepthEncode().execute(positive, negative, depth)


def sample(parts: material.Parts, depth: torch.Tensor, latent: dict[str, Any]) -> dict[str, Any]:
    """The sampler node at denoise 1.0."""
    positive, negative = conditionings(parts[1], depth)
    (sampled,) = SD2DepthSampler().execute(
        parts[0], 0, STEPS, CFG, "euler", "normal", positive, negative, latent
    )
    return sampled


if __name__ == "__main__":
    main()
