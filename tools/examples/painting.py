"""Examples that paint one image: the basic job, parts of an image, other models."""

from .example import BOTTOM, SAMPLER, Example
from .node import BYPASSED
from .page import BLUE, GREEN, RED, VIOLET, YELLOW


def depth_to_image(page: Example) -> None:
    """A photo repainted from its depth and a prompt."""
    page.load()
    photo, depth = page.photo_and_depth()
    prompts = page.prompts("a red clay statue on a blue background, light from the left")
    encoded = page.encode(depth=depth, **prompts)
    image = page.paint(encoded, page.latent_of(photo))
    page.result(image, "depth2img")
    page.about(
        """
# Depth to image

## Choose a photo, write a prompt, press Run

The photo's depth map (white is near) keeps the composition, the prompt says what is painted. \
Every run has another seed.

- **denoise** 1.0 repaints everything and keeps only the depth; 0.5 to 0.8 keeps more of the \
photo's colours.
- **Another style**: change the prompt.
- **strength** of *Depth Encode*: below 1 the depth counts less; at 0 the model sees none.
- **Your own depth map**: *Depth Map Loader* in place of *Depth Estimation*; move one wire.
""",
        title="What to try",
    )
    page.show(image, columns=1, insets=[photo, depth])


def inpaint_with_depth(page: Example) -> None:
    """The subject of a photo repainted in its own shape, the rest kept."""
    page.load()
    photo = page.photo()
    depth = page.depth(photo)
    prompts = page.prompts("a blue metal statue on a white background, light from the left", 270)
    middle = page.group("Encode", VIOLET, 230)
    mask = page.add("SD2DepthRangeMask", "Mask: what is near", depth=depth, near=1.0, far=0.35)
    page.group("New shape", GREEN, 230, row=BOTTOM)
    shape = page.add("SD2DepthUnderMask", depth=depth, mask=mask)
    page.group("Cropped", GREEN, 230, row=BOTTOM)
    cut = page.add("SD2DepthCrop", image=photo, mask=mask, depth=shape, size=page.size, padding=32)
    page.into(middle)
    parts = {name: cut[name] for name in ("image", "mask")}
    latent = page.add("SD2DepthInpaintEncode", vae=page.model["vae"], **parts)
    page.column(230)
    encoded = page.add("SD2DepthEncode", depth=cut["depth"], **prompts)
    image = page.paint(encoded, latent)
    page.group("Result", RED, 260, row=BOTTOM)
    whole = page.add("SD2DepthStitch", stitch=cut["stitch"], image=image)
    page.add("SaveImage", images=whole, filename_prefix="inpainted")
    page.about(
        """
# Inpainting that keeps the shape

## Choose a photo; what is near becomes what the prompt says

It keeps its old shape, and every pixel outside of the mask stays as it was. Only the masked part \
is painted, at the model's size, and stitched back.

- **far** of *Mask: what is near*: what still counts as near.
- **Your own mask**: right-click *Your photo*, *Open in Mask Editor*, paint, save. Then pull its \
**MASK** to *Edit Depth Under Mask* and *Crop for Inpainting*.
- **denoise** 0.6 to 0.9 keeps something of the old colours.
- **Remove** an object: *smooth fill* in *Edit Depth Under Mask*, a prompt for what is behind it.
"""
    )
    page.show(photo["IMAGE"], depth, mask, whole, columns=2)


def steal_a_pose(page: Example) -> None:
    """A figure from a photo in another world: its depth without what is behind it."""
    page.load()
    photo, depth = page.photo_and_depth()
    page.group("The pose", GREEN, 228, row=BOTTOM)
    background = page.add("SD2DepthRangeMask", "What is far", depth=depth, near=0.4, far=0.0)
    page.column(228)
    nothing = {"shape": "flat plane", "near": 0.0, "mask": background}
    pose = page.add("SD2DepthFill", "Nothing behind it", depth=depth, **nothing)
    prompts = page.prompts("a yellow metal statue on a purple background")
    encoded = page.encode(depth=pose, **prompts)
    page.column(228)
    size = page.add("GetImageSize", image=photo)
    latent = page.add("EmptyLatentImage", width=size["width"], height=size["height"])
    image = page.paint(encoded, latent)
    page.result(image, "pose")
    page.about(
        """
# Someone's pose, and nothing else

## Choose a photo of somebody, describe somebody else

The depth map loses all that is behind the figure, and the sampler starts from an empty latent: \
neither the photo's colours nor its room come along, only the pose.

- **near** of *What is far*: raise it until the background is gone, lower it if the figure loses \
parts.
- Describe another figure of the same build; **depth_guidance** of the sampler at 1.5 to 2 holds \
it to the pose.
- **strength** of *Depth Encode* at 0.7 lets clothes and hair differ more.
"""
    )
    page.show(photo, depth, pose, image, columns=2)


