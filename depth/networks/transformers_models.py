"""Depth models of the transformers library, from a folder on this machine.

Images are prepared by the folder's own image processor, on tensors: torchvision's antialiased
resize and float arithmetic, no 8-bit step. (Before transformers 4.53 some models have only the
older processor, which goes through 8-bit Pillow images.) What comes out is disparity: metric
models, which give distance, are turned by 1 / distance.
"""

import logging
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.nn.functional as F
import transformers
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from ...disk.settings import read_settings
from .model_files import CONFIG
from .network import OWN, DepthNetwork, some

log = logging.getLogger(__name__)

PROCESSOR = "preprocessor_config.json"
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")

NEAREST = 1e-3  # metres; metric networks end in a sigmoid or a ReLU, which may give 0

# From transformers 5 on the processor on tensors is what one gets, and its option is deprecated.
MODERN = int(transformers.__version__.split(".")[0]) >= 5

# The first unit of the coarsest fusion has nothing to merge. Intel's own folders leave it out.
UNUSED = "fusion_stage.layers.0.residual_layer1."

LAYERS = {"depths", "num_hidden_layers", "num_encoder_blocks"}  # in `config.json`
MOST_LAYERS = 1_000  # the largest models have some dozens

Config = Mapping[str, Any]  # what `config.json` holds


def _metric(config: Config) -> bool:
    return config.get("depth_estimation_type") == "metric"


def _on_dinov2(config: Config) -> bool:
    return (config.get("backbone_config") or {}).get("model_type") == "dinov2"


@dataclass(frozen=True)
class Family:
    """A kind of depth model in transformers."""

    model_type: str  # in `config.json`
    name: str
    gives_distance: Callable[[Config], bool]  # metres and not disparity
    sizes: bool = True  # whether its input can have another size


DEPTH_ANYTHING = Family("depth_anything", "Depth Anything", gives_distance=_metric)

FAMILIES = (
    # Meta's DPT heads on DINOv2 (facebook/dpt-dinov2-*-nyu, -kitti) were trained on metres.
    Family("dpt", "DPT", gives_distance=_on_dinov2),
    DEPTH_ANYTHING,
    Family("zoedepth", "ZoeDepth", gives_distance=lambda config: True),
    # Takes an image at its own size.
    Family("glpn", "GLPN", gives_distance=lambda config: True, sizes=False),
    # Metric in the end, but the network itself gives the inverse up to the field of view, which
    # scales all of a map. Its patches fit one size only.
    Family("depth_pro", "Depth Pro", gives_distance=lambda config: False, sizes=False),
)


class TransformersNetwork(DepthNetwork):
    """A depth model of transformers with its image processor."""

    def __init__(
        self, model: nn.Module, processor: Any, family: Family, gives_distance: bool
    ) -> None:
        super().__init__()
        self.model = model
        self.processor = processor
        self.family = family
        self.gives_distance = gives_distance

    def prepare(self, pixels: Tensor, resolution: int = OWN) -> Tensor:
        """RGB `[B, 3, H, W]` in 0..1 through the image processor.

        A resolution replaces both sides of the processor's `size`; what that means for the
        aspect, and which multiples the sides are rounded to, is the processor's own rule.
        """
        if resolution < 0:
            raise ValueError(f"the resolution is {resolution}; expected a number of pixels, or 0")
        if resolution != OWN and not self.family.sizes:
            raise ValueError(
                f"the resolution is {resolution}; {self.family.name} has a size of its own: set "
                "it to 0, which means that"
            )
        size = {} if resolution == OWN else {"size": {"height": resolution, "width": resolution}}
        inputs = self.processor(images=list(pixels), do_rescale=False, return_tensors="pt", **size)
        return inputs["pixel_values"].to(pixels.device)

    def forward(self, pixels: Tensor) -> Tensor:
        """Disparity `[B, h, w]` of what `prepare` made."""
        out = self.model(pixel_values=pixels).predicted_depth.float()
        return _inverse(out) if self.gives_distance else out

    def trim(self, disparity: Tensor, height: int, width: int) -> Tensor:
        """Take off the border that ZoeDepth's processor puts around an image.

        It reflects ⌊3·√(side / 2)⌋ pixels before its resize; so the map goes back to the padded
        image's size, bicubic, and is cut.
        """
        if not getattr(self.processor, "do_pad", False) or self.family.model_type != "zoedepth":
            return disparity
        rows, columns = (int((side / 2) ** 0.5 * 3) for side in (height, width))
        padded = (height + 2 * rows, width + 2 * columns)
        whole = F.interpolate(disparity.unsqueeze(1), padded, mode="bicubic").squeeze(1)
        return whole[:, rows : rows + height, columns : columns + width]


