"""Converting depth checkpoints: to one file in the original layout, or to a diffusers folder.

Nothing is read but headers until it is written; then one tensor after the other is read,
converted and written, so that a checkpoint of any size takes the memory of a tensor.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..disk.writing import written_whole
from .checkpoint import Checkpoint
from .ema import ema_names, unet_names
from .errors import IncompleteMidas, NoEMACopy, NotADepthCheckpoint
from .files.rounding import Rounded
from .files.safetensors_writer import write_safetensors
from .files.shards import INDEX
from .files.views import Origin, View
from .files.weights import WeightFile
from .identify.diagnosis import EMA, Part
from .keymaps import Entry, KeyMap, text_keys, unet_keys, vae_keys
from .midas_keymap import MIDAS_KEYS
from .source import EXTRAS

Dtype = torch.dtype | None  # of floating-point tensors; None keeps each one's own


class NoRoom(OSError):  # noqa: N818 - names what is missing
    """The disk has no space for what is to be written."""


# --- which tensors -------------------------------------------------------------------------------

EMA_COPY = "EMA copy of the UNet"  # a reason for which tensors are left out


@dataclass(frozen=True)
class Selection:
    """What a conversion keeps of a source.

    Attributes:
        model: the kept tensors under their original names, made sure of part by part.
        left_out: names in the source of what is not kept, by reason.
    """

    model: Checkpoint
    left_out: dict[str, list[str]]

    @classmethod
    def of(cls, source: WeightFile, ema: bool = False, midas: bool = True) -> "Selection":
        """Choose from what `open_source` gives.

        With `ema` the EMA copy becomes the UNet, otherwise it is left out; without `midas` the
        depth network is left out too.

        Raises NotADepthCheckpoint, IncompleteCheckpoint, NoEMACopy.
        """
        _refuse_scaled(source)
        averaged = _averaged(source) if ema else {}
        copies = [name for name in source.tensors if name.startswith(EMA)]
        idle = sorted(set(copies) - set(averaged.values()))
        depth = [] if midas else [n for n in source.tensors if n.startswith(Part.MIDAS.value)]
        left_out = {
            "UNet, replaced by its EMA copy": list(averaged),
            "counters of the EMA" if ema else EMA_COPY: idle,
            "MiDaS depth network": depth,
        }
        dropped = {*copies, *depth}
        origins = {
            name: Origin(source, (averaged.get(name, name),))
            for name in source.tensors
            if name not in dropped
        }
        model = Checkpoint.of(View(source.path, origins, source.metadata), source)
        return cls(model, {reason: names for reason, names in left_out.items() if names})


def _averaged(source: WeightFile) -> dict[str, str]:
    """The EMA copy of every tensor of the UNet."""
    copies = ema_names(source.tensors)
    unet = unet_names(source.tensors)
    if not unet or len(copies) < len(unet):
        raise NoEMACopy(
            f"{source.path.name} has EMA copies of {len(copies)} of the UNet's {len(unet)} tensors "
            f"(under {EMA}). Where a file was pruned, the UNet usually is the EMA copy already."
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


def single_file(model: Checkpoint, dtype: Dtype = None) -> dict[str, WeightFile]:
    """One file in the original layout, like `folder_files`: it is the target itself."""
    return {"": Rounded(model.file, dtype)}


def folder_files(model: Checkpoint, dtype: Dtype = None) -> dict[str, WeightFile]:
    """The weight files of a diffusers folder by their paths in it.

    What has no place in that layout goes into `EXTRAS`, under its original name.

    Raises IncompleteMidas.
    """
    file = Rounded(model.file, dtype)
    rest = {name: Origin(file, (name,)) for name in file.tensors}
    files: dict[str, WeightFile] = {}
    for part, keys in _key_maps(model).items():
        names = [part.value + entry.ldm for entry in keys.entries]
        missing = [name for name in names if name not in rest]
        if missing:  # of the tensors that nothing uses; only MiDaS may lack those
            raise IncompleteMidas(
                f"{file.path.name} lacks {len(missing)} of {len(names)} tensors under "
                f"{part.value}, {missing[0]} for example. Use another copy."
            )
        pieces = {
            name: Origin(file, (part.value + entry.ldm,), partial(_piece, entry, place))
            for entry in keys.entries
            for place, name in enumerate(entry.diffusers)
        }
        files[_FILES[part]] = View(file.path, pieces)
        for name in names:
            del rest[name]
    if rest:
        files[EXTRAS] = View(file.path, rest)
    return files


def _piece(entry: Entry, place: int, tensors: Sequence[Tensor]) -> Tensor:
    """What one of the original layout becomes under one of its names in diffusers."""
    return entry.split(tensors[0])[place]


def _key_maps(model: Checkpoint) -> dict[Part, KeyMap]:
    """The names in the layout of diffusers of each part that is there."""
    maps = {Part.UNET: unet_keys(model.unet)}
    if model.vae is not None:
        maps[Part.VAE] = vae_keys(model.vae)
    if model.text is not None:
        maps[Part.TEXT] = text_keys(model.text)
    if model.has_midas:
        maps[Part.MIDAS] = MIDAS_KEYS
    return maps


def extras_by_reason(names: Iterable[str]) -> dict[str, list[str]]:
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


# --- writing -------------------------------------------------------------------------------------


def metadata(source: WeightFile, facts: Mapping[str, object]) -> dict[str, str]:
    """Text entries of a written file: the source's own, and where it came from.

    Checksums are not taken along, because they are the other file's.
    """
    kept = {name: text for name, text in source.metadata.items() if "hash" not in name}
    return {**kept, "format": "pt", "depth2img.converted": json.dumps(facts)}


def write(
    target: Path,
    files: Mapping[str, WeightFile],
    settings: Mapping[str, str],
    texts: Mapping[str, str],
    written: Callable[[int], object] = lambda size: None,
) -> None:
    """Write a file or a folder, complete or not at all.

    Args:
        files: from `single_file` or `folder_files`.
        settings: a folder's text files, by path.
        texts: from `metadata`, for every weight file.
        written: gets the bytes of each tensor that was written.

    Raises FileExistsError, FileNotFoundError without the folder above, NoRoom.
    """
    _check_room(target, sum(file.size for file in files.values()))
    with written_whole(target, replace=False) as unfinished:
        for name, file in files.items():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_safetensors(path, file, texts, written)
        # The index last: by it a folder is taken for a model.
        for name in sorted(settings, key=lambda name: name == INDEX):
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(settings[name], encoding="utf-8")
            _flush(path)
        for folder, _, _ in os.walk(unfinished):
            _flush(Path(folder))


def _check_room(target: Path, size: int) -> None:
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"there is no folder {target.parent} to write {target.name} into; make it first"
        )
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise NoRoom(
            f"{target.name} takes {size / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free in "
            f"{target.parent.absolute()}"
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
