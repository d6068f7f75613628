"""Depth models in folders: what is listed, what is found, and where."""

import pytest

from sd2_depth2img.depth.networks.model_files import find_model, model_names


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def places(tmp_path):
    return [tmp_path / "mine", tmp_path / "theirs", tmp_path / "not there"]


def test_weight_files_and_folders_of_transformers_are_listed(places):
    mine, theirs, _ = places
    touch(
        mine / "dpt_large.pt",
        mine / "old" / "small.CKPT",
        mine / "notes.txt",
        mine / "da-small" / "config.json",
        mine / "da-small" / "model.safetensors",
        mine / "da-small" / "onnx" / "model.pth",
        theirs / "moge.safetensors",
        theirs / "hub" / "snapshots" / "1f" / "config.json",
        theirs / "hub" / "blobs" / "weights",
    )
    assert model_names(places) == [
        "da-small",
        "dpt_large.pt",
        "hub/snapshots/1f",
        "moge.safetensors",
        "old/small.CKPT",
    ]


def test_a_name_in_two_folders_is_listed_once_and_the_first_wins(places):
    mine, theirs, _ = places
    touch(mine / "a.pt", theirs / "a.pt", theirs / "b" / "config.json")
    assert model_names(places) == ["a.pt", "b"]
    assert find_model("a.pt", places) == mine / "a.pt"
    assert find_model("b", places) == theirs / "b"


def test_a_configuration_in_the_folder_itself_hides_nothing(places):
    touch(places[0] / "config.json", places[0] / "a.pt")
    assert model_names(places) == ["a.pt"]


def test_linked_folders_are_followed(places, tmp_path):
    touch(tmp_path / "disk" / "a.pt", tmp_path / "disk" / "b" / "config.json")
    places[0].mkdir()
    (places[0] / "link").symlink_to(tmp_path / "disk", target_is_directory=True)
    assert model_names(places) == ["link/a.pt", "link/b"]


def test_links_that_lead_round_are_followed_once(places):
    touch(places[0] / "a.pt")
    for link in ("one", "two"):
        (places[0] / link).symlink_to(places[0], target_is_directory=True)
    assert model_names(places) == ["a.pt"]


@pytest.mark.parametrize("name", ["c.pt", "../secret.pt", "", "sub", "notes.txt"])
def test_what_is_not_listed_is_not_found_and_the_folders_are_named(places, name, tmp_path):
    touch(tmp_path / "secret.pt", places[0] / "sub" / "a.pt", places[0] / "notes.txt")
    with pytest.raises(FileNotFoundError, match="put the file") as error:
        find_model(name, places)
    assert all(str(place) in str(error.value) for place in places)
