"""Examples about depth maps: edited, drawn, rendered."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...depth.depth_files import BUNDLED
from ...disk.writing import write_whole
from .example import BOTTOM, Example
from .page import BLUE, GREEN, RED, VIOLET


def depth_maps(page: Example) -> None:
    """What can be done with a depth map before it is used."""
    page.group("Model, photo", BLUE, 270)
    page.model = page.checkpoint()
    photo = page.add("LoadImage", "Your photo", image="example.png")
    page.group("1 Estimate", GREEN, 240)
    estimated = page.estimate(photo)
    page.group("2 Edges", GREEN, 240)
    refined = page.add("SD2DepthRefine", depth=estimated, image=photo)
    page.group("3 Farther", GREEN, 240)
    adjusted = page.add("SD2DepthAdjust", depth=refined, gamma=0.5)
    page.group("4 What is far", GREEN, 270, row=BOTTOM)
    limits = {"near": 0.4, "far": 0.0, "softness": 0.1}
    mask = page.add("SD2DepthRangeMask", depth=refined, **limits)
    page.group("5 Only far", GREEN, 240)
    merged = page.add("SD2DepthMerge", depth=refined, patch=adjusted, mode="over", mask=mask)
    page.group("6 Save it", RED, 240, row=BOTTOM)
    page.add("SD2DepthSave", depth=merged, filename_prefix="maps/depth")
    page.group("7 Look at it", RED, 290, row=BOTTOM)
    page.add("SD2DepthPreview", depth=merged)
    page.group("8 Parallax", RED, 230, row=BOTTOM)
    moves = page.add("SD2DepthParallax", image=photo, depth=merged, frames=8)
    page.column(228)
    page.add("PreviewImage", "A small camera move", images=moves)
    page.about(
        """
# A depth map, from photo to file

## Press Run, and look at every step

White is near, black is far. A depth map is an ordinary image: take any of these nodes alone, in \
any order.

1. *Depth Estimation* guesses it.
2. *Refine Depth Edges* moves its edges to those of the photo.
3. *Adjust Depth* pushes it back: **gamma** below 1.
4. *Mask Depth Range* picks what is far.
5. *Merge Depth* takes the pushed-back map only there.
6. *Save Depth Map* keeps 16 bits. Edit it in any paint program; *Depth Map Loader* brings it back.
7. *Preview Depth* shows what the model will see, and says what is odd.
8. *Parallax Frames* moves the camera a little: near things have to move as one.
""",
        model="",
    )
    page.show(photo, estimated, adjusted, merged, columns=2)


def _layer(name: str, *edits: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "visible": True, "opacity": 1, "edits": list(edits)}


def _stroke(
    does: str, amount: float, radius: float, *points: tuple[float, float]
) -> dict[str, Any]:
    """As the editor saves one that was painted with a mouse."""
    pressed = [[*point, 1] for point in points]
    brush = {"radius": radius, "hardness": 0.5, "does": does, "amount": amount, "edges": True}
    return {"tool": "stroke", "points": pressed, **brush}


_ARM = ((30, 235), (55, 215), (75, 235))
_BALL = {"shape": "ball", "at": [59, 60], "size": [95, 95], "depth": 0.3, "height": 0.3}
PAINTED = {
    "version": 1,
    "size": [256, 256],
    "layers": [
        _layer(
            "Background",
            _stroke("farther", 0.25, 30, (165, 30), (200, 60), (220, 110)),
            _stroke("smooth", 0.8, 35, (170, 40), (210, 80)) | {"reach": 8},
        ),
        _layer("Nearer arm", _stroke("nearer", 0.15, 22, *_ARM)),
        _layer("Ball", {"tool": "stamp", **_BALL, "angle": 0, "tilt": [0, 0], "mode": "nearest"}),
    ],
}


def paint_depth(page: Example) -> None:
    """An estimated depth map that was painted on in the editor."""
    page.load()
    photo, depth = page.photo_and_depth()
    page.group("By hand", GREEN, 260, row=BOTTOM)
    edits = json.dumps(PAINTED, separators=(",", ":"))
    edited = page.add("SD2DepthEditor", depth=depth, image=photo, edits=edits)
    prompts = page.prompts("a red clay statue on a blue background, light from the left")
    encoded = page.encode(depth=edited["depth"], **prompts)
    image = page.paint(encoded, page.latent_of(photo))
    page.result(image, "painted_depth")
    page.about(
        """
# Paint the depth, see the image follow

## Press Run once, then Edit Depth on the node

The editor opens over the canvas, on the map that the last run has estimated. Some edits are there \
already: a ball behind the head, a nearer arm, a background that is farther away.

