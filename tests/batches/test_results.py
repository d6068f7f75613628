"""The output folder of a batch."""

import subprocess
import sys

import pytest

from sd2_depth2img.batches.manifest import DONE, Record, Result
from sd2_depth2img.batches.problems import UnusableInput
from sd2_depth2img.batches.results import OutputFolder, Saved, result_names


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["ComfyUI_00001_.png"], ["a/b.c.png"]),
        (["x.latent"], ["a/b.c.latent"]),
        (["small_00001_.png", "depth_00007_.png"], ["a/b.c_small.png", "a/b.c_depth.png"]),
        (["x_00001_.png", "x_00002_.png"], ["a/b.c_x.png", "a/b.c_x_2.png"]),
        (["x_00001_.png", "x_00001_.exr"], ["a/b.c_x.png", "a/b.c_x.exr"]),
        (["_00001_.png", "7.png"], ["a/b.c_result.png", "a/b.c_result_2.png"]),
    ],
)
def test_results_are_called_as_their_item_and_several_as_each(files, names):
    assert result_names("a/b.c", [Saved(name, b"") for name in files]) == names


@pytest.fixture
def output(tmp_path):
    with OutputFolder.opened(tmp_path / "out") as opened:
        yield opened


def test_files_are_put_in_their_places(output):
    results = output.put("sub/a", [Saved("x_00001_.png", b"one")], None)
    assert (output.folder / "sub" / "a.png").read_bytes() == b"one"
    assert results == [Result("sub/a.png", results[0].sha256, 3)]
    assert output.has(Record("sub/a", DONE, results=results))
    (output.folder / "sub" / "a.png").write_bytes(b"other")
    assert not output.has(Record("sub/a", DONE, results=results))


def test_what_an_item_had_and_has_no_more_is_removed_unless_somebody_changed_it(output):
    files = [Saved("x_00001_.png", b"one"), Saved("y_00001_.png", b"two"), Saved("z.png", b"3")]
    former = Record("a", DONE, results=output.put("a", files, None))
    (output.folder / "a_z.png").write_bytes(b"painted over")
    output.put("a", files[:1], former)
    assert sorted(path.name for path in output.folder.glob("*.png")) == ["a.png", "a_z.png"]


def test_a_file_of_somebody_else_is_left_alone(output):
    (output.folder / "a.png").write_bytes(b"mine")
    assert "exists and is no result of a" in output.taken("a", None)
    with pytest.raises(FileExistsError, match="exists and is no result of a; move it away"):
        output.put("a", [Saved("x.png", b"new")], None)
    assert (output.folder / "a.png").read_bytes() == b"mine"


def test_what_a_killed_batch_put_there_without_saying_so_is_its_own(tmp_path):
    with OutputFolder.opened(tmp_path / "out") as output:
        output.put("a", [Saved("x.png", b"one")], None)  # and then it was killed
    with OutputFolder.opened(tmp_path / "out") as output:
        assert output.taken("a", None) == ""
        output.put("a", [Saved("x.png", b"two")], None)
    assert (tmp_path / "out" / "a.png").read_bytes() == b"two"


HOLD = """
import sys
from pathlib import Path
from sd2_depth2img.batches.results import OutputFolder
with OutputFolder.opened(Path(sys.argv[1])) as output:
    output.scratch.mkdir()
    print("open", flush=True)
    sys.stdin.read()
"""


def test_one_batch_at_a_time_and_a_killed_one_leaves_no_scratch(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline().strip() == b"open"
        with (
            pytest.raises(UnusableInput, match="another batch is writing to"),
            OutputFolder.opened(tmp_path / "out"),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
    scratch = tmp_path / "out" / ".batch" / "scratch"
    assert scratch.is_dir()
    with OutputFolder.opened(tmp_path / "out"):
        assert not scratch.exists()


def test_a_disk_that_is_full_ends_the_batch_and_another_failure_does_not(output, monkeypatch):
    files = [Saved("x.png", b"12345")]
    output.check_room(files)
    usage = type("usage", (), {"free": 4})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="the disk is full"):
        output.check_room(files)
