"""Textual inversions: files with learnt vectors that stand for words (Gal et al. 2022).

A prompt names one as `embedding:NAME`. Files of Automatic1111 (`.pt`), diffusers (`.bin`) and
ComfyUI (`.safetensors`) are read alike: the vectors are a tensor [count, width] in them.
"""

from pathlib import Path, PurePosixPath

from torch import Tensor

from ..checkpoints.files.weights import open_weights
from ..checkpoints.identify.recognition import identify
from .folders import EMBEDDINGS, model_file_names, model_file_path, spellings

# Of several tensors, which are the vectors for SD2's text encoder; otherwise the first.
_NAMES = ("clip_h", "*", "emb_params")


class OtherEmbedding(ValueError):  # noqa: N818 - names what the file is
    """The vectors are for another text encoder, or there are none; the message says which."""


def find(name: str) -> Path | None:
    """The file of a textual inversion, named with or without suffix and subfolder."""
    files = model_file_names(EMBEDDINGS)
    for spelled in spellings(name):
        for called in (str, _without_suffix, _without_folder, _bare):
            for file in files:
                if called(file) == spelled:
                    return model_file_path(EMBEDDINGS, file)
    return None


def _without_suffix(file: str) -> str:
    return str(PurePosixPath(file).with_suffix(""))


def _without_folder(file: str) -> str:
    return PurePosixPath(file).name


def _bare(file: str) -> str:
    return PurePosixPath(file).stem


def read(path: Path, width: int) -> Tensor:
    """The vectors of a file, float32 [count, width].

    Raises OtherEmbedding, and what `open_weights` raises.
    """
    file = open_weights(path)
    names = sorted(file.tensors, key=lambda n: _NAMES.index(n) if n in _NAMES else len(_NAMES))
    if not names:
        raise OtherEmbedding(f"{path.name} holds no tensors; expected a textual inversion")
    vectors = file.read(names[0]).float()
    vectors = vectors.reshape(-1, vectors.shape[-1]) if vectors.ndim else vectors.reshape(1, 1)
    if vectors.shape[1] != width:
        raise OtherEmbedding(
            f"{path.name} has vectors of {vectors.shape[1]} numbers, and this text encoder's have "
            f"{width}. {identify(file.tensors).sentence()} Take one for this model"
        )
    if not vectors.isfinite().all():
        raise OtherEmbedding(
            f"{path.name} holds values that are infinite or not a number (NaN); the file is damaged"
        )
    return vectors
