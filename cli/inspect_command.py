"""The command `depth2img inspect`: what a file or a folder is, and what to do with it."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..checkpoints.architecture import ENDS_OF_BRANCHES
from ..checkpoints.checkpoint import Checkpoint
from ..checkpoints.errors import IncompleteCheckpoint, NotADepthCheckpoint
from ..checkpoints.files.errors import UnreadableFile
from ..checkpoints.files.holes import FileWithHoles, check_holes
from ..checkpoints.files.pickle_machine import shown
from ..checkpoints.files.shards import open_shards
from ..checkpoints.files.weights import open_weights
from ..checkpoints.identify.diagnosis import EMA, Diagnosis, Kind, Part
from ..checkpoints.identify.inspection import diagnose, loaded_from
from ..checkpoints.identify.recognition import identify
from ..depth.networks.kinds import UNUSED
from ..disk.settings import DamagedSettings
from ..images.counts import counted
from ..nodes.advice import advice
from ..nodes.remedies import explanation

_EMA = "EMA copy of the UNet"
_SHARDS = (
    "Shards load as a part of the diffusers folder that they came in: put that into "
    "models/diffusers."
)
_DEPTH = (Kind.SD2_DEPTH, Kind.SD2_DEPTH_UNET)
_NOT_LOADED = (
    *(IncompleteCheckpoint, NotADepthCheckpoint, UnreadableFile, DamagedSettings),
    FileNotFoundError,  # a folder with a UNet, but without the file that makes it a pipeline's
)


class Report(NamedTuple):
    """What is said about a file.

    Attributes:
        diagnosis: what it is.
        state: of a depth model, whether it is complete, and what is missing.
        is_sound: whether it can be read, and a depth model be loaded.
        advice: what to do with it.
    """

    diagnosis: Diagnosis
    state: str
    is_sound: bool
    advice: str

    def lines(self, path: Path) -> list[str]:
        """For people."""
        found = self.diagnosis
        lines = [f"{path}: {found.sentence()}"]
        if found.place:
            lines.append(f"  found in: {found.place}")
        for name, (tensors, parameters) in found.parts.items():
            size = f"{parameters / 1e6:,.1f} million parameters"
            lines.append(f"  {name}: {counted(tensors, 'tensor')}, {size}")
        if found.dtypes:
            stored = ", ".join(f"{count} {dtype}" for dtype, count in found.dtypes.items())
            lines.append(f"  stored as: {stored}")
        if found.layout:
            lines.append(f"  layout: {found.layout}")
        for reason, names in found.unused.items():
            lines.append(f"  not used: {counted(len(names), 'tensor')} ({reason})")
        if found.foreign:
            lines.append(f"  asks for and is not given: {', '.join(found.foreign)}")
            lines.append("  Other programs may run these: give them a converted copy instead")
        lines += [f"  {said}" for said in (found.problem, self.state) if said]
        if (self.is_sound or not found.parts) and self.advice not in found.problem:
            lines.append(f"  What to do: {self.advice}")
        return [shown(line, 10_000) for line in lines]

    def facts(self, path: Path) -> dict[str, Any]:
        """For programs."""
        found = self.diagnosis
        return {
            "file": str(path),
            **asdict(found),
            "kind": found.kind.name,
            "family": found.family.name if found.family else None,
            "parts": {
                name: {"tensors": tensors, "parameters": parameters}
                for name, (tensors, parameters) in found.parts.items()
            },
            "has_midas": "MiDaS depth network" in found.parts,
            "has_ema": _EMA in found.parts,
            "sentence": found.sentence(),
            "state": self.state,
            "is_sound": self.is_sound,
            "advice": self.advice,
        }


def _holes(path: Path, kind: Kind) -> str:
    """What zeros say about a download; other kinds of model may have them on purpose."""
    place = loaded_from(path)
    if kind not in (Kind.SD2, Kind.MIDAS, Kind.DEPTH_NETWORK) or not place.is_file():
        return ""
    try:
        file = open_shards(place) if place.name.endswith(".index.json") else open_weights(place)
        unused = (EMA, Part.TEXT.value, Part.MIDAS.value, *UNUSED)
        used = [name for name in file.tensors if not name.startswith(unused)]
        check_holes(file, used, ENDS_OF_BRANCHES)
    except FileWithHoles as error:
        return explanation(error)
    return ""


def report(path: Path) -> Report:
    """Look into a file or a folder. Raises FileNotFoundError."""
    diagnosis = diagnose(path)
    if diagnosis.kind not in _DEPTH or diagnosis.problem:
        state = "" if diagnosis.problem else _holes(path, diagnosis.kind)
        return Report(diagnosis, state, not (diagnosis.problem or state), advice(diagnosis))
    place = loaded_from(path)
    if place.name.endswith(".index.json"):
        return Report(diagnosis, "in shards", True, _SHARDS)
    use = f"Take {place.name} out of it. " * (place != path.absolute()) + advice(diagnosis)
    try:
        checkpoint = Checkpoint.open(place)
    except _NOT_LOADED as error:
        return Report(diagnosis, explanation(error), False, use)
    # Where the EMA copy has replaced the UNet, only the rest is unused.
    unused = identify(checkpoint.file.tensors).unused
    is_averaged = _EMA in diagnosis.parts and not unused.get(_EMA)
    diagnosis = replace(diagnosis, unused=unused)
    parts = {
        "VAE": checkpoint.vae is not None,
        "text encoder": checkpoint.text is not None,
        "depth network": checkpoint.has_midas,
    }
    lacking = [name for name, is_there in parts.items() if not is_there]
    state = f"complete, but without a {' and a '.join(lacking)} inside" if lacking else "complete"
    return Report(diagnosis, state + "; the EMA copy is used" * is_averaged, True, use)
