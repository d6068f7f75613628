"""`depth2img batch`: its options, what it prints, how it ends, and what a kill leaves."""

import json
import logging
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.batches.manifest import read
from sd2_depth2img.cli import main
from sd2_depth2img.engine import execution, folders
from sd2_depth2img.tests.batches.painting import (
    PAINT,
    check_whole,
    entry,
    furnish,
    start,
    wait_for_more,
    write_noise,
)

COPY = {
    "1": entry("LoadImage", image="p.png"),
    "2": entry("SaveImage", images=["1", 0], filename_prefix="x"),
}


@pytest.fixture(autouse=True)
def _keep_folders():
    before = folders.current()
    yield
    folders.use(before)
    execution.use(execution.Execution())


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path


@pytest.fixture
def batch(here):
    """Runs a workflow on the folder `in` into `out`; the exit code."""

    def run(nodes, *options, source="in", output="out"):
        (here / "w.json").write_text(json.dumps(nodes), encoding="utf-8")
        return main.main(["batch", "w.json", "--input", source, "--output", output, *options])

    return run


def ran(path):
    """The workflow that a result carries."""
    with Image.open(path) as image:
        return {node: one["inputs"] for node, one in json.loads(image.text["prompt"]).items()}


# --- how it ends ---------------------------------------------------------------------------------


def test_all_done_is_0_and_the_manifest_is_named(batch, here, capsys):
    write_noise(here / "in" / "sub" / "a.jpg", 1)
    assert batch(COPY) == main.OK
    said = capsys.readouterr()
    assert said.out == "out/manifest.jsonl\n"
    assert said.err == "1 of 1 item done, 0 failed\n"
    assert (here / "out" / "sub" / "a.png").is_file()


def test_warnings_are_logged_again_after_a_batch(batch, here, caplog):
    write_noise(here / "in" / "a.png", 1)
    assert batch(COPY) == main.OK
    logging.getLogger("sd2_depth2img.somewhere").warning("heard")
    assert "heard" in caplog.text


def test_precision_is_for_what_runs_here(batch, here, capsys):
    write_noise(here / "in" / "a.png", 1)
    assert batch(COPY, "--precision", "bf16") == main.OK
    assert execution.current().precision is execution.Precision.BF16
    capsys.readouterr()
    refused = batch(COPY, "--precision", "bf16", "--comfyui", "http://127.0.0.1:1")
    assert refused == main.USAGE
    assert "--precision" in capsys.readouterr().err


def test_some_failed_is_1_and_they_are_named(batch, here, capsys):
    for number in range(3):
        write_noise(here / "in" / f"{number}.png", number)
    (here / "in" / "1.png").write_bytes(b"no picture")
    assert batch(COPY) == main.FAILED
    said = capsys.readouterr().err
    assert "failed: 1: node 1 (LoadImage) failed: " in said
    assert said.endswith("2 of 3 items done, 1 failed\n")
    assert batch(COPY) == main.FAILED  # nor is it done now


def test_many_failures_are_cut_short(batch, here, capsys):
    for number in range(30):
        (here / "in" / f"{number:02}.png").write_bytes(b"no picture")
    assert batch(COPY) == main.FAILED
    said = capsys.readouterr().err
    assert said.count("failed: ") == 20 + 20  # of the item, and of its node
    assert "and 10 more, in the manifest" in said


