"""A Stable Diffusion 2 depth model: made sure that it is one, its widths, its parts."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from .architecture import (
    Shape,
    TextArchitecture,
    UNetArchitecture,
    UnknownArchitecture,
    VAEArchitecture,
)
from .ema import with_ema
from .errors import IncompleteCheckpoint, NotADepthCheckpoint
from .files.weights import WeightFile
from .identify.diagnosis import Diagnosis, Kind, Part, identify, part_of
from .identify.recognition import predicts_velocity
from .midas_keymap import MIDAS_IDLE, MIDAS_KEYS
from .source import DiffusersFolder, open_source

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A Stable Diffusion 2 depth model, in a file or a folder, opened but not read.

    Attributes:
        file: its tensors under their original names, read on demand.
        unet: the widths of the UNet.
        vae, text: the widths of the other parts, None where the file lacks them.
        has_midas: whether MiDaS lies inside, as in `512-depth-ema`.
    """

    file: WeightFile
    unet: UNetArchitecture
    vae: VAEArchitecture | None
    text: TextArchitecture | None
    has_midas: bool

    @property
    def path(self) -> Path:
        """Where the file or folder lies."""
        return self.file.path

    @classmethod
    def open(cls, path: Path | str, depth_only: bool = True) -> "Checkpoint":
        """Open a file or a diffusers folder, make sure it is a depth model, read its widths.

        Each part that is there has to be complete; without VAE, text encoder or MiDaS it opens
        all the same. An EMA copy is taken for the UNet.

        Args:
            path: of the file or folder.
            depth_only: False takes Stable Diffusion 2 without depth as well.

        Raises FileNotFoundError, UnreadableFile, NotADepthCheckpoint, IncompleteCheckpoint.
        """
        source = open_source(path)
        checkpoint = cls.of(with_ema(source), source, depth_only)
        for part, widths in ((Part.VAE, checkpoint.vae), (Part.TEXT, checkpoint.text)):
            if widths is None:
                log.warning("%s", checkpoint._lack(part))
        return checkpoint

    @classmethod
    def of(cls, file: WeightFile, source: WeightFile, depth_only: bool = True) -> "Checkpoint":
        """Make sure that an opened file is a depth model, read its widths.

        Args:
            file: the tensors under their original names, the UNet's those that will be used.
            source: the file or folder that `file` was made of.
            depth_only: as of `open`.

        Raises NotADepthCheckpoint, IncompleteCheckpoint.
        """
        identity = identify(file.tensors)
        _check_kind(source, file, identity, depth_only)
        unet = _part(file, Part.UNET, UNetArchitecture)
        if unet is None:  # known for a UNet by its first tensors, and not to be put in its place
            raise IncompleteCheckpoint(
                f"{file.path.name} is an incomplete depth checkpoint: tensors are missing by which "
                f"the widths of its UNet are known. {_REMEDY}"
            )
        vae = _part(file, Part.VAE, VAEArchitecture)
        text = _part(file, Part.TEXT, TextArchitecture)
        if text is not None and text.width != unet.context_dim:
            raise IncompleteCheckpoint(
                f"{file.path.name}: the text encoder is {text.width} wide, the UNet expects "
                f"{unet.context_dim}. They belong to different models. {_REMEDY}"
            )
        if isinstance(source, DiffusersFolder):
            source.check_settings(unet, text)
        for reason, names in identity.unused.items():
            log.info("%s: %d tensors are not used: %s", file.path.name, len(names), reason)
        return cls(file, unet, vae, text, _has_midas(file))

    def read(self, part: Part) -> dict[str, Tensor]:
        """A part's tensors by name, the prefix stripped; memory-mapped, in their stored dtype.

        Raises IncompleteCheckpoint when the part is not in the file.
        """
        names = [name for name in self.file.tensors if name.startswith(part.value)]
        if not names:
            raise IncompleteCheckpoint(self._lack(part))
        return {name[len(part.value) :]: self.file.read(name) for name in names}

    def stand_in(self, part: Part) -> "Absent":
        """What a host gives out for a VAE or a text encoder that the file lacks."""
        return Absent(self._lack(part))

    def _lack(self, part: Part) -> str:
        """The sentences that say that the file lacks a part, and what supplies it."""
        what, remedy = _ABSENT[part]
        return f"{self.path.name} has no {what} inside. {remedy}"


class Absent:
    """Stands where a VAE or a text encoder would be: whatever is asked of it raises AbsentPart."""

    _message = "this part is missing"

    def __init__(self, message: str) -> None:
        self._message = message

    def __getattr__(self, name: str) -> Any:
        raise AbsentPart(self._message)


class AbsentPart(IncompleteCheckpoint, AttributeError):  # noqa: N818 - names what is missing
    """A part was used that the file does not have. AttributeError, so that `hasattr` is False."""


