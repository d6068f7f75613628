"""Peak memory of loading a checkpoint, relative to the size of the weights in memory.

Each measurement runs in a process of its own. "Loading" is from opening the file until every
weight of UNet, VAE and text encoder has been touched once; what the process holds before that
(Python, PyTorch, diffusers) is subtracted. Needs Linux or macOS.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import material
import psutil
import torch

# The engine imports these when it first builds a network, which would count as loading.
from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: F401
from transformers import CLIPTextModel  # noqa: F401

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine.networks import load

GOAL = 1.3


def main() -> None:
    """Measure a float32 and a float16 file."""
    parser = material.options("peak memory of loading a checkpoint")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    for dtype in (torch.float32, torch.float16):
        with material.checkpoint(arguments, dtype) as path:
            subprocess.run([sys.executable, __file__, "--measure", path], check=True)


def measure(path: Path) -> None:
    """Load everything in this process and print what it took."""
    before = psutil.Process().memory_info().rss
    networks = [part.network for part in load(Checkpoint.open(path), "cpu")]
    weights = [weight for network in networks for weight in network.parameters()]
    for weight in weights:
        weight.sum()
    size = sum(weight.nbytes for weight in weights)
    peak = _peak() - before
    stored = path.stat().st_size
    material.say(
        f"file {stored / 1e9:.2f} GB, weights in memory {size / 1e9:.2f} GB, "
        f"peak while loading {peak / 1e9:.2f} GB"
    )
    material.verdict("peak memory of loading / size of the weights", peak / size, GOAL)


def _peak() -> int:
    """The most memory this process ever held, in bytes; Linux counts in KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
