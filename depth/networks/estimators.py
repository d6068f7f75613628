"""From an image to its depth map, with whichever network."""

import logging
from collections.abc import Callable, Collection, Container, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...images.crop import check_image
from ..convention import normalize, resize
from .midas_hybrid import DPTHybrid
from .midas_large import DPTLarge
from .midas_small import MidasSmall
from .midas_swin2 import MidasSwin2
from .network import OWN, DepthNetwork

log = logging.getLogger(__name__)

# A cubic resize before this one may have left 0..1 a little, as MiDaS's own does. Further out lies
# another scale, such as 0..255.
TOLERANCE = 0.5


class Precision(Enum):
    """The type of the network's arithmetic; weights, input and result are float32 in any case."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"

    @property
    def dtype(self) -> torch.dtype:
        """The type in PyTorch."""
        return getattr(torch, self.value)


class UnknownDepthModel(ValueError):  # noqa: N818 - names what the file is
    """The tensors make no depth network that is known here; the message says what they are."""


@dataclass(frozen=True)
class Kind:
    """A kind of file, told by the names of its tensors.

    Attributes:
        name: as people call it.
        has: tensors by which it is known; all of them are there.
        lacks: tensors that only its relatives have.
        build: the network of such tensors; raises ValueError when they do not fit.
        remedy: for a kind that cannot be used, what to do.
    """

    name: str
    has: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    build: Callable[[Mapping[str, Tensor]], DepthNetwork] | None = None
    remedy: str = ""

    def fits(self, names: Container[str]) -> bool:
        """Whether a file with tensors of these names is one."""
        return all(n in names for n in self.has) and not any(n in names for n in self.lacks)


_HEAD = "scratch.output_conv.0.weight"  # of every MiDaS network
_VIT = ("pretrained.model.patch_embed.proj.weight", "pretrained.model.pos_embed")
_RESNET = "pretrained.model.patch_embed.backbone.stem.conv.weight"
_BEIT = "pretrained.model.blocks.0.attn.relative_position_bias_table"
_SWIN = "pretrained.model.layers.0.blocks.0.attn."
_USE_FOLDER = (
    "Use the same model as a folder in transformers' layout, with config.json and "
    "preprocessor_config.json."
)
_USE_OTHER_MIDAS = "It cannot be loaded; use one of the other MiDaS networks."

KINDS = (
    Kind(DPTHybrid.NAME, has=(_RESNET, _HEAD), build=DPTHybrid.from_state_dict),
    Kind(
        DPTLarge.NAME,
        has=(*_VIT, _HEAD),
        lacks=(_RESNET, _BEIT),
        build=DPTLarge.from_state_dict,
    ),
    Kind(
        MidasSmall.NAME,
        has=("pretrained.layer1.3.0.conv_dw.weight", _HEAD),
        build=MidasSmall.from_state_dict,
    ),
    Kind(MidasSwin2.NAME, has=(f"{_SWIN}logit_scale", _HEAD), build=MidasSwin2.from_state_dict),
    Kind("MiDaS 3.1 BEiT", has=(_BEIT, _HEAD), remedy=_USE_OTHER_MIDAS),
    Kind(
        "MiDaS 3.1 Swin",
        has=(f"{_SWIN}relative_position_bias_table", _HEAD),
        remedy=_USE_OTHER_MIDAS,
    ),
    Kind(
        "MiDaS v2 on ResNeXt",
        has=("pretrained.layer1.0.weight", "pretrained.layer2.0.conv1.weight", _HEAD),
        remedy=_USE_OTHER_MIDAS,
    ),
    Kind(
        "Depth Anything network in its authors' layout",
        has=("pretrained.blocks.0.attn.qkv.weight", "depth_head.projects.0.weight"),
        remedy=_USE_FOLDER,
    ),
    Kind(
        "ZoeDepth network in its authors' layout",
        has=("core.core.scratch.layer1_rn.weight",),
        remedy=_USE_FOLDER,
    ),
    Kind(
        "depth model of transformers without its folder",
        has=("neck.convs.0.weight", "neck.fusion_stage.layers.0.projection.weight"),
        remedy="Put it beside its config.json and preprocessor_config.json into a folder of its "
        "own, and choose that folder.",
    ),
    Kind(
        "Stable Diffusion checkpoint",
        has=("model.diffusion_model.input_blocks.0.0.weight",),
        remedy="Use Load SD2 Depth Checkpoint, which also gives the depth network inside it.",
    ),
)


def recognise(names: Collection[str]) -> Kind:
    """The kind of depth network that tensors of these names make.

    Raises:
        UnknownDepthModel: none that can be used; the message says what they are instead.
    """
    fitting = next((kind for kind in KINDS if kind.fits(names)), None)
    usable = ", ".join(kind.name for kind in KINDS if kind.build)
    if fitting is None:
        raise UnknownDepthModel(
            f"its {len(names)} tensors ({', '.join(sorted(names)[:3])}, …) form no known depth "
            f"network. Weight files can be those of {usable}; other models, a folder of "
            "transformers with config.json."
        )
    if fitting.build is None:
        raise UnknownDepthModel(f"this is a {fitting.name}. {fitting.remedy}")
    return fitting


def build_network(weights: Mapping[str, Tensor]) -> DepthNetwork:
    """The network of whichever kind the weights are, in float32, ready for inference.

    Raises:
        UnknownDepthModel: they are of none.
        ValueError: tensors are missing, unknown, or of a shape that does not fit the others.
    """
    return recognise(weights.keys()).build(weights)


class DepthModel:
    """What the DEPTH_MODEL socket carries: a depth network that is read when first used.

    `name` says to people where it comes from. `read_weights` gives the tensors under the names of
    the original file; it is called once, and may raise if there are none.
    """

    def __init__(
        self,
        name: str,
        read_weights: Callable[[], Mapping[str, Tensor]],
        build: Callable[[Any], DepthNetwork] = build_network,
    ) -> None:
        self.name = name
        self._read = read_weights
        self._build = build

    @classmethod
    def from_folder(cls, name: str, folder: Path) -> "DepthModel":
        """A model of transformers; see `transformers_models.load_folder`."""

        def build(folder: Path) -> DepthNetwork:
            # Here, because transformers takes seconds to import and few need it.
            from .transformers_models import load_folder

            return load_folder(folder)

        return cls(name, lambda: folder, build)

    def __repr__(self) -> str:
        return f"DepthModel({self.name!r})"

    @cached_property
    def network(self) -> DepthNetwork:
        """The network, on the CPU until someone moves it.

        Raises ValueError, with the model's name, for weights that do not fit.
        """
        weights = self._read()  # whose errors name the file themselves
        try:
            return self._build(weights)
        except ValueError as error:
            raise type(error)(f"{self.name}: {error}") from error


def estimate(
    network: DepthNetwork,
    image: Tensor,
    resolution: int = OWN,
    precision: Precision = Precision.FLOAT32,
    device: torch.device | str = "cpu",
    flip: bool = False,
) -> Tensor:
    """Estimate the depth of IMAGE `[B, H, W, 3]` in 0..1: float32 `[B, H, W]`, 0..1 in every map.

    `network` must be on `device`; the result is where the image was. The image is brought to
    the network's size (see its `prepare`), and the depth back by cubic interpolation. A map without
    any depth in it is 0 everywhere; a warning says so. With `flip` it is the mean of two looks, of
    which one is at the mirrored image.

    Raises:
        ValueError: an image of another shape, type or range, or an impossible resolution.
        FloatingPointError: the network's numbers overflowed, as they may at float16.
    """
    pixels = to_pixels(image)
    disparity = see(network, pixels, resolution, precision, device, flip)
    return stretched(disparity, *pixels.shape[-2:]).to(image.device)


def stretched(disparity: Tensor, height: int, width: int) -> Tensor:
    """Disparity `[B, h, w]` of any scale to depth `[B, height, width]`, every map 0..1."""
    # Normalised first, although resizing leaves its range again: a flat map would come out of the
    # resize with rounding errors, and these would then be stretched to look like depth.
    return normalize(resize(normalize(disparity), height, width))


@torch.no_grad()
def see(
    network: DepthNetwork,
    pixels: Tensor,
    resolution: int = OWN,
    precision: Precision = Precision.FLOAT32,
    device: torch.device | str = "cpu",
    flip: bool = False,
) -> Tensor:
    """Disparity `[B, h, w]` of RGB `[B, 3, H, W]` as the network gives it, on `device`, float32.

    Raises:
        ValueError: an impossible resolution.
        FloatingPointError: the network's numbers overflowed, as they may at float16.
    """
    seen = network.prepare(pixels.to(device), resolution)
    with _arithmetic(precision, seen.device):
        disparity = network(seen).float()
        if flip:
            mirrored = network(seen.flip(-1)).float().flip(-1)
            disparity = (disparity + mirrored) / 2
    _check_result(disparity, precision)
    return network.trim(disparity, *pixels.shape[-2:])


def to_pixels(image: Tensor) -> Tensor:
    """IMAGE `[B, H, W, 3]` to float32 `[B, 3, H, W]`.

    Raises:
        ValueError: another shape or type, or values far from 0..1.
    """
    pixels = check_image(image).movedim(-1, 1)  # BHWC -> BCHW
    low, high = (value.item() for value in pixels.aminmax())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ValueError(
            f"the image's values run from {low:g} to {high:g}; expected 0 to 1, as ComfyUI's "
            "IMAGE has"
        )
    return pixels


def _arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    # Not every device knows autocast, so plain float32 goes without.
    if precision is Precision.FLOAT32:
        return nullcontext()
    return torch.autocast(device.type, precision.dtype)


def _check_result(disparity: Tensor, precision: Precision) -> None:
    bad = int((~disparity.isfinite()).sum())
    if bad:
        raise FloatingPointError(
            f"The depth network gave {bad} of {disparity.numel()} values that are NaN or infinite "
            f"at precision {precision.value}. Choose float32; if it is, the weights are damaged."
        )
    flat = int((disparity.amax(dim=(1, 2)) == disparity.amin(dim=(1, 2))).sum())
    if flat:
        log.warning(
            "The network found no depth at all in %d of %d images; their maps are black.",
            flat,
            len(disparity),
        )