- **Brushes** bring nearer or push away (X), set, smooth, sharpen, flatten, and erase back to the \
estimate. They keep to the photo's edges.
- **Fill, lasso, polygon, gradients** and **stamps**: ball, box, cone, ramp, text.
- *Save and Run* keeps the seed and shows the result beside the map while you go on.
- Edits stay as strokes in layers over whatever map comes in: put another photo in and run.
"""
    )
    page.show(photo, depth, edited["depth"], image, columns=2)


def look_around(page: Example) -> None:
    """A photo to look around in; as frames, and as a scene for other programs."""
    page.group("Photo", BLUE, 270)
    page.model = page.checkpoint()
    photo = page.add("LoadImage", "Your photo", image="example.png")
    page.group("Depth map", GREEN, 260)
    depth = page.estimate(photo)
    page.group("Look around", VIOLET, 380)
    page.add("SD2DepthViewer", image=photo, depth=depth)
    page.group("As a scene in 3D", RED, 300)
    scene = page.add("SD2DepthSave3D", image=photo, depth=depth, filename_prefix="3d/look_around")
    page.add("Preview3D", model_file=scene)
    page.group("As frames", RED, 240, row=BOTTOM)
    moves = {"move": "orbit", "frames": 16, "strength": 16.0, "plane": 0.4}
    frames = page.add("SD2DepthParallax", image=photo, depth=depth, **moves)
    page.column(240)
    page.add("PreviewImage", images=frames)
    page.group("Red-cyan", RED, 240, row=BOTTOM)
    both = {"frames": 1, "plane": 0.4, "show": "red-cyan", "eyes": 16.0}
    glasses = page.add("SD2DepthParallax", image=photo, depth=depth, **both)
    page.column(240)
    page.add("SaveImage", images=glasses, filename_prefix="look_around")
    page.about(
        """
# Look around in a photo

## Press Run, then move the pointer over the image in *Parallax Viewer*

Near things shift against far ones. Drag it, tilt the device, or leave it alone: it moves by itself.

- **Settings** opens strength, the plane that stands still, two views for glasses or a headset, \
and what to do with holes.
- **To Parallax Frames** takes them along, so that the frames look like the view. *Create Video* \
makes a video of them.
- Does the scene bend or tear? Put *Refine Depth Edges* between, or edit the map.
- *Save Depth as 3D* writes a GLB file, which Blender opens.
- To compare a source with its result, put the result into **after**: a line shows both.
""",
        model="",
    )
    page.show(glasses, columns=1, insets=(photo, depth))


def hand_edited_depth(page: Example) -> None:
    """An estimated depth map with something added to it."""
    page.load()
    photo, depth = page.photo_and_depth()
    page.group("Edited map", GREEN, 260, row=BOTTOM)
    ends = {"near": 1.0, "far": 0.3, "x1": 0.8, "y1": 0.22, "x2": 0.8, "y2": 0.4}
    edited = page.add("SD2DepthFill", "A ball put in", depth=depth, shape="dome", **ends)
    prompts = page.prompts("a red clay statue on a blue background, light from the left")
    encoded = page.encode(depth=edited, **prompts)
    image = page.paint(encoded, page.latent_of(photo))
    page.result(image, "edited_depth")
    page.about(
        """
# The image follows the map

## Move the ball, press Run

A ball that is not in the photo is put into its depth map, and the model paints it as part of the \
scene. A depth map is an ordinary image: white is near, black is far, and every image node can \
edit it.

- **x1** and **y1** of *A ball put in* are its centre, **x2** and **y2** a point of its rim; \
shares of the image's sides.
- **By hand**: save the map with *Save Depth Map* (16 bits), edit it in any paint program, put it \
into *Depth Map Loader* and move one wire: its output into **depth** of *Depth Encode*. Paint with \
soft greys; a grey in between is a place in between.
"""
    )
    page.show(photo, depth, edited, image, columns=2)


def from_a_depth_map_alone(page: Example) -> None:
    """An image without a photo: a drawn scene, and a prompt."""
    page.load()
    sides = {"width": page.size, "height": page.size}
    page.column(228)
    far = page.add("EmptyImage", "Far away everywhere", **sides)
    page.group("Drawn map", GREEN, 228, row=BOTTOM)
    floor = {"shape": "ramp", "near": 0.6, "far": 0.0, "y1": 0.55, "y2": 1.0}
    scene = page.add("SD2DepthFill", "A floor", depth=far, **floor)
    page.column(228)
    ball = {"shape": "dome", "near": 1.0, "far": 0.5, "x1": 0.4, "y1": 0.52, "x2": 0.4, "y2": 0.82}
    scene = page.add("SD2DepthFill", "A ball", depth=scene, **ball)
    page.column(228)
    ball = {"shape": "dome", "near": 0.5, "far": 0.2, "x1": 0.82, "y1": 0.5, "x2": 0.82, "y2": 0.63}
    depth = page.add("SD2DepthFill", "A small one behind", depth=scene, **ball)
    prompts = page.prompts("a white marble statue on a blue background")
    encoded = page.encode(depth=depth, **prompts)
    latent = page.add("EmptyLatentImage", **sides)
    image = page.paint(encoded, latent)
    page.result(image, "from_depth")
    page.about(
        """
