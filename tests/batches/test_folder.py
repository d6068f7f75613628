"""The items of a folder."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sd2_depth2img.batches.folder import read_folder
from sd2_depth2img.batches.problems import UnusableInput
from sd2_depth2img.batches.sources import read_items


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def named(items):
    return {item.name: item for item in items}


def test_a_tree_of_pictures_gives_names_that_mirror_it_in_a_fixed_order(tmp_path, picture):
    for name in ("b.png", "a.JPG", "sub/c.webp", "sub/deep/a.png"):
        picture(f"in/{name}")
    picture("in/.hidden/x.png")
    picture("in/.x.png")
    items = read_folder(tmp_path / "in")
    assert [item.name for item in items] == ["a", "b", "sub/c", "sub/deep/a"]
    assert items[2].changes.image == str(tmp_path / "in" / "sub" / "c.webp")
    assert dict(items[2].files) == {"image": tmp_path / "in" / "sub" / "c.webp"}


def test_what_belongs_to_a_picture_by_its_name(tmp_path, picture):
    photo = picture("in/sub/cup.jpg")
    picture("in/sub/plain.jpg")
    depth = tmp_path / "in/sub/cup.depth.npy"
    np.save(depth, np.zeros((2, 2)))
    mask = picture("in/sub/cup.mask.png")
    write(tmp_path / "in/sub/cup.txt", "\ufeffa clay cup\n")
    write(tmp_path / "in/sub/cup.negative.txt", "blurry")
    write(tmp_path / "in/sub/cup.seed.txt", "7\n")
    items = named(read_folder(tmp_path / "in"))
    assert set(items) == {"sub/cup", "sub/plain"}
    cup = items["sub/cup"].changes
    assert (cup.image, cup.depth, cup.mask) == (str(photo), str(depth), str(mask))
    assert (cup.prompt, cup.negative, cup.seed) == ("a clay cup", "blurry", 7)
    assert dict(items["sub/cup"].files) == {"image": photo, "depth": depth, "mask": mask}
    assert items["sub/plain"].changes.given().keys() == {"image"}


def test_what_belongs_to_a_picture_by_folders(tmp_path, picture):
    picture("in/images/sub/cup.jpg")
    depth = picture("in/depth/sub/cup.png")
    mask = picture("in/masks/sub/cup.png")
    write(tmp_path / "in/prompts/sub/cup.txt", "a clay cup")
    write(tmp_path / "in/seeds/sub/cup.txt", "random")
    (item,) = read_folder(tmp_path / "in")
    assert item.name == "sub/cup"
    assert (item.changes.depth, item.changes.mask) == (str(depth), str(mask))
    assert (item.changes.prompt, item.changes.seed, item.draws_seed) == ("a clay cup", None, True)


def test_a_picture_called_like_a_mask_is_a_picture_where_nothing_has_that_mask(tmp_path, picture):
    picture("in/face.mask.png")
    picture("in/other.png")
    assert set(named(read_folder(tmp_path / "in"))) == {"face.mask", "other"}


def test_depths_and_masks_may_lie_elsewhere_and_one_that_lacks_fails_its_item_alone(
    tmp_path, picture
):
    picture("in/a.jpg")
    picture("in/b.jpg")
    depth = picture("z/a.png")
    items = named(read_folder(tmp_path / "in", depths=tmp_path / "z"))
    assert (items["a"].changes.depth, items["a"].problem) == (str(depth), "")
    assert items["b"].problem == f"{tmp_path / 'z'} has no depth file called b"


def test_it_is_told_how_many_have_what_and_what_is_left_over(tmp_path, picture):
    picture("in/a.jpg")
    picture("in/b.jpg")
    picture("in/a.mask.png")
    picture("in/depth/lost.png")
    write(tmp_path / "in/notes.md", "x")
    write(tmp_path / "in/film.mp4", "x")
    notes = read_folder(tmp_path / "in").notes
    assert notes[0] == "1 of 2 pictures with a mask of their own"
    assert notes[1].startswith("1 depth map for no picture")
    assert notes[2].startswith("2 files left out")
    assert notes[3] == "1 film among them: give a film by itself"


def test_two_pictures_of_one_name_are_refused_with_both(tmp_path, picture):
    picture("in/a.jpg")
    picture("in/a.png")
    with pytest.raises(UnusableInput, match=r"a\.jpg and .*a\.png would both be written as a,"):
        read_folder(tmp_path / "in")


def test_names_that_differ_in_case_alone_are_two_only_where_the_disk_says_so(tmp_path, monkeypatch):
    from sd2_depth2img.batches.items import check_names

    places = [("a", "a.png"), ("A", "A.png")]
    monkeypatch.setattr(sys, "platform", "linux")
    check_names(places, "rename one")
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnusableInput, match="rename one"):
        check_names(places, "rename one")


def test_a_folder_without_pictures_is_refused(tmp_path):
    write(tmp_path / "in/notes.md", "x")
    with pytest.raises(UnusableInput, match="has no pictures"):
        read_folder(tmp_path / "in")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.seed.txt", "seven", "neither a whole number nor random"),
        ("a.txt", b"\xff\xfe\xff", "not in UTF-8"),
    ],
)
def test_a_text_that_cannot_be_used_fails_its_picture_alone(
    tmp_path, picture, name, content, problem
):
    picture("in/a.jpg")
    picture("in/b.jpg")
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "in" / name).write_bytes(raw)
    items = named(read_folder(tmp_path / "in"))
    assert problem in items["a"].problem
    assert items["b"].problem == ""


def test_what_is_no_source_of_items_is_refused_in_words(tmp_path, picture):
    write(tmp_path / "film.mp4", "x")
    for path, words in (
        (tmp_path / "nowhere", "there is no folder or list"),
        (tmp_path / "film.mp4", "is a film; make pictures of it"),
        (picture("a.png"), "neither a folder nor a list"),
    ):
        with pytest.raises(UnusableInput, match=words):
            read_items(path)
