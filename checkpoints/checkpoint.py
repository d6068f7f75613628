"""A Stable Diffusion 2 depth model: made sure that it is one, its widths, its parts."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from ..depth.networks.kinds import UNUSED
from ..images.counts import counted
from .architecture import (
    ENDS_OF_BRANCHES,
    TextArchitecture,
    UNetArchitecture,
    UnknownArchitecture,
    VAEArchitecture,
)
from .ema import with_ema
from .errors import (
    IncompleteCheckpoint,
    IncompleteMidas,
    NotADepthCheckpoint,
    OtherModel,
)
from .files.holes import check_holes
from .files.weights import Shape, WeightFile
from .identify.diagnosis import Diagnosis, Kind, Part, part_of
from .identify.recognition import identify, predicts_velocity
from .midas_keymap import MIDAS_KEYS
from .source import DiffusersFolder, open_source

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A Stable Diffusion 2 depth model, in a file or a folder, opened but not read.

    VAE and text encoder are None where the file lacks them. `remedies` say what to do without a
    part, in the words of who opened the file.
    """

    file: WeightFile  # under the names of the original layout
    unet: UNetArchitecture
    vae: VAEArchitecture | None
    text: TextArchitecture | None
    has_midas: bool
    remedies: Mapping[Part, str] | None = None

    @property
    def path(self) -> Path:
        """Where the file or folder lies."""
        return self.file.path

    @classmethod
    def open(
        cls, path: Path | str, depth_only: bool = True, remedies: Mapping[Part, str] | None = None
    ) -> "Checkpoint":
        """Open a file or a diffusers folder, make sure it is a depth model, read its widths.

        Each part that is there has to be complete; without VAE, text encoder or MiDaS it opens
        all the same. An EMA copy is taken for the UNet. Without `depth_only` Stable Diffusion 2
        without a depth channel is taken as well.

        Raises NotADepthCheckpoint, IncompleteCheckpoint, FileWithHoles, and what `open_source`
        raises.
        """
        source = open_source(path)
        checkpoint = replace(cls.of(with_ema(source), source, depth_only), remedies=remedies)
        for part, widths in ((Part.VAE, checkpoint.vae), (Part.TEXT, checkpoint.text)):
            if widths is None:
                log.warning("%s", checkpoint._lack(part))
        return checkpoint

    @classmethod
    def of(cls, file: WeightFile, source: WeightFile, depth_only: bool = True) -> "Checkpoint":
        """The same for an opened file that was made from `source`; its UNet is the one to use."""
        identity = identify(file.tensors)
        _check_kind(source, file, identity, depth_only)
        unet = widths_of(file, Part.UNET, UNetArchitecture)
        if unet is None:  # known by its first tensors, with too few others to find the rest by
            raise IncompleteCheckpoint(
                f"{file.path.name} is an incomplete depth checkpoint: tensors are missing that "
                f"tell the widths of its UNet. {_REMEDY}"
            )
        vae = widths_of(file, Part.VAE, VAEArchitecture)
        text = widths_of(file, Part.TEXT, TextArchitecture)
        if text is not None and text.width != unet.context_dim:
            raise IncompleteCheckpoint(
                f"{file.path.name}: the text encoder is {text.width} wide, the UNet expects "
                f"{unet.context_dim}. They belong to different models. {_REMEDY}"
            )
        if isinstance(source, DiffusersFolder):
            source.check_settings(unet, text)
        for reason, names in identity.unused.items():
            log.info("%s: %d tensors are not used: %s", file.path.name, len(names), reason)
        checkpoint = cls(file, unet, vae, text, _has_midas(file))
        check_holes(file, checkpoint._used(), ENDS_OF_BRANCHES)
        return checkpoint

    def _used(self) -> Iterator[str]:
        """The tensors that something depends on."""
        yield from (Part.UNET.value + name for name in self.unet.tensors())
        if self.vae is not None:
            yield from (Part.VAE.value + name for name in self.vae.tensors())
        if self.text is not None:
            used = self.text.tensors().keys() - self.text.unused()
            yield from (Part.TEXT.value + name for name in used)
        if self.has_midas:
            yield from (Part.MIDAS.value + name for name in _midas_names())

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
        remedy = (self.remedies or {}).get(part, "")
        return f"{self.path.name} has no {_NAMES[part]} inside. {remedy}".rstrip()


