"""A Stable Diffusion 2 depth checkpoint: made sure that it is one, its widths, its parts."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .architecture import (
    Shape,
    TextArchitecture,
    UNetArchitecture,
    UnknownArchitecture,
    VAEArchitecture,
)
from .diagnosis import Kind, Part, identify, part_of
from .diffusers_folder import open_source
from .refusals import IncompleteCheckpoint, NotADepthCheckpoint
from .weights import WeightFile

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A complete Stable Diffusion 2 depth checkpoint, opened but not read.

    Attributes:
        file: the opened file; tensors are read through it on demand.
        unet, vae, text: the widths of the parts.
        has_midas: whether MiDaS lies inside, as in `512-depth-ema`.
    """

    file: WeightFile
    unet: UNetArchitecture
    vae: VAEArchitecture
    text: TextArchitecture
    has_midas: bool

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.file.path

    @classmethod
    def open(cls, path: Path | str) -> "Checkpoint":
        """Open a file, make sure it is a complete depth checkpoint, read its widths.

        Raises FileNotFoundError, UnreadableFile, NotADepthCheckpoint, IncompleteCheckpoint.
        """
        file = open_source(path)
        identity = identify(file.tensors)
        if identity.kind is not Kind.SD2_DEPTH:
            raise NotADepthCheckpoint(
                f"{file.path.name}: {identity.sentence()} Depth-to-image needs a Stable Diffusion "
                "2 depth checkpoint such as 512-depth-ema (5 input channels, context 1024)."
            )
        try:
            unet = UNetArchitecture.from_tensors(part_of(file.tensors, Part.UNET))
            vae = VAEArchitecture.from_tensors(part_of(file.tensors, Part.VAE))
            text = TextArchitecture.from_tensors(part_of(file.tensors, Part.TEXT))
        except UnknownArchitecture as error:
            raise IncompleteCheckpoint(
                f"{file.path.name} is an incomplete depth checkpoint: {error}. {_REMEDY}"
            ) from error
        check_part(file, Part.UNET, unet.tensors())
        check_part(file, Part.VAE, vae.tensors())
        check_part(file, Part.TEXT, text.tensors(), optional=text.unused())
        if text.width != unet.context_dim:
            raise IncompleteCheckpoint(
                f"{file.path.name}: the text encoder is {text.width} wide, the UNet expects "
                f"{unet.context_dim}. They belong to different models. {_REMEDY}"
            )
        for reason, names in identity.unused.items():
            _log.info("%s: %d tensors are not used: %s", file.path.name, len(names), reason)
        return cls(file, unet, vae, text, "MiDaS depth network" in identity.parts)

    def read(self, part: Part) -> dict[str, Tensor]:
        """A part's tensors by name, the prefix stripped; memory-mapped, in their stored dtype.

        Raises IncompleteCheckpoint when the part is not in the file.
        """
        names = [name for name in self.file.tensors if name.startswith(part.value)]
        if not names and part is Part.MIDAS:
            raise IncompleteCheckpoint(
                f"{self.path.name} has no MiDaS depth network inside (copies are often made "
                "without it). Give the sampler a depth map from a file (Load Depth Map) or from "
                "another depth estimator; everything else of this checkpoint works."
            )
        return {name[len(part.value) :]: self.file.read(name) for name in names}


_REMEDY = "Copy or download it again, or use another copy."


def check_part(
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
        _log.warning(
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
