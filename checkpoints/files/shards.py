"""The weight files in a folder, and files that are cut into shards behind an index."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ...disk.settings import read_settings
from .errors import DamagedFile, UnreadableFile
from .pickle_machine import shown
from .views import Origin, View
from .weights import WeightFile, open_weights


class Weights(NamedTuple):
    """One way to read a model: a weight file, or the index of one that is cut into shards."""

    path: Path
    variant: str  # "" for full precision
    is_pickle: bool
    is_index: bool

    def open(self) -> WeightFile:
        """Open the file, or all of its shards."""
        return open_shards(self.path) if self.is_index else open_weights(self.path)


INDEX = "model_index.json"  # of a diffusers folder

# NAME[.VARIANT].safetensors or NAME.safetensors.index[.VARIANT].json; likewise with .bin
_NAME = r"(?:diffusion_pytorch_model|pytorch_model|model)"
_FILE = re.compile(rf"{_NAME}(?:\.([\w-]+))?(?<!-of-\d{{5}})\.(safetensors|bin)")
_SHARDS = re.compile(rf"{_NAME}\.(safetensors|bin)\.index(?:\.([\w-]+))?\.json")
_SHARD = re.compile(r"[^/\\:\0-\x1f\ud800-\udfff]{1,255}")  # a file's name, without a path
_RANKS = {"": 0, "fp32": 0, "fp16": 1, "bf16": 2}


def weight_files(folder: Path) -> list[Weights]:
    """The ways to read what diffusers or transformers wrote, best first.

    Full precision comes before fp16, and safetensors before .bin.
    """
    found = []
    for path in folder.iterdir():
        if match := _FILE.fullmatch(path.name):
            variant, suffix = match.groups()
        elif match := _SHARDS.fullmatch(path.name):
            suffix, variant = match.groups()
        else:
            continue
        is_index = path.suffix == ".json"
        found.append(Weights(path, variant or "", suffix == "bin", is_index))
    return sorted(found, key=lambda w: (_RANKS.get(w.variant, 3), w.is_pickle, w.path.name))


def open_shards(index: Path) -> WeightFile:
    """The files that an index names, as one. They have to lie beside it.

    Raises UnreadableFile, DamagedFile when some are missing, DamagedSettings.
    """
    places = read_settings(index).get("weight_map")
    if not isinstance(places, Mapping) or not all(isinstance(f, str) for f in places.values()):
        raise UnreadableFile(f"{index}: expected a weight_map from tensors to files")
    shards = {}
    for name in sorted(set(places.values())):
        if not _SHARD.fullmatch(name) or name in (".", ".."):
            raise UnreadableFile(
                f"{index} was refused: it names the file {shown(name)!r}, and shards lie in the "
                "folder of their index. Nothing was read from there."
            )
        if not (index.parent / name).is_file():
            raise DamagedFile(
                f"{index.parent} is incomplete: {index.name} names {name}, which is not there. "
                "Copy or download it again."
            )
        shards[name] = open_weights(index.parent / name)
    lost = [tensor for tensor, name in places.items() if tensor not in shards[name].tensors]
    if lost:
        raise DamagedFile(
            f"{index.parent}: {len(lost)} tensors are not in the files where {index.name} says "
            f"they are, {shown(lost[0])} for example. The files belong to different models."
        )
    origins = {tensor: Origin(shards[name], (tensor,)) for tensor, name in places.items()}
    return View(index, origins)
