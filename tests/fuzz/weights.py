"""What holds models: safetensors, pickles in and out of archives, shards, folders, GGUF."""

import os
import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.cli import main as command
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.tools.make_checkpoint import MINIATURE
from sd2_depth2img.workflows.core_nodes import CORE_NODES

from . import pickles
from .mutations import damaged, dumped, edge, json_bytes, odd_json, packed
from .runner import Attempt, Maker

Header = dict[str, Any]


def maker() -> Maker:
    """Headers of models are made once; each input is one of them, damaged."""
    whole = _whole_headers()

    def make(rng: random.Random, place: Path) -> Attempt:
        kind = rng.choice(list(_KINDS))
        path = place / "models" / "checkpoints" / f"model.{kind}"
        what = _KINDS[kind](rng, path, whole)
        how, call = _call(rng, path, place)
        # A folder's faults are those of the files in it.
        names = [path.name, *(file.name for file in _below(path))]
        return Attempt(call, names, f"{kind}: {what}, {how}")

    return make


def _below(path: Path) -> list[Path]:
    return list(path.rglob("*")) if path.is_dir() else []


def _call(rng: random.Random, path: Path, place: Path) -> tuple[str, Callable[[], object]]:
    """A file goes into every door that takes a model."""
    out, loader = place / "output", NODE_CLASS_MAPPINGS["SD2DepthModelLoader"]()
    doors: Mapping[str, Callable[[], object]] = {
        "inspect": lambda: command.main(["inspect", "--debug", str(path)]),
        "inspect --json": lambda: command.main(["inspect", "--debug", "--json", str(path)]),
        "Checkpoint.open": lambda: Checkpoint.open(path, depth_only=rng.random() < 0.5),
        "convert": lambda: _convert(str(path), str(out / "new.safetensors"), *options),
        "convert to a folder": lambda: _convert(str(path), str(out / "new"), *options),
        "Load Depth Model": lambda: loader.execute(str(path))[0].network,
        "Load Latent": lambda: CORE_NODES["LoadLatent"]().load(str(path)),
    }
    how = rng.choice(list(doors) if path.suffix == ".safetensors" else list(doors)[:-1])
    options = rng.choice(((), ("--without-midas",), ("--dtype", "fp16"), ("--ema",)))
    return how, doors[how]


def _convert(*arguments: str) -> None:
    command.main(["convert", "--debug", *arguments])


# --- safetensors ---------------------------------------------------------------------------------

DTYPES = ("F32", "F16", "BF16", "F64", "F8_E4M3", "I64", "BOOL", "U8", "C64", "F4", "", "f32", "F9")


def _whole_headers() -> Mapping[str, Header]:
    tensors = MINIATURE.tensors()
    return {
        "checkpoint": _header(tensors),
        "unet": _header({n: s for n, s in tensors.items() if "diffusion_model" in n}),
        "vae": _header({n: s for n, s in tensors.items() if n.startswith("first_stage")}),
        "lora": _header({f"lora_unet_{i}.lora_{d}.weight": (4, 4) for i in "123" for d in "ab"}),
        "latent": _header({"latent_tensor": (1, 4, 8, 8), "latent_format_version_0": (0,)}),
        "few": _header({"a": (2, 3), "b.weight": (4,), "c": ()}),
    }


def _header(tensors: Mapping[str, tuple[int, ...]]) -> Header:
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    return header


