"""The previews of depth maps, in a host that shows some."""

import logging
import time

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.host import host
from sd2_depth2img.nodes.depth_edit import SD2DepthAdjust
from sd2_depth2img.nodes.thumbnails import MOST, thumbnails


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """The folder of a host that shows previews."""
    monkeypatch.setattr(host, "preview_folder", lambda: tmp_path)
    return tmp_path


def maps(count, side=32):
    levels = torch.linspace(0, 1, count).reshape(count, 1, 1, 1)
    return levels.expand(count, side, side, 3).contiguous()


def level(folder, entry):
    return np.asarray(Image.open(folder / entry["filename"])).mean() / 255


def test_every_map_of_a_small_batch_is_shown(shown):
    entries = thumbnails(maps(3))
    assert [entry["type"] for entry in entries] == ["temp"] * 3
    assert [level(shown, one) for one in entries] == pytest.approx([0, 0.5, 1], abs=0.01)


def test_of_a_large_one_a_few_from_its_first_to_its_last(shown):
    levels = [level(shown, one) for one in thumbnails(maps(100))]
    assert len(levels) == MOST
    assert (levels[0], levels[-1]) == pytest.approx((0, 1), abs=0.01)
    assert levels == sorted(levels)


def test_without_a_map_or_a_canvas_nothing_is_written(shown, monkeypatch):
    assert thumbnails(None) == []
    monkeypatch.setattr(host, "preview_folder", lambda: None)
    assert thumbnails(maps(1)) == []
    assert not list(shown.iterdir())


def test_a_full_disk_costs_the_preview_alone(shown, monkeypatch, caplog):
    monkeypatch.setattr(host, "preview_folder", lambda: shown / "gone")
    node = SD2DepthAdjust()
    with caplog.at_level(logging.WARNING):
        given = node.run(depth=maps(1))
    assert torch.equal(given["result"][0], maps(1))
    (text,) = given["ui"]["warnings"]
    assert "there is no preview, but the depth map is right" in text


def test_a_node_shows_its_map_and_no_map_is_changed_by_it(shown):
    given = SD2DepthAdjust().run(depth=maps(2), invert=True)
    assert torch.equal(given["result"][0], 1 - maps(2))
    assert [level(shown, one) for one in given["ui"]["images"]] == pytest.approx([1, 0], abs=0.01)
    assert given["ui"]["warnings"] == []  # for ComfyUI, which puts lists together by name


def test_it_takes_less_than_a_twentieth_of_the_node(shown):
    depth = torch.rand(1, 2048, 2048, 1).repeat(1, 1, 1, 3)
    node = _fastest(lambda: SD2DepthAdjust().execute(depth))
    assert _fastest(lambda: thumbnails(depth)) < 0.05 * node


def _fastest(function):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
