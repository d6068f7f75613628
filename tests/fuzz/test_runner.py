"""The fuzzer itself: what it must notice, it notices, and it goes on afterwards."""

import random
import sys
import zipfile
from functools import partial

import pytest

from sd2_depth2img.tests.fuzz import mutations, pictures
from sd2_depth2img.tests.fuzz.kinds import KINDS
from sd2_depth2img.tests.fuzz.misbehaviour import MISBEHAVIOUR, answering, misbehaving
from sd2_depth2img.tests.fuzz.runner import SILENCE, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches workers through /proc")


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_misbehaviour_is_noticed(name, tmp_path):
    silence = 2 if name == "silence" else SILENCE
    report = run("x", partial(misbehaving, name), [3], tmp_path / "work", silence=silence)
    (failure,) = report.failures
    assert failure.number == 3
    assert any(MISBEHAVIOUR[name][1] in one for one in failure.broken), failure
    assert not (tmp_path / "work").exists()


def test_another_worker_goes_on_behind_one_that_died(tmp_path):
    report = run("x", partial(misbehaving, "death"), [3, 5, 7], tmp_path / "work")
    assert [failure.number for failure in report.failures] == [3, 5, 7]
    assert report.inputs == 3


def test_an_answer_is_no_failure(tmp_path):
    report = run("x", answering, range(3), tmp_path / "work")
    assert (report.inputs, report.refused, report.failures) == (3, 3, [])


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_is_made_again_from_its_number(kind, tmp_path):
    for keep in ("first", "second"):
        run(kind, KINDS[kind], [11], tmp_path / "work", tmp_path / keep)
    first, second = (
        {p.relative_to(tmp_path / keep): p.read_bytes() for p in _files(tmp_path / keep)}
        for keep in ("first", "second")
    )
    assert first == second
    assert first or kind == "nodes"  # whose inputs are no files


def _files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_archives_are_whole_before_they_are_damaged(tmp_path):
    path = tmp_path / "a.zip"
    entries = [mutations.deflated(b"a", b"one"), mutations.Entry(b"b", b"two")]
    path.write_bytes(mutations.zipped([*entries, mutations.bomb(b"c", b"three", 2)]))
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert [file.read(name) for name in "ab"] == [b"one", b"two"]
        assert file.read("c") == b"three" + bytes(2 << 20)


def test_chunks_of_a_picture_are_put_together_as_they_were():
    data = pictures.flat_png(100, 200)
    assert pictures.png(pictures.png_chunks(data)) == data


def test_damaging_json_leaves_the_document_as_it_was():
    document = {"a": [1, {"b": "x"}], "c": None}
    rng = random.Random(1)
    changed = [mutations.dumped(mutations.odd_json(rng, document)) for _ in range(50)]
    assert document == {"a": [1, {"b": "x"}], "c": None}
    assert len(set(changed)) > 40
