"""What the miniature can do, in numbers: `python -m sd2_depth2img.tools.train_mini.measure`.

Scenes come from a seed that no training saw, photographs from scikit-image. Everything goes
through the pack's own nodes on the embedded engine, with fixed seeds; no image is picked.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.stats import spearmanr
from skimage import data
from torch import Tensor

from ...depth import convention
from ...depth.convention import from_image, to_image
from ...nodes.conditioning import SD2DepthEncode
from ...nodes.estimate import SD2DepthEstimate
from ...nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from ...nodes.sample import SD2DepthSampler
from ...workflows.core_nodes.conditioning import clip_text_encode
from .captions import caption
from .dataset import HELD_OUT
from .scenes import Scene, random_scene, stretched
from .shader import (
    LIGHTS,
    MATERIALS,
    PALETTE,
    Appearance,
    Image,
    Map,
    foreground_share,
    random_appearance,
    render,
)

SIDES = (128, 256)  # pixels
STEPS, CFG = 12, 3.0
STRENGTHS = (0.4, 0.6, 0.8, 1.0)
SAMPLES = 64  # scenes of the measures that take a single image of each

LUMA = np.array(convention.LUMA, np.float32)

# Edges are compared at half the size of a latent pixel, the finest place that the UNet can mean.
EDGE_SCALE = 4.0  # standard deviation of the blur, in pixels

Scores = dict[str, float]


class Miniature:
    """A checkpoint and the nodes that paint with it."""

    def __init__(self, path: Path | str = BUNDLED_CHECKPOINT) -> None:
        loaded = SD2DepthCheckpointLoader().execute(str(path))
        self.model, self.clip, self.vae, self.depth_model = loaded

    def paint(self, *arguments: Any, **options: Any) -> list[Image]:
        """The images of `latent`, which takes the same arguments."""
        latent = self.latent(*arguments, **options)
        return list(self.vae.decode(latent["samples"]).numpy())

    def latent(
        self,
        prompt: str,
        depth: Sequence[Map],
        seed: int = 0,
        negative: str = "",
        strength: float = 1.0,
        depth_strength: float = 1.0,
        source: Sequence[Image] | None = None,
        mask: Map | None = None,
    ) -> dict[str, Any]:
        """One LATENT entry for every depth map, which are of one size, all with one prompt.

        `strength` is denoise; `depth_strength` 0 is img2img. `source` is what to start from below
        strength 1.0, or outside the mask, which is 1 where to paint; one image for every map.
        """
        maps = torch.from_numpy(np.stack(depth))
        positive, negatives = SD2DepthEncode().execute(
            clip_text_encode(prompt, self.clip),
            clip_text_encode(negative, self.clip),
            to_image(maps),
            strength=depth_strength,
        )
        height, width = (side // self.vae.factor for side in maps.shape[-2:])
        start: dict[str, Any] = {"samples": torch.zeros(len(maps), 4, height, width)}
        if source is not None:
            start["samples"] = self.vae.encode(torch.from_numpy(np.stack(source)))
        if mask is not None:
            start["noise_mask"] = torch.from_numpy(mask)[None, None]
        (latent,) = SD2DepthSampler().execute(
            self.model, seed, STEPS, CFG, "dpmpp_2m", "karras", positive, negatives, start, strength
        )
        return latent

    def estimate(self, image: Image) -> Map:
        """The depth map that the checkpoint's own MiDaS sees in an image."""
        batch = torch.from_numpy(image)[None]
        side = min(image.shape[:2])
        (depth,) = SD2DepthEstimate().execute(batch, self.depth_model, resolution=side)
        return from_image(depth)[0].numpy()


# --- Scores ---------------------------------------------------------------------------------------


def structure_score(image: Image, depth: Map) -> float:
    """Correlation of the luminance's edges with the depth's (Pearson, of gradient magnitudes)."""
    pair = np.stack([_edges(image @ LUMA).ravel(), _edges(depth).ravel()])
    if (pair.std(axis=1) < 1e-6).any():
        return 0.0
    return float(np.corrcoef(pair)[0, 1])


def nearest_colours(image: Image, depth: Map, look: Appearance) -> tuple[str, str]:
    """The colours of the palette whose true rendering is nearest, of foreground and background."""
    share = foreground_share(depth)

    def nearest(looks: dict[str, Appearance], where: Map) -> str:
        return min(looks, key=lambda colour: _distance(image, depth, looks[colour], where))

    return (
        nearest({colour: replace(look, foreground=colour) for colour in PALETTE}, share > 0.95),
        nearest({colour: replace(look, background=colour) for colour in PALETTE}, share < 0.05),
    )


