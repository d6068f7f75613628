"""Converting depth checkpoints: to one file in the original layout, or to a diffusers folder.

Nothing is read but headers until it is written; then one tensor after the other is read,
converted and written, so that a checkpoint of any size takes the memory of a tensor.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch
from torch import Tensor

from ..pictures.files import written_whole
from .architecture import TextArchitecture, UNetArchitecture, UnknownArchitecture, VAEArchitecture
from .checkpoint import check_part
from .diagnosis import Kind, Part, identify, part_of
from .diffusers_folder import EXTRAS, DiffusersFolder
from .keymaps import Entry, KeyMap, text_keys, unet_keys, vae_keys
from .midas_keymap import MIDAS_KEYS
from .refusals import IncompleteCheckpoint, NotADepthCheckpoint
from .streamed import PlannedTensor, write_safetensors
from .views import Origin, View
from .weights import TensorInfo, WeightFile

_EMA = "model_ema."


class Layout(str, Enum):
    """The two ways in which a depth checkpoint is stored."""

    LDM = "ldm"
    DIFFUSERS = "diffusers"


# --- which tensors -------------------------------------------------------------------------------


@dataclass(frozen=True)
class DepthModel:
    """The tensors that a conversion keeps, made sure of part by part.

    Attributes:
        file: the tensors under their original names.
        unet, vae, text: the parts' widths; None for one that is not there.
        midas: shapes of the depth network's tensors, the prefix stripped; empty without one.
        left_out: names in the source of what is not kept, by reason.
    """

    file: WeightFile
    unet: UNetArchitecture
    vae: VAEArchitecture | None
    text: TextArchitecture | None
    midas: dict[str, TensorInfo]
    left_out: dict[str, list[str]]

    @classmethod
    def of(cls, source: WeightFile, ema: bool = False, midas: bool = True) -> "DepthModel":
        """Choose from a source that has original names.

        Args:
            source: from `open_source`.
            ema: the EMA copy becomes the UNet; otherwise the copy is left out.
            midas: whether a depth network inside is kept.

        Raises NotADepthCheckpoint for another kind of model, and IncompleteCheckpoint when
        tensors of a part are missing or misshapen, or `ema` asks for a copy that is not there.
        """
        file, left_out = _chosen(source, ema, midas)
        _refuse_scaled(file)
        identity = identify(file.tensors)
        if identity.kind not in (Kind.SD2_DEPTH, Kind.SD2_DEPTH_UNET):
            raise NotADepthCheckpoint(
                f"{file.path.name}: {identity.sentence()} What is converted is a Stable Diffusion "
                "2 depth model (5 input channels, context 1024)."
            )
        try:
            unet = UNetArchitecture.from_tensors(part_of(file.tensors, Part.UNET))
            vae = _if_there(VAEArchitecture, part_of(file.tensors, Part.VAE))
            text = _if_there(TextArchitecture, part_of(file.tensors, Part.TEXT))
        except UnknownArchitecture as error:
            raise IncompleteCheckpoint(
                f"{file.path.name} is an incomplete depth checkpoint: {error}. "
                "Copy or download it again, or use another copy."
            ) from error
        check_part(file, Part.UNET, unet.tensors())
        if vae is not None:
            check_part(file, Part.VAE, vae.tensors())
        if text is not None:
            check_part(file, Part.TEXT, text.tensors(), optional=text.unused())
        if isinstance(source, DiffusersFolder):
            source.check_settings(unet, text)
        return cls(file, unet, vae, text, part_of(file.tensors, Part.MIDAS), left_out)

    @property
    def key_maps(self) -> dict[Part, KeyMap]:
        """The names in the layout of diffusers of each part that is there."""
        maps = {Part.UNET: unet_keys(self.unet)}
        if self.vae is not None:
            maps[Part.VAE] = vae_keys(self.vae)
        if self.text is not None:
            maps[Part.TEXT] = text_keys(self.text)
        if self.midas:
            maps[Part.MIDAS] = MIDAS_KEYS
        return maps


def _if_there(
    architecture: type[VAEArchitecture] | type[TextArchitecture],
    tensors: Mapping[str, TensorInfo],
) -> VAEArchitecture | TextArchitecture | None:
    return architecture.from_tensors(tensors) if tensors else None


def _chosen(source: WeightFile, ema: bool, midas: bool) -> tuple[View, dict[str, list[str]]]:
    """The tensors that are kept, under the names that they get, and what is left out."""
    origins = {name: Origin(source, (name,)) for name in source.tensors}
    left_out: dict[str, list[str]] = {}
    copies = [name for name in source.tensors if name.startswith(_EMA)]
    if ema:
        replaced = _ema_copies(source)
        origins |= {name: Origin(source, (copy,)) for name, copy in replaced.items()}
        left_out["UNet, in the place of which its EMA copy is taken"] = list(replaced)
        taken = set(replaced.values())
        left_out["counters of the EMA"] = [name for name in copies if name not in taken]
    else:
        left_out["EMA copy of the UNet (--ema takes it in the place of the UNet)"] = copies
    if not midas:
        left_out["MiDaS depth network"] = [
            n for n in source.tensors if n.startswith("depth_model.")
        ]
    for name in copies + (left_out["MiDaS depth network"] if not midas else []):
        del origins[name]
    view = View(source.path, origins, source.metadata)
    return view, {reason: names for reason, names in left_out.items() if names}


def _ema_copies(source: WeightFile) -> dict[str, str]:
    """The UNet's tensors and their EMA copies, whose names are the same without the dots.

    As in Stability-AI/stablediffusion, `ldm/modules/ema.py`.
    """
    unet = [name for name in source.tensors if name.startswith(Part.UNET.value)]
    copies = {n: _EMA + n.removeprefix("model.").replace(".", "") for n in unet}
    missing = [copy for copy in copies.values() if copy not in source.tensors]
    if not copies or missing:
        raise IncompleteCheckpoint(
            f"{source.path.name} has no EMA copy of the UNet: {len(missing)} of {len(copies)} "
            f"tensors under {_EMA} are missing. Convert it without --ema; in a pruned file the "
            "UNet usually is the EMA copy already."
        )
    return copies


def _refuse_scaled(file: WeightFile) -> None:
    """Weights that have to be multiplied before use would be wrong in any other program."""
    scales = [name for name in file.tensors if name.endswith(("scale_weight", "scaled_fp8"))]
    if scales:
        raise NotADepthCheckpoint(
            f"{file.path.name} holds fp8 weights with scales beside them ({len(scales)} tensors, "
            f"{scales[0]} for example), which are not converted; use an fp16 or fp32 copy"
        )


# --- what is written where -----------------------------------------------------------------------

# Where a part's weights lie in a diffusers folder.
_FILES = {
    Part.UNET: "unet/diffusion_pytorch_model.safetensors",
    Part.VAE: "vae/diffusion_pytorch_model.safetensors",
    Part.TEXT: "text_encoder/model.safetensors",
    Part.MIDAS: "depth_estimator/model.safetensors",
}


def single_file(model: DepthModel, dtype: torch.dtype | None = None) -> list[PlannedTensor]:
    """The tensors of one file in the original layout.

    Args:
        model: what is kept.
        dtype: of floating-point tensors; None keeps each one's own.
    """
    return [_planned(model.file, name, dtype) for name in model.file.tensors]


def folder_files(
    model: DepthModel, dtype: torch.dtype | None = None
) -> dict[str, list[PlannedTensor]]:
    """The weight files of a diffusers folder: path in the folder -> tensors.

    What has no place in that layout goes into `EXTRAS`, under its original name.

    Raises IncompleteCheckpoint when tensors of the depth network are missing.
    """
    rest = dict.fromkeys(model.file.tensors)
    files = {}
    for part, keys in model.key_maps.items():
        names = [part.value + entry.ldm for entry in keys.entries]
        missing = [name for name in names if name not in rest]
        if missing:
            raise IncompleteCheckpoint(
                f"{model.file.path.name} lacks {len(missing)} of {len(names)} tensors under "
                f"{part.value}, {missing[0]} for example. Use another copy"
                + (", or convert it --without-midas." if part is Part.MIDAS else ".")
            )
        files[_FILES[part]] = [
            planned
            for entry in keys.entries
            for planned in _planned_pieces(model.file, part, entry, dtype)
        ]
        for name in names:
            del rest[name]
    if rest:
        files[EXTRAS] = [_planned(model.file, name, dtype) for name in rest]
    return files


def extras_by_reason(names: Sequence[str]) -> dict[str, list[str]]:
    """Why tensors have no place in the layout of diffusers."""
    reasons: dict[str, list[str]] = {}
    for name in names:
        starts = ((start, why) for start, why in _EXTRAS.items() if name.startswith(start))
        _, reason = next(starts, ("", "noise schedule and others outside of the parts"))
        reasons.setdefault(reason, []).append(name)
    return reasons


_EXTRAS = {
    Part.TEXT.value: "text encoder's last layer and projection, which SD2 does not use",
    Part.MIDAS.value: "classifier that MiDaS's backbone was trained with",
    Part.UNET.value: "under the UNet's name, but not part of it",
    Part.VAE.value: "under the VAE's name, but not part of it",
}


def _planned(file: WeightFile, name: str, dtype: torch.dtype | None) -> PlannedTensor:
    info = file.tensors[name]
    target = _target(info.dtype, dtype)
    return PlannedTensor(
        name, target, info.shape, lambda: _converted(file.read(name), target, name)
    )


def _planned_pieces(
    file: WeightFile, part: Part, entry: Entry, dtype: torch.dtype | None
) -> Iterator[PlannedTensor]:
    """The tensors in the layout of diffusers that one of the original layout becomes."""
    source = part.value + entry.ldm
    info = file.tensors[source]
    target = _target(info.dtype, dtype)
    pieces = entry.split(torch.empty(info.shape, device="meta"))
    for place, (name, piece) in enumerate(zip(entry.diffusers, pieces, strict=True)):

        def read(place: int = place) -> Tensor:
            return _converted(entry.split(file.read(source))[place], target, source)

        yield PlannedTensor(name, target, tuple(piece.shape), read)


def _target(stored: torch.dtype, wanted: torch.dtype | None) -> torch.dtype:
    return wanted if wanted is not None and stored.is_floating_point else stored


def _converted(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    if tensor.dtype == dtype:
        return tensor
    converted = tensor.to(dtype)
    if bool(converted.isinf().any()):
        finite = tensor.double()[~tensor.double().isinf()].abs()
        if len(finite) and finite.max() > torch.finfo(dtype).max:
            raise ValueError(
                f"{name} has values up to {finite.max():g}, and {str(dtype).removeprefix('torch.')}"
                f" ends at {torch.finfo(dtype).max:g}; use --dtype bf16 or fp32"
            )
    return converted


# --- writing -------------------------------------------------------------------------------------


def metadata(source: WeightFile, facts: Mapping[str, object]) -> dict[str, str]:
    """Text entries of a written file: the source's own, and where it came from.

    Checksums are not taken along, because they are the other file's.
    """
    kept = {name: text for name, text in source.metadata.items() if "hash" not in name}
    return {**kept, "format": "pt", "depth2img.converted": json.dumps(facts)}


def write_file(
    target: Path,
    tensors: Sequence[PlannedTensor],
    texts: Mapping[str, str],
    written: Callable[[int], None] = lambda size: None,
) -> None:
    """Write one file, complete or not at all.

    Args:
        target: the file; there must be none yet.
        tensors: from `single_file`.
        texts: from `metadata`.
        written: called with the bytes of each tensor that was written.

    Raises FileExistsError, FileNotFoundError without the folder, OSError without the space.
    """
    _make_sure_of(target, tensors)
    with written_whole(target) as unfinished:
        write_safetensors(unfinished, tensors, texts, written)


def write_folder(
    target: Path,
    files: Mapping[str, Sequence[PlannedTensor]],
    settings: Mapping[str, str],
    texts: Mapping[str, str],
    written: Callable[[int], None] = lambda size: None,
) -> None:
    """Write a folder, complete or not at all.

    Args:
        target: the folder; there must be none yet.
        files: from `folder_files`.
        settings: the text files of the folder by path.
        texts: from `metadata`, for every weight file.
        written: called with the bytes of each tensor that was written.

    Raises FileExistsError, FileNotFoundError without the folder above, OSError without the space.
    """
    _make_sure_of(target, [tensor for tensors in files.values() for tensor in tensors])
    with written_whole(target) as unfinished:
        for name, text in settings.items():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            _flush(path)
        for name, tensors in files.items():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_safetensors(path, tensors, texts, written)
        for folder, _, _ in os.walk(unfinished):
            _flush(Path(folder))


def _make_sure_of(target: Path, tensors: Sequence[PlannedTensor]) -> None:
    if target.exists():
        raise FileExistsError(
            f"{target} exists, and nothing is overwritten; give another name, or delete it first"
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} into")
    size = sum(tensor.size for tensor in tensors)
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise OSError(
            f"{target.name} takes {size / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free in "
            f"{target.parent.absolute()}; make room, write elsewhere, or use --dtype fp16"
        )


def _flush(path: Path) -> None:
    """Have the disk hold what was written; folders too, where the system can do that."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
