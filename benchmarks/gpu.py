"""Images per second on a GPU, in one call of four minutes: diffusers, the engine, ComfyUI.

    python benchmarks/gpu.py                        # random weights of SD2's size: rates
    python benchmarks/gpu.py --checkpoint FILE      # the real ones
    COMFYUI_PATH=~/ComfyUI python benchmarks/gpu.py # with ComfyUI, which is started for it
    python benchmarks/gpu.py --cpu --smoke          # tiny, to see that all of it runs

Every side paints from a prompt and a depth map, at strength 1.0, with as many steps, and ends with
an image file (diffusers: an image in memory). What the shortcuts and half precision do to the image
is measured with the bundled miniature, as PSNR against its float32 image.
"""

import argparse
import contextlib
import json
import logging
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import material
import torch
from material import say
from speed import diffusers_side

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine import execution, folders
from sd2_depth2img.engine.execution import Execution, Precision
from sd2_depth2img.engine.networks import load
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.tools.comfyui import ComfyUIError, Program, Server, furnish
from sd2_depth2img.workflows.graph import Results, Runner, parse_workflow
from sd2_depth2img.workflows.pipeline import run_all

TEXT, NEGATIVE = "a red clay statue on a blue background", ""
SHORTCUTS = {"defaults": (0.0, 0.7, 2), "every 3rd": (0.0, 0.6, 3)}  # of Faster Sampling
NAME = "benchmark.safetensors"

GOAL_DIFFUSERS = 1.5  # times diffusers' images per second, batched and compiled
GOAL_SHORTCUTS = 2.0  # times that, at
GOAL_PSNR = 30.0  # dB


@dataclass(frozen=True)
class Plan:
    """How much is painted."""

    pixels: int
    steps: int
    batch: int
    seconds: float  # of measuring, for each side
    deadline: float  # by time.monotonic; what would begin later is left out


