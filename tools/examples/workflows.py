"""The example workflows: a function each that draws one page. `WORKFLOWS` lists them."""

from collections.abc import Callable
from typing import Any

from ...nodes.load import BUNDLED_CHECKPOINT
from .page import (
    BLUE,
    GREEN,
    GREEN_NODE,
    GREY,
    NOTES,
    RED,
    RED_NODE,
    VIOLET,
    YELLOW,
    Node,
    Output,
    Page,
)

SIZE = 256  # pixels; what the bundled checkpoint was trained at
LARGE = 384  # the largest at which it paints well
SIZES = "**size** of *Prepare Image* to 512, **resolution** to 384"  # for the real checkpoint
SAMPLING: dict[str, Any] = {
    "steps": 20,
    "cfg": 3.0,
    "sampler_name": "dpmpp_2m",
    "scheduler": "karras",
}


def depth_to_image(page: Page) -> None:
    """A photo repainted from its depth and a prompt."""
    model = _model(page)
    photo = _photo(page)
    size = {"width": SIZE, "height": SIZE, "crop": "center"}
    scaled = page.add(
        "ImageScale", "Width and height", image=photo, upscale_method="lanczos", **size
    )
    page.column()
    depth = _estimate(page, model, scaled)
    prompts = _prompts(page, model, "a red clay statue on a blue background, light from the left")
    encoded = _encoded(page, depth=depth, **prompts)
    latent = page.add("VAEEncode", pixels=scaled, vae=model["vae"])
    image = _painted(page, model, encoded, latent)
    _saved(page, image, "depth2img")
    _notes(
        page,
        """
### Things to try

- **denoise** 1.0 repaints everything and keeps only the depth; 0.5 to 0.8 keeps more of the \
photo's colours.
- **Another style**: change the prompt, keep the seed.
- **Your own depth map**: save the estimated one with *Save Depth Map*, edit it in any paint \
program, load it with *Load Depth Map* and move one wire: its output into *depth* of *Encode Depth*.
- **strength** of *Encode Depth*: below 1 the depth counts less; at 0 the model sees none.
""",
        "*Width and height* to 512, **resolution** of *Estimate Depth* to 384",
        title="What to try",
    )
    page.show(image, columns=1, insets=[scaled, depth])


def inpaint_with_depth(page: Page) -> None:
    """The subject of a photo repainted in its own shape, the rest kept."""
    model = _model(page)
    photo = _photo(page)
    page.group("Depth and mask", GREEN)
    depth = _estimate(page, model, photo)
    page.column()
    mask = _near(page, "Mask: what is near", depth, threshold=0.35, softness=0.0)
    page.add("MaskPreview", "White is repainted", mask=mask)
    page.group("At the model's size", VIOLET)
    cut = page.add("SD2DepthCrop", image=photo, mask=mask, depth=depth, size=SIZE, padding=32)
    latent = page.add(
        "SD2DepthInpaintEncode", image=cut["image"], mask=cut["mask"], vae=model["vae"]
    )
    prompts = _prompts(
        page, model, "a blue metal statue on a white background, light from the left"
    )
    encoded = page.add("SD2DepthEncode", depth=cut["depth"], **prompts)
    image = _painted(page, model, encoded, latent)
    whole = page.add("SD2DepthStitch", stitch=cut["stitch"], image=image)
    _saved(page, whole, "inpainted")
    _notes(
        page,
        """
### Inpainting that keeps the shape

Everything near becomes what the prompt says, in its old shape; every pixel outside of the mask \
stays as it was. Only the masked part is painted, at the model's size, and stitched back.

- **threshold** of the mask: what still counts as near.
- **Your own mask**: right-click *Your photo*, *Open in Mask Editor*, paint, save. Then pull the \
wire from its **MASK** output to **mask** of *Crop for Inpainting*.
- **denoise** 0.6 to 0.9 keeps something of the old colours.
- **Remove** an object: put *Depth Under Mask* with *smooth fill* between the cropped depth and \
*Encode Depth*.
""",
        "**size** of *Crop for Inpainting* to 512, **resolution** to 384",
    )
    page.show(photo["IMAGE"], depth, mask, whole, columns=2)


