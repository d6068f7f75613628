"""Makes the pictures of the help pages anew: `python -m sd2_depth2img.tools.help_pictures`.

Each is what a node makes of the example photo with the miniature, on a sheet with captions.
"""

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..depth.colormaps import ColourMap
from ..depth.convention import from_image, to_image
from ..depth.mesh import Mesh, surface
from ..depth.preview import sheet
from ..images.sheet import contact_sheet
from ..nodes.compare import SD2DepthFidelity
from ..nodes.conditioning import SD2DepthEncode
from ..nodes.crop import SD2DepthCrop, SD2DepthPrepare
from ..nodes.depth_convert import SD2DepthConvert
from ..nodes.depth_edit import (
    SD2DepthAdjust,
    SD2DepthFill,
    SD2DepthMerge,
    SD2DepthRangeMask,
    SD2DepthRefine,
)
from ..nodes.estimate import SD2DepthEstimate
from ..nodes.inpaint import SD2DepthStrengthMap, SD2DepthUnderMask
from ..nodes.load import BUNDLED_CHECKPOINT, SD2DepthCheckpointLoader
from ..nodes.parallax import SD2DepthParallax
from ..nodes.sample import SD2DepthSampler
from ..sampling.depth_channel import DepthCondition
from ..workflows.core_nodes.load import read_image
from ..workflows.core_nodes.save import to_pil

PACK = Path(__file__).parents[1]
PHOTO = PACK / "example_workflows" / "astronaut.jpg"
PICTURES = PACK / "web" / "docs"
SIZE = 256  # pixels; what the miniature was trained at
SHOWN = 192
FONT_SIZE = 14
PROMPT = "a blue plastic statue on a white background"

BALL: dict[str, Any] = {
    "x1": 0.73,
    "y1": 0.79,
    "x2": 0.73,
    "y2": 0.98,
}  # where the helmet is, for Fill Depth

Cells = dict[str, Tensor]  # IMAGE by caption


class Studio:
    """What the pictures have in common; made when the first one needs it."""

    @cached_property
    def models(self) -> tuple:
        """The miniature: MODEL, CLIP, VAE and DEPTH_MODEL."""
        return SD2DepthCheckpointLoader().execute(str(BUNDLED_CHECKPOINT))

    @cached_property
    def photo(self) -> Tensor:
        """At its full size."""
        return read_image(PHOTO)[0]

    @cached_property
    def image(self) -> Tensor:
        """The photo at the miniature's size."""
        return SD2DepthPrepare().execute(self.photo, size=SIZE)[0]

    @cached_property
    def depth(self) -> Tensor:
        """The image's depth map."""
        return SD2DepthEstimate().execute(self.image, self.models[3], resolution=SIZE)[0]

    @cached_property
    def figure(self) -> Tensor:
        """A MASK of what is near."""
        return SD2DepthRangeMask().execute(self.depth, 1.0, 0.0, "foreground")[0]

    def paint(self, denoise: float = 1.0, strength: float = 1.0) -> Tensor:
        """Paint the prompt in the image's depth."""
        model, clip, vae, _ = self.models
        said, unsaid = ([[clip.encode(clip.tokenize(text)), {}]] for text in (PROMPT, ""))
        prompts = SD2DepthEncode().execute(said, unsaid, self.depth, strength=strength)
        latent = {"samples": vae.encode(self.image)}
        settings = (7, 20, 3.0, "dpmpp_2m", "karras", *prompts, latent, denoise)
        return vae.decode(SD2DepthSampler().execute(model, *settings)[0]["samples"])


def _estimate(on: Studio) -> Cells:
    tiled = SD2DepthEstimate().execute(on.image, on.models[3], resolution=SIZE, tiles=2)[0]
    return {"photo": on.image, "depth": on.depth, "tiles 2": tiled}


def _adjust(on: Studio) -> Cells:
    changes: dict[str, dict[str, Any]] = {
        "contrast 0.5": {"contrast": 0.5},
        "gamma 2": {"gamma": 2.0},
        "invert": {"invert": True},
    }
    edited = {name: SD2DepthAdjust().execute(on.depth, **how)[0] for name, how in changes.items()}
    return {"as it is": on.depth, **edited}


