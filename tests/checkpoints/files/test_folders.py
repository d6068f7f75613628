"""Which folders of models there are, and where in them the model lies."""

import os
import shutil
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.files.errors import DamagedFile, UnreadableFile
from sd2_depth2img.checkpoints.files.folders import (
    find_folder,
    folder_names,
    model_folder,
    weight_files_in,
)
from sd2_depth2img.checkpoints.files.shards import INDEX
from sd2_depth2img.checkpoints.source import open_source

POSIX = pytest.mark.skipif(os.name != "posix", reason="links want privileges on Windows")


def test_folders_are_listed_with_a_slash_and_found_by_their_name_only(diffusers_folder, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first / "b", second / "author/a", second / "b"):
        place.mkdir(parents=True)
        shutil.copy(diffusers_folder / INDEX, place)
    (first / "no model").mkdir()
    (first / "b/unet").mkdir()
    (first / "linked").symlink_to(second / "author/a")
    assert folder_names([first, second, tmp_path / "none"]) == ["author/a/", "b/", "linked/"]
    assert find_folder("b/", [first, second]) == first / "b"
    for name in ("b", "../second/b/", "/", "no model/", str(first / "b") + "/"):
        with pytest.raises(FileNotFoundError, match="no diffusers folder"):
            find_folder(name, [first, second])


def test_what_a_killed_conversion_left_is_not_listed(diffusers_folder, tmp_path):
    shutil.copytree(diffusers_folder, tmp_path / ".mine.77.part")
    shutil.copytree(diffusers_folder, tmp_path / "mine")
    assert folder_names([tmp_path]) == ["mine/"]


@POSIX
def test_links_that_go_round_end_and_a_model_is_listed_once(diffusers_folder, tmp_path):
    for name in ("author/model", "other"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(diffusers_folder / INDEX, tmp_path / "author/model")
    for name in ("a", "b", "author/c", "other/d"):
        (tmp_path / name).symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "author/model")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    started = time.process_time()
    assert folder_names([tmp_path]) == ["author/model/"]
    assert time.process_time() - started < 1  # a walk along two loops doubles with every step


def test_what_lies_very_deep_is_not_looked_for(diffusers_folder, tmp_path):
    deep = tmp_path.joinpath(*"abcdefgh")
    deep.mkdir(parents=True)
    shutil.copy(diffusers_folder / INDEX, deep)
    assert folder_names([tmp_path]) == []
    shutil.copy(diffusers_folder / INDEX, tmp_path / "a/b/c")
    assert folder_names([tmp_path]) == ["a/b/c/"]


# --- Hugging Face's cache ------------------------------------------------------------------------

OLD, NEW = "a" * 40, "c" * 40


def cache_of(pipeline, place, commits=(NEW,), main=NEW):
    """As huggingface_hub lays it out: snapshots of links to blobs."""
    top = place / "models--someone--depth"
    (top / "blobs").mkdir(parents=True)
    for age, commit in enumerate(reversed(commits)):
        for file in sorted(pipeline.rglob("*")):
            if file.is_file():
                blob = top / "blobs" / str(len(list((top / "blobs").iterdir())))
                shutil.copy(file, blob)
                link = top / "snapshots" / commit / file.relative_to(pipeline)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(os.path.relpath(blob, link.parent))
        os.utime(top / "snapshots" / commit, (time.time() - age * 1000,) * 2)
    if main:
        (top / "refs").mkdir()
        (top / "refs" / "main").write_text(main)
    return top


@POSIX
def test_a_cache_is_the_model_that_its_ref_names(diffusers_folder, mini_checkpoint, tmp_path):
    top = cache_of(diffusers_folder, tmp_path, [OLD, NEW], main=OLD)
    assert model_folder(top) == top / "snapshots" / OLD
    assert Checkpoint.open(top).path == top
    assert Checkpoint.open(top).unet == Checkpoint.open(mini_checkpoint).unet


