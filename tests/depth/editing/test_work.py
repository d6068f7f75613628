"""What would take hours is refused at once; what people draw is not, and is done in seconds."""

import json
import time
import tracemalloc

import numpy as np
import pytest
import torch

from sd2_depth2img.depth.editing.painting import paint
from sd2_depth2img.depth.editing.state import read_state
from sd2_depth2img.depth.editing.work import TooMuchWork, check_work

SIDE = 1024


def state(*edits, size=(SIDE, SIDE), **layer):
    layers = [{"edits": list(edits), **layer}]
    return read_state(json.dumps({"version": 1, "size": size, "layers": layers}))


def points(count):
    rng = np.random.default_rng(count)
    return rng.integers(0, SIDE, (count, 2)).tolist()


LONG = {"tool": "stroke", "does": "nearer", "points": points(200_000), "radius": 4096}
DENSE = {"tool": "polygon", "does": "nearer", "points": points(200_000)}
FLOOD = {"tool": "flood", "does": "smooth", "at": [5, 5]}
TEXT = {"tool": "stamp", "shape": "text", "at": [5, 5], "size": [2, 2]}
TEXTS = [{**TEXT, "text": f"{number:0200d}"} for number in range(10_000)]


@pytest.mark.parametrize(
    "edits",
    [[LONG], [DENSE], [FLOOD] * 10_000, TEXTS],
    ids=["long", "dense", "many", "texts"],
)
def test_what_would_take_hours_is_refused_at_once(edits):
    found = state(*edits)
    start = time.process_time()
    with pytest.raises(TooMuchWork, match=r"as long on a map of 4096 x 4096 pixels as they may"):
        paint(torch.zeros(1, 4096, 4096), found)
    assert time.process_time() - start < 5


def test_what_is_hidden_costs_nothing():
    check_work(state(LONG, visible=False), 4096, 4096)


def test_a_long_sitting_is_let_through():
    path = np.cumsum(np.full((20, 2), 3.0), axis=0).tolist()
    stroke = {"tool": "stroke", "does": "nearer", "points": path, "radius": 60, "edges": True}
    check_work(state(*[stroke] * 10_000), SIDE, SIDE)


@pytest.mark.parametrize("size", [(1, 1), (65536, 65536)])
def test_any_scale_has_a_sum(size):
    check_work(state({**LONG, "points": [[1, 2]]}, FLOOD, size=size), 8, 8)


def test_a_thousand_strokes_that_keep_to_edges_take_seconds():
    rng = np.random.default_rng(2)
    path = np.cumsum(np.full((20, 2), 3.0), axis=0)
    stroke = {"tool": "stroke", "does": "nearer", "amount": 0.01, "radius": 60, "edges": True}
    strokes = [{**stroke, "points": (path + rng.uniform(0, 960, 2)).tolist()} for _ in range(50)]
    depth, image = torch.rand(1, SIDE, SIDE), torch.rand(1, SIDE, SIDE, 3)
    start = time.process_time()
    paint(depth, state(*strokes), image)
    assert (time.process_time() - start) * 20 < 60  # on one core it is 5


WHOLE = {"tool": "gradient", "kind": "linear", "from": [0, 0], "to": [9, 9], "depths": [0, 1]}


@pytest.mark.parametrize(
    "edit",
    [
        {**WHOLE, "edges": True, "between": [0.2, 0.8]},
        {**LONG, "points": points(50), "edges": True},
        {**DENSE, "points": points(3000), "feather": 1024},
        *({**FLOOD, "does": does, "tolerance": 0.4} for does in ("smooth", "sharpen", "delete")),
        {"tool": "stamp", "shape": "text", "text": "W" * 200, "at": [5, 5], "size": [9e4, 9e4]},
    ],
    ids=lambda edit: edit.get("does", edit["tool"]),
)
def test_memory_is_that_of_some_maps(edit):
    depth, image = torch.rand(1, 512, 512), torch.rand(1, 512, 512, 3)
    found = state(edit)
    tracemalloc.start()
    paint(depth, found, image)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100e6 + 30 * 8 * 512 * 512  # of crossings of a polygon or letters; of maps
