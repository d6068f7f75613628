"""Folders of depth models as transformers saves them: settings, weights, code beside them."""

import functools
import json
import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import transformers

from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS

from . import pickles
from .guards import CANARY
from .mutations import damaged, dumped, json_bytes, odd_json
from .runner import Attempt, Maker

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
TYPES = ("glpn", "dpt", "depth_anything", "zoedepth", "depth_pro", "bert", "odd", None, 5)
CODE = f"import {CANARY}\n"


def maker() -> Maker:
    """Each input is a small folder with one of its files odd."""

    def make(rng: random.Random, place: Path) -> Attempt:
        folder = place / "models" / "depth" / "model"
        folder.mkdir(parents=True)
        for name, data in _whole().items():
            (folder / name).write_bytes(data)
        change = rng.choice(_CHANGES)
        change(rng, folder)
        load = NODE_CLASS_MAPPINGS["SD2DepthModelLoader"]()
        return Attempt(
            lambda: load.execute(str(folder))[0].network, [folder.name], change.__name__.strip("_")
        )

    return make


@functools.cache
def _whole() -> Mapping[str, bytes]:
    config = transformers.GLPNConfig(
        num_encoder_blocks=4,
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 8, 8],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
    )
    with tempfile.TemporaryDirectory() as folder:
        transformers.GLPNForDepthEstimation(config).save_pretrained(folder)
        transformers.GLPNImageProcessor().save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _changed(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    path = folder / name
    path.write_bytes(dumped(change(json.loads(path.read_bytes()))))


def _settings(rng: random.Random, folder: Path) -> None:
    path = folder / rng.choice((CONFIG, CONFIG, PROCESSOR))
    path.write_bytes(json_bytes(rng, odd_json(rng, json.loads(path.read_bytes()))))


def _sizes(rng: random.Random, folder: Path) -> None:
    """A network of another size than its weights."""
    key = rng.choice(("hidden_sizes", "decoder_hidden_size", "depths", "mlp_ratios", "strides"))
    size = rng.choice((0, -1, 1, 64, 1 << 14, 1 << 20, 1 << 40, 1.5, "8"))
    value = size if key == "decoder_hidden_size" else [size] * rng.choice((4, 4, 1, 9))
    _changed(folder, CONFIG, lambda config: {**config, key: value})


def _type(rng: random.Random, folder: Path) -> None:
    _changed(folder, CONFIG, lambda config: {**config, "model_type": rng.choice(TYPES)})


def _code(rng: random.Random, folder: Path) -> None:
    """Code beside the model, and settings that ask for it."""
    for name in ("modeling.py", "configuration.py", "__init__.py"):
        (folder / name).write_text(CODE)
    classes = {
        "AutoConfig": "configuration.Config",
        "AutoModelForDepthEstimation": rng.choice(("modeling.Model", "stranger/model--modeling.M")),
        "AutoImageProcessor": "modeling.Processor",
    }
    name = rng.choice((CONFIG, PROCESSOR))
    _changed(folder, name, lambda settings: {**settings, "auto_map": classes})
    if rng.random() < 0.5:
        _type(rng, folder)


def _weights(rng: random.Random, folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(damaged(rng, path.read_bytes(), header=4_000))


def _pickle(rng: random.Random, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickles.archive(rng)[1])


_CHANGES = (_settings, _settings, _sizes, _type, _code, _weights, _pickle)
