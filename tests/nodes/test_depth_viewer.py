"""Parallax Viewer: what it leaves for the page."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.host import host
from sd2_depth2img.nodes.depth_viewer import SD2DepthViewer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "preview_folder", lambda: tmp_path)
    return tmp_path


def shown(**inputs):
    return SD2DepthViewer().run(**inputs)["ui"]["sd2_depth_viewer"]


def depth_of(folder, entry):
    steps = np.fromfile(folder / entry["depth"]["filename"], "<u2")
    return steps.reshape(entry["height"], entry["width"])


def flat(colour, height=6, width=8):
    return torch.tensor(colour, dtype=torch.float32).expand(1, height, width, 3).clone()


def test_image_and_depth_lie_ready_at_the_images_size(folder):
    depth = torch.zeros(1, 3, 4, 3)
    depth[:, :, 2:] = 1
    (entry,) = shown(image=flat([1, 0, 0]), depth=depth)
    assert (entry["width"], entry["height"]) == (8, 6)
    assert (entry["frame"], entry["frames"], entry["after"]) == (0, 1, None)
    steps = depth_of(folder, entry)
    assert (steps[:, 0] < 3000).all()
    assert (steps[:, -1] > 62_000).all()
    photo = np.asarray(Image.open(folder / entry["photo"]["filename"]))
    assert np.abs(photo.astype(int) - (254, 0, 0)).max() <= 2


def test_a_map_of_the_images_size_keeps_16_bits(folder):
    ramp = torch.arange(48, dtype=torch.float32).view(1, 6, 8, 1).expand(1, 6, 8, 3) / 65535
    (entry,) = shown(image=flat([0, 0, 1]), depth=ramp)
    assert depth_of(folder, entry).flatten().tolist() == list(range(48))


def test_the_image_to_compare_with_has_its_place(folder):
    red, blue, grey = flat([1, 0, 0]), flat([0, 0, 1], 12, 16), flat([0.5, 0.5, 0.5])
    (entry,) = shown(image=red, depth=grey, after=blue)
    after = Image.open(folder / entry["after"]["filename"])
    assert after.size == (8, 6)
    assert after.getpixel((4, 3))[2] > 250
    assert Image.open(folder / entry["photo"]["filename"]).getpixel((4, 3))[0] > 250


def test_of_a_batch_eight_are_shown_each_with_its_own_map_and_comparison(folder):
    grey = torch.linspace(0, 1, 20)
    images = grey.view(-1, 1, 1, 1).expand(20, 6, 8, 3)
    maps = torch.tensor([0.25, 0.75]).view(2, 1, 1, 1).expand(2, 6, 8, 3)
    entries = shown(image=images, depth=maps, after=images[:4])
    assert [entry["frame"] for entry in entries] == [0, 3, 5, 8, 11, 14, 16, 19]
    assert {entry["frames"] for entry in entries} == {20}
    for entry in entries:
        frame = entry["frame"]
        assert depth_of(folder, entry)[0, 0] == round([0.25, 0.75][frame % 2] * 65535)
        for name, index in (("photo", frame), ("after", frame % 4)):
            pixel = Image.open(folder / entry[name]["filename"]).getpixel((4, 3))
            assert pixel[0] == pytest.approx(255 * grey[index].item(), abs=2)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"depth": torch.zeros(1, 8, 8, 3)}, "8 x 8 pixels"),
        ({"after": torch.zeros(1, 8, 8, 3)}, "to compare with has 8 x 8 pixels, the image 8 x 6"),
        ({"after": torch.zeros(1, 6, 8, 4)}, "input after: .* The fourth channel is alpha"),
        ({"after": torch.zeros(2, 6, 8, 3)}, "2 images to compare with cannot be shared out to 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(folder, inputs, said):
    given = {"image": flat([1, 0, 0]), "depth": flat([0.5, 0.5, 0.5]), **inputs}
    with pytest.raises(ValueError, match=said):
        shown(**given)


def test_a_disk_that_fills_up_leaves_what_there_is(folder, monkeypatch, caplog):
    written = Path.write_bytes

    def write_bytes(path, content):
        if len(list(folder.iterdir())) > 5:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    grey = torch.linspace(0, 1, 4).view(-1, 1, 1, 1).expand(4, 6, 8, 3)
    entries = shown(image=grey, depth=flat([0.5, 0.5, 0.5]), after=1 - grey * 0.9)
    assert len(entries) == 4
    assert entries[0]["after"] is not None
    assert entries[-1]["after"] is None
    assert "the page gets no map" in caplog.text


def test_without_a_page_it_shows_nothing(monkeypatch):
    monkeypatch.setattr(host, "preview_folder", lambda: None)
    given = SD2DepthViewer().run(image=flat([1, 0, 0]), depth=flat([0.5, 0.5, 0.5]))
    assert given["ui"] == {}