# A depth map and a prompt are enough

## Draw shapes, write a prompt, press Run

There is no photo here. At **denoise** 1.0 the sampler starts from pure noise, so an empty latent \
will do, and the shapes come from a drawn depth map: a floor that runs to the horizon, two balls.

- Move the balls: **x1** and **y1** are the centre, **x2** and **y2** a point of the rim; shares \
of the image's sides.
- **A map of your own**, painted or rendered: *Depth Map Loader* into **depth** of *Depth Encode*. \
If black is near in it, switch **invert** on. *Rendered Depth* shows it for a Z pass.
"""
    )
    page.show(image, columns=1, insets=[depth])


def rendered_depth(page: Example) -> None:
    """An image of a Z pass that a 3D program rendered."""
    page.load()
    page.group("Z pass: metres", GREEN, 290, row=BOTTOM)
    metres = page.add("SD2DepthLoad", image=BUNDLED.name, beyond="keep")
    page.group("Depth map", GREEN, 290, row=BOTTOM)
    depth = page.add("SD2DepthConvert", depth=metres)
    prompts = page.prompts("a green glass statue on a black background")
    encoded = page.encode(depth=depth, **prompts)
    latent = page.add("EmptyLatentImage", width=page.size, height=page.size)
    image = page.paint(encoded, latent)
    page.result(image, "rendered")
    page.about(
        """
# From a 3D program

## Load a Z pass, write a prompt, press Run

A Z pass holds distances: metres, with an infinite sky. The model wants disparity: white is near, \
and what is twice as far is half as bright.

1. Render the Z pass into an EXR (in Blender: *View Layer, Passes, Z*) and load it in *Depth Map \
Loader*; **beyond** at *keep* leaves metres as they are.
2. *Convert Depth* turns them into a depth map. **far** at 20, say: what is farther is black. \
**sky** for programs that write a number such as 1e10.
3. An oblong render: set the sides of *Empty Latent Image* to its shape.

This one is a little scene that comes with the pack.
"""
    )
    page.show(image, columns=1, insets=[depth])


# --- the Z pass of Rendered Depth: a little scene, ray-traced, as 3D programs write it ------------

SIDE = 384  # pixels
HALF_ANGLE = 0.4  # tangent of half the camera's angle
EYE = np.array([0.0, 1.6, -5.0])  # metres: x to the right, y up, z away from the camera
BALLS = (((0.0, 1.62, 0.0), 0.62), ((1.35, 0.4, 0.9), 0.4), ((-1.5, 0.3, -0.4), 0.3))
BLOCK = ((-0.7, 0.0, -0.7), (0.7, 1.0, 0.7))  # two opposite corners


def write_z_pass(path: Path) -> None:
    """Write the file: one channel of half floats, metres along the camera's axis, sky infinite."""
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    channels = {"ViewLayer.Depth.Z": z_pass().astype(np.float16)}

    def write(unfinished: Path) -> None:
        OpenEXR.File(header, channels).write(str(unfinished))

    write_whole(path, write)


def z_pass() -> np.ndarray:
    """[SIDE, SIDE] metres along the camera's axis; infinite where there is nothing."""
    steps = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(steps * HALF_ANGLE, -steps * HALF_ANGLE - 0.08)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)  # one metre along the axis each
    hits = [_floor(rays), _block(rays), *(_ball(rays, *ball) for ball in BALLS)]
    return np.minimum.reduce(hits)


def _floor(rays: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        z = -EYE[1] / rays[..., 1]
    return np.where((z > 0) & (z < 40), z, np.inf)


def _ball(rays: np.ndarray, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    away = EYE - np.array(centre)
    a, b = (rays**2).sum(-1), rays @ away
    root = b**2 - a * (away @ away - radius**2)
    return np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def _block(rays: np.ndarray) -> np.ndarray:
    """Where a ray is between all three pairs of faces at once."""
    with np.errstate(divide="ignore"):
        faces = np.stack([(np.array(corner) - EYE) / rays for corner in BLOCK])
    near, far = faces.min(0).max(-1), faces.max(0).min(-1)
    return np.where(near < far, near, np.inf)
