"""Which folders of models there are, and where in them the model lies."""

import os
import shutil
import time

import pytest

from sd2_depth2img.checkpoints.files.shards import INDEX
from sd2_depth2img.checkpoints.folders import find_folder, folder_names

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


@pytest.mark.skipif(os.name != "posix", reason="links want privileges on Windows")
def test_links_that_go_round_end_and_a_model_is_listed_once(diffusers_folder, tmp_path):
    for name in ("author/model", "other"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(diffusers_folder / INDEX, tmp_path / "author/model")
    for name in ("a", "b", "author/c", "other/d"):
        (tmp_path / name).symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "author/model")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    started = time.monotonic()
    assert folder_names([tmp_path]) == ["author/model/"]
    assert time.monotonic() - started < 1  # a walk along two loops doubles with every step


def test_what_lies_very_deep_is_not_looked_for(diffusers_folder, tmp_path):
    deep = tmp_path.joinpath(*"abcdefgh")
    deep.mkdir(parents=True)
    shutil.copy(diffusers_folder / INDEX, deep)
    assert folder_names([tmp_path]) == []
    shutil.copy(diffusers_folder / INDEX, tmp_path / "a/b/c")
    assert folder_names([tmp_path]) == ["a/b/c/"]
