"""Where the embedded engine finds depth models: ComfyUI's layout beside the checkpoints."""

import pytest

from sd2_depth2img.engine import folders, host


@pytest.fixture
def base(tmp_path):
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    yield tmp_path
    folders.use(before)


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_three_folders_are_searched(base):
    models = base / "models"
    touch(
        models / "depth" / "a.pt",
        models / "geometry_estimation" / "b.safetensors",
        models / "depthanything" / "c" / "config.json",
        models / "checkpoints" / "d.safetensors",
    )
    assert host.depth_model_names() == ["a.pt", "b.safetensors", "c"]
    assert host.depth_model_path("a.pt") == models / "depth" / "a.pt"
    assert host.depth_model_path("c") == models / "depthanything" / "c"


def test_a_path_of_a_file_or_a_folder_will_do(base):
    touch(base / "elsewhere" / "e.pt")
    for path in (base / "elsewhere", base / "elsewhere" / "e.pt"):
        assert host.depth_model_path(str(path)) == path


@pytest.mark.parametrize("name", ["f.pt", ""])
def test_a_missing_model_says_where_to_put_it(base, name):
    with pytest.raises(FileNotFoundError, match="no depth model") as error:
        host.depth_model_path(name)
    assert str(base / "models" / "depth") in str(error.value)
