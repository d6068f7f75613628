"""Files that appear whole, each under a name of its own; who may read them; what went wrong."""

import errno
import itertools
import multiprocessing
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.depth.depth_files import FileFormat, write_depth
from sd2_depth2img.disk import writing
from sd2_depth2img.disk.writing import write_whole, written_whole
from sd2_depth2img.engine.folders import numbered
from sd2_depth2img.images.files import write_image


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    with written_whole(path) as unfinished:
        unfinished.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(ZeroDivisionError):
        fail_half_way(path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "new")]


def fail_half_way(path):
    with written_whole(path) as unfinished:
        unfinished.write_text("half")
        raise ZeroDivisionError


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
def test_files_follow_the_umask_whatever_wrote_them(tmp_path, umask):
    with written_whole(tmp_path / "a.safetensors") as unfinished:
        save_file({"a": torch.ones(3)}, unfinished)
    with written_whole(tmp_path / "a.pt") as unfinished:
        torch.save({"a": torch.ones(3)}, unfinished)
    write_image(tmp_path / "a.png", torch.zeros(2, 2, 3))
    for kind in FileFormat:
        write_depth(tmp_path / f"map.{kind.name}", torch.zeros(2, 2), kind)
    written = list(tmp_path.iterdir())
    assert len(written) == 3 + len(FileFormat)
    assert {mode(path) for path in written} == {0o666 & ~umask}
    assert torch.equal(load_file(tmp_path / "a.safetensors")["a"], torch.ones(3))


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
def test_a_replaced_file_follows_it_too(tmp_path, umask):
    path = tmp_path / "a.png"
    path.touch(0o600)
    write_image(path, torch.zeros(2, 2, 3))
    assert mode(path) == 0o666 & ~umask


# --- names are claimed ---------------------------------------------------------------------------


def series(folder, prefix="x", count=1, suffix=".txt"):
    return numbered(folder, prefix, count, 1, 1, suffix)[0]


def text(content):
    return lambda unfinished: unfinished.write_text(content)


PROCESSES, EACH = 8, 50


def save_many(folder, process):
    contents = [f"{process} {file}" for file in range(EACH)]
    return [(write_whole(series(folder)[0], text(one)).name, one) for one in contents]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="others would import torch eight times")
def test_processes_that_save_at_once_lose_nothing(tmp_path):
    """Every file is there, under the name that was reported, in numbers without a gap."""
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        each = pool.map(partial(save_many, tmp_path), range(PROCESSES), chunksize=1)
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert sorted(found) == [f"x_{n:05}_.txt" for n in range(1, PROCESSES * EACH + 1)]
    assert found == dict(itertools.chain(*each))
    for saved in each:  # in the order in which they were made
        assert saved == sorted(saved)


@pytest.fixture(params=["links", "no links"])
def disk_kind(request, monkeypatch):
    """A disk as most are, and one such as FAT or a network folder, that has no links."""

    def no_link(source, target):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(source), None, str(target))

    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_link)
    return request.param


def test_threads_that_save_at_once_lose_nothing(tmp_path, disk_kind):
    def save(number):
        for file in range(10):
            (names,) = series(tmp_path)
            write_whole(names, text(f"{number} {file}"))

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"x_{n:05}_.txt" for n in range(1, 81)
    ]
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 80