def style_transfer(page: Page) -> None:
    """One photo in four styles."""
    styles = (
        "a red clay statue on a blue background",
        "a white marble statue on a black background",
        "a green neon statue on a purple background",
        "a black ink drawing on a yellow background",
    )
    model = _model(page)
    photo, depth = _photo_and_depth(page, model)
    page.group("Four styles", YELLOW, 400)
    prompt = page.add("SD2DepthPromptList", "One style a line", prompts="\n".join(styles))
    positive = page.add(
        "CLIPTextEncode", "Every style", GREEN_NODE, clip=model["clip"], text=prompt
    )
    negative = _negative(page, model)
    encoded = _encoded(page, positive=positive, negative=negative, depth=depth)
    latent = page.add("VAEEncode", pixels=photo, vae=model["vae"])
    image = _painted(page, model, encoded, latent)
    grid = page.add("SD2DepthGrid", images=image, column_labels=prompt)
    _saved(page, grid, "styles")
    _notes(
        page,
        """
### One photo, four styles

*Prompt List* runs everything behind it once a line; *Comparison Grid* puts the results side by \
side. Seed and depth map are the same, so that only the style differs.

- Write other **prompts**, as many as you like.
- **denoise** below 1.0 keeps some of the photo's colours in every style.
- To keep single images too, add a *Save Image* behind *VAE Decode*.
""",
    )
    page.show(photo, depth, image, columns=3)


def steal_a_pose(page: Page) -> None:
    """A figure from a photo in another world: its depth without what is behind it."""
    model = _model(page)
    photo = _prepared(page, _photo(page))
    page.group("The pose alone", GREEN)
    depth = _estimate(page, model, photo)
    page.column()
    subject = _near(page, "What is near", depth, threshold=0.4, softness=0.1)
    size = page.add("GetImageSize", image=depth)
    width, height = size["width"], size["height"]
    nothing = page.add("EmptyImage", "Nothing behind it", width=width, height=height)
    page.column()
    pose = page.add(
        "ImageCompositeMasked", "The pose", destination=nothing, source=depth, mask=subject
    )
    page.add("PreviewImage", "The pose: all else is far", images=pose)
    prompts = _prompts(page, model, "a yellow metal statue on a purple background")
    encoded = _encoded(page, depth=pose, **prompts)
    latent = page.add("EmptyLatentImage", width=width, height=height)
    image = _painted(page, model, encoded, latent)
    _saved(page, image, "pose")
    _notes(
        page,
        """
### Someone's pose, and nothing else

The depth map loses all that is behind the figure, and the sampler starts from an empty latent: \
neither the photo's colours nor its room come along, only the pose.

- **threshold** of *What is near*: raise it until the background is gone, lower it if the figure \
loses parts.
- Describe another figure of the same build; **depth_guidance** of the sampler at 1.5 to 2 holds \
it to the pose.
- **strength** of *Encode Depth* at 0.7 lets clothes and hair differ more.
""",
    )
    page.show(photo, depth, pose, image, columns=2)


