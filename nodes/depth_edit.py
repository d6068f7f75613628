"""Nodes that edit depth maps.

All of them take a batch, give maps of 0..1 for maps of 0..1, and change nothing where their mask
is 0, bit for bit.
"""

from enum import Enum
from typing import Any

import torch
from torch import Tensor

from ..depth.adjust import Adjustment, ClipBy, Smoothing, adjust
from ..depth.convention import check_repairable, from_image, repair, to_image, unit_range
from ..depth.convert import (
    Direction,
    Range,
    Unit,
    check_black_and_white,
    to_disparity,
    to_distance,
)
from ..depth.fill import Geometry, Shape, fill
from ..depth.fit import check_fits, fit_map
from ..depth.masks import Split, limit, range_mask, split_mask
from ..depth.merge import Match, Mode, Placement, merge
from ..depth.refine import Method, refine
from ..images.crop import check_image
from ..images.masks import fit_images, spread
from .batch import one_by_one

Input = tuple[Any, dict[str, Any]]

ADVANCED = {"advanced": True}


def _depth_input() -> Input:
    return ("IMAGE", {"tooltip": "Depth map or a batch of them: white = near, black = far."})


def _mask_inputs(what: str = "changed", size: str = "map's") -> dict[str, Input]:
    return {
        "mask": (
            "MASK",
            {
                "tooltip": f"Of the {size} size: where the depth may be {what}. Black stays as it "
                "is, bit for bit, grey mixes. One for all, or a number that divides the maps. "
                "Without it, everywhere."
            },
        ),
        "feather": (
            "INT",
            {
                "default": 0,
                "min": 0,
                "max": 512,
                "tooltip": "Pixels inside the mask's border over which the change sets in; 0 is a "
                "hard edge. Fewer where the mask is narrow.",
            },
        ),
    }


def _number(
    default: float, low: float, high: float, tooltip: str, step: float = 0.01, **more: bool
) -> Input:
    limits = {"default": default, "min": low, "max": high, "step": step}
    return ("FLOAT", {**limits, **more, "tooltip": tooltip})


def _choice(default: Enum, tooltip: str, **more: bool) -> Input:
    values = [kind.value for kind in type(default)]
    return (values, {"default": default.value, **more, "tooltip": tooltip})


def _maps(depth: Tensor) -> Tensor:
    """IMAGE to `[B, H, W]` in 0..1, without holes."""
    return unit_range(repair(from_image(depth)))  # BHWC -> BHW


def _fitted(mask: Tensor | None, image: Tensor) -> Tensor | None:
    return None if mask is None else fit_images(mask, image)


