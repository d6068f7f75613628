"""The manifest: what is written is on the disk, what was torn is not there."""

import json

import pytest

from sd2_depth2img.batches.items import Source
from sd2_depth2img.batches.manifest import DONE, FAILED, Manifest, Record, Result, read
from sd2_depth2img.batches.problems import UnusableInput

RECORD = Record(
    "sub/küche\n",
    DONE,
    identity="i",
    workflow="w",
    sources={"image": Source("/in/a.png", "abc", 3, 4)},
    settings={"prompt": "a cup", "assignments": ["3.x=1"]},
    seed={"8": 1, "9": 2},
    results=(Result("a.png", "def", 5),),
    seconds=1.5,
    processor_seconds=1.25,
    warnings=("far",),
    worker="here:1",
    finished="2026-11-28T12:00:00+00:00",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "manifest.jsonl"


def test_a_record_comes_back_as_it_was(path):
    manifest = Manifest(path)
    manifest.append(RECORD)
    assert manifest.find(RECORD.item) == RECORD
    again = Manifest(path)
    assert again.find(RECORD.item) == RECORD
    assert again.find("other") is None
    assert read(path) == {RECORD.item: RECORD}


def test_the_last_record_of_an_item_counts(path):
    manifest = Manifest(path)
    for item, status in (("a", FAILED), ("b", DONE), ("a", DONE)):
        manifest.append(Record(item, status))
    assert len(path.read_bytes().splitlines()) == 3
    for one in (manifest, Manifest(path)):
        assert (one.find("a").status, one.find("b").status) == (DONE, DONE)


def test_a_torn_last_line_is_taken_away_wherever_it_was_torn(path):
    manifest = Manifest(path)
    manifest.append(Record("a", DONE))
    whole = path.read_bytes()
    manifest.append(RECORD)
    both = path.read_bytes()
    for end in range(len(whole), len(both)):
        path.write_bytes(both[:end])
        manifest = Manifest(path)
        assert path.read_bytes() == whole
        assert manifest.find(RECORD.item) is None
        assert read(path) == {"a": Record("a", DONE)}
    manifest.append(RECORD)
    assert path.read_bytes() == both


@pytest.mark.parametrize("line", ["{", "[]", '{"item": "a"}', "null"])
def test_a_line_that_is_no_record_is_named(path, line):
    Manifest(path).append(Record("a", DONE))
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(UnusableInput, match=r"line 2 of .*manifest\.jsonl is damaged"):
        Manifest(path)


def test_a_line_has_what_a_later_version_may_add(path):
    values = json.loads(_line(path))
    path.write_text(json.dumps({**values, "colour": "red"}) + "\n")
    assert Manifest(path).find("a") == Record("a", DONE)


def test_names_that_are_no_text_are_kept(path):
    manifest = Manifest(path)
    manifest.append(Record("caf\udce9", DONE))
    assert Manifest(path).find("caf\udce9") is not None


def test_many_records_are_found_by_their_place(path):
    manifest = Manifest(path)
    with path.open("ab") as file:
        for number in range(5000):
            file.write(_line(path).replace(b'"a"', f'"{number}"'.encode(), 1))
    manifest = Manifest(path)
    assert [manifest.find(str(number)).item for number in (0, 2500, 4999)] == ["0", "2500", "4999"]


def _line(path):
    other = path.with_name("one.jsonl")
    if not other.exists():
        Manifest(other).append(Record("a", DONE))
    return other.read_bytes()
