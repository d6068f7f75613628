"""The node that estimates depth."""

from functools import partial
from typing import Any

from torch import Tensor

from ..depth.convention import to_image
from ..depth.estimate import Precision, Scope, Settings, estimate
from ..depth.networks.estimators import DepthModel
from ..depth.networks.network import OWN
from ..host import host
from . import inputs
from .node import DepthMapNode


class SD2DepthEstimate(DepthMapNode):
    DISPLAY_NAME = "Depth Estimation"
    DESCRIPTION = (
        "Estimates the depth of every image of a batch. The result is a grey IMAGE "
        "of the same size, white = near, black = far, stretched to the full range: each map by "
        "itself, or all of a batch together."
    )
    SEARCH_ALIASES = ["midas", "depth map", "dpt hybrid", "monocular depth", "depth anything"]
    OUTPUT_TOOLTIPS = ("Depth map, the image's size: white = near, black = far.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": inputs.IMAGE.tooltip("One image or a batch, any size."),
                "depth_model": inputs.DEPTH_MODEL.tooltip(
                    "From Depth Checkpoint Loader: the MiDaS the model learnt with. Or from Load "
                    "Depth Model: any other."
                ),
            },
            "optional": {
                "resolution": inputs.resolution(),
                **inputs.estimation(),
                "normalize": inputs.choice(Scope.IMAGE, advanced=True).tooltip(
                    "What shares a nearest (white) and a farthest (black) depth. whole batch: for "
                    "the frames of a video, which would flicker otherwise. All frames' maps are "
                    "then kept in memory at the network's size, too; with tiles they take the "
                    "place of the result."
                ),
                "smooth": inputs.number(0.0, 0.0, 10.0, step=0.5, advanced=True).tooltip(
                    "For the frames of a video: every map is averaged with its neighbours, over "
                    "about this many frames before and after, where the image stays the same. 0: "
                    "off. Best with normalize: whole batch."
                ),
            },
        }

    def execute(
        self,
        image: Tensor,
        depth_model: DepthModel,
        resolution: int = OWN,
        precision: str = Precision.FLOAT32.value,
        tiles: int = 1,
        flip: bool = False,
        normalize: str = Scope.IMAGE.value,
        smooth: float = 0.0,
    ) -> tuple[Tensor]:
        settings = Settings(resolution, Precision(precision), flip, tiles, Scope(normalize), smooth)
        return (to_image(estimate_batch(image, depth_model, settings, self.DISPLAY_NAME)),)


def estimate_batch(
    image: Tensor, depth_model: DepthModel, settings: Settings, description: str
) -> Tensor:
    """Depth `[B, H, W]` of IMAGE `[B, H, W, 3]`, under a progress bar of this description."""
    network = depth_model.network
    device = host.on_device(network)
    each = partial(host.progress, description=description)
    return estimate(network, image, settings, device, each)