def portrait_variation(page: Page) -> None:
    """Four images of one photo, and the one that keeps its shape best."""
    model = _model(page)
    photo, depth = _photo_and_depth(page, model)
    prompts = _prompts(page, model, "a pink plastic statue on a green background")
    encoded = _encoded(page, "Depth and four latents", depth=depth, **prompts)
    latent = page.add("VAEEncode", pixels=photo, vae=model["vae"])
    latents = page.add("RepeatLatentBatch", "How many", samples=latent, amount=4)
    image = _painted(page, model, encoded, latents, "Sample", denoise=0.9)
    page.group("Compare and save", RED, 400)
    grid = page.add("SD2DepthGrid", images=image, columns=2)
    page.add("PreviewImage", "All four", images=grid)
    fidelity = page.add(
        "SD2DepthFidelity",
        image=image,
        depth=depth,
        depth_model=model["depth_model"],
        resolution=SIZE,
    )
    page.add("PreviewAny", "Which is best, and why", source=fidelity["report"])
    _saved(page, fidelity["best"], "portrait")
    _notes(
        page,
        """
### Variations of a portrait

One photo, one depth map, four noises: each image differs, the person stays where she is. *Depth \
Fidelity* estimates the depth of all four again and saves the one that kept it best.

- **denoise** 0.5 to 0.7: small changes; 0.9 to 1.0: another image in the same shape.
- **amount** of *How many*: as many as fit into memory.
- To keep all of them, wire *VAE Decode* to *Save Image*.
""",
        "**size** of *Prepare Image* to 512, both **resolution**s to 384",
    )
    page.show(photo, depth, image, columns=3)


def subject_and_background(page: Page) -> None:
    """Two prompts, one for what is near and one for what is far."""
    model = _model(page)
    photo = _prepared(page, _photo(page))
    page.group("Depth masks", GREEN)
    depth = _estimate(page, model, photo)
    page.column()
    limits = {"threshold": 0.4, "softness": 0.0}
    near = _near(page, "Subject", depth, **limits)
    far = _near(page, "Background", depth, near=0.0, **limits)
    page.add("MaskPreview", "White is the subject", mask=near)
    page.group("Two prompts", YELLOW, 400)
    texts = (
        ("Prompt for the subject", "a yellow metal statue on a black background", near),
        ("Prompt for the background", "a red clay statue on a blue background", far),
    )
    regional = []
    for title, text, mask in texts:
        prompt = page.add("CLIPTextEncode", title, GREEN_NODE, clip=model["clip"], text=text)
        regional.append(page.add("ConditioningSetMask", conditioning=prompt, mask=mask))
    negative = _negative(page, model)
    page.group("Depth and latent", VIOLET)
    both = page.add("ConditioningCombine", conditioning_1=regional[0], conditioning_2=regional[1])
    encoded = page.add("SD2DepthEncode", positive=both, negative=negative, depth=depth)
    latent = page.add("VAEEncode", pixels=photo, vae=model["vae"])
    image = _painted(page, model, encoded, latent)
    _saved(page, image, "subject_background")
    _notes(
        page,
        """
### Prompts of their own for subject and background

The depth map itself says what is subject and what is background: *Strength Map* with 1 and 0 is \
a mask of what is near, with 0 and 1 of what is far. Each prompt counts under its own mask only: \
neither leaks into the other.

- Keep **threshold** of both masks alike; move the threshold until the subject is \
whole.
- Combine first, encode the depth last: both prompts then share one depth map.
- A third prompt: another *Conditioning (Set Mask)* and another *Conditioning (Combine)*.
""",
    )
    page.show(photo, near, depth, image, columns=2)


def hand_edited_depth(page: Page) -> None:
    """An estimated depth map with something added to it."""
    model = _model(page)
    photo, depth = _photo_and_depth(page, model)
    page.group("A ball", GREEN)
    ball, disc = _ball(page, 96)
    ball = page.add("MaskToImage", mask=ball)
    page.group("The edited map", GREEN)
    edited = page.add(
        "ImageCompositeMasked",
        "Where the ball is",
        destination=depth,
        source=ball,
        mask=disc,
        x=156,
        y=8,
    )
    page.add("PreviewImage", "Edited depth map", images=edited)
    prompts = _prompts(page, model, "a red clay statue on a blue background, light from the left")
    encoded = _encoded(page, depth=edited, **prompts)
    latent = page.add("VAEEncode", pixels=photo, vae=model["vae"])
    image = _painted(page, model, encoded, latent)
    _saved(page, image, "edited_depth")
    _notes(
        page,
        """
### The image follows the map

A ball that is not in the photo is put into its depth map, and the model paints it as part of the \
scene. A depth map is an ordinary image: white is near, black is far, and every image node can \
edit it.

- **x** and **y** of *Where the ball is*: move it.
- **By hand**: save the estimated map with *Save Depth Map* (16 bits), edit it in any paint \
program, put it into *Load Depth Map* and move one wire: its output into **depth** of *Encode \
Depth*. Paint with soft greys; a grey in between is a place in between.
""",
        "**size** of *Prepare Image* to 512, **resolution** to 384, the ball twice as large",
    )
    page.show(photo, depth, edited, image, columns=2)


