"""Nodes that edit depth maps.

All of them take a batch, give maps of 0..1 for maps of 0..1, and change nothing where their mask
is 0, bit for bit.
"""

from typing import Any

from torch import Tensor

from ..depth.adjust import Adjustment, ClipBy, Smoothing, adjust
from ..depth.convention import to_image
from ..depth.fill import Geometry, Shape, fill
from ..depth.fit import check_fits, fit_map
from ..depth.masks import Split, limit, range_mask, split_mask
from ..depth.merge import Match, Mode, Placement, merge
from ..depth.refine import Method, refine
from ..images.crop import check_image
from ..images.masks import spread
from . import inputs
from .node import DepthMapNode, Node, depth_maps, fitting_mask, one_by_one


class SD2DepthAdjust(DepthMapNode):
    DISPLAY_NAME = "Adjust Depth"
    DESCRIPTION = (
        "Changes the depths of a map as levels and curves change a photo: near and far end, gamma, "
        "contrast about a plane, offset, inversion, smoothing, in the order of the inputs. Its "
        "defaults change nothing."
    )
    SEARCH_ALIASES = ["depth levels", "invert depth", "depth contrast", "gamma", "blur depth"]
    OUTPUT_TOOLTIPS = ("The adjusted map, 0..1: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"depth": inputs.depth()},
            "optional": {
                "invert": inputs.switch().tooltip(
                    "Exchanges near and far: for a map in which black is near."
                ),
                "near": inputs.fraction(1.0).tooltip(
                    "Depth, or share of pixels, from which on all is white. What lies between far "
                    "and near is stretched to the full range."
                ),
                "far": inputs.fraction(0.0).tooltip(
                    "Depth, or share of pixels, up to which all is black; below near."
                ),
                "clip_by": inputs.choice(ClipBy.VALUE).tooltip(
                    "value: near and far are depths, 0..1. percentile: they are shares of each "
                    "map's pixels: near 0.98 and far 0.02 cut off 2 % at either end, 1 and 0 "
                    "stretch the map to its own ends."
                ),
                "gamma": inputs.number(1.0, 0.1, 10.0).tooltip(
                    "Above 1 middle depths come nearer, below 1 they go back; black and white "
                    "stay. 1 changes nothing."
                ),
                "contrast": inputs.number(1.0, 0.0, 10.0).tooltip(
                    "Factor of all distances from the plane: 0.5 makes a shallow scene, 2 a deep "
                    "one. What leaves 0..1 is clipped, with a warning."
                ),
                "plane": inputs.fraction(0.5, advanced=True).tooltip(
                    "Depth that contrast leaves where it is, 0..1: e.g. that of the subject."
                ),
                "offset": inputs.number(0.0, -1.0, 1.0).tooltip(
                    "Added to every depth: above 0 all comes nearer. What leaves 0..1 is clipped, "
                    "with a warning."
                ),
                "smooth": inputs.number(0.0, 0.0, 256.0, step=0.5).tooltip(
                    "Pixels over which the map is smoothed: the Gaussian's standard deviation, or "
                    "the radius of the edge-preserving filter. 0 is not at all."
                ),
                "smoothing": inputs.choice(Smoothing.GAUSSIAN).tooltip(
                    "gaussian: blurs edges too. edge-preserving: steps higher than `edge` stay, "
                    "what is lower is smoothed away."
                ),
                "edge": inputs.number(0.05, 0.001, 1.0, step=0.001, advanced=True).tooltip(
                    "With edge-preserving: the step of depth, 0..1, that counts as an edge."
                ),
                **inputs.mask_and_feather(),
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
        levels = (invert, near, far, ClipBy(clip_by), gamma, contrast, plane, offset)
        how = Adjustment(*levels, smooth, Smoothing(smoothing), edge)

        def edit(depth: Tensor, mask: Tensor | None) -> Tensor:
            return to_image(limit(depth, adjust(depth, how), mask, feather))

        maps, mask = depth_maps(depth), fitting_mask(mask, depth)
        return (one_by_one(self.DISPLAY_NAME, edit, depth=maps, mask=mask),)


class SD2DepthRefine(DepthMapNode):
    DISPLAY_NAME = "Refine Depth Edges"
    DESCRIPTION = (
        "Moves the blurred edges of a depth map to the edges of the photo that it shows, and "
        "enlarges a smaller map to the photo's size. Where the map has no edge it stays as it is."
    )
    SEARCH_ALIASES = ["guided filter", "joint bilateral", "upscale depth", "sharpen depth"]
    OUTPUT_TOOLTIPS = ("The refined map, of the photo's size: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "depth": inputs.IMAGE.tooltip(
                    "Depth map of the photo, of any size with its shape. One for "
                    "all photos, or a number that divides them."
                ),
                "image": inputs.IMAGE.tooltip("The photo that the map shows, or a batch."),
            },
            "optional": {
                "method": inputs.choice(Method.BILATERAL).tooltip(
                    "joint bilateral: crisp edges. guided: softer edges that follow hair and "
                    "leaves, many times quicker."
                ),
                "radius": inputs.number(4.0, 0.0, 128.0, step=0.5).tooltip(
                    "How far an edge may move, in pixels of the photo; about as wide as the map's "
                    "edges are blurred. More mends worse edges but loses thin things, and beyond a "
                    "twentieth of the photo's shorter side it harms the map. A smaller map's edges "
                    "move by at least one of its pixels. 0 only enlarges."
                ),
                "tolerance": inputs.number(0.05, 0.01, 1.0, advanced=True).tooltip(
                    "Difference of brightness, 0..1, that counts as an edge of the photo: less for "
                    "a dim one, more for a noisy one."
                ),
                **inputs.mask_and_feather("refined", "photo"),
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
        def edit(image: Tensor, depth: Tensor, mask: Tensor | None) -> Tensor:
            refined = refine(depth, image, Method(method), radius, tolerance)
            # Outside of the mask a map is only enlarged.
            before = refined if mask is None else fit_map(depth, image)
            return to_image(limit(before, refined, mask, feather))

        image = check_image(image)
        maps, mask = depth_maps(depth).to(image.device), fitting_mask(mask, image)
        check_fits(maps, image)
        return (one_by_one(self.DISPLAY_NAME, edit, image=image, depth=maps, mask=mask),)


class SD2DepthMerge(DepthMapNode):
    DISPLAY_NAME = "Merge Depth"
    DESCRIPTION = (
        "Puts a depth map, or what a mask cuts out of it, into another one: at a place, a size and "
        "a depth. Matched, the patch continues its surroundings, as two estimates never share "
        "their scale of depth."
    )
    SEARCH_ALIASES = ["composite depth", "combine depth", "insert object", "depth blend"]
    OUTPUT_TOOLTIPS = ("The merged map, of the size of `depth`: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        place = inputs.integer(0, -16384, 16384)
        return {
            "required": {
                "depth": inputs.depth(),
                "patch": inputs.IMAGE.tooltip(
                    "Depth map to put in, of any size: white = near. One for all, "
                    "or a number that divides the maps."
                ),
            },
            "optional": {
                "mode": inputs.choice(Mode.NEAREST).tooltip(
                    "nearest wins: the two hide each other as things in space do. farthest wins: "
                    "the reverse, to cut holes. over: the patch. under: the patch only where the "
                    "map is black, for a background. blend: a mixture."
                ),
                "x": place.tooltip(
                    "Left edge of the patch in pixels of the map; it may hang over."
                ),
                "y": place.tooltip(
                    "Upper edge of the patch in pixels of the map; it may hang over."
                ),
                "scale": inputs.number(1.0, 0.01, 64.0).tooltip(
                    "Factor of the patch's width and height; 1 keeps them."
                ),
                "depth_offset": inputs.number(0.0, -1.0, 1.0).tooltip(
                    "Added to the patch's depth, after matching: above 0 it comes nearer. What "
                    "leaves 0..1 is clipped, with a warning."
                ),
                "match": inputs.choice(Match.NONE).tooltip(
                    "Fits the patch's depth to the map along the mask's border: outside of it "
                    "where the patch reaches that far, else inside. shift: adds a depth. scale "
                    "and shift: stretches its relief too, for two estimates of one scene."
                ),
                "blend": inputs.fraction(0.5).tooltip(
                    "With mode blend: share of the patch; 1 is all of it."
                ),
                "patch_mask": inputs.MASK.tooltip(
                    "Of the patch's size: what of it is put in. Without it, all of the patch."
                ),
                **inputs.mask_and_feather(),
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
        where = Placement(x, y, scale, depth_offset, Match(match))

        def edit(
            depth: Tensor, patch: Tensor, patch_mask: Tensor | None, mask: Tensor | None
        ) -> Tensor:
            masks = (patch_mask, mask, feather)
            return to_image(merge(depth, patch, Mode(mode), where, blend, *masks))

        maps = {"depth": depth_maps(depth), "patch": depth_maps(patch)}
        masks = {"patch_mask": fitting_mask(patch_mask, patch), "mask": fitting_mask(mask, depth)}
        return (one_by_one(self.DISPLAY_NAME, edit, **maps, **masks),)


class SD2DepthFill(DepthMapNode):
    DISPLAY_NAME = "Fill Depth"
    DESCRIPTION = (
        "Fills a depth map, or what a mask covers of it, with a shape: a flat plane, a ramp (a "
        "floor or wall), a dome, the mask's outline blown up to a cushion, or the surroundings "
        "continued over what was there."
    )
    SEARCH_ALIASES = ["depth inpaint", "gradient", "ground plane", "sphere", "remove object"]
    OUTPUT_TOOLTIPS = ("The filled map: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        def place(default: float, side: str, what: str) -> inputs.Input:
            tooltip = f"{what}; a share of the map's {side}, 0 is its first pixel and 1 its last."
            return inputs.number(default, -4.0, 5.0).tooltip(tooltip)

        return {
            "required": {"depth": inputs.depth()},
            "optional": {
                "shape": inputs.choice(Shape.PLANE).tooltip(
                    "flat plane: one depth, near. ramp: from far at point 1 to near at point 2, a "
                    "floor as it stands. dome: half a sphere around point 1 that reaches to point "
                    "2. relief of the mask: the mask's outline as a cushion. smooth fill: the "
                    "depth of the mask's border runs in. The last two need a mask."
                ),
                "near": inputs.fraction(0.8).tooltip(
                    "Depth of the plane, of the ramp's point 2, of the top of dome and relief."
                ),
                "far": inputs.fraction(0.2).tooltip(
                    "Depth of the ramp's point 1, of the rim of dome and relief."
                ),
                "x1": place(0.5, "width", "Point 1: the ramp's far end, the dome's centre"),
                "y1": place(0.5, "height", "Point 1: the ramp's far end, the dome's centre"),
                "x2": place(0.5, "width", "Point 2: the ramp's near end, the dome's rim"),
                "y2": place(1.0, "height", "Point 2: the ramp's near end, the dome's rim"),
                **inputs.mask_and_feather("filled"),
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
        where = Geometry(near, far, (x1, y1), (x2, y2))

        def edit(depth: Tensor, mask: Tensor | None) -> Tensor:
            return to_image(limit(depth, fill(depth, Shape(shape), where, mask), mask, feather))

        maps, mask = depth_maps(depth), fitting_mask(mask, depth)
        return (one_by_one(self.DISPLAY_NAME, edit, depth=maps, mask=mask),)


class SD2DepthRangeMask(Node):
    DISPLAY_NAME = "Mask Depth Range"
    CATEGORY = "SD2 Depth/depth map"
    DESCRIPTION = (
        "Makes a mask of what lies between two depths, or splits a map into foreground and "
        "background by itself, so that each can get a prompt, a denoise or an edit of its own."
    )
    SEARCH_ALIASES = ["depth mask", "foreground", "background mask", "otsu", "depth threshold"]
    RETURN_TYPES = ("MASK",)
    RETURN_NAMES = ("mask",)
    OUTPUT_TOOLTIPS = ("The mask, of the depth map's size: 1 inside of the range.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "depth": inputs.depth(),
                "near": inputs.fraction(1.0).tooltip(
                    "Near end of the range, as the map's own value: 1 is white. Included."
                ),
                "far": inputs.fraction(0.5).tooltip(
                    "Far end of the range, as the map's own value: 0 is black. Included."
                ),
            },
            "optional": {
                "split": inputs.choice(Split.INTERVAL).tooltip(
                    "interval: what lies between near and far. foreground, background: the two "
                    "parts that each map falls into best (Otsu's threshold); near and far are not "
                    "used then."
                ),
                "softness": inputs.fraction(0.0).tooltip(
                    "Range of depths beyond the ends over which the mask fades out; 0 is a hard "
                    "edge."
                ),
                "feather": inputs.pixels(0).tooltip(
                    "Pixels around the part over which the mask fades out in the "
                    "image; what is in the range stays 1."
                ),
                "mask": inputs.MASK.tooltip(
                    "Of the map's size: only there anything is looked for, also by "
                    "the split; elsewhere the result is 0. Without it, everywhere."
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
        def make(depth: Tensor, mask: Tensor | None) -> Tensor:
            if split == Split.INTERVAL.value:
                part = range_mask(depth, near, far, softness)
            else:
                part = split_mask(depth, Split(split), softness, mask)
            part = spread(part, feather=feather)
            # The mask cuts off what softness and feather add, too.
            return part if mask is None else part * mask

        maps, mask = depth_maps(depth), fitting_mask(mask, depth)
        return (one_by_one(self.DISPLAY_NAME, make, depth=maps, mask=mask),)
