"""What the miniature can do, in numbers: `python -m sd2_depth2img.tools.train_mini.measure`.

Scenes come from a seed that no training saw, photographs from scikit-image. Everything goes
through the pack's own nodes on the embedded engine, with fixed seeds; no image is picked.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ...depth import convention
from ...depth.convention import from_image, to_image
from ...nodes.conditioning import SD2DepthEncode
from ...nodes.estimate import SD2DepthEstimate
from ...nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from ...nodes.sample import SD2DepthSampler
from .captions import caption
from .dataset import HELD_OUT
from .scenes import Scene, random_scene, stretched
from .shader import (
    LIGHTS,
    MATERIALS,
    PALETTE,
    Appearance,
    foreground_share,
    random_appearance,
    render,
)

SIDES = (128, 256)  # pixels
STEPS, CFG = 12, 3.0
STRENGTHS = (0.4, 0.6, 0.8, 1.0)

LUMA = np.array(convention.LUMA, np.float32)

# Edges are compared at half the size of a latent pixel, the finest place that the UNet can mean.
EDGE_SCALE = 4.0  # standard deviation of the blur, in pixels

Map = np.ndarray  # float32 [H, W]
Image = np.ndarray  # float32 [H, W, 3], 0..1


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
        """One LATENT entry for every depth map, all with one prompt.

        Args:
            depth: maps of one size.
            strength: denoise.
            depth_strength: 0 is img2img, without depth.
            source: what to start from below strength 1.0, or outside the mask; one for every map.
            mask: 1 where to paint.
        """
        maps = torch.from_numpy(np.stack(depth))
        positive, negatives = SD2DepthEncode().execute(
            self._encoded(prompt), self._encoded(negative), to_image(maps), strength=depth_strength
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

    def _encoded(self, text: str) -> list[list[Any]]:
        return [[self.clip.encode(self.clip.tokenize(text)), {}]]


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

    def nearest(where: Map, painted: Callable[[str], Appearance]) -> str:
        def distance(colour: str) -> float:
            truth = render(depth, painted(colour))
            return float(np.linalg.norm(image[where].mean(0) - truth[where].mean(0)))

        return min(PALETTE, key=distance)

    return (
        nearest(share > 0.95, lambda colour: replace(look, foreground=colour)),
        nearest(share < 0.05, lambda colour: replace(look, background=colour)),
    )


def nearest_material(image: Image, depth: Map, look: Appearance) -> str:
    """The material whose true rendering is nearest, by mean squared error."""

    def distance(material: str) -> float:
        return float(np.square(image - render(depth, replace(look, material=material))).mean())

    return min(MATERIALS, key=distance)


def rank_correlation(found: Map, truth: Map) -> float:
    """Spearman's rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(found.ravel(), truth.ravel()).statistic)


def _edges(values: Map) -> Map:
    smooth = cv2.GaussianBlur(values, (0, 0), EDGE_SCALE)
    return np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))


# --- Material -------------------------------------------------------------------------------------


def held_out_scenes(count: int, side: int) -> list[Scene]:
    """Scenes that no training saw, with a foreground and a background."""
    scenes: list[Scene] = []
    index = 0
    while len(scenes) < count:
        scene = random_scene(np.random.default_rng((HELD_OUT, index)), side)
        share = foreground_share(scene.depth)
        if 0.05 < (share > 0.95).mean() < 0.8 and (share < 0.05).mean() > 0.1:
            scenes.append(scene)
        index += 1
    return scenes


@cache
def photographs(side: int) -> dict[str, Image]:
    """Square photographs, float32 in 0..1."""
    from skimage import data

    found = {"astronaut": data.astronaut(), "coffee": data.coffee(), "cat": data.chelsea()}
    return {name: _square(image / 255, side) for name, image in found.items()}


@cache
def motorcycle(side: int) -> tuple[Image, Map]:
    """The Middlebury motorcycle and its true disparity (Scharstein et al. 2014), square."""
    from skimage import data

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