def _distance(image: Image, depth: Map, look: Appearance, where: Map) -> float:
    """Of the mean colour (RGB, 0..1) from that of the true rendering."""
    return float(np.linalg.norm(image[where].mean(0) - render(depth, look)[where].mean(0)))


def nearest_material(image: Image, depth: Map, look: Appearance) -> str:
    """The material whose true rendering is nearest, by mean squared error."""

    def distance(material: str) -> float:
        return float(np.square(image - render(depth, replace(look, material=material))).mean())

    return min(MATERIALS, key=distance)


def rank_correlation(found: Map, truth: Map) -> float:
    """Spearman's rank correlation."""
    return float(spearmanr(found.ravel(), truth.ravel()).statistic)


def _edges(values: Map) -> Map:
    smooth = cv2.GaussianBlur(values, (0, 0), EDGE_SCALE)
    return np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))


# --- Material -------------------------------------------------------------------------------------


def held_out_scenes(number: int, side: int) -> list[Scene]:
    """Scenes that no training saw, with a foreground and a background."""
    scenes = (_held_out(index, side) for index in count())
    return list(islice(filter(_has_both_grounds, scenes), number))


def _held_out(index: int, side: int) -> Scene:
    return random_scene(np.random.default_rng((HELD_OUT, index)), side)


def _has_both_grounds(scene: Scene) -> bool:
    share = foreground_share(scene.depth)
    return 0.05 < (share > 0.95).mean() < 0.8 and (share < 0.05).mean() > 0.1


def _maps(number: int, side: int) -> list[Map]:
    return [scene.depth for scene in held_out_scenes(number, side)]


@cache
def photographs(side: int) -> dict[str, Image]:
    """Square photographs, float32 in 0..1."""
    found = {"astronaut": data.astronaut(), "coffee": data.coffee(), "cat": data.chelsea()}
    return {name: _square(image / 255, side) for name, image in found.items()}


@cache
def motorcycle(side: int) -> tuple[Image, Map]:
    """The Middlebury motorcycle and its true disparity (Scharstein et al. 2014), square."""
    left, _, disparity = data.stereo_motorcycle()
    holes = ~np.isfinite(disparity)
    filled = cv2.inpaint(
        np.where(holes, 0, disparity).astype(np.float32), holes.astype(np.uint8), 3, cv2.INPAINT_NS
    )
    return _square(left / 255, side), _square(filled, side)


def _square(image: np.ndarray, side: int) -> np.ndarray:
    height, width = image.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    middle = image[top : top + short, left : left + short].astype(np.float32)
    return cv2.resize(middle, (side, side), interpolation=cv2.INTER_AREA)


# --- Measures -------------------------------------------------------------------------------------


def structure(miniature: Miniature, side: int) -> Scores:
    """Mean structure scores of images painted from nothing, every material once a scene.

    `depth_to_image` at strength 1.0; `flat`, the same sampler without depth; `truth`, of what the
    shader would paint.
    """
    return _structure(miniature, _maps(3, side), _looks())


def structure_on_photographs(miniature: Miniature, side: int) -> Scores:
    """The same for photographs' depth maps: estimated ones, and the motorcycle's true one."""
    estimated = [miniature.estimate(photo) for photo in photographs(side).values()]
    maps = [stretched(depth) for depth in (*estimated, motorcycle(side)[1])]
    return _structure(miniature, maps, _looks()[:3])


def _structure(miniature: Miniature, maps: list[Map], looks: list[Appearance]) -> Scores:
    scores: dict[str, list[float]] = {"truth": [], "depth_to_image": [], "flat": []}
    for seed, look in enumerate(looks):
        prompt = caption("thing", look)
        painted = (
            [render(depth, look) for depth in maps],
            miniature.paint(prompt, maps, seed),
            miniature.paint(prompt, maps, seed, depth_strength=0.0),
        )
        for found, images in zip(scores.values(), painted, strict=True):
            found += map(structure_score, images, maps)
    return {name: float(np.mean(found)) for name, found in scores.items()}