def test_threads_that_write_the_same_file_do_not_mix(tmp_path):
    """Each has its own unfinished file; the last to end wins."""
    path = tmp_path / "same.txt"
    contents = [str(number) * 10_000 for number in range(8)]
    threads = [threading.Thread(target=write_whole, args=(path, text(c))) for c in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() in contents


def test_a_name_that_another_program_took_while_writing_is_left_to_it(tmp_path, disk_kind):
    """Such as ComfyUI's own Save Image, which looks and then writes."""
    first, second = series(tmp_path, count=2)

    def write(unfinished):
        unfinished.write_text("ours")
        (tmp_path / "x_00001_.txt").write_text("theirs")
        (tmp_path / "x_00002_.txt").symlink_to("nowhere")  # taken as well

    assert write_whole(first, write) == tmp_path / "x_00003_.txt"
    assert write_whole(second, text("next")) == tmp_path / "x_00004_.txt"
    assert (tmp_path / "x_00001_.txt").read_text() == "theirs"
    assert (tmp_path / "x_00003_.txt").read_text() == "ours"
    assert not os.path.lexists(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_without_replacing_what_came_meanwhile_is_left(tmp_path, disk_kind, kind):
    path = tmp_path / "a"

    def both():
        with written_whole(path, replace=False) as unfinished:
            unfinished.mkdir() if kind == "folder" else unfinished.write_text("ours")
            path.mkdir() if kind == "folder" else path.write_text("theirs")

    with pytest.raises(FileExistsError, match="exists, and nothing is overwritten"):
        both()
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole(tmp_path):
    with written_whole(tmp_path / "a", replace=False) as unfinished:
        (unfinished / "b").mkdir(parents=True)
    assert (tmp_path / "a" / "b").is_dir()
    assert len(list(tmp_path.iterdir())) == 1


def test_no_claim_is_left_when_the_last_step_fails(tmp_path, disk_kind, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(os, "rename", full)
    if disk_kind == "no links":
        with pytest.raises(OSError, match=r"x_00001_\.txt: the disk is full; make room"):
            write_whole(series(tmp_path)[0], text("a"))
    with (
        pytest.raises(OSError, match="/a: the disk is full"),
        written_whole(tmp_path / "a", replace=False) as unfinished,
    ):
        unfinished.mkdir()
    assert not list(tmp_path.iterdir())


def test_the_number_is_found_quickly_among_very_many_files(tmp_path):
    for number in range(100_000):
        os.close(os.open(tmp_path / f"x_{number:05}_.png", os.O_CREAT | os.O_WRONLY))
    start = time.process_time()
    paths = [write_whole(names, text("a")) for names in series(tmp_path, "x", 20)]
    assert time.process_time() - start < 3  # 0.15 s where nothing else runs
    assert [path.name for path in paths] == [f"x_{n}_.txt" for n in range(100_000, 100_020)]
    shutil.rmtree(tmp_path)  # pytest would keep it


def test_series_that_a_disk_does_not_tell_apart_share_their_numbers(tmp_path, monkeypatch):
    """With `a` and `A` the same, as on most disks of Windows and macOS."""
    link = os.link
    monkeypatch.setattr(os, "link", lambda a, b: link(a, b.with_name(b.name.lower())))
    names = [write_whole(series(tmp_path, prefix)[0], text(prefix)).name for prefix in "aAa"]
    assert [name.lower() for name in names] == [f"a_0000{n}_.txt" for n in (1, 2, 3)]
    assert len(list(tmp_path.iterdir())) == 3


# --- what killed programs leave ------------------------------------------------------------------

KILLED = """
import os, signal, sys
from functools import partial
from pathlib import Path
from sd2_depth2img.disk.writing import written_whole
with written_whole(Path(sys.argv[1])) as unfinished:
    unfinished.mkdir() if sys.argv[2] == "folder" else unfinished.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can tell whether it still runs")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_program_left_goes_with_the_next_write(tmp_path, kind):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a"), kind], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert writing.is_unfinished(left)
    others = tmp_path / ".a.00000000-1-00.part"  # of another computer, where 1 may be running
    others.touch()
    with written_whole(tmp_path / "busy") as ours:
        ours.touch()
        writing._remove_abandoned.cache_clear()
        write_whole(tmp_path / "b", text("b"))
        assert set(tmp_path.iterdir()) == {others, ours, tmp_path / "b"}


# --- long names ----------------------------------------------------------------------------------


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path):
    path = tmp_path / ("ä" * 125 + "a.txt")  # 255 bytes
    assert write_whole(path, text("a")).read_text() == "a"
    with pytest.raises(OSError, match=r"b{300}_00001_\.txt: the file name is too long; choose"):
        write_whole(series(tmp_path, "b" * 300)[0], text("b"))
    with pytest.raises(OSError, match=r"c{300}: the file name is too long"):
        series(tmp_path, "c" * 300 + "/c")
    assert list(tmp_path.iterdir()) == [path]


# --- what went wrong ------------------------------------------------------------------------------


@pytest.fixture
def small_files():
    """The system refuses what is larger than 1000 bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", FileFormat)
def test_what_does_not_fit_is_said_with_the_files_name(tmp_path, small_files, kind):
    noise = torch.rand(64, 64, generator=torch.Generator().manual_seed(0))
    names = series(tmp_path, "map", 1, kind.suffix)[0]
    with pytest.raises(OSError, match=r"map_00001_") as caught:
        write_depth(names, noise, kind)
    assert ".part" not in str(caught.value)
    assert "[Errno" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "{}: it is a folder; a file is expected"),
        (lambda path: path.parent.rmdir(), "{}: there is no such file or folder"),
        (lambda path: (path.parent.rmdir(), path.parent.touch()), "{}: a part of its path is a"),
    ],
)
def test_places_where_no_file_can_be(tmp_path, make, message):
    path = tmp_path / "folder" / "a.txt"
    path.parent.mkdir()
    make(path)
    with pytest.raises(OSError, match=message.format(path)):
        write_whole(path, text("a"))


def test_an_error_about_another_file_names_that(tmp_path):
    def copy(unfinished):
        unfinished.write_bytes((tmp_path / "source").read_bytes())

    with pytest.raises(FileNotFoundError, match="/source: there is no such file"):
        write_whole(tmp_path / "target", copy)