def _inverse(distance: Tensor) -> Tensor:
    """Disparity 1/m of distance in m."""
    impossible = int((distance < NEAREST).sum())
    if impossible:
        log.warning(
            "the network put %d of %d pixels nearer than %g m, which counts as that near",
            impossible,
            distance.numel(),
            NEAREST,
        )
    return 1.0 / distance.clamp(min=NEAREST)


def load_folder(folder: Path) -> TransformersNetwork:
    """The network of a folder as transformers saves it; on the CPU, float32, for inference.

    Nothing is downloaded and no code from the folder is run.

    Raises:
        FileNotFoundError: configuration, weights or the image processor's settings are missing.
        ValueError: it is no depth model that is known here, or its weights do not fit it.
    """
    _check_files(folder)
    config = read_settings(folder / CONFIG)
    family = _family(folder, config)
    _check_layers(folder, config)
    options = {} if MODERN else {"use_fast": True}
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, **options)
        model, loading = AutoModelForDepthEstimation.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # settings that contradict each other fail anywhere in transformers
        raise ValueError(
            f"{folder.name} cannot be loaded as a {family.name} model: {_reason(error)}; if its "
            "files are complete, it may need another version of transformers (this is "
            f"{transformers.__version__})"
        ) from error
    check_loading(folder.name, family.name, loading)
    network = TransformersNetwork(model.float(), processor, family, family.gives_distance(config))
    return network.eval().requires_grad_(False)


def _reason(error: Exception) -> str:
    """The error in short; torch's own of a pickle advises to run it."""
    if isinstance(error, pickle.UnpicklingError):
        return "its weights are a pickle that is damaged or asks for more than tensors"
    return " ".join(str(error).split())[:500] or type(error).__name__


def _family(folder: Path, config: Config) -> Family:
    found = config.get("model_type")
    for family in FAMILIES:
        if family.model_type == found:
            return family
    known = ", ".join(f"{family.name} ({family.model_type})" for family in FAMILIES)
    raise ValueError(
        f"{folder.name} holds a model of type {found!r}, by its {CONFIG}; the depth models that "
        f"can be loaded from a folder are {known}"
    )


def _check_layers(folder: Path, config: Config) -> None:
    """A few bytes can ask for layers that take minutes and gigabytes to make."""
    for part in (config, *(one for one in config.values() if isinstance(one, dict))):
        for name in LAYERS & part.keys():
            counts = part[name] if isinstance(part[name], list) else [part[name]]
            if any(isinstance(count, (int, float)) and count > MOST_LAYERS for count in counts):
                raise ValueError(
                    f"{folder.name} is damaged: by its {CONFIG} {name} is {counts}, expected "
                    f"{MOST_LAYERS} at most"
                )


def _check_files(folder: Path) -> None:
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(f"{folder.name} has no {CONFIG}: it is no folder of transformers")
    if not (folder / PROCESSOR).is_file():
        raise FileNotFoundError(
            f"{folder.name} has no {PROCESSOR}, which says how images are prepared for this "
            "model; copy that file from where the model comes from into the folder"
        )
    if not any(file for pattern in WEIGHTS for file in folder.glob(pattern)):
        raise FileNotFoundError(
            f"{folder.name} has no weights; expected model.safetensors beside its {CONFIG}"
        )


def check_loading(where: str, name: str, loading: Mapping[str, Any]) -> None:
    """transformers only warns about missing weights, and makes them up at random."""
    missing = sorted(name for name in loading["missing_keys"] if UNUSED not in name)
    if missing:
        raise ValueError(
            f"the weights in {where} do not make a {name} model: {some(missing)} "
            f"missing; they are damaged, or belong to another {CONFIG}"
        )
    if loading["unexpected_keys"]:
        unused = sorted(loading["unexpected_keys"])
        log.warning("%s: %s in the weights, but not used", where, some(unused))
