"""The blueprints in `subgraphs/`: a function each that draws one. `BLUEPRINTS` lists them."""

from collections.abc import Callable

from .blueprint import Blueprint
from .example import BOTTOM
from .node import Node
from .page import GREEN, RED, VIOLET


def draw(name: str) -> Blueprint:
    """The page of one blueprint."""
    page = Blueprint(name)
    BLUEPRINTS[name](page)
    return page


def depth_to_image(page: Blueprint) -> None:
    """Photo in, image out."""
    page.description = (
        "Repaints a photo from its depth and a prompt. The image output has the model's size: 512 "
        "pixels on the short side, 256 with the miniature."
    )
    image = page.input("image", "IMAGE")
    page.load()
    page.group("Photo and depth", GREEN, row=BOTTOM)
    photo = page.add("SD2DepthPrepare", image=image, size=page.size)["image"]
    page.column()
    depth = page.estimate(photo)
    prompts = page.prompts("a red clay statue on a blue background")
    encoded = page.encode(depth=depth, **prompts)
    result = page.paint(encoded, page.latent_of(photo))
    _widgets(page, prompts)
    page.output("image", result)
    page.output("depth", depth)


def inpaint_with_depth(page: Blueprint) -> None:
    """Photo and mask in, the whole photo out."""
    page.description = (
        "Repaints what is white in the mask, in its own shape; every other pixel stays as it was."
    )
    image, mask = page.input("image", "IMAGE"), page.input("mask", "MASK")
    page.load()
    page.group("Depth, at the model's size", GREEN, row=BOTTOM)
    depth = page.estimate(image)
    page.column()
    shape = page.add("SD2DepthUnderMask", depth=depth, mask=mask)
    page.column()
    cut = page.add("SD2DepthCrop", image=image, mask=mask, depth=shape, size=page.size)
    prompts = page.prompts("a blue metal statue on a white background")
    page.group("Encode", VIOLET)
    encoded = page.add("SD2DepthEncode", depth=cut["depth"], **prompts)
    parts = {name: cut[name] for name in ("image", "mask")}
    latent = page.add("SD2DepthInpaintEncode", vae=page.model["vae"], **parts)
    result = page.paint(encoded, latent)
    page.group("Back into the photo", RED, row=BOTTOM)
    whole = page.add("SD2DepthStitch", stitch=cut["stitch"], image=result)
    _widgets(page, prompts)
    page.widget(shape, "under_mask")
    page.output("image", whole)


def estimate_and_edit(page: Blueprint) -> None:
    """Photo in, depth map out."""
    page.description = (
        "Estimates a photo's depth, moves its edges to the photo's and adjusts it: white is near. "
        "For Depth Encode, or any node that takes a depth map."
    )
    image = page.input("image", "IMAGE")
    page.group("Model", GREEN)
    page.model = page.checkpoint()
    page.group("Estimate", GREEN)
    depth = page.estimate(image)
    page.group("Edges as in the photo", GREEN)
    refined = page.add("SD2DepthRefine", depth=depth, image=image)
    page.group("Adjust", GREEN)
    adjusted = page.add("SD2DepthAdjust", depth=refined)
    page.widget(page.model, "ckpt_name", "checkpoint")
    page.widget(depth, "resolution")
    for name in ("invert", "near", "far", "gamma", "contrast", "smooth"):
        page.widget(adjusted, name)
    page.output("depth", adjusted)


def _widgets(page: Blueprint, prompts: dict[str, Node]) -> None:
    """Those that matter when something is painted."""
    (sampler,) = (node for node in page.nodes if node.class_type == "SD2DepthSampler")
    page.widget(page.model, "ckpt_name", "checkpoint")
    page.widget(prompts["positive"], "text", "prompt")
    page.widget(prompts["negative"], "text", "negative prompt")
    for name in ("denoise", "seed", "control_after_generate"):
        page.widget(sampler, name)


# As ComfyUI calls its own, with the model behind the task. It also keeps them from coming first
# where somebody searches for "depth".
BLUEPRINTS: dict[str, Callable[[Blueprint], None]] = {
    "Depth to Image (Stable Diffusion 2)": depth_to_image,
    "Inpaint with Depth (Stable Diffusion 2)": inpaint_with_depth,
    "Estimate and Edit Depth": estimate_and_edit,
}