class SD2DepthAdjust:
    """Adjust Depth: near and far end, gamma, contrast, offset, smoothness."""

    DISPLAY_NAME = "Adjust Depth"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Changes the depths of a map as levels and curves change a photo: near and far end, gamma, "
        "contrast about a plane, offset, inversion, smoothing, in the order of the inputs. As it "
        "comes it changes nothing."
    )
    SEARCH_ALIASES = ["depth levels", "invert depth", "depth contrast", "gamma", "blur depth"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = ("The adjusted map, 0..1: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {"depth": _depth_input()},
            "optional": {
                "invert": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "Exchanges near and far: for a map in which black is near.",
                    },
                ),
                "near": _number(
                    *(1.0, 0.0, 1.0),
                    "Depth, or share of pixels, from which on all is white. What lies between far "
                    "and near is stretched to the full range.",
                ),
                "far": _number(
                    *(0.0, 0.0, 1.0),
                    "Depth, or share of pixels, up to which all is black; below near.",
                ),
                "clip_by": _choice(
                    ClipBy.VALUE,
                    "value: near and far are depths, 0..1. percentile: they are shares of each "
                    "map's pixels: near 0.98 and far 0.02 cut off 2 % at either end, 1 and 0 "
                    "stretch the map to its own ends.",
                ),
                "gamma": _number(
                    *(1.0, 0.1, 10.0),
                    "Above 1 middle depths come nearer, below 1 they go back; black and white "
                    "stay. 1 changes nothing.",
                ),
                "contrast": _number(
                    *(1.0, 0.0, 10.0),
                    "Factor of all distances from the plane: 0.5 makes a shallow scene, 2 a deep "
                    "one. What leaves 0..1 is clipped, with a warning.",
                ),
                "plane": _number(
                    *(0.5, 0.0, 1.0),
                    "Depth that contrast leaves where it is, 0..1: e.g. that of the subject.",
                    **ADVANCED,
                ),
                "offset": _number(
                    *(0.0, -1.0, 1.0),
                    "Added to every depth: above 0 all comes nearer. What leaves 0..1 is clipped, "
                    "with a warning.",
                ),
                "smooth": _number(
                    *(0.0, 0.0, 256.0),
                    "Pixels over which the map is smoothed: the Gaussian's standard deviation, or "
                    "the radius of the edge-preserving filter. 0 is not at all.",
                    step=0.5,
                ),
                "smoothing": _choice(
                    Smoothing.GAUSSIAN,
                    "gaussian: blurs edges too. edge-preserving: steps higher than `edge` stay, "
                    "what is lower is smoothed away.",
                ),
                "edge": _number(
                    *(0.05, 0.001, 1.0),
                    "With edge-preserving: the step of depth, 0..1, that counts as an edge.",
                    step=0.001,
                    **ADVANCED,
                ),
                **_mask_inputs(),
            },
        }

    def execute(
        self,
        depth: Tensor,
        invert: bool = False,
        near: float = 1.0,
        far: float = 0.0,
        clip_by: str = ClipBy.VALUE.value,
        gamma: float = 1.0,
        contrast: float = 1.0,
        plane: float = 0.5,
        offset: float = 0.0,
        smooth: float = 0.0,
        smoothing: str = Smoothing.GAUSSIAN.value,
        edge: float = 0.05,
        mask: Tensor | None = None,
        feather: int = 0,
    ) -> tuple[Tensor]:
        """Adjust whole maps, then keep what lies under the mask."""
        levels = (invert, near, far, ClipBy(clip_by), gamma, contrast, plane, offset)
        how = Adjustment(*levels, smooth, Smoothing(smoothing), edge)

        def edit(depth: Tensor, mask: Tensor | None) -> Tensor:
            return to_image(limit(depth, adjust(depth, how), mask, feather))

        maps, mask = _maps(depth), _fitted(mask, depth)
        return (one_by_one(self.DISPLAY_NAME, edit, depth=maps, mask=mask),)


class SD2DepthRefine:
    """Refine Depth Edges: depth map + its photo -> a map with the photo's edges and size."""

    DISPLAY_NAME = "Refine Depth Edges"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Moves the blurred edges of a depth map to the edges of the photo that it shows, and "
        "enlarges a smaller map to the photo's size. Where the map has no edge it stays as it is."
    )
    SEARCH_ALIASES = ["guided filter", "joint bilateral", "upscale depth", "sharpen depth"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = ("The refined map, of the photo's size: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "depth": (
                    "IMAGE",
                    {
                        "tooltip": "Depth map of the photo, of any size with its shape. One for "
                        "all photos, or a number that divides them."
                    },
                ),
                "image": ("IMAGE", {"tooltip": "The photo that the map shows, or a batch."}),
            },
            "optional": {
                "method": _choice(
                    Method.BILATERAL,
                    "joint bilateral: crisp edges. guided: softer edges that follow hair and "
                    "leaves, many times quicker.",
                ),
                "radius": _number(
                    *(4.0, 0.0, 128.0),
                    "How far an edge may move, in pixels of the photo; about as wide as the map's "
                    "edges are blurred. More mends worse edges but loses thin things, and beyond a "
                    "twentieth of the photo's shorter side it harms the map. A smaller map's edges "
                    "move by at least one of its pixels. 0 only enlarges.",
                    step=0.5,
                ),
                "tolerance": _number(
                    *(0.05, 0.01, 1.0),
                    "Difference of brightness, 0..1, that counts as an edge of the photo: less for "
                    "a dim one, more for a noisy one.",
                    **ADVANCED,
                ),
                **_mask_inputs("refined", "photo's"),
            },
        }

    def execute(
        self,
        depth: Tensor,
        image: Tensor,
        method: str = Method.BILATERAL.value,
        radius: float = 4.0,
        tolerance: float = 0.05,
        mask: Tensor | None = None,
        feather: int = 0,
    ) -> tuple[Tensor]:
        """Outside of the mask a map is at most enlarged."""

        def edit(image: Tensor, depth: Tensor, mask: Tensor | None) -> Tensor:
            refined = refine(depth, image, Method(method), radius, tolerance)
            before = refined if mask is None else fit_map(depth, image)
            return to_image(limit(before, refined, mask, feather))

        image = check_image(image)
        maps, mask = _maps(depth).to(image.device), _fitted(mask, image)
        check_fits(maps, image)
        return (one_by_one(self.DISPLAY_NAME, edit, image=image, depth=maps, mask=mask),)


