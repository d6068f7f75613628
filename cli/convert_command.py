"""The command `depth2img convert`: a depth checkpoint as one file, or as a diffusers folder."""

import argparse
import importlib.metadata
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from ..checkpoints.add_difference import AddedDifference
from ..checkpoints.checkpoint import Checkpoint
from ..checkpoints.convert import (
    EMA_COPY,
    Dtype,
    NoRoom,
    Selection,
    extras_by_reason,
    folder_files,
    metadata,
    single_file,
    write,
)
from ..checkpoints.ema import with_ema
from ..checkpoints.errors import IncompleteMidas, NoEMACopy
from ..checkpoints.files.rounding import DtypeOverflow
from ..checkpoints.files.weights import open_weights
from ..checkpoints.identify.diagnosis import Part, part_of
from ..checkpoints.source import EXTRAS, open_source
from ..depth.networks.network import Shapes
from ..engine.diffusers_configs import folder_settings
from ..engine.prompt import vocabulary_files
from ..images.counts import counted
from ..nodes.remedies import REMEDIES, Remedies, explanation
from .console import printable

_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_SMALL = 1_000_000  # bytes: names, shapes and settings
_SAFETENSORS = (".safetensors", ".sft")
_OTHER_FILES = {
    **dict.fromkeys((".ckpt", ".pt", ".pth", ".bin"), "a pickle, which can hold programs"),
    ".gguf": "a quantised format for other loaders",
}
_REMEDIES: Remedies = {
    **REMEDIES,
    IncompleteMidas: "Or convert it --without-midas.",
    NoEMACopy: "Convert it without --ema.",
    DtypeOverflow: "Use --dtype bf16 or fp32.",
    NoRoom: "Make room, write elsewhere, or use --dtype fp16.",
}


def convert(options: argparse.Namespace) -> None:
    """Convert a checkpoint; errors end with what to do, in terms of the options."""
    try:
        _convert(options)
    except tuple(_REMEDIES) as error:
        error.args = (explanation(error, _REMEDIES),)
        raise


def _convert(options: argparse.Namespace) -> None:
    is_folder = _is_folder(options.target, options.layout)
    dtype = _DTYPES.get(options.dtype)
    source = open_source(options.source)
    selection = Selection.of(source, options.ema, midas=not options.without_midas)
    if options.fine_tune is not None or options.base is not None:
        model = _with_fine_tune(selection.model, options.fine_tune, options.base, dtype)
        selection = replace(selection, model=model)
    for reason, names in selection.left_out.items():
        hint = ", which the nodes would use; --ema takes it" if reason == EMA_COPY else ""
        print(f"left out: {counted(len(names), 'tensor')} ({reason}{hint})")
    others = _bytes_beside_the_weights(options.source)
    if others > _SMALL:
        print(f"left out: {others / 1e6:,.1f} MB (no weights: what training needs to go on)")
    _write(options, selection, is_folder, dtype)


def _with_fine_tune(
    model: Checkpoint, fine_tune: Path | None, base: Path | None, dtype: Dtype
) -> Checkpoint:
    """The depth model + (fine-tune − base). Raises ValueError unless both are given."""
    if fine_tune is None or base is None:
        raise ValueError(
            "--fine-tune and --base belong together: what is added is the difference between a "
            "fine-tune and the Stable Diffusion 2 that it was made of; give both"
        )
    tuned, before = (with_ema(open_source(path)) for path in (fine_tune, base))
    return replace(model, file=AddedDifference(model.file, tuned, before, dtype=dtype))


def _bytes_beside_the_weights(path: Path) -> int:
    """What else a file holds, such as the optimizer's states of a training checkpoint."""
    if path.is_dir():
        return 0
    return path.stat().st_size - open_weights(path).size


def _is_folder(target: Path, layout: str | None) -> bool:
    """Whether the target's name says so; ValueError where `layout` disagrees."""
    ending = target.suffix.lower()
    if target.name.lower() in (*_SAFETENSORS, *_OTHER_FILES):
        raise ValueError(f"{target.name} is an ending without a name; put a name before it")
    if ending in _OTHER_FILES:
        raise ValueError(
            f"{target.name} would be {_OTHER_FILES[ending]}; one file is written as safetensors, "
            "so let TARGET end in .safetensors"
        )
    disagree = f"--layout {layout} and TARGET {target.name} disagree"
    if layout == "diffusers" and ending in _SAFETENSORS:
        raise ValueError(
            f"{disagree}: that is a folder's layout and a file's name; let TARGET not end in "
            f"{target.suffix}"
        )
    if layout == "ldm" and ending not in _SAFETENSORS:
        raise ValueError(
            f"{disagree}: ComfyUI tells files by their ending; let TARGET end in .safetensors"
        )
    return ending not in _SAFETENSORS