_NAMES = {
    Part.UNET: "UNet",
    Part.VAE: "VAE",
    Part.TEXT: "text encoder",
    Part.MIDAS: "MiDaS depth network",
}
_REMEDY = "Copy or download it again, or use another copy."


class Absent:
    """Stands where a VAE or a text encoder would be, and has nothing, as an AttributeError says.

    A class of our own would be no help: other packages' code meets it, and shows its full name.
    """

    _message = "this part is missing"

    def __init__(self, message: str) -> None:
        self._message = message

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(self._message)


def _check_kind(
    source: WeightFile, file: WeightFile, identity: Diagnosis, depth_only: bool
) -> None:
    """Raise NotADepthCheckpoint for what is something else, with what a folder says of itself."""
    is_depth = identity.kind in (Kind.SD2_DEPTH, Kind.SD2_DEPTH_UNET)
    if not is_depth and (depth_only or not _may_be_sd2(identity)):
        pipeline = f" ({source.pipeline})" if isinstance(source, DiffusersFolder) else ""
        raise OtherModel(
            f"{file.path.name}{pipeline}: {identity.sentence()} Depth-to-image needs a Stable "
            "Diffusion 2 depth checkpoint such as 512-depth-ema (5 input channels, context 1024).",
            identity,
        )
    if predicts_velocity(file.tensors, file.metadata):
        raise NotADepthCheckpoint(
            f"{file.path.name} was trained to predict v, the velocity; Stable Diffusion 2's "
            "depth model predicts the noise, and this file would paint wrong images"
        )


def _may_be_sd2(identity: Diagnosis) -> bool:
    """SD2 without depth; with other widths than the real one's it is a UNet of an unknown kind."""
    return identity.in_channels == 4 and identity.kind in (Kind.SD2, Kind.UNKNOWN_UNET)


Widths = TypeVar("Widths", UNetArchitecture, VAEArchitecture, TextArchitecture)


def widths_of(
    file: WeightFile, part: Part, architecture: type[Widths], kind: str = "depth checkpoint"
) -> Widths | None:
    """The widths of a part that is complete; None when nothing of it is there.

    Raises IncompleteCheckpoint, which calls the file `kind`.
    """
    tensors = part_of(file.tensors, part)
    if not tensors:
        return None
    try:
        widths = architecture.from_tensors(tensors)
    except UnknownArchitecture as error:
        raise IncompleteCheckpoint(
            f"{file.path.name} is an incomplete {kind}: {error}. {_REMEDY}"
        ) from error
    unused = widths.unused() if isinstance(widths, TextArchitecture) else ()
    _check(file, part, widths.tensors(), unused, kind)
    return widths


def _has_midas(file: WeightFile) -> bool:
    """Whether MiDaS is there; where it is, no tensor that it needs may be missing."""
    found = part_of(file.tensors, Part.MIDAS)
    names = _midas_names()
    missing = [name for name in names if name not in found]
    if found and missing:
        raise IncompleteMidas(
            f"{file.path.name} is an incomplete depth checkpoint: of the {len(names)} tensors of "
            f"MiDaS under {Part.MIDAS.value} {len(missing)} are missing{_some(missing)}. {_REMEDY}"
        )
    return bool(found)


def _midas_names() -> list[str]:
    return [entry.ldm for entry in MIDAS_KEYS.entries if not entry.ldm.startswith(UNUSED)]


def _check(
    file: WeightFile, part: Part, expected: Mapping[str, Shape], optional: Iterable[str], kind: str
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
            f"{file.path.name} is an incomplete {kind}: of the {len(expected)} tensors "
            f"under {part.value} {len(missing)} are missing{_some(missing)} and {len(wrong)} have "
            f"another shape{_some(wrong)}. {_REMEDY}"
        )
    extra = [name for name in found if name not in expected]
    if extra:
        log.warning(
            "%s: not part of the model, and not used: %s under %s%s",
            *(file.path.name, counted(len(extra), "tensor"), part.value, _some(extra)),
        )


def _some(names: list[str]) -> str:
    more = ", ..." if len(names) > 3 else ""
    return f" ({', '.join(names[:3])}{more})" if names else ""
