"""What would take hours is refused at once; what people draw is not."""

import json
import time

import numpy as np
import pytest

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


@pytest.mark.parametrize(
    "edits", [[LONG], [DENSE], [FLOOD] * 10_000], ids=["long", "dense", "many"]
)
def test_what_would_take_hours_is_refused_at_once(edits):
    found = state(*edits)
    start = time.process_time()
    with pytest.raises(TooMuchWork, match=r"as long on a map of 4096 x 4096 pixels as they may"):
        check_work(found, 4096, 4096)
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
