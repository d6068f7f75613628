"""Maps at full size for the page, in a host that shows something."""

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.host import host
from sd2_depth2img.nodes.page_maps import page_maps
from sd2_depth2img.nodes.thumbnails import MOST


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """The folder of a host that shows previews."""
    monkeypatch.setattr(host, "preview_folder", lambda: tmp_path)
    return tmp_path


def maps(count=1, height=6, width=9):
    steps = torch.arange(count * height * width).reshape(count, height, width)
    return steps / (steps.numel() - 1)


def read(folder, file, kind):
    assert (file["subfolder"], file["type"]) == ("", "temp")
    return np.fromfile(folder / file["filename"], kind)


def test_a_map_is_there_in_65536_steps_row_by_row(shown):
    (entry,) = page_maps(maps())
    assert {name: entry[name] for name in ("frame", "frames", "width", "height")} == {
        **{"frame": 0, "frames": 1},
        **{"width": 9, "height": 6},
    }
    expected = np.floor(maps().numpy().astype(float).ravel() * 65535 + 0.5)
    assert np.array_equal(read(shown, entry["depth"], "<u2"), expected)
    assert entry["guide"] is None
    assert entry["photo"] is None


def test_the_photo_comes_at_the_maps_size_and_its_brightness_for_editors_only(shown):
    photo = torch.zeros(1, 12, 18, 3)
    photo[..., 1] = 1
    (entry,) = page_maps(maps(), photo, guide=True)
    assert read(shown, entry["guide"], np.uint8).tolist() == [182] * 54  # 0.7152 · 255
    image = Image.open(shown / entry["photo"]["filename"])
    assert (image.format, image.size) == ("JPEG", (9, 6))
    assert np.asarray(image)[3, 4].astype(float) == pytest.approx([0, 255, 0], abs=6)
    assert page_maps(maps(), photo)[0]["guide"] is None


def test_of_a_batch_a_few_are_shown_each_with_its_photo(shown):
    photos = torch.stack([torch.zeros(6, 9, 3), torch.ones(6, 9, 3)])
    entries = page_maps(maps(100), photos, guide=True)
    assert len(entries) == MOST
    assert [entries[0]["frame"], entries[-1]["frame"]] == [0, 99]
    for entry in entries:
        assert entry["frames"] == 100
        guide = read(shown, entry["guide"], np.uint8)
        assert (guide == 255 * (entry["frame"] % 2)).all()


def test_what_is_shown_again_is_not_written_again(shown):
    first = page_maps(maps(), torch.zeros(1, 6, 9, 3), guide=True)
    times = {path: path.stat().st_mtime_ns for path in shown.iterdir()}
    assert page_maps(maps(), torch.zeros(1, 6, 9, 3), guide=True) == first
    assert {path: path.stat().st_mtime_ns for path in shown.iterdir()} == times
    assert len(times) == 3


def test_without_a_page_nothing_is_written():
    assert page_maps(maps()) == []


def test_a_full_disk_costs_the_page_alone(shown, monkeypatch, caplog):
    monkeypatch.setattr(host, "preview_folder", lambda: shown / "gone")
    assert page_maps(maps()) == []
    assert "the page gets no map, but the result is right" in caplog.text
