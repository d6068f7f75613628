"""The command line: what it runs, what it prints, how it ends."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.cli import main
from sd2_depth2img.engine import compiling, execution, folders
from sd2_depth2img.tests.prompts import SCALE, entry
from sd2_depth2img.workflows import graph


@pytest.fixture(autouse=True)
def _keep_folders():
    before = folders.current()
    yield
    folders.use(before)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current directory with an input folder."""
    (tmp_path / "input").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


DEPTH = {
    "1": entry("SD2DepthCheckpointLoader", ckpt_name="512-depth-ema.safetensors"),
    "2": entry("LoadImage", image="photo.png"),
    "3": entry("SD2DepthEstimate", image=["2", 0], depth_model=["1", 3], resolution=64),
    "4": entry("CLIPTextEncode", text="a house", clip=["1", 1]),
    "5": entry("CLIPTextEncode", text="blurry", clip=["1", 1]),
    "6": entry("SD2DepthEncode", positive=["4", 0], negative=["5", 0], depth=["3", 0]),
    "7": entry("EmptyLatentImage", width=64, height=64, batch_size=1),
    "8": entry(
        "SD2DepthSampler",
        model=["1", 0],
        seed=1,
        steps=20,
        cfg=3.0,
        sampler_name="euler",
        scheduler="normal",
        positive=["6", 0],
        negative=["6", 1],
        latent_image=["7", 0],
        denoise=1.0,
    ),
    "9": entry("VAEDecode", samples=["8", 0], vae=["1", 2]),
    "10": entry("SaveImage", images=["9", 0], filename_prefix="result"),
}


def write(path, workflow):
    path.write_text(json.dumps(workflow), encoding="utf-8")
    return str(path)


def photo(path, size=(64, 64)):
    values = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3)
    Image.fromarray(values.astype(np.uint8)).save(path)
    return str(path)


# --- run -----------------------------------------------------------------------------------------


