"""What a file or a folder on disk is, whatever it is: headers are read, and nothing is run."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...disk.settings import DamagedSettings, read_settings
from ..files.errors import DamagedFile, GGUFFile, HostileFile, TorchScriptFile, UnreadableFile
from ..files.folders import model_folder, weight_files_in
from ..files.shards import INDEX, open_shards, weight_files
from ..files.weights import CutOffFile, WeightFile, open_weights
from .diagnosis import FOLDER, Diagnosis, Kind
from .recognition import count, identify


def diagnose(path: Path | str) -> Diagnosis:
    """Tell what a file or a folder is.

    A folder is one of diffusers or transformers, or holds one weight file, or one in shards. What
    cannot be read is a kind as well; `problem` then says why.

    Raises FileNotFoundError when there is nothing, OSError when the system forbids to read it.
    """
    path = Path(path).absolute()
    try:
        if path.is_dir():
            return _folder(path)
        return _opened(
            open_shards(path) if path.name.endswith(".index.json") else open_weights(path)
        )
    except CutOffFile as error:
        promised = identify(error.file.tensors, error.file.metadata)
        variant = f"by its header: {promised.kind.value}"
        return replace(promised, kind=Kind.DAMAGED, variant=variant, problem=str(error))
    except (UnreadableFile, DamagedSettings) as error:
        kind = next(kind for types, kind in _UNREADABLE.items() if isinstance(error, types))
        return Diagnosis(kind, problem=str(error), foreign=getattr(error, "foreign", ()))


def loaded_from(path: Path | str) -> Path:
    """What the loader takes of a readable place: of a folder that is no pipeline's, its file.

    An index where the file is in shards.
    """
    path = Path(path).absolute()
    if not path.is_dir() or _is_pipeline(folder := model_folder(path)):
        return path
    return _only_weights(folder).path


_UNREADABLE = {
    HostileFile: Kind.HOSTILE,
    TorchScriptFile: Kind.TORCHSCRIPT,
    GGUFFile: Kind.GGUF,
    DamagedFile: Kind.DAMAGED,
    DamagedSettings: Kind.DAMAGED,
    UnreadableFile: Kind.NOT_A_MODEL,
}


def _folder(path: Path) -> Diagnosis:
    folder = model_folder(path)
    found = _pipeline(folder) if _is_pipeline(folder) else _opened(_only_weights(folder))
    return replace(found, place="" if folder == path else folder.relative_to(path).as_posix())


def _opened(file: WeightFile) -> Diagnosis:
    return replace(identify(file.tensors, file.metadata), foreign=file.foreign)


def _only_weights(folder: Path) -> WeightFile:
    """A folder's weights: those that diffusers or transformers would read, or the only ones."""
    if ways := weight_files(folder):
        return ways[0].open()
    indexes = sorted(folder.glob("*.index.json"))
    files = weight_files_in(folder)
    if len(indexes) == 1:
        return open_shards(indexes[0])
    if len(files) == 1:
        return open_weights(files[0])
    name = folder.name or folder  # that of the topmost one is empty
    if files:
        found = ", ".join(file.name for file in files[:5]) + ", ..." * (len(files) > 5)
        raise UnreadableFile(f"{name} holds {len(files)} weight files ({found}); name one")
    raise UnreadableFile(f"{name} holds no weights; expected a model of diffusers or transformers")


# --- folders of diffusers ------------------------------------------------------------------------

_DENOISERS = ("unet", "transformer", "prior", "decoder")
_NAMES = {"unet": "UNet", "vae": "VAE", "depth_estimator": "MiDaS depth network"}
_NETWORKS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "depth_estimator")
_OBJECTIVES = {"epsilon": "base", "v_prediction": "768-v"}


def _place(part: Path) -> tuple[int, str]:
    """Where a part stands in a list: the networks in their usual order, then the others."""
    known = _NETWORKS.index(part.name) if part.name in _NETWORKS else len(_NETWORKS)
    return known, part.name


def _is_pipeline(folder: Path) -> bool:
    return (folder / INDEX).is_file() or any(
        (folder / part).is_dir() and weight_files(folder / part) for part in _DENOISERS
    )


def _pipeline(folder: Path) -> Diagnosis:
    files = {
        part.name: ways[0].open()
        for part in sorted(folder.iterdir(), key=_place)
        if part.is_dir() and (ways := weight_files(part))
    }
    listed = _settings(folder / INDEX)
    missing = [n for n in _NETWORKS if _is_listed(listed, n) and n not in files]
    denoiser = next((files[name] for name in _DENOISERS if name in files), None)
    if denoiser is None:
        raise DamagedFile(
            f"{folder.name} is a diffusers folder without the weights of a diffusion model"
            + (f"; {INDEX} lists {', '.join(missing)}" if missing else "")
        )
    found = _opened(denoiser)
    said = _settings(folder / "scheduler" / "scheduler_config.json").get("prediction_type")
    variant = found.variant
    if found.kind is Kind.SD2 and isinstance(said, str) and said in _OBJECTIVES:
        variant = f"{_OBJECTIVES[said]}, as its scheduler says"
    return replace(
        found,
        kind=Kind.SD2_DEPTH if found.kind is Kind.SD2_DEPTH_UNET else found.kind,
        variant=variant,
        layout=FOLDER,
        alone=False,
        parts={_NAMES.get(n, n.replace("_", " ")): count(f.tensors) for n, f in files.items()},
        dtypes=dict(sum((Counter(_opened(f).dtypes) for f in files.values()), Counter())),
        foreign=[name for file in files.values() for name in file.foreign],
        problem=f"{INDEX} lists {', '.join(missing)}, whose weights are missing. Copy or "
        "download the folder again."
        if missing
        else "",
    )


def _is_listed(index: Mapping[str, Any], part: str) -> bool:
    entry = index.get(part)
    return isinstance(entry, list) and any(entry)


def _settings(path: Path) -> dict[str, Any]:
    return read_settings(path) if path.is_file() else {}
