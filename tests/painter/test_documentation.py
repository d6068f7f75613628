"""docs/python.md: its examples run, it names every argument, also those of diffusers."""

import inspect
import re

import numpy as np
import PIL.Image
import pytest
import torch
from diffusers import StableDiffusionDepth2ImgPipeline
from safetensors.torch import save_file

from sd2_depth2img import DepthToImage
from sd2_depth2img.nodes import settings
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

PAGE = BUNDLED_CHECKPOINT.parents[1] / "docs" / "python.md"
EXAMPLES = re.findall(r"^```python\n(.+?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)

# Of a pipeline, in which every option has a place of its own.
OF_ALL_PIPELINES = {"self", "kwargs", "callback_on_step_end_tensor_inputs"}


@pytest.fixture
def desk(base, checkpoint, folder, pixels, monkeypatch):
    """A folder with what the examples name, in small; four steps suit the model."""
    monkeypatch.chdir(base)
    monkeypatch.setattr(settings, "MINIATURE", settings.Suited(64, 4, 3.0))
    for name in ("checkpoints", "loras"):
        (base / "models" / name).mkdir(parents=True)
    (base / "models" / "checkpoints" / BUNDLED_CHECKPOINT.name).symlink_to(checkpoint)
    (base / "my-depth-finetune").symlink_to(folder)
    stem = "diffusion_model.input_blocks.0.0"
    lora = {f"{stem}.lora_up.weight": (128, 2, 1, 1), f"{stem}.lora_down.weight": (2, 5, 3, 3)}
    lora = {name: torch.randn(shape) for name, shape in lora.items()}
    save_file(lora, base / "models" / "loras" / "style.safetensors")
    PIL.Image.fromarray(pixels[:48, :48]).save("photo.jpg")
    PIL.Image.fromarray(pixels[:48, :48, 0]).save("depth.png")
    PIL.Image.fromarray(np.uint8(255) * (pixels[:48, :48] > 128).all(-1)).save("mask.png")
    return base


@pytest.mark.usefixtures("one_thread")
def test_the_examples_run(desk, capsys):
    program = {}
    assert len(EXAMPLES) >= 8
    for number, example in enumerate(EXAMPLES, start=1):
        exec(compile(example, f"example {number} of {PAGE.name}", "exec"), program)
    assert PIL.Image.open("statue.png").size == (48, 48)
    assert PIL.Image.open("preview.png").size == (48, 48)
    assert "3 of 4\nthe callback has returned False at step 3 of 4" in capsys.readouterr().out
    assert len(program["four"]) == 4
    assert len(program["styles"]) == len(program["pairs"]) == 2


def named(text):
    return {
        name for quoted in re.findall(r"`([^`\n]+)`", text) for name in re.findall(r"\w+", quoted)
    }


def test_every_argument_is_named():
    page = PAGE.read_text("utf-8")
    examples = set(re.findall(r"(\w+)=", "".join(EXAMPLES)))
    for function in (DepthToImage.__init__, DepthToImage.__call__):
        arguments = inspect.signature(function).parameters.keys() - {"self"}
        assert arguments <= named(page) | examples | set(re.findall(r"\*\*(\w+)\*\*", page))


def test_every_argument_of_diffusers_has_its_row():
    table = PAGE.read_text("utf-8").split("## Coming from diffusers")[1]
    theirs = inspect.signature(StableDiffusionDepth2ImgPipeline.__call__).parameters
    assert theirs.keys() - OF_ALL_PIPELINES <= named(table)
    assert f"strength={theirs['strength'].default}" in table
    assert f"num_inference_steps={theirs['num_inference_steps'].default}" in table
    assert f"guidance_scale={theirs['guidance_scale'].default}" in table
