"""A small real workflow on the miniature, batches of it in other processes, and what they leave.

For tests that kill.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from sd2_depth2img.batches.manifest import DONE, NAME, Record
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.tests.prompts import entry

PAINT = {
    "1": entry("SD2DepthCheckpointLoader", ckpt_name=str(BUNDLED_CHECKPOINT)),
    "2": entry("LoadImage", image="photo.png"),
    "3": entry("SD2DepthEstimate", image=["2", 0], depth_model=["1", 3], resolution=64),
    "4": entry("CLIPTextEncode", text="a {red|green|blue|white} statue", clip=["1", 1]),
    "5": entry("CLIPTextEncode", text="", clip=["1", 1]),
    "6": entry("SD2DepthEncode", positive=["4", 0], negative=["5", 0], depth=["3", 0]),
    "7": entry("VAEEncode", pixels=["2", 0], vae=["1", 2]),
    "8": entry(
        "SD2DepthSampler",
        model=["1", 0],
        positive=["6", 0],
        negative=["6", 1],
        latent_image=["7", 0],
        seed=1,
        steps=1,
        cfg=3.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=0.8,
    ),
    "9": entry("VAEDecode", samples=["8", 0], vae=["1", 2]),
    "10": entry("SaveImage", images=["9", 0], filename_prefix="result"),
}


def write_noise(path: Path, seed: int, size: int = 64) -> Path:
    """A smooth picture that no other seed has."""
    values = np.random.default_rng(seed).integers(0, 255, (size // 8, size // 8, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).resize((size, size), Image.Resampling.BICUBIC).save(path)
    return path


def furnish(folder: Path, count: int) -> None:
    """A workflow, and pictures in two folders, the third of them damaged."""
    (folder / "workflow.json").write_text(json.dumps(PAINT), encoding="utf-8")
    for number in range(count):
        below = "sub/" if number % 2 else ""
        write_noise(folder / "in" / f"{below}{number:03}.png", number)
    bad = folder / "in" / "002.png"
    bad.write_bytes(bad.read_bytes()[:300])


def command(folder: Path, output: str, *options: str) -> list[str]:
    places = ["--input", str(folder / "in"), "--output", str(folder / output)]
    program = [sys.executable, "-m", "sd2_depth2img.cli.main", "batch"]
    return [*program, str(folder / "workflow.json"), *places, *options]


def start(folder: Path, output: str, *options: str) -> subprocess.Popen:
    # Ray's actors import the package from where this process has it.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    log = (folder / f"{output}.log").open("ab")
    with log:
        return subprocess.Popen(
            command(folder, output, *options), stdout=log, stderr=log, env=environment
        )


def lines(folder: Path, output: str) -> list[bytes]:
    path = folder / output / NAME
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def wait_for_more(process: subprocess.Popen, folder: Path, output: str, more: int) -> bool:
    """Until so many lines are added to the manifest; False when the batch has ended before."""
    wanted = len(lines(folder, output)) + more
    deadline = time.monotonic() + 300
    while len(lines(folder, output)) < wanted:
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, (folder / f"{output}.log").read_text()
        time.sleep(0.01)
    return True


def results(folder: Path, output: str) -> dict[str, bytes]:
    """Every file of an output folder but its manifest and its corner."""
    place = folder / output
    files = [path for path in place.rglob("*") if path.is_file() and path.name != NAME]
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in files
        if ".batch" not in path.parts
    }


def check_whole(folder: Path, output: str, count: int) -> dict[str, bytes]:
    """Every result is there once and whole, and the manifest says so; the results."""
    found = results(folder, output)
    names = {f"{'sub/' if n % 2 else ''}{n:03}.png" for n in range(count) if n != 2}
    assert set(found) == names
    records = [Record.parsed(line) for line in lines(folder, output)]
    done = [record for record in records if record.status == DONE]
    assert Counter(record.item for record in done) == Counter(
        {name.removesuffix(".png"): 1 for name in names}
    )
    for record in done:
        (result,) = record.results
        assert result.sha256 == hashlib.sha256(found[result.file]).hexdigest()
    failed = {record.item for record in records} - {record.item for record in done}
    assert failed == {"002"}
    return found
