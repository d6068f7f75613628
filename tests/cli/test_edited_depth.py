"""A workflow file with edits in its depth editor, run from the command line."""

import json

import numpy as np
import pytest
import torch

from sd2_depth2img.cli import main
from sd2_depth2img.depth.editing.painting import paint
from sd2_depth2img.depth.editing.state import read_state
from sd2_depth2img.engine import folders
from sd2_depth2img.tests.depth.editing.random_states import scene


@pytest.fixture(autouse=True)
def _keep_folders():
    before = folders.current()
    yield
    folders.use(before)


def canvas(edits):
    """What ComfyUI's page saves: loader → editor → two files."""

    def node(number, kind, widgets, inputs, outputs=()):
        return {
            **{"id": number, "type": kind, "mode": 0, "widgets_values": widgets},
            "inputs": [{"name": name, "type": "IMAGE", "link": link} for name, link in inputs],
            "outputs": [{"name": name, "links": links} for name, links in outputs],
        }

    return {
        "version": 0.4,
        "nodes": [
            node(1, "SD2DepthLoad", ["map.npy"], [], [("depth", [1])]),
            node(2, "SD2DepthEditor", [edits], [("depth", 1), ("image", None)]),
            node(3, "MaskToImage", [], [("mask", 3)]),
            node(4, "SD2DepthSave", ["edited", "16", "npy"], [("depth", 2)]),
            node(5, "SD2DepthSave", ["touched", "16", "npy"], [("depth", 4)]),
        ],
        "links": [
            [1, 1, 0, 2, 0, "IMAGE"],
            [2, 2, 0, 4, 0, "IMAGE"],
            [3, 2, 1, 3, 0, "MASK"],
            [4, 3, 0, 5, 0, "IMAGE"],
        ],
    }


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_it_gives_what_the_edits_make_of_the_map_bit_for_bit(tmp_path, monkeypatch, seed, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input").mkdir()
    one = scene(seed, edges=False)
    depth = (one.steps / 65535).astype(np.float32)
    np.save(tmp_path / "input" / "map.npy", depth)
    edits = json.dumps(one.state)
    (tmp_path / "w.json").write_text(json.dumps(canvas(edits)), encoding="utf-8")
    assert main.main(["run", "w.json"]) == main.OK
    expected = paint(torch.from_numpy(depth)[None], read_state(edits))
    for name, plane in zip(("edited", "touched"), expected, strict=True):
        saved = np.load(tmp_path / "output" / f"{name}_00001_.npy")
        assert np.array_equal(saved, plane[0].numpy())


def test_edits_that_cannot_be_read_are_told_with_their_node(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input").mkdir()
    np.save(tmp_path / "input" / "map.npy", np.eye(8, dtype=np.float32))
    (tmp_path / "w.json").write_text(json.dumps(canvas('{"version": 9}')), encoding="utf-8")
    assert main.main(["run", "w.json"]) == main.FAILED
    said = " ".join(capsys.readouterr().err.split())
    assert 'node 2 "Edit Depth" (SD2DepthEditor)' in said
    assert "the edits are of version 9; versions up to 1 can be read. Update this pack." in said
