"""The node that moves a camera before an image."""

from typing import Any

from torch import Tensor

from ..depth.camera import Easing, Move, camera_path
from ..depth.fit import check_fits, fit_map
from ..depth.frames import Shot, frame
from ..depth.parallax import widen
from ..depth.stereo import Show
from ..host import host
from ..images.batch import gather
from ..images.crop import check_image
from . import inputs
from .node import Node, depth_maps


class SD2DepthParallax(Node):
    DISPLAY_NAME = "Parallax Frames"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Moves the camera a little: near things shift against far ones, and what comes out from "
        "behind them is filled with its surroundings. For one eye or both, all sharp or focused at "
        "one depth. The frames are a batch for any video node. It also shows quickly whether a "
        "depth map fits its image."
    )
    SEARCH_ALIASES = [
        *("parallax", "ken burns", "2.5d", "depth animation", "camera motion", "dolly zoom"),
        *("stereo", "anaglyph", "side by side 3d", "depth of field", "bokeh"),
    ]
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("frames",)
    OUTPUT_TOOLTIPS = (
        "The frames, of the image's size, or twice as wide; those of the first image come first.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": inputs.IMAGE.tooltip("One image or a batch; each gets all frames."),
                "depth": inputs.IMAGE.tooltip(
                    "Its depth map, white = near, of any size with its shape. One for all images, "
                    "or a number that divides them."
                ),
            },
            "optional": {
                "move": inputs.choice(Move.SWAY).tooltip(
                    "sway: right, left and back. circle: around the middle. orbit: around what "
                    "stands at plane. dolly: forward and back, while the lens zooms out and in. "
                    "These repeat without a jump. Once: push in, forward; zoom, by the lens alone; "
                    "arc, half an orbit from left to right."
                ),
                "frames": inputs.integer(24, 1, 1000).tooltip(
                    "Frames of the whole move; 24 are a second of film. Each takes as much memory "
                    "as the image."
                ),
                "strength": inputs.number(12.0, 0.0, 200.0, step=0.5).tooltip(
                    "Pixels by which white in the depth map moves to either side; black stands "
                    "still. More shows more of what has to be invented behind near things. 0 "
                    "repeats the image."
                ),
                "grow": inputs.pixels(4, most=64, advanced=True).tooltip(
                    "Pixels by which near things are widened in the depth map, so that their "
                    "outlines move with them: the edges of an estimated map are soft. More takes "
                    "some background along; 0 for an exact map, of which nothing is lost."
                ),
                "easing": inputs.choice(Easing.LINEAR).tooltip(
                    "How the move's speed changes from first to last frame. linear: not at all. "
                    "ease in: it starts slowly. ease out: it ends slowly."
                ),
                "plane": inputs.fraction(0.0).tooltip(
                    "The depth that stands still. 0: the far. Between 0 and 1, nearer things "
                    "go one way and farther ones the other; with push in and dolly what is there "
                    "keeps its size."
                ),
                "show": inputs.choice(Show.IMAGE).tooltip(
                    "image: one view. side by side: two, twice as wide, for a headset or to look "
                    "at in parallel; cross-eyed: the same the other way round. red-cyan: both in "
                    "one image, for glasses with red on the left. What is at plane appears to be "
                    "in the screen."
                ),
                "eyes": inputs.number(12.0, 0.0, 200.0, step=0.5).tooltip(
                    "With two views: pixels by which white in the depth map lies apart in them. "
                    "More is deeper, and harder to look at; about 2% of the width is comfortable."
                ),
                "blur": inputs.number(0.0, 0.0, 100.0, step=0.5).tooltip(
                    "Radius in pixels of the lens blur of what is farthest out of focus. 0: all is "
                    "sharp. Takes longer for every frame."
                ),
                "focus": inputs.fraction(1.0).tooltip(
                    "With blur: the depth that is sharp. 1: white, the nearest; 0: black."
                ),
            },
        }

    def execute(
        self,
        image: Tensor,
        depth: Tensor,
        move: str = Move.SWAY.value,
        frames: int = 24,
        strength: float = 12.0,
        grow: int = 4,
        easing: str = Easing.LINEAR.value,
        plane: float = 0.0,
        show: str = Show.IMAGE.value,
        eyes: float = 12.0,
        blur: float = 0.0,
        focus: float = 1.0,
    ) -> tuple[Tensor]:
        """Draw one frame after the other into the batch; beside it, one map an image is kept."""
        image = check_image(image)
        maps = depth_maps(depth).to(image.device)
        check_fits(maps, image)
        one_map = host.progress(maps.split(1), self.DISPLAY_NAME)
        wide = [widen(fit_map(one, image[:1])[0], grow) for one in one_map]
        path = camera_path(Move(move), frames, Easing(easing))
        shot = Shot(strength, plane, Show(show), eyes, blur, focus)
        jobs = [(index, camera) for index in range(len(image)) for camera in path]
        drawn = (
            frame(image[index], wide[index % len(wide)], camera, shot).unsqueeze(0)
            for index, camera in host.progress(jobs, self.DISPLAY_NAME)
        )
        return (gather(drawn, len(jobs)),)