@dataclass(frozen=True)
class Structure:
    """Mean structure scores."""

    truth: float  # of what the shader would paint
    depth_to_image: float
    flat: float  # the same sampler without depth


def structure(miniature: Miniature, side: int, scenes: int = 3) -> Structure:
    """Edges of images painted from nothing at strength 1.0, every material once a scene."""
    maps = [scene.depth for scene in held_out_scenes(scenes, side)]
    return _structure(miniature, maps, _looks())


def structure_on_photographs(miniature: Miniature, side: int) -> Structure:
    """The same for photographs' depth maps: estimated ones, and the motorcycle's true one."""
    maps = [miniature.estimate(photo) for photo in photographs(side).values()] + [
        motorcycle(side)[1]
    ]
    return _structure(miniature, [stretched(depth) for depth in maps], _looks()[:3])


def _structure(miniature: Miniature, maps: list[Map], looks: list[Appearance]) -> Structure:
    truth, with_depth, flat = [], [], []
    for seed, look in enumerate(looks):
        prompt = caption("thing", look)
        truth += _scores([render(depth, look) for depth in maps], maps)
        with_depth += _scores(miniature.paint(prompt, maps, seed), maps)
        flat += _scores(miniature.paint(prompt, maps, seed, depth_strength=0.0), maps)
    return Structure(*(float(np.mean(scores)) for scores in (truth, with_depth, flat)))


@dataclass(frozen=True)
class AtStrength:
    """What a strength leaves of the structure, and how often both named colours are right."""

    strength: float
    depth_structure: float
    depth_colours: float
    img2img_structure: float
    img2img_colours: float


def strengths(
    miniature: Miniature, side: int, scenes: int = 4, prompts: int = 3
) -> list[AtStrength]:
    """The tutorial's figure: depth-to-image and img2img of the same sources, 0.4 to 1.0.

    The sources are scenes painted in other colours than the prompts name.
    """
    maps = [scene.depth for scene in held_out_scenes(scenes, side)]
    random = np.random.default_rng(HELD_OUT)
    pairs = [_other_colours(random) for _ in range(prompts)]
    rows = []
    for strength in STRENGTHS:
        scores: dict[float, list[tuple[float, float]]] = {1.0: [], 0.0: []}
        for seed, (before, wanted) in enumerate(pairs):
            source = [render(depth, before) for depth in maps]
            for depth_strength, found in scores.items():
                images = miniature.paint(
                    caption("thing", wanted), maps, seed, "", strength, depth_strength, source
                )
                found += [
                    (structure_score(image, depth), _follows(image, depth, wanted))
                    for image, depth in zip(images, maps, strict=True)
                ]
        means = (np.mean(scores[depth_strength], axis=0) for depth_strength in (1.0, 0.0))
        rows.append(AtStrength(strength, *(float(x) for mean in means for x in mean)))
    return rows


@dataclass(frozen=True)
class Colours:
    """Share of samples whose named colour is the nearest of the palette."""

    foreground: float
    background: float
    samples: int


def colours(miniature: Miniature, side: int, samples: int = 64) -> Colours:
    """Random scenes and appearances, one image each, at strength 1.0."""
    random = np.random.default_rng(HELD_OUT)
    right = []
    for seed, scene in enumerate(held_out_scenes(samples, side)):
        look = replace(random_appearance(random), fog=False)
        (image,) = miniature.paint(caption(scene.noun, look), [scene.depth], seed)
        found = nearest_colours(image, scene.depth, look)
        right.append((found[0] == look.foreground, found[1] == look.background))
    foreground, background = np.mean(right, axis=0)
    return Colours(float(foreground), float(background), samples)