def from_a_depth_map_alone(page: Page) -> None:
    """An image without a photo: a scene of masks, and a prompt."""
    model = _model(page)
    page.group("A floor", GREEN)
    floor = page.add("SolidMask", "Near edge of the floor", value=0.5, width=SIZE, height=112)
    slope = page.add("FeatherMask", "Away to the horizon", mask=floor, top=112)
    sky = page.add("SolidMask", "Far away", value=0.0, width=SIZE, height=SIZE)
    scene = _added(page, "Floor below the horizon", sky, slope, 0, 144)
    page.group("A pedestal and a ball", GREEN)
    block = page.add("SolidMask", "Pedestal", value=0.35, width=112, height=88)
    scene = _added(page, "Pedestal on the floor", scene, block, 72, 144)
    page.column()
    ball, disc = _ball(page, 144)
    cut = page.add("MaskComposite", "Cut out", destination=ball, source=disc)  # their product
    page.column()
    scene = _added(page, "Ball on the pedestal", scene, cut, 56, 16)
    depth = page.add("MaskToImage", mask=scene)
    page.add("PreviewImage", "Depth map: white = near", images=depth)
    prompts = _prompts(page, model, "a white marble statue on a blue background")
    encoded = _encoded(page, depth=depth, **prompts)
    latent = page.add("EmptyLatentImage", "Size of the image", width=SIZE, height=SIZE)
    image = _painted(page, model, encoded, latent)
    _saved(page, image, "from_depth")
    _notes(
        page,
        """
### A depth map and a prompt are enough

There is no photo here. At **denoise** 1.0 the sampler starts from pure noise, so an empty latent \
will do, and the shapes come from a depth map built of masks: a floor that runs to the horizon, a \
pedestal, a ball.

- Move and resize the shapes: **x**, **y**, **width**, **height**.
- **A map of your own**, painted or rendered in a 3D program: *Load Depth Map* into **depth** of \
*Encode Depth*. If black is near in it, switch **invert** on. It may have any size, but the shape \
of *Size of the image*.
""",
        "*Size of the image* to 512 x 512 (the map is fitted to it)",
    )
    page.show(image, columns=1, insets=[depth])


def strength_comparison(page: Page) -> None:
    """Image-to-image above depth-to-image, at rising denoising strengths."""
    model = _model(page)
    photo, depth = _photo_and_depth(page, model)
    page.group("Strengths", GREEN, below=True)
    sweep = page.add(
        "SD2DepthStrengthSweep", strengths="0.4, 0.6, 0.8, 1.0", depth_strengths="0, 1"
    )
    prompts = _prompts(page, model, "a red clay statue on a blue background, light from the left")
    encoded = _encoded(page, depth=depth, strength=sweep["depth_strength"], **prompts)
    latent = page.add("VAEEncode", pixels=photo, vae=model["vae"])
    image = _painted(page, model, encoded, latent, denoise=sweep["denoise"])
    labels = {name: sweep[name] for name in ("column_labels", "row_labels")}
    grid = page.add("SD2DepthGrid", images=image, **labels)
    _saved(page, grid, "strengths")
    _notes(
        page,
        """
### What the depth map is good for

Above, image-to-image: the stronger it repaints, the less is left of the composition. Below, \
depth-to-image: the colours follow the prompt, the shapes stay, even at 1.0.

*Strength Sweep* runs everything behind it once for every pair of its two lists: one feeds \
**denoise** of the sampler, the other **strength** of *Encode Depth*, where 0 is no depth at all.

- **strengths** such as *0.4 to 1.0 in 7*: more columns.
- **depth_strengths** such as *0, 0.5, 1*: more rows.
""",
    )
    page.show(image, columns=4)


