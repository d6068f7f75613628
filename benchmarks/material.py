"""What the benchmarks share: options, a random checkpoint, lines of text, two sides in turns."""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine.networks import EngineCLIP, EngineModel, EngineVAE, load
from sd2_depth2img.tools.make_checkpoint import FULL, MINIATURE, make_checkpoint

Side = Callable[[], object]
Parts = tuple[EngineModel, EngineCLIP, EngineVAE]
# What is compared with what, how to make the two sides, the goal for the ratio of their times.
Comparison = tuple[str, Callable[[Parts], tuple[Side, Side]], float]

# Without the depth network: no benchmark runs it.
SIZES = {"full": replace(FULL, midas=None), "miniature": replace(MINIATURE, midas=None)}


def options(description: str) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", choices=SIZES, default="full")
    return parser


@contextmanager
def checkpoint(arguments: argparse.Namespace, dtype: torch.dtype = torch.float32) -> Iterator[Path]:
    """A random checkpoint, which is deleted afterwards: no time depends on its values."""
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


# --- Measuring -----------------------------------------------------------------------------------


def compare(description: str, setting: str, *comparisons: Comparison) -> None:
    """A benchmark of the engine: every comparison on one checkpoint, with its ratio."""
    parser = options(description)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    arguments = parser.parse_args()
    say(setting)
    with checkpoint(arguments) as path:
        loaded = cast(Parts, load(Checkpoint.open(path), "cpu"))
        for name, sides, goal in comparisons:
            ours, theirs = sides(loaded)
            _check_calls(name, loaded[0], ours, theirs)
            verdict(name, take_turns(name, ours, theirs, arguments.rounds), goal)


def _check_calls(name: str, model: EngineModel, ours: Side, theirs: Side) -> None:
    """Run both once, which also reads weights and fills caches.

    Raises RuntimeError when they do not call the UNet equally often.
    """
    calls = [_unet_calls(model, side) for side in (ours, theirs)]
    if calls[0] != calls[1]:
        raise RuntimeError(f"{name}: {calls[0]} UNet calls against {calls[1]}; nothing to compare")


def take_turns(
    name: str,
    ours: Side,
    theirs: Side,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """The median of the ratios ours / theirs, of sides that have run before."""
    ratios: list[float] = []
    for turn in range(rounds):
        order = (ours, theirs) if turn % 2 == 0 else (theirs, ours)
        seconds = {side: _seconds(side, clock) for side in order}
        ratios.append(seconds[ours] / seconds[theirs])
        say(f"  {name}: {seconds[ours]:.4f} s against {seconds[theirs]:.4f} s")
    return statistics.median(ratios)


def _unet_calls(model: EngineModel, side: Side) -> int:
    calls: list[int] = []
    hook = model.network.register_forward_hook(lambda *_: calls.append(1))
    side()
    hook.remove()
    return len(calls)


def _seconds(side: Side, clock: Callable[[], float]) -> float:
    start = clock()
    side()
    return clock() - start
