"""`from sd2_depth2img import DepthToImage` in ComfyUI's process: it runs on ComfyUI."""

import json
import subprocess

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sd2_depth2img import DepthToImage
from sd2_depth2img.tests.comfyui.paint_in_python import TASKS, paint

pytestmark = pytest.mark.filterwarnings("ignore:the image has .* pixels")


@pytest.fixture(scope="module")
def given(photo):
    """[64, 64] of a photograph, with masks and a depth map."""
    pixels = (photo[0, 60:124, 180:244] * 255).round().to(torch.uint8).numpy()
    mask = np.zeros((64, 64), np.uint8)
    mask[20:45, 10:40] = 255
    return {
        "photo": pixels,
        "depth": pixels[..., 1],
        "mask": mask,
        "grey": mask // 2,
        "small mask": mask[::2, ::2],
    }


@pytest.fixture(scope="module")
def lora(comfyui):
    """A LoRA of the first convolution, in ComfyUI's folder."""
    stem, generator = "diffusion_model.input_blocks.0.0", torch.Generator().manual_seed(0)
    shapes = {f"{stem}.lora_up.weight": (64, 2, 1, 1), f"{stem}.lora_down.weight": (2, 5, 3, 3)}
    path = comfyui.folder("models/loras") / "style.safetensors"
    save_file(
        {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}, path
    )
    return path


@pytest.fixture(scope="module")
def there(comfyui, given, lora, diffusers_folder, request, tmp_path_factory):
    """What the script says, and what it has painted."""
    place = tmp_path_factory.mktemp("python")
    np.savez(place / "tasks.npz", **given)
    elsewhere = comfyui.base / "elsewhere"
    elsewhere.symlink_to(diffusers_folder)
    python, *_ = comfyui.process.args
    run = subprocess.run(
        [
            python,
            request.path.parent / "paint_in_python.py",
            comfyui.program,
            comfyui.folder("custom_nodes") / "sd2-depth2img",
            comfyui.base,
            "mini.safetensors",
            place / "tasks.npz",
            place / "results.npz",
        ],
        cwd=comfyui.base,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    elsewhere.unlink()
    answers = [line for line in run.stdout.splitlines() if line.startswith("RESULT")]
    assert len(answers) == 1, f"the script gave no answer:\n{run.stdout}\n{run.stderr}"
    return json.loads(answers[0].removeprefix("RESULT")), dict(np.load(place / "results.npz"))


@pytest.fixture(scope="module")
def painter(mini_checkpoint):
    """On the engine, in this process."""
    return DepthToImage(mini_checkpoint, device="cpu")


def differ(found, expected):
    """By how much the bytes differ at most."""
    assert found.shape == expected.shape
    return np.abs(found.astype(int) - expected.astype(int)).max()


def test_it_is_the_pack_that_comfyui_has_loaded(there):
    said, _ = there
    assert said["host"] == "comfyui"
    assert said["one package"]
    assert said["registered"] == 1


@pytest.mark.parametrize("task", TASKS)
def test_it_paints_what_the_engine_paints(there, painter, given, task):
    """To within the rounding to 8 bits."""
    assert differ(there[1][task], paint(painter, given, TASKS[task])) <= 1


@pytest.mark.parametrize("task", ["mask", "crop", "grey mask"])
def test_outside_of_the_mask_every_pixel_stays(there, given, task):
    differs = (there[1][task][0] != given["photo"]).any(axis=-1)
    assert differs.any()
    assert not differs[given["mask"] == 0].any()


def test_loras_and_models_by_path(there, painter, mini_checkpoint, lora, given):
    styled = DepthToImage(mini_checkpoint, lora={lora: 0.5}, device="cpu")
    expected = paint(styled, given, TASKS["depth"])
    assert differ(there[1]["lora"], expected) <= 1
    assert differ(there[1]["lora"], there[1]["depth"]) > 3
    assert differ(there[1]["by path"], there[1]["depth"]) <= 1


def test_depth_is_estimated_alike(there, painter, given):
    assert np.abs(there[1]["estimate"] - painter.estimate(given["photo"])).max() < 1e-3


def test_every_step_is_seen_and_can_end_the_run(there):
    said, _ = there
    assert said["steps"] == [[1, 2], [2, 2]]
    assert said["last latent"]
    assert said["cancelled"] == "Cancelled: the callback has returned False at step 1 of 2"


def test_what_is_said_there(there):
    said, _ = there
    assert "ComfyUI decides where its models run" in said["device"]
    assert "ComfyUI decides how its models run" in said["precision"]
    assert said["missing"].startswith("FileNotFoundError: there is no checkpoint")
    assert "the mask has 32 x 32 pixels" in said["warned"]