def second_pass(page: Page) -> None:
    """An image of twice the size, in two passes over one conditioning."""
    model = _model(page)
    photo = _photo(page)
    large = _prepared(page, photo, LARGE)
    page.column()
    depth = _estimate(page, model, large)
    small = page.add(
        "ImageScaleBy",
        "For the first pass",
        image=large,
        upscale_method="area",
        scale_by=0.5,
    )
    prompts = _prompts(page, model, "a red clay statue on a blue background, light from the left")
    encoded = _encoded(page, depth=depth, **prompts)
    latent = page.add("VAEEncode", pixels=small, vae=model["vae"])
    page.group("First pass", RED)
    draft = _sampler(page, model, encoded, latent)
    shown = page.add("VAEDecode", samples=draft, vae=model["vae"])
    page.add("PreviewImage", "After the first pass", images=shown)
    page.group("Second pass", RED)
    larger = page.add("LatentUpscaleBy", samples=draft, upscale_method="bicubic", scale_by=2.0)
    final = _sampler(page, model, encoded, larger, denoise=0.55)
    image = page.add("VAEDecode", samples=final, vae=model["vae"])
    _saved(page, image, "second_pass")
    _notes(
        page,
        """
### One conditioning, two sizes

The first pass finds the image at the size that the model knows; the second one paints details \
into the enlarged latent. *Encode Depth* is there once: it keeps the map at its full size, twice \
that of the first pass, and fits it anew to each latent.

- **denoise** of the second pass: below 0.5 the enlarged latent stays blurred, above 0.7 another \
image appears.
- Another **scale_by** of *Upscale Latent By*: also change *For the first pass*, which is its \
inverse.
""",
        "**size** of *Prepare Image* to 1024, for a first pass of 512; **resolution** to 384",
    )
    page.show(shown, image, columns=2)


WORKFLOWS: dict[str, Callable[[Page], None]] = {
    "Depth to Image": depth_to_image,
    "Inpaint with Depth": inpaint_with_depth,
    "Style Transfer": style_transfer,
    "Steal a Pose": steal_a_pose,
    "Portrait Variation": portrait_variation,
    "Subject and Background": subject_and_background,
    "Hand-Edited Depth": hand_edited_depth,
    "From a Depth Map Alone": from_a_depth_map_alone,
    "Strength Comparison": strength_comparison,
    "Second Pass": second_pass,
}


def draw(name: str) -> Page:
    """The page of one workflow."""
    page = Page(name)
    WORKFLOWS[name](page)
    return page


# --- parts that several pages have ---------------------------------------------------------------


def _model(page: Page) -> Node:
    page.group("Model", BLUE, 360)
    return page.add("SD2DepthCheckpointLoader", ckpt_name=BUNDLED_CHECKPOINT.name)


def _photo(page: Page) -> Node:
    """An image that every ComfyUI has, in a group of its own."""
    page.group("Photo", GREEN, 360, below=True)
    return page.add("LoadImage", "Your photo", image="example.png")


def _prepared(page: Page, photo: Node, size: int = SIZE) -> Output:
    return page.add("SD2DepthPrepare", image=photo, size=size)["image"]


def _photo_and_depth(page: Page, model: Node) -> tuple[Output, Node]:
    """Both at the model's size, in one group."""
    photo = _prepared(page, _photo(page))
    page.column()
    return photo, _estimate(page, model, photo)


def _estimate(page: Page, model: Node, image: Node | Output) -> Node:
    """The depth map, and a look at it."""
    depth = page.add(
        "SD2DepthEstimate", image=image, depth_model=model["depth_model"], resolution=SIZE
    )
    page.add("PreviewImage", "Depth map: white = near", images=depth)
    return depth