def materials(miniature: Miniature, side: int, scenes: int = 3) -> float:
    """Share of images whose named material is the nearest, orange before blue."""
    maps = [scene.depth for scene in held_out_scenes(scenes, side)]
    right = []
    for seed, material in enumerate(MATERIALS):
        look = Appearance(material, "orange", "blue", "left")
        images = miniature.paint(caption("thing", look), maps, seed)
        right += [
            nearest_material(image, depth, look) == material
            for image, depth in zip(images, maps, strict=True)
        ]
    return float(np.mean(right))


@dataclass(frozen=True)
class OwnWords:
    """Share of images with both named colours, by where the unknown words stand."""

    after: float
    before: float


def own_words(miniature: Miniature, side: int, scenes: int = 4) -> OwnWords:
    """A prompt with words that no training saw, after and before what it knows."""
    maps = [scene.depth for scene in held_out_scenes(scenes, side)]
    look = Appearance("clay", "red", "blue", "left")
    known = caption("statue", look)

    def followed(prompt: str) -> float:
        pairs = zip(miniature.paint(prompt, maps), maps, strict=True)
        return float(np.mean([_follows(image, depth, look) for image, depth in pairs]))

    return OwnWords(
        followed(f"{known}, trending on a gallery wall, award winning"),
        followed(f"an award winning picture of {known}"),
    )


@dataclass(frozen=True)
class Negative:
    """Mean distance of the background from a colour (RGB, 0..1), and how often it grew."""

    without: float
    with_negative: float
    grew: float


def negative_prompt(miniature: Miniature, side: int, scenes: int = 4) -> Negative:
    """A prompt without a background, and one that names a colour as what to avoid."""
    maps = [scene.depth for scene in held_out_scenes(scenes, side)]
    names = ("red", "yellow", "green", "blue", "white", "black")
    distances = []
    free = miniature.paint("a clay thing", maps)
    for name in names:
        avoided = miniature.paint("a clay thing", maps, negative=f"a thing on a {name} background")
        look = Appearance("clay", "grey", name, "left")
        for depth, before, after in zip(maps, free, avoided, strict=True):
            distances.append([_distance(image, depth, look) for image in (before, after)])
    without, avoiding = np.array(distances).T
    grew = float((avoiding > without).mean())
    return Negative(float(without.mean()), float(avoiding.mean()), grew)


def depth_rank(miniature: Miniature, side: int, scenes: int = 64) -> float:
    """Mean rank correlation of MiDaS's depth with the truth, on held-out paintings."""
    return _depth_rank(miniature, held_out_scenes(scenes, side))


def depth_rank_of_any_scene(miniature: Miniature, side: int, scenes: int = 64) -> float:
    """The same with scenes that have no background: height fields, reliefs, close rooms.

    In many of them a dent cannot be told from a bump.
    """
    seeds = [(HELD_OUT, index) for index in range(scenes)]
    return _depth_rank(
        miniature, [random_scene(np.random.default_rng(seed), side) for seed in seeds]
    )


def _depth_rank(miniature: Miniature, scenes: Sequence[Scene]) -> float:
    random = np.random.default_rng(HELD_OUT)
    found = [
        rank_correlation(
            miniature.estimate(render(scene.depth, random_appearance(random))), scene.depth
        )
        for scene in scenes
    ]
    return float(np.mean(found))


def depth_rank_on_the_motorcycle(miniature: Miniature, side: int) -> float:
    """The same on a photograph with true depth, which the miniature never saw the like of."""
    image, truth = motorcycle(side)
    return rank_correlation(miniature.estimate(image), truth)


@dataclass(frozen=True)
class Inpainting:
    """Share of scenes with the named colour inside; largest change of the latent outside."""

    inside: float
    outside: float


