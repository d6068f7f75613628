"""Writes a checkpoint with exactly the structure of `512-depth-ema` and random weights.

    python -m sd2_depth2img.tools.make_checkpoint FILE.safetensors [--full-size]

It knows nothing and paints noise, but every loader, node and workflow takes it like the real
file, which makes it the material of the tests.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..checkpoints.architecture import (
    FULL_TEXT,
    FULL_UNET,
    FULL_VAE,
    TextArchitecture,
    UNetArchitecture,
    VAEArchitecture,
)
from ..checkpoints.identify.diagnosis import Part
from ..depth.networks.midas_hybrid import DPTHybrid, Widths
from ..disk.writing import written_whole


@dataclass(frozen=True)
class Structure:
    """The widths of a checkpoint's parts; without `midas` the depth network is left out."""

    unet: UNetArchitecture
    vae: VAEArchitecture
    text: TextArchitecture
    midas: Widths | None

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the file."""
        parts = {
            Part.UNET: self.unet.tensors(),
            Part.VAE: self.vae.tensors(),
            Part.TEXT: self.text.tensors(),
            Part.MIDAS: {} if self.midas is None else _midas_tensors(self.midas),
        }
        return {
            part.value + name: shape
            for part, tensors in parts.items()
            for name, shape in tensors.items()
        }


def _midas_tensors(widths: Widths) -> dict[str, tuple[int, ...]]:
    """The depth network's tensors, with those that lie in the real file without being used."""
    with torch.device("meta"):
        network = DPTHybrid(widths)
    tensors = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    unused = {
        "pretrained.model.norm": (widths.tokens,),
        "pretrained.model.head": (1000, widths.tokens),
        "scratch.refinenet4.resConfUnit1.conv1": (widths.fusion, widths.fusion, 3, 3),
        "scratch.refinenet4.resConfUnit1.conv2": (widths.fusion, widths.fusion, 3, 3),
    }
    for layer, shape in unused.items():
        tensors |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    return tensors


FULL = Structure(
    FULL_UNET,
    FULL_VAE,
    FULL_TEXT,
    Widths(
        stem=64,
        stages=(256, 512, 1024),
        tokens=768,
        mlp=3072,
        grid=24,
        neck=(768, 768),
        fusion=256,
        head=(128, 32),
    ),
)

MINIATURE_MIDAS = Widths(
    stem=32,
    stages=(128, 128, 128),
    tokens=64,
    mlp=128,
    grid=12,
    neck=(32, 32),
    fusion=32,
    head=(16, 32),  # the second is fixed in transformers' DPT
)

# The head size of 64 is fixed in SD2 and cannot be read from a file, so widths are multiples of 64
# wherever there is attention with heads.
MINIATURE = Structure(
    unet=UNetArchitecture(
        in_channels=5,
        out_channels=4,
        model_channels=64,
        channel_mult=(1, 2),
        res_blocks=1,
        attention=(True, True),
        context_dim=64,
    ),
    vae=VAEArchitecture(channels=32, channel_mult=(1, 1, 2, 2), res_blocks=1),
    text=TextArchitecture(width=64, layers=3, mlp_width=256),
    midas=MINIATURE_MIDAS,
)


def make_checkpoint(
    path: Path | str,
    structure: Structure = MINIATURE,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Write a random checkpoint as safetensors: the same seed gives the same file.

    It is written under a temporary name and renamed when complete. Raises FileNotFoundError when
    the folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into")
    weights = random_weights(structure.tensors(), seed, dtype)
    write(path, weights, structure, {"title": "random weights", "seed": seed})
    return path


def write(
    path: Path, weights: dict[str, Tensor], structure: Structure, facts: Mapping[str, object]
) -> None:
    """Write a checkpoint; facts and structure go into its metadata as JSON, under "depth2img"."""
    # One entry, because the library writes several in an order that changes from run to run.
    metadata = {"depth2img": json.dumps({**facts, "structure": asdict(structure)})}
    with written_whole(path) as unfinished:
        save_file(weights, unfinished, metadata)


def random_weights(
    shapes: Mapping[str, tuple[int, ...]], seed: int, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Random tensors whose layers keep the variance of what passes through them."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _random(name, shape, generator).to(dtype) for name, shape in shapes.items()}


def _random(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    noise = torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return 0.02 * noise
    if len(shape) <= 1:  # the scale of a normalisation
        return 1.0 + 0.02 * noise
    if "embedding" in name or name.endswith(("pos_embed", "cls_token")):
        return 0.5 * noise
    if name.endswith("scratch.output_conv.4.weight"):
        noise = noise.abs()  # what follows cuts off below zero, which would leave a flat map
    return noise / math.sqrt(math.prod(shape[1:]))


# --- command line --------------------------------------------------------------------------------


def main() -> None:
    """Write the file that was asked for, the miniature unless said otherwise."""
    parser = argparse.ArgumentParser(prog="make_checkpoint", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("path", type=Path, metavar="FILE", help="file to write, .safetensors")
    add("--seed", type=int, default=0, metavar="N", help="of the weights (default 0)")
    add("--no-midas", action="store_true", help="leave the depth network out")
    add("--full-size", action="store_true", help="the real widths, about 5 GB")
    options = parser.parse_args()
    structure = FULL if options.full_size else MINIATURE
    if options.no_midas:
        structure = replace(structure, midas=None)
    path = make_checkpoint(options.path, structure, options.seed)
    sys.stdout.write(f"{path} ({path.stat().st_size / 1e6:.1f} MB)\n")


if __name__ == "__main__":
    main()