def main() -> None:
    """Measure every side and print its rate and its factor."""
    arguments = _options()
    logging.disable(logging.WARNING)  # random weights at odd sizes
    if not arguments.cpu and not torch.cuda.is_available():
        raise SystemExit("there is no GPU here; --cpu --smoke only tries whether all of this runs")
    plan = Plan(
        pixels=64 if arguments.smoke else arguments.pixels,
        steps=2 if arguments.smoke else arguments.steps,
        batch=2 if arguments.smoke else arguments.batch,
        seconds=0.0 if arguments.smoke else 8.0,
        deadline=time.monotonic() + arguments.seconds,
    )
    device = "cpu" if arguments.cpu else torch.cuda.get_device_name()
    say(
        f"{device}: {plan.pixels}×{plan.pixels} pixels, {plan.steps} steps of Euler, batches of "
        f"{plan.batch}, PyTorch {torch.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        base = furnish(Path(folder))
        path = base / "models" / "checkpoints" / NAME
        if arguments.checkpoint:
            path.symlink_to(arguments.checkpoint.absolute())
        else:
            size = material.SIZES["miniature" if arguments.smoke else "full"]
            dtype = torch.float32 if arguments.cpu else torch.float16
            material.make_checkpoint(path, size, dtype=dtype)
        folders.use(folders.Folders.below(base))
        _rates(path, plan, arguments.cpu)
        _comfyui_rates(base, plan, arguments.cpu)
    _fidelity(plan, arguments.cpu)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--checkpoint", type=Path, metavar="FILE", help="default: random weights")
    add("--pixels", type=int, default=512)
    add("--steps", type=int, default=20)
    add("--batch", type=int, default=8, help="images at once (default: %(default)s)")
    add("--seconds", type=float, default=200, help="after which nothing new begins")
    add("--cpu", action="store_true", help="without a GPU")
    add("--smoke", action="store_true", help="tiny networks and images, once")
    return parser.parse_args()


# --- rates ---------------------------------------------------------------------------------------


def _rates(path: Path, plan: Plan, cpu: bool) -> None:
    """diffusers, and the engine in more and more of its ways."""
    half = Precision.BF16 if cpu else Precision.FP16
    theirs = rate("diffusers", lambda: _diffusers(path, plan, half), plan)
    one = rate("engine, one by one", lambda: _engine(path, plan, Execution(half), 1), plan)
    many = rate("engine, batches", lambda: _engine(path, plan, Execution(half), plan.batch), plan)
    fast = many
    if cpu:
        say("engine, compiled: left out on a CPU, where it takes minutes")
    else:
        how = Execution(half, compiles=True)
        fast = rate("engine, batches, compiled", lambda: _engine(path, plan, how, plan.batch), plan)
    _factor("one by one / diffusers", one, theirs)
    _factor("batches / diffusers", many, theirs)
    _factor("batches, compiled / diffusers", fast, theirs, GOAL_DIFFUSERS, plan)
    for name, shortcuts in SHORTCUTS.items():
        quick = rate(
            f"engine, batches, shortcuts ({name})",
            lambda: _engine(path, plan, Execution(half), plan.batch, shortcuts),  # noqa: B023
            plan,
        )
        _factor(f"shortcuts ({name}) / batches", quick, many, GOAL_SHORTCUTS, plan)


def rate(name: str, side: Callable[[], Callable[[], int]], plan: Plan) -> float | None:
    """Images per second of a side, which is made, tried once, and then repeated for a while.

    None, and a line that says why, where there is no time left or it fails.
    """
    if time.monotonic() > plan.deadline:
        say(f"{name}: left out, the time is over")
        return None
    try:
        paint = side()
        paint()
        _wait()
        wall, processor, images = time.perf_counter(), time.process_time(), 0
        while not images or time.perf_counter() - wall < plan.seconds:
            images += paint()
        _wait()
    except (RuntimeError, FloatingPointError, OSError, ComfyUIError) as error:
        say(f"{name}: failed: {str(error).splitlines()[0]}")
        return None
    seconds, used = time.perf_counter() - wall, time.process_time() - processor
    memory = f", {_peak():.1f} GB" if torch.cuda.is_available() else ""
    say(
        f"{name}: {images / seconds:.2f} images/s ({images} in {seconds:.1f} s, {used:.1f} s of "
        f"the processor{memory})"
    )
    return images / seconds


def _factor(
    name: str,
    one: float | None,
    other: float | None,
    goal: float | None = None,
    plan: Plan | None = None,
) -> None:
    if one is None or other is None:
        return
    reached = ""
    if goal is not None and plan is not None and plan.seconds:
        reached = f" (goal: {goal}) {'ok' if one / other >= goal else 'MISSED'}"
    say(f"  {name}: {one / other:.2f} times as many{reached}")


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _peak() -> float:
    peak = torch.cuda.max_memory_allocated() / 1e9
    torch.cuda.reset_peak_memory_stats()
    return peak


# --- sides ---------------------------------------------------------------------------------------


def _diffusers(path: Path, plan: Plan, precision: Precision) -> Callable[[], int]:
    """diffusers' pipeline with all its networks in half precision."""
    parts = load(Checkpoint.open(path), _device(precision), Execution(precision))
    dtype = torch.bfloat16 if precision is Precision.BF16 else torch.float16
    for part in parts:
        torch.nn.Module.to(part.network, dtype)
    paint = diffusers_side(parts, plan.steps, plan.pixels)

    def side() -> int:
        paint()
        return 1

    return side


def _device(precision: Precision) -> str:
    return "cpu" if precision is Precision.BF16 else "cuda"


def _engine(
    path: Path, plan: Plan, how: Execution, at_once: int, shortcuts: tuple | None = None
) -> Callable[[], int]:
    """Workflows of one image each, as `depth2img batch` runs them."""
    execution.use(how)
    runner = Runner(memory=2**30)
    seeds = iter(range(10**9))
    count = 2 * at_once if plan.seconds else at_once  # so that decoding overlaps with sampling

    def side() -> int:
        items = [
            parse_workflow(workflow(plan, str(path), next(seeds), 1, shortcuts))
            for _ in range(count)
        ]
        for outcome in run_all(runner, items, at_once):
            if not isinstance(outcome, Results):
                raise RuntimeError(str(outcome))
        return count

    return side


def workflow(
    plan: Plan, checkpoint: str, seed: int, batch: int, shortcuts: tuple | None
) -> dict[str, Any]:
    """From a prompt and a dome of a depth map to image files, in the API format."""
    size = {"width": plan.pixels, "height": plan.pixels, "batch_size": batch}
    sampling = {"steps": plan.steps, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal"}
    links = {"positive": ["6", 0], "negative": ["6", 1], "latent_image": ["7", 0]}
    model = ["1", 0] if shortcuts is None else ["8", 0]
    sampler = {"model": model, **links, **sampling, "seed": seed, "denoise": 1.0}
    nodes: dict[str, tuple[str, dict[str, Any]]] = {
        "1": ("SD2DepthCheckpointLoader", {"ckpt_name": checkpoint}),
        "2": ("EmptyImage", {**size, "batch_size": 1, "color": 0x808080}),
        "3": ("SD2DepthFill", {"depth": ["2", 0], "shape": "dome"}),
        "4": ("CLIPTextEncode", {"clip": ["1", 1], "text": TEXT}),
        "5": ("CLIPTextEncode", {"clip": ["1", 1], "text": NEGATIVE}),
        "6": ("SD2DepthEncode", {"positive": ["4", 0], "negative": ["5", 0], "depth": ["3", 0]}),
        "7": ("EmptyLatentImage", size),
        "9": ("SD2DepthSampler", sampler),
        "10": ("VAEDecode", {"samples": ["9", 0], "vae": ["1", 2]}),
        "11": ("SaveImage", {"images": ["10", 0], "filename_prefix": "benchmark"}),
    }
    if shortcuts is not None:
        names = ("guidance_start", "guidance_end", "deep_every")
        given = dict(zip(names, shortcuts, strict=True))
        nodes["8"] = ("SD2DepthFaster", {"model": ["1", 0], **given})
    return {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}


# --- ComfyUI -------------------------------------------------------------------------------------


def _comfyui_rates(base: Path, plan: Plan, cpu: bool) -> None:
    try:
        program = Program.find()
    except ComfyUIError as error:
        say(f"ComfyUI: left out: {error}")
        return
    if time.monotonic() > plan.deadline:
        say("ComfyUI: left out, the time is over")
        return
    with _server(program, base, cpu) as server:
        seeds = iter(range(10**9))

        def side(batch: int, shortcuts: tuple | None) -> Callable[[], int]:
            def paint() -> int:
                _run(server, workflow(plan, NAME, next(seeds), batch, shortcuts))
                return batch

            return paint

        one = rate("ComfyUI, one by one", lambda: side(1, None), plan)
        many = rate("ComfyUI, batches", lambda: side(plan.batch, None), plan)
        defaults = SHORTCUTS["defaults"]
        quick = rate("ComfyUI, batches, shortcuts", lambda: side(plan.batch, defaults), plan)
        _factor("batches / one by one", many, one)
        _factor("shortcuts / batches", quick, many, GOAL_SHORTCUTS, plan)


@contextlib.contextmanager
def _server(program: Program, base: Path, cpu: bool) -> Iterator[Server]:
    torch.cuda.empty_cache()
    with Server.running(program, base, *(["--cpu"] if cpu else [])) as server:
        yield server


def _run(server: Server, graph: dict[str, Any]) -> None:
    """Queue a workflow and wait for its end. Raises ComfyUIError."""
    number = _ask(server, "/prompt", {"prompt": graph})["prompt_id"]
    while number not in (history := _ask(server, f"/history/{number}")):
        server.check_alive()
        time.sleep(0.01)
    status = history[number]["status"]
    if status["status_str"] != "success":
        raise ComfyUIError(f"the workflow failed: {dict(status['messages'])}")


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine


def _ask(server: Server, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(server.url + path, data, headers)
    with _direct.open(request, timeout=60) as answer:
        return json.load(answer)


# --- fidelity ------------------------------------------------------------------------------------


def _fidelity(plan: Plan, cpu: bool) -> None:
    """What half precision and the shortcuts do to the miniature's image, at 256 pixels."""
    plan = Plan(256, plan.steps if plan.seconds else 4, 1, 0.0, plan.deadline)
    exact = _painted(plan, Execution(Precision.FP32), None)
    half = Precision.BF16 if cpu else Precision.FP16
    say("PSNR against float32 without shortcuts (the miniature):")
    for name, how, shortcuts in (
        (half.value, Execution(half), None),
        *((f"shortcuts ({n})", Execution(Precision.FP32), s) for n, s in SHORTCUTS.items()),
    ):
        error = (_painted(plan, how, shortcuts) - exact).pow(2).mean()
        decibels = -10 * torch.log10(error).item()
        say(f"  {name}: {decibels:.1f} dB {'ok' if decibels >= GOAL_PSNR else 'MISSED'}")


def _painted(plan: Plan, how: Execution, shortcuts: tuple | None) -> torch.Tensor:
    execution.use(how)
    with tempfile.TemporaryDirectory() as folder:
        folders.use(folders.Folders.below(furnish(Path(folder))))
        graph = workflow(plan, str(BUNDLED_CHECKPOINT), 1, 1, shortcuts)
        graph["9"]["inputs"]["cfg"] = 3.0  # which suits the miniature
        return Runner().run(parse_workflow(graph)).outputs["10"][0][0]


if __name__ == "__main__":
    main()