def _near(page: Page, title: str, depth: Node, near: float = 1.0, **limits: float) -> Node:
    """A mask of what is near; with `near` 0 of what is far."""
    strengths = {"near_strength": near, "far_strength": 1.0 - near}
    return page.add("SD2DepthStrengthMap", title, depth=depth, **strengths, **limits)


def _prompts(page: Page, model: Node, text: str) -> dict[str, Node]:
    """Both prompts, in a group of their own."""
    page.group("What to paint", YELLOW, 400)
    positive = page.add("CLIPTextEncode", "Prompt", GREEN_NODE, clip=model["clip"], text=text)
    return {"positive": positive, "negative": _negative(page, model)}


def _encoded(page: Page, title: str = "Depth and latent", /, **inputs: Any) -> Node:
    """The depth map in the conditioning, in a group that the latent joins."""
    page.group(title, VIOLET, 400, below=True)
    return page.add("SD2DepthEncode", **inputs)


def _negative(page: Page, model: Node) -> Node:
    return page.add("CLIPTextEncode", "Negative prompt", RED_NODE, clip=model["clip"], text="")


def _ball(page: Page, size: int) -> tuple[Node, Node]:
    """A ball as depth map, and the disc that it fills: a pyramid without corners and tip."""
    square = page.add("SolidMask", "Size of the ball", value=1.0, width=size, height=size)
    sides = dict.fromkeys(("left", "top", "right", "bottom"), size // 2)
    pyramid = page.add("FeatherMask", "Nearest in the middle", mask=square, **sides)
    disc = page.add("ThresholdMask", "Without the corners", mask=pyramid, value=0.25)
    page.column()
    hollow = page.add("InvertMask", mask=pyramid)
    round_ = page.add("MaskComposite", "Without the tip", destination=hollow, source=hollow)
    return page.add("InvertMask", "Ball", mask=round_), disc


def _added(page: Page, title: str, scene: Node, shape: Node, x: int, y: int) -> Node:
    """A shape in a scene of masks, its corner at (x, y)."""
    return page.add(
        "MaskComposite", title, destination=scene, source=shape, x=x, y=y, operation="add"
    )


def _painted(
    page: Page,
    model: Node,
    encoded: Node,
    latent: Node,
    group: str = "Sample and save",
    **settings: Any,
) -> Node:
    """Sampled and decoded, in a group of their own."""
    page.group(group, RED)
    sampled = _sampler(page, model, encoded, latent, **settings)
    return page.add("VAEDecode", samples=sampled, vae=model["vae"])


def _sampler(page: Page, model: Node, encoded: Node, latent: Node, **settings: Any) -> Node:
    return page.add(
        "SD2DepthSampler",
        model=model["model"],
        positive=encoded["positive"],
        negative=encoded["negative"],
        latent_image=latent,
        **SAMPLING,
        **settings,
    )


def _saved(page: Page, image: Node | Output, prefix: str) -> None:
    """To the right of what made it."""
    page.column(480)
    page.add("SaveImage", images=image, filename_prefix=prefix)


def _notes(page: Page, text: str, sizes: str = SIZES, title: str = "What it shows") -> None:
    """What the workflow is for, and what changes with the real checkpoint, in a group."""
    page.group(NOTES, GREY, 480)
    page.note(title, text)
    page.note(
        "Model and size",
        f"""
### Model and size

**sd2-depth-mini** comes with the pack, to try the nodes with: a small model that paints simple \
shapes, colours and materials at 256 x 256, no photographs. It likes **cfg** 3.

The real checkpoint, usually called **512-depth-ema**, goes into **models/checkpoints**. Choose it \
in *Load SD2 Depth Checkpoint*, set {sizes} and **cfg** to 7 to 9, and write a negative prompt. \
Sides are best multiples of 64, the shorter one 512.
""",
    )