def test_warnings_are_counted(batch, here, capsys):
    for number in range(2):
        write_noise(here / "in" / f"{number}.png", number)
    assert batch(PAINT) == main.OK
    said = capsys.readouterr().err
    assert "WARNING" not in said
    (line,) = (line for line in said.splitlines() if line.startswith("warning: node 8"))
    assert line.endswith("(2 items)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ray", "--comfyui", "x"], "choose one"),
        (["--workers", "2"], "--workers is for --ray"),
        (["--cores-per-worker", "2", "--comfyui", "x"], "is not for --comfyui"),
        (["--output", "in/made"], "is the input folder or in it"),
        (["--output", "in"], "is the input folder or in it"),
        (["--input", "gone"], "there is no folder or list gone"),
        (["--prompt", "x"], "no CLIP Text Encode feeds the positive input"),
        (["--set", "9.x=1"], "there is no node '9'"),
    ],
)
def test_what_does_not_fit_is_2_and_nothing_is_run(batch, here, capsys, options, message):
    write_noise(here / "in" / "a.png", 1)
    assert batch(COPY, *options) == main.USAGE
    assert message in capsys.readouterr().err
    assert not list(here.glob("**/a.png"))[1:]


def test_pictures_of_one_name_are_refused(batch, here, capsys):
    for ending in ("png", "jpg"):
        write_noise(here / "in" / f"a.{ending}", 1)
    assert batch(COPY) == main.USAGE
    assert "would both be written as a" in capsys.readouterr().err


def test_a_workflow_that_cannot_run_is_told_before(batch, here, capsys):
    write_noise(here / "in" / "a.png", 1)
    assert batch({**COPY, "3": entry("SaveImage", images=["9", 0])}) == main.FAILED
    assert "is linked to node 9, which is not in the workflow" in capsys.readouterr().err
    assert (here / "out" / "manifest.jsonl").read_bytes() == b""


@pytest.mark.parametrize("package", ["ray", "aiohttp"])
def test_a_package_that_is_missing_is_named(batch, here, capsys, monkeypatch, package):
    write_noise(here / "in" / "a.png", 1)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "sd2_depth2img.batches.comfyui_server", raising=False)
    monkeypatch.delitem(sys.modules, "sd2_depth2img.batches.servers", raising=False)
    option = {"ray": ["--ray"], "aiohttp": ["--comfyui", "127.0.0.1:1"]}[package]
    assert batch(COPY, *option) == main.FAILED
    said = capsys.readouterr().err
    assert f"batches with {option[0]} need the package {package}" in said
    assert "pip install " in said


def test_a_server_that_does_not_answer_is_named(batch, here, capsys):
    pytest.importorskip("aiohttp")
    write_noise(here / "in" / "a.png", 1)
    assert batch(COPY, "--comfyui", "127.0.0.1:1") == main.FAILED
    assert "http://127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_named(batch, here, capsys):
    pytest.importorskip("ray")
    write_noise(here / "in" / "a.png", 1)
    assert batch(COPY, "--ray", "127.0.0.1:1") == main.FAILED
    assert "there is no Ray cluster at 127.0.0.1:1" in capsys.readouterr().err


# --- options -------------------------------------------------------------------------------------


def test_every_option_is_for_all_and_what_an_item_has_overrides_it(batch, here):
    for name in ("a", "b"):
        write_noise(here / "in" / f"{name}.png", 1)
    (here / "in" / "b.txt").write_text("a blue cup")
    (here / "in" / "b.seed.txt").write_text("8")
    depth = write_noise(here / "z.png", 2)
    options = {"--prompt": "a red cup", "--negative": "text", "--seed": "7", "--steps": "2"}
    flat = [part for option in options.items() for part in option]
    assert batch(PAINT, *flat, "--depth", "z.png", "--set", "8.cfg=2") == main.OK
    first, second = (ran(here / "out" / f"{name}.png") for name in "ab")
    assert (first["4"]["text"], second["4"]["text"]) == ("a red cup", "a blue cup")
    assert (first["8"]["seed"], second["8"]["seed"]) == (7, 8)
    for one in (first, second):
        assert one["5"]["text"] == "text"
        assert (one["8"]["steps"], one["8"]["cfg"]) == (2, 2.0)
        assert one["3"] == {"image": str(depth)}
    records = read(here / "out" / "manifest.jsonl")
    assert (records["a"].seed, records["b"].seed) == (7, 8)
    assert records["b"].settings["prompt"] == "a blue cup"
    assert set(records["a"].sources) == {"image", "depth"}


