"""A batch: what is done again and what is not, and what the manifest says of it."""

import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sd2_depth2img.batches.batch import Batch
from sd2_depth2img.batches.items import Item, ItemList
from sd2_depth2img.batches.manifest import DONE, FAILED, read
from sd2_depth2img.batches.results import OutputFolder, Saved
from sd2_depth2img.batches.tasks import Outcome
from sd2_depth2img.workflows.changes import Changes


def grey(path):
    return int(np.asarray(Image.open(path)).flat[0])


def statuses(steps):
    return {step.record.item: (step.record.status, step.is_new) for step in steps}


NEW, OLD, BAD = (DONE, True), (DONE, False), (FAILED, True)


@pytest.fixture
def manifest(tmp_path):
    return lambda: read(tmp_path / "out" / "manifest.jsonl")


def test_every_item_has_its_result_and_a_true_line(tmp_path, picture, items, scale, run, manifest):
    paths = [picture(f"{name}.png", value) for name, value in (("a", 10), ("b", 200))]
    steps = run(items(*paths), scale)
    assert statuses(steps) == {"a": NEW, "b": NEW}
    assert [grey(tmp_path / "out" / f"{name}.png") for name in "ab"] == [10, 200]
    record = manifest()["b"]
    content = (tmp_path / "out" / "b.png").read_bytes()
    assert record.results[0].sha256 == hashlib.sha256(content).hexdigest()
    source = record.sources["image"]
    assert source.path == str(paths[1])
    assert source.sha256 == hashlib.sha256(paths[1].read_bytes()).hexdigest()
    assert record.settings == {"image": f"sha256:{source.sha256}"}
    assert record.workflow == hashlib.sha256(scale.content).hexdigest()
    assert record.seconds > 0
    assert record.error == ""
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"a.png", "b.png", "manifest.jsonl", ".batch"}
    assert not (tmp_path / "out" / ".batch" / "scratch").exists()


def test_what_is_done_is_not_done_again(picture, items, scale, run, manifest, tmp_path):
    todo = items(picture("a.png"), picture("b.png"))
    run(todo, scale)
    lines = (tmp_path / "out" / "manifest.jsonl").read_bytes()
    assert statuses(run(todo, scale)) == {"a": OLD, "b": OLD}
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == lines


def test_a_source_that_changed_is_done_again_and_one_that_was_only_touched_is_not(
    picture, items, scale, run, tmp_path
):
    a, b = picture("a.png", 10), picture("b.png", 20)
    run(items(a, b), scale)
    picture("a.png", 30)
    os.utime(b, (1, 1))
    assert statuses(run(items(a, b), scale)) == {"a": NEW, "b": OLD}
    assert grey(tmp_path / "out" / "a.png") == 30


def test_a_result_that_is_missing_or_was_cut_is_made_again(picture, items, scale, run, tmp_path):
    todo = items(*(picture(f"{name}.png") for name in "abc"))
    run(todo, scale)
    (tmp_path / "out" / "a.png").unlink()
    (tmp_path / "out" / "b.png").write_bytes(b"")
    assert statuses(run(todo, scale)) == {"a": NEW, "b": NEW, "c": OLD}


def test_other_settings_or_another_workflow_are_other_work(picture, items, scale, run, tmp_path):
    todo = items(picture("a.png"))
    width = Changes(assignments=("2.width=2",))
    assert statuses(run(todo, scale)) == {"a": NEW}
    assert statuses(run(todo, scale, width)) == {"a": NEW}
    assert Image.open(tmp_path / "out" / "a.png").size == (2, 4)
    assert statuses(run(todo, scale, width)) == {"a": OLD}
    other = replace(scale, content=scale.content + b"\n")
    assert statuses(run(todo, other, width)) == {"a": NEW}


def test_another_precision_is_other_work(picture, items, scale, run):
    todo = items(picture("a.png"))
    assert statuses(run(todo, scale)) == {"a": NEW}
    assert statuses(run(todo, scale, precision="bf16")) == {"a": NEW}
    assert statuses(run(todo, scale, precision="bf16")) == {"a": OLD}
    assert statuses(run(todo, scale)) == {"a": NEW}


def test_moved_sources_are_the_same_work(picture, items, scale, run, tmp_path):
    run(items(picture("in/a.png", 9)), scale)
    (tmp_path / "in").rename(tmp_path / "moved")
    assert statuses(run(items(tmp_path / "moved" / "a.png"), scale)) == {"a": OLD}


def test_a_damaged_picture_costs_only_itself_and_is_tried_again(
    picture, items, scale, run, manifest, tmp_path
):
    a, bad, c = (picture(f"{name}.png", 50) for name in ("a", "bad", "c"))
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    assert statuses(run(items(a, bad, c), scale)) == {"a": NEW, "bad": BAD, "c": NEW}
    record = manifest()["bad"]
    assert "bad.png is not an image that can be read: it is a PNG that is damaged" in record.error
    assert record.sources["image"].bytes == len(whole) // 2
    assert not (tmp_path / "out" / "bad.png").exists()
    bad.write_bytes(whole)
    assert statuses(run(items(a, bad, c), scale)) == {"a": OLD, "bad": NEW, "c": OLD}