def inpainting(miniature: Miniature, side: int, scenes: int = 4, prompts: int = 2) -> Inpainting:
    """Repaint the foreground of paintings in another colour."""
    random = np.random.default_rng(HELD_OUT)
    right, changes = [], []
    for seed, scene in enumerate(held_out_scenes(scenes, side)):
        share = foreground_share(scene.depth)
        mask = cv2.dilate((share > 0.05).astype(np.float32), np.ones((17, 17)))
        for _ in range(prompts):
            before, wanted = _other_colours(random)
            wanted = replace(wanted, background=before.background)
            source = render(scene.depth, before)
            latent = miniature.latent(
                caption("thing", wanted), [scene.depth], seed, source=[source], mask=mask
            )
            image = miniature.vae.decode(latent["samples"])[0].numpy()
            right.append(nearest_colours(image, scene.depth, wanted)[0] == wanted.foreground)
            changes.append(_change_outside(miniature, latent["samples"], source, mask))
    return Inpainting(float(np.mean(right)), max(changes))


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


def _scores(images: Iterable[Image], maps: Iterable[Map]) -> list[float]:
    return [structure_score(*pair) for pair in zip(images, maps, strict=True)]


def _follows(image: Image, depth: Map, look: Appearance) -> bool:
    return nearest_colours(image, depth, look) == (look.foreground, look.background)


def _distance(image: Image, depth: Map, look: Appearance) -> float:
    where = foreground_share(depth) < 0.05
    return float(np.linalg.norm(image[where].mean(0) - render(depth, look)[where].mean(0)))


# --- The table ------------------------------------------------------------------------------------


def table(miniature: Miniature, sides: Sequence[int] = SIDES) -> str:
    """All measures as a Markdown table, a column for every size of image."""
    columns = [_column(miniature, side) for side in sides]
    names = " | ".join(f"{side} px" for side in sides)
    lines = [f"| what | {names} |", "|---" * (1 + len(sides)) + "|"]
    lines += [
        f"| {what} | " + " | ".join(column[what] for column in columns) + " |"
        for what in columns[0]
    ]
    return "\n".join(lines)


def _column(miniature: Miniature, side: int) -> dict[str, str]:
    named, avoided = colours(miniature, side), negative_prompt(miniature, side)
    painted, words = inpainting(miniature, side), own_words(miniature, side)
    sweep = {
        f"strength {row.strength}: edges, both colours as named": (
            f"depth-to-image {row.depth_structure:.2f}, {row.depth_colours:.0%}; "
            f"img2img {row.img2img_structure:.2f}, {row.img2img_colours:.0%}"
        )
        for row in strengths(miniature, side)
    }
    return {
        "edges follow the depth map, held-out scenes": _structures(structure(miniature, side)),
        "the same, photographs' depth maps": _structures(structure_on_photographs(miniature, side)),
        **sweep,
        f"colour as named, {named.samples} images": (
            f"foreground {named.foreground:.0%}, background {named.background:.0%}"
        ),
        "material as named (chance: 14%)": f"{materials(miniature, side):.0%}",
        "both colours as named, with unknown words after or before the prompt": (
            f"after {words.after:.0%}, before {words.before:.0%}"
        ),
        "background's distance from the colour that the negative prompt names": (
            f"{avoided.with_negative:.2f}; without it {avoided.without:.2f}"
        ),
        "inpainting: colour inside as named; largest change of the latent outside": (
            f"{painted.inside:.0%}; {painted.outside:.0e}"
        ),
        "depth estimation, rank correlation, held-out scenes": f"{depth_rank(miniature, side):.3f}",
        "the same, with scenes that have no background": (
            f"{depth_rank_of_any_scene(miniature, side):.2f}"
        ),
        "the same, Middlebury motorcycle": f"{depth_rank_on_the_motorcycle(miniature, side):.2f}",
    }


def _structures(score: Structure) -> str:
    return (
        f"{score.depth_to_image:.2f}; without depth {score.flat:.2f}; "
        f"a perfect painter {score.truth:.2f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m sd2_depth2img.tools.train_mini.measure")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED_CHECKPOINT)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="pixels")
    options = parser.parse_args()
    print(table(Miniature(options.checkpoint), options.sides))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
