"""The example workflows: a function each that draws one page. `WORKFLOWS` lists them."""

from collections.abc import Callable

from .example import LARGE, SIZE, Example
from .page import GREEN, RED, VIOLET, YELLOW


def draw(name: str) -> Example:
    """The page of one workflow."""
    page = Example(name)
    WORKFLOWS[name](page)
    return page


def depth_to_image(page: Example) -> None:
    """A photo repainted from its depth and a prompt."""
    photo = page.photo()
    size = {"width": SIZE, "height": SIZE, "crop": "center"}
    scaled = page.add(
        "ImageScale", "Width and height", image=photo, upscale_method="lanczos", **size
    )
    page.column()
    depth = page.estimate(scaled)
    prompts = page.prompts("a red clay statue on a blue background, light from the left")
    encoded = page.encode(depth=depth, **prompts)
    image = page.paint(encoded, page.latent_of(scaled))
    page.save(image, "depth2img")
    page.notes(
        """
### Things to try

- **denoise** 1.0 repaints everything and keeps only the depth; 0.5 to 0.8 keeps more of the \
photo's colours.
- **Another style**: change the prompt, keep the seed.
- **Your own depth map**: save the estimated one with *Save Depth Map*, edit it in any paint \
program, load it with *Depth Map Loader* and move one wire: its output into *depth* of \
*Depth Encode*.
- **strength** of *Depth Encode*: below 1 the depth counts less; at 0 the model sees none.
""",
        "*Width and height* to 512, **resolution** of *Depth Estimation* to 384",
        title="What to try",
    )
    page.show(image, columns=1, insets=[scaled, depth])


def inpaint_with_depth(page: Example) -> None:
    """The subject of a photo repainted in its own shape, the rest kept."""
    photo = page.photo()
    page.group("Depth and mask", GREEN)
    depth = page.estimate(photo)
    page.column()
    mask = page.near("Mask: what is near", depth, threshold=0.35, softness=0.0)
    page.add("MaskPreview", "White is repainted", mask=mask)
    page.group("At the model's size", VIOLET)
    cut = page.add("SD2DepthCrop", image=photo, mask=mask, depth=depth, size=SIZE, padding=32)
    latent = page.add(
        "SD2DepthInpaintEncode", image=cut["image"], mask=cut["mask"], vae=page.model["vae"]
    )
    prompts = page.prompts("a blue metal statue on a white background, light from the left")
    encoded = page.add("SD2DepthEncode", depth=cut["depth"], **prompts)
    image = page.paint(encoded, latent)
    whole = page.add("SD2DepthStitch", stitch=cut["stitch"], image=image)
    page.save(whole, "inpainted")
    page.notes(
        """
### Inpainting that keeps the shape

Everything near becomes what the prompt says, in its old shape; every pixel outside of the mask \
stays as it was. Only the masked part is painted, at the model's size, and stitched back.

- **threshold** of the mask: what still counts as near.
- **Your own mask**: right-click *Your photo*, *Open in Mask Editor*, paint, save. Then pull the \
wire from its **MASK** output to **mask** of *Crop for Inpainting*.
- **denoise** 0.6 to 0.9 keeps something of the old colours.
- **Remove** an object: put *Edit Depth Under Mask* with *smooth fill* between the cropped depth \
and *Depth Encode*.
""",
        "**size** of *Crop for Inpainting* to 512, **resolution** to 384",
    )
    page.show(photo["IMAGE"], depth, mask, whole, columns=2)


