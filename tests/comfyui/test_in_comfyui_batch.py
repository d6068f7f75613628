"""`depth2img batch --comfyui`: the same batch on running servers."""

import json
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("diffusers", reason="the embedded engine's packages are not installed")
pytest.importorskip("aiohttp", reason="it talks to the servers")

from sd2_depth2img.batches.manifest import read
from sd2_depth2img.batches.servers import Servers
from sd2_depth2img.batches.tasks import Task, WorkflowFile
from sd2_depth2img.cli import main
from sd2_depth2img.engine import folders
from sd2_depth2img.tests.batches.painting import PAINT, entry, write_noise
from sd2_depth2img.tools.comfyui import PACK, Program, furnish
from sd2_depth2img.workflows.changes import Changes

EXAMPLE = PACK / "example_workflows" / "Depth to Image.json"
MINIATURE = next((PACK / "models").glob("*.safetensors")).name


@pytest.fixture(autouse=True)
def _keep_folders():
    before = folders.current()
    yield
    folders.use(before)


@pytest.fixture
def nodes():
    return {**PAINT, "1": entry("SD2DepthCheckpointLoader", ckpt_name=MINIATURE)}


@pytest.fixture
def batch(tmp_path, comfyui):
    """Runs a workflow on the folder `in` at the server; the exit code and the manifest."""

    def run(workflow, *options, servers=comfyui.url):
        path = workflow
        if isinstance(workflow, dict):
            path = tmp_path / "w.json"
            path.write_text(json.dumps(workflow), encoding="utf-8")
        places = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
        who = ["--comfyui", servers] if servers else []
        code = main.main(["batch", str(path), *places, *who, *options])
        return code, read(tmp_path / "out" / "manifest.jsonl")

    return run