def subject_and_background(page: Example) -> None:
    """Two prompts, one for what is near and one for what is far."""
    page.load()
    photo, depth = page.photo_and_depth()
    page.group("Masks", GREEN, 228, row=BOTTOM)
    limits = {"threshold": 0.4, "softness": 0.0}
    ends = {"near_strength": 1.0, "far_strength": 0.0}
    near = page.add("SD2DepthStrengthMap", "Subject", depth=depth, **ends, **limits)
    page.add("MaskPreview", "The subject's mask", mask=near)
    page.column(228)
    ends = {"near_strength": 0.0, "far_strength": 1.0}
    far = page.add("SD2DepthStrengthMap", "Background", depth=depth, **ends, **limits)
    page.add("MaskPreview", "The background's mask", mask=far)
    page.group("Two prompts", YELLOW, 252)
    texts = (
        ("Prompt for the subject", "a yellow metal statue on a black background", near),
        ("Prompt for the background", "a red clay statue on a blue background", far),
    )
    prompts = [page.prompt(title, text) for title, text, _ in texts]
    negative = page.negative_prompt()
    page.column(228)
    regional = [
        page.add("ConditioningSetMask", conditioning=prompt, mask=mask)
        for prompt, (_, _, mask) in zip(prompts, texts, strict=True)
    ]
    both = page.add("ConditioningCombine", conditioning_1=regional[0], conditioning_2=regional[1])
    encoded = page.encode(positive=both, negative=negative, depth=depth)
    image = page.paint(encoded, page.latent_of(photo))
    page.result(image, "subject_background")
    page.about(
        """
# Two prompts, divided by depth

## One prompt for what is near, one for what is far

The depth map says what is subject and what is background: *Strength Map* with 1 and 0 is a mask \
of what is near, with 0 and 1 of what is far. Each prompt counts under its own mask only.

- Keep **threshold** of both masks alike; move it until the subject is whole.
- Combine first, encode the depth last: both prompts then share one depth map.
"""
    )
    page.show(photo, near, depth, image, columns=2)


def fine_tune(page: Example) -> None:
    """A fine-tune of Stable Diffusion 2 that sees depth."""
    page.load()
    page.group("Your fine-tune", BLUE, 270, row=BOTTOM)
    name = "my-fine-tune.safetensors"
    tuned = page.add("CheckpointLoaderSimple", "The fine-tune", ckpt_name=name)
    base = page.add("CheckpointLoaderSimple", "Its base", ckpt_name="512-base-ema.safetensors")
    given = {"model": page.model["model"], "fine_tune": tuned, "base": base}
    model = page.add("SD2DepthTransplant", **given)
    for node in (tuned, base, model):
        node.mode = BYPASSED
    photo, depth = page.photo_and_depth()
    prompts = page.prompts("a green glass statue on a black background")
    encoded = page.encode(depth=depth, **prompts)
    image = page.paint(encoded, page.latent_of(photo), model=model["model"])
    page.result(image, "fine_tune")
    page.about(
        """
# Depth for a fine-tune

## Choose the three files, then switch the blue group on

There is one depth model and there are many fine-tunes of Stable Diffusion 2. *Give Depth to SD2 \
Model* adds to the depth model what a fine-tune learnt beyond its base. It runs at once, without \
a fine-tune: the three nodes of the group are bypassed.

1. Choose the real depth checkpoint, the fine-tune and its base (512-base-ema or 2.1-base).
2. Select the three nodes and press **Ctrl+B** to switch them on.
3. Pull **CLIP** of *The fine-tune* to both prompts.

**strength** below 1 takes less of its style. LoRAs for SD2 go behind *Give Depth*.
"""
    )
    page.show(image, columns=1, insets=[photo, depth])


def with_own_nodes(page: Example) -> None:
    """ComfyUI's own nodes, and of this pack only what concerns depth."""
    page.group("Models", BLUE, 290)
    page.model = page.add("CheckpointLoaderSimple", ckpt_name="512-depth-ema.safetensors")
    network = page.add("SD2DepthModelLoader", model_name=DEPTH_ANYTHING["name"])
    network.models = [DEPTH_ANYTHING]
    photo = page.photo()
    size = {"upscale_method": "lanczos", "width": 512, "height": 512, "crop": "center"}
    scaled = page.add("ImageScale", image=photo, **size)
    page.group("Depth map", GREEN, 280, row=BOTTOM)
    depth = page.add("SD2DepthEstimate", image=scaled, depth_model=network)
    prompts = page.prompts("a marble statue of a woman, museum photograph")
    prompts["negative"].inputs["text"] = "blurry, deformed"
    encoded = page.encode(depth=depth, **prompts)
    latent = page.latent_of(scaled)
    page.group("Sampling", RED, 280)
    sides = {side: encoded[side] for side in ("positive", "negative")}
    given = {"model": page.model["MODEL"], "latent_image": latent, **sides, **SAMPLER}
    image = page.decoded(page.add("KSampler", steps=25, cfg=7.0, **given))
    page.result(image, "own_nodes")
    page.about(
        """
# With ComfyUI's own nodes

## Put the two files into their folders, press Run

*Load Checkpoint* and *KSampler* work with the depth model once this pack is installed. Of the \
pack only *Depth Encode* is needed, which puts a depth map into both prompts, and something that \
makes the map.

This one needs two files:

1. the real checkpoint, **512-depth-ema**, in **models/checkpoints** (*Load Checkpoint* does not \
read the miniature);
2. a depth network in **models/depth**, such as Depth Anything V2.

Any depth map will do, also that of another pack's node: white has to be near. *KSampler* adds \
its noise to the photo, whose colours shine through even at **denoise** 1.0; *Depth2Img Sampler* \
starts from pure noise.
""",
        model="",
    )
    page.show(image, columns=1, insets=[scaled, depth])


DEPTH_ANYTHING = {
    "name": "depth_anything_v2_vits_fp16.safetensors",
    "url": "https://huggingface.co/Kijai/DepthAnythingV2-safetensors/resolve/main/"
    "depth_anything_v2_vits_fp16.safetensors",
    "directory": "depth",
}