def at_strength(strength: float, miniature: Miniature, side: int) -> Scores:
    """A column of the tutorial's figure: depth-to-image and img2img of the same sources.

    What the strength leaves of the structure, and how often both named colours are right. The
    sources are scenes painted in other colours than the prompts name.
    """
    maps = _maps(4, side)
    random = np.random.default_rng(HELD_OUT)
    scores: dict[float, list[tuple[float, float]]] = {1.0: [], 0.0: []}
    for seed in range(3):
        before, wanted = _other_colours(random)
        source = [render(depth, before) for depth in maps]
        for depth_strength, found in scores.items():
            images = miniature.paint(
                caption("thing", wanted), maps, seed, "", strength, depth_strength, source
            )
            found += [
                (structure_score(image, depth), _follows(image, depth, wanted))
                for image, depth in zip(images, maps, strict=True)
            ]
    names = ("depth_structure", "depth_colours", "img2img_structure", "img2img_colours")
    means = [mean for found in scores.values() for mean in np.mean(found, axis=0)]
    return dict(zip(names, map(float, means), strict=True))


def colours(miniature: Miniature, side: int) -> Scores:
    """Share of images whose named colour is the nearest, of random scenes and appearances."""
    random = np.random.default_rng(HELD_OUT)
    right = []
    for seed, scene in enumerate(held_out_scenes(SAMPLES, side)):
        look = replace(random_appearance(random), fog=False)
        (image,) = miniature.paint(caption(scene.noun, look), [scene.depth], seed)
        found = nearest_colours(image, scene.depth, look)
        right.append((found[0] == look.foreground, found[1] == look.background))
    foreground, background = np.mean(right, axis=0)
    return {"foreground": float(foreground), "background": float(background)}


def materials(miniature: Miniature, side: int) -> Scores:
    """Share of images whose named material is the nearest, orange before blue."""
    maps = _maps(3, side)
    right = []
    for seed, material in enumerate(MATERIALS):
        look = Appearance(material, "orange", "blue", "left")
        images = miniature.paint(caption("thing", look), maps, seed)
        pairs = zip(images, maps, strict=True)
        right += [nearest_material(image, depth, look) == material for image, depth in pairs]
    return {"right": float(np.mean(right))}


def own_words(miniature: Miniature, side: int) -> Scores:
    """Share of images with both named colours, with unknown words after or before them."""
    maps = _maps(4, side)
    look = Appearance("clay", "red", "blue", "left")
    known = caption("statue", look)
    prompts = {
        "after": f"{known}, trending on a gallery wall, award winning",
        "before": f"an award winning picture of {known}",
    }

    def followed(prompt: str) -> float:
        pairs = zip(miniature.paint(prompt, maps), maps, strict=True)
        return float(np.mean([_follows(image, depth, look) for image, depth in pairs]))

    return {place: followed(prompt) for place, prompt in prompts.items()}


def negative_prompt(miniature: Miniature, side: int) -> Scores:
    """Mean distance of the background from a colour, without and with it as negative prompt.

    `grew`: how often it did.
    """
    maps = _maps(4, side)
    distances = []
    free = miniature.paint("a clay thing", maps)
    for name in ("red", "yellow", "green", "blue", "white", "black"):
        avoided = miniature.paint("a clay thing", maps, negative=f"a thing on a {name} background")
        look = Appearance("clay", "grey", name, "left")
        for depth, *images in zip(maps, free, avoided, strict=True):
            where = foreground_share(depth) < 0.05
            distances.append([_distance(image, depth, look, where) for image in images])
    without, avoiding = np.array(distances).T
    return {
        "without": float(without.mean()),
        "with_negative": float(avoiding.mean()),
        "grew": float((avoiding > without).mean()),
    }


def depth_rank(miniature: Miniature, side: int) -> Scores:
    """Mean rank correlation of MiDaS's depth with the truth, on held-out paintings."""
    return _depth_rank(miniature, held_out_scenes(SAMPLES, side))


def depth_rank_of_any_scene(miniature: Miniature, side: int) -> Scores:
    """The same with scenes that have no background: height fields, reliefs, close rooms.

    In many of them a dent cannot be told from a bump.
    """
    return _depth_rank(miniature, [_held_out(index, side) for index in range(SAMPLES)])


def _depth_rank(miniature: Miniature, scenes: Sequence[Scene]) -> Scores:
    random = np.random.default_rng(HELD_OUT)
    images = [render(scene.depth, random_appearance(random)) for scene in scenes]
    found = [
        rank_correlation(miniature.estimate(image), scene.depth)
        for image, scene in zip(images, scenes, strict=True)
    ]
    return {"rank": float(np.mean(found))}


def depth_rank_on_the_motorcycle(miniature: Miniature, side: int) -> Scores:
    """The same on a photograph with true depth, unlike anything the miniature ever saw."""
    image, truth = motorcycle(side)
    return {"rank": rank_correlation(miniature.estimate(image), truth)}


