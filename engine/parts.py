"""UNet, VAE and text encoder out of files of their own, for the loaders that take one part each."""

from collections.abc import Callable
from pathlib import Path

import torch

from ..checkpoints.architecture import (
    ENDS_OF_BRANCHES,
    TextArchitecture,
    UnknownArchitecture,
    VAEArchitecture,
)
from ..checkpoints.checkpoint import Checkpoint, Widths, widths_of
from ..checkpoints.diffusers_layout import text_origins, vae_origins
from ..checkpoints.ema import with_ema
from ..checkpoints.errors import IncompleteCheckpoint
from ..checkpoints.files.holes import check_holes
from ..checkpoints.files.views import Origin, View, with_prefix
from ..checkpoints.files.weights import WeightFile, open_weights
from ..checkpoints.identify.diagnosis import Family, Kind, Part
from ..checkpoints.identify.recognition import DIFFUSERS, TRANSFORMERS, identify
from ..checkpoints.source import open_source
from . import execution
from .networks import EngineCLIP, EngineModel, EngineVAE, check_first_width, default_device


class OtherPart(ValueError):  # noqa: N818 - names what the file is
    """The file holds something else; the message says what."""


def load_unet(path: Path) -> EngineModel:
    """The UNet of Stable Diffusion 2, with or without depth, alone or in a checkpoint.

    Raises what `Checkpoint.open` raises.
    """
    source = open_source(path)
    checkpoint = Checkpoint.of(with_ema(source), source, depth_only=False)
    check_first_width(path, "UNet", checkpoint.unet)
    return EngineModel(checkpoint, default_device(), execution.current())


def load_vae(path: Path) -> EngineVAE:
    """An autoencoder, in the original layout or that of diffusers, alone or in a checkpoint.

    Raises OtherPart, IncompleteCheckpoint, FileWithHoles, and what `open_weights` raises.
    """
    file = _in_place(open_weights(path), Part.VAE)
    vae = _there(widths_of(file, Part.VAE, VAEArchitecture, "VAE"))
    check_first_width(path, "VAE", vae)
    check_holes(file, [Part.VAE.value + name for name in vae.tensors()], ENDS_OF_BRANCHES)
    return EngineVAE(file, vae, default_device(), execution.current())


def load_clip(path: Path, on_cpu: bool = False) -> EngineCLIP:
    """The text encoder of Stable Diffusion 2, in OpenCLIP's layout or that of transformers.

    Raises OtherPart, IncompleteCheckpoint, FileWithHoles, and what `open_weights` raises.
    """
    file = _in_place(open_weights(path), Part.TEXT)
    text = _there(widths_of(file, Part.TEXT, TextArchitecture, "text encoder"))
    used = text.tensors().keys() - text.unused()
    check_holes(file, [Part.TEXT.value + name for name in used], ENDS_OF_BRANCHES)
    device = torch.device("cpu") if on_cpu else default_device()
    return EngineCLIP(file, text, device)


def _there(widths: Widths | None) -> Widths:
    """What `_in_place` has made sure of."""
    if widths is None:
        raise TypeError("a part was recognised, and has no tensors")
    return widths


_KINDS = {Part.VAE: Kind.VAE, Part.TEXT: Kind.TEXT_ENCODER}
_OTHERS = {
    Part.VAE: (Family.OTHER,),  # of other latent channels
    Part.TEXT: (Family.SD1, Family.SDXL),
}
_EXPECTED = {
    Part.VAE: "a VAE of Stable Diffusion, which has 4 latent channels",
    Part.TEXT: "the text encoder of Stable Diffusion 2, OpenCLIP's ViT-H",
}
_LAYOUTS: dict[Part, tuple[str, Callable[[WeightFile], dict[str, Origin]]]] = {
    Part.VAE: (DIFFUSERS, vae_origins),
    Part.TEXT: (TRANSFORMERS, text_origins),
}
_BESIDE_IT = ("text_projection.weight", "logit_scale")  # of CLIP's own task, as transformers has it


def _in_place(file: WeightFile, part: Part) -> WeightFile:
    """A part's file under the names that it has in a checkpoint of the original layout."""
    if any(name.startswith(part.value) for name in file.tensors):
        return file
    found = identify(file.tensors)
    if found.kind is not _KINDS[part] or found.family in _OTHERS[part]:
        raise OtherPart(f"{file.path.name}: {found.sentence()} Expected {_EXPECTED[part]}")
    layout, origins = _LAYOUTS[part]
    if found.layout != layout:
        return with_prefix(file, "", part.value)
    kept = {n: Origin(file, (n,)) for n in file.tensors if n not in _BESIDE_IT}
    try:
        return View(file.path, origins(View(file.path, kept)))
    except UnknownArchitecture as error:
        raise IncompleteCheckpoint(
            f"{file.path.name} is an incomplete {found.kind.value}: {error}"
        ) from error
