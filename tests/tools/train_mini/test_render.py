"""Rendered frames, where Blender's Python package is: in this Python, or in that of BPY_PYTHON."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sd2_depth2img
from sd2_depth2img.tools.train_mini.render import shards

TOOL = Path(sd2_depth2img.__file__).parent / "tools" / "train_mini"
PYTHON = os.environ.get("BPY_PYTHON") or (sys.executable if importlib.util.find_spec("bpy") else "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON, reason="no bpy here, and BPY_PYTHON names no Python that has it"
    ),
]


def render(folder, first, count):
    command = [PYTHON, "-m", "render", str(first), str(count), str(folder)]
    subprocess.run(command, cwd=TOOL, check=True, capture_output=True, timeout=600)


def test_a_frame_is_decided_by_its_number_and_has_depth(tmp_path):
    render(tmp_path / "both", 40, 2)
    render(tmp_path / "second", 41, 1)
    frames = [shards.load(shards.frame_path(tmp_path / "both", index)) for index in (40, 41)]
    again = shards.load(shards.frame_path(tmp_path / "second", 41))
    assert np.array_equal(frames[1].images, again.images)
    assert np.array_equal(frames[1].disparity, again.disparity)
    assert not np.array_equal(frames[0].images, frames[1].images)
    for frame in frames:
        assert (frame.images.shape, frame.images.dtype) == ((1, 160, 160, 3), np.uint8)
        assert (frame.disparity.shape, frame.disparity.dtype) == ((1, 160, 160), np.float16)
        assert frame.images.std() > 12
        assert np.isfinite(frame.disparity).all()
        assert frame.disparity.min() >= 0
        assert np.quantile(frame.disparity, 0.97) > 1.15 * np.quantile(frame.disparity, 0.03)


def test_what_is_there_is_not_rendered_again(tmp_path):
    render(tmp_path, 40, 1)
    before = shards.frame_path(tmp_path, 40).stat().st_mtime_ns
    render(tmp_path, 40, 1)
    assert shards.frame_path(tmp_path, 40).stat().st_mtime_ns == before
