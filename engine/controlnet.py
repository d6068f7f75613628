"""ControlNet (Zhang et al. 2023, arXiv:2302.05543), on diffusers' network.

A copy of the UNet's first half sees the latent and a hint, an image such as edges or a pose, and
what it gives is added to the UNet's skip connections. It sees the latent alone, not the depth
map, so that ControlNets for Stable Diffusion 2 serve its depth model as well.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..checkpoints.architecture import UNetArchitecture, UnknownArchitecture
from ..checkpoints.diffusers_layout import unet_widths
from ..checkpoints.errors import IncompleteCheckpoint
from ..checkpoints.files.weights import TensorInfo, WeightFile, open_weights
from ..checkpoints.identify.diagnosis import Family, part_of
from ..checkpoints.identify.recognition import identify
from ..checkpoints.keymaps import controlnet_keys
from ..disk.packages import needed
from ..images.resample import resample
from ..sampling.latents import LATENT_PIXELS, to_batch
from . import execution
from .diffusers_configs import controlnet_config
from .execution import Execution

if TYPE_CHECKING:
    from diffusers.models.controlnets.controlnet import ControlNetModel


class NoControlNet(ValueError):  # noqa: N818 - names what the file is
    """The file is no ControlNet for Stable Diffusion 2; the message says what it is."""


@dataclass(frozen=True)
class Residuals:
    """What is added to the UNet's skips, from the finest on, and to its middle block."""

    skips: tuple[Tensor, ...]
    middle: Tensor

    def after(self, before: "Residuals | None") -> "Residuals":
        """Both together."""
        if before is None:
            return self
        pairs = zip(before.skips, self.skips, strict=True)
        return Residuals(tuple(a + b for a, b in pairs), before.middle + self.middle)

    def arguments(self, dtype: torch.dtype) -> dict[str, Any]:
        """As diffusers' UNet takes them."""
        return {
            "down_block_additional_residuals": tuple(skip.to(dtype) for skip in self.skips),
            "mid_block_additional_residual": self.middle.to(dtype),
        }


class EngineControlNet:
    """CONTROL_NET: the network, in the type of a UNet of its width."""

    def __init__(
        self,
        file: WeightFile,
        names: Mapping[str, str],
        unet: UNetArchitecture,
        hint_channels: int,
        device: torch.device,
        how: Execution,
    ) -> None:
        """`names` are those in the file, by diffusers' own."""
        self.hint_channels = hint_channels
        self.context_dim = unet.context_dim
        self._file, self._names, self._unet = file, names, unet
        self._device, self._how = device, how

    @functools.cached_property
    def network(self) -> "ControlNetModel":
        """The network with its weights, read at first use."""
        with needed("diffusers", "The engine's networks"):
            from diffusers.models.controlnets.controlnet import ControlNetModel
        dtype = execution.unet_type(self._how.precision, self._device, self._unet.model_channels)
        with torch.device("meta"):
            network = ControlNetModel(**controlnet_config(self._unet, self.hint_channels))
        weights = {
            name: self._file.read(stored).to(self._device, dtype)
            for name, stored in self._names.items()
        }
        network.load_state_dict(weights, strict=True, assign=True)
        return network.eval().requires_grad_(False)

    @torch.no_grad()
    def residuals(
        self, x: Tensor, timesteps: Tensor, context: Tensor, hint: Tensor, strength: float
    ) -> Residuals:
        """For scaled latents [N, 4, h, w] and a hint [N or 1, C, 8h, 8w] in 0..1.

        Raises ValueError for prompts of another text encoder.
        """
        if context.shape[2] != self.context_dim:
            raise ValueError(
                f"the ControlNet {self._file.path.name} is for prompts that are {self.context_dim} "
                f"numbers wide, and these are {context.shape[2]}; use one for this model"
            )
        dtype = next(self.network.parameters()).dtype
        x, context, hint = (t.to(self._device, dtype) for t in (x, context, hint))
        skips, middle = self.network(
            x, timesteps, context, hint, conditioning_scale=strength, return_dict=False
        )
        return Residuals(tuple(skips), middle)


@dataclass(frozen=True, eq=False)
class Control:
    """A ControlNet with its hint, as a conditioning carries it."""

    net: EngineControlNet
    hint: Tensor  # [B, C, H, W] in 0..1
    strength: float
    start: float  # it holds from this noise level ...
    end: float  # ... down to this one
    previous: "Control | None" = None  # another one, whose residuals are added

    def residuals(
        self, x: Tensor, timesteps: Tensor, context: Tensor, sigma: float, prompts: int
    ) -> Residuals | None:
        """For one batch of scaled latents [N, 4, h, w] per prompt; None where none holds.

        The hint is cut to the latent's proportions and resized to its pixels.
        """
        before = None
        if self.previous is not None:
            before = self.previous.residuals(x, timesteps, context, sigma, prompts)
        if not self.start >= sigma >= self.end:
            return before
        height, width = (LATENT_PIXELS * side for side in x.shape[2:])
        hint = resample(self.hint, width, height, "nearest-exact", "center")
        if len(hint) > 1:
            hint = to_batch(hint, len(x) // prompts).repeat(prompts, 1, 1, 1)
        own = self.net.residuals(x, timesteps, context, hint, self.strength)
        return own.after(before)


# --- loading -------------------------------------------------------------------------------------

_PREFIXES = ("control_model.", "")
_FIRST = "zero_convs.0.0.weight"
_FIRST_OF_DIFFUSERS = "controlnet_cond_embedding.conv_in.weight"
_WHAT_ELSE = "Expected a ControlNet for Stable Diffusion 2, of 512-base or 2.1"


def load_controlnet(path: Path, device: torch.device) -> EngineControlNet:
    """A ControlNet for Stable Diffusion 2 in the original layout or that of diffusers.

    Raises NoControlNet, IncompleteCheckpoint, and what `open_weights` raises.
    """
    file = open_weights(path)
    found = identify(file.tensors)
    prefix = next((prefix for prefix in _PREFIXES if prefix + _FIRST in file.tensors), None)
    is_known = prefix is not None or _FIRST_OF_DIFFUSERS in file.tensors
    if not is_known or found.family in (Family.SD1, Family.SDXL):
        raise NoControlNet(f"{path.name}: {found.sentence()} {_WHAT_ELSE}")
    try:
        unet = _widths(file, prefix)
    except UnknownArchitecture as error:
        raise _incomplete(path, str(error)) from error
    entries = controlnet_keys(unet).entries
    names = {
        entry.diffusers[0]: entry.diffusers[0] if prefix is None else prefix + entry.ldm
        for entry in entries
    }
    missing = [name for name in names.values() if name not in file.tensors]
    if missing:
        some = ", ".join(missing[:3])
        raise _incomplete(path, f"of {len(names)} tensors {len(missing)} are missing ({some})")
    hint_channels = file.tensors[names[_FIRST_OF_DIFFUSERS]].shape[1]
    return EngineControlNet(file, names, unet, hint_channels, device, execution.current())


def _incomplete(path: Path, reason: str) -> IncompleteCheckpoint:
    return IncompleteCheckpoint(
        f"{path.name} is an incomplete ControlNet: {reason}. Copy or download it again."
    )


def _widths(file: WeightFile, prefix: str | None) -> UNetArchitecture:
    """Those of the UNet that it is half of; the other half ends in four channels."""
    end = TensorInfo(torch.float32, (4, 0, 3, 3))
    if prefix is None:
        return unet_widths({**file.tensors, "conv_out.weight": end})
    return UNetArchitecture.from_tensors({**part_of(file.tensors, prefix), "out.2.weight": end})
