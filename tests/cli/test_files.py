"""Files and folders as they are given to a command."""

import pytest

from sd2_depth2img.cli.files import as_in_a_shell, picture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input" / "shots").mkdir(parents=True)
    return tmp_path / "input"


def test_a_folder_is_told_how_its_frames_are_run(folder):
    told = r"shots is a folder, and one picture .*depth2img batch WORKFLOW --input \S*shots --out"
    for name in ("shots", "input/shots", str(folder / "shots")):
        with pytest.raises(FileNotFoundError, match=told):
            picture(name, folder)


@pytest.mark.parametrize("suffix", [".mp4", ".MOV"])
def test_a_film_is_told_how_it_becomes_pictures(folder, suffix):
    (folder / f"my clip{suffix}").write_bytes(b"\0\0\0\x18ftypmp42")
    told = r"is a film, .*ffmpeg -i '\S* clip\S*' '\S* clip/%05d.png'\), .* --input '\S* clip' --"
    with pytest.raises(FileNotFoundError, match=told):
        picture(f"my clip{suffix}", folder)


def test_a_path_means_what_a_shell_means_by_it(folder):
    for place in (folder, folder.parent):
        (place / "both.png").touch()
    (folder / "one.png").touch()
    assert as_in_a_shell("both.png", folder) == str(folder.parent / "both.png")
    for name in ("one.png", "gone.png", "", "x" * 5000):
        assert picture(name, folder) == name