def _refine(on: Studio) -> Cells:
    small = F.avg_pool2d(on.depth.movedim(-1, 1), 8).movedim(1, -1)
    refined = {
        f"radius {radius}": SD2DepthRefine().execute(small, on.image, radius=float(radius))[0]
        for radius in (0, 8)
    }
    return {"photo": on.image, **refined}


def _merge(on: Studio) -> Cells:
    nothing = torch.zeros_like(on.depth)
    ball = SD2DepthFill().execute(nothing, "dome", 0.7, 0.3, 0.75, 0.3, 0.43, 0.3)[0]
    outline = (ball[..., 0] > 0).float()
    merged = SD2DepthMerge().execute(on.depth, ball, patch_mask=outline)[0]
    return {"depth": on.depth, "patch": ball, "nearest wins": merged}


def _fill(on: Studio) -> Cells:
    shapes: dict[str, dict[str, Any]] = {
        "flat plane": {"near": 0.6},
        "ramp": {"near": 1.0, "far": 0.0},
        "dome": {"near": 1.0, "far": 0.0, **BALL},
        "relief of the mask": {"near": 1.0, "far": 0.5},
        "smooth fill": {},
    }
    return {
        name: SD2DepthFill().execute(on.depth, name, mask=_helmet(), **where)[0]
        for name, where in shapes.items()
    }


def _range_mask(on: Studio) -> Cells:
    middle = SD2DepthRangeMask().execute(on.depth, 0.7, 0.4, softness=0.1)[0]
    return {
        "depth": on.depth,
        "foreground": to_image(on.figure),
        "0.4 to 0.7, softness 0.1": to_image(middle),
    }


def _convert(on: Studio) -> Cells:
    distances = SD2DepthConvert().execute(on.depth, "disparity to distance", near=1.0, far=8.0)[0]
    back = SD2DepthConvert().execute(distances)[0]
    return {"distances, 8 is white": distances / 8, "depth map": back}


def _encode(on: Studio) -> Cells:
    painted = {f"strength {one:g}": on.paint(strength=one) for one in (0.0, 1.0)}
    return {"depth": on.depth, **painted}


def _sampler(on: Studio) -> Cells:
    return {"photo": on.image, **{f"denoise {one}": on.paint(one) for one in (0.4, 0.6, 1.0)}}


def _crop(on: Studio) -> Cells:
    mask = torch.zeros(on.photo.shape[:3])
    mask[:, 60:190, 170:300] = 1
    whole = SD2DepthEstimate().execute(on.photo, on.models[3], resolution=SIZE)[0]
    part, part_mask, depth, _ = SD2DepthCrop().execute(on.photo, mask, whole, SIZE)
    shade = torch.lerp(on.photo, torch.ones_like(on.photo), 0.6 * mask.unsqueeze(-1))
    return {"image and mask": shade, "image": part, "mask": to_image(part_mask), "depth": depth}


def _under_mask(on: Studio) -> Cells:
    filled = SD2DepthUnderMask().execute(on.depth, _helmet(), "smooth fill")[0]
    ball = SD2DepthFill().execute(filled, "dome", 1.0, 0.4, **BALL)[0]
    other = SD2DepthUnderMask().execute(on.depth, _helmet(), "other map", ball)[0]
    return {"keep": on.depth, "smooth fill": filled, "other map": other}


def _strength_map(on: Studio) -> Cells:
    strengths = SD2DepthStrengthMap().execute(on.depth)[0]
    return {"depth": on.depth, "near 0.4, far 1.0": to_image(strengths)}


def _fidelity(on: Studio) -> Cells:
    result = on.paint(0.9)
    heat = SD2DepthFidelity().execute(result, on.depth, on.models[3], resolution=SIZE)[1]
    return {"image": result, "depth": on.depth, "heat map": heat}


