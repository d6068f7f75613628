"""What the benchmarks share: their options, a random checkpoint, and how a line is printed."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from sd2_depth2img.standalone.make_checkpoint import FULL, MINIATURE, make_checkpoint

# Without the depth network: no benchmark runs it.
SIZES = {"full": replace(FULL, midas=None), "miniature": replace(MINIATURE, midas=None)}


def options(description: str) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--checkpoint", type=Path, help="a depth checkpoint; default: a random one")
    parser.add_argument("--size", choices=SIZES, default="full", help="of the random checkpoint")
    return parser


@contextmanager
def checkpoint(arguments: argparse.Namespace, dtype: torch.dtype = torch.float32) -> Iterator[Path]:
    """The checkpoint that the options ask for; a random one is deleted afterwards."""
    if arguments.checkpoint is not None:
        yield arguments.checkpoint
        return
    with tempfile.TemporaryDirectory() as folder:
        say(f"writing a random checkpoint ({arguments.size}, {dtype}) ...")
        path = Path(folder) / "random.safetensors"
        yield make_checkpoint(path, SIZES[arguments.size], dtype=dtype)


def say(line: str) -> None:
    """Print a line at once, so that a long run shows where it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def verdict(name: str, value: float, goal: float) -> None:
    """Print a measured value beside its goal."""
    say(f"{name}: {value:.3f} (goal: at most {goal}) {'ok' if value <= goal else 'MISSED'}")