def _write(
    options: argparse.Namespace, selection: Selection, is_folder: bool, dtype: Dtype
) -> None:
    target, model = options.target, selection.model
    files, settings = single_file(model, dtype), {}
    if is_folder:
        _check_pipeline(model, options.without_midas)
        files, settings = folder_files(model, dtype), _settings(model)
    total = sum(file.size for file in files.values())
    texts = _texts(options, selection, is_folder)
    # Without a terminal there is no bar.
    bar = tqdm(total=total, unit="B", unit_scale=True, desc=target.name, leave=False, disable=None)
    with bar:
        write(target, files, settings, texts, bar.update)
    extras = files[EXTRAS].tensors if EXTRAS in files else ()
    for reason, names in extras_by_reason(extras).items():
        print(f"not part of a pipeline: {len(names)} tensors, in {EXTRAS} ({reason})")
    print(f"{printable(str(target))} ({_bytes(target) / 1e6:,.1f} MB)")
    if is_folder and (said := _how_to_load(target, model)):
        print(said)


def _check_pipeline(model: Checkpoint, without_midas: bool) -> None:
    if model.vae and model.text and not model.has_midas and not without_midas:
        raise ValueError(
            f"{model.path.name} has no MiDaS depth network inside, which a "
            "StableDiffusionDepth2ImgPipeline has. With --without-midas the folder is written "
            "without it, and loads with depth_estimator=None and feature_extractor=None, or with "
            "ones that you give it."
        )


def _settings(model: Checkpoint) -> dict[str, str]:
    """The text files of a folder: configurations, and the tokenizer's vocabulary."""
    widths = None
    if model.has_midas:
        # Here, because timm takes seconds and megabytes, and only a folder with MiDaS needs it.
        from ..depth.networks.midas_hybrid import DPTHybrid, Widths

        midas = part_of(model.file.tensors, Part.MIDAS.value)
        shapes = Shapes({name: info.shape for name, info in midas.items()}, DPTHybrid.KIND.name)
        widths = Widths.from_shapes(shapes)
    configs = folder_settings(model.unet, model.vae, model.text, widths)
    settings = {name: json.dumps(config, indent=2) + "\n" for name, config in configs.items()}
    if model.text is not None:
        settings |= {f"tokenizer/{name}": text for name, text in vocabulary_files().items()}
    return settings


def _how_to_load(target: Path, model: Checkpoint) -> str:
    """What a folder lacks, and how it is loaded nevertheless."""
    parts = {"VAE": model.vae, "text encoder": model.text}
    if missing := " and ".join(name for name, part in parts.items() if part is None):
        return (
            f"{model.path.name} has no {missing}, so this folder is no pipeline; its parts "
            f'load one by one: UNet2DConditionModel.from_pretrained("{target}", subfolder="unet")'
        )
    if not model.has_midas:
        return (
            f'Load it with StableDiffusionDepth2ImgPipeline.from_pretrained("{target}", '
            "depth_estimator=None, feature_extractor=None) and give it a depth_map, or pass a "
            "DPTForDepthEstimation and its DPTImageProcessor there."
        )
    return ""


def _texts(options: argparse.Namespace, selection: Selection, is_folder: bool) -> dict[str, str]:
    others = {"fine_tune": options.fine_tune, "base": options.base}
    facts = {
        "source": selection.model.path.name,
        "source_bytes": _bytes(options.source),
        "layout": "diffusers" if is_folder else "ldm",
        "dtype": options.dtype or "as stored",
        **{role: path.name for role, path in others.items() if path is not None},
        "left_out": {reason: len(names) for reason, names in selection.left_out.items()},
        "version": _version(),
    }
    return metadata(selection.model.file, facts)


def _bytes(path: Path) -> int:
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _version() -> str:
    try:
        return importlib.metadata.version("sd2-depth2img")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