def test_depth_and_mask_may_be_folders(batch, here, capsys):
    for name in ("a", "b"):
        write_noise(here / "in" / f"{name}.jpg", 1)
    depth = write_noise(here / "z" / "a.png", 2)
    assert batch(PAINT, "--depth", "z") == main.FAILED
    assert ran(here / "out" / "a.png")["3"] == {"image": str(depth)}
    assert "failed: b: z has no depth file called b" in capsys.readouterr().err


def test_the_columns_of_a_list_override(batch, here):
    write_noise(here / "in" / "cup.png", 1)
    (here / "list.csv").write_text(
        "image,prompt,seed,name,8.denoise\nin/cup.png,a clay cup,3,clay,0.5\nin/cup.png,,,plain,\n",
        encoding="utf-8",
    )
    assert batch(PAINT, "--seed", "7", "--prompt", "a cup", source="list.csv") == main.OK
    clay, plain = (ran(here / "out" / f"{name}.png") for name in ("clay", "plain"))
    assert (clay["4"]["text"], plain["4"]["text"]) == ("a clay cup", "a cup")
    assert (clay["8"]["seed"], plain["8"]["seed"]) == (3, 7)
    assert (clay["8"]["denoise"], plain["8"]["denoise"]) == (0.5, 0.8)


def test_random_seeds_differ_and_stay(batch, here):
    for name in ("a", "b"):
        write_noise(here / "in" / f"{name}.png", 1)
    seeds = []
    for _ in range(2):
        assert batch(PAINT, "--seed", "random") == main.OK
        seeds.append([one.seed for one in read(here / "out" / "manifest.jsonl").values()])
    assert seeds[0] == seeds[1]
    assert seeds[0][0] != seeds[0][1]
    lines = (here / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2


def test_a_result_is_the_one_that_run_gives(batch, here):
    """The same pixels; each file has its own name inside."""
    write_noise(here / "in" / "a.png", 1)
    nodes = {**PAINT, "4": entry("CLIPTextEncode", text="a red statue", clip=["1", 1])}
    assert batch(nodes, "--seed", "5") == main.OK
    arguments = ["--image", str(here / "in" / "a.png"), "--seed", "5", "--output", "single"]
    assert main.main(["run", "w.json", *arguments]) == main.OK
    (single,) = (here / "single").glob("*.png")
    assert single.read_bytes() == (here / "out" / "a.png").read_bytes()
    assert np.asarray(Image.open(single)).std() > 0


# --- kills ---------------------------------------------------------------------------------------


def test_what_a_kill_leaves_is_whole_and_the_rest_is_done_by_the_next(tmp_path):
    """More kills, and of more pictures, in tests/batches/test_many.py."""
    count = 6
    furnish(tmp_path, count)
    undisturbed = start(tmp_path, "calm")
    for _ in range(2):
        process = start(tmp_path, "out")
        if wait_for_more(process, tmp_path, "out", 1):
            time.sleep(random.random() * 0.2)
        process.kill()
        process.wait()
    assert start(tmp_path, "out").wait() == main.FAILED  # for the damaged one
    assert undisturbed.wait() == main.FAILED
    assert check_whole(tmp_path, "out", count) == check_whole(tmp_path, "calm", count)


def test_ctrl_c_ends_it_with_all_that_is_done(here, tmp_path):
    furnish(tmp_path, 6)
    process = start(tmp_path, "out")
    assert wait_for_more(process, tmp_path, "out", 1)
    process.send_signal(subprocess.signal.SIGINT)
    assert process.wait() == main.CANCELLED
    said = (tmp_path / "out.log").read_text()
    assert "left: run it again to go on" in said
    assert said.endswith("cancelled\n")
    assert not list((tmp_path / "out").rglob("*.part"))