def style_transfer(page: Example) -> None:
    """One photo in four styles."""
    styles = (
        "a red clay statue on a blue background",
        "a white marble statue on a black background",
        "a green neon statue on a purple background",
        "a black ink drawing on a yellow background",
    )
    photo, depth = page.photo_and_depth()
    page.group("Four styles", YELLOW, 400)
    prompt = page.add("SD2DepthPromptList", "One style a line", prompts="\n".join(styles))
    positive = page.prompt("Every style", prompt)
    negative = page.negative_prompt()
    encoded = page.encode(positive=positive, negative=negative, depth=depth)
    image = page.paint(encoded, page.latent_of(photo))
    grid = page.add("SD2DepthGrid", images=image, column_labels=prompt)
    page.save(grid, "styles")
    page.notes(
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


def steal_a_pose(page: Example) -> None:
    """A figure from a photo in another world: its depth without what is behind it."""
    photo = page.prepared(page.photo())
    page.group("The pose alone", GREEN)
    depth = page.estimate(photo)
    page.column()
    subject = page.near("What is near", depth, threshold=0.4, softness=0.1)
    size = page.add("GetImageSize", image=depth)
    width, height = size["width"], size["height"]
    nothing = page.add("EmptyImage", "Nothing behind it", width=width, height=height)
    page.column()
    pose = page.add(
        "ImageCompositeMasked", "The pose", destination=nothing, source=depth, mask=subject
    )
    page.add("PreviewImage", "The pose: all else is far", images=pose)
    prompts = page.prompts("a yellow metal statue on a purple background")
    encoded = page.encode(depth=pose, **prompts)
    latent = page.add("EmptyLatentImage", width=width, height=height)
    image = page.paint(encoded, latent)
    page.save(image, "pose")
    page.notes(
        """
### Someone's pose, and nothing else

The depth map loses all that is behind the figure, and the sampler starts from an empty latent: \
neither the photo's colours nor its room come along, only the pose.

- **threshold** of *What is near*: raise it until the background is gone, lower it if the figure \
loses parts.
- Describe another figure of the same build; **depth_guidance** of the sampler at 1.5 to 2 holds \
it to the pose.
- **strength** of *Depth Encode* at 0.7 lets clothes and hair differ more.
""",
    )
    page.show(photo, depth, pose, image, columns=2)


def portrait_variation(page: Example) -> None:
    """Four images of one photo, and the one that keeps its shape best."""
    photo, depth = page.photo_and_depth()
    prompts = page.prompts("a pink plastic statue on a green background")
    encoded = page.encode("Depth and four latents", depth=depth, **prompts)
    latent = page.latent_of(photo)
    latents = page.add("RepeatLatentBatch", "How many", samples=latent, amount=4)
    image = page.paint(encoded, latents, "Sample", denoise=0.9)
    page.group("Compare and save", RED, 400)
    grid = page.add("SD2DepthGrid", images=image, columns=2)
    page.add("PreviewImage", "All four", images=grid)
    fidelity = page.add(
        "SD2DepthFidelity",
        image=image,
        depth=depth,
        depth_model=page.model["depth_model"],
        resolution=SIZE,
    )
    page.add("PreviewAny", "Which is best, and why", source=fidelity["report"])
    page.save(fidelity["best"], "portrait")
    page.notes(
        """
### Variations of a portrait

One photo, one depth map, four noises: each image differs, the person stays where she is. \
*Score Depth Fidelity* estimates the depth of all four again and saves the one that kept it best.

- **denoise** 0.5 to 0.7: small changes; 0.9 to 1.0: another image in the same shape.
- **amount** of *How many*: as many as fit into memory.
- To keep all of them, wire *VAE Decode* to *Save Image*.
""",
        "**size** of *Prepare Image* to 512, both **resolution**s to 384",
    )
    page.show(photo, depth, image, columns=3)


def subject_and_background(page: Example) -> None:
    """Two prompts, one for what is near and one for what is far."""
    photo = page.prepared(page.photo())
    page.group("Depth masks", GREEN)
    depth = page.estimate(photo)
    page.column()
    limits = {"threshold": 0.4, "softness": 0.0}
    near = page.near("Subject", depth, **limits)
    far = page.near("Background", depth, near=0.0, **limits)
    page.add("MaskPreview", "White is the subject", mask=near)
    page.group("Two prompts", YELLOW, 400)
    texts = (
        ("Prompt for the subject", "a yellow metal statue on a black background", near),
        ("Prompt for the background", "a red clay statue on a blue background", far),
    )
    regional = []
    for title, text, mask in texts:
        prompt = page.prompt(title, text)
        regional.append(page.add("ConditioningSetMask", conditioning=prompt, mask=mask))
    negative = page.negative_prompt()
    page.group("Depth and latent", VIOLET)
    both = page.add("ConditioningCombine", conditioning_1=regional[0], conditioning_2=regional[1])
    encoded = page.add("SD2DepthEncode", positive=both, negative=negative, depth=depth)
    image = page.paint(encoded, page.latent_of(photo))
    page.save(image, "subject_background")
    page.notes(
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


def hand_edited_depth(page: Example) -> None:
    """An estimated depth map with something added to it."""
    photo, depth = page.photo_and_depth()
    page.group("A ball", GREEN)
    ball, disc = page.ball(96)
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
    prompts = page.prompts("a red clay statue on a blue background, light from the left")
    encoded = page.encode(depth=edited, **prompts)
    image = page.paint(encoded, page.latent_of(photo))
    page.save(image, "edited_depth")
    page.notes(
        """
### The image follows the map

A ball that is not in the photo is put into its depth map, and the model paints it as part of the \
scene. A depth map is an ordinary image: white is near, black is far, and every image node can \
edit it.

- **x** and **y** of *Where the ball is*: move it.
- **By hand**: save the estimated map with *Save Depth Map* (16 bits), edit it in any paint \
program, put it into *Depth Map Loader* and move one wire: its output into **depth** of *Depth \
Encode*. Paint with soft greys; a grey in between is a place in between.
""",
        "**size** of *Prepare Image* to 512, **resolution** to 384, the ball twice as large",
    )
    page.show(photo, depth, edited, image, columns=2)


def from_a_depth_map_alone(page: Example) -> None:
    """An image without a photo: a scene of masks, and a prompt."""
    page.group("A floor", GREEN)
    floor = page.add("SolidMask", "Near edge of the floor", value=0.5, width=SIZE, height=112)
    slope = page.add("FeatherMask", "Away to the horizon", mask=floor, top=112)
    sky = page.add("SolidMask", "Far away", value=0.0, width=SIZE, height=SIZE)
    scene = page.add_shape("Floor below the horizon", sky, slope, 0, 144)
    page.group("A pedestal and a ball", GREEN)
    block = page.add("SolidMask", "Pedestal", value=0.35, width=112, height=88)
    scene = page.add_shape("Pedestal on the floor", scene, block, 72, 144)
    page.column()
    ball, disc = page.ball(144)
    cut = page.add("MaskComposite", "Cut out", destination=ball, source=disc)  # their product
    page.column()
    scene = page.add_shape("Ball on the pedestal", scene, cut, 56, 16)
    depth = page.add("MaskToImage", mask=scene)
    page.add("PreviewImage", "Depth map: white = near", images=depth)
    prompts = page.prompts("a white marble statue on a blue background")
    encoded = page.encode(depth=depth, **prompts)
    latent = page.add("EmptyLatentImage", "Size of the image", width=SIZE, height=SIZE)
    image = page.paint(encoded, latent)
    page.save(image, "from_depth")
    page.notes(
        """
### A depth map and a prompt are enough

There is no photo here. At **denoise** 1.0 the sampler starts from pure noise, so an empty latent \
will do, and the shapes come from a depth map built of masks: a floor that runs to the horizon, a \
pedestal, a ball.

- Move and resize the shapes: **x**, **y**, **width**, **height**.
- **A map of your own**, painted or rendered in a 3D program: *Depth Map Loader* into **depth** of \
*Depth Encode*. If black is near in it, switch **invert** on. It may have any size, but the shape \
of *Size of the image*.
""",
        "*Size of the image* to 512 x 512 (the map is fitted to it)",
    )
    page.show(image, columns=1, insets=[depth])


def strength_comparison(page: Example) -> None:
    """Image-to-image above depth-to-image, at rising denoising strengths."""
    photo, depth = page.photo_and_depth()
    page.group("Strengths", GREEN, below=True)
    sweep = page.add(
        "SD2DepthStrengthSweep", strengths="0.4, 0.6, 0.8, 1.0", depth_strengths="0, 1"
    )
    prompts = page.prompts("a red clay statue on a blue background, light from the left")
    encoded = page.encode(depth=depth, strength=sweep["depth_strength"], **prompts)
    image = page.paint(encoded, page.latent_of(photo), denoise=sweep["denoise"])
    labels = {name: sweep[name] for name in ("column_labels", "row_labels")}
    grid = page.add("SD2DepthGrid", images=image, **labels)
    page.save(grid, "strengths")
    page.notes(
        """
### What the depth map is good for

Above, image-to-image: the stronger it repaints, the less is left of the composition. Below, \
depth-to-image: the colours follow the prompt, the shapes stay, even at 1.0.

*Strength Sweep* runs everything behind it once for every pair of its two lists: one feeds \
**denoise** of the sampler, the other **strength** of *Depth Encode*, where 0 is no depth at all.

- **strengths** such as *0.4 to 1.0 in 7*: more columns.
- **depth_strengths** such as *0, 0.5, 1*: more rows.
""",
    )
    page.show(image, columns=4)


def second_pass(page: Example) -> None:
    """An image of twice the size, in two passes over one conditioning."""
    photo = page.photo()
    large = page.prepared(photo, LARGE)
    page.column()
    depth = page.estimate(large)
    scale = {"upscale_method": "area", "scale_by": 0.5}
    small = page.add("ImageScaleBy", "For the first pass", image=large, **scale)
    prompts = page.prompts("a red clay statue on a blue background, light from the left")
    encoded = page.encode(depth=depth, **prompts)
    latent = page.latent_of(small)
    page.group("First pass", RED)
    draft = page.sample(encoded, latent)
    shown = page.decoded(draft)
    page.add("PreviewImage", "After the first pass", images=shown)
    page.group("Second pass", RED)
    larger = page.add("LatentUpscaleBy", samples=draft, upscale_method="bicubic", scale_by=2.0)
    final = page.sample(encoded, larger, denoise=0.55)
    image = page.decoded(final)
    page.save(image, "second_pass")
    page.notes(
        """
### One conditioning, two sizes

The first pass finds the image at the size that the model knows; the second one paints details \
into the enlarged latent. *Depth Encode* is there once: it keeps the map at its full size, twice \
that of the first pass, and fits it anew to each latent.

- **denoise** of the second pass: below 0.5 the enlarged latent stays blurred, above 0.7 another \
image appears.
- Another **scale_by** of *Upscale Latent By*: also change *For the first pass*, which is its \
inverse.
""",
        "**size** of *Prepare Image* to 1024, for a first pass of 512; **resolution** to 384",
    )
    page.show(shown, image, columns=2)


WORKFLOWS: dict[str, Callable[[Example], None]] = {
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
