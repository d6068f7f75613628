"""The example workflows: a function each that draws one page. `WORKFLOWS` lists them."""

from collections.abc import Callable

from . import depth_maps, painting, variations
from .example import Example

WORKFLOWS: dict[str, Callable[[Example], None]] = {
    "Depth to Image": painting.depth_to_image,
    "Inpaint with Depth": painting.inpaint_with_depth,
    "Style Transfer": variations.style_transfer,
    "Steal a Pose": painting.steal_a_pose,
    "Portrait Variation": variations.portrait_variation,
    "Subject and Background": painting.subject_and_background,
    "Depth Maps": depth_maps.depth_maps,
    "Paint Depth": depth_maps.paint_depth,
    "Look Around": depth_maps.look_around,
    "Hand-Edited Depth": depth_maps.hand_edited_depth,
    "From a Depth Map Alone": depth_maps.from_a_depth_map_alone,
    "Rendered Depth": depth_maps.rendered_depth,
    "Strength Comparison": variations.strength_comparison,
    "Second Pass": variations.second_pass,
    "Video": variations.video,
    "Fine-Tune": painting.fine_tune,
    "With ComfyUI's Own Nodes": painting.with_own_nodes,
}


def draw(name: str) -> Example:
    """The page of one workflow."""
    page = Example(name)
    WORKFLOWS[name](page)
    return page