class SD2DepthMerge:
    """Merge Depth: one depth map, or a part of it, into another."""

    DISPLAY_NAME = "Merge Depth"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Puts a depth map, or what a mask cuts out of it, into another one: at a place, a size and "
        "a depth. Matched, the patch continues its surroundings, as two estimates never share "
        "their scale of depth."
    )
    SEARCH_ALIASES = ["composite depth", "combine depth", "insert object", "depth blend"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = ("The merged map, of the size of `depth`: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""

        def pixels(tooltip: str) -> Input:
            return ("INT", {"default": 0, "min": -16384, "max": 16384, "tooltip": tooltip})

        return {
            "required": {
                "depth": _depth_input(),
                "patch": (
                    "IMAGE",
                    {
                        "tooltip": "Depth map to put in, of any size: white = near. One for all, "
                        "or a number that divides the maps."
                    },
                ),
            },
            "optional": {
                "mode": _choice(
                    Mode.NEAREST,
                    "nearest wins: the two hide each other as things in space do. farthest wins: "
                    "the reverse, to cut holes. over: the patch. under: the patch only where the "
                    "map is black, for a background. blend: a mixture.",
                ),
                "x": pixels("Left edge of the patch in pixels of the map; it may hang over."),
                "y": pixels("Upper edge of the patch in pixels of the map; it may hang over."),
                "scale": _number(
                    *(1.0, 0.01, 64.0), "Factor of the patch's width and height; 1 keeps them."
                ),
                "depth_offset": _number(
                    *(0.0, -1.0, 1.0),
                    "Added to the patch's depth, after matching: above 0 it comes nearer. What "
                    "leaves 0..1 is clipped, with a warning.",
                ),
                "match": _choice(
                    Match.NONE,
                    "Fits the patch's depth to the map along the mask's border: outside of it "
                    "where the patch reaches that far, else inside. shift: adds a depth. scale "
                    "and shift: stretches its relief too, for two estimates of one scene.",
                ),
                "blend": _number(
                    *(0.5, 0.0, 1.0), "With mode blend: share of the patch; 1 is all of it."
                ),
                "patch_mask": (
                    "MASK",
                    {
                        "tooltip": "Of the patch's size: what of it is put in. Without it, all of "
                        "the patch."
                    },
                ),
                **_mask_inputs(),
            },
        }

    def execute(
        self,
        depth: Tensor,
        patch: Tensor,
        mode: str = Mode.NEAREST.value,
        x: int = 0,
        y: int = 0,
        scale: float = 1.0,
        depth_offset: float = 0.0,
        match: str = Match.NONE.value,
        blend: float = 0.5,
        patch_mask: Tensor | None = None,
        mask: Tensor | None = None,
        feather: int = 0,
    ) -> tuple[Tensor]:
        """Both masks are checked against what they belong to."""
        how = Mode(mode), Placement(x, y, scale, depth_offset, Match(match)), blend

        def edit(depth: Tensor, patch: Tensor, **masks: Tensor | None) -> Tensor:
            return to_image(merge(depth, patch, *how, **masks, feather=feather))

        maps = {"depth": _maps(depth), "patch": _maps(patch)}
        masks = {"patch_mask": _fitted(patch_mask, patch), "mask": _fitted(mask, depth)}
        return (one_by_one(self.DISPLAY_NAME, edit, **maps, **masks),)


class SD2DepthFill:
    """Fill Depth: a plane, a ramp, a dome, the relief of a mask, or what surrounds it."""

    DISPLAY_NAME = "Fill Depth"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Fills a depth map, or what a mask covers of it, with a shape: a flat plane, a ramp (a "
        "floor or wall), a dome, the mask's outline blown up to a cushion, or the surroundings "
        "continued over what was there."
    )
    SEARCH_ALIASES = ["depth inpaint", "gradient", "ground plane", "sphere", "remove object"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = ("The filled map: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""

        def place(default: float, side: str, what: str) -> Input:
            tooltip = f"{what}; a share of the map's {side}, 0 is its first pixel and 1 its last."
            return _number(default, -4.0, 5.0, tooltip)

        return {
            "required": {"depth": _depth_input()},
            "optional": {
                "shape": _choice(
                    Shape.PLANE,
                    "flat plane: one depth, near. ramp: from far at point 1 to near at point 2, a "
                    "floor as it stands. dome: half a sphere around point 1 that reaches to point "
                    "2. relief of the mask: the mask's outline as a cushion. smooth fill: the "
                    "depth of the mask's border runs in. The last two need a mask.",
                ),
                "near": _number(
                    *(0.8, 0.0, 1.0),
                    "Depth of the plane, of the ramp's point 2, of the top of dome and relief.",
                ),
                "far": _number(
                    *(0.2, 0.0, 1.0), "Depth of the ramp's point 1, of the rim of dome and relief."
                ),
                "x1": place(0.5, "width", "Point 1: the ramp's far end, the dome's centre"),
                "y1": place(0.5, "height", "Point 1: the ramp's far end, the dome's centre"),
                "x2": place(0.5, "width", "Point 2: the ramp's near end, the dome's rim"),
                "y2": place(1.0, "height", "Point 2: the ramp's near end, the dome's rim"),
                **_mask_inputs("filled"),
            },
        }

    def execute(
        self,
        depth: Tensor,
        shape: str = Shape.PLANE.value,
        near: float = 0.8,
        far: float = 0.2,
        x1: float = 0.5,
        y1: float = 0.5,
        x2: float = 0.5,
        y2: float = 1.0,
        mask: Tensor | None = None,
        feather: int = 0,
    ) -> tuple[Tensor]:
        """Fill whole maps, then keep what lies under the mask."""
        where = Geometry(near, far, (x1, y1), (x2, y2))

        def edit(depth: Tensor, mask: Tensor | None) -> Tensor:
            return to_image(limit(depth, fill(depth, Shape(shape), where, mask), mask, feather))

        maps, mask = _maps(depth), _fitted(mask, depth)
        return (one_by_one(self.DISPLAY_NAME, edit, depth=maps, mask=mask),)


class SD2DepthRangeMask:
    """Depth Range Mask: what lies between two depths, or the foreground, as a mask."""

    DISPLAY_NAME = "Depth Range Mask"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Makes a mask of what lies between two depths, or splits a map into foreground and "
        "background by itself, so that each can get a prompt, a denoise or an edit of its own."
    )
    SEARCH_ALIASES = ["depth mask", "foreground", "background mask", "otsu", "depth threshold"]
    FUNCTION = "execute"
    RETURN_TYPES = ("MASK",)
    RETURN_NAMES = ("mask",)
    OUTPUT_TOOLTIPS = ("The mask, of the depth map's size: 1 inside of the range.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""
        return {
            "required": {
                "depth": _depth_input(),
                "near": _number(
                    *(1.0, 0.0, 1.0),
                    "Near end of the range, as the map's own value: 1 is white. Included.",
                ),
                "far": _number(
                    *(0.5, 0.0, 1.0),
                    "Far end of the range, as the map's own value: 0 is black. Included.",
                ),
            },
            "optional": {
                "split": _choice(
                    Split.INTERVAL,
                    "interval: what lies between near and far. foreground, background: the two "
                    "parts that each map falls into best (Otsu's threshold); near and far are not "
                    "used then.",
                ),
                "softness": _number(
                    *(0.0, 0.0, 1.0),
                    "Range of depths beyond the ends over which the mask fades out; 0 is a hard "
                    "edge.",
                ),
                "feather": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": 512,
                        "tooltip": "Pixels around the part over which the mask fades out in the "
                        "image; what is in the range stays 1.",
                    },
                ),
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Of the map's size: only there anything is looked for, also by "
                        "the split; elsewhere the result is 0. Without it, everywhere."
                    },
                ),
            },
        }

    def execute(
        self,
        depth: Tensor,
        near: float,
        far: float,
        split: str = Split.INTERVAL.value,
        softness: float = 0.0,
        feather: int = 0,
        mask: Tensor | None = None,
    ) -> tuple[Tensor]:
        """The given mask cuts off what softness and feather add, too."""

        def make(depth: Tensor, mask: Tensor | None) -> Tensor:
            if split == Split.INTERVAL.value:
                part = range_mask(depth, near, far, softness)
            else:
                part = split_mask(depth, Split(split), softness, mask)
            part = spread(part, feather=feather)
            return part if mask is None else part * mask

        maps, mask = _maps(depth), _fitted(mask, depth)
        return (one_by_one(self.DISPLAY_NAME, make, depth=maps, mask=mask),)