_REMEDY = "Copy or download it again, or use another copy."
_ABSENT = {
    Part.VAE: (
        "VAE",
        "Connect the VAE of another Load SD2 Depth Checkpoint, or of ComfyUI's Load VAE: any VAE "
        "for Stable Diffusion 1 or 2.",
    ),
    Part.TEXT: (
        "text encoder",
        "Connect the CLIP of another Load SD2 Depth Checkpoint, or of ComfyUI's Load CLIP with "
        "the type stable_diffusion: OpenCLIP ViT-H, the text encoder of every Stable Diffusion 2.",
    ),
    Part.MIDAS: (
        "MiDaS depth network",
        "Copies are often made without it, and ComfyUI's Save Checkpoint leaves it out. Use a "
        "depth map from a file (Load Depth Map) or another depth network (Load Depth Model, or "
        "the DEPTH_MODEL of another checkpoint).",
    ),
}


def _check_kind(
    source: WeightFile, file: WeightFile, identity: Diagnosis, depth_only: bool
) -> None:
    """Raise NotADepthCheckpoint for what is something else, with what a folder says of itself."""
    is_depth = identity.kind in (Kind.SD2_DEPTH, Kind.SD2_DEPTH_UNET)
    if not is_depth and (depth_only or not _may_be_sd2(identity)):
        pipeline = f" ({source.pipeline})" if isinstance(source, DiffusersFolder) else ""
        raise NotADepthCheckpoint(
            f"{file.path.name}{pipeline}: {identity.sentence()} Depth-to-image needs a Stable "
            "Diffusion 2 depth checkpoint such as 512-depth-ema (5 input channels, context 1024). "
            f"{identity.advice}"
        )
    if predicts_velocity(file.tensors, file.metadata):
        raise NotADepthCheckpoint(
            f"{file.path.name} was trained to predict v, the velocity; Stable Diffusion 2's "
            "depth model predicts the noise, and this file would paint wrong images"
        )


def _may_be_sd2(identity: Diagnosis) -> bool:
    """SD2 without depth; of other widths than the real one's it is not told by name."""
    return identity.in_channels == 4 and identity.kind in (Kind.SD2, Kind.UNKNOWN_UNET)


Widths = TypeVar("Widths", UNetArchitecture, VAEArchitecture, TextArchitecture)


def _part(file: WeightFile, part: Part, architecture: type[Widths]) -> Widths | None:
    """The widths of a part that is complete; None when nothing of it is there."""
    tensors = part_of(file.tensors, part)
    if not tensors:
        return None
    try:
        widths = architecture.from_tensors(tensors)
    except UnknownArchitecture as error:
        raise IncompleteCheckpoint(
            f"{file.path.name} is an incomplete depth checkpoint: {error}. {_REMEDY}"
        ) from error
    unused = widths.unused() if isinstance(widths, TextArchitecture) else ()
    _check(file, part, widths.tensors(), optional=unused)
    return widths


def _has_midas(file: WeightFile) -> bool:
    """Whether MiDaS is there; of what is known by name no tensor that it needs may be missing."""
    found = part_of(file.tensors, Part.MIDAS)
    names = [entry.ldm for entry in MIDAS_KEYS.entries if not entry.ldm.startswith(MIDAS_IDLE)]
    missing = [name for name in names if name not in found]
    if found and missing:
        raise IncompleteCheckpoint(
            f"{file.path.name} is an incomplete depth checkpoint: of the {len(names)} tensors of "
            f"MiDaS under {Part.MIDAS.value} {len(missing)} are missing{_some(missing)}. "
            f"{_REMEDY} `depth2img convert --without-midas` writes it without MiDaS."
        )
    return bool(found)


def _check(
    file: WeightFile, part: Part, expected: Mapping[str, Shape], optional: Iterable[str] = ()
) -> None:
    """Every tensor is there in the right shape; what is not expected is named in the log."""
    found = part_of(file.tensors, part)
    missing = [name for name in expected if name not in found and name not in set(optional)]
    wrong = [
        f"{name} is {list(found[name].shape)} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name].shape != shape
    ]
    if missing or wrong:
        raise IncompleteCheckpoint(
            f"{file.path.name} is an incomplete depth checkpoint: of the {len(expected)} tensors "
            f"under {part.value} {len(missing)} are missing{_some(missing)} and {len(wrong)} have "
            f"another shape{_some(wrong)}. {_REMEDY}"
        )
    extra = [name for name in found if name not in expected]
    if extra:
        log.warning(
            "%s: %d tensors under %s are not part of the model and are not used%s",
            file.path.name,
            len(extra),
            part.value,
            _some(extra),
        )


def _some(names: list[str]) -> str:
    if not names:
        return ""
    return f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