def test_what_was_done_stays_when_its_source_is_damaged_later(picture, items, scale, run, tmp_path):
    a = picture("a.png", 50)
    whole = a.read_bytes()
    run(items(a), scale)
    a.write_bytes(whole[:40])
    assert statuses(run(items(a), scale)) == {"a": BAD}
    assert grey(tmp_path / "out" / "a.png") == 50
    a.write_bytes(whole)
    assert statuses(run(items(a), scale)) == {"a": NEW}


def test_an_item_that_cannot_run_is_told_once_in_the_manifest(scale, run, tmp_path):
    todo = ItemList([Item("a", problem="there is no image file")])
    for _ in range(2):
        (step,) = run(todo, scale)
        assert step.record.error == "there is no image file"
    assert len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 1


def test_a_file_of_somebody_else_is_not_replaced(picture, items, scale, run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"mine")
    (step,) = run(items(picture("a.png")), scale)
    assert "exists and is no result of a" in step.record.error
    assert (tmp_path / "out" / "a.png").read_bytes() == b"mine"


def test_two_items_whose_results_meet_do_not_replace_each_other(
    picture, items, workflow, run, tmp_path
):
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}
    twice = workflow(
        {
            "1": {"class_type": "LoadImage", "inputs": {"image": "p.png"}},
            "2": save,
            "3": {"class_type": "SaveImage", "inputs": {**save["inputs"], "filename_prefix": "y"}},
            "4": {
                "class_type": "SaveImage",
                "inputs": {**save["inputs"], "filename_prefix": "z_y"},
            },
        }
    )
    steps = run(items(picture("a_z.png", 1), picture("a.png", 2)), twice)
    assert statuses(steps) == {"a_z": NEW, "a": BAD}
    assert grey(tmp_path / "out" / "a_z_y.png") == 1


# --- seeds ---------------------------------------------------------------------------------------


class Nobody:
    """A back end that does nothing but say with which seed."""

    def run(self, tasks):
        for task in tasks:
            seeds = [one.seed for one in task.layers if one.seed is not None]
            yield Outcome(task, files=[Saved("x.png", b"1")], seed=seeds[-1] if seeds else None)


@pytest.fixture
def seeds(tmp_path, scale):
    def go(items, draws=False, common=None):
        with OutputFolder.opened(tmp_path / "out") as output:
            steps = list(Batch(items, scale, common or Changes(), output, draws).run(Nobody()))
        return {step.record.item: step.record.seed for step in steps}, statuses(steps)

    return go


def test_random_seeds_are_drawn_for_each_item_and_kept_by_the_manifest(seeds, manifest):
    todo = ItemList([Item("a"), Item("b"), Item("c", Changes(seed=5))])
    drawn, _ = seeds(todo, draws=True)
    assert drawn["a"] != drawn["b"]
    assert drawn["c"] == 5
    again, how = seeds(todo, draws=True)
    assert (again, set(how.values())) == (drawn, {OLD})
    assert manifest()["a"].drawn_seed == drawn["a"]
    assert manifest()["c"].drawn_seed is None


def test_an_item_may_draw_its_own(seeds):
    todo = ItemList([Item("a", draws_seed=True), Item("b")])
    drawn, _ = seeds(todo, common=Changes(seed=3))
    assert drawn["b"] == 3
    assert drawn["a"] not in (3, None)


def test_a_fixed_seed_after_a_random_one_is_other_work(seeds):
    todo = ItemList([Item("a")])
    seeds(todo, draws=True)
    assert seeds(todo, common=Changes(seed=3)) == ({"a": 3}, {"a": NEW})


# --- the back end ends ---------------------------------------------------------------------------


def test_what_was_finished_before_the_end_is_kept(picture, items, scale, tmp_path, run):
    class Dies(Nobody):
        def run(self, tasks):
            yield next(super().run(tasks))
            raise KeyboardInterrupt

    todo = ItemList([Item("a"), Item("b")])
    with OutputFolder.opened(tmp_path / "out") as output, pytest.raises(KeyboardInterrupt):
        list(Batch(todo, scale, Changes(), output).run(Dies()))
    lines = (tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["item"] for line in lines] == ["a"]


def test_a_shared_mask_is_a_source_of_every_item(picture, scale, tmp_path):
    mask = picture("mask.png")
    with OutputFolder.opened(tmp_path / "out") as output:
        batch = Batch(ItemList([Item("a")]), scale, Changes(mask=str(mask)), output)
        assert batch.first().files == {"mask": str(mask)}
