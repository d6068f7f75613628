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
from typing import NamedTuple, cast

import torch

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine.networks import EngineCLIP, EngineModel, EngineVAE, load
from sd2_depth2img.tools.make_checkpoint import FULL, MINIATURE, make_checkpoint

Side = Callable[[], object]
Parts = tuple[EngineModel, EngineCLIP, EngineVAE]

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


class Work(NamedTuple):
    """What a side took."""

    wall: float  # seconds
    processor: float  # seconds of this process, which other programs lengthen less
    rows: int  # latents that went through a UNet, with and without negative prompts


class Comparison(NamedTuple):
    """What is compared with what."""

    name: str
    sides: Callable[[Parts, int], tuple[Side, Side]]  # for so many steps
    goal: float  # for the ratio of their times
    steps: int
    rounds: int | None = None  # turns of each side, if not as many as asked for


def compare(description: str, setting: str, *comparisons: Comparison) -> None:
    """A benchmark of the engine: every comparison on one checkpoint, with its ratio."""
    parser = options(description)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--only", metavar="TEXT", default="", help="those with this in their name")
    arguments = parser.parse_args()
    say(setting)
    with checkpoint(arguments) as path:
        loaded = cast(Parts, load(Checkpoint.open(path), "cpu"))
        for one in comparisons:
            if arguments.only not in one.name:
                continue
            for side in one.sides(loaded, 1):
                side()  # reads weights and fills caches
            rounds = one.rounds or arguments.rounds
            verdict(one.name, take_turns(one.name, *one.sides(loaded, one.steps), rounds), one.goal)


def take_turns(name: str, ours: Side, theirs: Side, rounds: int) -> float:
    """The median of the ratios ours / theirs by processor time, of sides that have run before.

    Raises RuntimeError when they do not have equal work for the UNet.
    """
    ratios: list[float] = []
    for turn in range(rounds):
        order = (ours, theirs) if turn % 2 == 0 else (theirs, ours)
        works = {side: measured(side) for side in order}
        one, other = works[ours], works[theirs]
        if one.rows != other.rows:
            raise RuntimeError(f"{name}: {one.rows} latents against {other.rows}, not comparable")
        ratios.append(one.processor / other.processor)
        say(
            f"  {name}: {one.processor:.4f} s against {other.processor:.4f} s of the processor; "
            f"by the clock {one.wall:.4f} s against {other.wall:.4f} s: {one.wall / other.wall:.3f}"
        )
    return statistics.median(ratios)


def measured(side: Side) -> Work:
    """Run a side once."""
    rows: list[int] = []

    def count(module: torch.nn.Module, inputs: tuple) -> None:
        if type(module).__name__ == "UNet2DConditionModel":
            rows.append(len(inputs[0]))

    hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
    wall, processor = time.perf_counter(), time.process_time()
    side()
    work = Work(time.perf_counter() - wall, time.process_time() - processor, sum(rows))
    hook.remove()
    return work
