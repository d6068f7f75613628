"""`depth2img demo`: one sheet through the example workflow."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.cli import main
from sd2_depth2img.cli.demo import PHOTO, PROMPTS
from sd2_depth2img.engine import folders
from sd2_depth2img.images.lettering import MARGIN
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

SIZE = 64
QUICK = ["--steps", "1", "--set", f"SD2DepthSettings.size={SIZE}"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current directory."""
    before = folders.current()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    folders.use(before)


@pytest.fixture
def demo(here, mini_checkpoint, capsys):
    """Runs the demo on a random checkpoint: the paths it printed, and its progress lines."""

    def run(*options):
        arguments = ["demo", "--checkpoint", str(mini_checkpoint), *QUICK, *options]
        assert main.main(arguments) == main.OK
        printed = capsys.readouterr()
        return [Path(line) for line in printed.out.splitlines()], printed.err.splitlines()

    return run


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def shows(sheet, image):
    """Whether a sheet holds an image, pixel for pixel."""
    height, width = image.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 1], (height, width))
    corners = np.argwhere((windows == image[..., 1]).all((-2, -1)))
    return any((sheet[y : y + height, x : x + width] == image).all() for y, x in corners)


def saved(paths):
    return [path for path in paths if path.name.startswith("depth2img_")]


def values(path, kind):
    """The inputs of a saved image's nodes of one class."""
    with Image.open(path) as image:
        ran = json.loads(image.text["prompt"])
    return [node["inputs"] for node in ran.values() if node["class_type"] == kind]


def test_the_sheet_shows_photo_depth_map_and_every_prompts_image(demo):
    paths, progress = demo()
    assert paths[-1] == Path("demo/sheet.png")
    sheet = pixels(paths[-1])
    images = saved(paths)
    assert len(images) == len(PROMPTS) == 4
    (depth,) = set(paths) - {*images, paths[-1]}
    assert all(shows(sheet, pixels(path)) for path in [*images, depth])
    with Image.open(PHOTO) as photo:
        scaled = np.asarray(photo.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    photo = sheet[MARGIN : MARGIN + SIZE, MARGIN : MARGIN + SIZE]
    assert np.abs(photo.astype(int) - scaled).mean() < 2
    for class_type in ("SD2DepthCheckpointLoader", "SD2DepthEstimate"):
        assert sum(class_type in line for line in progress) == 1


def test_every_image_has_its_own_prompt_and_seed_and_starts_from_noise(demo):
    paths, _ = demo()
    for seed, (path, prompt) in enumerate(zip(saved(paths), PROMPTS, strict=True)):
        (sampler,) = values(path, "SD2DepthSampler")
        assert (sampler["seed"], sampler["denoise"]) == (seed, 1.0)
        assert prompt in [inputs["text"] for inputs in values(path, "CLIPTextEncode")]


def test_again_gives_the_same_sheet_and_keeps_the_images(demo):
    first, _ = demo("--output", "made")
    sheet = pixels("made/sheet.png")
    second, _ = demo("--output", "made")
    assert np.array_equal(pixels("made/sheet.png"), sheet)
    assert set(saved(first)).isdisjoint(saved(second))
    assert all(path.is_file() for path in (*first, *second))
    assert not list(Path("made").glob(".*"))  # nothing half-written


def test_your_own_photo_and_depth_map(demo, here):
    Image.new("RGB", (90, 90), (10, 200, 30)).save(here / "mine.png")
    ramp = np.tile(np.linspace(0, 255, 2 * SIZE).astype(np.uint8), (2 * SIZE, 1))
    Image.fromarray(ramp).save(here / "ramp.png")
    paths, progress = demo("--image", "mine.png", "--depth", "ramp.png")
    sheet = pixels(paths[-1])
    assert shows(sheet, np.full((SIZE, SIZE, 3), (10, 200, 30), np.uint8))
    halved = Image.fromarray(ramp).convert("RGB").resize((SIZE, SIZE))
    assert shows(sheet, np.asarray(halved))
    assert not any("SD2DepthEstimate" in line for line in progress)


def test_without_a_checkpoint_it_takes_the_bundled_one(here, capsys):
    assert main.main(["demo", *QUICK]) == main.OK
    image = saved(map(Path, capsys.readouterr().out.splitlines()))[0]
    (loader,) = values(image, "SD2DepthCheckpointLoader")
    assert loader["ckpt_name"] == BUNDLED_CHECKPOINT.name