def test_runs_a_workflow_from_a_shell(here, mini_checkpoint):
    """The whole way once: another process, a real checkpoint, all the options."""
    command = [sys.executable, "-m", "sd2_depth2img.cli.main", "run"]
    options = {
        "--checkpoint": str(mini_checkpoint),
        "--image": photo(here / "mine.png"),
        "--prompt": "a castle",
        "--negative": "text",
        "--seed": "18446744073709551615",
        "--steps": "1",
        "--set": "SD2DepthSampler.cfg=2",
        "--output": "made",
    }
    flat = [part for option in options.items() for part in option]
    workflow = write(here / "w.json", DEPTH)
    done = subprocess.run([*command, workflow, *flat], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["made/result_00001_.png"]
    assert "node 8 (SD2DepthSampler)" in done.stderr
    with Image.open(here / "made" / "result_00001_.png") as image:
        assert image.size == (64, 64)
        assert len(image.getcolors(10000)) > 100  # random weights paint something
        ran = json.loads(image.text["prompt"])
    assert ran["4"]["inputs"]["text"] == "a castle"
    assert ran["5"]["inputs"]["text"] == "text"
    sampler = ran["8"]["inputs"]
    assert (sampler["seed"], sampler["steps"], sampler["cfg"]) == (2**64 - 1, 1, 2.0)


@pytest.mark.parametrize("place", ["peer", "peer/", "models/diffusers/peer"])
def test_a_diffusers_folder_paints_the_image_of_the_file(
    here, mini_checkpoint, diffusers_folder, place
):
    """By its path, or as `NAME/` by its name in models/diffusers."""
    target = here / ("models/diffusers/peer" if place == "peer/" else place)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(diffusers_folder)
    photo(here / "mine.png")
    workflow = write(here / "w.json", DEPTH)
    for checkpoint, output in ((mini_checkpoint, "file"), (place, "folder")):
        options = {"--checkpoint": checkpoint, "--image": "mine.png", "--output": output}
        flat = [str(part) for option in options.items() for part in option]
        assert main.main(["run", workflow, "--steps", "1", *flat]) == main.OK
    ours, theirs = (
        np.asarray(Image.open(here / output / "result_00001_.png")) for output in ("folder", "file")
    )
    assert np.array_equal(ours, theirs)
    assert ours.std() > 0


def test_a_path_to_a_folder_means_that_folder_whatever_the_models_hold(
    here, diffusers_folder, tmp_path, capsys
):
    (here / "models/diffusers").mkdir(parents=True)
    (here / "models/diffusers/peer").symlink_to(diffusers_folder)
    (here / "peer").mkdir()
    photo(here / "mine.png")
    options = ["--image", "mine.png", "--checkpoint", "peer/"]
    assert main.main(["run", write(here / "w.json", DEPTH), *options]) == main.FAILED
    assert f"no model_index.json in the folder {here / 'peer'}" in capsys.readouterr().err


def test_an_image_it_saved_can_be_run_again(here, capsys):
    photo(here / "input" / "photo.png")
    assert main.main(["run", write(here / "w.json", SCALE)]) == main.OK
    assert main.main(["run", "output/small_00001_.png"]) == main.OK
    assert capsys.readouterr().out.split() == [
        "output/small_00001_.png",
        "output/small_00002_.png",
    ]
    first, second = (here / "output" / f"small_0000{n}_.png" for n in (1, 2))
    assert np.array_equal(np.asarray(Image.open(first)), np.asarray(Image.open(second)))


def test_folders_can_be_chosen(here, capsys):
    (here / "comfy" / "input").mkdir(parents=True)
    photo(here / "comfy" / "input" / "photo.png")
    workflow = write(here / "w.json", SCALE)
    assert main.main(["run", workflow, "--base", "comfy"]) == main.OK
    assert main.main(["run", workflow, "--input", "comfy/input", "--output", "made"]) == main.OK
    assert capsys.readouterr().out.split() == [
        "comfy/output/small_00001_.png",
        "made/small_00001_.png",
    ]
    assert main.main(["run", workflow, "--base", "nowhere"]) == main.FAILED
    assert "there is no folder nowhere" in capsys.readouterr().err


def test_a_path_means_that_file_whatever_the_input_folder_holds(here):
    photo(here / "input" / "photo.png", (8, 8))
    photo(here / "photo.png", (16, 4))
    workflow = {**SCALE, "2": entry("ImageInvert", image=["1", 0])}
    assert main.main(["run", write(here / "w.json", workflow), "--image", "photo.png"]) == main.OK
    assert Image.open(here / "output" / "small_00001_.png").size == (16, 4)


def test_depth_from_a_file_instead_of_estimating(here):
    depth = photo(here / "depth.png", (8, 8))
    workflow = {
        "1": entry("SD2DepthEstimate", image=["2", 0], depth_model=["3", 3]),
        "2": entry("LoadImage", image="not there.png"),
        "3": entry("SD2DepthCheckpointLoader", ckpt_name="not there.safetensors"),
        "4": entry("SaveImage", images=["1", 0], filename_prefix="depth"),
    }
    assert main.main(["run", write(here / "w.json", workflow), "--depth", depth]) == main.OK
    assert Image.open(here / "output" / "depth_00001_.png").size == (8, 8)


def test_texts_are_printed(here, capsys):
    workflow = {"1": entry("PreviewAny", source="hello")}
    assert main.main(["run", write(here / "w.json", workflow)]) == main.OK
    assert capsys.readouterr().out == "hello\n"


# --- how it ends ---------------------------------------------------------------------------------


def test_errors_are_sentences(here, capsys):
    assert main.main(["run", "missing.json"]) == main.FAILED
    assert capsys.readouterr().err.startswith("error: there is no workflow missing.json;")
    assert main.main(["run", write(here / "w.json", SCALE)]) == main.FAILED
    err = capsys.readouterr().err
    assert err.startswith("error: node 1 (LoadImage), input 'image': there is no file 'photo.png'")
    assert "Traceback" not in err


def test_all_problems_are_listed(here, capsys):
    workflow = {**SCALE, "2": entry("ImageScale", image=["1", 0], width=-1, height=4)}
    main.main(["run", write(here / "w.json", workflow)])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: 4 things are wrong with the workflow:"
    assert len(lines) == 5


def test_a_node_that_fails_is_named(here, capsys):
    (here / "input" / "photo.png").write_bytes(b"no image")
    assert main.main(["run", write(here / "w.json", SCALE)]) == main.FAILED
    assert "error: node 1 (LoadImage) failed: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "x" * 5000])
def test_a_name_that_no_file_has_is_shown_with_its_node(here, capsys, name):
    assert main.main(["run", write(here / "w.json", SCALE), "--image", name]) == main.FAILED
    err = capsys.readouterr().err
    assert "error: node 1 (LoadImage), input 'image': there is no file '" in err
    assert len(err) < 1000


def test_a_line_break_in_a_prefix_makes_no_line(here, capsys):
    photo(here / "input" / "photo.png")
    workflow = {**SCALE, "3": {**SCALE["3"], "inputs": {**SCALE["3"]["inputs"]}}}
    workflow["3"]["inputs"]["filename_prefix"] = "a\n/etc/b"
    assert main.main(["run", write(here / "w.json", workflow)]) == main.OK
    assert capsys.readouterr().out == "output/a\\n/etc/b_00001_.png\n"


def test_debug_shows_where(here):
    with pytest.raises(FileNotFoundError):
        main.main(["run", "missing.json", "--debug"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "Nobody.x=1"], "there is no node 'Nobody'"),
        (["--set", "nonsense"], "is not NODE.INPUT=VALUE"),
        (["--depth", "d.png"], "neither loads, estimates nor encodes"),
        (["--seed", "3"], "no node has an input 'seed'"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(here, capsys, options, message):
    photo(here / "input" / "photo.png")
    assert main.main(["run", write(here / "w.json", SCALE), *options]) == main.USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["paint"], ["run"], ["run", "w.json", "--seed", "x"]])