def files(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_results_are_those_of_the_engine_and_the_manifest_has_the_same(
    batch, nodes, tmp_path, comfyui
):
    for number in range(3):
        write_noise(tmp_path / "in" / "sub" / f"{number}.png", number)
    write_noise(tmp_path / "in" / "sub" / "1.depth.png", 7)
    (tmp_path / "in" / "sub" / "1.txt").write_text("a green glass cup")
    before = files(comfyui.folder("input"))
    code, there = batch(nodes, "--prompt", "a red statue", "--seed", "3")
    assert code == main.OK
    assert files(comfyui.folder("input")) == before
    (tmp_path / "out").rename(tmp_path / "there")
    code, here = batch(nodes, "--prompt", "a red statue", "--seed", "3", servers="")
    assert code == main.OK
    for name, record in here.items():
        other = there[name]
        assert other.worker == comfyui.url
        for fact in ("identity", "sources", "settings", "seed", "workflow"):
            assert getattr(other, fact) == getattr(record, fact)
        assert any("node 8 (SD2DepthSampler): " in text for text in other.warnings)
        (file,) = (one.file for one in other.results)
        ours, theirs = (pixels(tmp_path / where / file) for where in ("out", "there"))
        # One host encodes an image to a mean latent, the other draws from it.
        assert np.abs(ours - theirs).mean() < 3
        assert ours.std() > 5


def test_the_canvas_of_an_example_runs_and_is_in_the_results(batch, tmp_path):
    write_noise(tmp_path / "in" / "a.png", 1, size=128)
    small = ["--set", "SD2DepthSettings.size=128", "--steps", "1", "--checkpoint", MINIATURE]
    code, _ = batch(EXAMPLE, *small, "--prompt", "a red statue")
    assert code == main.OK
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert image.size == (128, 128)
        canvas = json.loads(image.text["workflow"])
        prompt = json.loads(image.text["prompt"])
    texts = [one["inputs"].get("text") for one in prompt.values()]
    assert "a red statue" in texts
    stored = [node.get("widgets_values") for node in canvas["nodes"]]
    assert ["a red statue"] in stored


def test_what_is_made_again_is_downloaded_again_though_the_server_knows_it(
    batch, nodes, tmp_path, comfyui
):
    write_noise(tmp_path / "in" / "a.png", 1)
    contents = []
    for _ in range(2):
        assert batch(nodes)[0] == main.OK
        contents.append(pixels(tmp_path / "out" / "a.png"))
        (tmp_path / "out" / "a.png").unlink()
    assert np.array_equal(*contents)


def test_failures_are_those_of_the_item_alone(batch, nodes, tmp_path, capsys):
    for number in range(3):
        write_noise(tmp_path / "in" / f"{number}.png", number)
    bad = tmp_path / "in" / "1.png"
    bad.write_bytes(bad.read_bytes()[:300])
    write_noise(tmp_path / "in" / "2.depth.png", 1).write_bytes(b"no picture")
    code, records = batch(nodes)
    assert code == main.FAILED
    assert records["0"].error == ""
    assert "1.png cannot be read: it is damaged" in records["1"].error
    assert records["2"].error.startswith("node 3 (SD2DepthLoad) failed: ")
    assert "/2.depth.png is not an image" in records["2"].error
    assert "2 failed" in capsys.readouterr().err


def test_what_the_server_refuses_is_told_in_its_words(batch, nodes, tmp_path):
    write_noise(tmp_path / "in" / "a.png", 1)
    code, records = batch(nodes, "--set", "8.sampler_name=none")
    assert code == main.FAILED
    assert "node 8 (SD2DepthSampler): Value not in list" in records["a"].error


def test_what_a_server_was_working_on_when_it_died_goes_to_the_other(
    batch, nodes, tmp_path, comfyui
):
    for number in range(12):
        write_noise(tmp_path / "in" / f"{number:02}.png", number)
    base = furnish(tmp_path / "other")
    environment = {"OMP_NUM_THREADS": "1"}
    with type(comfyui).running(Program.find(), base, "--cpu", environment=environment) as other:
        (tmp_path / "w.json").write_text(json.dumps(nodes))
        servers = Servers(
            [other.url, comfyui.url], WorkflowFile.of(tmp_path / "w.json"), tmp_path / "scratch"
        )
        tasks = [
            Task(path.stem, (Changes(), Changes(image=str(path))), {"image": str(path)})
            for path in sorted((tmp_path / "in").iterdir())
        ]
        outcomes = []
        for outcome in servers.run(iter(tasks)):
            outcomes.append(outcome)
            if other.process.poll() is None and outcome.worker == other.url:
                other.process.kill()
                other.process.wait()
    assert sorted(one.task.name for one in outcomes) == [task.name for task in tasks]
    assert [one.error for one in outcomes] == [""] * len(tasks)
    assert {one.worker for one in outcomes} == {other.url, comfyui.url}


def test_when_no_server_is_left_the_rest_waits_for_the_next_run(batch, nodes, tmp_path, comfyui):
    from sd2_depth2img.batches.problems import NobodyWorks

    photo = write_noise(tmp_path / "in" / "a.png", 1)
    (tmp_path / "w.json").write_text(json.dumps(nodes))
    workflow = WorkflowFile.of(tmp_path / "w.json")
    servers = Servers([comfyui.url], workflow, tmp_path / "scratch", patience=0.5)
    servers._urls = ["http://127.0.0.1:1"]  # it was there at the start
    task = Task("a", (Changes(), Changes(image=str(photo))), {"image": str(photo)})
    with pytest.raises(NobodyWorks, match="what is done is kept"):
        list(servers.run(iter([task])))


def test_a_batch_that_is_cancelled_takes_its_prompts_back(nodes, tmp_path, comfyui):
    (tmp_path / "w.json").write_text(json.dumps(nodes))
    workflow = WorkflowFile.of(tmp_path / "w.json")
    photos = [write_noise(tmp_path / "in" / f"{number}.png", number) for number in range(6)]
    tasks = [
        Task(
            path.stem,
            (Changes(steps=50), Changes(image=str(path))),
            {"image": str(path)},
        )
        for path in photos
    ]
    running = Servers([comfyui.url], workflow, tmp_path / "scratch").run(iter(tasks))
    assert next(running).error == ""
    running.close()
    deadline = time.monotonic() + 30
    while comfyui.get("/queue")["queue_running"] and time.monotonic() < deadline:
        time.sleep(0.05)
    queue = comfyui.get("/queue")
    assert (queue["queue_running"], queue["queue_pending"]) == ([], [])
    history = comfyui.get("/history")
    assert sum(one["status"]["status_str"] == "success" for one in history.values()) < len(history)