def _safetensors(rng: random.Random, path: Path, whole: Mapping[str, Header]) -> str:
    name = rng.choice(("few", "few", "few", "lora", "latent", "unet", "vae", "checkpoint"))
    path.write_bytes(safetensors(rng, whole[name]))
    size = _size(whole[name]) + rng.choice((0, 0, 0, 1, -1, 8))
    with path.open("r+b") as file:
        if name == "unet" and rng.random() < 0.3:  # else its tensors are a hole in the file
            file.seek(0, os.SEEK_END)
            file.write((_NOISE * (size // len(_NOISE) + 1))[:size])
        file.truncate(path.stat().st_size + size)
    return name


_NOISE = random.Random(0).randbytes(1 << 16)


def _size(header: Header) -> int:
    return max(entry["data_offsets"][1] for name, entry in header.items() if name[0] != "_")


def safetensors(rng: random.Random, header: Header) -> bytes:
    """The head of a file, with one thing or two not as they should be."""
    header = dict(header)
    text = None
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(header))
        entry = header[name]
        match rng.randrange(9):
            case 0 if "shape" in entry:
                sides = (edge(rng), edge(rng), 10**400)
                shape = [rng.choice(sides) for _ in range(rng.choice((0, 1, 2, 6)))]
                header[name] = {**entry, "shape": shape}
            case 1 if "shape" in entry:
                header[name] = {**entry, "dtype": rng.choice(DTYPES)}
            case 2 if "shape" in entry:
                header[name] = {**entry, "data_offsets": [edge(rng), edge(rng)]}
            case 3 if "shape" in entry:
                header[name] = {
                    **entry,
                    "shape": [0, *(edge(rng) for _ in "12")],
                    "data_offsets": [0, 0],
                }
            case 4:
                odd = (
                    "",
                    "x" * 5_000,
                    "a\0b",
                    "\u202e",
                    "../x",
                    "model.diffusion_model.",
                    "\x1b[2J",
                )
                header[rng.choice(odd)] = entry
            case 5:
                header.pop(name)
                header = header or {"a": 1}
            case 6:
                metadata = rng.choice(
                    ({"a": "x" * 100_000}, {"a": 1}, [], None, {"": ""}, {"é": "\ud800"})
                )
                header["__metadata__"] = metadata
            case 7:
                header[name] = odd_json(rng, entry)
            case _:
                text = json_bytes(rng, header)
    text = dumped(header) if text is None else text
    length = len(text) if rng.random() < 0.9 else edge(rng)
    data = packed(length, 8) + text
    return data if rng.random() < 0.9 else damaged(rng, data, header=40)


# --- pickles -------------------------------------------------------------------------------------


def _ckpt(rng: random.Random, path: Path, whole: Mapping[str, Header]) -> str:
    what, data = pickles.archive(rng)
    path.write_bytes(data)
    return what


def _pt(rng: random.Random, path: Path, whole: Mapping[str, Header]) -> str:
    what, data = pickles.legacy(rng)
    path.write_bytes(data)
    return what


# --- several files -------------------------------------------------------------------------------


def _index(rng: random.Random, path: Path, whole: Mapping[str, Header]) -> str:
    """A folder with two shards and their index."""
    path.mkdir()
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    for name in names:
        _plain(path / name, whole["few"])
    index = {"metadata": {"total_size": 18}, "weight_map": {"a": names[0], "b.weight": names[1]}}
    odd = rng.choice(
        (
            *(
                "../../x.safetensors",
                "/etc/passwd",
                "",
                ".",
                "a\0b",
                "\\\\host\\x",
                "C:x",
                "x" * 300,
            ),
            *(5, None, [], "model.safetensors.index.json", names[0] + "/", "loop"),
        )
    )
    if rng.random() < 0.5:
        index["weight_map"][rng.choice(("a", "c", ""))] = odd
    else:
        index = odd_json(rng, index)
    (path / "model.safetensors.index.json").write_bytes(json_bytes(rng, index))
    return _odd_file(rng, path) if rng.random() < 0.3 else repr(odd)[:40]


def _plain(path: Path, header: Header) -> None:
    """A whole file; its tensors are a hole in it, and take no room."""
    text = dumped(header)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(len(text), 8) + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + _size(header))


_FOLDER = {
    "model_index.json": {
        "_class_name": "StableDiffusionDepth2ImgPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "depth_estimator": [None, None],
    },
    "scheduler/scheduler_config.json": {"beta_start": 0.00085, "prediction_type": "epsilon"},
    "unet/config.json": {"attention_head_dim": [1, 2, 4, 4], "in_channels": 5},
    "vae/config.json": {"scaling_factor": 0.18215},
}


def _folder(rng: random.Random, path: Path, whole: Mapping[str, Header]) -> str:
    """A pipeline's folder with tiny weights, and one of its files odd."""
    changed = rng.choice([*_FOLDER, "weights"])
    for name, document in _FOLDER.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        made = dumped(document) if name != changed else json_bytes(rng, odd_json(rng, document))
        (path / name).write_bytes(made)
    for part in ("unet", "vae", "text_encoder"):
        file = "model" if part == "text_encoder" else "diffusion_pytorch_model"
        header = whole[{"unet": "unet", "vae": "vae"}.get(part, "few")]
        names = {n.partition("model.")[2] or n: entry for n, entry in header.items()}
        _plain(path / part / f"{file}.safetensors", names)
        if changed == "weights" and rng.random() < 0.5:
            (path / part / f"{file}.safetensors").write_bytes(safetensors(rng, names))
    return f"{changed}, {_odd_file(rng, path)}" if rng.random() < 0.3 else changed


def _odd_file(rng: random.Random, folder: Path) -> str:
    """Put something else in the place of one file of a folder."""
    file = rng.choice([p for p in sorted(folder.rglob("*")) if p.is_file()])
    file.unlink()
    what = rng.choice(("a link to nothing", "a circle", "a folder", "a pipe", "nothing", "empty"))
    match what:
        case "a link to nothing":
            file.symlink_to("nothing")
        case "a circle":
            file.symlink_to(file.name)
        case "a folder":
            file.mkdir()
        case "a pipe":
            os.mkfifo(file)
        case "empty":
            file.touch()
    return f"{what} for {file.name}"


# --- others --------------------------------------------------------------------------------------


def _gguf(rng: random.Random, path: Path, whole: Mapping[str, Header]) -> str:
    data = b"GGUF" + struct.pack("<IQQ", 3, 2, 1) + struct.pack("<Q", 4) + b"name" + bytes(60)
    path.write_bytes(damaged(rng, data, header=24))
    return "gguf"


_KINDS: Mapping[str, Callable[[random.Random, Path, Mapping[str, Header]], str]] = {
    "safetensors": _safetensors,
    "ckpt": _ckpt,
    "pt": _pt,
    "sharded": _index,
    "folder": _folder,
    "gguf": _gguf,
}
