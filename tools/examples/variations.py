"""Examples that paint many images: styles, variations, strengths, passes, frames."""

from .example import BOTTOM, Example
from .page import GREEN, RED, VIOLET, YELLOW


def style_transfer(page: Example) -> None:
    """One photo in four styles."""
    styles = (
        "a red clay statue on a blue background",
        "a white marble statue on a black background",
        "a green neon statue on a purple background",
        "a black ink drawing on a yellow background",
    )
    page.load()
    photo, depth = page.photo_and_depth()
    page.group("Four styles", YELLOW, 320)
    prompt = page.add("SD2DepthPromptList", "One style a line", prompts="\n".join(styles))
    positive = page.prompt("Every style", prompt)
    negative = page.negative_prompt()
    encoded = page.encode(positive=positive, negative=negative, depth=depth)
    image = page.paint(encoded, page.latent_of(photo))
    page.grid("styles", images=image, column_labels=prompt)
    page.about(
        """
# One photo, four styles

## Write one style a line

*Prompt List* runs everything behind it once a line; *Comparison Grid* puts the results side by \
side. Seed and depth map are the same for all, so that only the style differs.

- Write other **prompts**, as many as you like.
- **denoise** below 1.0 keeps some of the photo's colours in every style.
- To keep single images too, add a *Save Image* behind *VAE Decode*.
"""
    )
    page.show(photo, depth, image, columns=3)


def portrait_variation(page: Example) -> None:
    """Four images of one photo, and the one that keeps its shape best."""
    page.load()
    photo, depth = page.photo_and_depth()
    prompts = page.prompts("a pink plastic statue on a green background")
    encoded = page.encode("Four latents", depth=depth, **prompts)
    latent = page.latent_of(photo)
    latents = page.add("RepeatLatentBatch", "How many", samples=latent, amount=4)
    image = page.paint(encoded, latents, denoise=0.9)
    page.group("The best", RED, 230, row=BOTTOM)
    depth_model = page.model["depth_model"]
    fidelity = page.add("SD2DepthFidelity", image=image, depth=depth, depth_model=depth_model)
    page.add("PreviewAny", "Why", source=fidelity["report"])
    page.column(250)
    grid = page.add("SD2DepthGrid", images=image, columns=2)
    page.add("PreviewImage", "All four", images=grid)
    page.group("Result", RED, 250, row=BOTTOM)
    page.add("SaveImage", "The best", images=fidelity["best"], filename_prefix="portrait")
    page.about(
        """
# Variations of a portrait

## Four tries; the one that keeps the shape best is saved

One photo, one depth map, four noises: each image differs, the person stays where she is. *Score \
Depth Fidelity* estimates the depth of all four again and saves the one that kept it best.

- **denoise** 0.5 to 0.7: small changes; 0.9 to 1.0: another image in the same shape.
- **amount** of *How many*: as many as fit into memory.
- To keep all of them, wire *VAE Decode* to *Save Image*.
"""
    )
    page.show(photo, depth, image, columns=3)


def strength_comparison(page: Example) -> None:
    """Image-to-image above depth-to-image, at rising denoising strengths."""
    page.load()
    photo, depth = page.photo_and_depth()
    prompts = page.prompts("a red clay statue on a blue background, light from the left")
    strengths = {"strengths": "0.4, 0.6, 0.8, 1.0", "depth_strengths": "0, 1"}
    page.column(230)
    sweep = page.add("SD2DepthStrengthSweep", **strengths)
    encoded = page.encode(depth=depth, strength=sweep["depth_strength"], **prompts)
    image = page.paint(encoded, page.latent_of(photo), denoise=sweep["denoise"])
    labels = {name: sweep[name] for name in ("column_labels", "row_labels")}
    page.grid("strengths", images=image, **labels)
    page.about(
        """
# What the depth map is good for

## Upper row without depth, lower row with it

Above, image-to-image: the stronger it repaints, the less is left of the composition. Below, \
depth-to-image: the colours follow the prompt, the shapes stay, even at 1.0.

*Strength Sweep* runs everything behind it once for every pair of its two lists: one feeds \
**denoise** of the sampler, the other **strength** of *Depth Encode*, where 0 is no depth at all.

- **strengths** such as *0.4 to 1.0 in 7*: more columns.
- **depth strengths** such as *0, 0.5, 1*: more rows.
"""
    )
    page.show(image, columns=4)