def test_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    assert caught.value.code == main.USAGE
    assert "usage: depth2img" in capsys.readouterr().err


def test_a_random_seed_is_printed_and_repeats_the_run(here, capsys, mini_checkpoint):
    """To the bit: the choices of a prompt follow from it, too; what ran is in the image."""
    file = write(here / "w.json", DEPTH)
    choices = "|".join(map(str, range(1000)))
    fixed = ["--checkpoint", str(mini_checkpoint), "--image", photo(here / "mine.png")]
    fixed += ["--prompt", f"{{{choices}}} cats", "--steps", "1"]

    def run(seed):
        assert main.main(["run", file, *fixed, "--seed", seed]) == main.OK
        printed = capsys.readouterr()
        with Image.open(printed.out.strip()) as image:
            ran = json.loads(image.text["prompt"])
            pixels = image.tobytes()
        return printed.err, ran["8"]["inputs"]["seed"], ran["4"]["inputs"]["text"], pixels

    random, another = run("random"), run("random")
    assert random[1] != another[1]
    assert f"seed {random[1]}\n" in random[0]
    repeated = run(str(random[1]))
    assert repeated[1:] == random[1:]
    assert "seed " not in repeated[0]


def test_cancelling(here, capsys, monkeypatch):
    def interrupted(self, workflow):
        raise KeyboardInterrupt

    monkeypatch.setattr(graph.Runner, "run", interrupted)
    photo(here / "input" / "photo.png")
    assert main.main(["run", write(here / "w.json", SCALE)]) == main.CANCELLED
    assert "cancelled" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows ends programs otherwise")
@pytest.mark.parametrize("number", [15, 1])  # SIGTERM, SIGHUP
def test_a_kill_leaves_nothing_half_written(here, number):
    """It comes while the first half of a file is on the disk."""
    code = f"""
import os, pathlib, sys
from sd2_depth2img.cli.main import main
from sd2_depth2img.workflows.core_nodes import save

def half(image, text, path):
    path.write_bytes(b"half")
    print(os.listdir("output"), flush=True)
    os.kill(os.getpid(), {number})

save._write_png = half
sys.argv = ["depth2img", "run", "w.json"]
sys.exit(main())
"""
    photo(here / "input" / "photo.png")
    write(here / "w.json", SCALE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ".part" in done.stdout
    assert done.returncode == 128 + number
    assert os.listdir(here / "output") == []


def test_missing_packages_are_named_with_the_remedy(here, capsys, monkeypatch):
    monkeypatch.setattr(main, "_ENGINE_PACKAGES", ("json", "no_such_package"))
    assert main.main(["run", write(here / "w.json", SCALE)]) == main.FAILED
    err = capsys.readouterr().err
    assert "no_such_package is not installed" in err
    assert 'pip install "sd2-depth2img[engine]"' in err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ModuleNotFoundError("No module named 'timm'", name="timm"), "timm is not installed. Inst"),
        (ImportError("cannot import name 'a'", name="timm.layers"), "--force-reinstall timm"),
        (ImportError("broken: pip install it"), "error: broken: pip install it\n"),
        (
            PermissionError(13, "Permission denied", "/a/b"),
            "error: /a/b: permission is denied; giv",
        ),
        (
            OSError(28, "No space left on device", "/a/b"),
            "error: /a/b: the disk is full; make room",
        ),
        (MemoryError(), "there is not enough memory (no further message); close"),
        (RecursionError("too deep"), "RecursionError: too deep (--debug shows where)"),
        (KeyError("x"), "KeyError: 'x' (--debug shows where)"),
        (ValueError("a \x1b[2J b"), "error: a \\x1b[2J b"),
    ],
)
def test_every_error_is_a_sentence(here, capsys, monkeypatch, error, sentence):
    def failing(self, workflow):
        raise error

    monkeypatch.setattr(graph.Runner, "run", failing)
    photo(here / "input" / "photo.png")
    assert main.main(["run", write(here / "w.json", SCALE)]) == main.FAILED
    said = capsys.readouterr().err
    assert sentence in said
    assert said.startswith("error: ")


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("a\0b", "node 3 (SaveImage) failed: the file name prefix 'a\\x00b' has a zero"),
        ("a" * 300, "_00001_.png: the file name is too long; choose a shorter one"),
        ("file/a", "output/file: it exists already; choose another name"),
        ("../a", "outside the output folder"),
    ],
)
def test_prefixes_that_give_no_file(here, capsys, prefix, message):
    photo(here / "input" / "photo.png")
    (here / "output").mkdir()
    (here / "output" / "file").touch()
    workflow = {**SCALE, "3": entry("SaveImage", images=["2", 0], filename_prefix=prefix)}
    assert main.main(["run", write(here / "w.json", workflow)]) == main.FAILED
    assert message in capsys.readouterr().err
    assert [path.name for path in (here / "output").iterdir()] == ["file"]