def inpainting(miniature: Miniature, side: int) -> Scores:
    """The foreground of paintings repainted in another colour.

    `inside`: share of images with the named colour there; `outside`: largest change of the latent.
    """
    random = np.random.default_rng(HELD_OUT)
    right, changes = [], []
    for seed, scene in enumerate(held_out_scenes(4, side)):
        share = foreground_share(scene.depth)
        mask = cv2.dilate((share > 0.05).astype(np.float32), np.ones((17, 17)))
        for _ in range(2):
            before, wanted = _other_colours(random)
            wanted = replace(wanted, background=before.background)
            source = render(scene.depth, before)
            latent = miniature.latent(
                caption("thing", wanted), [scene.depth], seed, source=[source], mask=mask
            )
            image = miniature.vae.decode(latent["samples"])[0].numpy()
            right.append(nearest_colours(image, scene.depth, wanted)[0] == wanted.foreground)
            changes.append(_change_outside(miniature, latent["samples"], source, mask))
    return {"inside": float(np.mean(right)), "outside": max(changes)}


def _change_outside(miniature: Miniature, samples: Tensor, source: Image, mask: Map) -> float:
    original = miniature.vae.encode(torch.from_numpy(source)[None])
    covered = cv2.resize(mask, tuple(samples.shape[-2:])[::-1], interpolation=cv2.INTER_AREA)
    untouched = torch.from_numpy(cv2.dilate(covered, np.ones((3, 3)))) == 0
    return float((samples - original).abs()[..., untouched].max())


def _looks() -> list[Appearance]:
    """Every material, bright before dark: edges of luminance cannot be told of equal luminances."""
    return [
        Appearance(material, "white", "black", LIGHTS[number % 2])
        for number, material in enumerate(MATERIALS)
    ]


def _other_colours(random: np.random.Generator) -> tuple[Appearance, Appearance]:
    """Two dull appearances, bright before dark, without a colour in common."""
    bright = random.choice(("white", "yellow", "orange", "pink"), 2, replace=False)
    dark = random.choice(("black", "blue", "purple", "red"), 2, replace=False)
    first, second = (
        Appearance("clay", str(foreground), str(background), "left")
        for foreground, background in zip(bright, dark, strict=True)
    )
    return first, second


def _follows(image: Image, depth: Map, look: Appearance) -> bool:
    return nearest_colours(image, depth, look) == (look.foreground, look.background)


# --- The table ------------------------------------------------------------------------------------

EDGES = "{depth_to_image:.2f}; without depth {flat:.2f}; a perfect painter {truth:.2f}"
AT_STRENGTH = (
    "depth-to-image {depth_structure:.2f}, {depth_colours:.0%}; "
    "img2img {img2img_structure:.2f}, {img2img_colours:.0%}"
)

# What is measured, by which function, and how its scores are shown.
ROWS: tuple[tuple[str, Callable[[Miniature, int], Scores], str], ...] = (
    ("edges follow the depth map, held-out scenes", structure, EDGES),
    ("the same, photographs' depth maps", structure_on_photographs, EDGES),
    *(
        (
            f"strength {strength}: edges, both colours as named",
            partial(at_strength, strength),
            AT_STRENGTH,
        )
        for strength in STRENGTHS
    ),
    (
        f"colour as named, {SAMPLES} images",
        colours,
        "foreground {foreground:.0%}, background {background:.0%}",
    ),
    ("material as named (chance: 14%)", materials, "{right:.0%}"),
    (
        "both colours as named, with unknown words after or before the prompt",
        own_words,
        "after {after:.0%}, before {before:.0%}",
    ),
    (
        "background's distance from the colour that the negative prompt names",
        negative_prompt,
        "{with_negative:.2f}; without it {without:.2f}",
    ),
    (
        "inpainting: colour inside as named; largest change of the latent outside",
        inpainting,
        "{inside:.0%}; {outside:.0e}",
    ),
    ("depth estimation, rank correlation, held-out scenes", depth_rank, "{rank:.3f}"),
    ("the same, with scenes that have no background", depth_rank_of_any_scene, "{rank:.2f}"),
    ("the same, Middlebury motorcycle", depth_rank_on_the_motorcycle, "{rank:.2f}"),
)


def table(miniature: Miniature, sides: Sequence[int]) -> str:
    """All measures as a Markdown table, a column for every size of image."""
    lines = [["what", *(f"{side} px" for side in sides)], ["---"] * (1 + len(sides))]
    for what, measure, shown in ROWS:
        lines.append([what, *(shown.format(**measure(miniature, side)) for side in sides)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m sd2_depth2img.tools.train_mini.measure")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED_CHECKPOINT)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="pixels")
    options = parser.parse_args()
    print(table(Miniature(options.checkpoint), options.sides))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