class SD2DepthConvert:
    """Convert Depth: distances -> a depth map for the model, and back."""

    DISPLAY_NAME = "Convert Depth"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Turns a Z pass of a 3D program, a metric depth map, or disparity of any range into what "
        "the model understands: disparity of 0..1, white = near. Sky becomes black. And back, for "
        "programs that want distances."
    )
    SEARCH_ALIASES = [
        *("z pass", "z buffer", "metric depth", "inverse depth", "disparity", "normalize depth")
    ]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)
    OUTPUT_TOOLTIPS = (
        "A depth map, 0..1, white = near; or distances, which may be larger than 1.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Inputs as ComfyUI asks for them."""

        def length(tooltip: str) -> Input:
            return _number(0.0, 0.0, 1e12, tooltip, step=0.001)

        return {
            "required": {
                "depth": (
                    "IMAGE",
                    {
                        "tooltip": "Distances, larger = farther: from Load Depth Map with beyond "
                        "at keep, or another pack's metric depth. Or, with that unit, disparity "
                        "of any range, larger = nearer; or, with disparity to distance, a depth "
                        "map, white = near."
                    },
                ),
            },
            "optional": {
                "direction": _choice(
                    Direction.TO_DISPARITY,
                    "distance to disparity: for the model. disparity to distance: the inverse, "
                    "which needs near and far.",
                ),
                "unit": _choice(
                    Unit.METRIC,
                    "metric: distances are lengths, in the unit of near, far and sky. linear 0..1: "
                    "0 is at near and 1 at far, which both must be given. disparity, any range: "
                    "larger is nearer already; it is stretched to 0..1 between far and near.",
                ),
                "near": length(
                    "Distance, or disparity, that becomes white. 0: that of the nearest pixel of "
                    "the whole batch. What is nearer becomes white too, with a warning."
                ),
                "far": length(
                    "Distance, or disparity, that becomes black. 0: that of the farthest pixel of "
                    "the whole batch that is no sky. What is farther becomes black too, with a "
                    "warning."
                ),
                "sky": length(
                    "Distance from which on a pixel is sky and becomes black, e.g. Blender's 1e10; "
                    "0: only what is infinitely far. NaN, and metric distances of 0, are holes and "
                    "filled from their neighbours, with a warning. Sky comes back as far."
                ),
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Of the map's size, black and white: what is converted. Black "
                        "stays as it is, bit for bit; grey is refused, as distances and disparity "
                        "do not mix. Without it, everywhere."
                    },
                ),
            },
        }

    def execute(
        self,
        depth: Tensor,
        direction: str = Direction.TO_DISPARITY.value,
        unit: str = Unit.METRIC.value,
        near: float = 0.0,
        far: float = 0.0,
        sky: float = 0.0,
        mask: Tensor | None = None,
    ) -> tuple[Tensor]:
        """The ends are the whole batch's; infinite distances are sky, so holes wait until then."""
        ends, maps = Range(near, far, sky, Unit(unit)), from_image(depth)
        mask = None if mask is None else check_black_and_white(fit_images(mask, depth)) > 0
        if Direction(direction) is Direction.TO_DISPARITY:
            converted = to_disparity(maps, ends)
            check_repairable(converted, mask)
        else:
            converted = to_distance(_inside(repair(maps, mask), mask), ends)

        def edit(depth: Tensor, converted: Tensor, mask: Tensor | None) -> Tensor:
            edited = repair(converted, mask)
            return to_image(edited if mask is None else torch.where(mask, edited, depth))

        batches = {"depth": maps, "converted": converted, "mask": mask}
        return (one_by_one(self.DISPLAY_NAME, edit, **batches),)


def _inside(maps: Tensor, mask: Tensor | None) -> Tensor:
    """Maps in 0..1; what lies outside of the mask may have any value, and counts as far."""
    return unit_range(maps if mask is None else maps.where(mask, 0.0))