@pytest.mark.parametrize("option", ["--output", "--base", "--input"])
def test_an_empty_name_is_no_folder(here, capsys, option):
    """That of a variable which is not set, for example; Path takes it for the current folder."""
    with pytest.raises(SystemExit) as left:
        main.main(["run", write(here / "w.json", SCALE), option, ""])
    assert left.value.code == main.USAGE
    assert f"{option}: the name is empty; the current folder is ." in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there_is_told_with_the_option_for_another(here, capsys):
    loader = entry("SD2DepthCheckpointLoader", ckpt_name="gone.safetensors")
    workflow = {"1": loader, "2": entry("PreviewAny", source=["1", 0])}
    assert main.main(["run", write(here / "w.json", workflow)]) == main.FAILED
    err = capsys.readouterr().err
    assert "input 'ckpt_name': there is no checkpoint 'gone.safetensors'" in err
    assert err.endswith("--checkpoint FILE takes another checkpoint\n")
    assert err.count("--checkpoint") == 1


def test_an_output_folder_that_cannot_be_made(here, capsys):
    (here / "file").touch()
    workflow = write(here / "w.json", SCALE)
    assert main.main(["run", workflow, "--output", "file/a"]) == main.FAILED
    err = capsys.readouterr().err
    assert "error: the output folder cannot be made: file/a: a part of its path is a file" in err


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from sd2_depth2img.cli.main import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "sys.exit(' '.join(m for m in ('torch', 'numpy', 'PIL', 'diffusers') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert "usage: depth2img" in done.stdout


def test_nothing_slow_is_imported_before_it_is_needed():
    """Each takes a second or two, and timm 150 MB: `inspect` and `convert` would pay for them."""
    code = "import sys, sd2_depth2img.cli.convert_command; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"timm", "transformers", "diffusers"}.isdisjoint(done.stdout.split())


@pytest.fixture
def _usual_execution():
    execution.unet_type.cache_clear()  # it says what it takes once
    yield
    execution.use(execution.Execution())
    execution.unet_type.cache_clear()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
@pytest.mark.usefixtures("_usual_execution")
def test_precision(here, caplog, mini_checkpoint, monkeypatch, precision):
    """auto says in one line what it takes; the others say nothing."""
    monkeypatch.setattr(execution, "bfloat16_gain", lambda width: 3.0)
    options = ["--checkpoint", str(mini_checkpoint), "--steps", "1", "--image", photo("mine.png")]
    arguments = ["run", write(here / "w.json", DEPTH), *options, "--precision", precision]
    assert main.main(arguments) == 0
    said = "precision auto: bf16, 3.0 times as fast as fp32 in a probe"
    assert caplog.text.count(said) == (precision == "auto")
    assert execution.current().precision.value == precision


@pytest.mark.usefixtures("_usual_execution")
def test_compiling_without_a_compiler_is_an_error_in_words(
    here, capsys, mini_checkpoint, monkeypatch
):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    options = ["--checkpoint", str(mini_checkpoint), "--steps", "1", "--image", photo("mine.png")]
    assert main.main(["run", write(here / "w.json", DEPTH), *options, "--compile"]) == 1
    assert "the UNet cannot be compiled: a C++ compiler" in capsys.readouterr().err