def second_pass(page: Example) -> None:
    """An image of one and a half times the size, in two passes over one conditioning."""
    page.load(230)
    photo = page.prepared(page.photo())
    prompts = page.prompts("a red clay statue on a blue background, light from the left", 250)
    middle = page.group("Encode", VIOLET, 250)
    larger = {"upscale_method": "lanczos", "scale_by": 1.5}
    large = page.add("ImageScaleBy", "For the second pass", image=photo, **larger)
    depth = page.depth(large)
    page.into(middle)
    encoded = page.add("SD2DepthEncode", depth=depth, **prompts)
    latent = page.latent_of(photo)
    page.group("First pass", RED, 270)
    draft = page.sample(encoded, latent)
    shown = page.decoded(draft)
    page.group("After the first pass", RED, 280, row=BOTTOM)
    page.add("PreviewImage", images=shown)
    enlarged = {"upscale_method": "bicubic", "scale_by": 1.5}
    latent = page.add("LatentUpscaleBy", samples=draft, **enlarged)
    page.group("Second pass", RED, 270)
    final = page.sample(encoded, latent, denoise=0.55)
    page.group("Result", RED, 228, row=BOTTOM)
    image = page.decoded(final)
    page.column(280)
    page.add("SaveImage", images=image, filename_prefix="second_pass")
    page.about(
        """
# One conditioning, two sizes

## Press Run for an image half as large again

The first pass finds the image at the size that the model knows; the second one paints details \
into the enlarged latent. *Depth Encode* is there once: it keeps the map at its full size and \
fits it anew to each latent.

- **denoise** of the second pass: below 0.5 the enlarged latent stays blurred, above 0.7 another \
image appears.
- **scale_by** of *Upscale Latent By*: set the same in *For the second pass*.
"""
    )
    page.show(shown, image, columns=2)


def video(page: Example) -> None:
    """The frames of a video repainted, as a video again."""
    page.load()
    page.group("Frames", GREEN, 250, row=BOTTOM)
    loaded = page.add("LoadVideo", "Your video", file="video.mp4")
    parts = page.add("GetVideoComponents", video=loaded)
    page.column(230)
    some = page.add("ImageFromBatch", "How many frames", image=parts["images"], length=16)
    frames = page.prepared(some)
    page.group("Depth maps", GREEN, 270, row=BOTTOM)
    depth = page.estimate(frames, normalize="whole batch", smooth=2.0)
    prompts = page.prompts("a red clay statue on a blue background")
    faster = page.add("SD2DepthFaster", model=page.model)
    encoded = page.encode(depth=depth, **prompts)
    latent = page.latent_of(frames)
    same = page.add("LatentBatchSeedBehavior", "One noise for all", samples=latent)
    same.inputs["seed_behavior"] = "fixed"
    image = page.paint(encoded, same, denoise=0.8, model=faster)
    page.group("Result", RED, 228, row=BOTTOM)
    made = page.add("CreateVideo", images=image, fps=parts["fps"], audio=parts["audio"])
    page.column(280)
    page.add("SaveVideo", video=made, filename_prefix="video/depth2img")
    page.about(
        """
# A video, frame by frame

## Choose a short video in *Your video*, press Run

All frames are \
painted as one batch and become a video with the old speed and sound.

Three things keep it from flickering:

- *Depth Estimation* with **normalize** at *whole batch*: all frames share one nearest and one \
farthest depth; **smooth** averages each map with its neighbours.
- *One noise for all*: every frame starts from the same noise.
- **denoise** 0.6 to 0.8 keeps something of each frame.

**length** of *How many frames*: as many as fit into memory. *Faster Sampling* takes about half \
the time; bypass it (Ctrl-B) for the last bit of detail.
"""
    )
    page.show(image, columns=2)
