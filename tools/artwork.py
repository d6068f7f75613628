"""`python -m sd2_depth2img.tools.artwork`: draw the icon and the banner for ComfyUI's registry.

Both are one photo that turns into its depth map and that into paintings, in slanted stripes.
"""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageDraw

from ..disk.writing import written_whole
from ..engine import folders
from ..nodes.load import BUNDLED_CHECKPOINT
from ..workflows.core_nodes.save import to_pil
from ..workflows.graph import Runner, Workflow

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "example_workflows" / "astronaut.jpg"
ICON, BANNER = ROOT / "docs" / "icon.png", ROOT / "docs" / "banner.jpg"

PROMPTS = (
    "a green neon statue on a purple background",
    "a white marble statue on a blue background, light from the left",
    "a yellow metal statue on a purple background, light from the left",
)
SIDE = 512  # pixels of the photo, and of what is painted
FIGURE = 0.44  # where the middle of the head is, as a share of the width

ICON_SIDE = 400
HEAD = (66, 0, 386, 320)  # of the photo
HEADS_APART = 60  # pixels of the photo
ICON_EDGES = (0.36, 0.66)  # between the stripes, as shares of the width
BANNER_SIZE = (1260, 540)  # 21:9
SLANT = 0.2  # of the height: how far right the top of an edge is of its foot
LINE = 0.011  # of the height: the white line between stripes
SMOOTH = 4  # edges are drawn this much larger


def main() -> None:
    """Paint, and write both files."""
    photo, depth, *paintings = painted()
    with written_whole(ICON) as unfinished:
        # 256 colours do for it, and make a quarter of the file.
        icon([photo, depth, paintings[0]]).quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(
            unfinished, format="PNG", optimize=True
        )
    with written_whole(BANNER) as unfinished:
        banner([photo, depth, *paintings]).save(
            unfinished, format="JPEG", quality=88, optimize=True
        )
    sys.stdout.write(f"{ICON}\n{BANNER}\n")


def icon(images: Sequence[Image.Image]) -> Image.Image:
    """The heads of three images, overlapping."""
    left, top, right, bottom = HEAD
    shifts = (HEADS_APART, 0, -HEADS_APART)
    heads = [
        image.crop((left + shift, top, right + shift, bottom))
        for image, shift in zip(images, shifts, strict=True)
    ]
    big = [head.resize((ICON_SIDE, ICON_SIDE), Image.Resampling.LANCZOS) for head in heads]
    return stripes(big, ICON_EDGES)


def banner(images: Sequence[Image.Image]) -> Image.Image:
    """Images side by side, the figure in the middle of each one's stripe."""
    width, height = BANNER_SIZE
    share = width / len(images)
    papers = []
    for number, image in enumerate(images):
        paper = Image.new("RGB", BANNER_SIZE)
        left = (number + 0.5) * share - FIGURE * height
        paper.paste(image.resize((height, height), Image.Resampling.LANCZOS), (round(left), 0))
        papers.append(paper)
    return stripes(papers, [number / len(images) for number in range(1, len(images))])


def stripes(images: Sequence[Image.Image], edges: Sequence[float]) -> Image.Image:
    """Images of one size, each in its slanted stripe between white lines.

    `edges`, shares of the width, are where the lines cross the middle of the height.
    """
    result = images[0].copy()
    width, height = result.size
    lean = SLANT * height / 2

    def between(left: float, right: float) -> Image.Image:
        corners = [
            (left + lean, 0),
            (right + lean, 0),
            (right - lean, height),
            (left - lean, height),
        ]
        mask = Image.new("L", (width * SMOOTH, height * SMOOTH))
        ImageDraw.Draw(mask).polygon([(x * SMOOTH, y * SMOOTH) for x, y in corners], fill=255)
        return mask.resize((width, height), Image.Resampling.BOX)

    places = [edge * width for edge in edges]
    for image, (left, right) in zip(images[1:], pairwise([*places, 2 * width]), strict=True):
        result.paste(image, mask=between(left, right))
    half = LINE * height / 2
    for place in places:
        result.paste("white", (0, 0), between(place - half, place + half))
    return result


def painted() -> list[Image.Image]:
    """The photo, its depth map with the photo's edges, and what each prompt makes of that."""
    runner, before = Runner(), folders.current()
    with TemporaryDirectory() as folder:
        folders.use(folders.Folders.below(Path(folder)))
        try:
            results = [runner.run(Workflow(_workflow(n))).outputs for n in range(len(PROMPTS))]
        finally:
            folders.use(before)
    first = [results[0][node][0][0] for node in ("photo", "edges")]
    paintings = [outputs["painting"][0][0] for outputs in results]
    return [to_pil(images[0]).resize((SIDE, SIDE)) for images in (*first, *paintings)]


def _workflow(number: int) -> dict[str, Any]:
    sampling = {"steps": 20, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
    checkpoint, text = str(BUNDLED_CHECKPOINT), PROMPTS[number]
    nodes = {
        "files": ("SD2DepthCheckpointLoader", {"ckpt_name": checkpoint}),
        "photo": ("LoadImage", {"image": str(PHOTO)}),
        "small": ("SD2DepthPrepare", {"image": ["photo", 0], "size": 256}),
        "depth": (
            "SD2DepthEstimate",
            {"image": ["small", 0], "depth_model": ["files", 3], "resolution": 256},
        ),
        "edges": ("SD2DepthRefine", {"depth": ["depth", 0], "image": ["photo", 0]}),
        "good": ("CLIPTextEncode", {"clip": ["files", 1], "text": text}),
        "bad": ("CLIPTextEncode", {"clip": ["files", 1], "text": ""}),
        "both": (
            "SD2DepthEncode",
            {"positive": ["good", 0], "negative": ["bad", 0], "depth": ["edges", 0]},
        ),
        "empty": ("EmptyLatentImage", {"width": SIDE, "height": SIDE, "batch_size": 1}),
        "latent": (
            "SD2DepthSampler",
            {
                **{"model": ["files", 0], "positive": ["both", 0], "negative": ["both", 1]},
                **{"latent_image": ["empty", 0], "seed": number, "denoise": 1.0, **sampling},
            },
        ),
        "painting": ("VAEDecode", {"samples": ["latent", 0], "vae": ["files", 2]}),
        "shown": ("PreviewImage", {"images": ["painting", 0]}),
    }
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


if __name__ == "__main__":
    main()