@POSIX
@pytest.mark.parametrize("main", [None, "e" * 40, "../../elsewhere", "", "x" * 100_000])
def test_without_a_ref_the_newest_snapshot_is_taken_and_named(
    diffusers_folder, tmp_path, caplog, monkeypatch, main
):
    top = cache_of(diffusers_folder, tmp_path, [OLD, NEW], main)
    assert model_folder(top) == top / "snapshots" / NEW
    assert "models--someone--depth has 2 snapshots, and refs/main names none" in caplog.text
    assert f"taking the newest, {NEW}" in caplog.text
    model_folder(top)
    monkeypatch.chdir(tmp_path)
    model_folder(Path(top.name))
    assert caplog.text.count("taking the newest") == 1


@POSIX
def test_a_home_of_hugging_face_is_the_one_model_in_its_cache(diffusers_folder, tmp_path):
    top = cache_of(diffusers_folder, tmp_path / "hub")
    (tmp_path / "xet").mkdir()
    (tmp_path / "token").touch()
    assert model_folder(tmp_path) == top / "snapshots" / NEW
    second = top.rename(top.with_name("models--someone--other"))
    cache_of(diffusers_folder, tmp_path / "hub")
    with pytest.raises(UnreadableFile, match=f"2 models \\({top.name}, {second.name}\\); name one"):
        open_source(tmp_path)


@POSIX
def test_a_cache_is_listed_by_its_own_name_and_its_snapshots_are_found(diffusers_folder, tmp_path):
    top = cache_of(diffusers_folder, tmp_path / "hub", [OLD, NEW])
    assert folder_names([tmp_path]) == ["hub/models--someone--depth/"]
    assert folder_names([top]) == [f"snapshots/{OLD}/", f"snapshots/{NEW}/"]
    for name in ("hub/models--someone--depth/", f"hub/models--someone--depth/snapshots/{OLD}/"):
        assert find_folder(name, [tmp_path]) == tmp_path / name
    with pytest.raises(FileNotFoundError):
        find_folder("hub/models--someone--depth/snapshots/none/", [tmp_path])


@POSIX
def test_a_cache_that_did_not_arrive_says_so(diffusers_folder, tmp_path):
    top = cache_of(diffusers_folder, tmp_path)
    weights = next((top / "snapshots" / NEW / "vae").glob("*.safetensors"))
    weights.resolve().rename(top / "blobs" / "12.incomplete")
    with pytest.raises(
        DamagedFile, match=r"is a link to \.\./.*, which is not there: the download"
    ):
        open_source(top)
    shutil.rmtree(top / "snapshots" / NEW)
    (top / "snapshots" / NEW).mkdir()
    with pytest.raises(DamagedFile, match=r"depth is .* the download is not complete"):
        open_source(top)
    (top / "snapshots" / NEW).rmdir()
    with pytest.raises(DamagedFile, match=r"depth is .* the download is not complete"):
        open_source(top)


@POSIX
def test_a_cache_of_a_single_file_is_that_file_and_so_is_a_folder(mini_checkpoint, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(mini_checkpoint, tmp_path / "in" / "512-depth-ema.safetensors")
    top = cache_of(tmp_path / "in", tmp_path)
    for folder in (top, tmp_path / "in"):
        assert open_source(folder).tensors.keys() == load_file(mini_checkpoint).keys()


def test_weight_files_are_those_that_are_seen(mini_checkpoint, tmp_path):
    shutil.copy(mini_checkpoint, tmp_path / "model.safetensors")
    (tmp_path / "._model.safetensors").write_bytes(b"\0\5\x16\7")
    (tmp_path / "model.ckpt").mkdir()
    assert weight_files_in(tmp_path) == [tmp_path / "model.safetensors"]


def test_a_folder_around_one_model_is_that_model(diffusers_folder, tmp_path):
    outer = tmp_path / "top" / "outer"
    shutil.copytree(diffusers_folder, outer / "inner")
    (outer / "version.txt").write_text("1")
    assert model_folder(outer) == outer / "inner"
    assert model_folder(tmp_path / "top") == outer / "inner"
    assert Checkpoint.open(outer).has_midas
    shutil.copytree(diffusers_folder, outer / "second")
    with pytest.raises(UnreadableFile, match=r"outer holds 2 models \(inner, second\); name one"):
        open_source(outer)
