"""The node between distances, of a 3D program for example, and the model's depth maps."""

from typing import Any

import torch
from torch import Tensor

from ..depth.convention import check_repairable, from_image, repair, to_image, unit_range
from ..depth.convert import Direction, Range, Unit, check_black_and_white, to_disparity, to_distance
from . import inputs
from .node import DepthMapNode, fitting_mask, one_by_one


class SD2DepthConvert(DepthMapNode):
    DISPLAY_NAME = "Convert Depth"
    DESCRIPTION = (
        "Turns a Z pass of a 3D program, a metric depth map, or disparity of any range into what "
        "the model understands: disparity of 0..1, white = near. Sky becomes black. And back, for "
        "programs that want distances."
    )
    SEARCH_ALIASES = [
        *("z pass", "z buffer", "metric depth", "inverse depth", "disparity", "normalize depth")
    ]
    OUTPUT_TOOLTIPS = (
        "A depth map, 0..1, white = near; or distances, which may be larger than 1.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        length = inputs.number(0.0, 0.0, 1e12, step=0.001)
        return {
            "required": {
                "depth": inputs.IMAGE.tooltip(
                    "Distances, larger = farther: from Depth Map Loader with beyond at keep, or "
                    "another pack's metric depth. Or, with that unit, disparity of any range, "
                    "larger = nearer; or, with disparity to distance, a depth map, white = near."
                )
            },
            "optional": {
                "direction": inputs.choice(Direction.TO_DISPARITY).tooltip(
                    "distance to disparity: for the model. disparity to distance: the inverse, "
                    "which needs near and far."
                ),
                "unit": inputs.choice(Unit.METRIC).tooltip(
                    "metric: distances are lengths, in the unit of near, far and sky. linear 0..1: "
                    "0 is at near and 1 at far, which both must be given. disparity, any range: "
                    "larger is nearer already; it is stretched to 0..1 between far and near."
                ),
                "near": length.tooltip(
                    "Distance, or disparity, that becomes white. 0: that of the nearest pixel of "
                    "the whole batch. What is nearer becomes white too, with a warning."
                ),
                "far": length.tooltip(
                    "Distance, or disparity, that becomes black. 0: that of the farthest pixel of "
                    "the whole batch that is no sky. What is farther becomes black too, with a "
                    "warning."
                ),
                "sky": length.tooltip(
                    "Distance from which on a pixel is sky and becomes black, e.g. Blender's 1e10; "
                    "0: only what is infinitely far. NaN, and metric distances of 0, are holes and "
                    "filled from their neighbours, with a warning. Sky comes back as far."
                ),
                "mask": inputs.MASK.tooltip(
                    "Of the map's size, black and white: what is converted. Black "
                    "stays as it is, bit for bit; grey is refused, as distances and disparity "
                    "do not mix. Without it, everywhere."
                ),
                "sky_mask": inputs.MASK.tooltip(
                    "What is sky, from 0.5 on: becomes black, whatever its distance, and does not "
                    "count for near and far. The sky_mask of Render Depth Anything 3, for example, "
                    "through Convert Image to Mask. Only with distance to disparity."
                ),
                "confidence": inputs.MASK.tooltip(
                    "How sure a network is of each pixel, 0 to 1. Pixels below least confidence "
                    "are holes, filled from their neighbours, with a warning. Only with distance "
                    "to disparity."
                ),
                "least_confidence": inputs.fraction(0.1, advanced=True).tooltip(
                    "Confidence from which on a pixel's value counts. 0: all do."
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
        sky_mask: Tensor | None = None,
        confidence: Tensor | None = None,
        least_confidence: float = 0.1,
    ) -> tuple[Tensor]:
        """The ends are the whole batch's; infinite distances are sky, so holes wait until then."""
        ends, maps = Range(near, far, sky, Unit(unit)), from_image(depth)
        mask = fitting_mask(mask, depth)
        inside = None if mask is None else check_black_and_white(mask) > 0
        sure, is_sky = (_for_each(one, depth) for one in (confidence, sky_mask))
        if Direction(direction) is Direction.TO_DISPARITY:
            seen = maps if sure is None else maps.where(sure >= least_confidence, torch.nan)
            converted = to_disparity(seen, ends, None if is_sky is None else is_sky >= 0.5)
            check_repairable(converted, inside)
        elif sky_mask is not None or confidence is not None:
            raise ValueError(
                "sky_mask or confidence is connected, and the direction is "
                f"{direction}; expected them with {Direction.TO_DISPARITY.value} only"
            )
        else:
            # What lies outside of the mask may have any value.
            whole = repair(maps, inside)
            whole = whole if inside is None else whole.where(inside, 0.0)
            converted = to_distance(unit_range(whole), ends)

        def edit(depth: Tensor, converted: Tensor, mask: Tensor | None) -> Tensor:
            edited = repair(converted, mask)
            return to_image(edited if mask is None else torch.where(mask, edited, depth))

        batches = {"depth": maps, "converted": converted, "mask": inside}
        return (one_by_one(self.DISPLAY_NAME, edit, **batches),)


def _for_each(mask: Tensor | None, depth: Tensor) -> Tensor | None:
    """A mask of the map's size with as many entries; a smaller batch repeats as a whole."""
    mask = fitting_mask(mask, depth)
    return None if mask is None else mask.repeat(len(depth) // len(mask), 1, 1)
