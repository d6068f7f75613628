"""Work on the engine: one task after the other, and nothing of one in the next."""

import json
import random

import psutil
import pytest
from PIL import Image

from sd2_depth2img.batches.engine import Engine
from sd2_depth2img.batches.tasks import Task, seeds_in
from sd2_depth2img.engine import folders, host
from sd2_depth2img.tests.batches.painting import PAINT, entry, write_noise
from sd2_depth2img.workflows.changes import Changes
from sd2_depth2img.workflows.problems import EditError, WorkflowError


@pytest.fixture
def engine(tmp_path, workflow):
    made = []

    def make(nodes):
        made.append(tmp_path / f"scratch {len(made)}")
        return Engine(workflow(nodes), folders.Folders.below(tmp_path), made[-1])

    return make


@pytest.fixture
def noise(tmp_path):
    return lambda name, seed, size=64: write_noise(tmp_path / name, seed, size)


def task(path, name="a", **changes):
    own = Changes(image=str(path), **changes)
    files = {role: getattr(own, role) for role in ("image", "depth", "mask")}
    return Task(name, (Changes(), own), {r: f for r, f in files.items() if f})


def contents(outcome):
    assert outcome.error == ""
    return {file.name.split("_")[0]: file.content for file in outcome.files}


def test_models_are_loaded_once_and_nothing_of_a_task_is_in_the_next(
    engine, noise, one_thread, monkeypatch
):
    """Depth map, prompt, seed, and strength of some; the others are painted as if alone.

    The file of a depth map that two tasks share carries the workflow of each.
    """
    loads = []
    before = host.load_checkpoint
    monkeypatch.setattr(host, "load_checkpoint", lambda *one: loads.append(1) or before(*one))
    photos = [noise(f"{seed}.png", seed) for seed in range(3)]
    tasks = [
        task(photos[0]),
        task(photos[1], "b", depth=str(photos[2]), prompt="a red cup", seed=5),
        task(photos[0]),
        task(photos[1], "c", assignments=("8.denoise=0.5",)),
        task(photos[1], "d"),
    ]
    nodes = {**PAINT, "11": entry("SaveImage", images=["3", 0], filename_prefix="depth")}
    together = [contents(one) for one in engine(nodes).run(iter(tasks))]
    assert len(loads) == 1
    assert together[0] == together[2]
    alone = [contents(engine(nodes).work(one)) for one in reversed(tasks)]
    assert together == alone[::-1]
    assert len({one["result"] for one in together}) == 4


def test_a_task_that_fails_leaves_nothing_behind_either(engine, noise, tmp_path, one_thread):
    good, bad = noise("a.png", 1), tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:400])
    worker = engine(PAINT)
    first = contents(worker.work(task(good)))
    failed = worker.work(task(bad, "bad"))
    assert "bad.png cannot be read" in failed.error
    assert failed.sources["image"].bytes == 400
    assert worker.work(task(tmp_path / "gone.png")).error.endswith("moved, renamed or deleted")
    assert "Depth" in worker.work(task(good, depth=str(bad))).error
    assert contents(worker.work(task(good))) == first


def test_choices_are_those_of_seed_and_name_whoever_works(engine, noise, one_thread):
    photo = noise("a.png", 1)

    def chosen(name, seed):
        random.random()
        outcome = engine(PAINT).work(task(photo, name, seed=seed))
        with Image.open(_as_file(photo.with_name("x.png"), outcome.files[0].content)) as image:
            return json.loads(image.text["prompt"])["4"]["inputs"]["text"]

    assert chosen("a", 1) == chosen("a", 1)
    assert len({chosen(f"{number}", 1) for number in range(8)}) > 1


def _as_file(path, content):
    path.write_bytes(content)
    return path


def test_outcomes_say_seed_and_warnings(engine, noise, one_thread):
    worker = engine(PAINT)
    small = noise("small.png", 1)
    for _ in range(2):  # the second time no node runs that would warn
        outcome = worker.work(task(small, seed=9))
        assert outcome.seed == 9
        assert any(text.startswith("node 8 (SD2DepthSampler): ") for text in outcome.warnings)
        assert outcome.seconds > 0


def test_several_seeds_are_told_by_node():
    nodes = {
        "8": entry("A", seed=1),
        "9": entry("B", noise_seed=1),
        "10": entry("C", seed=["8", 0]),
    }
    assert seeds_in(nodes) == 1
    nodes["9"]["inputs"]["noise_seed"] = 2
    assert seeds_in(nodes) == {"8": 1, "9": 2}
    assert seeds_in({}) is None


def test_a_source_that_changes_meanwhile_is_told(engine, noise, tmp_path, monkeypatch):
    photo = noise("a.png", 1)
    worker = engine(_COPY)
    run = worker._runner.run

    def slow(workflow):
        results = run(workflow)
        photo.write_bytes(photo.read_bytes() + b"more")
        return results

    monkeypatch.setattr(worker._runner, "run", slow)
    assert "was changed meanwhile" in worker.work(task(photo)).error


_COPY = {
    "1": entry("LoadImage", image="p.png"),
    "2": entry("SaveImage", images=["1", 0], filename_prefix="x"),
}


def test_a_workflow_that_saves_nothing_is_told(engine, noise):
    nodes = {"1": _COPY["1"], "2": entry("PreviewImage", images=["1", 0])}
    assert "saves nothing" in engine(nodes).work(task(noise("a.png", 1))).error


def test_a_workflow_that_cannot_begin_is_refused_before(engine, noise):
    photo = noise("a.png", 1)
    with pytest.raises(WorkflowError, match="no checkpoint 'gone'"):
        engine({**PAINT, "1": entry("SD2DepthCheckpointLoader", ckpt_name="gone")}).check(
            task(photo)
        )
    with pytest.raises(EditError, match="nothing in the workflow takes a mask"):
        engine(_COPY).check(task(photo, mask=str(photo)))
    engine(_COPY).check(task(photo))


def test_scratch_and_memory_stay_as_they_are(engine, noise, tmp_path, one_thread):
    """Over 60 here, over 500 in test_many.py."""
    worker = engine(_COPY)
    photos = [noise(f"{seed}.png", seed, size=256) for seed in range(60)]
    sizes = []
    for number, photo in enumerate(photos):
        contents(worker.work(task(photo, f"{number}")))
        sizes.append(psutil.Process().memory_info().rss)
    assert max(sizes[20:]) - sizes[20] < 20e6
    assert [path.name for path in (tmp_path / "scratch 0").iterdir()] == ["workflow.json"]