def _parallax(on: Studio) -> Cells:
    frames = SD2DepthParallax().execute(on.image, on.depth, frames=4, strength=16.0)[0]
    return {"to the left": frames[3:4], "as it is": frames[:1], "to the right": frames[1:2]}


def _stereo(on: Studio) -> Cells:
    def frame(**options: Any) -> Tensor:
        settings = {"frames": 1, "strength": 0.0, **options}
        return SD2DepthParallax().execute(on.image, on.depth, **settings)[0]

    return {
        "red-cyan": frame(show="red-cyan", eyes=8.0, plane=0.6),
        "blur 8, focus 1": frame(blur=8.0, focus=1.0),
        "blur 8, focus 0": frame(blur=8.0, focus=0.0),
    }


def _save_3d(on: Studio) -> Cells:
    large = SD2DepthRefine().execute(on.depth, on.photo)[0]
    mesh = surface(from_image(large)[0], view_angle=50.0, far=2.5, cut=0.1, most=10**6)
    angles = {"from the left": 20, "as photographed": 0, "from the right": -20}
    return {
        name: _seen_from(mesh, on.photo[0], angle).unsqueeze(0) for name, angle in angles.items()
    }


def _seen_from(mesh: Mesh, image: Tensor, angle: float) -> Tensor:
    """The points of a mesh `[SIZE, SIZE, 3]` by a camera that went around their middle."""
    turn, middle = math.radians(angle), mesh.vertices.new_tensor([0, 0, -1.5])
    x, y, z = (mesh.vertices - middle).unbind(-1)
    x, z = (
        x * math.cos(turn) + z * math.sin(turn),
        z * math.cos(turn) - x * math.sin(turn) + middle[2],
    )
    focal = SIZE / 2 / math.tan(math.radians(25))
    column, row = ((SIZE / 2 + one / -z * focal).long() for one in (x, -y))
    inside = (column >= 0) & (column < SIZE) & (row >= 0) & (row < SIZE)
    place = (row * SIZE + column)[inside]
    nearest = torch.full((SIZE**2,), -torch.inf, dtype=z.dtype)
    nearest.scatter_reduce_(0, place, z[inside], "amax")
    shown = z[inside] == nearest[place]
    seen = torch.ones(SIZE**2, 3)
    at = (mesh.places[inside][shown] * mesh.places.new_tensor(image.shape[1::-1])).long()
    seen[place[shown]] = image[at[:, 1], at[:, 0]]
    return seen.view(SIZE, SIZE, 3)


def _preview(on: Studio) -> Image.Image:
    depth = from_image(on.depth)
    channel = DepthCondition(depth).channel(1, SIZE // 8, SIZE // 8)[0, 0]
    page = sheet(depth[0], channel, ColourMap.TURBO, SHOWN)
    return to_pil(page)


PAGES: dict[str, Callable[[Studio], Cells | Image.Image]] = {
    "estimate": _estimate,
    "preview": _preview,
    "parallax": _parallax,
    "parallax-stereo": _stereo,
    "save-3d": _save_3d,
    "adjust": _adjust,
    "refine": _refine,
    "merge": _merge,
    "fill": _fill,
    "range-mask": _range_mask,
    "convert": _convert,
    "encode": _encode,
    "sampler": _sampler,
    "crop": _crop,
    "under-mask": _under_mask,
    "strength-map": _strength_map,
    "fidelity": _fidelity,
}


def _helmet() -> Tensor:
    """A MASK of the corner where the helmet is."""
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 150:, 120:] = 1
    return mask


def draw(made: Cells | Image.Image) -> Image.Image:
    """A sheet of small images, or the image itself."""
    if isinstance(made, Image.Image):
        return made
    images = [
        to_pil(cell[0]).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS) for cell in made.values()
    ]
    return contact_sheet(images, list(made), len(images), FONT_SIZE)


def main() -> None:
    """Draw every picture in its place."""
    on = Studio()
    for name, make in PAGES.items():
        path = PICTURES / f"{name}.jpg"
        draw(make(on)).save(path, quality=80, optimize=True)


if __name__ == "__main__":
    main()
